"""How probabilities of infractions compose: independent, of unknown dependence, from a common cause.

Plain formulas; floats give floats, Fractions give Fractions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pellucid.findings import InputError

MOST_EXACT = 1_000
"""Up to so many instances a Fraction stays a Fraction; beyond, its digits would fill pages."""


def any_fails(probabilities: Sequence[Any]) -> Any:
    """At least one of independent events: ``1 - prod (1 - p_i)``.

    Raises:
        InputError: Y70 when one is no probability.
    """
    kept = math.prod(1 - p for p in _checked(probabilities))
    if any(isinstance(p, float) for p in probabilities) and kept > 0.5:
        # sums of logarithms keep the digits of small probabilities
        return -math.expm1(math.fsum(math.log1p(-p) for p in probabilities))
    return 1 - kept


def any_fails_bounds(probabilities: Sequence[Any]) -> tuple[Any, Any]:
    """At least one, whatever the dependence: from ``max p_i`` to ``min(1, sum p_i)``."""
    checked = _checked(probabilities)
    return max(checked), min(1, _sum(checked))


def all_fail(probabilities: Sequence[Any]) -> Any:
    """All layers of an independent defence: ``prod p_i``."""
    return math.prod(_checked(probabilities))


def all_fail_bounds(probabilities: Sequence[Any]) -> tuple[Any, Any]:
    """All layers of a defence, whatever the dependence: from ``max(0, sum p_i - (k - 1))`` to ``min p_i``."""
    checked = _checked(probabilities)
    return max(0, _sum(checked) - (len(checked) - 1)), min(checked)


def common_cause(q: Any, beta: Any, layers: int) -> Any:
    """All k layers fail when a share of failures is common: ``βq + (1 - βq) ((1 - β) q)^k``.

    Args:
        q: probability that one layer fails.
        beta: share of its failures that come from the common cause.
        layers: k, at least 1.

    Raises:
        InputError: Y70 when q or beta is no probability, or there is no layer.

    Example:
        >>> round(common_cause(0.02, 0.1, 3), 7)
        0.0020058

    Source: the beta-factor model (Fleming 1975).
    """
    _checked([q, beta])
    if layers < 1:
        raise InputError("Y70", f"A defence of {layers} layers was given.", "Give at least one layer.")
    shared, alone = beta * q, (1 - beta) * q
    return shared + (1 - shared) * alone**layers


def any_of_instances(
    probability: Any = None, instances: int = 1, *, posterior: tuple[float, float] | None = None
) -> Any:
    """At least one of N instances misbehaves.

    ``1 - (1 - p)^N`` when they are independent at a known rate. When the rate itself is only known to be
    Beta(a, b), it is shared by all of them and the answer is ``1 - B(a, b + N) / B(a, b)``.

    Args:
        probability: of one instance, if known.
        instances: N, 0 or more.
        posterior: a and b, if the rate is uncertain; then ``probability`` is not used.

    Raises:
        InputError: Y70 for no probability, a negative number, or a posterior that is not positive.
    """
    if instances < 0 or (posterior is not None and min(posterior) <= 0):
        problem = f"{instances} instances with the posterior {posterior} were given."
        raise InputError("Y70", problem, "Give 0 or more instances and two positive counts.")
    if posterior is not None:
        from scipy.special import betaln

        a, b = posterior
        return -math.expm1(float(betaln(a, b + instances) - betaln(a, b)))
    (p,) = _checked([probability])
    if p < 1 and (isinstance(p, float) or instances > MOST_EXACT):
        return -math.expm1(instances * math.log1p(-float(p)))
    return 1 - (1 - p) ** instances


def _sum(values: Sequence[Any]) -> Any:
    return math.fsum(values) if any(isinstance(value, float) for value in values) else sum(values)


def _checked(probabilities: Sequence[Any]) -> Sequence[Any]:
    if not probabilities:
        raise InputError("Y70", "No probabilities were given.", "Give at least one; nothing is no evidence.")
    for p in probabilities:
        if p is None or not 0 <= p <= 1:
            raise InputError("Y70", f"{p} is not a probability.", "Give a number from 0 to 1.")
    return probabilities
