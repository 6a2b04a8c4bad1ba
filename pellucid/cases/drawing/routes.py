"""The lines of a drawing: straight down, beside, or around, bending only where no element stands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.cases.drawing.boxes import SLANT
from pellucid.cases.drawing.hierarchy import Link
from pellucid.cases.drawing.places import Arrangement, Place

Point = tuple[float, float]

_LANE = 9.0
"""Room between an element and a line that passes beside it."""


@dataclass(frozen=True)
class Route:
    """A line of the drawing, in the direction of its arrow."""

    link: Link
    points: tuple[Point, ...]
    """Way points; between two of different height and place the line bends with upright ends."""


class Routing:
    """The lines between placed elements."""

    def __init__(self, arrangement: Arrangement) -> None:
        self.at = arrangement
        self.places = arrangement.places

    def routes(self) -> tuple[Route, ...]:
        """Every line of the drawing."""
        links = self.at.links
        direct = {(link.owner, link.other): self.route(link) for link in links if link.relation is None}
        return (*direct.values(), *(self.doubt(link, direct) for link in links if link.relation))

    def route(self, link: Link) -> Route:
        """The line of one relation."""
        owner, other = self.places[link.owner], self.places[link.other]
        if self.at.home.get(link.other) == link.owner and link.kind == "context":
            points = self._beside(owner, other)
        elif link in self.at.trails:
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
        """From an element (or the point ``until``) down through the slots to one on a lower rank."""
        trail = self.at.trails[link]
        owner_first = self.at.number[self.at.block_of(link.owner)] == trail[0]
        upper, lower = (link.owner, link.other) if owner_first else (link.other, link.owner)
        rank = self.at.rank[self.at.block_of(upper)]
        points = self._leave(upper, self.places[lower], link) if until is None else self._from(until, rank)
        for slot in trail[1:-1]:
            rank += 1
            points += [(self.at.xs[slot], self.at.tops[rank]), (self.at.xs[slot], self.at.floor(rank))]
        points += self._enter(lower, points[-1])
        return points if owner_first else list(reversed(points))

    def _from(self, start: Point, rank: int) -> list[Point]:
        """Points from the middle of a line: straight down where that lies beside an element, not below it."""
        return [start] if start[1] > self.at.floor(rank) else _upright(start, self.at.floor(rank))

    def _enter(self, name: str, before: Point) -> list[Point]:
        """Points by which a line from above comes to an element."""
        place = self.places[name]
        top = self.at.tops[self.at.rank[self.at.block_of(name)]]
        if name not in self.at.home:
            return [(place.x, top)]
        return list(reversed(self._lane(name, top)))

    def _leave(self, name: str, toward: Place, link: Link) -> list[Point]:
        """Points by which a line leaves an element downward, to the band below its rank."""
        floor = self.at.floor(self.at.rank[self.at.block_of(name)])
        place = self.places[name]
        if name in self.at.home:
            return self._lane(name, floor)
        dx = 0.0
        if link.kind == "challenge":
            dx = place.box.width * (0.3 if toward.x >= place.x else -0.3)
        return _upright((place.x + dx, _lower_edge(place, dx)), floor)

    def _lane(self, name: str, y: float) -> list[Point]:
        """From something beside an owner to a height above or below, past what is stacked with it."""
        place, owner = self.places[name], self.places[self.at.home[name]]
        column = [self.places[other] for other, of in self.at.home.items() if of == owner.box.id]
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
        if challenged is None or link not in self.at.trails:
            return Route(
                link, tuple(reversed(self._around(self.places[link.owner], self.places[link.other])))
            )
        meeting = self._meeting(challenged)
        points = self._down(link, until=meeting)
        return Route(link, tuple(reversed(points)))

    def _meeting(self, route: Route) -> Point:
        """A point of a line that a challenge can reach from below: its first bend, else its middle."""
        points = route.points if route.link.kind != "challenge" else tuple(reversed(route.points))
        floor = self.at.floor(self.at.rank[self.at.block_of(route.link.owner)])
        for (x, y), (to_x, to_y) in itertools.pairwise(points):
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
        return place.y + place.box.height / 2 * math.sqrt(1 - (2 * dx / place.box.width) ** 2)
    return place.bottom


def _upright(start: Point, y: float) -> list[Point]:
    return [start] if abs(start[1] - y) < 0.5 else [start, (start[0], y)]
