"""Confidence intervals of many means at once, of values between 0 and 1, that hold for few examples too."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from pellucid.findings import InputError

GRID = 1_001
LARGEST_BET = 0.5
FEWEST_IN_TAIL = 10
FEWEST, MOST = 1_000, 20_000
AT_ONCE = 2_000_000


def resampled_means(
    values: Float[np.ndarray, "example score"], level: float, seed: int
) -> tuple[Float[np.ndarray, " score"], Float[np.ndarray, " score"]]:
    """Percentile bootstrap of every column's mean, resampling whole rows, so that columns stay paired.

    At least 10 of the resamples lie beyond each end, if 20,000 suffice for that, and never fewer than 1,000
    are drawn.

    Arguments:
        values: scores of each example.
        level: of confidence, between 0 and 1.
        seed: of the resampling.

    Returns:
        Low and high ends.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    n, tail = len(values), (1 - level) / 2
    resamples = int(min(max(FEWEST, FEWEST_IN_TAIL / tail), MOST))
    random = np.random.default_rng(seed)
    batch = max(1, AT_ONCE // n)
    means = [
        random.multinomial(n, np.full(n, 1 / n), size=min(batch, resamples - start)) @ values / n
        for start in range(0, resamples, batch)
    ]
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0)
    return low, high


def betting_interval(
    values: Float[np.ndarray, "example score"], level: float
) -> tuple[Float[np.ndarray, " score"], Float[np.ndarray, " score"]]:
    """Interval of every column's mean that covers it with at least the level's chance, for any n >= 1.

    For each candidate m, two gamblers bet that the mean is larger, or smaller:
    ``K+(m) = prod_i (1 + l+_i (x_i - m))``, ``K-(m) = prod_i (1 - l-_i (x_i - m))`` with
    ``l_i = min(sqrt(2 log(2/alpha) / (n v_{i-1})), c/m or c/(1-m))``, v the running variance. If m is the
    mean, ``(K+ + K-)/2`` is a martingale from 1, so it exceeds 1/alpha with a chance of at most alpha
    (Ville).

    Arguments:
        values: scores between 0 and 1, examples independent of one another.
        level: of confidence, between 0 and 1.

    Returns:
        Low and high ends, rounded outwards to thousandths.

    Raises:
        InputError: DI40, a value outside 0 to 1.

    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", theorem
    3.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.min() < -1e-6 or x.max() > 1 + 1e-6:
        problem = f"A score of {float(x.min()):.3g} to {float(x.max()):.3g}."
        raise InputError("DI40", problem, "Betting intervals are for scores from 0 to 1, as attention is.")
    alpha, grid = 1 - level, np.linspace(0, 1, GRID)[:, None]
    stakes = np.sqrt(2 * math.log(2 / alpha) / (len(x) * running_variance(x)))
    up, down = np.zeros((GRID, x.shape[1])), np.zeros((GRID, x.shape[1]))
    for bet, value in zip(stakes, x, strict=True):
        up += np.log1p(np.minimum(bet, LARGEST_BET / np.maximum(grid, 1e-12)) * (value - grid))
        down += np.log1p(-np.minimum(bet, LARGEST_BET / np.maximum(1 - grid, 1e-12)) * (value - grid))
    kept = np.logaddexp(up, down) - math.log(2) < math.log(1 / alpha)
    return ends(kept, x.mean(0))


def running_variance(x: Float[np.ndarray, "example score"]) -> Float[np.ndarray, "example score"]:
    """Variance of the examples before each one, shrunk to 1/4: it may depend on nothing later."""
    count = np.arange(1, len(x) + 1)[:, None]
    means = (0.5 + x.cumsum(0)) / (count + 1)
    variances = (0.25 + np.square(x - means).cumsum(0)) / (count + 1)
    return np.concatenate([np.full((1, x.shape[1]), 0.25), variances[:-1]])


def ends(
    kept: np.ndarray, means: Float[np.ndarray, " score"]
) -> tuple[Float[np.ndarray, " score"], Float[np.ndarray, " score"]]:
    """First and last candidate that was kept, one step outwards; the sample mean itself always belongs."""
    first = np.where(kept.any(0), kept.argmax(0), GRID)
    last = np.where(kept.any(0), GRID - 1 - kept[::-1].argmax(0), -1)
    step = 1 / (GRID - 1)
    low, high = (first - 1) * step, (last + 1) * step
    return np.clip(np.minimum(low, means), 0, 1), np.clip(np.maximum(high, means), 0, 1)


def safe_interval(
    values: Float[np.ndarray, "example score"], level: float, seed: int
) -> tuple[Float[np.ndarray, " score"], Float[np.ndarray, " score"]]:
    """What neither the bootstrap nor the bets exclude between the ends: the wider of both at each end.

    Arguments:
        values: scores between 0 and 1 of each example.
        level: of confidence of each of the two.
        seed: of the bootstrap.
    """
    resampled, bets = resampled_means(values, level, seed), betting_interval(values, level)
    return np.minimum(resampled[0], bets[0]), np.maximum(resampled[1], bets[1])
