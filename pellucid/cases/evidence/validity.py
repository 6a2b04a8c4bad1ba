"""How long evidence counts: validity windows stated in a case, judged by when a check ran.

An element states ``validFor: "30 days"``; it holds for the evidence below it, the nearest statement wins, and
of several equally near the strictest. A module may state it for all of its elements.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Module
from pellucid.findings import InputError

LAYER = "validFor"
SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may differ before a time counts as yet to come."""

_HOURS = {"minute": 1 / 60, "hour": 1, "day": 24, "week": 168, "month": 720, "year": 8760}
_SHORT = {"min": "minute", "h": "hour", "d": "day", "w": "week", "y": "year"}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")


def parse_duration(text: str) -> timedelta:
    """Read ``30 days``: a positive number of minutes, hours, days, weeks, months (30 days), years (365).

    Raises:
        InputError: Y80 when it cannot be read, is not positive, or is too long for a calendar.

    Example:
        >>> parse_duration("2 weeks").days
        14
    """
    found = _DURATION.fullmatch(text)
    word = found[2].lower() if found else ""
    hours = _HOURS.get(_SHORT.get(word, word.removesuffix("s")))
    amount = float(found[1]) * hours if found and hours else math.nan
    if not 0 < amount <= timedelta.max.total_seconds() // 3600 - 1:
        remedy = "Write a number and a unit: '36 h', '30 days', '2 weeks', '6 months' (of 30 days), '1 year'."
        raise InputError("Y80", f"'{text}' is no length of time.", remedy)
    return timedelta(hours=amount)


@dataclass(frozen=True)
class Validity:
    """A stated validity window."""

    owner: str
    """The element or module that states it."""
    text: str
    """The window as it is written."""

    @property
    def span(self) -> timedelta:
        """Its length; none at all when it cannot be read, so that nothing passes by a slip of the pen."""
        try:
            return parse_duration(self.text)
        except InputError:
            return timedelta(0)

    def overrun(self, ran: datetime | None, at: datetime) -> str | None:
        """Why evidence that ran at a time no longer counts; None while it does."""
        if self.span == timedelta(0):
            return f"the time that {self.owner} lets evidence count, '{self.text}', cannot be read"
        counts = f"{self.owner} lets evidence count for {self.text}"
        if ran is None:
            return f"it does not say when it ran, and {counts}"
        return f"it ran on {ran.date().isoformat()}, and {counts}" if at - ran > self.span else None


def validities(graph: Graph, modules: Iterable[Module] = ()) -> dict[str, Validity]:
    """The validity window of every element that one holds for.

    Args:
        graph: the argument.
        modules: its modules, whose own ``validFor`` holds where nothing nearer is stated.
    """
    nearest = {name: Validity(name, text) for name, text in _stated(graph).items()}
    frontier = dict(nearest)
    while frontier:
        reached: dict[str, Validity] = {}
        for name, validity in frontier.items():
            for below in graph.depends.get(name, ()):
                if below not in nearest:
                    reached[below] = min(reached.get(below, validity), validity, key=lambda one: one.span)
        nearest |= reached
        frontier = reached
    return _of_modules(modules) | nearest


def _stated(graph: Graph) -> dict[str, str]:
    texts = ((name, node.layer(LAYER)) for name, node in graph.nodes.items())
    return {name: text for name, text in texts if text is not None}


def _of_modules(modules: Iterable[Module]) -> dict[str, Validity]:
    found: dict[str, Validity] = {}
    for module in modules:
        text = dict(module.layers).get(LAYER)
        if text is not None:
            owner = Validity(f"module {module.name}", text)
            found |= {node.id: owner for node in module.nodes if node.id not in found}
    return found


def moment(text: str) -> datetime | None:
    """A time as Findings write it, in UTC where it names no zone; None when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def judged_at(at: datetime | None) -> datetime:
    """The time by which evidence is judged: as given, or now.

    Raises:
        InputError: Y81 when the time names no zone.
    """
    if at is not None and at.tzinfo is None:
        remedy = "Give datetime(..., tzinfo=UTC)."
        raise InputError("Y81", f"The time {at.isoformat()} names no time zone.", remedy)
    return at or datetime.now(UTC)


def yet_to_come(ran: datetime | None, at: datetime) -> str | None:
    """Why a time of measurement cannot be right: it lies after the time of judgement."""
    if ran is None or ran - at <= SKEW:
        return None
    return f"it says that it ran at {ran.isoformat()}, which is yet to come"


Windows = Mapping[str, Validity]
