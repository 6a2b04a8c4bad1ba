"""Residual progress: how much better a model does on a benchmark than its capability predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.ranks import Values, correlation, weighted_ranks

Curve: TypeAlias = Literal["linear", "isotonic"]
CURVES: tuple[Curve, ...] = ("linear", "isotonic")
FEWEST = 5
"""Models below which nothing is predicted."""


@dataclass(frozen=True, eq=False)
class Progress:
    """Each model against what all others predict for it."""

    observed: Values
    """Its score on the benchmark."""
    predicted: Values
    """The prediction from the models but itself."""
    low: Values
    """Lower end of the prediction interval; minus infinity where the models are too few for one."""
    high: Values
    """Upper end."""

    @property
    def residual(self) -> Values:
        """Observed minus predicted."""
        return np.asarray(self.observed - self.predicted)

    @property
    def better(self) -> Values:
        """Whether the model lies above its interval: better than its capability predicts."""
        return np.asarray(self.observed > self.high)

    @property
    def worse(self) -> Values:
        """Whether the model lies below its interval."""
        return np.asarray(self.observed < self.low)


def residual_progress(
    score: Values, values: Values, curve: Curve = "linear", level: float = 0.95
) -> Progress:
    """Predict each model from the others, by a line or by a monotone curve in the capabilities score.

    The line's interval is ``y_hat +- t s sqrt(1 + 1/m + (x - mean)^2 / S_xx)`` with m other models and m - 2
    degrees of freedom. The monotone curve (isotonic regression, rising or falling as the rank correlation
    does, linear between its steps) has the interval of the jackknife: the ``ceil(level (m + 1))``-th smallest
    of the other models' leave-one-out errors.

    Errors:
        InputError MS21: fewer than five models, or a curve that is neither.
    """
    if curve not in CURVES:
        raise InputError("MS21", f"No curve {curve!r}.", f"Use {' or '.join(CURVES)}.")
    if len(score) < FEWEST:
        raise InputError(
            "MS21", f"{len(score)} models predict nothing of one another.", f"Give {FEWEST} models or more."
        )
    return (
        linear_progress(score, values, level)
        if curve == "linear"
        else isotonic_progress(score, values, level)
    )


def linear_progress(x: Values, y: Values, level: float) -> Progress:
    """Each model against the least-squares line through the others."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(x) - 3, (1 + level) / 2))
    predicted, half = np.empty(len(x)), np.empty(len(x))
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        predicted[row], half[row] = line_at(x[rest], y[rest], float(x[row]), quantile)
    return Progress(y, predicted, predicted - half, predicted + half)


def line_at(x: Values, y: Values, at: float, quantile: float) -> tuple[float, float]:
    """The least-squares line at a point, and the half width of its prediction interval."""
    mean, spread = x.mean(), ((x - x.mean()) ** 2).sum()
    slope = ((x - mean) * (y - y.mean())).sum() / spread if spread > 0 else 0.0
    errors = y - y.mean() - slope * (x - mean)
    deviation = math.sqrt(float((errors**2).sum()) / (len(x) - 2))
    away = (at - mean) ** 2 / spread if spread > 0 else 0.0
    return float(y.mean() + slope * (at - mean)), quantile * deviation * math.sqrt(1 + 1 / len(x) + away)


def isotonic_progress(x: Values, y: Values, level: float) -> Progress:
    """Each model against the monotone curve through the others."""
    ones = np.ones((len(x), 1))
    ranks = [weighted_ranks(column, ones) for column in (x, y)]
    rising = not correlation(ranks[0], ranks[1], ones)[0] < 0
    rows = np.arange(len(x))
    predicted = np.array([curve_at(x[rows != row], y[rows != row], float(x[row]), rising) for row in rows])
    errors = np.abs(y - predicted)
    place = math.ceil(level * len(x)) - 1
    half = np.array([np.sort(errors[rows != row])[place] if place < len(x) - 1 else np.inf for row in rows])
    return Progress(y, predicted, predicted - half, predicted + half)


def curve_at(x: Values, y: Values, at: float, rising: bool) -> float:
    """Isotonic regression at a point, linear between the models and flat outside them."""
    from scipy.optimize import isotonic_regression

    places, where = np.unique(x, return_inverse=True)
    counts = np.bincount(where).astype(np.float64)
    means = np.bincount(where, weights=y) / counts
    fitted = isotonic_regression(means, weights=counts, increasing=rising).x
    return float(np.interp(at, places, fitted))
