"""Subjective logic: belief, disbelief and uncertainty about a claim, and their connectives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pellucid.cases.confidence.counts import Beta
from pellucid.findings import InputError

WEIGHT = 2.0
"""Weight of the prior that an opinion without evidence stands for: W = 2 makes it uniform at a = 1/2."""


@dataclass(frozen=True)
class Opinion:
    """What is believed of a claim: ``b + d + u = 1``, with a base rate for what is not known.

    Example:
        >>> sure = Opinion.of_counts(8, 0)
        >>> sure.belief, sure.uncertainty, sure.expectation
        (0.8, 0.2, 0.9)

    Source: Jøsang 2016, Subjective Logic, chapters 3 and 7.
    """

    belief: float
    """Share of evidence for the claim, b."""
    disbelief: float
    """Share of evidence against it, d."""
    uncertainty: float
    """Share that no evidence fills, u."""
    base_rate: float = 0.5
    """What to expect of a claim of this sort without evidence, a."""

    def __post_init__(self) -> None:
        parts = (self.belief, self.disbelief, self.uncertainty, self.base_rate)
        inside = all(-1e-9 <= part <= 1 + 1e-9 for part in parts)
        if not inside or abs(sum(parts[:3]) - 1) > 1e-9:
            problem = f"An opinion got belief, disbelief, uncertainty, base rate {parts}."
            remedy = "Give numbers from 0 to 1 of which the first three add up to 1."
            raise InputError("Y72", problem, remedy)

    @staticmethod
    def of_counts(right: float, wrong: float, base_rate: float = 0.5) -> Opinion:
        """The opinion after r observations for and s against: ``(r, s, 2) / (r + s + 2)``.

        Raises:
            InputError: Y72 for a count below 0.
        """
        if min(right, wrong) < 0 or not math.isfinite(right + wrong):
            problem = f"{right} observations for and {wrong} against are not counts."
            raise InputError("Y72", problem, "Give numbers that are 0 or more.")
        whole = right + wrong + WEIGHT
        return Opinion(right / whole, wrong / whole, WEIGHT / whole, base_rate)

    @staticmethod
    def certain(probability: float) -> Opinion:
        """An opinion without uncertainty: a probability taken at its word."""
        return Opinion(probability, 1 - probability, 0.0)

    @staticmethod
    def about(probability: float, observations: float, base_rate: float = 0.5) -> Opinion:
        """An opinion of this expectation that is as uncertain as this many observations leave it.

        ``u = W / (n + W)``, or less where that much uncertainty cannot have the expectation.
        """
        most = [WEIGHT / (observations + WEIGHT)]
        most += [probability / base_rate] if base_rate > 0 else []
        most += [(1 - probability) / (1 - base_rate)] if base_rate < 1 else []
        uncertainty = min(most)
        belief = max(0.0, probability - base_rate * uncertainty)
        return Opinion(belief, max(0.0, 1 - belief - uncertainty), uncertainty, base_rate)

    @property
    def expectation(self) -> float:
        """The probability it stands for: ``b + a u``."""
        return self.belief + self.base_rate * self.uncertainty

    @property
    def beta(self) -> Beta | None:
        """The Beta distribution it stands for; None when it has no uncertainty or no finite base."""
        if self.uncertainty <= 0 or not 0 < self.base_rate < 1:
            return None
        scale = WEIGHT / self.uncertainty
        return Beta(
            scale * self.belief + WEIGHT * self.base_rate,
            scale * self.disbelief + WEIGHT * (1 - self.base_rate),
        )

    def __invert__(self) -> Opinion:
        return Opinion(self.disbelief, self.belief, self.uncertainty, 1 - self.base_rate)

    def __and__(self, other: Opinion) -> Opinion:
        b1, d1, u1, a1 = self.belief, self.disbelief, self.uncertainty, self.base_rate
        b2, d2, u2, a2 = other.belief, other.disbelief, other.uncertainty, other.base_rate
        # 1 - a1 a2, written so that it keeps its digits when both are close to 1
        rest = (1 - a1) + a1 * (1 - a2)
        first, second = ((1 - a1) * a2 / rest, a1 * (1 - a2) / rest) if rest > 0 else (0.0, 0.0)
        belief = b1 * b2 + first * b1 * u2 + second * u1 * b2
        disbelief = d1 + d2 - d1 * d2
        return Opinion(belief, disbelief, _left(belief, disbelief), a1 * a2)

    def __or__(self, other: Opinion) -> Opinion:
        return ~(~self & ~other)

    def fuse(self, other: Opinion) -> Opinion:
        """Cumulative fusion of independent sources: the counts behind both opinions, added up."""
        u1, u2 = self.uncertainty, other.uncertainty
        whole = u1 + u2 - u1 * u2
        if whole == 0:
            belief = (self.belief + other.belief) / 2
            return Opinion(belief, 1 - belief, 0.0, (self.base_rate + other.base_rate) / 2)
        belief = (self.belief * u2 + other.belief * u1) / whole
        disbelief = (self.disbelief * u2 + other.disbelief * u1) / whole
        return Opinion(belief, disbelief, u1 * u2 / whole, _fused_base(self, other))

    def trusted(self, trust: Opinion) -> Opinion:
        """The opinion as heard from a source that is trusted this much: ``b_t b, b_t d``, rest uncertain."""
        belief, disbelief = trust.belief * self.belief, trust.belief * self.disbelief
        uncertainty = trust.disbelief + trust.uncertainty + trust.belief * self.uncertainty
        return Opinion(belief, disbelief, uncertainty, self.base_rate)

    def __str__(self) -> str:
        return f"b={self.belief:.3g} d={self.disbelief:.3g} u={self.uncertainty:.3g} a={self.base_rate:.3g}"


VACUOUS = Opinion(0.0, 0.0, 1.0)
TRUE = Opinion(1.0, 0.0, 0.0, 1.0)
"""Certainty that combines as the number 1 does; its base rate leaves that of others as it is."""


def _left(belief: float, disbelief: float) -> float:
    """The mass that is left for uncertainty; rounding never makes it negative."""
    return max(0.0, 1 - belief - disbelief)


def _fused_base(one: Opinion, other: Opinion) -> float:
    """Base rate after fusion, each weighted by its certainty."""
    first, second = other.uncertainty * (1 - one.uncertainty), one.uncertainty * (1 - other.uncertainty)
    if first + second == 0 or one.base_rate == other.base_rate:
        return (one.base_rate + other.base_rate) / 2
    return (one.base_rate * first + other.base_rate * second) / (first + second)


def conjunction(opinions: Iterable[Opinion]) -> Opinion:
    """AND of independent claims: its expectation is the product of theirs."""
    return reduce(Opinion.__and__, opinions, TRUE)


def disjunction(opinions: Iterable[Opinion]) -> Opinion:
    """OR of independent claims: ``1 - E`` is the product of their ``1 - E``."""
    return reduce(Opinion.__or__, opinions, ~TRUE)


def at_least(count: int, opinions: Sequence[Opinion]) -> Opinion:
    """k of n independent claims.

    Belief is the probability that at least k are believed, disbelief that at least n - k + 1 are disbelieved;
    the base rate is what makes the expectation the Poisson-binomial tail of theirs. For k = n it is AND, for
    k = 1 it is OR.

    Example:
        >>> round(at_least(2, [Opinion.certain(p) for p in (0.9, 0.8, 0.7)]).expectation, 3)
        0.902
    """
    if count == len(opinions):
        return conjunction(opinions)
    if count == 1:
        return disjunction(opinions)
    belief = tail(count, [opinion.belief for opinion in opinions])
    possible = tail(count, [1 - opinion.disbelief for opinion in opinions])
    expected = tail(count, [opinion.expectation for opinion in opinions])
    unsure = max(0.0, possible - belief)
    base = min(1.0, max(0.0, (expected - belief) / unsure)) if unsure > 0 else 0.5
    return Opinion(belief, 1 - belief - unsure, unsure, base)


def tail(count: int, probabilities: Sequence[float]) -> float:
    """Probability that at least k of independent events happen, by the recursion over their number.

    Example:
        >>> round(tail(2, [0.9, 0.8, 0.7]), 3)
        0.902
    """
    reached = np.zeros(count + 1)
    reached[0] = 1.0
    for p in probabilities:
        reached[1:] += p * (reached[:-1] - reached[1:])
    return float(reached[count])
