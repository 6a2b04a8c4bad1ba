"""Where each element and each line of a drawing goes.

Elements sit on ranks by their longest way down from the top; contexts and assumptions sit beside their owner and
move with it as one block. A line that passes a rank holds a narrow slot of its own there, and lines bend only in
the free bands between ranks, so that no line runs through an element.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pellucid.cases.boxes import SLANT, Box, box
from pellucid.cases.graph import Graph, after_their_uses
from pellucid.cases.nodes import SIDE
from pellucid.cases.ordering import Rank, order

Point = tuple[float, float]
LinkKind = Literal["support", "context", "challenge"]

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
_LANE = 9.0
_SWEEPS = 10


@dataclass(frozen=True)
class Link:
    """One relation to be drawn, from its owner to the other element."""

    owner: str
    other: str
    kind: LinkKind
    relation: tuple[str, str] | None = None
    """The challenged relation, when ``other`` challenges one and not ``owner`` itself."""


@dataclass(frozen=True)
class Route:
    """A line of the drawing, in the direction of its arrow."""

    link: Link
    points: tuple[Point, ...]
    """Way points; between two of different height and place the line bends with upright ends."""


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


@dataclass(frozen=True)
class Layout:
    """A drawing's geometry."""

    places: Mapping[str, Place]
    """Every element, in the order of the file."""
    routes: tuple[Route, ...]
    """Every line."""
    width: float
    """Width of the drawing."""
    height: float
    """Height of the drawing."""


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
        sides = [_tall(side) for side in (self.left, self.right)]
        return max([self.owner.height if self.owner else 0.0, *sides])

    def places(self, x: float, top: float) -> Iterator[Place]:
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


def arrange(graph: Graph) -> Layout:
    """Lay out an argument.

    Source: the layered method of Sugiyama, Tagawa and Toda 1981, with owners and contexts as one block.
    """
    return _Arrangement(graph).layout()


