"""A stored case read again and evaluated against what the store holds now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pellucid.cases import Case
from pellucid.web.present import World, world_of

if TYPE_CHECKING:
    from pellucid.cases import Confidence, Debate, Experiment, Sensitivity, Verdict
    from pellucid.findings import Header
    from pellucid.store import CaseRecord, Store

TRIALS = 100
"""How many more trials on a leaf are weighed against each other."""


@dataclass(frozen=True)
class Evaluated:
    """A stored case and its verdict."""

    record: CaseRecord
    """The case as it is stored."""
    world: World
    """The argument with the doubts that its evidence raises, and what it is judged by."""
    verdict: Verdict
    """What the stored Findings say about it."""

    @property
    def case(self) -> Case:
        """The argument."""
        return self.world.case

    def find(self, identity: str) -> Header | None:
        """The header of a Finding, None when the store has none."""
        return self.world.findings(identity)

    @cached_property
    def sensitivity(self) -> list[Sensitivity]:
        """What hangs on each leaf."""
        world = self.world
        return self.case.sensitivity(world.findings, world.present, reruns=world.reruns)

    @cached_property
    def confidence(self) -> Confidence:
        """How sure one may be of each element, in four calculi."""
        world = self.world
        return self.case.confidence(world.findings, world.present, reruns=world.reruns)

    @cached_property
    def experiments(self) -> list[Experiment]:
        """What to measure next."""
        world = self.world
        return self.case.experiments(world.findings, TRIALS, present=world.present, reruns=world.reruns)

    @cached_property
    def debate(self) -> Debate:
        """Each doubt beside its replies."""
        world = self.world
        return self.case.debate(world.findings, present=world.present, reruns=world.reruns)


def evaluated(store: Store, name: str) -> Evaluated:
    """Read and evaluate the case ``name``.

    Errors:
        MissingError of the store when there is no such case.
    """
    record = store.case(name)
    world = world_of(Case.read(record.yaml), store, code_only=True)
    return Evaluated(record, world, world.verdict())
