"""Estimates with intervals. Every function is deterministic: its seed is an argument."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.findings.errors import InputError
from pellucid.findings.intervals import Interval

Values = np.ndarray[Any, Any]
Statistic = Callable[..., Any]
Compare = Callable[[Values, Values], float]
Pairs = list[tuple[Values, Values]]


class Permutation(NamedTuple):
    """A difference with its interval, and how often chance alone makes one as large."""

    difference: Interval
    p: float


def numbers(values: Sequence[float] | Values, name: str = "values") -> Values:
    """The values as float64; InputError FN40 when there are none."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise InputError("FN40", f"No {name} were given to a statistic.", "Give at least one observation.")
    return array


def bootstrap(
    values: Sequence[float] | Values,
    statistic: Statistic = np.mean,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    clusters: Sequence[Any] | Values | None = None,
) -> Interval:
    """Percentile bootstrap of ``statistic`` over the first axis, resampling whole ``clusters`` when given."""
    array = numbers(values)
    within(level)
    groups = None if clusters is None else grouped(clusters, len(array))
    count = len(array) if groups is None else len(groups)
    random = np.random.default_rng(seed)
    replicates = []
    for _ in range(resamples):
        drawn = random.integers(0, count, count)
        rows = drawn if groups is None else np.concatenate([groups[i] for i in drawn])
        replicates.append(float(statistic(array[rows])))
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(float(statistic(array)), float(low), float(high), count, level, "bootstrap")


def within(level: float) -> None:
    """InputError FN43 unless the level is a share between 0 and 1."""
    if not 0 < level < 1:
        raise InputError("FN43", f"{level} is not a level of confidence.", "Give a share, as 0.95.")


def grouped(clusters: Sequence[Any] | Values, size: int) -> list[Values]:
    """Row numbers of each cluster, in order of first appearance.

    Errors:
        InputError FN44: there is not one label for each value.
    """
    labels = np.asarray(clusters)
    if len(labels) != size:
        raise InputError(
            "FN44",
            f"{len(labels)} cluster labels were given for {size} values.",
            "Give one label for each value.",
        )
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return [np.flatnonzero(inverse == label) for label in order]


def clopper_pearson(
    k: int, n: int, *, level: float = 0.95, side: Literal["two", "lower", "upper"] = "two"
) -> Interval:
    """Exact binomial interval: quantiles of Beta(k, n-k+1) and Beta(k+1, n-k), or one bound."""
    from scipy.stats import beta

    counted(k, n)
    within(level)
    tail = (1 - level) / 2 if side == "two" else 1 - level
    low = 0.0 if k == 0 or side == "upper" else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n or side == "lower" else float(beta.ppf(1 - tail, k + 1, n - k))
    return Interval(k / n, low, high, n, level, f"Clopper-Pearson, {side}-sided")


