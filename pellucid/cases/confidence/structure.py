"""One walk over an argument for every calculus: what combines with what, as in the dialectical evaluation.

    value(n) = support(n) AND NOT OR over challengers d of n of (value(d) AND NOT what doubts that relation)

A calculus says what its values are and how they combine; the walk says in which order. Where challenges or
support run in a circle there is no order, and no number is defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pellucid.cases.evaluation.operator import TOP, carries_own_value
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, NodeKind

V = TypeVar("V")


class Calculus(Protocol[V]):
    """How the values of one calculus are made and combined."""

    def leaf(self, name: str) -> V:
        """The value that an element has of its own."""

    def both(self, values: Sequence[V]) -> V:
        """AND; certain when there is nothing to ask."""

    def either(self, values: Sequence[V]) -> V:
        """OR."""

    def at_least(self, count: int, values: Sequence[V]) -> V:
        """k of n."""

    def invert(self, value: V) -> V:
        """NOT."""


def circular(graph: Graph) -> frozenset[str]:
    """Elements on a circle of support or challenge, and all that rest on one."""
    waiting = {name: {used for used in uses if used in graph.nodes} for name, uses in graph.depends.items()}
    free = [name for name, uses in waiting.items() if not uses]
    while free:
        name = free.pop()
        del waiting[name]
        for other in graph.dependents.get(name, ()):
            if other in waiting and name in waiting[other]:
                waiting[other].discard(name)
                if not waiting[other]:
                    free.append(other)
    return frozenset(waiting)


def fold(graph: Graph, calculus: Calculus[V]) -> dict[str, V]:
    """The value of every element that does not rest on a circle, and of the whole under ``TOP``."""
    walk, loose = _Walk(graph, calculus, {}), circular(graph)
    for name in graph.order:
        if name not in loose:
            walk.values[name] = walk.value(name)
    if graph.tops and not loose.intersection(graph.tops):
        walk.values[TOP] = calculus.both([walk.values[name] for name in graph.tops])
    return walk.values


@dataclass(frozen=True)
class _Walk(Generic[V]):
    graph: Graph
    calculus: Calculus[V]
    values: dict[str, V]

    def value(self, name: str) -> V:
        """An element's support, less the attacks of its challengers."""
        support = self.support(name)
        challengers = self.graph.challengers.get(name)
        if not challengers:
            return support
        attacks = self.calculus.either([self.leg(name, challenger) for challenger in challengers])
        return self.calculus.both([support, self.calculus.invert(attacks)])

    def leg(self, owner: str, other: str) -> V:
        """The value that ``other`` has for ``owner``, less what challenges the relation between them."""
        # an element that exists nowhere is a leaf of which nothing is known
        value = self.values[other] if other in self.values else self.calculus.leaf(other)
        doubts = self.graph.doubts(owner, other)
        if not doubts:
            return value
        doubted = self.calculus.either([self.values[doubt] for doubt in doubts])
        return self.calculus.both([value, self.calculus.invert(doubted)])

    def support(self, name: str) -> V:
        """An element's value before challenges."""
        node = self.graph.nodes[name]
        legs = [self.leg(name, leg) for leg in self.graph.support[name]]
        if node.kind in BACKGROUND:
            return self.calculus.both([])
        if node.kind is NodeKind.ASSUMPTION and legs:
            return self.calculus.either([self.calculus.leaf(name), self.developed(name, legs)])
        if carries_own_value(self.graph, name):
            return self.calculus.leaf(name)
        return self.calculus.both([self.developed(name, legs), *self.surroundings(name)])

    def developed(self, name: str, legs: list[V]) -> V:
        """What the legs of an element give together."""
        needed = self.graph.nodes[name].needed(len(legs))
        if needed is None:
            return self.calculus.leaf(name)
        if needed == len(legs):
            return self.calculus.both(legs)
        return self.calculus.either(legs) if needed == 1 else self.calculus.at_least(needed, legs)

    def surroundings(self, name: str) -> list[V]:
        """The assumptions and contexts of an element, which must hold with its legs."""
        return [self.leg(name, other) for other in self.graph.context[name]]
