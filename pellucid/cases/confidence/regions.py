"""Where a predicate holds of the true values, and how probable that is.

A predicate reads ends of intervals; said of the true values, every end of a measure is that value. Between
the numbers that a predicate names its truth does not change, so the line falls into cells of one truth each.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pellucid.cases.confidence.posteriors import Posterior
from pellucid.findings import Measure, Predicate
from pellucid.findings.predicate import NUMBER, tokens

Cell = tuple[float, float]
FINEST = 24
MOST_CELLS = 20_000


@dataclass(frozen=True)
class Region:
    """The values at which a predicate on one measure holds."""

    cells: tuple[Cell, ...]
    """Stretches of the line, ends left open: under a continuous posterior an end has no weight."""
    points: tuple[float, ...]
    """Single numbers at which it holds, for values that are known exactly."""

    def probability(self, posterior: Posterior) -> float:
        """Probability that the true value lies in the region."""
        inside = (posterior.below(high) - posterior.below(low) for low, high in self.cells)
        return min(1.0, max(0.0, math.fsum(inside)))

    def holds(self, low: float, high: float) -> bool:
        """Whether a whole interval lies inside, ends counted."""
        joined = self._joined()
        return any(left <= low and high <= right for left, right in joined)

    def settles(self, low: float, high: float) -> bool:
        """Whether an interval lies wholly inside, or wholly outside."""
        apart = all(high <= left or right <= low for left, right in self.cells)
        return apart or self.holds(low, high)

    def settles_each(self, low: Any, high: Any) -> Any:
        """``settles`` for many intervals at once, given by arrays of their ends."""
        import numpy as np

        apart = np.ones(len(low), bool)
        for left, right in self.cells:
            apart &= (high <= left) | (right <= low)
        for left, right in self._joined():
            apart |= (left <= low) & (high <= right)
        return apart

    def _joined(self) -> list[Cell]:
        joined: list[Cell] = []
        for left, right in self.cells:
            if joined and joined[-1][1] == left and left in self.points:
                joined[-1] = (joined[-1][0], right)
            else:
                joined.append((left, right))
        return joined


class _Numbers:
    """Stands for a measure whose every end is one number; the count stays as it was."""

    def __init__(self, value: float, n: int | None) -> None:
        self.value = self.low = self.high = value
        self.n = n


def constants(predicate: Predicate) -> list[float]:
    """The numbers that a predicate names, in order of size."""
    return sorted({float(token) for token, _ in tokens(predicate.text) if re.fullmatch(NUMBER, token)})


def measures_read(predicate: Predicate) -> list[str]:
    """The measures whose true value a predicate speaks of; a count is no such value."""
    return list(dict.fromkeys(name for name, end in predicate.ends() if end != "n"))


def truth(predicate: Predicate, values: Mapping[str, float], measures: Mapping[str, Measure]) -> bool:
    """Whether a predicate holds when the true values of the measures that it reads are these."""
    stood = {name: _Numbers(values.get(name, math.nan), measure.n) for name, measure in measures.items()}
    return bool(predicate.evaluate(cast("Mapping[str, Measure]", stood)))


def region(
    predicate: Predicate, name: str, known: Mapping[str, float], measures: Mapping[str, Measure]
) -> Region:
    """Where a predicate holds that reads one measure, and others only at values that are known."""
    ends = [-math.inf, *sorted({*constants(predicate), *known.values()}), math.inf]
    cells = list(itertools.pairwise(ends))
    held = [cell for cell in cells if truth(predicate, {**known, name: inside(*cell)}, measures)]
    points = [end for end in ends[1:-1] if truth(predicate, {**known, name: end}, measures)]
    return Region(tuple(held), tuple(points))


def inside(low: float, high: float) -> float:
    """Some number between two, of which one or both may be infinite."""
    if math.isinf(low):
        return 0.0 if math.isinf(high) else high - max(1.0, abs(high))
    return low + max(1.0, abs(low)) if math.isinf(high) else (low + high) / 2


@dataclass(frozen=True)
class Joint:
    """How probable a predicate on several measures is."""

    independent: float
    """When the measures are independent."""
    low: float
    """At least, however they depend on each other."""
    high: float
    """At most."""


def joint(
    predicate: Predicate,
    posteriors: Mapping[str, Posterior],
    known: Mapping[str, float],
    measures: Mapping[str, Measure],
) -> Joint:
    """The probability that a predicate on several uncertain measures holds.

    The values are cut at every number that the predicate names and, because it may compare two measures with
    each other, at quantiles of each. A cell in which both share a stretch counts half for ``independent``.
    """
    names, spread = list(posteriors), list(posteriors.values())
    cells = _cells(predicate, known, spread)
    masses = [[each.below(high) - each.below(low) for low, high in cells] for each in spread]
    kept = [[index for index, mass in enumerate(row) if mass > 1e-12] for row in masses]
    if math.prod(map(len, kept)) > MOST_CELLS:
        return Joint(0.5, 0.0, 1.0)
    picks = list(itertools.product(*kept))
    rows = [_row(predicate, dict(zip(names, pick, strict=True)), cells, known, measures) for pick in picks]
    weights = [math.prod(row[index] for row, index in zip(masses, pick, strict=True)) for pick in picks]
    held = math.fsum(weight * sum(row) / 2 for weight, row in zip(weights, rows, strict=True))
    expected = held / math.fsum(weights)
    least, most = _extremes(rows, kept, masses)
    return Joint(expected, min(least, expected), max(most, expected))


def _cells(predicate: Predicate, known: Mapping[str, float], posteriors: Sequence[Posterior]) -> list[Cell]:
    ends = {-math.inf, math.inf, *constants(predicate), *known.values()}
    if len(posteriors) == 2:
        ends.update(
            quantile(posterior, step / FINEST) for posterior in posteriors for step in range(1, FINEST)
        )
    return list(itertools.pairwise(sorted(ends)))


def quantile(posterior: Posterior, share: float) -> float:
    """The value below which a share of a posterior lies, by bisection."""
    low, high = -1.0, 1.0
    while posterior.below(low) > share:
        low *= 2
    while posterior.below(high) < share:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if posterior.below(middle) < share else (low, middle)
    return high


def _row(
    predicate: Predicate,
    picks: Mapping[str, int],
    cells: Sequence[Cell],
    known: Mapping[str, float],
    measures: Mapping[str, Measure],
) -> tuple[bool, bool]:
    """Whether a predicate surely holds in a cell, and whether it may: two measures may share a stretch."""
    orders = [1, -1] if len(set(picks.values())) < len(picks) else [1]
    found = []
    for order in orders:
        shares = {name: 0.5 + order * 0.1 * rank / len(picks) for rank, name in enumerate(picks)}
        values = {name: _at(cells[pick], shares[name]) for name, pick in picks.items()}
        found.append(truth(predicate, {**known, **values}, measures))
    return all(found), any(found)


def _at(cell: Cell, share: float) -> float:
    low, high = cell
    if math.isinf(low) or math.isinf(high):
        return inside(low, high) + share
    return low + share * (high - low)


def _extremes(
    rows: Sequence[tuple[bool, bool]], kept: Sequence[Sequence[int]], masses: Sequence[Sequence[float]]
) -> tuple[float, float]:
    """The least and greatest probability over all joint distributions with these margins."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    shape = [len(row) for row in kept]
    places = np.array(np.unravel_index(np.arange(len(rows)), shape))
    offsets = np.cumsum([0, *shape[:-1]])
    lines = (places + offsets[:, None]).ravel()
    columns = np.tile(np.arange(len(rows)), len(shape))
    table = coo_matrix((np.ones(len(lines)), (lines, columns)))
    margins = np.concatenate(
        [_scaled([row[index] for index in picks]) for row, picks in zip(masses, kept, strict=True)]
    )
    ends = []
    for sign, goal in ((1, [low for low, _ in rows]), (-1, [high for _, high in rows])):
        solved = linprog(sign * np.array(goal, dtype=float), A_eq=table, b_eq=margins, bounds=(0, 1))
        ends.append(min(1.0, max(0.0, sign * float(solved.fun))))
    return ends[0], ends[1]


def _scaled(masses: Sequence[float]) -> list[float]:
    whole = math.fsum(masses)
    return [mass / whole for mass in masses]
