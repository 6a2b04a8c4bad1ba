"""The order of leaves in a decision diagram: near each other where they are used together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pellucid.cases.graph import Graph

ROUNDS = 30


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
