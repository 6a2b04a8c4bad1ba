"""Adaptive testing: ask what tells most at the present ability, and stop when it is known well enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.response_curves import ItemParameters, item_information, probability, quadrature

Values = np.ndarray[Any, Any]
Answer = Callable[[int], float]


@dataclass(frozen=True)
class AdaptiveTest:
    """What was asked, and what is known after it."""

    asked: tuple[int, ...]
    """Items in the order in which they were asked."""
    answers: tuple[float, ...]
    """The answers, 1 or 0."""
    ability: float
    """Expected ability at the end."""
    error: float
    """Its posterior standard deviation."""
    reached: bool
    """Whether the error fell to the target."""


def adaptive_test(
    items: ItemParameters,
    answer: Answer | Sequence[float] | Values,
    *,
    target: float = 0.4,
    most: int | None = None,
    points: int = 41,
) -> AdaptiveTest:
    """Ask the item of the largest information at the present ability until its error is at most ``target``.

    Arguments:
        items: calibrated items; those without a finite difficulty are never asked.
        answer: a function of the item's number, or recorded answers (NaN: not on record, never asked).
        target: posterior standard deviation at which to stop.
        most: the largest number of items to ask.

    Errors:
        InputError MS64: a target that is not positive, or an answer other than 0 and 1.

    Example:
        >>> test = adaptive_test(ItemParameters.of([-2.0, 0.0, 2.0]), [1, 1, 1], target=0.1)
        >>> test.asked
        (1, 2, 0)
    """
    if not target > 0:
        raise InputError(
            "MS64", f"An error of {target} cannot be reached.", "Give a positive target, as 0.4."
        )
    asks, free = asker(answer, items)
    nodes, log_mass = quadrature(points, items.deviation)
    chances = np.clip(probability(nodes, items), 1e-12, 1 - 1e-12)
    asked: list[int] = []
    answers: list[float] = []
    mean, error = moments(nodes, log_mass)
    while error > target and free.any() and len(asked) < (most if most is not None else len(free)):
        chosen = next_item(mean, items, free)
        given = checked(asks(chosen), chosen)
        log_mass = log_mass + np.log(chances[:, chosen] if given else 1 - chances[:, chosen])
        free[chosen] = False
        asked.append(chosen)
        answers.append(given)
        mean, error = moments(nodes, log_mass)
    return AdaptiveTest(tuple(asked), tuple(answers), mean, error, error <= target)


def next_item(ability: float, items: ItemParameters, free: Values) -> int:
    """The item among the free ones with the largest information at an ability."""
    told = np.where(free, item_information([ability], items)[0], -np.inf)
    return int(np.argmax(told))


def asker(answer: Answer | Sequence[float] | Values, items: ItemParameters) -> tuple[Answer, Values]:
    """A function that answers, and the mask of the items that may be asked."""
    if callable(answer):
        return answer, items.usable.copy()
    recorded = np.asarray(answer, dtype=float)
    return (lambda item: float(recorded[item])), items.usable & ~np.isnan(recorded)


def checked(given: float, item: int) -> float:
    """The answer; InputError MS64 when it is neither 0 nor 1."""
    if given not in (0, 1):
        raise InputError(
            "MS64", f"The answer to item {item + 1} is {given}.", "Answer 1 (right) or 0 (wrong)."
        )
    return float(given)


def moments(nodes: Values, log_mass: Values) -> tuple[float, float]:
    """Mean and standard deviation of a distribution over nodes."""
    mass = np.exp(log_mass - log_mass.max())
    mass /= mass.sum()
    mean = float(mass @ nodes)
    return mean, float(np.sqrt(max(mass @ (nodes - mean) ** 2, 0.0)))
