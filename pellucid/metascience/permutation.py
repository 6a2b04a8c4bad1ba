"""How often chance alone gives a correlation as large, and what remains when many benchmarks are tested."""

from __future__ import annotations

import itertools

import numpy as np

from pellucid.metascience.capability import FEWEST_MODELS
from pellucid.metascience.capability_correlation import patterns
from pellucid.metascience.ranks import Values, scaled, standardised
from pellucid.metascience.safetywashing_config import SafetywashingConfig

EXACT = 8
"""Models up to which every order is tried."""
TIE = 1e-12
"""Sums in another order differ in the last bits; such ties count as ties."""
BLOCK = 2_000


def permutation_p(score: Values, columns: Values, config: SafetywashingConfig, seed: int) -> Values:
    """Two-sided p of each column under permutation of its values over the models, the score fixed.

    ``p = (1 + #{|r*| >= |r|}) / (1 + B)`` over B random permutations; with at most eight models the share of
    all permutations, the identity among them. NaN where the correlation is undefined.

    Arguments:
        score: ``models``, without gaps.
        columns: ``models x columns``, NaN for a gap.
        config: coefficient and number of permutations.
        seed: of the permutations.

    Example:
        >>> permutation_p(np.arange(4.0), np.arange(4.0)[:, None], SafetywashingConfig(), 0).tolist()
        [0.08333333333333333]
    """
    p = np.full(columns.shape[1], np.nan)
    for rows, members in patterns(~np.isnan(columns)):
        kept = np.flatnonzero(rows)
        if len(kept) >= FEWEST_MODELS:
            p[members] = pattern_p(score[kept], columns[np.ix_(kept, members)], config, seed)
    return p


def pattern_p(score: Values, columns: Values, config: SafetywashingConfig, seed: int) -> Values:
    """p of columns that have the same models."""
    ones = np.ones((len(score), 1))
    x = standardised(scaled(score, ones, config.method), ones)[:, 0]
    y = np.concatenate([standardised(scaled(c, ones, config.method), ones) for c in columns.T], axis=1)
    bar = np.abs(x @ y) - TIE
    orders = every_order(len(score)) if len(score) <= EXACT else random_orders(len(score), config, seed)
    extreme = np.zeros(columns.shape[1])
    for begin in range(0, len(orders), BLOCK):
        extreme += (np.abs(x[orders[begin : begin + BLOCK]] @ y) >= bar).sum(axis=0)
    exact = len(score) <= EXACT
    p = extreme / len(orders) if exact else (1 + extreme) / (1 + len(orders))
    return np.where(np.isnan(bar), np.nan, p)


def every_order(models: int) -> Values:
    """All orders of so many models: ``models! x models``."""
    return np.array(list(itertools.permutations(range(models))))


def random_orders(models: int, config: SafetywashingConfig, seed: int) -> Values:
    """Random orders: ``permutations x models``."""
    keys = np.random.default_rng(seed).random((config.permutations, models))
    return np.asarray(keys.argsort(axis=1, kind="stable"))


def benjamini_hochberg(p: Values) -> Values:
    """Adjusted p of Benjamini and Hochberg (1995): ``min_{j >= i} p_(j) m / j``, at most 1; NaN stays NaN.

    Rejecting where the adjusted p is at most q keeps the expected share of false discoveries at q.

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
        [0.03, 0.04, 0.04, nan]
    """
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return adjusted
