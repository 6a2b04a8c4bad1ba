"""Tests of a paired difference: sign flips of clusters, and the exact test of discordant pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.findings.arrays import Values
from pellucid.findings.statistics import grouped

CHUNK = 256


def sign_flip(d: Values, clusters: Sequence[Any] | None, permutations: int, seed: int) -> float:
    """Two-sided p that the labels of the two logs do not matter, flipping whole clusters.

    ``p = (1 + #{|s*| >= |s|}) / (1 + permutations)`` of the sum of differences when flips are sampled, the
    plain share when all 2^G of them are at most ``permutations``.
    """
    sums = d if clusters is None else np.array([d[rows].sum() for rows in grouped(clusters, len(d))])
    exact = 2.0 ** len(sums) <= permutations
    observed = abs(float(sums.sum()))
    # sums in another order differ in the last bits; such ties count as ties
    least = observed - 1e-12 * float(np.abs(sums).sum())
    draws = signs(len(sums), exact, permutations, np.random.default_rng(seed))
    count = sum(int((np.abs(flips @ sums) >= least).sum()) for flips in draws)
    return count / 2 ** len(sums) if exact else (1 + count) / (1 + permutations)


def signs(size: int, exact: bool, permutations: int, random: np.random.Generator) -> Iterator[Values]:
    """Rows of +1 and -1, some at a time: all of them when they are few, else a sample."""
    if exact:
        yield np.array(list(itertools.product((1.0, -1.0), repeat=size)))
        return
    for begin in range(0, permutations, CHUNK):
        rows = min(CHUNK, permutations - begin)
        yield 1.0 - 2.0 * random.integers(0, 2, (rows, size))


def mcnemar_p(better: int, worse: int) -> float:
    """Exact McNemar test, of the samples that only one of two logs gets right.

    ``p = min(1, 2 P(X <= min(n10, n01)))`` with X binomial of n10 + n01 tries at one half.

    >>> mcnemar_p(5, 0)
    0.0625
    """
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(min(better, worse), better + worse, 0.5)))
