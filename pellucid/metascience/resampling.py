"""Percentile intervals from draws that are computed together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.findings import InputError, Interval

Values = np.ndarray[Any, Any]
FEWEST = 20
"""Of defined draws, below which no interval is given."""


def checked_seed(seed: int) -> int:
    """The seed itself; InputError MS20 unless it is a whole number, 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError("MS20", f"The seed cannot be {seed!r}.", "Give a whole number, 0 or more.")
    return seed


def generator(seed: int) -> np.random.Generator:
    """Random numbers of a seed; InputError MS20 for one that cannot be."""
    return np.random.default_rng(checked_seed(seed))


def defined(value: float) -> float | None:
    """The value as a measure keeps it: None for NaN and the infinite."""
    return value if np.isfinite(value) else None


def draws_of(count: int, resamples: int, seed: int) -> Values:
    """Row numbers drawn with replacement: ``resamples x count``."""
    return generator(seed).integers(0, count, (resamples, count))


def weights_of(count: int, resamples: int, seed: int) -> Values:
    """How often each of ``count`` units is drawn: ``resamples x count``."""
    drawn = draws_of(count, resamples, seed) + count * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=count * resamples).reshape(resamples, count).astype(float)


def percentile(value: float, draws: Values, n: int, level: float = 0.95) -> Interval | None:
    """The estimate between the percentiles of its draws; draws in which it is undefined do not count.

    None when the estimate itself is undefined; without enough draws the interval is the estimate's own
    ``nan``.
    """
    if not np.isfinite(value):
        return None
    kept = np.asarray(draws)[np.isfinite(draws)]
    tail = (1 - level) / 2
    low, high = np.quantile(kept, [tail, 1 - tail]) if len(kept) >= FEWEST else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high), n, level, "bootstrap")


def resampled(
    statistic: Callable[[Values], float], rows: Values, *, resamples: int, seed: int, level: float = 0.95
) -> Interval | None:
    """Percentile bootstrap of a statistic over the first axis, for statistics that can be undefined."""
    draws = np.array([statistic(rows[drawn]) for drawn in draws_of(len(rows), resamples, seed)])
    return percentile(statistic(rows), draws, len(rows), level)
