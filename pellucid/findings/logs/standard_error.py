"""The standard error of a mean of items, in clusters or not, and the interval that it gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from pellucid.findings.arrays import Values
from pellucid.findings.errors import InputError
from pellucid.findings.intervals import Interval
from pellucid.findings.statistics import grouped, numbers, within


def standard_error(
    values: Sequence[float] | Values, clusters: Sequence[Any] | Values | None = None
) -> float | None:
    """Standard error of the mean of ``values``, robust to dependence within ``clusters``.

    With G clusters, n values and deviations e_i from the mean it is
    ``sqrt(G/(G-1) · Σ_c (Σ_{i in c} e_i)²) / n``; without clusters each value is its own, which gives
    ``sd/√n``. None when there is only one value.

    Args:
        values: one for each item.
        clusters: the label of each item's cluster, such as the text that its question is about.

    Errors:
        InputError FN40: there is no value. FN44: labels and values differ in number. FN76: all values are in
        one cluster, which says nothing about how clusters differ.

    >>> round(standard_error([0, 1, 1, 0]), 4)
    0.2887
    >>> standard_error([0, 0, 1, 1], ["a", "a", "b", "b"])
    0.5

    Source: Liang and Zeger (1986); Miller, "Adding Error Bars to Evals" (arXiv 2411.00640).
    """
    array = numbers(values)
    e = array - array.mean()
    if clusters is not None:
        rows = grouped(clusters, len(array))
        if len(rows) < 2 <= len(array):
            raise InputError("FN76", "All samples are in one cluster.", "Cluster by another key, or by none.")
        e = np.array([e[row].sum() for row in rows])
    if len(e) < 2:
        return None
    return math.sqrt(len(e) / (len(e) - 1) * float(e @ e)) / len(array)


def mean_interval(
    values: Sequence[float] | Values,
    clusters: Sequence[Any] | Values | None = None,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """The mean, with ``mean ± z · SE`` by ``standard_error``.

    Where every cluster has the same score the standard error is zero, which does not make the mean certain:
    then the interval is Wilson's for a mean between ``bounds``, with the number of clusters as its n.

    Args:
        values: one for each item.
        clusters: the label of each item's cluster.
        level: of confidence.
        bounds: the least and the greatest value there can be.

    Errors:
        as for ``standard_error``; InputError FN43: the level is no share.
    """
    within(level)
    array = numbers(values)
    mean, error = float(array.mean()), standard_error(array, clusters)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    count = len(array) if clusters is None else len(set(map(str, clusters)))
    # what adding up leaves of a zero is no error
    if error is None or error <= 1e-12 * float(np.abs(array).max()):
        return bounded_interval(mean, len(array), count, bounds, z, level)
    return Interval(mean, mean - z * error, mean + z * error, len(array), level, "normal")


def bounded_interval(
    mean: float, n: int, count: int, bounds: tuple[float, float] | None, z: float, level: float
) -> Interval:
    """Wilson's interval for the mean of ``count`` equal values between two bounds.

    A value between the bounds varies at most as a coin of the same mean does, so the interval is never too
    short. Without bounds nothing is known of what another item would have scored: both ends are NaN.
    """
    if bounds is None:
        return Interval(mean, math.nan, math.nan, n, level, "none")
    least, span = bounds[0], bounds[1] - bounds[0]
    if span <= 0:
        return Interval(mean, mean, mean, n, level, "none")
    rate, scale = (mean - least) / span, 1 + z * z / count
    centre = (rate + z * z / (2 * count)) / scale
    half = z * math.sqrt(max(rate * (1 - rate), 0.0) / count + z * z / (4 * count * count)) / scale
    low = 0.0 if rate <= 0 else max(0.0, centre - half)
    high = 1.0 if rate >= 1 else min(1.0, centre + half)
    return Interval(mean, least + span * low, least + span * high, n, level, "Wilson")
