"""The order of items within each rank: as few crossings as sweeps of medians and swaps can find."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Rank = list[int]
Links = Mapping[int, Sequence[int]]

_SWEEPS = 12
_WORK = 150_000
"""Items that may be moved in all sweeps from one start; beyond it there are fewer sweeps."""
_PATIENCE = 4
_FEW = 200
"""Links up to which crossings are counted one by one."""
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
    ends = [end for item in upper for end in sorted([place[other] for other in below.get(item, ())])]
    return _inversions(ends) if len(ends) > _FEW else _few_inversions(ends)


def _few_inversions(ends: list[int]) -> int:
    seen: list[int] = []
    count = 0
    for end in ends:
        at = bisect_right(seen, end)
        count += len(seen) - at
        seen.insert(at, end)
    return count


def _inversions(ends: list[int]) -> int:
    """Pairs in falling order, counted bit by bit: among those alike in higher bits, ones before a zero."""
    values, count = np.array(ends), 0
    for bit in range(int(values.max()).bit_length() - 1, -1, -1):
        ones = values >> bit & 1
        before = np.cumsum(ones) - ones
        groups = values >> bit + 1
        first = np.searchsorted(groups, groups)  # alike in higher bits stand together by now
        count += int(np.sum((before - before[first])[ones == 0]))
        values = values[np.argsort(values >> bit, kind="stable")]
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
    for start in _worthwhile(tuple(starts), below):
        if fewest == 0:
            break
        found, count = _improved(start, below, above)
        if fewest < 0 or count < fewest:
            best, fewest = found, count
    return best


def _worthwhile(starts: tuple[list[Rank], ...], below: Links) -> tuple[list[Rank], ...]:
    """Shuffled orders too for small arguments; for very large ones only the best to start from."""
    if sum(map(len, starts[0])) * len(starts) > _WORK:
        return (min(starts, key=lambda start: crossings(start, below)),)
    return (*starts, *_shuffled(starts[0]))


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
    for sweep in range(sweeps(_SWEEPS, sum(map(len, ranks)))):
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


def sweeps(most: int, items: int) -> int:
    """How many sweeps over so many items are worth their time; at least two, one in each direction."""
    return max(2, min(most, _WORK // max(1, items)))


def _sweep(ranks: list[Rank], below: Links, above: Links, *, downward: bool) -> None:
    links = above if downward else below
    steps = range(1, len(ranks)) if downward else range(len(ranks) - 2, -1, -1)
    for step in steps:
        fixed = ranks[step - 1 if downward else step + 1]
        _by_median(ranks[step], links, {item: index for index, item in enumerate(fixed)})


def _by_median(rank: Rank, links: Links, place: Mapping[int, int]) -> None:
    """Sort by the median place of the neighbours; items without neighbours keep their place."""
    medians = {item: _median([place[other] for other in near]) for item in rank if (near := links.get(item))}
    moving = iter(sorted((item for item in rank if item in medians), key=lambda item: medians[item]))
    rank[:] = [next(moving) if item in medians else item for item in rank]


def _median(places: list[int]) -> float:
    if len(places) == 1:  # every slot of a passing line
        return places[0]
    places.sort()
    half = len(places) // 2
    return places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2


def _sift(ranks: list[Rank], step: int, below: Links, above: Links) -> None:
    """Move each item of a rank, one after the other, to where it crosses least with both ranks beside it."""
    rank = ranks[step]
    if len(rank) > _SIFTING:
        return
    cross = np.zeros((len(rank), len(rank)), dtype=np.int64)
    for links, beside in ((above, step - 1), (below, step + 1)):
        if 0 <= beside < len(ranks):
            cross += _crossing(rank, ranks[beside], links)
    # what it costs that one stands left of the other, less what the other way round costs
    cost, number = cross - cross.T, list(range(len(rank)))
    for item in range(len(rank)):
        number.remove(item)
        passed = np.concatenate([[0], np.cumsum(cost[number, item])])
        number.insert(int(np.argmin(passed)), item)  # the leftmost of equals
    rank[:] = [rank[item] for item in number]


def _crossing(rank: Rank, near: Rank, links: Links) -> NDArray[np.int64]:
    """For each pair of a rank, how often their links to a rank beside it cross if the first stands left."""
    place = {item: index for index, item in enumerate(near)}
    ends = np.zeros((len(rank), len(near) + 1), dtype=np.int64)
    for row, item in enumerate(rank):
        for other in links.get(item, ()):
            ends[row, place[other] + 1] += 1
    further_left = np.cumsum(ends, axis=1)[:, :-1]
    return ends[:, 1:] @ further_left.T
