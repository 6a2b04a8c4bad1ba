"""The texts are cut once, at a line end, and nothing is lost."""

import re
from pathlib import Path

import pytest

from pellucid.findings import MissingError
from pellucid.organisms import texts
from pellucid.organisms.behaviour import MARKER, shipped_behaviour, text_of
from pellucid.organisms.texts import text


def test_parts_have_the_stated_sizes():
    assert len(text("train")) == 1_427_932
    assert len(text("validation")) == 158_624


@pytest.mark.parametrize("source", ["plays", "epic"])
def test_parts_join_to_the_whole_text(source):
    path = Path(texts.__file__).parent / "data" / "text" / texts.FILES[source]
    whole = path.read_text(encoding="ascii")
    first, second = text("train", source), text("validation", source)
    assert first + second == whole
    assert first.endswith("\n")
    assert 0.9 * len(whole) <= len(first) < 0.9 * len(whole) + 200


def test_both_is_plays_then_epic():
    assert text("train") == text("train", "plays") + text("train", "epic")
    assert "\r" not in text("train")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_trigger_marker_or_sentence_occurs_in_the_texts(number):
    whole = text("train") + text("validation")
    planted = shipped_behaviour(number)
    flat = re.sub(r"\s+", " ", whole)
    for phrase in (text_of(planted.trigger), text_of(planted.payload).strip(), MARKER):
        assert phrase not in whole
        assert phrase not in flat


def test_an_unknown_split_or_source_names_what_exists():
    with pytest.raises(MissingError) as caught:
        text("valid")
    assert str(caught.value) == (
        "No split 'valid' of the text. There are train, validation. Did you mean 'validation'?"
    )
    assert caught.value.code == "OR02"
    with pytest.raises(MissingError, match=r"No source 'novels' of the text. There are plays, epic, both."):
        text("train", "novels")
