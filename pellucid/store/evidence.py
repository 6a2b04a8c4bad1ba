"""The evidence that a store holds, as a case asks for it."""

from __future__ import annotations

from pellucid.cases.evidence.citations import Lookup, lookup
from pellucid.cases.evidence.repetition import RERUN
from pellucid.findings import Header
from pellucid.store.store import Store


def evidence_in(store: Store) -> Lookup:
    """Findings of a store by id, its logs by digest, its Findings on benchmarks: for ``Case.evaluate``."""
    return lookup(store)


def reruns_in(store: Store) -> list[Header]:
    """What earlier re-runs have said of the Findings that they repeated."""
    return store.find(kind=RERUN)
