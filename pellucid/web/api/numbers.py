"""What is said of a case in numbers, as JSON: sensitivity, cut sets, confidence, experiments, debate."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

if TYPE_CHECKING:
    from pellucid.web.evaluated import Evaluated

Value = Literal["T", "F", "U"]


class SensitivityEntry(BaseModel):
    """One leaf as it is, taken out, true, and false, and what it weighs."""

    leaf: str
    """Its name in the case."""
    finding: str | None
    """The Finding that it cites."""
    value: Value
    """Its value now."""
    top: Value
    """The verdict as things are."""
    without: Value
    """The verdict with its evidence taken out."""
    if_true: Value
    """The verdict if it were true."""
    if_false: Value
    """The verdict if it were false."""
    decides: bool
    """Whether the verdict changes with this leaf alone."""
    birnbaum: float | None
    """P(top | leaf true) - P(top | leaf false); this and what follows is null without numbers."""
    risk_achievement: float | None
    """How many times as likely the top fails without the leaf."""
    risk_reduction: float | None
    """How many times as likely it fails as it would with a perfect leaf."""
    fussell_vesely: float | None
    """The share of failures in which the leaf has a part."""
    criticality: float | None
    """The share of failures that the leaf brings about."""


class CutSetEntry(BaseModel):
    """Leaves that together make the top false, none of which can be left out."""

    false: list[str]
    """Leaves that fail."""
    true: list[str]
    """Doubts that prove right."""


class CutSetsEntry(BaseModel):
    """The minimal cut sets, smallest first."""

    sets: list[CutSetEntry]
    """The sets."""
    complete: bool
    """Whether these are all; otherwise all up to ``largest`` leaves."""
    largest: int
    """Sets of up to this many leaves are listed."""
    reason: str
    """Why there are none; empty when there are."""


class OpinionEntry(BaseModel):
    """An opinion of subjective logic."""

    b: float
    """Belief."""
    d: float
    """Disbelief."""
    u: float
    """Uncertainty."""
    a: float
    """Base rate."""


class NumbersEntry(BaseModel):
    """What four calculi say of one element; a number is null where it is not defined."""

    label: Value
    """Grounded argumentation."""
    opinion: OpinionEntry | None
    """Subjective logic."""
    product: float | None
    """Its expectation: the product rule."""
    low: float | None
    """At least, whatever depends on what."""
    high: float | None
    """At most, whatever depends on what."""
    doubts: float | None
    """The sum of doubts."""
    exact: float | None
    """The Bayes net."""


class LeafEntry(BaseModel):
    """How sure one may be of a leaf."""

    probability: float
    """Its probability."""
    source: str
    """Where the number comes from."""
    judged: bool
    """Whether it is somebody's judgement."""
    taken: bool
    """Whether it is taken as certain without an interval."""


class FlagEntry(BaseModel):
    """Where the numbers need an explanation: a check Q01 to Q03."""

    code: str
    """Its number."""
    level: str
    """error, warning or note."""
    where: str
    """At which element."""
    message: str
    """What it says."""
    remedy: str
    """What to do."""


class ConfidenceEntry(BaseModel):
    """Confidence in a whole argument."""

    top: NumbersEntry
    """All top claims together."""
    nodes: dict[str, NumbersEntry]
    """Each element."""
    leaves: dict[str, LeafEntry]
    """Each leaf."""
    circular: list[str]
    """Elements that rest on a circle, for which no number is defined."""
    reason: str
    """Why exact numbers are not given; empty when they are."""
    flags: list[FlagEntry]
    """Where the numbers need an explanation."""


class ExperimentEntry(BaseModel):
    """More trials on one leaf."""

    leaf: str
    """Its name in the case."""
    trials: int
    """How many more."""
    cost: float
    """What they cost together."""
    birnbaum: float
    """How much the top hangs on the leaf."""
    fall: float
    """By how much the variance of the top's probability is expected to fall."""
    decided: float | None
    """Probability that its predicate is decided afterwards."""


class ExchangeEntry(BaseModel):
    """A doubt with one reply to it."""

    defeater: str
    """The doubt."""
    kind: str
    """How it attacks."""
    text: str
    """What it says."""
    target: list[str]
    """The element, or both ends of the relation, that it challenges."""
    depth: int
    """1 for a doubt about the argument, 2 for a reply to one, and so on."""
    value: Value
    """Its value, staleness ignored."""
    now: Value
    """Its value with stale evidence taken out."""
    outcome: Literal["answered", "residual", "open", "holds"]
    """What became of it."""
    automatic: bool
    """Whether the evidence itself raised it."""
    finding: str | None
    """What it cites."""
    reply: str | None
    """What answers it; null when nobody does."""
    reply_text: str
    """What the reply says."""
    reply_value: Value | None
    """The reply's value, staleness ignored."""
    reply_now: Value | None
    """The reply's value with stale evidence taken out."""
    magnitude: str
    """How large the effect is, if it says so."""
    raised_by: str
    """Who raised it."""
    on: str
    """When."""
    residual: str
    """Why it is accepted without an answer, by whom and when."""


class DebateEntry(BaseModel):
    """The debate about a case."""

    completeness: float
    """The share of leaves for which a doubt was considered."""
    considered: int
    """How many these are."""
    leaves: int
    """Leaves of the argument."""
    rows: list[ExchangeEntry]
    """The exchanges."""
    unanswered: list[str]
    """Doubts that are neither answered nor accepted."""
    residual: list[str]
    """Doubts that a named person accepted without an answer."""
    waived: list[dict[str, Any]]
    """Doubts that somebody decided not to raise."""
    otherwise: list[dict[str, Any]]
    """Elements that could be read otherwise."""
    circles: str
    """Why other readings were not looked for; empty when they were."""


def numbers_of(found: Evaluated) -> dict[str, Any]:
    """Everything that is said of a case in numbers, as plain values."""
    return {
        "sensitivity": [asdict(row) | {"decides": row.decides} for row in found.sensitivity],
        "cut_sets": cut_sets_of(found),
        "confidence": found.confidence.to_dict() | {"flags": [vars(flag) for flag in found.flags]},
        "experiments": [asdict(row) for row in found.experiments],
        "debate": debate_of(found),
    }


def cut_sets_of(found: Evaluated) -> dict[str, Any]:
    """The minimal cut sets, or why there are none."""
    cuts, reason = found.cut_sets
    if cuts is None:
        return {"sets": [], "complete": False, "largest": 0, "reason": reason}
    sets = [{"false": sorted(one.false), "true": sorted(one.true)} for one in cuts.sets]
    return {"sets": sets, "complete": cuts.complete, "largest": cuts.largest, "reason": ""}


def debate_of(found: Evaluated) -> dict[str, Any]:
    """The debate, with what the evidence itself raised marked."""
    said = found.debate.to_dict()
    nodes = found.case.nodes
    said["rows"] = [
        row | {"automatic": nodes[row["defeater"]].layer("automatic") is not None} for row in said["rows"]
    ]
    return {name: said[name] for name in DebateEntry.model_fields}
