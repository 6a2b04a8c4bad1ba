"""The debate about a case: each doubt beside the replies to it, what nobody has answered first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pellucid.web.states import DOUBTS, OUTCOMES, REPLIES, State
from pellucid.web.templating import day, plural

if TYPE_CHECKING:
    from pellucid.cases import Case, Debate
    from pellucid.cases.dialectic import Exchange

MOST_DOUBTS = 60


@dataclass(frozen=True)
class Named:
    """An element that a doubt or a reply is, or is about."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is; empty when it is not in the case."""
    text: str
    """What it says."""
    value: State | None
    """Its value, staleness ignored."""
    now: State | None
    """Its value now."""


@dataclass(frozen=True)
class Doubt:
    """A doubt with all replies to it."""

    doubt: Named
    """The doubt."""
    depth: int
    """1 for a doubt about the argument, 2 for a reply that is doubted itself, and so on."""
    kind: str
    """How it attacks: rebutting, undercutting or undermining."""
    raised: str
    """Who or what raised it."""
    target: tuple[Named, ...]
    """What it is about."""
    replies: tuple[Named, ...]
    """The replies."""
    outcome: State
    """What became of it."""
    residual: str
    """Why it is accepted without an answer, by whom and when."""


@dataclass(frozen=True)
class Dispute:
    """The section of a page."""

    lede: str
    """How it stands, as a sentence."""
    doubts: tuple[Doubt, ...]
    """Each doubt, what nobody has answered first."""
    left_out: str
    """How many doubts are not shown; empty when all are."""
    completeness: str
    """For how many leaves a doubt was considered."""
    waived: tuple[str, ...]
    """Doubts that somebody decided not to raise."""
    otherwise: tuple[str, ...]
    """Elements that could be read otherwise, or why nobody looked."""


def dispute_of(case: Case, found: Debate, anchors: Mapping[str, str]) -> Dispute | None:
    """A debate for a page; None when nobody has raised or waived a doubt.

    Arguments:
        case: the argument.
        found: its debate.
        anchors: where the panel of each element is.
    """
    if not found.rows and not found.waived:
        return None
    doubts = [doubt for chain in chains(found.rows) for doubt in told(case, chain, anchors)]
    hidden = len(doubts) - MOST_DOUBTS
    return Dispute(
        lede=lede(found),
        doubts=tuple(doubts[:MOST_DOUBTS]),
        left_out=f"{plural(hidden, 'more doubt')} in the JSON." if hidden > 0 else "",
        completeness=completeness(found),
        waived=tuple(f"{waiver}." for waiver in found.waived),
        otherwise=tuple(readings(found)),
    )


def lede(found: Debate) -> str:
    """How many doubts there are, and what became of them."""
    whole = len({row.defeater for row in found.rows if row.depth % 2})
    unanswered, residual = len(found.unanswered), len(found.residual)
    if not whole:
        return "No doubt is raised."
    parts = [
        f"{unanswered} unanswered" if unanswered else "",
        f"{residual} accepted without an answer" if residual else "",
    ]
    words = ", ".join(part for part in parts if part) or "all answered"
    return f"{plural(whole, 'doubt')} raised: {words}."


def completeness(found: Debate) -> str:
    """For how many leaves of the argument a doubt was considered."""
    return (
        f"For {found.considered} of {plural(found.leaves, 'leaf', 'leaves')} "
        "at least one doubt was raised or waived."
    )


def chains(rows: Iterable[Exchange]) -> list[list[Exchange]]:
    """Each doubt about the argument with the replies below it, worst outcome first, then as stated."""
    found: list[list[Exchange]] = []
    for row in rows:
        if row.depth == 1 and (not found or found[-1][0].defeater != row.defeater):
            found.append([])
        if not found:
            found.append([])
        found[-1].append(row)
    ranks = list(OUTCOMES)
    return sorted(found, key=lambda chain: ranks.index(chain[0].outcome))


def told(case: Case, rows: Iterable[Exchange], anchors: Mapping[str, str]) -> Iterator[Doubt]:
    """Each doubt of a chain, its replies together."""

    def named(name: str, depth: int = 0, value: str | None = None, now: str | None = None) -> Named:
        """An element with what the debate says of it; on even levels stand replies."""
        node = case.nodes.get(name)
        text = (node.text or "").strip() if node else ""
        words = DOUBTS if depth % 2 else REPLIES
        states = (words[value] if value else None, words[now] if now else None)
        return Named(name, anchors.get(name, ""), text, *states)

    for _, group in groupby(rows, key=lambda row: row.defeater):
        same = list(group)
        row = same[0]
        if row.depth % 2 == 0 and row.reply is None:
            continue  # a reply that nobody doubts stands beside its doubt already
        yield Doubt(
            doubt=named(row.defeater, row.depth, row.value, row.now),
            depth=row.depth,
            kind=row.kind,
            raised=raised(case, row),
            target=tuple(named(name) for name in row.target),
            replies=tuple(named(r.reply, r.depth + 1, r.reply_value, r.reply_now) for r in same if r.reply),
            outcome=OUTCOMES[row.outcome] if row.depth % 2 else REPLIES[row.now],
            residual=row.residual,
        )


def raised(case: Case, row: Exchange) -> str:
    """Who or what raised a doubt, and when."""
    if case.nodes[row.defeater].layer("automatic"):
        return "raised by the evidence itself"
    return ", ".join(part for part in (row.raised_by, day(row.on)) if part)


def readings(found: Debate) -> Iterator[str]:
    """What a reader could also take the argument to say."""
    for one in found.otherwise:
        yield f"{one.element} holds in {one.readings} of {one.of} preferred readings."
    if found.circles and len(found.rows) > 1:
        yield f"Other readings were not looked for: {found.circles}"
