"""A tree of attributions in which children always sum to their parent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.findings.numbers import format_number
from pellucid.findings.record import Record

Part = Literal["latent", "head", "stream", "norm", "bias", "gate", "error", "rest"]
CLOSE = 1e-4  # of the tree's largest term: what float32 leaves of exact sums, with room

KIND = register(
    Kind(
        name="dictionaries.recursive_attribution",
        title="Where a latent comes from, down to the tokens",
        statement="The tree's {leaves.value} leaves sum to the pre-activation {preactivation.value} and miss "
        "it by {gap.value} of the largest term: embeddings bring {embeddings.percent}, MLPs {mlps.percent}, "
        "what dictionaries miss {errors.percent}, the small terms left out {rest.percent}.",
        supports=f"gap.value < {CLOSE}",
        refutes=f"gap.value >= {CLOSE}",
        views=(
            View(
                form="table",
                array="nodes",
                title="The tree: each term is the sum of those one step further in below it",
                x="term",
            ),
            View(
                form="bar",
                array="sources",
                title="What the leaves bring, by what they are",
                x="leaves",
                unit="part of the pre-activation",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Node:
    """One term of a pre-activation; `children`, where there are any, sum to `value`."""

    kind: Part
    """latent: what a latent brings; head: one head from one source; stream: embeddings, or what a layer added
    to the stream; norm: what a norm's bias and the value bias bring; bias: of a dictionary or of attention's
    output; gate: what a gate adds beside its slope; error: what a dictionary misses; rest: small terms."""
    value: float
    """In units of the root's pre-activation."""
    site: str = ""
    """Where it is read or written."""
    position: int | None = None
    """Of which token."""
    word: str = ""
    """That token as text."""
    head: int | None = None
    """Which head brings it."""
    latent: int | None = None
    """Which latent of the dictionary at `site`."""
    children: tuple[Node, ...] = ()
    """The terms that it is the sum of, the largest first."""

    @property
    def label(self) -> str:
        """What it is, in words."""
        where = "" if self.position is None else f" at {self.word!r} ({self.position})"
        match self.kind:
            case "latent":
                return f"latent {self.latent} of {self.site}{where}"
            case "head":
                return f"{self.site}: head {self.head} from {self.word!r} ({self.position})"
            case "error":
                return f"missed by the dictionary at {self.site}{where}"
            case "stream":
                return f"{self.site}{where}"
            case "rest":
                return "smaller terms"
        return f"{self.kind} of {self.site}{where}"

    @property
    def source(self) -> str:
        """What sort of thing it is, for sums over leaves."""
        return self.site.rsplit(".", 1)[-1] if self.kind == "stream" else self.kind

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """This node and all below it, each before its children, with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def leaves(self) -> Iterator[Node]:
        """The nodes below it, or itself, that have no children."""
        return (node for _, node in self.walk() if not node.children)

    @property
    def gap(self) -> float:
        """How far its children's sum misses it; 0 for a leaf."""
        return abs(math.fsum(child.value for child in self.children) - self.value) if self.children else 0.0


@dataclass(frozen=True)
class AttributionTree:
    """A latent's pre-activation, taken apart level by level."""

    root: Node
    """The latent; its value is the pre-activation."""
    record: Record = field(repr=False, compare=False)
    """Where it comes from."""

    def leaves(self) -> list[Node]:
        """The terms that were not taken apart further; they sum to the root."""
        return list(self.root.leaves())

    @property
    def gap(self) -> float:
        """The largest miss: of any node by its children, or of the root by all leaves."""
        whole = abs(math.fsum(leaf.value for leaf in self.leaves()) - self.root.value)
        return max(whole, *(node.gap for _, node in self.root.walk()))

    def text(self, lines: int = 40) -> str:
        """The tree for a terminal: a line for each term, its value before it.

        Arguments:
            lines: how many at most; a last one says how many more there are.
        """
        rows = [
            f"{format_number(node.value):>10}  {'  ' * depth}{node.label}" for depth, node in self.root.walk()
        ]
        more = [f"({len(rows) - lines} more)"] if len(rows) > lines else []
        return "\n".join(rows[:lines] + more)

    def finding(self) -> Finding:
        """The tree as a Finding ``dictionaries.recursive_attribution``.

        Its measures are preactivation, leaves, depth, gap (largest miss of a sum, as a share of the largest
        term), and embeddings, mlps, errors and rest (what such leaves bring, as a share of the
        pre-activation); its arrays ``nodes`` (value and share of the root, indented), ``parent`` (row of
        each node's parent, -1 for the root) and ``sources`` (sums over leaves by what they are).
        """
        return self.record.finding(KIND, measures=self._measures(), arrays=self._arrays())

    def _by_source(self) -> dict[str, float]:
        """Sums over leaves, the largest first."""
        sums: dict[str, list[float]] = {}
        for leaf in self.leaves():
            sums.setdefault(leaf.source, []).append(leaf.value)
        return dict(sorted(((k, math.fsum(v)) for k, v in sums.items()), key=lambda item: -abs(item[1])))

    def _measures(self) -> list[Measure]:
        """The whole, its completeness, and what brings it."""
        whole, sources = self.root.value, self._by_source()
        largest = max(abs(node.value) for _, node in self.root.walk())

        def share(*names: str) -> float | None:
            """What leaves of these sorts bring, as a share of the whole."""
            return sum(sources.get(name, 0.0) for name in names) / whole if whole else None

        return [
            Measure.of("preactivation", whole),
            Measure.of("leaves", len(self.leaves())),
            Measure.of("depth", max(depth for depth, _ in self.root.walk())),
            Measure.of("gap", self.gap / largest if largest else self.gap, better="lower"),
            Measure.of("embeddings", share("embed", "pos_embed")),
            Measure.of("mlps", share("mlp_out")),
            Measure.of("errors", share("error"), better="lower"),
            Measure.of("rest", share("rest"), better="lower"),
        ]

    def _arrays(self) -> dict[str, Array]:
        """Every node, and sums over the leaves."""
        rows = list(self.root.walk())
        values = np.array([node.value for _, node in rows])
        shares = values / self.root.value if self.root.value else np.full_like(values, np.nan)
        labels = ["  " * depth + node.label for depth, node in rows]
        sources = self._by_source()
        return {
            "nodes": Array(
                np.stack([values, shares], 1), ("node", "column"), {"node": labels, "column": COLUMNS}
            ),
            "parent": Array(np.array(parents([depth for depth, _ in rows])), ("node",)),
            "sources": Array(np.array(list(sources.values())), ("source",), {"source": list(sources)}),
        }


COLUMNS = ["value", "share of the root"]


def parents(depths: list[int]) -> list[int]:
    """Row of each node's parent, from depths in the order in which a tree is walked."""
    path: list[int] = []
    found = []
    for row, depth in enumerate(depths):
        del path[depth:]
        found.append(path[-1] if path else -1)
        path.append(row)
    return found
