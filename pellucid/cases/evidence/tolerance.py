"""When a second measurement counts as the same: by id, by overlap of intervals, or within a distance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pellucid.cases.nodes import Node
from pellucid.findings import InputError, Measure, Predicate

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)\s*(%?)\s*")


@dataclass(frozen=True)
class Tolerance:
    """How far a measure may move before a re-run counts as another result."""

    kind: Literal["overlap", "exact", "absolute", "relative"] = "overlap"
    """``overlap``: intervals share a point. ``exact``: the same id. Else a bound on the distance."""
    amount: float = 0.0
    """The bound: in the measure's unit, or as a share of the old value."""

    @staticmethod
    def parse(text: str) -> Tolerance:
        """Read ``overlap``, ``exact``, a distance such as ``0.01``, or a share such as ``5 %``.

        Raises:
            InputError: Y82 when it is none of them.

        Example:
            >>> Tolerance.parse("5 %")
            Tolerance(kind='relative', amount=0.05)
        """
        word = text.strip().lower()
        if word == "overlap":
            return Tolerance()
        if word == "exact":
            return Tolerance("exact")
        found = _AMOUNT.fullmatch(text)
        if found is None or not math.isfinite(float(found[1])):
            remedy = "Write overlap, exact, a distance such as 0.01, or a share such as '5 %'."
            raise InputError("Y82", f"'{text}' is no tolerance.", remedy)
        amount = float(found[1])
        return Tolerance("relative", amount / 100) if found[2] else Tolerance("absolute", amount)

    @staticmethod
    def of(node: Node | None) -> Tolerance:
        """The tolerance that a leaf states by ``tolerance``; overlap of intervals when it states none."""
        text = None if node is None else node.layer("tolerance")
        return Tolerance() if text is None else Tolerance.parse(text)

    def within(self, old: Measure, new: Measure) -> bool:
        """Whether two measurements of one measure agree; a value that is missing agrees with no other.

        ``exact`` asks for equal numbers here; that ids are equal is asked of the Findings.
        """
        if not (_measured(old) and _measured(new)):
            return False
        if self.kind in ("absolute", "relative"):
            scale = 1.0 if self.kind == "absolute" else abs(old.value or 0.0)
            return distance(old, new) <= self.amount * scale
        if self.kind == "exact":
            return (old.value, old.low, old.high) == (new.value, new.low, new.high)
        (low, high), (other_low, other_high) = _interval(old), _interval(new)
        return low <= other_high and other_low <= high


def distance(old: Measure, new: Measure) -> float:
    """How far apart two values are; infinite when one is missing."""
    if not (_measured(old) and _measured(new)):
        return math.inf
    return 0.0 if old.value == new.value else abs((new.value or 0.0) - (old.value or 0.0))


def _measured(measure: Measure) -> bool:
    return measure.value is not None and not math.isnan(measure.value)


def _interval(measure: Measure) -> tuple[float, float]:
    value = measure.value or 0.0
    ends = (measure.low, measure.high)
    low, high = (value if end is None or math.isnan(end) else end for end in ends)
    return low, high


def measures_read(node: Node | None, measures: Mapping[str, Measure]) -> tuple[str, ...]:
    """Names of the measures that a leaf's predicates read; all when it states no readable predicate."""
    stated = () if node is None else (node.predicate, node.refuted_by)
    names = tuple(dict.fromkeys(name for name, _ in ends_read(stated)))
    return names or tuple(measures)


def ends_read(predicates: Iterable[str | None]) -> list[tuple[str, str]]:
    """Every (measure, end) that some predicates read; one that cannot be parsed reads nothing."""
    found: dict[tuple[str, str], None] = {}
    for text in predicates:
        try:
            found |= dict.fromkeys(Predicate.parse(text).ends() if text else ())
        except InputError:
            continue  # check E11 says so
    return list(found)
