"""The sum of doubts: a claim fails at most as often as its needed leaves do together, each counted once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Way = frozenset[tuple[str, bool]]
"""Leaves with the value that they must have; all of them together are enough."""


class Ways(NamedTuple):
    """A set of leaves that is enough to make an element true, and one that is enough to make it false."""

    true: Way | None
    false: Way | None


NOTHING: Way = frozenset()


@dataclass(frozen=True)
class Doubts:
    """The calculus: for each element the way to its truth, and to its falsehood, that is least doubtful.

    Whatever the dependence, ``1 - P(n) <= sum of the doubts of the leaves on its way`` (Boole's inequality).
    """

    low: Mapping[str, float]
    """The least probability of each leaf."""
    high: Mapping[str, float]
    """The greatest probability of each leaf."""

    def doubt(self, way: Way | None) -> float:
        """The sum of doubts along a way; 1 when it reaches that, or when there is no way."""
        if way is None:
            return 1.0
        # fsum: the same to the last bit in whatever order a set gives its members
        return min(1.0, math.fsum(1 - self.low[name] if true else self.high[name] for name, true in way))

    def leaf(self, name: str) -> Ways:
        """A leaf stands for itself."""
        return Ways(frozenset({(name, True)}), frozenset({(name, False)}))

    def both(self, values: Sequence[Ways]) -> Ways:
        """All ways to truth together; the best way to falsehood."""
        return Ways(
            self._all([value.true for value in values]), self._best([value.false for value in values])
        )

    def either(self, values: Sequence[Ways]) -> Ways:
        """The best way to truth; all ways to falsehood together."""
        return self.invert(self.both([self.invert(value) for value in values]))

    def at_least(self, count: int, values: Sequence[Ways]) -> Ways:
        """The k best ways to truth together, and the n - k + 1 best to falsehood."""
        true = self._few(count, [value.true for value in values])
        return Ways(true, self._few(len(values) - count + 1, [value.false for value in values]))

    def invert(self, value: Ways) -> Ways:
        """NOT."""
        return Ways(value.false, value.true)

    def _all(self, ways: Sequence[Way | None]) -> Way | None:
        known = [way for way in ways if way is not None]
        return NOTHING.union(*known) if len(known) == len(ways) else None

    def _best(self, ways: Sequence[Way | None]) -> Way | None:
        return min((way for way in ways if way is not None), key=self._rank, default=None)

    def _few(self, count: int, ways: Sequence[Way | None]) -> Way | None:
        known = sorted((way for way in ways if way is not None), key=self._rank)
        return NOTHING.union(*known[:count]) if len(known) >= count else None

    def _rank(self, way: Way) -> tuple[float, int]:
        return self.doubt(way), len(way)
