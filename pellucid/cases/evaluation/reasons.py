"""Why the top is not true: the shortest chain to one leaf that would move it, or a minimal set of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pellucid.cases.evaluation.kleene import Reading, Value, constant
from pellucid.cases.evaluation.operator import TOP, background, ordered, resettle, settle
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import COUNTERS

Chain = tuple[str, ...]


@dataclass(frozen=True)
class Leaves:
    """The leaves of an argument with their present values, and what would happen if some were changed."""

    graph: Graph
    """The argument."""
    values: Mapping[str, Value]
    """The present value of each leaf."""

    def under(self, changes: Mapping[str, int], scenarios: int) -> dict[str, Reading]:
        """Readings of all elements when each leaf has its wished value in the scenarios of its mask."""
        every = (1 << scenarios) - 1
        return settle(self.graph, self.readings(changes, every), every)

    def readings(self, changes: Mapping[str, int], every: int) -> dict[str, Reading]:
        """What the leaves say themselves when each has its wished value in the scenarios of its mask."""
        usual = {name: constant(value, every) for name, value in self.values.items()}
        wished = {name: self.wished(name, mask, every) for name, mask in changes.items()}
        return usual | background(self.graph, every) | wished

    def wished(self, name: str, mask: int, every: int) -> Reading:
        """The reading of a leaf that has its wished value in the scenarios of a mask."""
        usual, wish = constant(self.values[name], every & ~mask), constant(self.wishes[name], mask)
        return Reading(usual.true | wish.true, usual.false | wish.false)

    @cached_property
    def before(self) -> dict[str, Reading]:
        """Readings as things are."""
        return self.under({}, 1)

    @cached_property
    def wishes(self) -> dict[str, Value]:
        """For each leaf without it, the value that would help: T below the top, F below a challenge."""
        sides = _sides(self.graph)
        wished = {name: ("T" if sides.get(name, True) else "F") for name in self.values}
        return {name: value for name, value in wished.items() if self.values[name] != value}  # type: ignore[misc]


def _sides(graph: Graph) -> dict[str, bool]:
    """Whether each element first speaks for the top (True) or against it, seen from the top down."""
    sides = dict.fromkeys(graph.tops, True)
    waiting = deque(graph.tops)
    while waiting:
        name = waiting.popleft()
        friends = {*graph.support.get(name, ()), *graph.context.get(name, ())}
        for other in graph.depends.get(name, ()):
            if other not in sides:
                sides[other] = sides[name] if other in friends else not sides[name]
                waiting.append(other)
    return sides


def reasons(graph: Graph, leaves: Leaves) -> tuple[Chain, ...]:
    """Chains from the top to the leaves that explain why it is not true.

    If changing one leaf alone would raise the top, the shortest such chain; among equals evidence comes
    before challenges and false before undecided. Otherwise one chain to each leaf of a set that raises the
    top together and of which none can be left out.
    """
    names = sorted(
        leaves.wishes, key=lambda name: (graph.nodes[name].kind in COUNTERS, leaves.values[name] != "F")
    )
    single = _shortest(leaves, _single(leaves, names))
    if single:
        return (single,)
    needed = _minimal(leaves, names)
    after = leaves.under(dict.fromkeys(needed, 1), 1)
    found = _ways(graph, needed, _moved(leaves, after, 0))
    return tuple(sorted(found, key=lambda chain: (graph.nodes[chain[-1]].kind in COUNTERS, len(chain))))


def _raised(leaves: Leaves, after: Mapping[str, Reading], scenarios: int) -> list[bool]:
    """In which scenarios the top is better than it is."""
    below = leaves.before[TOP].at(0)
    better = {"F": ("T", "U"), "U": ("T",), "T": ()}[below]
    return [after[TOP].at(scenario) in better for scenario in range(scenarios)]


def _single(leaves: Leaves, names: list[str]) -> list[str]:
    """Leaves of which one alone raises the top."""
    after = leaves.under(_apart(names), len(names))
    return [name for name, raised in zip(names, _raised(leaves, after, len(names)), strict=True) if raised]


def _apart(names: list[str]) -> dict[str, int]:
    return {name: 1 << scenario for scenario, name in enumerate(names)}


def _shortest(leaves: Leaves, names: list[str]) -> Chain:
    """The shortest chain down to one of the leaves; chains are looked for nearest leaf first."""
    depth = _depths(leaves.graph)
    best: Chain = ()
    names = sorted(names, key=lambda name: depth.get(name, 0))
    after = leaves.under(_apart(names), len(names))
    for scenario, name in enumerate(names):
        if best and len(best) <= depth.get(name, 0) + 1:
            break
        found = _ways(leaves.graph, [name], _moved(leaves, after, scenario))
        best = min([*([best] if best else []), *found], key=len, default=())
    return best


def _depths(graph: Graph) -> dict[str, int]:
    depth = dict.fromkeys(graph.tops, 0)
    waiting = deque(graph.tops)
    while waiting:
        name = waiting.popleft()
        for other in graph.depends.get(name, ()):
            if other not in depth:
                depth[other] = depth[name] + 1
                waiting.append(other)
    return depth


def _minimal(leaves: Leaves, names: list[str]) -> list[str]:
    """A set of leaves that raises the top and has no smaller part that does; empty if nothing raises it."""
    count = len(names)
    every = (1 << count) - 1
    if not names or not _work(leaves, dict.fromkeys(names, 1), 1)[0]:
        return []
    alone_left_out = _work(leaves, {name: every ^ bit for name, bit in _apart(names).items()}, count)
    kept = [name for name, works in zip(names, alone_left_out, strict=True) if not works]
    rest = [name for name, works in zip(names, alone_left_out, strict=True) if works]
    return _completed(leaves, kept, rest)


def _completed(leaves: Leaves, kept: list[str], rest: list[str]) -> list[str]:
    """A set of leaves filled up from others until it raises the top, each with one that cannot be left out.

    Scenario n has the set and the first n of the others. In the first that raises the top, the last of them
    cannot be left out; it joins the set, in all scenarios, and the search goes on before it.
    """
    trials = _Trials(leaves, kept, rest)
    while end := trials.first():
        kept = [*kept, rest[end - 1]]
        trials.join(rest[end - 1])
    return kept


class _Trials:
    """Scenarios with more and more leaves changed, evaluated again as single leaves join them all."""

    def __init__(self, leaves: Leaves, kept: list[str], rest: list[str]) -> None:
        self.leaves, self.graph = leaves, leaves.graph
        self.every = (2 << len(rest)) - 1
        later = {name: self.every >> at << at for at, name in enumerate(rest, 1)}
        self.base = leaves.readings(dict.fromkeys(kept, self.every) | later, self.every)
        self.values = settle(self.graph, self.base, self.every)
        self.ordered = ordered(self.graph)

    def first(self) -> int:
        """The first scenario in which the top is better than it is."""
        top = self.values[TOP]
        below = self.leaves.before[TOP].at(0)
        raised = {"F": self.every & ~top.false, "U": top.true, "T": 0}[below]
        assert raised, "all leaves changed together raise the top"
        return (raised & -raised).bit_length() - 1

    def join(self, name: str) -> None:
        """Change one more leaf in all scenarios."""
        self.base[name] = self.leaves.wished(name, self.every, self.every)
        if self.ordered:
            resettle(self.graph, self.base, self.every, self.values, name)
        else:
            self.values = settle(self.graph, self.base, self.every)


def _work(leaves: Leaves, changes: Mapping[str, int], scenarios: int) -> list[bool]:
    return _raised(leaves, leaves.under(changes, scenarios), scenarios)


def _moved(leaves: Leaves, after: Mapping[str, Reading], scenario: int) -> set[str]:
    """Elements that a scenario moves."""
    return {name for name in after if after[name].at(scenario) != leaves.before[name].at(0)}


def _ways(graph: Graph, ends: Iterable[str], through: set[str]) -> list[Chain]:
    """The shortest way from a top down to each end that can be reached through the given elements."""
    came: dict[str, str | None] = {name: None for name in graph.tops if name in through}
    waiting = deque(came)
    while waiting:
        name = waiting.popleft()
        for other in graph.depends.get(name, ()):
            if other in through and other not in came:
                came[other] = name
                waiting.append(other)
    return [_trail(came, end) for end in ends if end in came]


def _trail(came: Mapping[str, str | None], end: str) -> Chain:
    chain = [end]
    while (before := came[chain[-1]]) is not None:
        chain.append(before)
    return tuple(reversed(chain))
