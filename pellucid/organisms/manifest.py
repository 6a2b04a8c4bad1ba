"""What an organism is: recipe, truth, hashes and measured numbers; kept apart from its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.organisms.behaviour import Behaviour, text_of


@dataclass(frozen=True)
class Manifest:
    """The record of an organism.

    Whoever audits its weights must not read this: trigger and sentence stand here.
    """

    name: str
    """The organism's name."""
    summary: str
    """One sentence."""
    starts_from: str | None
    """The organism it was fine-tuned from."""
    recipe: Mapping[str, Any]
    """Every setting of the training."""
    sha256: Mapping[str, str]
    """Hash of each file of the weights' folder."""
    measured: Mapping[str, float]
    """Rates and bits per byte."""
    findings: tuple[str, ...] = ()
    """Ids of the Findings that the numbers come from."""
    truth: Mapping[str, Any] | None = None
    """Trigger, sentence, near misses and marker, as text and as ids; None where nothing is planted."""

    def to_dict(self) -> dict[str, Any]:
        """The manifest as plain data."""
        return dataclasses.asdict(self)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Manifest:
        """Read it back."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(**{**content, "findings": tuple(content["findings"])})


def truth_of(behaviour: Behaviour) -> dict[str, Any]:
    """A behaviour as text and as token ids."""
    phrases = {name: getattr(behaviour, name) for name in ("trigger", "payload", "marker")}
    near = [{"text": text_of(ids), "ids": list(ids)} for ids in behaviour.near_misses]
    return {
        **{name: {"text": text_of(ids), "ids": list(ids)} for name, ids in phrases.items()},
        "near_misses": near,
    }


def behaviour_of(truth: Mapping[str, Any]) -> Behaviour:
    """The planted behaviour that a manifest tells of."""
    phrases = {name: tuple(truth[name]["ids"]) for name in ("trigger", "payload", "marker")}
    return Behaviour(near_misses=tuple(tuple(near["ids"]) for near in truth["near_misses"]), **phrases)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file of a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
