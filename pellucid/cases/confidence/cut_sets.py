"""Minimal cut sets: the smallest groups of leaves whose failure makes the top claim false."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.cases.confidence.diagram import FALSE, TRUE, Diagram

MOST_SETS = 1_000
MOST_WORK = 3_000_000


@dataclass(frozen=True)
class CutSet:
    """Leaves that together make the top false, and of which none can be left out."""

    false: frozenset[str]
    """Leaves that turn out false: evidence or an assumption that fails."""
    true: frozenset[str]
    """Leaves that turn out true: doubts that are right."""

    @property
    def leaves(self) -> frozenset[str]:
        """All of them."""
        return self.false | self.true

    def __str__(self) -> str:
        parts = [*sorted(self.false), *(f"{name} (if true)" for name in sorted(self.true))]
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True)
class CutSets:
    """The minimal cut sets of a claim, smallest first."""

    sets: tuple[CutSet, ...]
    """The sets."""
    complete: bool
    """Whether these are all; otherwise all up to ``largest`` leaves."""
    largest: int
    """Sets of up to this many leaves are listed; at the limit on their number, not all of that size."""


def cut_sets(diagram: Diagram, root: int, *, most: int = MOST_SETS, work: int = MOST_WORK) -> CutSets:
    """All minimal cut sets of a function, or all small ones where there are too many.

    They are the prime implicants of its negation, so doubts and replies count with their sign. Sets are
    looked for up to one leaf, two, three, ... until all are found, or more than ``most`` are, or the ``work``
    is done.

    Source: Coudert and Madre 1992; Rauzy 1993.
    """
    fails = diagram.invert(root)
    leaves = max(1, len(diagram.variables(root)))
    found = CutSets((), False, 0)
    for largest in range(1, leaves + 1):
        search = _Search(diagram, largest, work)
        masks = search.primes(fails)
        if masks is None or len(masks) > most:
            if masks is None or found.sets:
                return found
            # more of the smallest sets than may be listed: the first of them, rather than none
            return CutSets(_named(diagram, masks)[:most], False, largest)
        found = CutSets(_named(diagram, masks), not search.dropped, largest)
        if found.complete:
            return found
    return found


class _Search:
    """Prime implicants of at most so many literals; bit 2 v says "v is false", 2 v + 1 "is true"."""

    def __init__(self, diagram: Diagram, largest: int, work: int) -> None:
        self.diagram, self.largest, self.work = diagram, largest, work
        self.dropped = False
        self.known: dict[int, list[int]] = {FALSE: [], TRUE: [0]}

    def primes(self, root: int) -> list[int] | None:
        """The implicants of a function as masks; None when the work allowed does not suffice."""
        stack = [root]
        while stack:
            number = stack[-1]
            if number in self.known:
                stack.pop()
                continue
            level, low, high = self.diagram.children(number)
            shared = self.diagram.both([low, high])
            missing = [part for part in (shared, low, high) if part not in self.known]
            if missing:
                stack.extend(missing)
                continue
            self.known[number] = self._joined(level, shared, low, high)
            if self.work < 0:
                return None
            stack.pop()
        return self.known[root]

    def _joined(self, level: int, shared: int, low: int, high: int) -> list[int]:
        without = self.known[shared]
        falses = self._with(self.known[low], without, 1 << 2 * level) if low != shared else []
        trues = self._with(self.known[high], without, 2 << 2 * level) if high != shared else []
        return [*without, *falses, *trues]

    def _with(self, masks: list[int], without: list[int], literal: int) -> list[int]:
        """Those masks that no other covers, with a literal added, as far as they are small enough."""
        self.work -= len(masks) * (len(without) + 1)
        small = [mask for mask in masks if mask.bit_count() < self.largest]
        kept = [mask | literal for mask in small if not any(cover & mask == cover for cover in without)]
        if len(small) < len(masks):
            long = (mask for mask in masks if mask.bit_count() >= self.largest)
            self.dropped |= any(not any(cover & mask == cover for cover in without) for mask in long)
        return kept


def _named(diagram: Diagram, masks: list[int]) -> tuple[CutSet, ...]:
    sets = [_set(diagram, mask) for mask in masks]
    return tuple(sorted(sets, key=lambda each: (len(each.leaves), sorted(each.leaves))))


def _set(diagram: Diagram, mask: int) -> CutSet:
    names = [(name, mask >> 2 * level & 3) for level, name in enumerate(diagram.names)]
    return CutSet(
        frozenset(name for name, bits in names if bits == 1),
        frozenset(name for name, bits in names if bits == 2),
    )
