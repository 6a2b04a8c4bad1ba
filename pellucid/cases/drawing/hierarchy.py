"""Which element stands beside which, and on what rank: the drawing before any geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pellucid.cases.graph import Graph, after_their_uses
from pellucid.cases.nodes import SIDE

LinkKind = Literal["support", "context", "challenge"]


@dataclass(frozen=True)
class Link:
    """One relation to be drawn, from its owner to the other element."""

    owner: str
    other: str
    kind: LinkKind
    relation: tuple[str, str] | None = None
    """The challenged relation, when ``other`` challenges one and not ``owner`` itself."""


class Hierarchy:
    """Blocks (an owner with what stands beside it) on ranks by their longest way down from the top."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

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
