"""The present state of a review, as a pure function of its events: the same events give the same digest.

A review of one claim in one track goes draft, open, commented, decided (accepted, defeated or returned),
superseded. What was returned or superseded can be opened again: then a new round begins, and comments that
nobody had answered, or that were carried, wait for an answer in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import reduce
from typing import Any, Literal

from pellucid.cases.review.events import FIELDS, Event, digest, parse_time
from pellucid.cases.review.tracks import VOTES, Outcome, Track
from pellucid.findings import InputError, did_you_mean

Status = Literal["draft", "open", "commented", "decided", "superseded"]
LIVE = frozenset({"open", "commented"})
HANDLED = ("answered", "carried")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Comment:
    """A remark on a claim; it is never removed."""

    id: str
    """Its id in the log."""
    by: str
    """Who made it."""
    text: str
    """What it says, or its digest in a track that exchanges digests only."""
    round: int
    """The round in which it was made."""
    handled: str = ""
    """answered, carried into the next round, or empty while it waits."""
    answer: str = ""
    """What was said to it."""


@dataclass(frozen=True)
class Review:
    """One claim in one track."""

    track: str
    """The track."""
    claim: str
    """The claim."""
    status: Status = "draft"
    """Where it stands."""
    round: int = 0
    """How often it was opened."""
    case: str = ""
    """Digest of the case that is under review."""
    opened: str = ""
    """When this round was opened."""
    comments: tuple[Comment, ...] = ()
    """Every comment of every round."""
    votes: Mapping[str, str] = field(default_factory=dict)
    """The last vote of each member in this round."""
    outcome: Outcome | None = None
    """What was decided."""
    decided: str = ""
    """When it was decided."""

    @property
    def waiting(self) -> tuple[str, ...]:
        """Comments that nobody has answered or carried."""
        return tuple(comment.id for comment in self.comments if not comment.handled)


@dataclass(frozen=True)
class Rating:
    """One person's judgement of a leaf."""

    leaf: str
    """The leaf."""
    by: str
    """Who judged."""
    value: str
    """The judgement."""


@dataclass(frozen=True)
class Reconciliation:
    """A recorded explanation of two decisions that contradict each other."""

    claim: str
    """The claim."""
    decisions: tuple[tuple[str, int], ...]
    """Track and round of each decision that it explains."""
    by: str
    """Who recorded it."""
    text: str
    """Why both may stand."""


@dataclass(frozen=True)
class State:
    """Everything that a log has come to."""

    tracks: Mapping[str, Track] = field(default_factory=dict)
    """The tracks by name."""
    reviews: Mapping[tuple[str, str], Review] = field(default_factory=dict)
    """The reviews by track and claim."""
    ratings: tuple[Rating, ...] = ()
    """The last judgement of each person about each leaf."""
    reconciliations: tuple[Reconciliation, ...] = ()
    """Every recorded reconciliation."""
    last: str = ""
    """Time of the last event."""

    def review(self, track: str, claim: str) -> Review:
        """The review of a claim in a track; a draft when it was never opened."""
        return self.reviews.get((track, claim), Review(track, claim))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "tracks": {name: track.to_dict() for name, track in sorted(self.tracks.items())},
            "reviews": [asdict(review) for _, review in sorted(self.reviews.items())],
            "ratings": [asdict(rating) for rating in self.ratings],
            "reconciliations": [asdict(one) for one in self.reconciliations],
            "last": self.last,
        }

    @property
    def digest(self) -> str:
        """sha256 of everything."""
        return digest(self.to_dict())


def replay(events: Iterable[Event]) -> State:
    """The state after a list of events.

    Raises:
        InputError: Y100 for an event that could not happen then, T01 for a decision without quorum, T02 for
            one over a comment that nobody answered or carried.

    Example:
        >>> replay([]).digest == replay([]).digest
        True
    """
    return reduce(step, events, State())


def step(state: State, event: Event) -> State:
    """The state after one more event.

    Raises:
        InputError: as ``replay``.
    """
    _admit(state, event)
    return replace(_STEPS[event.kind](state, event), last=event.time)


