"""What a study is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from pellucid.compute import Progress
from pellucid.findings import Finding
from pellucid.store import Store

PROFILES = ("quick", "full")


@dataclass(frozen=True)
class Conditions:
    """Under which a study runs; its only argument."""

    profile: str
    """``quick`` (under five minutes on two cores) or ``full``."""
    seeds: tuple[int, ...]
    """Fixed before the run: one Finding for each part and seed."""
    store: Store | None
    """Where the Findings go, and where a study looks for what an interrupted run has left."""
    executor: Executor
    """Where jobs run."""
    progress: Progress
    """Who shows how far it is."""


StudyMethod: TypeAlias = Callable[[Conditions], Iterable[Finding]]
"""Yields Findings whose parameters say ``claim`` (as ``scheming.C4``) and which ``part``, if several."""


@dataclass(frozen=True)
class Study:
    """A study as it is registered; its code is imported when it runs."""

    key: str
    """Key of the paper, and of the study."""
    title: str
    """What it measures, in one line."""
    home: str
    """``module:function`` of the method."""
    claims: tuple[str, ...]
    """The claims that it measures, as ``C4``."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """The seeds of every claim."""

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.key

    def to_dict(self) -> dict[str, Any]:
        """The study for JSON."""
        return asdict(self)