class _Arrangement:
    """The steps from a graph to a layout; each property is one step and reads the ones before it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.boxes = {name: box(node) for name, node in graph.nodes.items()}

    # Which element stands where in the hierarchy ---------------------------------------------------------------

    @cached_property
    def home(self) -> dict[str, str]:
        """For each context, assumption or justification, the highest owner that it stands beside."""
        owners: dict[str, str] = {}
        depth = self._plain_depth
        for name in self.graph.nodes:
            for other in self.graph.context[name]:
                node = self.graph.nodes.get(other)
                if node is None or node.kind not in SIDE or name in owners or other == name:
                    continue
                if other not in owners or depth[name] < depth[owners[other]]:
                    owners[other] = name
        return {name: owner for name, owner in owners.items() if owner not in owners}

    @cached_property
    def _plain_depth(self) -> dict[str, int]:
        return _longest(self.graph.nodes, dict(self.graph.support), {})

    def block_of(self, name: str) -> str:
        """The element in whose block another stands."""
        return self.home.get(name, name)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Every relation between elements that exist."""
        known = self.graph.nodes
        found = [
            *(Link(name, leg, "support") for name in known for leg in self.graph.support[name]),
            *(Link(name, other, "context") for name in known for other in self.graph.context[name]),
        ]
        for name, node in known.items():
            if len(node.challenges) == 1:
                found.append(Link(node.challenges[0], name, "challenge"))
            elif len(node.challenges) == 2:
                found.append(
                    Link(self._upper(node.challenges), name, "challenge", self._relation(node.challenges))
                )
        return tuple(
            link for link in found if {link.owner, link.other} <= known.keys() and link.owner != link.other
        )

    def _relation(self, ends: tuple[str, ...]) -> tuple[str, str]:
        one, other = ends
        return (one, other) if self._owns(one, other) else (other, one)

    def _upper(self, ends: tuple[str, ...]) -> str:
        return self._relation(ends)[0]

    def _owns(self, owner: str, other: str) -> bool:
        graph = self.graph
        legs = (
            *graph.support.get(owner, ()),
            *graph.context.get(owner, ()),
            *graph.challengers.get(owner, ()),
        )
        return other in legs

    @cached_property
    def descents(self) -> dict[str, tuple[str, ...]]:
        """For each block, the blocks that belong on lower ranks; what would close a circle is left out."""
        below: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for link in self.links:
            upper, lower = self.block_of(link.owner), self.block_of(link.other)
            if link.kind != "context" and upper != lower:
                below[upper][lower] = None
        names = [name for name in self.graph.nodes if name not in self.home]
        return _without_circles(names, {name: tuple(below[name]) for name in names})

    @cached_property
    def rank(self) -> dict[str, int]:
        """The rank of each block: one below the lowest that it belongs under, and further down on request."""
        extra = {name: self.graph.nodes[name].rank_increment for name in self.descents}
        return _longest(self.descents, self.descents, extra)

    # Items: blocks and the slots of passing lines --------------------------------------------------------------

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
        for link, trail in sorted(self.trails.items(), key=lambda entry: self._turn(entry[0])):
            for upper, lower in zip(trail, trail[1:], strict=False):
                below[upper].append(lower)
                above[lower].append(upper)
        return below, above

    @cached_property
    def _stated(self) -> dict[tuple[str, str], float]:
        return {(link.owner, link.other): float(index) for index, link in enumerate(self.links)}

    def _turn(self, link: Link) -> float:
        """Where a link comes among those of its owner: support as stated, a doubt after the relation it challenges,
        challenges of what stands to the left first."""
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

    # Coordinates -----------------------------------------------------------------------------------------------

    @cached_property
    def xs(self) -> list[float]:
        """Horizontal place of each item: near its neighbours, in order, with room between."""
        below, above = self.neighbours
        xs = [0.0] * len(self.items)
        for rank in self.ranks:
            self._settle(rank, xs, {item: 0.0 for item in rank})
        for sweep in range(_SWEEPS):
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
        """Move a rank as near as possible to where its items want to be (least squares, in order, no overlap)."""
        offsets = [0.0]
        for one, other in zip(rank, rank[1:], strict=False):
            slots = (self.items[one].owner is None) + (self.items[other].owner is None)
            gap = _GAP if slots == 0 else _GAP / 2 if slots == 1 else 0.0
            offsets.append(offsets[-1] + self.items[one].reach[1] + gap + self.items[other].reach[0])
        weights = [6.0 if self.items[item].owner is None else 1.0 for item in rank]
        free = [wanted[item] - offset for item, offset in zip(rank, offsets, strict=False)]
        for item, offset, x in zip(rank, offsets, _rising(free, weights), strict=False):
            xs[item] = x + offset

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

    @cached_property
    def places(self) -> dict[str, Place]:
        """Every element with its centre."""
        found: dict[str, Place] = {}
        for name, index in self.number.items():
            for place in self.blocks[name].places(self.xs[index], self.tops[self.rank[name]]):
                found[place.box.id] = place
        return {name: found[name] for name in self.graph.nodes}

    # Lines -----------------------------------------------------------------------------------------------------

    def layout(self) -> Layout:
        """All of it."""
        places = self.places
        direct = {(link.owner, link.other): self.route(link) for link in self.links if link.relation is None}
        routes = [*direct.values(), *(self.doubt(link, direct) for link in self.links if link.relation)]
        right = max(
            [place.right for place in places.values()]
            + [x for route in routes for x, _ in route.points]
            + [0]
        )
        bottom = max(
            [self.floor(len(self.ranks) - 1) if self.ranks else 0.0]
            + [y for route in routes for _, y in route.points]
        )
        return Layout(places, tuple(routes), right + MARGIN, bottom + MARGIN)

    def route(self, link: Link) -> Route:
        """The line of one relation."""
        owner, other = self.places[link.owner], self.places[link.other]
        if self.home.get(link.other) == link.owner and link.kind == "context":
            points = self._beside(owner, other)
        elif link in self.trails:
            points = self._down(link)
        else:
            points = self._around(owner, other)
        # Arrows of a challenge point at what is challenged, all others at what the owner rests on.
        return Route(link, tuple(reversed(points)) if link.kind == "challenge" else tuple(points))

    def _beside(self, owner: Place, other: Place) -> list[Point]:
        """Straight across where both face each other, else a step in the room between them."""
        right = other.x > owner.x
        y = min(max(other.y, owner.top + 12), owner.bottom - 12)
        y = other.y if owner.top < other.y < owner.bottom else y
        start_x, end_x = _side_edge(owner, y, right=right), (other.left if right else other.right)
        if y == other.y:
            return [(start_x, y), (end_x, y)]
        middle = (owner.right + other.left) / 2 if right else (owner.left + other.right) / 2
        return [(start_x, y), (middle, y), (middle, other.y), (end_x, other.y)]

    def _down(self, link: Link, *, until: Point | None = None) -> list[Point]:
        """From an element down through the slots to one on a lower rank (or, with ``until``, up to that point)."""
        trail = self.trails[link]
        owner_first = self.number[self.block_of(link.owner)] == trail[0]
        upper, lower = (link.owner, link.other) if owner_first else (link.other, link.owner)
        rank = self.rank[self.block_of(upper)]
        points = self._leave(upper, self.places[lower], link) if until is None else self._from(until, rank)
        for slot in trail[1:-1]:
            rank += 1
            points += [(self.xs[slot], self.tops[rank]), (self.xs[slot], self.floor(rank))]
        points += self._enter(lower, points[-1])
        return points if owner_first else list(reversed(points))

    def _from(self, start: Point, rank: int) -> list[Point]:
        """Points from the middle of a line: straight down where that lies beside an element, not below it."""
        return [start] if start[1] > self.floor(rank) else _upright(start, self.floor(rank))

    def _enter(self, name: str, before: Point) -> list[Point]:
        """Points by which a line from above comes to an element."""
        place = self.places[name]
        top = self.tops[self.rank[self.block_of(name)]]
        if name not in self.home:
            return [(place.x, top)]
        return list(reversed(self._lane(name, top)))

    def _leave(self, name: str, toward: Place, link: Link) -> list[Point]:
        """Points by which a line leaves an element downward, to the band below its rank."""
        floor = self.floor(self.rank[self.block_of(name)])
        place = self.places[name]
        if name in self.home:
            return self._lane(name, floor)
        dx = 0.0
        if link.kind == "challenge":
            dx = place.box.width * (0.3 if toward.x >= place.x else -0.3)
        return _upright((place.x + dx, _lower_edge(place, dx)), floor)

    def _lane(self, name: str, y: float) -> list[Point]:
        """From something beside an owner to a height above or below its rank, past what is stacked with it."""
        place, owner = self.places[name], self.places[self.home[name]]
        column = [self.places[other] for other, of in self.home.items() if of == owner.box.id]
        column = [other for other in column if (other.x > owner.x) == (place.x > owner.x)]
        free = max if y > place.y else min
        if free(column, key=lambda other: other.y).box.id == name:
            edge = place.bottom if y > place.y else place.top
            return _upright((place.x, edge), y)
        right = place.x > owner.x
        out = max(o.right for o in column) + _LANE if right else min(o.left for o in column) - _LANE
        return [(place.right if right else place.left, place.y), (out, place.y), (out, y)]

    def _around(self, owner: Place, other: Place) -> list[Point]:
        """Out below one element, along the free bands and the outer margin, and in from below the other."""
        link = Link(owner.box.id, other.box.id, "support")
        out, into = self._leave(owner.box.id, other, link), self._leave(other.box.id, owner, link)
        low, back = out[-1][1] + 12, into[-1][1] + 12
        if low == back:
            return [*out, (out[-1][0], low), (into[-1][0], low), *reversed(into)]
        lane = max(place.right for place in self.places.values()) + 2 * _LANE
        return [*out, (out[-1][0], low), (lane, low), (lane, back), (into[-1][0], back), *reversed(into)]

    def doubt(self, link: Link, direct: Mapping[tuple[str, str], Route]) -> Route:
        """The line of a challenge to a relation: to the middle of that relation's own line."""
        assert link.relation is not None
        challenged = direct.get(link.relation)
        if challenged is None or link not in self.trails:
            return Route(
                link, tuple(reversed(self._around(self.places[link.owner], self.places[link.other])))
            )
        meeting = self._meeting(challenged)
        points = self._down(link, until=meeting)
        return Route(link, tuple(reversed(points)))

    def _meeting(self, route: Route) -> Point:
        """A point of a line that a challenge can reach from the band below: its first bend, else its middle."""
        points = route.points if route.link.kind != "challenge" else tuple(reversed(route.points))
        floor = self.floor(self.rank[self.block_of(route.link.owner)])
        for (x, y), (to_x, to_y) in zip(points, points[1:], strict=False):
            if y >= floor - 0.5 and to_y > y:
                return (x + to_x) / 2, (y + to_y) / 2
        (x, y), (to_x, to_y) = points[0], points[1]
        return (x + to_x) / 2, (y + to_y) / 2