def _admit(state: State, event: Event) -> None:
    if event.kind not in FIELDS:
        remedy = f"{did_you_mean(event.kind, FIELDS)} There are {', '.join(FIELDS)}.".strip()
        raise InputError("Y100", f"'{event.kind}' is no event of a review.", remedy)
    parse_time(event.time)
    if not all(map(_is_text, (event.by, event.track, event.claim))):
        raise InputError(
            "Y100", f"The event '{event.kind}' names what is no text.", "Write names in Unicode."
        )
    lacking = [name for name in FIELDS[event.kind] if name not in event.said]
    if lacking:
        _refuse(event, f"states no {lacking[0]}", f"Such an event states {', '.join(FIELDS[event.kind])}.")
    _admit_values(event)
    if not event.by.strip():
        _refuse(event, "names nobody who did it", "Say who did it.")
    if state.last and event.time < state.last:
        _refuse(event, f"is of {event.time}, before the last one of {state.last}", "Set the clock right.")
    if event.kind not in ("track", "rate", "reconcile") and event.track not in state.tracks:
        names = ", ".join(state.tracks) or "none yet"
        _refuse(event, f"is in the track '{event.track}', which nobody set up", f"Tracks: {names}.")


def _admit_values(event: Event) -> None:
    strange = [name for name in event.said if name not in (*FIELDS[event.kind], "tags")]
    if strange:
        _refuse(event, f"states '{strange[0]}'", f"Such an event states {', '.join(FIELDS[event.kind])}.")
    for name, value in event.said.items():
        if not _fits(name, value):
            _refuse(event, f"states no readable '{name}'", "Texts, and lists of texts, in Unicode.")


def _fits(name: str, value: Any) -> bool:
    """Whether a value of an event has its type and can be written down."""
    if name == "track":
        return isinstance(value, Mapping)
    if name in ("tracks", "tags"):
        return isinstance(value, list | tuple) and all(_is_text(one) for one in value)
    return _is_text(value)


def _is_text(value: Any) -> bool:
    # A lone half of a surrogate pair, as a terminal may give it, has no form in UTF-8.
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _refuse(event: Event, problem: str, remedy: str, code: str = "Y100") -> None:
    about = f" on '{event.claim}'" if event.claim else ""
    raise InputError(code, f"The event '{event.kind}'{about} by {event.by or 'nobody'} {problem}.", remedy)


def _with(state: State, review: Review) -> State:
    return replace(state, reviews={**state.reviews, (review.track, review.claim): review})


def _track(state: State, event: Event) -> State:
    track = Track.of(event.said["track"])
    busy = [
        review.claim
        for review in state.reviews.values()
        if review.track == track.name and review.status in LIVE
    ]
    if busy:
        _refuse(event, f"changes the track '{track.name}' while it reviews '{busy[0]}'", "Decide that first.")
    return replace(state, tracks={**state.tracks, track.name: track})


def _member(state: State, event: Event) -> Track:
    track = state.tracks[event.track]
    if event.by not in track.members:
        members = ", ".join(track.members)
        _refuse(event, f"is not by a member of the track '{track.name}'", f"Members: {members}.")
    return track


def _live(state: State, event: Event) -> Review:
    review = state.review(event.track, event.claim)
    if review.status not in LIVE:
        remedy = "Open it first." if review.status == "draft" else "Open it again first, on the present case."
        _refuse(event, f"finds the claim {review.status} in the track '{event.track}'", remedy)
    return review


def _open(state: State, event: Event) -> State:
    track, review = _member(state, event), state.review(event.track, event.claim)
    if not event.claim.strip():
        _refuse(event, "names no claim", "Name a claim of the case.")
    if track.scope_tags and not set(event.said.get("tags", ())) & set(track.scope_tags):
        wanted = ", ".join(track.scope_tags)
        _refuse(event, f"is out of the scope of the track '{track.name}'", f"Its scope: {wanted}.")
    if review.status not in ("draft", "superseded") and review.outcome != "returned":
        word = review.outcome or review.status
        _refuse(event, f"finds it {word} already", "Only what was returned or superseded is opened again.")
    waiting = tuple(replace(one, handled="") if one.handled == "carried" else one for one in review.comments)
    fresh = Review(
        event.track, event.claim, "open", review.round + 1, str(event.said["case"]), event.time, waiting
    )
    return _with(
        state, fresh if not waiting else replace(fresh, status="commented" if fresh.waiting else "open")
    )


def _comment(state: State, event: Event) -> State:
    track, review = state.tracks[event.track], _live(state, event)
    if track.visibility != "open":
        _member(state, event)
    _texts_fit(track, event)
    closes = _closes(track, review)
    if closes and event.moment > closes:
        _refuse(event, f"comes after comments closed on {closes:%Y-%m-%d}", "Bring it up in another round.")
    name = str(event.said["id"])
    if any(comment.id == name for comment in review.comments):
        _refuse(event, f"takes the id '{name}' a second time", "Give each comment its own id.")
    comment = Comment(name, event.by, str(event.said["text"]), review.round)
    return _with(state, replace(review, status="commented", comments=(*review.comments, comment)))


