"""Safety performance indicators: measures that are watched, with a level to warn at and one to revoke at.

A leaf states two more predicates over the measures of its Finding: ``warnWhen`` and ``revokeWhen``. Where the
second holds the leaf is false at once, whatever its own predicate says.

Source: Carlan et al. 2024, dynamic safety cases (arXiv 2412.17618), safety performance indicators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pellucid.cases.nodes import CITING, COUNTERS, Node
from pellucid.findings import InputError, Measure, Predicate

if TYPE_CHECKING:
    from pellucid.cases.evidence.evidence import Evidence
    from pellucid.cases.graph import Graph

Level = Literal["normal", "warning", "revoked", "unknown"]
LEVELS = ("warnWhen", "revokeWhen")
WATCHED = CITING - COUNTERS
"""What an indicator may sit on. A challenge that is revoked would speak for the claim, so it has none."""


@dataclass(frozen=True)
class Indicator:
    """Where the watched measures of a leaf stand."""

    element: str
    """The leaf."""
    level: Level
    """``normal``, ``warning``, ``revoked``, or ``unknown`` when a level cannot be read off."""
    reason: str
    """Which level is crossed or cannot be read; empty when all is normal."""


def watch(node: Node, measures: Mapping[str, Measure]) -> Indicator | None:
    """Where a leaf's indicator stands; None when it states no level.

    Args:
        node: a solution or an assumption.
        measures: the measures of the Finding that it cites, by name.

    Example:
        >>> node = Node("Sn1").having(warnWhen="rate.high > 0.01", revokeWhen="rate.low > 0.05")
        >>> watch(node, {"rate": Measure(name="rate", value=0.02, low=0.01, high=0.03)}).level
        'warning'
    """
    if node.kind not in WATCHED:
        return None
    stated = {name: text for name in LEVELS if (text := node.layer(name)) is not None}
    if not stated:
        return None
    crossed = {name: _crossed(text, measures) for name, text in stated.items()}
    if crossed.get("revokeWhen"):
        return Indicator(node.id, "revoked", f"the level to revoke, `{stated['revokeWhen']}`, is crossed")
    for name, text in stated.items():
        if crossed[name] is None:
            return Indicator(node.id, "unknown", f"`{name}: {text}` cannot be read from what was measured")
    if crossed.get("warnWhen"):
        return Indicator(node.id, "warning", f"the level to warn, `{stated['warnWhen']}`, is crossed")
    return Indicator(node.id, "normal", "")


def _crossed(text: str, measures: Mapping[str, Measure]) -> bool | None:
    try:
        return Predicate.parse(text).evaluate(measures)
    except InputError:
        return None  # E11 names the place; a level that nobody can read leaves the watch blind


def indicators(graph: Graph, evidence: Evidence) -> Iterator[Indicator]:
    """Every indicator of an argument whose Finding is at hand, in the order of the file."""
    for node in graph.nodes.values():
        header = evidence.cited(node)
        found = None if header is None else watch(node, header.measures)
        if found is not None:
            yield found
