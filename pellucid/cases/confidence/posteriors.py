"""What one measure says about the true value behind it: a rate, a value with an interval, or a bare point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from pellucid.cases.confidence.counts import UNIFORM, Beta, Prior, posterior
from pellucid.findings import Measure


class Posterior(Protocol):
    """A distribution of the true value."""

    def below(self, value: float) -> float:
        """Probability that the true value is at most ``value``."""


@dataclass(frozen=True)
class Rate:
    """A rate of which k of n were seen."""

    beta: Beta
    """Its posterior."""
    prior: Beta
    """What it was before."""
    counts: tuple[int, int]
    """Successes and trials seen."""

    def below(self, value: float) -> float:
        """Probability that the true rate is at most ``value``."""
        return self.beta.below(value) if value < 1 else 1.0

    @property
    def before(self) -> Rate:
        """The same rate before anything was seen."""
        return Rate(self.prior, self.prior, (0, 0))

    def __str__(self) -> str:
        return f"Beta({self.beta.a:g}, {self.beta.b:g}) from {self.counts[0]} of {self.counts[1]}"


@dataclass(frozen=True)
class Spread:
    """A value with an interval: half a normal curve on each side, such that each end keeps its tail.

    When the value sits at one end, as an estimate of 0 of what cannot be negative, all lies on the other
    side.
    """

    middle: float
    """The estimate, as the median."""
    down: float
    """Standard deviation below it."""
    up: float
    """Standard deviation above it."""

    def below(self, value: float) -> float:
        """Probability that the true value is at most ``value``."""
        scale = self.down if value < self.middle else self.up
        if scale == 0:
            return float(value >= self.middle)
        tail = math.erfc(abs(value - self.middle) / (scale * math.sqrt(2)))
        share = tail / 2 if self.down and self.up else tail
        return share if value < self.middle else 1 - share

    def __str__(self) -> str:
        return "a normal curve through its interval"


@dataclass(frozen=True)
class Point:
    """A value without interval, taken as it is."""

    value: float
    """The value."""

    def below(self, value: float) -> float:
        """1 from the value on, else 0."""
        return float(value >= self.value)

    def __str__(self) -> str:
        return "a point without interval"


def counts_of(measure: Measure) -> tuple[int, int] | None:
    """Successes and trials, when a measure is a rate: from 0 to 1, with ``value · n`` a whole number."""
    value, n = measure.value, measure.n
    ends = [end for end in (measure.low, measure.high) if end is not None]
    if value is None or not n or n < 1 or not all(0 <= end <= 1 for end in (value, *ends)):
        return None
    successes = round(value * n)
    # a rate of k of n is k / n in floating point: a few units in the last place of n
    return (successes, n) if abs(value * n - successes) <= 1e-9 * n else None


def posterior_of(measure: Measure, prior: Prior = UNIFORM) -> Posterior | None:
    """The posterior of a measure's true value; None when there is no number.

    A rate with its count gets a Beta posterior, any other measure a normal curve through its interval, and
    one without interval is a point.
    """
    if measure.value is None or not math.isfinite(measure.value):
        return None
    counts = counts_of(measure)
    if counts is not None and not _is_point(measure):
        return Rate(posterior(*counts, prior), Beta(*prior), counts)
    return _spread(measure, measure.value)


def _is_point(measure: Measure) -> bool:
    """Whether a measure says that it has no spread: both ends at the value."""
    return measure.low == measure.high == measure.value


def _spread(measure: Measure, value: float) -> Posterior | None:
    ends = [None if end is None or math.isnan(end) else end for end in (measure.low, measure.high)]
    if ends == [None, None] or _is_point(measure):
        return Point(value)
    from scipy.special import ndtri

    z = float(ndtri(0.5 + measure.level / 2))
    widths = [None if end is None else abs(end - value) / z for end in ends]
    if any(width is not None and not math.isfinite(width) for width in widths):
        return None
    down, up = widths
    return Spread(value, *((down, up) if down is not None and up is not None else (down or up or 0.0,) * 2))
