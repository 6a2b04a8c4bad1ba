"""What the verdict hangs on: each leaf taken out, flipped and weighed, and what fails together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.cases.nodes import COUNTERS
from pellucid.web.states import DOUBTS, VALUES, VERDICTS, State

if TYPE_CHECKING:
    from pellucid.cases import Case, CutSets, Sensitivity
    from pellucid.cases.confidence import CutSet

BY_VALUE = {"T": VERDICTS["stands"], "F": VERDICTS["defeated"], "U": VERDICTS["undecided"]}
TELLS = 0.005
"""A weight below this is shown as less than a hundredth."""
MOST_LEAVES = 40
MOST_SETS = 12
MOST_HIDDEN = 100


@dataclass(frozen=True)
class Hanging:
    """One leaf and what becomes of the top with it."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is."""
    text: str
    """What it says."""
    value: State
    """Its value now."""
    decides: bool
    """Whether the verdict changes with this leaf alone."""
    without: State
    """The verdict with its evidence taken out."""
    if_true: State
    """The verdict if it were true."""
    if_false: State
    """The verdict if it were false."""
    weight: str
    """Its Birnbaum measure; empty without numbers."""
    bar: float
    """The size of that measure in hundredths."""
    against: bool
    """Whether it speaks against the top: its measure is negative."""


@dataclass(frozen=True)
class Hangs:
    """The section of a page."""

    lede: str
    """What decides, as a sentence."""
    rows: tuple[Hanging, ...]
    """The leaves that decide or weigh something, heaviest first."""
    left_out: str
    """How many leaves are not in the table, and why; empty when all are."""
    numbered: bool
    """Whether there are Birnbaum measures."""
    cuts: tuple[Markup, ...]
    """The smallest sets of leaves that make the top false, as sentences."""
    more_cuts: tuple[Markup, ...]
    """The sets after these."""
    cuts_note: str
    """Whether these are all; or why there are none."""


def hangs_of(
    case: Case,
    rows: Iterable[Sensitivity],
    cuts: CutSets | None,
    why_not: str,
    anchors: Mapping[str, str],
) -> Hangs | None:
    """What a verdict hangs on, for a page; None for a case without leaves.

    Arguments:
        case: the argument.
        rows: what hangs on each leaf, from ``case.sensitivity``.
        cuts: the minimal cut sets, None when they could not be made.
        why_not: why not.
        anchors: where the panel of each element is.
    """
    every = list(rows)
    if not every:
        return None
    telling = [row for row in every if row.decides or abs(row.birnbaum or 0.0) >= TELLS]
    shown = telling[:MOST_LEAVES]
    sets = cuts.sets[: MOST_SETS + MOST_HIDDEN] if cuts else ()
    said = tuple(sentence(cut, anchors) for cut in sets)
    return Hangs(
        lede=lede(every),
        rows=tuple(hanging(case, row, anchors) for row in shown),
        left_out=left_out(len(every), len(telling), len(shown)),
        numbered=any(row.birnbaum is not None for row in shown),
        cuts=said[:MOST_SETS],
        more_cuts=said[MOST_SETS:],
        cuts_note=note(cuts) if cuts else why_not,
    )


def hanging(case: Case, row: Sensitivity, anchors: Mapping[str, str]) -> Hanging:
    """One leaf of the table."""
    node = case.nodes[row.leaf]
    return Hanging(
        id=row.leaf,
        anchor=anchors[row.leaf],
        text=node.text or "",
        value=(DOUBTS if node.kind in COUNTERS else VALUES)[row.value],
        decides=row.decides,
        without=BY_VALUE[row.without],
        if_true=BY_VALUE[row.if_true],
        if_false=BY_VALUE[row.if_false],
        weight=weight(row.birnbaum),
        bar=round(100 * min(1.0, abs(row.birnbaum or 0.0)), 1),
        against=(row.birnbaum or 0.0) < 0,
    )


def weight(number: float | None) -> str:
    """A difference or share of probabilities in hundredths: what it is made from supports no more.

    Example:
        >>> weight(0.6249), weight(-0.3), weight(0.001), weight(0.0)
        ('0.62', '−0.30', '< 0.01', '0')
    """
    if number is None:
        return ""
    if number == 0:
        return "0"
    if abs(number) < TELLS:
        return "< 0.01" if number > 0 else "> −0.01"
    return f"{'−' if number < 0 else ''}{abs(number):.2f}"


def lede(rows: list[Sensitivity]) -> str:
    """Which leaves decide by themselves, and what they can make of the case."""
    deciding = [row for row in rows if row.decides]
    if not deciding:
        return "No leaf decides by itself: while all others stay as they are, the verdict stays too."
    raising = [
        row.leaf
        for row in deciding
        if any("FUT".index(other) > "FUT".index(row.top) for other in (row.if_true, row.if_false))
    ]
    falling = [row.leaf for row in deciding if row.leaf not in raising]
    parts = [(raising, "raises"), (falling, "lowers")]
    return " ".join(
        f"A change of {_listed(names)} alone {verb} the verdict." for names, verb in parts if names
    )


def _listed(names: list[str]) -> str:
    """Three names, and how many more there are."""
    more = [f"one of {len(names) - 3} more"] if len(names) > 3 else []
    said = [*names[:3], *more]
    return ", ".join(said[:-1]) + f" or {said[-1]}" if len(said) > 1 else said[0]


def left_out(every: int, telling: int, shown: int) -> str:
    """What is said of the leaves that are not in the table."""
    quiet, heavy = every - telling, telling - shown
    parts = []
    if heavy:
        parts.append(f"{heavy} lighter leaves are in the JSON.")
    if quiet:
        noun = "leaf moves" if quiet == 1 else "leaves move"
        parts.append(f"{quiet} {noun} the top by less than a hundredth, and not alone.")
    return " ".join(parts)


def sentence(cut: CutSet, anchors: Mapping[str, str]) -> Markup:
    """What must happen for the top to be false, each leaf with the way to its panel.

    Example:
        >>> from pellucid.cases.confidence import CutSet
        >>> sentence(CutSet(frozenset({"Sn1", "Sn2"}), frozenset({"CSn1"})), {}).striptags()
        'Sn1 and Sn2 fail and CSn1 proves right'
    """
    parts = []
    if cut.false:
        verb = "fails" if len(cut.false) == 1 else "fail"
        parts.append(Markup("{} {}").format(_and(cut.false, anchors), verb))
    if cut.true:
        verb = "proves" if len(cut.true) == 1 else "prove"
        parts.append(Markup("{} {} right").format(_and(cut.true, anchors), verb))
    return Markup(" and ").join(parts) or Markup("nothing has to happen")


def _and(names: frozenset[str], anchors: Mapping[str, str]) -> Markup:
    linked = [Markup('<a href="#{}">{}</a>').format(anchors.get(name, ""), name) for name in sorted(names)]
    return Markup(" and ").join([Markup(", ").join(linked[:-1]), linked[-1]] if len(linked) > 1 else linked)


def note(cuts: CutSets) -> str:
    """How complete the list is."""
    if not cuts.sets and cuts.complete:
        return "No set of leaves makes the top false."
    if not cuts.sets:
        return "There are too many sets of leaves that make the top false to list them."
    hidden = len(cuts.sets) - MOST_SETS - MOST_HIDDEN
    rest = f" {hidden} more are in the JSON." if hidden > 0 else ""
    if cuts.complete:
        return f"These are all.{rest}"
    leaves = "single leaves" if cuts.largest == 1 else f"sets of up to {cuts.largest} leaves"
    return f"Only {leaves} were listed; there are larger ones.{rest}"