def _side_edge(place: Place, y: float, *, right: bool) -> float:
    if place.box.shape == "parallelogram":
        lean = SLANT * (y - place.top) / place.box.height
        return place.right - lean if right else place.left + SLANT - lean
    return place.right if right else place.left


def _lower_edge(place: Place, dx: float) -> float:
    if place.box.round:
        return place.y + place.box.height / 2 * (1 - (2 * dx / place.box.width) ** 2) ** 0.5
    return place.bottom


def _upright(start: Point, y: float) -> list[Point]:
    return [start] if abs(start[1] - y) < 0.5 else [start, (start[0], y)]


def _longest(
    names: Mapping[str, object], below: Mapping[str, tuple[str, ...]], extra: Mapping[str, int]
) -> dict[str, int]:
    """Longest way from anything above; every name after all names above it."""
    depth = {name: extra.get(name, 0) for name in names}
    for name in reversed(after_their_uses(names, below)):
        for lower in below.get(name, ()):
            if lower in depth and lower != name:
                depth[lower] = max(depth[lower], depth[name] + 1 + extra.get(lower, 0))
    return depth


def _without_circles(names: list[str], below: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Drop the descents that lead back to where a depth-first walk came from."""
    order = {name: index for index, name in enumerate(after_their_uses(names, below))}
    return {name: tuple(lower for lower in below[name] if order[lower] < order[name]) for name in names}


def _walk(starts: range, below: Mapping[int, list[int]], above: Mapping[int, list[int]]) -> list[int]:
    """Items in the order of a depth-first walk from those with nothing above: a tree comes out without crossings."""
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
