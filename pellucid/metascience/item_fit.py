"""Whether answers follow the calibrated curves: mean squares of items, and answers that hang together."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pellucid.metascience.calibration import expected_counts
from pellucid.metascience.response_curves import ItemParameters, expected_ability, probability

Values = np.ndarray[Any, Any]
Q3_MARGIN: Final = 0.2


def item_fit(scores: Values, items: ItemParameters, points: int = 41) -> Values:
    """Infit and outfit mean squares, items x 2; each is 1 in expectation when the curves hold.

    ``outfit = mean (x - P)^2 / (P Q)``, ``infit = sum (x - P)^2 / sum P Q``, both in expectation over each
    respondent's ability a posteriori: a point estimate of ability would pull them below 1. NaN for items
    without a finite difficulty.
    """
    found = np.full((len(items.b), 2), np.nan)
    kept = items.only(items.usable)
    nodes, asked, right = expected_counts(scores[:, items.usable], kept, points)
    p = np.clip(probability(nodes, kept), 1e-12, 1 - 1e-12)
    wrong = asked - right
    squares = right * (1 - p) ** 2 + wrong * p**2
    found[items.usable, 0] = squares.sum(axis=0) / (asked * p * (1 - p)).sum(axis=0)
    found[items.usable, 1] = (squares / (p * (1 - p))).sum(axis=0) / asked.sum(axis=0)
    return found


def residual_correlations(scores: Values, items: ItemParameters, points: int = 41) -> Values:
    """Yen's Q3: correlations of ``x - P(theta)`` between items, over respondents that were asked both."""
    kept = items.only(items.usable)
    theta, _ = expected_ability(scores, items, points)
    residual = scores[:, items.usable] - probability(theta, kept)
    found = np.full((len(items.b), len(items.b)), np.nan)
    found[np.ix_(items.usable, items.usable)] = pairwise_correlations(residual)
    return found


def pairwise_correlations(values: Values) -> Values:
    """Correlations of columns, each over the rows that both have; NaN where one does not vary."""
    there = (~np.isnan(values)).astype(float)
    x = np.where(there > 0, values - np.nanmean(values, axis=0), 0.0)
    n, first, second = there.T @ there, x.T @ there, (x**2).T @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = second - first**2 / n
        found = (x.T @ x - first * first.T / n) / np.sqrt(spread * spread.T)
    return np.asarray(np.clip(found, -1.0, 1.0))


def dependent_pairs(q3: Values, respondents: int) -> tuple[int, int]:
    """Pairs of items whose Q3 exceeds the mean by 0.2, and those of them that chance does not explain.

    Chance: Fisher's z, at 5 % shared among all pairs (Bonferroni). With few respondents the first number is
    large by chance alone.
    """
    from scipy.stats import norm

    pairs = q3[np.triu_indices(len(q3), 1)]
    pairs = pairs[np.isfinite(pairs)]
    if not len(pairs) or respondents < 5:
        return 0, 0
    above = pairs > pairs.mean() + Q3_MARGIN
    z = (np.arctanh(np.clip(pairs, -1 + 1e-12, 1 - 1e-12)) - np.arctanh(pairs.mean())) * np.sqrt(
        respondents - 3
    )
    return int(above.sum()), int((above & (norm.sf(z) < 0.05 / len(pairs))).sum())
