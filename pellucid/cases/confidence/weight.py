"""How strongly one piece of evidence speaks for a claim, by two measures of confirmation."""

from __future__ import annotations

import math

from pellucid.cases.confidence.control import rational


def good(if_true: float, if_false: float) -> float:
    """Good's weight of evidence: ``log P(E|C) / P(E|not C)``, in natural units; it adds up over evidence.

    Args:
        if_true: probability of the evidence when the claim is true.
        if_false: probability of the evidence when it is false.

    Raises:
        InputError: Y70 when one is no probability.

    Example:
        >>> round(good(1.0, 0.9048), 3)
        0.1

    Source: Good 1950; Bloomfield and Rushby, Assurance 2.0, arXiv 2409.10665.
    """
    right, wrong = float(rational(if_true)), float(rational(if_false))
    if right == wrong:
        return 0.0
    if right == 0 or wrong == 0:
        return math.inf if right else -math.inf
    return math.log(right) - math.log(wrong)


def kemeny_oppenheim(if_true: float, if_false: float) -> float:
    """``(P(E|C) - P(E|not C)) / (P(E|C) + P(E|not C))``, from -1 to 1; 0 when neither can produce it.

    Raises:
        InputError: Y70 when one is no probability.

    Source: Kemeny and Oppenheim 1952.
    """
    right, wrong = float(rational(if_true)), float(rational(if_false))
    return (right - wrong) / (right + wrong) if right + wrong else 0.0
