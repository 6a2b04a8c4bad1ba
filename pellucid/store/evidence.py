"""The evidence that a store holds, as a case asks for it."""

from __future__ import annotations

from pellucid.cases.defeaters.automatic import ABOUT
from pellucid.cases.evidence.citations import LOGS, Lookup
from pellucid.cases.evidence.repetition import RERUN
from pellucid.findings import Header
from pellucid.store.store import Store

LISTED = (*sorted(LOGS), *(about.kind for about in ABOUT))
"""Kinds that a case asks for otherwise than by id: logs by digest, and what is known of benchmarks."""


def evidence_in(store: Store) -> Lookup:
    """Findings of a store by id, its logs by digest, its Findings on benchmarks: for ``Case.evaluate``."""
    # the store gives the newest first; of two of one second the later one counts
    return Lookup(store.header, lambda: [one for kind in LISTED for one in reversed(store.find(kind=kind))])


def reruns_in(store: Store) -> list[Header]:
    """What earlier re-runs have said of the Findings that they repeated."""
    return store.find(kind=RERUN)
