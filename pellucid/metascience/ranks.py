"""Ranks and correlations under weights: a resample of the rows is a column of how often each row was drawn.

Nothing is copied or sorted anew for each draw, so that thousands of resamples cost as much as a few passes
over the table.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Values: TypeAlias = np.ndarray[Any, Any]


def weighted_ranks(values: Values, weights: Values) -> Values:
    """Average ranks of the rows in each resample.

    A row that was drawn ``w`` times stands for ``w`` equal rows: with ``b`` rows below it and ``t`` rows
    equal to it (itself counted), its rank is ``b + (t + 1) / 2``. Rows of weight 0 get a rank that nothing
    reads.

    Arguments:
        values: ``rows`` or, when they differ between draws, ``rows x draws``.
        weights: ``rows x draws``, not negative; missing values must have weight 0.

    Returns:
        ``rows x draws``.

    Example:
        >>> weighted_ranks(np.array([5.0, 7.0, 7.0, 9.0]), np.ones((4, 1)))[:, 0].tolist()
        [1.0, 2.5, 2.5, 4.0]
        >>> weighted_ranks(np.array([5.0, 7.0]), np.array([[1.0], [3.0]]))[:, 0].tolist()
        [1.0, 3.0]
    """
    column = values if values.ndim == 2 else values[:, None]
    order = np.argsort(column, axis=0, kind="stable")
    sorted_values = np.take_along_axis(column, order, axis=0)
    drawn = np.take_along_axis(weights, np.broadcast_to(order, weights.shape), axis=0)
    upto = np.cumsum(drawn, axis=0)
    first = np.ones(sorted_values.shape, dtype=bool)
    first[1:] = sorted_values[1:] != sorted_values[:-1]
    last = np.ones(sorted_values.shape, dtype=bool)
    last[:-1] = first[1:]
    below = np.maximum.accumulate(np.where(first, upto - drawn, 0.0), axis=0)
    within = np.minimum.accumulate(np.where(last, upto, np.inf)[::-1], axis=0)[::-1]
    ranks = np.empty_like(upto)
    np.put_along_axis(ranks, np.broadcast_to(order, weights.shape), (below + within + 1) / 2, axis=0)
    return ranks


def standardised(values: Values, weights: Values) -> Values:
    """Values minus their weighted mean, scaled so that the weighted squares sum to one; NaN where constant.

    The correlation of two such columns is ``sum(weights * a * b)``.
    """
    drawn = weights > 0
    column = np.where(drawn, values if values.ndim == 2 else values[:, None], 0.0)
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = np.where(drawn, column - (weights * column).sum(axis=0) / total, 0.0)
        scale = np.sqrt((weights * centred**2).sum(axis=0))
        scale = np.where(varies(column, drawn), scale, np.nan)
        return centred / scale


def varies(values: Values, drawn: Values) -> Values:
    """Whether the drawn rows hold two different values, one answer a draw.

    Compared as they are: the deviation of equal numbers is not exactly zero in floating point.
    """
    column = values if values.ndim == 2 else values[:, None]
    top = np.where(drawn, column, -np.inf).max(axis=0, initial=-np.inf)
    bottom = np.where(drawn, column, np.inf).min(axis=0, initial=np.inf)
    return np.asarray(top > bottom)


def correlation(a: Values, b: Values, weights: Values) -> Values:
    """Weighted correlation of two columns in each draw, within [-1, 1]; NaN where one is constant."""
    product = (weights * standardised(a, weights) * standardised(b, weights)).sum(axis=0)
    return np.asarray(np.clip(product, -1.0, 1.0))


def scaled(values: Values, weights: Values, method: str) -> Values:
    """What a correlation coefficient is computed from: ranks for ``spearman``, the values for ``pearson``."""
    if method == "spearman":
        return weighted_ranks(values, weights)
    column = values if values.ndim == 2 else values[:, None]
    return np.broadcast_to(column, weights.shape)


def complete_rows(columns: Values) -> Values:
    """Whether each row has all columns."""
    return np.asarray(np.logical_not(np.isnan(columns).any(axis=1)))
