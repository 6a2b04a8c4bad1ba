"""Whether several tracks agree, and what keeps each from deciding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations

from pellucid.cases.review.events import parse_time
from pellucid.cases.review.replay import LIVE, Review, State
from pellucid.findings import Diagnostic


@dataclass(frozen=True)
class Contradiction:
    """A claim that one track accepted and another defeated, without a recorded reconciliation."""

    claim: str
    """The claim."""
    accepted: str
    """The track that accepted it."""
    defeated: str
    """The track that defeated it."""


def contradictions(state: State) -> list[Contradiction]:
    """Every claim on which two tracks stand against each other, by claim and track.

    A reconciliation explains the decisions that stood when it was recorded; a later decision needs its own.
    """
    decided = sorted(
        (review for review in state.reviews.values() if review.status == "decided"),
        key=lambda review: (review.claim, review.track),
    )
    found = []
    for one, other in combinations(decided, 2):
        opposed = {one.outcome, other.outcome} == {"accepted", "defeated"}
        if one.claim == other.claim and opposed and not _reconciled(state, one, other):
            accepted, defeated = (one, other) if one.outcome == "accepted" else (other, one)
            found.append(Contradiction(one.claim, accepted.track, defeated.track))
    return found


def _reconciled(state: State, one: Review, other: Review) -> bool:
    both = {(one.track, one.round), (other.track, other.round)}
    return any(made.claim == one.claim and both <= set(made.decisions) for made in state.reconciliations)


def check_coherence(state: State, now: datetime | None = None) -> list[Diagnostic]:
    """T01 to T03 and R08: what is missing for each open review, and where tracks contradict each other.

    Args:
        state: what the log has come to.
        now: the moment of the check, by which the speed target of a track is judged; None: this one.
    """
    now = now or datetime.now(UTC)
    reviews = [review for _, review in sorted(state.reviews.items())]
    live = (found for one in reviews if one.status in LIVE for found in _pending(state, one, now))
    left = (found for one in reviews if one.status in (*LIVE, "superseded") for found in _waiting(one))
    return [*_contradicting(state), *live, *left]


def _contradicting(state: State) -> Iterator[Diagnostic]:
    for one in contradictions(state):
        problem = f"'{one.claim}' is accepted in the track '{one.accepted}' and defeated in '{one.defeated}'."
        remedy = "Record why both may stand (reconcile), or open one of them again on a changed case."
        yield Diagnostic("T03", "error", f"claim {one.claim}", problem, remedy)


def _pending(state: State, review: Review, now: datetime) -> Iterator[Diagnostic]:
    track, where = state.tracks[review.track], f"{review.track} {review.claim}"
    voted = sum(member in review.votes for member in track.members)
    if voted < track.quorum:
        problem = f"{voted} of the {track.quorum} members that must vote on '{review.claim}' have voted."
        missing = ", ".join(member for member in track.members if member not in review.votes)
        yield Diagnostic("T01", "warning", where, problem, f"Still to vote: {missing}.")
    due = parse_time(review.opened) + timedelta(days=track.speed_target)
    if now > due:
        problem = f"'{review.claim}' was to be decided by {due:%Y-%m-%d} and is not."
        yield Diagnostic(
            "R08", "warning", where, problem, "Decide it, or give the track another speed target."
        )


def _waiting(review: Review) -> Iterator[Diagnostic]:
    if not review.waiting:
        return
    problem = f"{len(review.waiting)} comments on '{review.claim}' wait: {', '.join(review.waiting)}."
    again = "Open the claim again on the present case, then answer or carry each."
    remedy = again if review.status == "superseded" else "Answer or carry each before deciding."
    yield Diagnostic("T02", "warning", f"{review.track} {review.claim}", problem, remedy)
