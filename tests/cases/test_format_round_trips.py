"""Every format: what is written is read back, or the list of losses says what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated_cases import awkward_cases, sound_cases
from hypothesis import given, settings

from pellucid.cases import Case
from pellucid.cases.formats.registry import format_named, recognised

DATA = Path(__file__).parent / "data"
READ = ["cae", "sacm", "ltac", "tea", "tea-flat", "gsn"]
ONE_FILE = READ[:-1]


def back(case: Case, name: str) -> Case:
    """The case after a round trip through a format, by way of its text alone."""
    text = format_named(name).dump(case.modules).text
    assert not text or recognised(text, "text").name in (name, name.removesuffix("-flat")), text[:200]
    return Case.read(text)


@pytest.mark.parametrize("name", READ)
@settings(max_examples=30, deadline=None)
@given(case=sound_cases())
def test_sound_cases_lose_nothing(name: str, case: Case) -> None:
    assert case.losses(name) == []
    assert back(case, name).normal() == case.normal()


@pytest.mark.parametrize("name", ONE_FILE)
@settings(max_examples=70, deadline=None)
@given(case=awkward_cases)
def test_awkward_cases_lose_only_what_the_list_says(name: str, case: Case) -> None:
    losses = case.losses(name)
    assert all(loss.code == "N01" and loss.level == "warning" for loss in losses)
    again = back(case, name)
    if not losses:
        assert again.normal() == case.normal()
    told = [loss.message for loss in losses]
    for name_of, node in case.normal().nodes.items():
        if not any(message.endswith(f" of '{name_of}'.") for message in told):
            assert again.normal().nodes[name_of] == node
