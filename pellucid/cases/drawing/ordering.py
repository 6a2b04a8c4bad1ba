"""The order of items within each rank: as few crossings as sweeps of medians and swaps can find."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

Rank = list[int]
Links = Mapping[int, Sequence[int]]

_SWEEPS = 12
_PATIENCE = 4
_SIFTING = 60
"""Longest rank whose items are also moved one by one."""
_SHUFFLING = 80
_SHUFFLES = 6
"""Shuffled orders to start from, in arguments of at most ``_SHUFFLING`` items."""


def crossings(ranks: Sequence[Rank], below: Links) -> int:
    """How many pairs of links cross between neighbouring ranks.

    Args:
        ranks: items of each rank from left to right.
        below: for each item, the items of the next rank that it is linked to.

    Example:
        >>> crossings([[0, 1], [2, 3]], {0: [3], 1: [2]})
        1
    """
    return sum(_between(upper, lower, below) for upper, lower in itertools.pairwise(ranks))


def _between(upper: Rank, lower: Rank, below: Links) -> int:
    place = {item: index for index, item in enumerate(lower)}
    seen: list[int] = []
    count = 0
    for item in upper:
        ends = sorted(place[other] for other in below.get(item, ()))
        count += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
        for end in ends:
            insort(seen, end)
    return count


def order(starts: Iterable[list[Rank]], below: Links, above: Links) -> list[Rank]:
    """Order the items of each rank, never with more crossings than any of the orders to start from.

    Small arguments are also started from shuffled orders, always the same ones.

    Args:
        starts: orders to start from, each a full list of ranks; the earliest wins ties.
        below: links downward.
        above: the same links upward.

    Source: Gansner, Koutsofios, North and Vo 1993, A technique for drawing directed graphs, section 3, for
    the medians; Matuszewski, Schönfeld and Molitor 1999, Using sifting for k-layer straightline crossing
    minimization, for the moves of single items.
    """
    best: list[Rank] = []
    fewest = -1
    for start in (*(given := tuple(starts)), *_shuffled(given[0])):
        if fewest == 0:
            break
        found, count = _improved(start, below, above)
        if fewest < 0 or count < fewest:
            best, fewest = found, count
    return best


def _shuffled(start: list[Rank]) -> Iterator[list[Rank]]:
    if sum(map(len, start)) > _SHUFFLING:
        return
    for seed in range(_SHUFFLES):
        draw = random.Random(seed)
        yield [draw.sample(rank, len(rank)) for rank in start]


def _improved(start: list[Rank], below: Links, above: Links) -> tuple[list[Rank], int]:
    best, fewest = [list(rank) for rank in start], crossings(start, below)
    ranks = [list(rank) for rank in start]
    idle = 0
    for sweep in range(_SWEEPS):
        if fewest == 0 or idle == _PATIENCE:
            break
        _sweep(ranks, below, above, downward=sweep % 2 == 0)
        for step in range(len(ranks)):
            _sift(ranks, step, below, above)
        count = crossings(ranks, below)
        idle += 1
        if count < fewest:
            best, fewest, idle = [list(rank) for rank in ranks], count, 0
    return best, fewest


def _sweep(ranks: list[Rank], below: Links, above: Links, *, downward: bool) -> None:
    links = above if downward else below
    steps = range(1, len(ranks)) if downward else range(len(ranks) - 2, -1, -1)
    for step in steps:
        fixed = ranks[step - 1 if downward else step + 1]
        _by_median(ranks[step], links, {item: index for index, item in enumerate(fixed)})


def _by_median(rank: Rank, links: Links, place: Mapping[int, int]) -> None:
    """Sort by the median place of the neighbours; items without neighbours keep their place."""
    medians = {item: median(place[other] for other in links[item]) for item in rank if links.get(item)}
    moving = iter(sorted((item for item in rank if item in medians), key=lambda item: medians[item]))
    rank[:] = [next(moving) if item in medians else item for item in rank]


def _sift(ranks: list[Rank], step: int, below: Links, above: Links) -> None:
    """Move each item of a rank, one after the other, to where it crosses least with both ranks beside it."""
    rank = ranks[step]
    if len(rank) > _SIFTING:
        return
    sides = []
    for links, beside in ((above, step - 1), (below, step + 1)):
        near = ranks[beside] if 0 <= beside < len(ranks) else []
        place = {item: index for index, item in enumerate(near)}
        sides.append({item: sorted(place[other] for other in links.get(item, ())) for item in rank})
    for item in tuple(rank):
        rank.remove(item)
        rank.insert(_best_place(item, rank, sides), item)


def _best_place(item: int, others: Rank, sides: list[dict[int, list[int]]]) -> int:
    """The place among the others with the fewest crossings; the leftmost of equals."""
    costs = [0]
    for other in others:
        left = sum(_crossing(ends[other], ends[item]) for ends in sides)
        right = sum(_crossing(ends[item], ends[other]) for ends in sides)
        costs.append(costs[-1] + left - right)
    return costs.index(min(costs))


def _crossing(left: list[int], right: list[int]) -> int:
    """Crossings between the links of two neighbours with these sorted ends."""
    return sum(len(left) - bisect_left(left, end + 1) for end in right)
