"""When safety work backfires: a closed-form model of "safer for a while, so more powerful when it fails".

A system's power grows as ``x = g t``, harm at failure is ``x^k``, failure comes at a constant hazard λ.
Safety work lowers λ; the question is whether expected harm then falls or rises.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pellucid.findings import InputError


def expected_harm(
    growth: float,
    exponent: float,
    hazard: float,
    *,
    horizon: float = math.inf,
    survival: float = 0.0,
    mitigation: float = 1.0,
) -> float:
    """Expected harm of one failure.

    ``E = (1 - q) m g^k Γ(k+1) / λ^k``, and up to a horizon τ ``E = (1 - q) m g^k γ(k+1, λτ) / λ^k`` with the
    lower incomplete gamma function.

    Args:
        growth: g, power gained per unit of time, above 0.
        exponent: k, how harm grows with power, 0 or more.
        hazard: λ, failures per unit of time, above 0.
        horizon: τ, time after which nothing more is counted.
        survival: q, the probability of never failing.
        mitigation: m, the share of harm that is left when it fails.

    Raises:
        InputError: Y77 when a number lies outside its range.

    Example:
        >>> expected_harm(1, 1, 0.5), expected_harm(1, 1, 0.25)
        (2.0, 4.0)

    Source: our model of Cappelen, Dever, Hawthorne 2024, arXiv 2405.19832.
    """
    from scipy.special import gamma, gammainc

    positive = growth > 0 and hazard > 0 and horizon > 0 and 0 <= exponent < math.inf
    _within(positive and 0 <= survival <= 1 and mitigation >= 0, locals())
    reached = 1.0 if math.isinf(horizon) else float(gammainc(exponent + 1, hazard * horizon))
    whole = float(growth / hazard) ** exponent * float(gamma(exponent + 1))
    return float((1 - survival) * mitigation * whole * reached)


def _within(fine: bool, given: dict[str, object]) -> None:
    if fine:
        return
    shown = ", ".join(f"{name} {value}" for name, value in given.items() if isinstance(value, int | float))
    remedy = (
        "Growth, hazard and horizon are above 0, exponent and mitigation 0 or more, survival from 0 to 1."
    )
    raise InputError("Y77", f"The backfire model got {shown}.", remedy)


def backfire_threshold(exponent: float = 1.0) -> float:
    """The u* at which a lower hazard neither helps nor hurts, with ``u = λτ`` hazard times horizon.

    Below it safety work lowers expected harm, above it raises it: ``u^(k+1) e^(-u) = k γ(k+1, u)``. So
    the paradox needs a horizon that is long against the time to failure.

    Args:
        exponent: k, how harm grows with power; above 0, for at 0 safety always helps.

    Raises:
        InputError: Y77 when the exponent is not above 0.

    Example:
        >>> round(backfire_threshold(1), 4)
        1.7933

    Source: our model of Cappelen, Dever, Hawthorne 2024, arXiv 2405.19832; set dE/dλ = 0.
    """
    from scipy.optimize import brentq

    _within(0 < exponent < math.inf, {"exponent": exponent})
    low = high = exponent + 1
    while hazard_slope(exponent, low) <= 0:
        low /= 2
    while hazard_slope(exponent, high) >= 0:
        high *= 2
    return float(brentq(lambda u: hazard_slope(exponent, u), low, high, xtol=1e-13))


def hazard_slope(exponent: float, u: float) -> float:
    """``λ/E dE/dλ`` at u = λτ: ``u^(k+1) e^(-u) / γ(k+1, u) - k``; positive where a lower hazard helps."""
    from scipy.special import hyp1f1

    # γ(k+1, u) = u^(k+1) e^(-u) M(1, k+2, u) / (k+1): a sum of positive terms, exact where both sides vanish
    return float((exponent + 1) / hyp1f1(1, exponent + 2, u)) - exponent


def lower_hazard_helps(exponent: float, hazard: float, horizon: float) -> bool:
    """Whether a little less hazard means less expected harm up to a horizon: ``λτ < u*``."""
    _within(hazard > 0 and horizon > 0 and exponent >= 0, locals())
    return exponent == 0 or hazard * horizon < backfire_threshold(exponent)


def safety_margin(
    *,
    exponent: float,
    hazard: float,
    hazard_slope: float,
    survival: float = 0.0,
    survival_slope: float = 0.0,
    mitigation: float = 1.0,
    mitigation_slope: float = 0.0,
) -> float:
    """How far more safety s lowers expected harm, relative to it: ``-E'/E``, without a horizon.

    ``q'/(1 - q) - m'/m + k λ'/λ``: what is gained by never failing and by less harm at failure, less what is
    lost because failure comes later.

    Args:
        exponent: k.
        hazard: λ at the present safety, above 0.
        hazard_slope: λ', usually negative.
        survival: q, below 1.
        survival_slope: q'.
        mitigation: m, above 0.
        mitigation_slope: m', usually negative.

    Raises:
        InputError: Y77 when a number lies outside its range.

    Source: our model of Cappelen, Dever, Hawthorne 2024: Optimism is q, Mitigation is m.
    """
    _within(hazard > 0 and 0 <= survival < 1 and mitigation > 0 and exponent >= 0, locals())
    gained = survival_slope / (1 - survival) - mitigation_slope / mitigation
    return gained + exponent * hazard_slope / hazard


def safety_helps(**given: float) -> bool:
    """Whether more safety lowers expected harm: ``q'/(1 - q) - m'/m > k |λ'| / λ``; see ``safety_margin``.

    Example:
        >>> safety_helps(exponent=1, hazard=1, hazard_slope=-0.5, survival_slope=0.6)
        True
    """
    return safety_margin(**given) > 0


class Simulated(NamedTuple):
    """A mean over draws."""

    mean: float
    """The mean."""
    error: float
    """Its standard error."""


def simulated_harm(
    growth: float,
    exponent: float,
    hazard: float,
    *,
    horizon: float = math.inf,
    survival: float = 0.0,
    mitigation: float = 1.0,
    draws: int = 100_000,
    seed: int = 0,
) -> Simulated:
    """The same expectation by drawing times of failure, for comparison with the closed form."""
    import numpy as np

    _within(growth > 0 and hazard > 0 and horizon > 0 and draws > 1, locals())
    random = np.random.default_rng(seed)
    times = random.exponential(1 / hazard, draws)
    fails = (random.random(draws) >= survival) & (times <= horizon)
    harm = np.where(fails, mitigation * (growth * times) ** exponent, 0.0)
    return Simulated(float(harm.mean()), float(harm.std(ddof=1) / math.sqrt(draws)))
