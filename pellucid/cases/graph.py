"""The argument as a graph: who supports, surrounds and challenges whom, over all modules at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pellucid.cases.nodes import BACKGROUND, Module, Node, NodeKind

Pair = frozenset[str]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Graph:
    """The relations of an argument by element id, with lists made unique and extensions applied.

    Names that exist nowhere stay in the lists: an absent leg must count as absent, never vanish. An away goal
    rests on the goal of the other module for which it stands, when that module is in the set.
    """

    nodes: Mapping[str, Node]
    """Every element by id; of two with one id, the first."""
    support: Mapping[str, tuple[str, ...]]
    """Supporting legs of each element."""
    context: Mapping[str, tuple[str, ...]]
    """Contexts, assumptions and justifications of each element."""

    @staticmethod
    def of(modules: Iterable[Module]) -> Graph:
        """Build the graph of a set of modules."""
        nodes: dict[str, Node] = {}
        support: dict[str, list[str]] = {}
        modules = tuple(modules)
        for node in (node for module in modules for node in module.nodes):
            if nodes.setdefault(node.id, node) is node:
                support[node.id] = list(node.supported_by)
        for foreign, local in (*_developed(modules), *_at_home(modules)):
            support.get(foreign, []).extend(local)
        return Graph(
            nodes,
            {name: tuple(dict.fromkeys(legs)) for name, legs in support.items()},
            {name: tuple(dict.fromkeys(node.in_context_of)) for name, node in nodes.items()},
        )

    @cached_property
    def challengers(self) -> Mapping[str, tuple[str, ...]]:
        """Elements that challenge each element itself."""
        return _grouped((node.challenges[0], node.id) for node in self._challenging(1))

    @cached_property
    def relation_challengers(self) -> Mapping[Pair, tuple[str, ...]]:
        """Elements that challenge the relation between two elements, in either direction."""
        return _grouped((frozenset(node.challenges), node.id) for node in self._challenging(2))

    def _challenging(self, ends: int) -> Iterator[Node]:
        return (node for node in self.nodes.values() if len(node.challenges) == ends)

    def doubts(self, owner: str, other: str) -> tuple[str, ...]:
        """Elements that challenge the relation between ``owner`` and ``other``."""
        return self.relation_challengers.get(frozenset((owner, other)), ())

    @cached_property
    def depends(self) -> Mapping[str, tuple[str, ...]]:
        """For each element, all that its value reads: legs, contexts, challengers, doubts of a relation."""
        return {name: tuple(dict.fromkeys(self._reads(name))) for name in self.nodes}

    def _reads(self, name: str) -> Iterator[str]:
        others = (*self.support[name], *self.context[name], *self.challengers.get(name, ()))
        yield from others
        if self.relation_challengers:
            yield from (doubt for other in others for doubt in self.doubts(name, other))

    @cached_property
    def dependents(self) -> Mapping[str, tuple[str, ...]]:
        """For each element, all that read its value."""
        return _grouped((used, name) for name, uses in self.depends.items() for used in uses)

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """For each element, all that name it as support or context."""
        pairs = ((child, name) for name in self.nodes for child in (*self.support[name], *self.context[name]))
        return _grouped(pairs)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Elements that no list names and that challenge nothing, in stated order."""
        return tuple(
            name for name, node in self.nodes.items() if name not in self.parents and not node.challenges
        )

    @cached_property
    def tops(self) -> tuple[str, ...]:
        """Roots that claim something: the ones whose value is the verdict of the case."""
        return tuple(name for name in self.roots if self.nodes[name].kind not in BACKGROUND)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every element after those it reads, as far as cycles allow."""
        return after_their_uses(self.nodes, self.depends)

    def reach(self, start: Iterable[str], along: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
        """All elements reached from ``start`` (included) along a relation of this graph."""
        seen = set(start)
        stack = list(seen)
        while stack:
            for following in along.get(stack.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return frozenset(seen)

    def cycles(self) -> Iterator[tuple[str, ...]]:
        """Each cycle over support that a depth-first walk closes, first element repeated at the end."""
        done: set[str] = set()
        for start in self.nodes:
            if start not in done:
                yield from _cycles_from(start, self.support, done)


def _developed(modules: tuple[Module, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    known = {module.name for module in modules}
    for module in modules:
        for extension in module.extends:
            if extension.module in known:
                yield from extension.develops


def _at_home(modules: tuple[Module, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Away goals, each with the goal of the other module for which it stands."""
    goals = {
        (module.name, node.id): node
        for module in modules
        for node in module.nodes
        if node.kind is NodeKind.GOAL
    }
    for node in goals.values():
        away = node.away
        if away is not None and away.element != node.id and (away.module, away.element) in goals:
            yield node.id, (str(away.element),)


def _grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, tuple[str, ...]]:
    groups: defaultdict[Key, dict[str, None]] = defaultdict(dict)
    for key, name in pairs:
        groups[key][name] = None
    return {key: tuple(names) for key, names in groups.items()}


def after_their_uses(names: Iterable[str], uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Order names so that each follows what it uses (a depth-first postorder, without recursion)."""
    placed: dict[str, None] = {}
    seen: set[str] = set()
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        stack = [(name, iter(uses.get(name, ())))]
        while stack:
            current, rest = stack[-1]
            following = next((other for other in rest if other not in seen and other in uses), None)
            if following is None:
                placed[current] = None
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(uses[following])))
    return tuple(placed)


def _cycles_from(
    start: str, support: Mapping[str, tuple[str, ...]], done: set[str]
) -> Iterator[tuple[str, ...]]:
    path: dict[str, Iterator[str]] = {start: iter(support[start])}
    while path:
        current = next(reversed(path))
        following = next(path[current], None)
        if following is None:
            done.add(path.popitem()[0])
        elif following in path and following != current:
            trail = list(path)
            yield (*trail[trail.index(following) :], following)
        elif following in support and following not in done and following != current:
            path[following] = iter(support[following])
