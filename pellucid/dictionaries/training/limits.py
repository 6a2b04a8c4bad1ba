"""Which values make a training: one range, kind or choice for each setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

Allowed = Callable[[float], bool]

COUNTS = ("n_features", "k", "steps", "batch", "log_every", "checkpoint_every", "dead_after", "k_start")
NAMES = ("site", "site_out")
SEEDS = ("seed", "order_seed")
LISTS: Mapping[str, int] = {
    "widths": 1,
    "resample_at": 1,
    "excluded_positions": 0,
    "excluded_tokens": 0,
}
"""Settings that are several whole numbers, and the least that each may be."""
RANGES: Mapping[str, tuple[Allowed, str]] = {
    "sparsity": (lambda value: value >= 0, "of at least 0"),
    "bandwidth": (lambda value: value > 0, "above 0"),
    "threshold": (lambda value: value >= 0, "of at least 0"),
    "multi": (lambda value: value >= 0, "of at least 0"),
    "auxiliary": (lambda value: value >= 0, "of at least 0"),
    "clip": (lambda value: value >= 0, "of at least 0"),
    "lr": (lambda value: value > 0, "above 0"),
    "initial_length": (lambda value: value > 0, "above 0"),
    "warmup": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "decay": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "sparsity_warmup": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "k_anneal": (lambda value: 0 <= value <= 1, "from 0 to 1"),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "subtract": ("auto", "none", "b_dec"),
    "rank_score": ("h", "h_norm"),
    "initial": ("random", "orthogonal", "active_subspace"),
}
OPTIONAL = ("lr", "dead_after", "k_start", "site_out")
"""Settings that may be None."""


class Fault(NamedTuple):
    """What is wrong with one setting, and what to give."""

    problem: str
    """In words."""
    remedy: str
    """One sentence."""


def first_fault(settings: Mapping[str, Any]) -> Fault | None:
    """The first setting that no training can have; None where there is none.

    Arguments:
        settings: every field of a training configuration by name.

    Example:
        >>> first_fault({"clip": float("nan")})
        Fault(problem='clip is nan', remedy='Give clip as a number of at least 0.')
    """
    given = {name: value for name, value in settings.items() if value is not None or name not in OPTIONAL}
    return next(faults(given), None)


def faults(given: Mapping[str, Any]) -> Iterator[Fault]:
    """Every setting that no training can have, in the order of the tables above."""
    for name, value in given.items():
        wanted = wish(name, value)
        if wanted:
            yield Fault(f"{name} is {value!r}", f"Give {name} as {wanted}.")


def wish(name: str, value: Any) -> str:
    """What a setting should be, in words; empty where it is right or not checked here."""
    if name in COUNTS and not (whole(value) and value >= 1):
        return "a whole number of at least 1"
    if name in NAMES and not isinstance(value, str):
        return "a site's name"
    if name in SEEDS and not whole(value):
        return "a whole number"
    if name in CHOICES and value not in CHOICES[name]:
        return f"one of {', '.join(CHOICES[name])}"
    if name in LISTS and not several(value, LISTS[name]):
        return f"a tuple of whole numbers of at least {LISTS[name]}"
    if name == "betas" and not averages(value):
        return "two numbers from 0 to below 1"
    if name in RANGES and not (number(value) and RANGES[name][0](value)):
        return f"a number {RANGES[name][1]}"
    return ""


def whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def several(value: Any, least: int) -> bool:
    """Whether a value is a tuple of whole numbers of at least so much."""
    return isinstance(value, tuple) and all(whole(item) and item >= least for item in value)


def averages(value: Any) -> bool:
    """Whether a value is the two rates of Adam."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and all(number(item) and 0 <= item < 1 for item in value)
