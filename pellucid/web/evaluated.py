"""A stored case read again and evaluated against what the store holds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pellucid.cases import Case
from pellucid.findings import MissingError, code_digest

if TYPE_CHECKING:
    from pellucid.cases import Sensitivity, Verdict
    from pellucid.findings import Header
    from pellucid.store import CaseRecord, Store


@dataclass(frozen=True)
class Evaluated:
    """A stored case and its verdict."""

    record: CaseRecord
    """The case as it is stored."""
    case: Case
    """The argument."""
    verdict: Verdict
    """What the stored Findings say about it."""
    store: Store
    """Where its Findings are."""
    present: Mapping[str, str]
    """Digests of the methods as they are now."""

    def find(self, identity: str) -> Header | None:
        """The header of a Finding, None when the store has none."""
        return header_or_none(self.store, identity)

    @cached_property
    def sensitivity(self) -> list[Sensitivity]:
        """What hangs on each leaf."""
        return self.case.sensitivity(self.find, self.present)


def header_or_none(store: Store, identity: str) -> Header | None:
    """The header of a Finding by id, None when the store has none."""
    try:
        return store.header(identity)
    except MissingError:
        return None


def evaluated(store: Store, name: str) -> Evaluated:
    """Read and evaluate the case ``name``.

    Errors:
        MissingError of the store when there is no such case.
    """
    record = store.case(name)
    case = Case.read(record.yaml)
    present = present_code(case, store)
    verdict = case.evaluate(lambda found: header_or_none(store, found), present)
    return Evaluated(record, case, verdict, store, present)


def present_code(case: Case, store: Store) -> dict[str, str]:
    """Digests of the methods that the cited Findings name, as their source is now."""
    cited = (header_or_none(store, found) for found in set(case.citations.values()))
    methods = {header.provenance.method for header in cited if header is not None}
    return {f"code:{method}": digest_now(method) for method in methods}


def digest_now(method: str) -> str:
    """The digest of a method's source; ``gone`` when the method does not exist any more."""
    try:
        return code_digest(method)
    except MissingError:
        return "gone"
