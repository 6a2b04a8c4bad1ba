"""What a correlation would be if both sides were measured without error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.ranks import Values, complete_rows, standardised, varies

Reliability: TypeAlias = float | Values | Sequence[Sequence[float]]
"""A known reliability between 0 and 1, or the scores of the models on single items: ``models x items``."""


def disattenuated(r: Values, first: Values, second: Values) -> Values:
    """``r / sqrt(a_x a_y)``: Spearman's correction for attenuation.

    Beyond 1 in size it is returned as it is: reliabilities that are too small, or errors that are not
    independent, have to show. With rank correlations the formula is approximate. NaN where a reliability is
    not positive.

    Example:
        >>> disattenuated(np.array([0.6]), np.array([0.8]), np.array([0.9])).round(4).tolist()
        [0.7071]
    """
    product = np.where((first > 0) & (second > 0), first * second, np.nan)
    return np.asarray(r / np.sqrt(product))


def reliability_in(given: Reliability, weights: Values, what: str) -> Values:
    """The reliability in each resample: a number stays, items are judged by alpha in every one.

    Errors:
        InputError MS22: not a share, or not one row of items for each model.
    """
    if isinstance(given, int | float):
        if not 0 < given <= 1:
            raise InputError(
                "MS22", f"{given} is no reliability of {what}.", "Give a share above 0 and at most 1."
            )
        return np.full(weights.shape[1], float(given))
    items = np.asarray(given, dtype=np.float64)
    if items.ndim != 2 or len(items) != len(weights) or items.shape[1] < 2 or not np.isfinite(items).all():
        raise InputError(
            "MS22",
            f"Items of shape {items.shape} give no reliability of {what} over {len(weights)} models.",
            "Give models x items, two items or more, without gaps, in the order of the table's models.",
        )
    return alpha(items, weights)


def alpha(items: Values, weights: Values) -> Values:
    """Cronbach's alpha in each resample: ``k / (k - 1) (1 - sum(var_i) / var_total)``.

    Arguments:
        items: ``models x items``.
        weights: ``models x draws``.
    """
    count = items.shape[1]
    parts = sum((variance(column, weights) for column in items.T), np.zeros(weights.shape[1]))
    total = variance(items.sum(axis=1), weights)
    defined = varies(items.sum(axis=1), weights > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(defined, count / (count - 1) * (1 - parts / total), np.nan))


def variance(column: Values, weights: Values) -> Values:
    """Population variance of a column in each resample."""
    total = weights.sum(axis=0)
    mean = (weights * column[:, None]).sum(axis=0) / total
    return np.asarray((weights * (column[:, None] - mean) ** 2).sum(axis=0) / total)


def score_reliability(columns: Values, weights: Values) -> Values:
    """Alpha of the capability benchmarks, each scaled to unit variance in the resample.

    ``k r / (1 + (k - 1) r)`` with r the mean of their Pearson correlations.
    """
    kept = complete_rows(columns)
    part = weights[kept]
    unit = np.stack([standardised(column, part) for column in columns[kept].T])
    count = len(unit)
    whole = unit.sum(axis=0)
    pairs = ((part * whole**2).sum(axis=0) - count) / (count * (count - 1))
    return np.asarray(count * pairs / (1 + (count - 1) * pairs))


def beyond_one(value: float) -> bool:
    """Whether a corrected correlation is impossible as a correlation."""
    return not math.isnan(value) and abs(value) > 1
