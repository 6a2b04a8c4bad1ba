"""What to measure next: the experiments that would teach most about the top claim, for their cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pellucid.cases.confidence.counts import Beta
from pellucid.cases.confidence.exact import compile_graph, scenarios
from pellucid.cases.confidence.leaves import UNKNOWN, LeafConfidence, beta_of
from pellucid.cases.confidence.posteriors import Spread
from pellucid.cases.confidence.regions import Region
from pellucid.cases.graph import Graph
from pellucid.findings import InputError

MOST_TRIALS = 100_000
PLACES = 1_001
"""At so many equally likely places a normal curve is followed."""


@dataclass(frozen=True)
class Experiment:
    """More trials on one leaf, and what may be expected of them."""

    leaf: str
    """Id of the leaf."""
    trials: int
    """How many more."""
    cost: float
    """What they cost together."""
    birnbaum: float
    """How much the top hangs on the leaf: ``P(top | true) - P(top | false)``."""
    fall: float
    """By how much the variance of P(top) is expected to fall."""
    decided: float | None
    """Probability that the leaf's predicate is decided afterwards: its interval wholly on one side; None when
    it has no predicate on a measure."""

    @property
    def per_cost(self) -> float:
        """Expected fall of the variance for each unit of cost: what experiments are ranked by."""
        return self.fall / self.cost


def next_experiments(
    graph: Graph,
    leaves: Mapping[str, LeafConfidence],
    trials: int,
    cost: Mapping[str, float] | None = None,
) -> list[Experiment]:
    """Rank m more trials on each leaf by how much the variance of P(top) is expected to fall per cost.

    With B the Birnbaum measure, and P(top) linear in each leaf, the fall is ``B² Var(p')``, where p' is what
    the leaf's probability will be after the trials. For a leaf whose own probability is Beta(a, b):
    ``Var(p') = v m / (s + m)`` with ``s = a + b`` and ``v = a b / (s² (s + 1))``. For a predicate on a
    measured rate the variance is summed over the beta-binomial outcomes; for one on a value with an interval
    from n observations, over where its normal curve will lie, narrowed by ``sqrt(n / (n + m))``.

    Args:
        graph: the argument.
        leaves: how sure one may be of each leaf.
        trials: more trials on each leaf, 1 to 100,000.
        cost: of one trial on a leaf; 1 where it is not named.

    Returns:
        Best first. A leaf without observations behind it (a bare judgement, an interval without n) has none.

    Raises:
        InputError: Y77 when the trials or a cost are not positive, Y74 and Y75 as for importances.

    Source: expected value of sample information in the conjugate Beta-binomial model (Raiffa, Schlaifer
    1961).
    """
    costs = dict(cost or {})
    if not 1 <= trials <= MOST_TRIALS or any(not each > 0 for each in costs.values()):
        problem = f"{trials} trials were asked for, at costs {costs or 1}."
        raise InputError("Y77", problem, f"Give 1 to {MOST_TRIALS} trials, and costs above 0.")
    rows = []
    for name, slope in birnbaum(graph, leaves).items():
        outlook = _outlook(leaves.get(name, UNKNOWN), trials)
        if outlook is not None:
            fall = slope**2 * outlook.variance
            rows.append(Experiment(name, trials, trials * costs.get(name, 1.0), slope, fall, outlook.decided))
    return sorted(rows, key=lambda row: -row.per_cost)


def birnbaum(graph: Graph, leaves: Mapping[str, LeafConfidence]) -> dict[str, float]:
    """The Birnbaum measure of every leaf."""
    compiled = compile_graph(graph)
    names = compiled.diagram.names
    spread = scenarios(graph, {name: leaves.get(name, UNKNOWN).probability for name in names})
    found = compiled.diagram.birnbaum(compiled.top, spread.probabilities)
    return {name: float(spread.mean(slope)) for name, slope in found.items()}


def expected_fall(beta: Beta, trials: int) -> float:
    """Expected fall of the variance of a Beta rate after m trials: ``v m / (s + m)``."""
    return beta.variance * trials / (beta.a + beta.b + trials)


class _Outlook(NamedTuple):
    """Variance of what a leaf's probability will be, and the probability that its predicate is decided."""

    variance: float
    decided: float | None


def _outlook(leaf: LeafConfidence, trials: int) -> _Outlook | None:
    if leaf.curve is not None and leaf.n:
        return _by_curve(leaf, leaf.curve, leaf.n, trials)
    beta = beta_of(leaf) or (Beta(1.0, 1.0) if leaf.opinion.uncertainty == 1 else None)
    if beta is None:
        return None
    if leaf.region is None:
        return _Outlook(expected_fall(beta, trials), None)
    outcomes = np.arange(trials + 1)
    weights = outcome_probabilities(beta, trials)
    after = _inside(leaf, beta.a + outcomes, beta.b + trials - outcomes)
    variance = leaf.trust**2 * float(weights @ (after - weights @ after) ** 2)
    return _Outlook(variance, float(weights @ _decided(leaf, outcomes, trials)))


def _by_curve(leaf: LeafConfidence, curve: Spread, n: int, trials: int) -> _Outlook:
    """The outlook of a measured value: its curve moves by part of its own spread and narrows by the rest."""
    from scipy.special import ndtri

    assert leaf.region is not None
    moves, narrows = math.sqrt(trials / (n + trials)), math.sqrt(n / (n + trials))
    z = float(ndtri(0.5 + leaf.level / 2))
    shifts = ndtri((np.arange(PLACES) + 0.5) / PLACES) * moves
    middles = curve.middle + shifts * np.where(shifts > 0, curve.up, curve.down)
    down, up = curve.down * narrows, curve.up * narrows
    after = _within(leaf.region, middles, down, up)
    decided = leaf.region.settles_each(middles - z * down, middles + z * up)
    return _Outlook(leaf.trust**2 * float(np.var(after)), float(np.mean(decided)))


def _within(region: Region, middles: Any, down: float, up: float) -> Any:
    """Probability of a region under each of many curves that differ in their middle."""
    cells = ((_below(middles, down, up, low), _below(middles, down, up, high)) for low, high in region.cells)
    return np.clip(sum((high - low for low, high in cells), np.zeros(len(middles))), 0.0, 1.0)


def _below(middles: Any, down: float, up: float, value: float) -> Any:
    """``Spread.below`` for many middles at once."""
    from scipy.special import erfc

    left = value < middles
    scale = np.where(left, down, up)
    far, width = np.abs(value - middles), scale * math.sqrt(2)
    away = np.divide(far, width, where=scale > 0, out=np.zeros(len(middles)))
    share = erfc(away) * (0.5 if down and up else 1.0)
    return np.where(scale > 0, np.where(left, share, 1 - share), ~left)


def outcome_probabilities(beta: Beta, trials: int) -> np.ndarray[Any, Any]:
    """The beta-binomial probability of 0, 1, ... m successes in m trials."""
    from scipy.special import betaln, gammaln

    k = np.arange(trials + 1)
    ways = gammaln(trials + 1) - gammaln(k + 1) - gammaln(trials - k + 1)
    logs = ways + betaln(beta.a + k, beta.b + trials - k) - betaln(beta.a, beta.b)
    weights = np.exp(logs)
    return np.asarray(weights / weights.sum())


def _inside(leaf: LeafConfidence, a: Any, b: Any) -> Any:
    """Probability of the leaf's region under each Beta(a, b)."""
    from scipy.special import betainc

    assert leaf.region is not None
    cells = (np.clip(cell, 0.0, 1.0) for cell in leaf.region.cells)
    return sum((betainc(a, b, high) - betainc(a, b, low) for low, high in cells), np.zeros(len(a)))


def _decided(leaf: LeafConfidence, more: Any, trials: int) -> Any:
    """For each outcome, whether the exact interval of all trials lies wholly inside or outside the region."""
    from scipy.special import betaincinv

    assert leaf.region is not None
    assert leaf.counts is not None
    k, n = leaf.counts[0] + more, leaf.counts[1] + trials
    tail = (1 - leaf.level) / 2
    low = np.where(k == 0, 0.0, betaincinv(np.maximum(k, 1), n - k + 1, tail))
    high = np.where(k == n, 1.0, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    return np.array([leaf.region.settles(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)])
