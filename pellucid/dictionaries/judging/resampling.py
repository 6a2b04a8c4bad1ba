"""One set of resamples for many statistics: sums of columns over all rows, and over each resample of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from pellucid.findings import Interval

LEVEL = 0.95

Values = Float[np.ndarray, " row"]
Drawn = Float[np.ndarray, " one_and_resamples"]


def totals(columns: Mapping[str, Values], resamples: int, seed: int) -> dict[str, Drawn]:
    """The sum of each column, first over all rows, then over each resample.

    The draws are those of `pellucid.findings.bootstrap` with the same seed, taken once for all columns: a
    statistic of sums is then plain arithmetic on the arrays returned here.

    Arguments:
        columns: equally long columns, one row for each unit that is resampled.
        resamples: how many.
        seed: of the draws.

    Example:
        >>> totals({"a": np.array([1.0, 2.0])}, resamples=2, seed=0)["a"][0]
        np.float64(3.0)
    """
    table = np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()], axis=1)
    random, n = np.random.default_rng(seed), len(table)
    sums = np.empty((1 + resamples, table.shape[1]))
    sums[0] = table.sum(0)
    for row in range(1, 1 + resamples):
        sums[row] = np.bincount(random.integers(0, n, n), minlength=n) @ table
    return dict(zip(columns, sums.T, strict=True))


def share(top: Drawn, bottom: Drawn) -> Drawn:
    """top / bottom; NaN where the denominator is 0."""
    defined = bottom != 0
    return np.where(defined, top, np.nan) / np.where(defined, bottom, 1.0)


def interval(values: Drawn, n: int) -> Interval | None:
    """The estimate with the percentiles of its resamples; None where it is not defined.

    Arguments:
        values: the estimate, then its value in each resample; resamples in which it is not defined are left
            out.
        n: how many units were resampled.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(drawn) == 0:
        return None
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high), n, LEVEL, "bootstrap")
