"""One page of a long list, with links to its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list and where the rest is."""

    rows: Sequence[T]
    """What this page shows."""
    total: int
    """How many there are in all."""
    number: int
    """This page, counted from 1."""
    size: int
    """Rows a page."""
    before: str
    """Address of the page before, empty on the first."""
    after: str
    """Address of the page after, empty on the last."""

    @property
    def words(self) -> str:
        """Which rows are shown, out of how many."""
        first = (self.number - 1) * self.size + 1
        return (
            f"{first} to {first + len(self.rows) - 1} of {self.total}" if self.rows else f"0 of {self.total}"
        )

    def links(self) -> str:
        """The value of a ``Link`` header (RFC 8288), empty when there is one page only."""
        pairs = ((self.before, "prev"), (self.after, "next"))
        return ", ".join(f'<{address}>; rel="{relation}"' for address, relation in pairs if address)


def page_of(rows: Sequence[T], number: int, size: int, address: str, query: Mapping[str, str]) -> Page[T]:
    """Page ``number`` of ``rows``, with links to ``address?query&page=N``.

    Arguments:
        rows: the whole list.
        number: the page wanted, from 1; one past the end is empty.
        size: rows a page, at least 1.
        address: path of the list.
        query: the other parameters; empty ones are left out.
    """
    start = (number - 1) * size

    def link(wanted: int) -> str:
        """The address of another page of the same list."""
        given = {name: value for name, value in query.items() if value}
        return f"{address}?{urlencode({**given, 'page': wanted})}"

    return Page(
        rows=rows[start : start + size],
        total=len(rows),
        number=number,
        size=size,
        before=link(number - 1) if number > 1 else "",
        after=link(number + 1) if start + size < len(rows) else "",
    )
