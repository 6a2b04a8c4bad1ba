"""What can be said of a combination when nothing is known of how its parts depend on each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pellucid.findings import InputError

MOST_STATES = 12


class Bounds(NamedTuple):
    """The least and the greatest probability; of Fractions, the rules below make Fractions."""

    low: Any
    high: Any


CERTAIN = Bounds(1.0, 1.0)


def invert(part: Bounds) -> Bounds:
    """NOT."""
    return Bounds(1 - part.high, 1 - part.low)


def conjunction(parts: Sequence[Bounds]) -> Bounds:
    """AND: ``[max(0, sum p - (n - 1)), min p]`` (Fréchet).

    Example:
        >>> conjunction([Bounds(0.75, 0.75), Bounds(0.5, 0.5)])
        Bounds(low=0.25, high=0.5)
    """
    if not parts:
        return CERTAIN
    return Bounds(max(0, 1 - sum(1 - part.low for part in parts)), min(part.high for part in parts))


def disjunction(parts: Sequence[Bounds]) -> Bounds:
    """OR: ``[max p, min(1, sum p)]`` (Fréchet)."""
    return invert(conjunction([invert(part) for part in parts]))


def at_least(count: int, parts: Sequence[Bounds]) -> Bounds:
    """k of n: the tightest bounds that the single probabilities allow.

    The greatest is ``min over l < k of (sum of the n - l smallest p) / (k - l)``, at most 1; the least
    follows from "n - k + 1 of them fail".

    Source: Rüger 1978 (sharp bounds on the number of events that happen).
    """
    fails = len(parts) - count + 1
    least = 1 - _greatest(fails, sorted(1 - part.low for part in parts))
    return Bounds(max(0, least), _greatest(count, sorted(part.high for part in parts)))


def _greatest(count: int, ascending: Sequence[Any]) -> Any:
    sums, size = list(itertools.accumulate(ascending)), len(ascending)
    return min(1, *(sums[size - left - 1] / (count - left) for left in range(count)))


def tight_bounds(holds: Callable[[Sequence[bool]], bool], probabilities: Sequence[float]) -> Bounds:
    """The exact bounds over all joint distributions of n events with these probabilities.

    A linear programme over the 2^n states: the oracle for the rules above, and usable by itself.

    Args:
        holds: whether the combination holds in a state.
        probabilities: of each event, at most 12.

    Raises:
        InputError: Y73 for more than 12 events.
    """
    import numpy as np
    from scipy.optimize import linprog

    if len(probabilities) > MOST_STATES:
        problem = f"Tight bounds over {len(probabilities)} events have too many states."
        raise InputError(
            "Y73", problem, f"Give at most {MOST_STATES} events, or use the rules by connective."
        )
    states = list(itertools.product((False, True), repeat=len(probabilities)))
    goal = np.array([float(holds(state)) for state in states])
    table = np.array([[1.0] * len(states), *np.array(states, dtype=float).T])
    margins = np.array([1.0, *probabilities])
    ends = [linprog(sign * goal, A_eq=table, b_eq=margins, bounds=(0, 1)).fun * sign for sign in (1, -1)]
    return Bounds(*(min(1.0, max(0.0, float(end))) for end in ends))
