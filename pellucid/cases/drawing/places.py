"""Where each element of a drawing goes.

Contexts and assumptions move with their owner as one block. A line that passes a rank holds a narrow slot of
its own there, so that it can run down between the elements.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pellucid.cases.drawing.boxes import Box, box
from pellucid.cases.drawing.hierarchy import Hierarchy, Link
from pellucid.cases.drawing.ordering import Rank, order, sweeps
from pellucid.cases.graph import Graph

MARGIN = 18.0
BAND = 52.0
"""Height of the free band between two ranks."""
_GAP = 30.0
"""Room between two blocks."""
_SLOT = 9.0
"""Half the room that a passing line gets."""
_BESIDE = 34.0
"""Room between an owner and its contexts."""
_STACK = 12.0
"""Room between contexts on top of each other."""
_SWEEPS = 10


@dataclass(frozen=True)
class Place:
    """An element with its centre."""

    box: Box
    x: float
    y: float

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.y - self.box.height / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.box.height / 2

    @property
    def left(self) -> float:
        """Its left edge."""
        return self.x - self.box.width / 2

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.box.width / 2


@dataclass
class _Block:
    """An owner with what stands beside it, or a slot for a passing line (no owner)."""

    owner: Box | None
    left: list[Box] = field(default_factory=list)
    right: list[Box] = field(default_factory=list)

    @cached_property
    def reach(self) -> tuple[float, float]:
        """Room to the left and to the right of the owner's centre."""
        if self.owner is None:
            return _SLOT, _SLOT
        half = self.owner.width / 2
        return tuple(half + (_BESIDE + _wide(side) if side else 0) for side in (self.left, self.right))  # type: ignore

    @property
    def height(self) -> float:
        """Height of the tallest of the owner and its two sides."""
        sides = [_tall(side) for side in (self.left, self.right)]
        return max([self.owner.height if self.owner else 0.0, *sides])

    def places(self, x: float, top: float) -> Iterator[Place]:
        """Where the owner and the boxes beside it stand, with the owner's centre at x; nothing for a slot."""
        if self.owner is None:
            return
        yield Place(self.owner, x, top + self.owner.height / 2)
        half = self.owner.width / 2
        for side, sign in ((self.left, -1), (self.right, 1)):
            centre = x + sign * (half + _BESIDE + _wide(side) / 2)
            y = top + max(0.0, (self.owner.height - _tall(side)) / 2)
            for beside in side:
                inner = centre - sign * (_wide(side) - beside.width) / 2
                yield Place(beside, inner, y + beside.height / 2)
                y += beside.height + _STACK


def _wide(side: list[Box]) -> float:
    return max((beside.width for beside in side), default=0.0)


def _tall(side: list[Box]) -> float:
    return sum(beside.height for beside in side) + _STACK * max(0, len(side) - 1)


