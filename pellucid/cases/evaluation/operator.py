"""The value of every element: least fixed point of support and challenge, from "nothing is decided".

    value(n) = support(n) AND NOT OR over challengers d of n of attack(d, n)
    attack(d, n) = value(d) AND NOT OR over challengers e of the relation d-n of value(e)

Each support leg c of p counts as ``value(c) AND NOT OR value(e)`` over challengers e of the relation p-c, and
assumptions in context of p are legs that must always hold. The operator is monotone in the information order
(U below both F and T), so repeated evaluation from all-U stops after at most one change per element and
scenario, also on cyclic challenges, where it gives Dung's grounded labelling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pellucid.cases.evaluation.kleene import UNDECIDED, Reading, at_least, both, constant, either, invert
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, NodeKind

TOP = ""
"""Name under which the verdict of the whole case is kept: all tops must hold."""


@dataclass(frozen=True)
class Operator:
    """The operator whose least fixed point is the evaluation, over the values found so far."""

    graph: Graph
    base: Mapping[str, Reading]
    every: int
    values: dict[str, Reading]

    def value(self, name: str) -> Reading:
        """An element's support, less the attacks of its challengers."""
        challengers = self.graph.challengers.get(name)
        support = self.support(name)
        if not challengers:
            return support
        attacks = either((self.leg(name, challenger) for challenger in challengers), self.every)
        return both((support, invert(attacks)), self.every)

    def leg(self, owner: str, other: str) -> Reading:
        """The value that ``other`` has for ``owner``, less what challenges the relation between them."""
        value = self.values.get(other, UNDECIDED)
        doubts = self.graph.doubts(owner, other)
        if not doubts:
            return value
        doubted = either((self.values.get(doubt, UNDECIDED) for doubt in doubts), self.every)
        return both((value, invert(doubted)), self.every)

    def support(self, name: str) -> Reading:
        """An element's value before challenges: its own reading, or that of its legs and its context."""
        own = self.base.get(name)
        node = self.graph.nodes[name]
        if own is not None and node.kind is not NodeKind.ASSUMPTION:
            return own
        legs = [self.leg(name, leg) for leg in self.graph.support[name]]
        needed = node.needed(len(legs))
        developed = UNDECIDED if needed is None else at_least(needed, legs, self.every)
        if own is not None:
            return either((own, developed), self.every) if legs else own
        surroundings = (self.leg(name, other) for other in self.graph.context[name])
        return both((developed, *surroundings), self.every)


def settle(graph: Graph, base: Mapping[str, Reading], every: int) -> dict[str, Reading]:
    """Evaluate every element of an argument in all scenarios of the mask ``every`` at once.

    Args:
        graph: the argument.
        base: readings of the elements that carry their own value: evidence, assumptions, undeveloped claims.
        every: mask with one bit per scenario.

    Returns:
        The reading of each element, and of the whole under ``TOP``.

    Source: Kleene's strong three-valued logic; Dung 1995 (grounded semantics) for the challenges.
    """
    run = Operator(
        graph, base, every, {name: reading for name, reading in base.items() if name not in graph.nodes}
    )
    _spread(run, graph.order)
    return dict.fromkeys(graph.nodes, UNDECIDED) | run.values | {TOP: _top(run)}


def resettle(
    graph: Graph, base: Mapping[str, Reading], every: int, values: dict[str, Reading], changed: str
) -> None:
    """Evaluate again, in ``values``, what depends on one element whose own reading is another now.

    On an argument without circles this is what ``settle`` would give; see ``ordered``.
    """
    run = Operator(graph, base, every, values)
    _spread(run, (changed,))
    values[TOP] = _top(run)


def ordered(graph: Graph) -> bool:
    """Whether no element reads its own value, directly or not: then there is one fixed point only."""
    places = {name: place for place, name in enumerate(graph.order)}
    return all(places.get(used, -1) < places[name] for name, uses in graph.depends.items() for used in uses)


def _spread(run: Operator, names: Iterable[str]) -> None:
    """Evaluate elements, and whatever reads those that changed, until nothing changes."""
    waiting = deque(names)
    queued = set(waiting)
    while waiting:
        name = waiting.popleft()
        queued.discard(name)
        value = run.value(name)
        if value == run.values.get(name, UNDECIDED):
            continue
        run.values[name] = value
        later = [other for other in run.graph.dependents.get(name, ()) if other not in queued]
        queued.update(later)
        waiting.extend(later)


def _top(run: Operator) -> Reading:
    tops = [run.values.get(name, UNDECIDED) for name in run.graph.tops]
    return both(tops, run.every) if tops else UNDECIDED


def carries_own_value(graph: Graph, name: str) -> bool:
    """Whether an element's value comes from outside: from evidence, acceptance, or nothing yet."""
    node = graph.nodes[name]
    if (
        node.kind in (NodeKind.SOLUTION, NodeKind.COUNTER_SOLUTION, NodeKind.ASSUMPTION)
        or node.kind in BACKGROUND
    ):
        return True
    return not graph.support[name]


def background(graph: Graph, every: int) -> dict[str, Reading]:
    """Readings of contexts and justifications: they hold unless challenged."""
    names = (name for name, node in graph.nodes.items() if node.kind in BACKGROUND)
    return {name: constant("T", every) for name in names}
