"""Which elements of a pattern are repeated, and over which lists.

An element marked with a repetition is copied once an item, and so is what is below it. Two things below it
are shared by the copies instead: a context, assumption or justification that does not depend on the item, and
whatever the argument also reaches without the repetition and that does not depend on the item either. An
element *depends* on an item when its texts name the item, or when something that its value reads does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import SIDE
from pellucid.cases.patterns.marks import Loop, loop_of
from pellucid.cases.patterns.placeholders import Placeholder, blanks

ITEM = "item"
"""What the item of the innermost repetition is called besides its own name."""


@dataclass(frozen=True)
class Scopes:
    """The repetitions of a pattern's graph."""

    graph: Graph
    """The relations of the pattern."""

    @cached_property
    def marks(self) -> Mapping[str, Loop]:
        """The repetition that each marked element states."""
        stated = ((name, loop_of(node)) for name, node in self.graph.nodes.items())
        return {name: loop for name, loop in stated if loop is not None}

    @cached_property
    def order(self) -> tuple[Loop, ...]:
        """Every repetition as a walk from the roots meets them, but a list after the one that holds it."""
        waiting = list(dict.fromkeys(self.marks[name] for name in self._walk() if name in self.marks))
        placed: list[Loop] = []
        while waiting:
            free = (loop for loop in waiting if not any(_holds(other, loop) for other in waiting))
            placed.append(next(free, waiting[0]))
            waiting.remove(placed[-1])
        return tuple(placed)

    @cached_property
    def above(self) -> Mapping[str, tuple[Loop, ...]]:
        """The repetitions whose mark stands on an element or above it, outer ones first."""
        below = {loop: self.below(loop) for loop in self.order}
        return {name: tuple(loop for loop in self.order if name in below[loop]) for name in self.graph.nodes}

    @cached_property
    def repeated(self) -> Mapping[str, tuple[Loop, ...]]:
        """The repetitions that an element is copied for, outer ones first."""
        copied = {loop: self._copied(loop) for loop in self.order}
        found = {}
        for name in self.graph.nodes:
            own = {outer for loop in self.order if name in copied[loop] for outer in self.chain(loop)}
            found[name] = tuple(loop for loop in self.order if loop in own)
        return found

    def marked(self, loop: Loop) -> list[str]:
        """Elements that carry the mark of a repetition."""
        return [name for name, stated in self.marks.items() if stated == loop]

    def below(self, loop: Loop) -> frozenset[str]:
        """Elements that carry the mark or are reached from one that does."""
        return self.graph.reach(self.marked(loop), self.reads) & self.graph.nodes.keys()

    @cached_property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """What each element's value reads, and the doubts about its relations, of whichever end it is."""
        doubts: defaultdict[str, list[str]] = defaultdict(list)
        for pair, challengers in self.graph.relation_challengers.items():
            for end in pair:
                doubts[end].extend(challengers)
        return {
            name: tuple(dict.fromkeys((*others, *doubts.get(name, ()))))
            for name, others in self.graph.depends.items()
        }

    @cached_property
    def read_by(self) -> Mapping[str, list[str]]:
        """The opposite of ``reads``."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, others in self.reads.items():
            for other in others:
                found[other].append(name)
        return found

    def loop_named(self, node_id: str, head: str) -> Loop | None:
        """The repetition whose item a blank of an element names by its first word; None for a parameter."""
        around = self.above[node_id]
        if head == ITEM and around:
            return around[-1]
        return next((loop for loop in reversed(around) if loop.item == head), None)

    def outer(self, loop: Loop) -> Loop | None:
        """The repetition whose item holds the list of another; None for the list of a parameter."""
        above = self.above[self.marked(loop)[0]]
        around = above[: above.index(loop)]
        if loop.path[0] == ITEM and len(loop.path) > 1:
            return around[-1] if around else None
        return next((other for other in reversed(around) if other.item == loop.path[0]), None)

    def chain(self, loop: Loop | None) -> Iterator[Loop]:
        """A repetition, and those whose items hold its list."""
        while loop is not None:
            yield loop
            loop = self.outer(loop)

    def _mentions(self, loop: Loop, below: Iterable[str]) -> Iterator[str]:
        for name in below:
            named = [self.loop_named(name, blank.path[0]) for blank in blanks(self.graph.nodes[name])]
            if any(loop in self.chain(other) for other in (*named, self.marks.get(name))):
                yield name

    def _copied(self, loop: Loop) -> frozenset[str]:
        below, marked = self.below(loop), self.marked(loop)
        starts = [*self._mentions(loop, below), *marked]
        depending = self._reach(starts, self.read_by, frozenset()) & below
        inside, before = frozenset(marked), frozenset[str]()
        # Doubts go with what they doubt; a way that leads through one of them is no way from outside.
        while inside != before:
            before = inside
            gates = frozenset(marked) | {name for name in inside if self.graph.nodes[name].challenges}
            shared = self._outside(gates) - depending
            carried = {name: self._carried(name, depending, shared) for name in below}
            inside = self._reach(marked, carried, frozenset())
        return inside

    def _carried(self, name: str, depending: frozenset[str], shared: frozenset[str]) -> tuple[str, ...]:
        """What a copied element takes along: its legs, its doubts, and the contexts that depend."""
        graph = self.graph
        own = {*graph.support[name], *graph.context[name]}
        legs = (leg for leg in graph.support[name] if leg not in shared and not self._side(leg))
        doubts = (doubt for doubt in self.reads[name] if doubt not in own)
        return tuple(dict.fromkeys((*legs, *(other for other in own if other in depending), *doubts)))

    def _side(self, name: str) -> bool:
        return name not in self.graph.nodes or self.graph.nodes[name].kind in SIDE

    def _outside(self, gates: frozenset[str]) -> frozenset[str]:
        """Elements that the roots lead to without passing a gate."""
        starts = [name for name in self.graph.roots if name not in gates]
        return self._reach(starts, self.reads, gates)

    def _reach(
        self, starts: Iterable[str], along: Mapping[str, Iterable[str]], gates: frozenset[str]
    ) -> frozenset[str]:
        """Elements reached from some along a relation, without entering a gate."""
        seen = set(starts)
        waiting = list(seen)
        while waiting:
            for other in along.get(waiting.pop(), ()):
                if other not in seen and other not in gates and other in self.graph.nodes:
                    seen.add(other)
                    waiting.append(other)
        return frozenset(seen)

    def _walk(self) -> Iterator[str]:
        """Every element, depth first from the roots in stated order."""
        seen: set[str] = set()
        stack = [*reversed(list(self.graph.nodes)), *reversed(self.graph.roots)]
        while stack:
            name = stack.pop()
            if name not in seen and name in self.graph.nodes:
                seen.add(name)
                yield name
                stack.extend(reversed(self.reads[name]))


def _holds(loop: Loop, other: Loop) -> bool:
    """Whether the list of one repetition is a field of another's item."""
    return loop != other and len(other.path) > 1 and other.path[0] == loop.item


def named_by(scopes: Scopes, node_id: str) -> Iterator[tuple[Placeholder, Loop | None]]:
    """Each blank of an element with the repetition whose item it names."""
    for blank in blanks(scopes.graph.nodes[node_id]):
        yield blank, scopes.loop_named(node_id, blank.path[0])