def wilson(k: int, n: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval: the rates p with |k/n - p| <= z sqrt(p(1-p)/n)."""
    from scipy.stats import norm

    counted(k, n)
    within(level)
    z = float(norm.ppf(0.5 + level / 2))
    rate, scale = k / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(rate, low, high, n, level, "Wilson")


def counted(k: int, n: int) -> None:
    """InputError FN41 unless 0 <= k <= n and n > 0."""
    if not 0 <= k <= n or n == 0:
        raise InputError("FN41", f"{k} of {n} is not a count of successes.", "Give 0 <= k <= n and n > 0.")


def permutation_test(
    a: Sequence[float] | Values,
    b: Sequence[float] | Values,
    *,
    statistic: Compare | None = None,
    permutations: int = 2000,
    seed: int = 0,
    paired: bool = False,
) -> Permutation:
    """Two-sided test that labels do not matter; exact when all relabellings are at most ``permutations``.

    ``statistic(a, b)`` is the difference of means unless given.
    ``p = (1 + #{|d*| >= |d|}) / (1 + permutations)`` when sampled, the plain share when exact.
    """
    x, y = numbers(a, "first values"), numbers(b, "second values")
    if paired and len(x) != len(y):
        raise InputError(
            "FN42", f"A paired test got {len(x)} and {len(y)} values.", "Give one pair for each unit."
        )
    compare = statistic or difference_of_means
    observed = float(compare(x, y))
    relabelled, exact = (flips if paired else shuffles)(x, y, permutations, np.random.default_rng(seed))
    chance = np.array([compare(first, second) for first, second in relabelled])
    # sums in another order differ in the last bits; such ties count as ties
    extreme = int((np.abs(chance) >= abs(observed) - 1e-12 * np.abs([*x, *y]).max()).sum())
    p = extreme / len(chance) if exact else (1 + extreme) / (1 + len(chance))
    return Permutation(difference_interval(x, y, compare, paired, seed), p)


def difference_of_means(x: Values, y: Values) -> float:
    """mean(x) - mean(y)"""
    return float(x.mean() - y.mean())


def flips(x: Values, y: Values, permutations: int, random: np.random.Generator) -> tuple[Pairs, bool]:
    """The pairs with some of them swapped: all ways when they are few, else a sample."""
    exact = 2 ** len(x) <= permutations
    if exact:
        swaps = np.array(list(itertools.product((False, True), repeat=len(x))))
    else:
        swaps = random.random((permutations, len(x))) < 0.5
    return [(np.where(swap, y, x), np.where(swap, x, y)) for swap in swaps], exact


def shuffles(x: Values, y: Values, permutations: int, random: np.random.Generator) -> tuple[Pairs, bool]:
    """The pooled values dealt anew: all ways when they are few, else a sample."""
    pool, size = np.concatenate([x, y]), len(x)
    exact = math.comb(len(pool), size) <= permutations
    if exact:
        rows = set(range(len(pool)))
        chosen = [list(first) for first in itertools.combinations(range(len(pool)), size)]
        return [(pool[first], pool[sorted(rows - set(first))]) for first in chosen], True
    dealt = (random.permutation(pool) for _ in range(permutations))
    return [(row[:size], row[size:]) for row in dealt], False


def difference_interval(x: Values, y: Values, compare: Compare, paired: bool, seed: int) -> Interval:
    """Percentile bootstrap of the comparison, resampling pairs or each side."""
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(1000):
        rows = random.integers(0, len(x), len(x))
        others = rows if paired else random.integers(0, len(y), len(y))
        draws.append(float(compare(x[rows], y[others])))
    low, high = np.quantile(draws, [0.025, 0.975])
    n = len(x) if paired else len(x) + len(y)
    return Interval(float(compare(x, y)), float(low), float(high), n, 0.95, "bootstrap")


def paired_difference(
    a: Sequence[bool] | Values, b: Sequence[bool] | Values, *, level: float = 0.95
) -> Interval:
    """Difference of two rates on the same units, from the discordant pairs.

    With n10 units where only ``a`` holds and n01 where only ``b`` does, the estimate is ``(n10 - n01) / n``;
    the interval is Tango's score interval, which stays inside [-1, 1] and is proper when a cell is empty.
    """
    x, y = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if len(x) != len(y) or not len(x):
        raise InputError(
            "FN42", f"A paired difference got {len(x)} and {len(y)} values.", "Give one pair for each unit."
        )
    n, only_a, only_b = len(x), int((x & ~y).sum()), int((~x & y).sum())
    low = tango_end(only_a, only_b, n, level, -1)
    high = tango_end(only_a, only_b, n, level, 1)
    return Interval((only_a - only_b) / n, low, high, n, level, "Tango score, paired")


def tango_end(only_a: int, only_b: int, n: int, level: float, side: int) -> float:
    """One end of Tango's interval: where the score statistic meets the normal quantile."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + level / 2))
    estimate, edge = (only_a - only_b) / n, float(side)
    if estimate == edge:
        return edge

    def excess(delta: float) -> float:
        """How far the size of the score at ``delta`` exceeds the normal quantile."""
        return abs(tango_score(only_a, only_b, n, delta)) - z

    inside = estimate + side * 1e-9
    if abs(inside) >= 1 or excess(edge - side * 1e-9) < 0:
        return edge
    return float(brentq(excess, inside, edge - side * 1e-9))


def tango_score(only_a: int, only_b: int, n: int, delta: float) -> float:
    """Tango's (1998) score at ``delta``, with the restricted estimate of the discordant rate."""
    b = -only_a - only_b + (2 * n - only_a + only_b) * delta
    c = -only_b * delta * (1 - delta)
    rate = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * rate + delta * (1 - delta))
    return (only_a - only_b - n * delta) / math.sqrt(variance) if variance > 0 else math.inf
