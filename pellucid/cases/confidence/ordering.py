"""The order of leaves in a decision diagram: near each other where they are used together."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pellucid.cases.graph import Graph

ROUNDS = 30
MOST_GATES = 300
STARTS, GREEDY_WORK = 6, 60_000
MOVES, MOVING_WORK = 1000, 400_000


def leaf_order(graph: Graph, leaves: Iterable[str]) -> tuple[str, ...]:
    """An order of the leaves that keeps the diagram of the argument small.

    Two orders are tried: as a walk from the top first meets them, and that order pulled together by the
    centre of gravity of the leaves that are used together. The one whose widest cut is narrower is taken.

    Source: Aloul, Markov, Sakallah 2003 (the FORCE heuristic).
    """
    named = tuple(leaves)
    wanted = set(named)
    met = list(dict.fromkeys([*(name for name in _met(graph) if name in wanted), *named]))
    place = {name: index for index, name in enumerate(met)}
    groups = [[place[leaf] for leaf in group] for group in _groups(graph, wanted)]
    walked = list(range(len(met)))
    return tuple(met[leaf] for leaf in min(_tried(walked, groups), key=lambda order: _cost(order, groups)))


def _met(graph: Graph) -> Iterable[str]:
    """Every name in the order in which a depth-first walk from the tops meets it, small branches first.

    What is met last lies deepest in the diagram and is not walked again when the rest is put above it, so the
    work stays near linear also for long chains.
    """
    size = _sizes(graph)
    seen: dict[str, None] = {}
    stack = [*reversed(tuple(graph.nodes)), *reversed(graph.tops)]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen[name] = None
            stack.extend(sorted(graph.depends.get(name, ()), key=lambda used: -size.get(used, 1.0)))
    return seen


def _sizes(graph: Graph) -> dict[str, float]:
    """How much lies below each element, what is shared counted again each time."""
    size: dict[str, float] = {}
    for name in graph.order:
        # an element on a circle is not placed yet; floats, because counts double with every shared layer
        size[name] = 1.0 + sum(size.get(used, 1.0) for used in graph.depends[name])
    return size


def _groups(graph: Graph, wanted: set[str]) -> list[list[str]]:
    """For each inner element, the leaves that it reads itself or through at most one element."""
    direct = {name: [used for used in uses if used in wanted] for name, uses in graph.depends.items()}
    groups = []
    for name, uses in graph.depends.items():
        near = dict.fromkeys(direct[name])
        for used in uses:
            near.update(dict.fromkeys(direct.get(used, ())) if len(uses) <= 8 else {})
        groups.append(list(near))
    return [group for group in groups if 1 < len(group) <= 40]


def _tried(order: list[int], groups: list[list[int]]) -> Iterable[list[int]]:
    """The order itself, then each round of pulling together."""
    yield order
    for _ in range(ROUNDS if groups else 0):
        place = _places(order)
        pulls: dict[int, list[float]] = {}
        for group in groups:
            centre = sum(place[leaf] for leaf in group) / len(group)
            for leaf in group:
                pulls.setdefault(leaf, []).append(centre)
        target = {leaf: sum(found) / len(found) for leaf, found in pulls.items()}
        after = sorted(order, key=lambda leaf: (target.get(leaf, place[leaf]), place[leaf]))
        if after == order:
            return
        order = after
        yield order


def _cost(order: Sequence[int], groups: list[list[int]]) -> tuple[int, int]:
    """The widest cut, and the sum of spans: how many groups are open between two neighbours."""
    place = _places(order)
    change = [0] * (len(order) + 1)
    total = 0
    for group in groups:
        ends = [place[leaf] for leaf in group]
        first, last = min(ends), max(ends)
        change[first] += 1
        change[last] -= 1
        total += last - first
    widest = running = 0
    for step in change:
        running += step
        widest = max(widest, running)
    return widest, total


def _places(order: Sequence[int]) -> list[int]:
    place = [0] * len(order)
    for index, leaf in enumerate(order):
        place[leaf] = index
    return place


# By goal -----------------------------------------------------------------------------------------


def goal_order(graph: Graph, usual: Sequence[str]) -> tuple[tuple[str, ...], float]:
    """The leaves goal by goal, the goals in a sequence that leaves few counts to be remembered at a time.

    Between two leaves a diagram has to know of every goal that has begun and not ended how many of its leaves
    hold, as far as that still matters. The product of these counts, added up over the order, is kept small:
    first greedily from several goals, then by moving one goal at a time while that helps.

    Args:
        graph: the argument.
        usual: all its leaves in the order of ``leaf_order``; it is given back when nothing better is found.

    Returns:
        The order, and how many states it has to tell apart at the most; 0 when that was not counted.
    """
    place = {name: index for index, name in enumerate(usual)}
    gates = _gates(graph, place)
    if not 1 < len(gates.leaves) <= MOST_GATES:
        return tuple(usual), 0.0
    size = len(gates.leaves)
    step = max(1, size // max(1, min(STARTS, GREEDY_WORK // size**2)))
    sequence = min((_greedy(gates, first) for first in range(0, size, step)), key=gates.cost)
    order = gates.emitted(_moved(gates, sequence))
    walked = list(range(len(usual)))
    taken = set(order)
    order += [leaf for leaf in walked if leaf not in taken]
    best = min(walked, order, key=gates.states)
    return tuple(usual[leaf] for leaf in best), gates.states(best)


@dataclass(frozen=True)
class _Gates:
    """The goals that read several leaves themselves."""

    leaves: list[list[int]]
    """The leaves of each."""
    readers: list[list[int]]
    """The goals that read each leaf."""
    memory: list[list[float]]
    """For each goal, the logarithm of what must be told apart after so many of its leaves."""

    def emitted(self, sequence: Sequence[int]) -> list[int]:
        """The leaves in a sequence of goals: in each goal its own first, then those needed soonest."""
        turn = _places(sequence)
        last = [max((turn[gate] for gate in gates), default=0) for gates in self.readers]
        ordered = (leaf for gate in sequence for leaf in sorted(self.leaves[gate], key=last.__getitem__))
        return list(dict.fromkeys(ordered))

    def states(self, order: Sequence[int]) -> float:
        """How many states an order has to tell apart, added up over its leaves, at the most."""
        seen, kept, total = [0] * len(self.leaves), 0.0, 0.0
        for leaf in order:
            for gate in self.readers[leaf]:
                memory, count = self.memory[gate], seen[gate]
                kept += memory[count + 1] - memory[count]
                seen[gate] = count + 1
            # far beyond what any diagram may hold, so that no sum overflows
            total += math.exp(min(kept, 500.0))
        return total

    def cost(self, sequence: Sequence[int]) -> float:
        """The states of a sequence of goals."""
        return self.states(self.emitted(sequence))


def _gates(graph: Graph, place: dict[str, int]) -> _Gates:
    leaves: list[list[int]] = []
    memory: list[list[float]] = []
    readers: list[list[int]] = [[] for _ in place]
    for name, uses in graph.depends.items():
        read = list(dict.fromkeys(place[used] for used in uses if used in place))
        if len(read) > 1:
            for leaf in read:
                readers[leaf].append(len(leaves))
            needed = graph.nodes[name].needed(len(graph.support[name]))
            leaves.append(read)
            memory.append(_memory(min(needed or len(read), len(read)), len(read)))
    return _Gates(leaves, readers, memory)


def _memory(needed: int, size: int) -> list[float]:
    """Logarithms of the counts that k of n must tell apart after 0, 1, ... n of them, decided ones too."""
    counts = []
    for seen in range(1, size):
        open_counts = min(seen, needed - 1) - max(0, seen - (size - needed)) + 1
        counts.append(math.log(open_counts + (seen >= needed) + (seen > size - needed)))
    return [0.0, *counts, 0.0]


def _greedy(gates: _Gates, first: int) -> list[int]:
    """From one goal on, always the goal after which least has to be remembered."""
    seen, left, given = [0] * len(gates.leaves), set(range(len(gates.leaves))), set[int]()

    def added(gate: int) -> tuple[float, int]:
        """How much more is remembered after a goal."""
        more: dict[int, int] = {}
        for leaf in gates.leaves[gate]:
            for reader in () if leaf in given else gates.readers[leaf]:
                more[reader] = more.get(reader, 0) + 1
        kept = (gates.memory[one][seen[one] + n] - gates.memory[one][seen[one]] for one, n in more.items())
        return sum(kept), gate

    sequence = [first]
    while True:
        left.discard(sequence[-1])
        for leaf in set(gates.leaves[sequence[-1]]) - given:
            given.add(leaf)
            for reader in gates.readers[leaf]:
                seen[reader] += 1
        if not left:
            return sequence
        sequence.append(min(left, key=added))


def _moved(gates: _Gates, sequence: list[int]) -> list[int]:
    """Goals moved one at a time, near moves more often than far ones, kept when they cost no more."""
    draw, size = random.Random(0), len(sequence)
    cost = gates.cost(sequence)
    work = sum(map(len, gates.leaves))
    for _ in range(min(MOVES, MOVING_WORK // work)):
        start = draw.randrange(size)
        end = start + draw.choice((-1, 1)) * (1 + int(draw.expovariate(4 / size)))
        after = [*sequence[:start], *sequence[start + 1 :]]
        after.insert(max(0, end), sequence[start])
        if (tried := gates.cost(after)) <= cost:
            sequence, cost = after, tried
    return sequence
