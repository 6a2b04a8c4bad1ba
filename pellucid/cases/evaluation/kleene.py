"""Three-valued logic over many readings at once.

A reading is true, false, or undecided. A ``Reading`` holds one value for each of many scenarios as two bit
masks, so one pass over an argument evaluates it under all of them: as it is, with stale evidence taken out,
with each leaf flipped. Connectives are Kleene's (F < U < T): AND is the minimum, OR the maximum, k of n the
k-th largest, NOT swaps F and T and keeps U.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Literal, NamedTuple

Value = Literal["T", "F", "U"]


class Reading(NamedTuple):
    """One three-valued value per scenario: bit i of ``true`` or of ``false`` is set, or neither."""

    true: int
    false: int

    def at(self, scenario: int) -> Value:
        """The value in one scenario."""
        if self.true >> scenario & 1:
            return "T"
        return "F" if self.false >> scenario & 1 else "U"


UNDECIDED = Reading(0, 0)


def constant(value: Value, every: int) -> Reading:
    """The same value in all scenarios of the mask ``every``."""
    return Reading(every if value == "T" else 0, every if value == "F" else 0)


def invert(reading: Reading) -> Reading:
    """NOT."""
    return Reading(reading.false, reading.true)


def both(readings: Iterable[Reading], every: int) -> Reading:
    """AND; true when there is nothing to ask."""
    return reduce(lambda a, b: Reading(a.true & b.true, a.false | b.false), readings, Reading(every, 0))


def either(readings: Iterable[Reading], every: int) -> Reading:
    """OR; false when there is nothing to ask."""
    return reduce(lambda a, b: Reading(a.true | b.true, a.false & b.false), readings, Reading(0, every))


def at_least(count: int, readings: list[Reading], every: int) -> Reading:
    """k of n: true where at least ``count`` are true, false where fewer than ``count`` can still be."""
    if count == len(readings):
        return both(readings, every)
    if count == 1:
        return either(readings, every)
    true = _counted(count, [reading.true for reading in readings], every)
    return Reading(true, _counted(len(readings) - count + 1, [reading.false for reading in readings], every))


def _counted(count: int, masks: list[int], every: int) -> int:
    """The bits set in at least ``count`` of the masks."""
    # reached[j]: the bits set in at least j of the masks so far.
    reached = [every] + [0] * count
    for mask in masks:
        for j in range(count, 0, -1):
            reached[j] |= reached[j - 1] & mask
    return reached[count]
