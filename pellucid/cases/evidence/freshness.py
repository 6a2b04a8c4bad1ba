"""Whether evidence still speaks of the present: states of their own, apart from the verdict."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

Freshness = Literal[
    "fresh",
    "stale-by-input",
    "stale-by-age",
    "stale-by-parent",
    "irreproducible",
    "missing",
    "retracted",
]
ORDER: tuple[Freshness, ...] = get_args(Freshness)
"""From the best state to the worst."""

FRESH: frozenset[Freshness] = frozenset({"fresh"})
STALE: frozenset[Freshness] = frozenset(
    {"stale-by-input", "stale-by-age", "stale-by-parent", "irreproducible"}
)
"""The states that take evidence out of the present reading."""


def worst(states: Collection[Freshness]) -> Freshness:
    """The worst of several states that hold at once; ``fresh`` when none does.

    Example:
        >>> worst({"missing", "stale-by-age"})
        'missing'
    """
    return max(states, key=ORDER.index, default="fresh")


def worst_first(states: Collection[Freshness]) -> list[Freshness]:
    """States that hold at once, the worst first.

    Example:
        >>> worst_first({"stale-by-age", "missing"})
        ['missing', 'stale-by-age']
    """
    return sorted(states, key=ORDER.index, reverse=True)


def in_words(states: Collection[Freshness]) -> str:
    """States as a reader says them, the worst first; empty when all is fresh.

    Example:
        >>> in_words({"stale-by-input", "irreproducible"})
        'irreproducible, stale by input'
    """
    return ", ".join(state.replace("-", " ") for state in worst_first(states) if state != "fresh")
