"""Whether the evidence of an element is up to date, in words beside their mark, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.cases.evidence.freshness import worst_first
from pellucid.web.states import MISSING, State

if TYPE_CHECKING:
    from pellucid.cases import NodeState

SHOWN = {
    "stale-by-input": State("stale", "stale by input"),
    "stale-by-age": State("stale", "stale by age"),
    "stale-by-parent": State("stale", "stale by parent"),
    "irreproducible": State("stale", "irreproducible"),
    "missing": MISSING,
    "retracted": State("stale", "retracted"),
}
"""How each state is shown; evidence that is fresh carries no mark."""


def freshness_of(state: NodeState) -> tuple[State, ...]:
    """The states of freshness that hold, the worst first; nothing when all is fresh.

    Example:
        >>> from pellucid.cases import NodeState
        >>> state = NodeState("T", "U", frozenset({"stale-by-age", "irreproducible"}), None, "")
        >>> [shown.word for shown in freshness_of(state)]
        ['irreproducible', 'stale by age']
    """
    return tuple(SHOWN[name] for name in worst_first(state.freshness) if name in SHOWN)
