"""The copies that a pattern's lists make of its elements, their ids, and where references lead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pellucid.cases.graph import Graph
from pellucid.cases.patterns.marks import Loop
from pellucid.cases.patterns.scopes import Scopes
from pellucid.cases.patterns.value_types import item_name
from pellucid.cases.patterns.values import Given
from pellucid.findings import InputError

_LONGEST = 24
"""Characters that an item may add to an id."""


@dataclass(frozen=True)
class Bound:
    """One item of a repetition."""

    place: int
    """Its place in the list."""
    suffix: str
    """What it adds to the ids of its copies."""
    value: Any = field(compare=False, hash=False)
    """The item itself."""


Around = Mapping[Loop, Bound]
"""Repetitions with the item of each that something is for."""


@dataclass(frozen=True)
class Copy:
    """One element of the case, made from one of the pattern for certain items."""

    id: str
    """Its id in the case."""
    around: Around
    """The items that it is for."""
    empty: Loop | None = None
    """The repetition whose list was empty, for what stands in its place."""


@dataclass(frozen=True)
class Copies:
    """Where each element of a pattern goes when its lists are laid out."""

    scopes: Scopes
    """The repetitions of the pattern."""
    given: Given
    """The values."""
    sorted: dict[tuple[str, tuple[Loop, ...]], dict[tuple[Bound | None, ...], list[Copy]]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Copies by the items that they are for, kept as they are asked for."""

    @property
    def graph(self) -> Graph:
        """The pattern's relations."""
        return self.scopes.graph

    @cached_property
    def filled(self) -> tuple[Loop, ...]:
        """Repetitions whose list was given."""
        found: list[Loop] = []
        for loop in self.scopes.order:
            outer = self.scopes.outer(loop)
            if outer in found or (outer is None and loop.path[0] in self.given.values):
                found.append(loop)
        return tuple(found)

    def refuse_inner_first(self) -> None:
        """Refuse a list that lies inside another one which is not given yet."""
        for loops in self.scopes.repeated.values():
            waiting = [loop for loop in loops if loop not in self.filled]
            early = [
                loop for loop in loops if waiting and loop in self.filled and _after(loop, waiting[0], loops)
            ]
            if early:
                problem = (
                    f"'{early[0].source}' is repeated inside '{waiting[0].source}', which has no value yet."
                )
                raise InputError("Y51", problem, f"Give '{waiting[0].source}' first, or both together.")

    def items(self, loop: Loop, around: Around) -> tuple[Bound, ...]:
        """The items of a repetition within items of outer ones."""
        outer = self.scopes.outer(loop)
        value: Any = self.given.values if outer is None else around[outer].value
        for name in loop.path if outer is None else loop.path[1:]:
            value = value[name]
        return tuple(_named_items(value))

    @cached_property
    def made(self) -> Mapping[str, tuple[Copy, ...]]:
        """The elements of the case that each element of the pattern becomes."""
        taken = {name for name in self.graph.nodes if not self.loops(name)}
        return {name: tuple(self._copies(name, taken)) for name in self.graph.nodes}

    def loops(self, name: str) -> tuple[Loop, ...]:
        """The given repetitions that an element is copied for."""
        return tuple(loop for loop in self.scopes.repeated[name] if loop in self.filled)

    def _copies(self, name: str, taken: set[str]) -> Iterator[Copy]:
        if not self.loops(name):
            yield Copy(name, {})
            return
        for around, empty in self._surroundings(name, self.loops(name), {}):
            if empty is None or (
                self.scopes.marks.get(name) == empty and not self.graph.nodes[name].optional
            ):
                yield Copy(
                    _free("_".join((name, *(bound.suffix for bound in around.values()))), taken),
                    around,
                    empty,
                )

    def _surroundings(
        self, name: str, loops: tuple[Loop, ...], around: Around
    ) -> Iterator[tuple[Around, Loop | None]]:
        if not loops:
            yield around, None
            return
        items = self.items(loops[0], around)
        if not items:
            yield around, loops[0]
        for bound in items:
            yield from self._surroundings(name, loops[1:], {**around, loops[0]: bound})

    def targets(self, around: Around, name: str) -> tuple[str, ...]:
        """What a reference to an element becomes for the copies within some items."""
        if name not in self.made:
            return (name,)
        fitting = self._fitting(name, around)
        if fitting or self.graph.nodes[name].optional:
            return tuple(copy.id for copy in fitting if self.included(name, copy.id))
        return tuple(self._stand_ins(name, around))

    def _fitting(self, name: str, around: Around) -> list[Copy]:
        """The copies of an element for the given items, whatever the others."""
        shared = tuple(loop for loop in self.loops(name) if loop in around)
        if (name, shared) not in self.sorted:
            groups: dict[tuple[Bound | None, ...], list[Copy]] = {}
            for copy in self.made[name]:
                groups.setdefault(tuple(copy.around.get(loop) for loop in shared), []).append(copy)
            self.sorted[name, shared] = groups
        return self.sorted[name, shared].get(tuple(around[loop] for loop in shared), [])

    def _stand_ins(self, name: str, around: Around) -> Iterator[str]:
        """What stands for an element that vanished because a list is empty."""
        for loop in self.loops(name):
            for marked in self.scopes.marked(loop):
                yield from (copy.id for copy in self._fitting(marked, around) if copy.empty == loop)

    def included(self, name: str, copy_id: str) -> bool:
        """Whether an optional element is there."""
        return self.given.include.get(copy_id, self.given.include.get(name, True))

    def unsettled(self, name: str, copy_id: str) -> bool:
        """Whether nobody has said yet if an optional element is to be there."""
        return copy_id not in self.given.include and name not in self.given.include


def _after(loop: Loop, other: Loop, loops: tuple[Loop, ...]) -> bool:
    return loops.index(loop) > loops.index(other)


def _named_items(values: tuple[Any, ...]) -> Iterator[Bound]:
    taken: set[str] = set()
    for place, value in enumerate(values, 1):
        suffix = _free(_slug(item_name(value)) or str(place), taken)
        yield Bound(place, suffix, value)


def _slug(text: str) -> str:
    """A text as part of an id: letters and digits, joined by hyphens (an underscore parts the items)."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free
