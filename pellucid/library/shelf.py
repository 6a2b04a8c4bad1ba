"""The library beside a store: every paper with the states of its claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.findings import Header
from pellucid.library.catalogue import catalogue
from pellucid.library.paper import Claim, Paper
from pellucid.library.states import claim_state, paper_state
from pellucid.store import Store, open_store, store_exists


@dataclass(frozen=True)
class Entry:
    """A paper and what became of its claims here."""

    paper: Paper
    """The paper."""
    claims: tuple[tuple[Claim, str], ...]
    """Every claim with its state."""
    state: str
    """What they amount to."""

    def to_dict(self) -> dict[str, Any]:
        """The entry for JSON."""
        claims = [{**asdict(claim), "state": state} for claim, state in self.claims]
        return {**self.paper.to_dict(), "state": self.state, "claims": claims}


def shelf(source: Store | str | None = None) -> list[Entry]:
    """Every paper with the states that a store's Findings give its claims.

    Arguments:
        source: a store, or the URL of one; one that does not exist yet is not made, and nothing counts as
            attempted.

    Example:
        >>> entries = shelf()
        >>> len(entries), entries[0].paper.key
        (25, 'aisi')
    """
    headers = headers_in(source)
    return [entry(paper, headers) for paper in catalogue()]


def entry(paper: Paper, headers: Sequence[Header]) -> Entry:
    """One paper beside the Findings of a store, the newest first."""
    claims = tuple((claim, claim_state(claim, headers)) for claim in paper.claims)
    return Entry(paper, claims, paper_state(paper, [state for _, state in claims]))


def headers_in(source: Store | str | None) -> list[Header]:
    """The Findings of a store that were measured for a claim, the newest first."""
    if source is None or (isinstance(source, str) and not store_exists(source)):
        return []
    if isinstance(source, str):
        with open_store(source) as store:
            return headers_in(store)
    return [header for header in source.find() if "claim" in header.provenance.parameters]