def _texts_fit(track: Track, event: Event) -> None:
    text = str(event.said["text"])
    if not text.strip():
        _refuse(event, "says nothing", "Write what there is to say.")
    if track.visibility == "digests" and not _HASH.fullmatch(text):
        _refuse(
            event,
            f"carries a text into the track '{track.name}'",
            "That track exchanges digests: sha256:HEX.",
        )


def _closes(track: Track, review: Review) -> Any:
    return parse_time(review.opened) + timedelta(days=track.comment_days) if track.comment_days else None


def _answer(state: State, event: Event) -> State:
    review, how, name = _live(state, event), str(event.said["how"]), str(event.said["id"])
    _texts_fit(state.tracks[event.track], event)
    if how not in HANDLED:
        _refuse(event, f"handles a comment by '{how}'", f"A comment is {' or '.join(HANDLED)}.")
    if name not in {comment.id for comment in review.comments}:
        known = [comment.id for comment in review.comments]
        hint = did_you_mean(name, known) or f"Comments: {', '.join(known) or 'none'}."
        _refuse(event, f"answers '{name}', which nobody said", hint)
    changed = tuple(
        replace(one, handled=how, answer=str(event.said["text"])) if one.id == name else one
        for one in review.comments
    )
    return _with(state, replace(review, comments=changed))


def _vote(state: State, event: Event) -> State:
    _member(state, event)
    review, vote = _live(state, event), str(event.said["vote"])
    if vote not in VOTES:
        _refuse(
            event, f"votes '{vote}'", f"{did_you_mean(vote, VOTES)} A vote is {', '.join(VOTES)}.".strip()
        )
    return _with(state, replace(review, votes={**review.votes, event.by: vote}))


def _decide(state: State, event: Event) -> State:
    track, review = _member(state, event), _live(state, event)
    closes = _closes(track, review)
    if closes and event.moment <= closes:
        _refuse(event, f"comes before comments close on {closes:%Y-%m-%d}", "Wait until then.")
    # Members at the time of the decision: the track may have been set up anew since an earlier round.
    voted = [member for member in track.members if member in review.votes]
    if len(voted) < track.quorum:
        problem = f"has {len(voted)} of the {track.quorum} votes that the track '{track.name}' needs"
        _refuse(event, problem, "Let more members vote.", "T01")
    if review.waiting:
        problem = f"passes over {len(review.waiting)} comments: {', '.join(review.waiting)}"
        _refuse(event, problem, "Answer or carry each comment first.", "T02")
    outcome = track.decide(review.votes)
    if event.said["outcome"] != outcome:
        problem = f"says {event.said['outcome']}, but by {track.decision_rule} the votes come to {outcome}"
        _refuse(event, problem, "A decision is what the votes come to.")
    return _with(state, replace(review, status="decided", outcome=outcome, decided=event.time))


def _rate(state: State, event: Event) -> State:
    leaf, value = str(event.said["leaf"]), str(event.said["value"]).strip()
    if not leaf.strip() or not value:
        _refuse(event, "rates nothing, or by nothing", "Name a leaf and a value.")
    kept = tuple(one for one in state.ratings if (one.leaf, one.by) != (leaf, event.by))
    return replace(state, ratings=(*kept, Rating(leaf, event.by, value)))


def _reconcile(state: State, event: Event) -> State:
    names = [str(name) for name in event.said["tracks"]]
    reviews = [state.review(name, event.claim) for name in dict.fromkeys(names)]
    outcomes = {review.outcome for review in reviews if review.status == "decided"}
    if not {"accepted", "defeated"} <= outcomes:
        shown = ", ".join(f"{review.track} {review.outcome or review.status}" for review in reviews)
        _refuse(
            event, f"finds no contradiction: {shown or 'no track'}", "Name tracks that decided otherwise."
        )
    if not str(event.said["text"]).strip():
        _refuse(event, "gives no reason", "Say why both decisions may stand.")
    decisions = tuple(
        sorted((review.track, review.round) for review in reviews if review.status == "decided")
    )
    made = Reconciliation(event.claim, decisions, event.by, str(event.said["text"]))
    return replace(state, reconciliations=(*state.reconciliations, made))


def _supersede(state: State, event: Event) -> State:
    review = state.review(event.track, event.claim)
    if review.status in ("draft", "superseded") or review.case == event.said["case"]:
        _refuse(
            event,
            f"finds nothing to supersede: {review.status}",
            "A changed case supersedes what was opened.",
        )
    return _with(state, replace(review, status="superseded"))


_STEPS: Mapping[str, Callable[[State, Event], State]] = {
    "track": _track,
    "open": _open,
    "comment": _comment,
    "answer": _answer,
    "vote": _vote,
    "decide": _decide,
    "rate": _rate,
    "reconcile": _reconcile,
    "supersede": _supersede,
}
