"""How much each leaf matters to the top claim, exactly, by the measures of reliability engineering."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.cases.confidence.cut_sets import MOST_SETS, CutSets, cut_sets
from pellucid.cases.confidence.exact import Compiled, Scenarios, compile_graph, scenarios
from pellucid.cases.graph import Graph


@dataclass(frozen=True)
class Importance:
    """What one leaf means for the top, with Q = 1 - P(top). For a doubt the Birnbaum measure is negative."""

    birnbaum: Any
    """``P(top | leaf true) - P(top | leaf false)``."""
    risk_achievement: Any
    """``Q(leaf false) / Q``: how many times as likely the top fails without the leaf."""
    risk_reduction: Any
    """``Q / Q(leaf true)``: how many times as likely it fails as it would with a perfect leaf."""
    fussell_vesely: Any
    """``(Q - Q(leaf true)) / Q``: the share of failures in which the leaf has a part."""
    criticality: Any
    """``B (1 - p) / Q``: the share of failures that the leaf brings about."""


def importances(graph: Graph, probabilities: Mapping[str, Any]) -> dict[str, Importance]:
    """The importance of every leaf for the top claim.

    P(top) is a polynomial that is linear in each leaf's probability, so all of them follow from the Birnbaum
    measure: ``Q(leaf true) = Q - (1 - p) B`` and ``Q(leaf false) = Q + p B``. The leaf is set true or false;
    others, also those that share a common cause with it, keep their probability.

    Args:
        graph: the argument.
        probabilities: of each leaf; Fractions give exact results.

    Raises:
        InputError: Y74 when it is too entangled, Y75 when the top is not defined.

    Source: Birnbaum 1969; Fussell 1975; Rauzy 1993 for one pass over the diagram.
    """
    compiled = compile_graph(graph)
    return importances_of(compiled, scenarios(graph, probabilities), probabilities)


def importances_of(
    compiled: Compiled, spread: Scenarios, probabilities: Mapping[str, Any]
) -> dict[str, Importance]:
    """The same for an argument that has been compiled."""
    diagram, top = compiled.diagram, compiled.top
    failing = spread.mean(diagram.probabilities([top], spread.probabilities, failing=True)[top])
    slopes = diagram.birnbaum(top, spread.probabilities)
    return {
        name: _importance(spread.mean(slope), probabilities[name], failing) for name, slope in slopes.items()
    }


def _importance(slope: Any, p: Any, failing: Any) -> Importance:
    if failing == 0:
        nothing = math.nan
        return Importance(slope, nothing, nothing, nothing, nothing)
    perfect = failing - (1 - p) * slope
    # what is left after subtraction may be rounding only: a leaf that explains every failure leaves none
    perfect = 0 * failing if abs(perfect) <= 1e-15 * failing else perfect
    reduction = failing / perfect if perfect else math.inf
    share = (1 - p) * slope / failing
    return Importance(slope, (failing + p * slope) / failing, reduction, (failing - perfect) / failing, share)


def minimal_cut_sets(graph: Graph, *, most: int = MOST_SETS) -> CutSets:
    """The minimal sets of leaves whose failure makes the top claim false; no numbers are needed.

    Args:
        graph: the argument.
        most: when there are more, only the small ones are listed and ``complete`` is False.

    Example:
        >>> from pellucid.cases import Case
        >>> case = Case.read("G1: {supportedBy: [Sn1, Sn2]}\\nSn1: {}\\nSn2: {}")
        >>> [str(cut) for cut in minimal_cut_sets(case.graph).sets]
        ['Sn1', 'Sn2']
    """
    compiled = compile_graph(graph)
    return cut_sets(compiled.diagram, compiled.top, most=most)
