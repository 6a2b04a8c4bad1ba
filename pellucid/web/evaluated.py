"""A stored case read again and evaluated against what the store holds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pellucid.cases import Case
from pellucid.web.present import World, world_of

if TYPE_CHECKING:
    from pellucid.cases import Confidence, CutSets, Debate, Experiment, Sensitivity, Verdict
    from pellucid.cases.confidence import LeafConfidence
    from pellucid.cases.evidence.evidence import Evidence
    from pellucid.findings import Diagnostic, Header
    from pellucid.store import CaseRecord, Store

TRIALS = 100
"""How many more trials on a leaf are weighed against each other."""


@dataclass(frozen=True)
class Evaluated:
    """A stored case and its verdict; its numbers are made when they are asked for, and once."""

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
        """The header of a Finding, or of what is known of a log; None when the store has none."""
        return self.world.findings(identity)

    @cached_property
    def evidence(self) -> Evidence:
        """What the leaves are read against."""
        world = self.world
        return self.case.evidence(world.findings, world.present, reruns=world.reruns)

    @cached_property
    def leaves(self) -> Mapping[str, LeafConfidence]:
        """How sure one may be of each leaf."""
        from pellucid.cases.confidence import read_confidences

        return read_confidences(self.case.graph, self.evidence)

    @cached_property
    def sensitivity(self) -> list[Sensitivity]:
        """What hangs on each leaf."""
        from pellucid.cases.confidence.sensitivity import sensitivities

        return sensitivities(self.case.graph, self.leaves)

    @cached_property
    def cut_sets(self) -> tuple[CutSets | None, str]:
        """The minimal cut sets, or why there are none."""
        from pellucid.findings import InputError

        try:
            return self.case.cut_sets(), ""
        except InputError as error:
            return None, str(error)

    @cached_property
    def confidence(self) -> Confidence:
        """How sure one may be of each element, in four calculi."""
        from pellucid.cases.confidence import confide

        return confide(self.case.graph, self.leaves)

    @cached_property
    def flags(self) -> list[Diagnostic]:
        """Where the numbers need an explanation: checks Q01 to Q03."""
        from pellucid.cases.checks.confidence import check_confidence

        found = check_confidence(self.case.modules, self.case.graph, self.confidence)
        return [flag for flag in found if flag.code.startswith("Q")]

    @cached_property
    def experiments(self) -> list[Experiment]:
        """What to measure next."""
        from pellucid.cases.confidence import next_experiments

        return next_experiments(self.case.graph, self.leaves, TRIALS)

    @cached_property
    def debate(self) -> Debate:
        """Each doubt beside its replies."""
        from pellucid.cases.dialectic import debate

        leaves = {name: leaf.value for name, leaf in self.leaves.items()}
        return debate(self.case, self.verdict, leaves=leaves)


def evaluated(store: Store, name: str) -> Evaluated:
    """Read and evaluate the case ``name``.

    Errors:
        MissingError of the store when there is no such case.
    """
    record = store.case(name)
    world = world_of(Case.read(record.yaml), store, code_only=True)
    return Evaluated(record, world, world.verdict())
