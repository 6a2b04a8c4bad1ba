"""The registered kinds of Finding: what each says, when it supports, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pellucid.findings.errors import InputError, MissingError, did_you_mean
from pellucid.findings.header import Status, View
from pellucid.findings.measures import Measure
from pellucid.findings.predicate import Predicate
from pellucid.findings.statement import check_template


@dataclass(frozen=True)
class Kind:
    """A kind of Finding; everything a surface needs of it is copied into each Finding's header."""

    name: str
    """Room and concept, as ``circuits.patch_sweep``."""
    title: str
    """What it is about, as a heading."""
    statement: str
    """Template of the sentence, as ``The sweep reached {effect.value}``."""
    supports: str = ""
    """Predicate over the measures under which the claim holds."""
    refutes: str = ""
    """Predicate under which its opposite holds."""
    views: tuple[View, ...] = ()
    """How it is drawn."""
    stance: Literal["observational", "interventional"] = "observational"
    """Whether the method watches or intervenes."""
    evidence: Literal["correlational", "causal", "formal", "behavioural"] = "behavioural"
    """What sort of claim it can discharge."""
    room: str = ""
    """The room that measures it."""

    def status(self, measures: Mapping[str, Measure]) -> Status:
        """supports, refutes, inconclusive, or failed when a needed number is missing."""
        return judge(self.supports, self.refutes, measures)


def judge(supports: str, refutes: str, measures: Mapping[str, Measure]) -> Status:
    """Status by the explicit predicates; without any, a measurement simply supports what it says."""
    held = Predicate.parse(supports).evaluate(measures) if supports else None
    opposed = Predicate.parse(refutes).evaluate(measures) if refutes else None
    if held:
        return "supports"
    if opposed:
        return "refutes"
    if (supports and held is None) or (refutes and opposed is None):
        return "failed"
    if not supports and not refutes:
        return "supports"
    return "inconclusive"


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Add a kind; the same kind twice is fine.

    Errors:
        InputError FN12: another kind has this name. FN10, FN15: a predicate or the statement cannot be read.
    """
    check_template(kind.statement)
    for predicate in (kind.supports, kind.refutes):
        if predicate:
            Predicate.parse(predicate)
    known = _KINDS.setdefault(kind.name, kind)
    if known != kind:
        raise InputError(
            "FN12",
            f"A different kind {kind.name!r} is already registered.",
            "Choose another name for the new kind.",
        )
    return kind


def kinds() -> list[Kind]:
    """Every kind registered in this process, by name."""
    return [_KINDS[name] for name in sorted(_KINDS)]


def kind(name: str) -> Kind:
    """The registered kind of that name; MissingError FN13 when there is none."""
    if name not in _KINDS:
        raise MissingError(
            "FN13", f"No kind {name!r} is registered.", f"{did_you_mean(name, _KINDS)} See docs/findings.md."
        )
    return _KINDS[name]
