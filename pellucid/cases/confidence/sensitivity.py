"""Which evidence the verdict hangs on: take each leaf out, flip it, and weigh it by its probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pellucid.cases.confidence.exact import compile_graph, scenarios
from pellucid.cases.confidence.importance import Importance, importances_of
from pellucid.cases.confidence.leaves import UNKNOWN, LeafConfidence
from pellucid.cases.evaluation.kleene import Reading, Value, constant
from pellucid.cases.evaluation.operator import TOP, background, settle
from pellucid.cases.graph import Graph
from pellucid.findings import InputError

_TRIALS: tuple[Value, ...] = ("U", "T", "F")


@dataclass(frozen=True)
class Sensitivity:
    """The verdict now, with one leaf as it is, taken out, true, and false."""

    leaf: str
    """Id of the leaf."""
    finding: str | None
    """The Finding that it cites."""
    value: Value
    """Its value now."""
    top: Value
    """The verdict as things are."""
    without: Value
    """The verdict with this evidence removed."""
    if_true: Value
    """The verdict if the leaf were true."""
    if_false: Value
    """The verdict if the leaf were false."""
    birnbaum: float | None = None
    """``P(top | leaf true) - P(top | leaf false)``; this and what follows is None without numbers."""
    risk_achievement: float | None = None
    """``Q(leaf false) / Q`` with Q = 1 - P(top); None when the top cannot fail."""
    risk_reduction: float | None = None
    """``Q / Q(leaf true)``; None when with a perfect leaf the top cannot fail."""
    fussell_vesely: float | None = None
    """``(Q - Q(leaf true)) / Q``."""
    criticality: float | None = None
    """``B (1 - p) / Q``."""

    @property
    def decides(self) -> bool:
        """Whether the verdict depends on this leaf while all others stay as they are."""
        return len({self.without, self.if_true, self.if_false}) > 1


def knock_outs(graph: Graph, values: Mapping[str, Value]) -> list[Sensitivity]:
    """Take out and flip every leaf, all in one pass with three scenarios for each.

    Rows come with deciding leaves first, then in the order of the file.
    """
    every = (1 << 3 * len(values)) - 1
    base = {name: _tried(value, 3 * index, every) for index, (name, value) in enumerate(values.items())}
    top = settle(graph, base | background(graph, every), every)[TOP]
    rows = [_row(graph, name, values[name], top, 3 * index) for index, name in enumerate(values)]
    return sorted(rows, key=lambda row: not row.decides)


def sensitivities(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> list[Sensitivity]:
    """Every leaf knocked out and flipped, and weighed exactly by its probability.

    Args:
        graph: the argument.
        leaves: how sure one may be of each leaf, from ``read_confidences``.

    Returns:
        Deciding leaves first, then by the size of their Birnbaum measure. Numbers are None where the top
        rests on a circle of challenges, which only the verdict can resolve, and where leaves are shared in
        too many ways for an exact number (``confide`` says which).

    Source: section 10 of the mathematics: Birnbaum 1969, Fussell 1975; see ``importances``.
    """
    own = {name: leaf.value for name, leaf in leaves.items() if name in graph.nodes}
    rows = knock_outs(graph, own)
    weights = _weights(graph, leaves)
    rows = [_weighed(row, weights.get(row.leaf)) for row in rows]
    return sorted(rows, key=lambda row: (not row.decides, -abs(row.birnbaum or 0.0)))


def _weights(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> dict[str, Importance]:
    try:
        compiled = compile_graph(graph)
        probabilities = {name: leaves.get(name, UNKNOWN).probability for name in compiled.diagram.names}
        return importances_of(compiled, scenarios(graph, probabilities), probabilities)
    except InputError:
        # not defined, or too entangled: the verdict with each leaf flipped can still be told
        return {}


def _weighed(row: Sensitivity, weight: Importance | None) -> Sensitivity:
    if weight is None:
        return row
    known = {name: _known(value) for name, value in vars(weight).items()}
    return replace(row, **known)  # type: ignore[arg-type]


def _known(value: float) -> float | None:
    """A ratio to no failures at all has no number."""
    return float(value) if math.isfinite(value) else None


def _tried(value: Value, first: int, every: int) -> Reading:
    usual = constant(value, every & ~(0b111 << first))
    true, false = (1 << first + _TRIALS.index(trial) for trial in ("T", "F"))
    return Reading(usual.true | true, usual.false | false)


def _row(graph: Graph, name: str, value: Value, top: Reading, first: int) -> Sensitivity:
    without, if_true, if_false = (top.at(first + trial) for trial in range(3))
    as_is = {"U": without, "T": if_true, "F": if_false}[value]
    node = graph.nodes[name]
    return Sensitivity(name, node.finding, value, as_is, without, if_true, if_false)
