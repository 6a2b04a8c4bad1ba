"""What re-runs have said about Findings: which could not be reproduced, and when each was last confirmed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pellucid.cases.evidence.validity import moment
from pellucid.findings import Header

RERUN = "cases.rerun"
"""Kind of the Findings that compare a re-run with what it repeats; their parents are the old and the new."""


@dataclass(frozen=True)
class Repetitions:
    """Re-runs by the Finding that was repeated, each list in order of time."""

    of_old: Mapping[str, tuple[Header, ...]] = field(default_factory=dict)
    """Re-runs of each Finding."""

    @staticmethod
    def of(reruns: Iterable[Header]) -> Repetitions:
        """Gather re-runs; others kinds of Finding and retracted re-runs are left out.

        Args:
            reruns: headers of kind ``cases.rerun``.
        """
        groups: defaultdict[str, list[Header]] = defaultdict(list)
        for found in sorted(reruns, key=lambda header: (ran_of(header), header.id)):
            if found.kind == RERUN and not found.retracted and len(found.provenance.parents) == 2:
                groups[found.provenance.parents[0]].append(found)
        return Repetitions({old: tuple(found) for old, found in groups.items()})

    def refuted(self, finding: str) -> Header | None:
        """The newest re-run of the same that came out outside tolerance; None when none did."""
        against = (found for found in reversed(self.of_old.get(finding, ())) if found.status == "refutes")
        return next(against, None)

    def confirmed(self, finding: str) -> datetime | None:
        """When a re-run last gave this very Finding again."""
        same = (
            moment(ran_of(found))
            for found in self.of_old.get(finding, ())
            if found.provenance.parents[1] == finding
        )
        return max((time for time in same if time), default=None)

    def successors(self, finding: str) -> tuple[Header, ...]:
        """Its re-runs that gave another Finding, the newest first."""
        found = self.of_old.get(finding, ())
        return tuple(header for header in reversed(found) if header.provenance.parents[1] != finding)


def ran_of(rerun: Header) -> str:
    """When the re-run itself was measured."""
    return str(rerun.provenance.parameters.get("ran", ""))
