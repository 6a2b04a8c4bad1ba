"""Confidence in every element of an argument, in four calculi side by side on one graph.

Subjective logic (with Beta distributions), bounds that assume nothing about dependence with the sum of
doubts, the exact Bayes net over shared leaves, and the grounded label of the dialectical evaluation. Where
they disagree, none of them is the truth: what they assume is in question (checks Q01 to Q03).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.cases.confidence import bounds, opinions
from pellucid.cases.confidence.bounds import Bounds
from pellucid.cases.confidence.display import shown, shown_bounds
from pellucid.cases.confidence.doubts import Doubts
from pellucid.cases.confidence.exact import compile_graph, leaves_asked, node_probabilities, scenarios
from pellucid.cases.confidence.leaves import UNKNOWN, LeafConfidence
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.confidence.structure import circular, fold
from pellucid.cases.evaluation.kleene import Value, constant
from pellucid.cases.evaluation.operator import TOP, background, settle
from pellucid.cases.evaluation.verdict import WORDS
from pellucid.cases.graph import Graph
from pellucid.findings import InputError


@dataclass(frozen=True)
class NodeConfidence:
    """What the four calculi say of one element; a number is None where it is not defined."""

    label: Value
    """Grounded argumentation: true, false or undecided, by the evidence now."""
    opinion: Opinion | None
    """Subjective logic, legs combined as if they shared nothing."""
    bounds: Bounds | None
    """Least and greatest probability, whatever depends on what."""
    doubts: float | None
    """The sum of doubts over needed leaves: it is at most this likely to fail."""
    exact: float | None
    """The Bayes net: exact for shared leaves, which are independent unless they share a common cause."""

    @property
    def product(self) -> float | None:
        """The expectation of the opinion: the product rule, leg by leg."""
        return None if self.opinion is None else self.opinion.expectation

    @property
    def low(self) -> float | None:
        """What may be relied on: the better of the lower bound and 1 less the sum of doubts."""
        if self.bounds is None or self.doubts is None:
            return None
        return float(max(self.bounds.low, 1 - self.doubts))

    @property
    def high(self) -> float | None:
        """The upper bound."""
        return None if self.bounds is None else float(self.bounds.high)

    def credible(self, level: float = 0.95) -> tuple[float, float] | None:
        """The interval of the Beta distribution that the opinion stands for; None without uncertainty."""
        beta = None if self.opinion is None else self.opinion.beta
        return None if beta is None else beta.interval(level)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        opinion = self.opinion
        parts = (
            None
            if opinion is None
            else (opinion.belief, opinion.disbelief, opinion.uncertainty, opinion.base_rate)
        )
        return {
            "label": self.label,
            "opinion": None if parts is None else dict(zip(("b", "d", "u", "a"), parts, strict=True)),
            "product": self.product,
            "low": self.low,
            "high": self.high,
            "doubts": self.doubts,
            "exact": self.exact,
        }

    def __str__(self) -> str:
        if self.bounds is None or self.low is None:
            return f"{WORDS[self.label]}; no number is defined"
        exact = "unknown" if self.exact is None else shown(self.exact, self.low, self.bounds.high)
        return f"{WORDS[self.label]}; {exact}, between {shown_bounds(self.low, self.bounds.high)}"


@dataclass(frozen=True)
class Confidence:
    """Confidence in a whole argument."""

    top: NodeConfidence
    """What the calculi say of all top claims together."""
    nodes: Mapping[str, NodeConfidence]
    """What they say of each element."""
    leaves: Mapping[str, LeafConfidence]
    """How sure one may be of each leaf, and why."""
    circular: frozenset[str]
    """Elements that rest on a circle of challenge or support, for which no number is defined."""
    reason: str
    """Why exact numbers are not given; empty when they are."""

    @property
    def taken(self) -> tuple[str, ...]:
        """Leaves taken as certain without an interval: every number is conditional on them."""
        return tuple(name for name, leaf in self.leaves.items() if leaf.taken)

    @property
    def judged(self) -> tuple[str, ...]:
        """Leaves whose number is a judgement, not a measurement."""
        return tuple(name for name, leaf in self.leaves.items() if leaf.judged)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Leaves of which nothing is known."""
        return tuple(name for name, leaf in self.leaves.items() if leaf.opinion.uncertainty == 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        leaves = {
            name: {
                "probability": leaf.probability,
                "source": leaf.source,
                "judged": leaf.judged,
                "taken": leaf.taken,
            }
            for name, leaf in self.leaves.items()
        }
        return {
            "top": self.top.to_dict(),
            "nodes": {name: node.to_dict() for name, node in self.nodes.items()},
            "leaves": leaves,
            "circular": sorted(self.circular),
            "reason": self.reason,
        }


class _Opinions:
    """Subjective logic over the graph."""

    def __init__(self, leaves: Mapping[str, LeafConfidence]) -> None:
        self.leaves = leaves

    def leaf(self, name: str) -> Opinion:
        """The leaf's opinion."""
        return self.leaves[name].opinion

    def both(self, values: Sequence[Opinion]) -> Opinion:
        """AND."""
        return opinions.conjunction(values)

    def either(self, values: Sequence[Opinion]) -> Opinion:
        """OR."""
        return opinions.disjunction(values)

    def at_least(self, count: int, values: Sequence[Opinion]) -> Opinion:
        """k of n."""
        return opinions.at_least(count, values)

    def invert(self, value: Opinion) -> Opinion:
        """NOT."""
        return ~value


class _Bounds:
    """Dependence-free bounds over the graph."""

    def __init__(self, leaves: Mapping[str, LeafConfidence]) -> None:
        self.leaves = leaves

    def leaf(self, name: str) -> Bounds:
        """The leaf's least and greatest probability."""
        return self.leaves[name].between

    def both(self, values: Sequence[Bounds]) -> Bounds:
        """AND."""
        return bounds.conjunction(values)

    def either(self, values: Sequence[Bounds]) -> Bounds:
        """OR."""
        return bounds.disjunction(values)

    def at_least(self, count: int, values: Sequence[Bounds]) -> Bounds:
        """k of n."""
        return bounds.at_least(count, values)

    def invert(self, value: Bounds) -> Bounds:
        """NOT."""
        return bounds.invert(value)


def confide(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> Confidence:
    """Confidence in every element, in four calculi on the graph that the verdict is taken from.

    Args:
        graph: the argument.
        leaves: how sure one may be of each leaf, from ``read_confidences``; of a leaf that is not named
            nothing is known.

    Source: Jøsang 2016 (subjective logic); Fréchet and Rüger (bounds); Bryant 1986 (exact); Dung 1995
    (grounded); Bloomfield and Rushby, Assurance 2.0, arXiv 2205.04522, for judging by several at once.
    """
    loose = circular(graph)
    labels = _labels(graph, leaves)
    leaves = dict.fromkeys(leaves_asked(graph), UNKNOWN) | dict(leaves)
    ranges = {name: leaf.between for name, leaf in leaves.items()}
    doubts = Doubts({n: r.low for n, r in ranges.items()}, {n: r.high for n, r in ranges.items()})
    ways, believed = fold(graph, doubts), fold(graph, _Opinions(leaves))
    between = fold(graph, _Bounds(leaves))
    exact, reason = _exactly(graph, leaves)
    found = {
        name: NodeConfidence(
            labels[name],
            believed.get(name),
            between.get(name),
            doubts.doubt(ways[name].true) if name in ways else None,
            exact.get(name),
        )
        for name in (*graph.nodes, TOP)
    }
    top = found.pop(TOP)
    return Confidence(top, found, leaves, loose, reason)


def _exactly(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> tuple[dict[str, float], str]:
    """Exact probabilities, or why there are none: three calculi can still be given without the fourth."""
    try:
        spread = scenarios(graph, {name: leaf.probability for name, leaf in leaves.items()})
        found = node_probabilities(compile_graph(graph), spread)
    except InputError as error:
        return {}, str(error)
    # sums of products may pass the ends by a rounding
    return {name: min(1.0, max(0.0, float(value))) for name, value in found.items()}, ""


def _labels(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> dict[str, Value]:
    base = {name: constant(leaf.value, 1) for name, leaf in leaves.items()} | background(graph, 1)
    return {name: reading.at(0) for name, reading in settle(graph, base, 1).items()}