class Arrangement(Hierarchy):
    """Blocks and passing lines in order on their ranks, with coordinates; each property is one step."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.boxes = {name: box(node) for name, node in graph.nodes.items()}

    @cached_property
    def blocks(self) -> dict[str, _Block]:
        """Each owner with its contexts, shared between both sides."""
        blocks = {name: _Block(self.boxes[name]) for name in self.descents}
        beside: defaultdict[str, list[str]] = defaultdict(list)
        for name, owner in self.home.items():
            beside[owner].append(name)
        for owner, names in beside.items():
            sides = (blocks[owner].left, blocks[owner].right) if len(names) > 1 else (blocks[owner].right,)
            for index, name in enumerate(names):
                sides[index % len(sides)].append(self.boxes[name])
        return blocks

    @cached_property
    def descending(self) -> list[tuple[Link, str, str]]:
        """Links that run down from one block to one on a lower rank, with both blocks."""
        found = []
        for link in self.links:
            ends = (self.block_of(link.owner), self.block_of(link.other))
            upper, lower = sorted(ends, key=lambda name: self.rank[name])
            if self.rank[upper] < self.rank[lower]:
                found.append((link, upper, lower))
        return found

    @cached_property
    def items(self) -> list[_Block]:
        """Blocks first, in the order of ``descents``; then the slots of passing lines."""
        return [self.blocks[name] for name in self.descents]

    @cached_property
    def number(self) -> dict[str, int]:
        """The item number of each block."""
        return {name: index for index, name in enumerate(self.descents)}

    @cached_property
    def trails(self) -> dict[Link, list[int]]:
        """For each descending link its items from rank to rank; makes the slots on the way."""
        trails: dict[Link, list[int]] = {}
        self.slots: dict[int, int] = {}
        for link, upper, lower in self.descending:
            trail = [self.number[upper]]
            for rank in range(self.rank[upper] + 1, self.rank[lower]):
                trail.append(len(self.items))
                self.slots[len(self.items)] = rank
                self.items.append(_Block(None))
            trails[link] = [*trail, self.number[lower]]
        return trails

    @cached_property
    def neighbours(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Links between items of neighbouring ranks, downward and upward."""
        below: defaultdict[int, list[int]] = defaultdict(list)
        above: defaultdict[int, list[int]] = defaultdict(list)
        for _link, trail in sorted(self.trails.items(), key=lambda entry: self._turn(entry[0])):
            for upper, lower in itertools.pairwise(trail):
                below[upper].append(lower)
                above[lower].append(upper)
        return below, above

    @cached_property
    def _stated(self) -> dict[tuple[str, str], float]:
        return {(link.owner, link.other): float(index) for index, link in enumerate(self.links)}

    def _turn(self, link: Link) -> float:
        """Where a link comes among those of its owner.

        Support comes as stated, a doubt after the relation that it challenges, and challenges of what stands
        to the left come first.
        """
        if link.relation is not None:
            return self._stated.get(link.relation, 0.0) + 0.5
        owner = self.home.get(link.owner)
        if owner is not None and self.boxes[link.owner] in self.blocks[owner].left:
            return -1.0
        return self._stated[link.owner, link.other]

    @cached_property
    def ranks(self) -> list[Rank]:
        """The items of each rank from left to right."""
        below, above = self.neighbours
        rank_of = {self.number[name]: rank for name, rank in self.rank.items()} | self.slots
        walked = _walk(range(len(self.descents)), below, above)
        named = {self.number[name]: name for name in self.descents}
        spelled = sorted(rank_of, key=lambda item: (named.get(item, "￿"), item))
        starts = [_by_rank(items, rank_of) for items in (walked, spelled)]
        found = order(starts, below, above)
        return [self._wished(rank, named) for rank in found]

    def _wished(self, rank: Rank, named: Mapping[int, str]) -> Rank:
        """Move elements to where their author wants them."""
        moved = list(rank)
        for item in rank:
            wish = self.graph.nodes[named[item]].horizontal_index if item in named else None
            if wish is None:
                continue
            place = moved.index(item)
            moved.remove(item)
            how, amount = wish
            to = len(moved) if amount == "last" else (amount if how == "absolute" else place + amount)
            moved.insert(min(max(to, 0), len(moved)), item)
        return moved

    # Coordinates -------------------------------------------------------------------------------

    @cached_property
    def xs(self) -> list[float]:
        """Horizontal place of each item: near its neighbours, in order, with room between."""
        below, above = self.neighbours
        xs = [0.0] * len(self.items)
        for rank in self.ranks:
            self._settle(rank, xs, dict.fromkeys(rank, 0.0))
        for sweep in range(sweeps(_SWEEPS, len(self.items))):
            downward = sweep % 2 == 0
            links = above if downward else below
            for rank in self.ranks if downward else reversed(self.ranks):
                self._settle(rank, xs, {item: self._wanted(item, links, xs) for item in rank})
        for rank in self.ranks:
            self._settle(rank, xs, {item: self._straight(item, xs) for item in rank})
        left = min((xs[item] - block.reach[0] for item, block in enumerate(self.items)), default=0.0)
        return [x - left + MARGIN for x in xs]

    def _wanted(self, item: int, links: Mapping[int, list[int]], xs: list[float]) -> float:
        near = links.get(item)
        if not near:
            return xs[item]
        weights = [8.0 if self.items[other].owner is None else 1.0 for other in near]
        return sum(weight * xs[other] for weight, other in zip(weights, near, strict=True)) / sum(weights)

    def _straight(self, item: int, xs: list[float]) -> float:
        """Right below what rests on this item alone, else where it is."""
        below, above = self.neighbours
        near = above.get(item, [])
        return xs[near[0]] if len(near) == 1 and len(below[near[0]]) == 1 else xs[item]

    def _settle(self, rank: Rank, xs: list[float], wanted: Mapping[int, float]) -> None:
        """Move a rank as near as possible to where its items want to be: least squares, no overlap."""
        offsets = self._offsets(rank)
        weights = [6.0 if self.items[item].owner is None else 1.0 for item in rank]
        free = [wanted[item] - offset for item, offset in zip(rank, offsets, strict=False)]
        for item, offset, x in zip(rank, offsets, _rising(free, weights), strict=False):
            xs[item] = x + offset

    def _offsets(self, rank: Rank) -> list[float]:
        """Where the items of a rank stand when they are as close together as they may."""
        offsets = [0.0]
        for one, other in itertools.pairwise(rank):
            left, right = self.items[one], self.items[other]
            slots = (left.owner is None) + (right.owner is None)
            gap = _GAP if slots == 0 else _GAP / 2 if slots == 1 else 0.0
            offsets.append(offsets[-1] + left.reach[1] + gap + right.reach[0])
        return offsets

    @cached_property
    def tops(self) -> list[float]:
        """Upper edge of each rank, and of the band below the last one."""
        tops = [MARGIN]
        for rank in self.ranks:
            tops.append(tops[-1] + max((self.items[item].height for item in rank), default=0.0) + BAND)
        return tops

    def floor(self, rank: int) -> float:
        """Lower edge of a rank: where the band below it begins."""
        return self.tops[rank + 1] - BAND

    @property
    def depth(self) -> float:
        """Lower edge of the last rank."""
        return self.floor(len(self.ranks) - 1) if self.ranks else 0.0

    @cached_property
    def places(self) -> dict[str, Place]:
        """Every element with its centre."""
        found: dict[str, Place] = {}
        for name, index in self.number.items():
            for place in self.blocks[name].places(self.xs[index], self.tops[self.rank[name]]):
                found[place.box.id] = place
        return {name: found[name] for name in self.graph.nodes}


def _walk(starts: range, below: Mapping[int, list[int]], above: Mapping[int, list[int]]) -> list[int]:
    """Items in the order of a depth-first walk from the top: a tree comes out without crossings."""
    seen: dict[int, None] = {}
    stack = sorted(starts, key=lambda item: (not above.get(item), -item))
    while stack:
        item = stack.pop()
        if item not in seen:
            seen[item] = None
            stack.extend(reversed(below.get(item, [])))
    return list(seen)


def _by_rank(items: list[int], rank_of: Mapping[int, int]) -> list[Rank]:
    ranks: list[Rank] = [[] for _ in range(max(rank_of.values(), default=-1) + 1)]
    for item in items:
        ranks[rank_of[item]].append(item)
    return ranks


def _rising(wanted: list[float], weights: list[float]) -> list[float]:
    """The nearest non-decreasing sequence in weighted least squares (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        count = 1
        while pools and pools[-1][0] > value:
            before, heavier, more = pools.pop()
            value = (before * heavier + value * weight) / (heavier + weight)
            weight, count = weight + heavier, count + more
        pools.append((value, weight, count))
    return [value for value, _, count in pools for _ in range(count)]
