"""What k of n says about a rate: posterior, bounds, sequences, and how much clean runs can prove.

All of it is about one number between 0 and 1, the rate of an event in independent trials, unless a function
says otherwise. "Nothing bad was seen" never means that the rate is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pellucid.findings import InputError, clopper_pearson
from pellucid.findings.statistics import counted, grouped, numbers, within

Prior = tuple[float, float]
UNIFORM: Prior = (1.0, 1.0)


@dataclass(frozen=True)
class Beta:
    """A Beta distribution over a rate."""

    a: float
    """Successes seen, plus the prior's."""
    b: float
    """Failures seen, plus the prior's."""

    @property
    def mean(self) -> float:
        """``a / (a + b)``"""
        return self.a / (self.a + self.b)

    @property
    def variance(self) -> float:
        """``a b / (s² (s + 1))`` with ``s = a + b``"""
        s = self.a + self.b
        return self.a * self.b / (s * s * (s + 1))

    def below(self, rate: float) -> float:
        """Probability that the rate is at most ``rate``."""
        from scipy.special import betainc

        return float(betainc(self.a, self.b, min(max(rate, 0.0), 1.0)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The central interval that holds the rate with probability ``level``."""
        from scipy.special import betaincinv

        within(level)
        tail = (1 - level) / 2
        return float(betaincinv(self.a, self.b, tail)), float(betaincinv(self.a, self.b, 1 - tail))


def posterior(k: int, n: int, prior: Prior = UNIFORM) -> Beta:
    """What k successes of n make of a Beta prior: ``Beta(a + k, b + n - k)``.

    Args:
        k: successes; 0 <= k <= n.
        n: trials; 0 leaves the prior.
        prior: its two counts, uniform unless given.

    Raises:
        InputError: FN41 when k of n is not a count, Y70 when the prior is not positive.

    Example:
        >>> posterior(0, 1000).a, posterior(0, 1000).b
        (1.0, 1001.0)

    Source: Bayes; Jøsang 2016, Subjective Logic, section 3.3 for the tie to opinions.
    """
    if n or k:
        counted(k, n)
    if min(prior) <= 0:
        raise InputError(
            "Y70", f"A Beta prior got the counts {prior}.", "Give two positive numbers, as (1, 1)."
        )
    return Beta(prior[0] + k, prior[1] + n - k)


def upper_bound(k: int, n: int, *, level: float = 0.95) -> float:
    """The one-sided Clopper-Pearson bound: for k = 0 it is ``1 - (1 - level)^(1/n)``.

    Example:
        >>> round(100 * upper_bound(0, 1000), 3), round(100 * upper_bound(1, 1000), 3)
        (0.299, 0.473)
    """
    return clopper_pearson(k, n, level=level, side="upper").high


def rule_of_three(n: int) -> float:
    """``3 / n``, a check of the 95 % bound after n trials without an event; never reported by itself."""
    counted(0, n)
    return 3 / n


def clustered_standard_error(
    values: Sequence[float] | np.ndarray[Any, Any], clusters: Sequence[Any]
) -> float:
    """Standard error of a mean whose values come in clusters.

    ``sqrt(G / (G - 1) · sum over clusters c of (sum over i in c of e_i)²) / n`` with ``e_i = x_i - mean``.

    Args:
        values: one number for each observation.
        clusters: the cluster of each observation.

    Raises:
        InputError: FN40 without values, FN44 when labels and values do not pair, Y71 with one cluster only.

    Source: Miller 2024, Adding error bars to evals, equation 4, with the finite-cluster factor.
    """
    array = numbers(values)
    groups = grouped(clusters, len(array))
    if len(groups) < 2:
        problem = "All values lie in one cluster, so their spread over clusters is unknown."
        raise InputError("Y71", problem, "Give values from two clusters or more.")
    errors = array - array.mean()
    between = sum(float(errors[rows].sum()) ** 2 for rows in groups)
    return math.sqrt(len(groups) / (len(groups) - 1) * between) / len(array)


def confidence_sequence(
    k: Sequence[int] | np.ndarray[Any, Any],
    n: Sequence[int] | np.ndarray[Any, Any],
    *,
    level: float = 0.95,
    prior: Prior = UNIFORM,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Intervals that hold at every n at once, so that one may look and stop at any time.

    All rates p with ``B(a+k, b+n-k) / (B(a, b) p^k (1-p)^(n-k)) < 1/alpha``, where ``alpha = 1 - level``.

    Args:
        k: successes after each look.
        n: trials after each look.
        level: probability with which all intervals together hold the rate.
        prior: counts of the mixing Beta distribution.

    Returns:
        Lower and upper ends, one for each look.

    Source: Robbins 1970 (method of mixtures); Ville's inequality makes it hold at every n.
    """
    within(level)
    successes, trials = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    if ((successes < 0) | (successes > trials)).any():
        raise InputError(
            "FN41", "Some look has more successes than trials.", "Give 0 <= k <= n for each look."
        )
    best = np.divide(successes, trials, out=np.full_like(trials, 0.5), where=trials > 0)
    low = _crossing(successes, trials, best, np.zeros_like(best), level, prior)
    high = _crossing(successes, trials, best, np.ones_like(best), level, prior)
    return np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)


def _crossing(k: Any, n: Any, inside: Any, outside: Any, level: float, prior: Prior) -> Any:
    """Bisect, for all looks together, between a rate that is in the set and the end of the range."""
    from scipy.special import betaln, xlog1py, xlogy

    a, b = prior
    bar = betaln(a + k, b + n - k) - betaln(a, b) + math.log(1 - level)
    for _ in range(60):
        middle = (inside + outside) / 2
        kept = bar < xlogy(k, middle) + xlog1py(n - k, -middle)
        inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
    # the end outside, so that rounding never makes the interval too short
    return outside


def nested(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """The running intersection of a confidence sequence, which holds at the same level."""
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def passing_probability(rate: float | Fraction, runs: int) -> float | Fraction:
    """Probability that a defector with this rate shows nothing in n runs: ``(1 - p)^n``.

    Args:
        rate: probability of a defect in one run; a Fraction gives a Fraction.
        runs: how many runs.

    Example:
        >>> round(passing_probability(1e-4, 1000), 4)
        0.9048

    Source: Balesni et al. 2024, arXiv 2411.03336 (rare defection); Kaur, arXiv 2607.21735.
    """
    _rate(rate)
    if isinstance(rate, Fraction):
        return (1 - rate) ** runs
    return 0.0 if rate == 1 and runs else math.exp(runs * math.log1p(-rate)) if runs else 1.0


def likelihood_ratio(rate: float, runs: int) -> float:
    """How much n clean runs speak against a defect of this rate: ``(1 - p)^(-n)``, at most that."""
    passing = float(passing_probability(rate, runs))
    return 1 / passing if passing else math.inf


def runs_for_ratio(ratio: float, rate: float) -> int:
    """Clean runs needed for a likelihood ratio: ``ln L / -ln(1 - p)``, rounded up.

    Args:
        ratio: the wanted ratio L, more than 1.
        rate: probability of a defect in one run, if there is one.

    Raises:
        InputError: Y70 when the rate is no probability above 0, or the ratio is not above 1.

    Example:
        >>> [runs_for_ratio(10, p) for p in (0.01, 0.001, 0.0001)]
        [230, 2302, 23025]

    Source: the evidential ceiling of red teaming, Kaur, arXiv 2607.21735.
    """
    _rate(rate)
    if not ratio > 1 or rate == 0:
        problem = f"A ratio of {ratio} at a rate of {rate} is reached by no number of clean runs."
        raise InputError("Y70", problem, "Give a ratio above 1 and a rate above 0.")
    if rate == 1:
        return 1
    return math.ceil(math.log(ratio) / -math.log1p(-rate))


def evasion(runs: int) -> float:
    """How often a defector that defects at the rate 1/N passes N tests: ``(1 - 1/N)^N``, near 1/e.

    It is the rate that makes the most of (passing tests) times (attacking at all).

    Example:
        >>> round(evasion(1000), 4)
        0.3677
    """
    counted(0, runs)
    return float(passing_probability(1 / runs, runs))


def _rate(rate: float | Fraction) -> None:
    if not 0 <= rate <= 1:
        raise InputError("Y70", f"{rate} is not a probability.", "Give a number from 0 to 1.")
