"""Resamples of models, or of whole families of models, and the intervals that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.ranks import Values, complete_rows, varies

DISTINCT = 6
"""Different models below which a resample of twelve or more models is drawn again."""
MOST_ROUNDS = 50
"""Rounds of drawing, each of as many resamples as are wanted, after which it is given up."""
FEWEST_MODELS = 6
"""Models below which resamples give no interval."""
FEWEST_FAMILIES = 3
"""Families below which resamples give no interval."""
USABLE = 0.5
"""Share of the draws in which a correlation must be defined to give an interval."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples that a score can be refitted in."""

    weights: Values
    """``models x draws``, how often each model was drawn."""
    redrawn: int
    """Resamples that were thrown away: too few different models, or a constant capability benchmark."""


def least_distinct(models: int) -> int:
    """How many different models a resample must hold: six, or half of the models when they are few.

    Six of six would leave only the sample itself, and an interval of no width.
    """
    return DISTINCT if models >= 2 * DISTINCT else max(3, models // 2)


def draw(columns: Values, groups: Sequence[Sequence[int]], draws: int, seed: Sequence[int]) -> Draws:
    """Resample groups of rows with replacement: single models, or whole families.

    Arguments:
        columns: capability scores, ``models x capabilities``, NaN for a gap.
        groups: row numbers of each group.
        draws: how many resamples.
        seed: of the random numbers: one number or several.

    Errors:
        InputError MS19: hardly any resample can be used.
    """
    random = np.random.default_rng(seed)
    member = membership(groups, len(columns))
    kept = [np.empty((len(columns), 0))]
    have = rejected = 0
    for _ in range(MOST_ROUNDS):
        if have == draws:
            return Draws(np.concatenate(kept, axis=1), rejected)
        counts = random.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=draws)
        weights = member @ counts.T.astype(np.float64)
        sound = np.flatnonzero(acceptable(columns, weights))[: draws - have]
        have += len(sound)
        # what was thrown away after the last one needed was not in the way
        rejected += (int(sound[-1]) + 1 if have == draws else draws) - len(sound)
        kept.append(weights[:, sound])
    raise InputError(
        "MS19",
        f"Of {have + rejected} resamples of {len(groups)} groups of models only {have} hold enough different "
        "models with capability scores that differ.",
        "Give more models, fewer and larger families, or draws=0 for no interval.",
    )


def membership(groups: Sequence[Sequence[int]], models: int) -> Values:
    """1 where a model belongs to a group: ``models x groups``."""
    member = np.zeros((models, len(groups)))
    for group, rows in enumerate(groups):
        member[list(rows), group] = 1.0
    return member


def acceptable(columns: Values, weights: Values) -> Values:
    """Whether the score can be refitted in each resample."""
    complete = complete_rows(columns)
    drawn = (weights > 0) & complete[:, None]
    enough = drawn.sum(axis=0) >= least_distinct(int(complete.sum()))
    varied = np.stack([varies(np.nan_to_num(column), drawn) for column in columns.T])
    return np.asarray(enough & varied.all(axis=0))


def percentile(sample: Values, level: float) -> tuple[float, float]:
    """Percentile interval of the draws in which the estimate is defined; NaN when they are too few."""
    defined = sample[np.isfinite(sample)]
    if not len(defined) or len(defined) < USABLE * len(sample):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca(value: float, sample: Values, jackknife: Values, level: float) -> tuple[float, float]:
    """Bias-corrected and accelerated interval (Efron 1987).

    ``z0 = Phi^-1(share of draws below the estimate)``, ties half;
    ``a = sum(d^3) / (6 sum(d^2)^1.5)`` with ``d`` the mean of the leave-one-out estimates minus each; the
    ends are the quantiles at ``Phi(z0 + (z0 + z) / (1 - a (z0 + z)))``. NaN where the estimate lies outside
    all draws, or the leave-one-out estimates are all the same.

    Example:
        >>> sample = np.linspace(-1, 1, 2001)
        >>> [round(end, 3) for end in bca(0.0, sample, np.array([-1.0, 0.0, 1.0]), 0.9)]
        [-0.9, 0.9]
    """
    defined = sample[np.isfinite(sample)]
    if not len(defined) or len(defined) < USABLE * len(sample):
        return float("nan"), float("nan")
    below = float(((defined < value).sum() + 0.5 * (defined == value).sum()) / len(defined))
    left = jackknife[np.isfinite(jackknife)]
    deviations = left.mean() - left if len(left) else left
    spread = float((deviations**2).sum())
    if not 0 < below < 1 or spread <= 0:
        return float("nan"), float("nan")
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(below)
    ends = []
    for probability in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + normal.inv_cdf(probability)
        ends.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    low, high = np.quantile(defined, ends)
    return float(low), float(high)


def wider(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """The larger of two intervals; the other one when one is unknown."""
    widths = [high - low if np.isfinite(high - low) else -1.0 for low, high in (first, second)]
    return second if widths[1] > widths[0] else first
