"""Simulated reviews, run through the real rules: speed against breadth, and what a coordinator is for.

Illustrations of an argument, not measurements of any institution: people, rates and effort are made up.

Source: Fort 2024, arXiv 2409.11314.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pellucid.cases.review.coherence import Contradiction, contradictions
from pellucid.cases.review.events import Event, utc
from pellucid.cases.review.replay import State, replay, step
from pellucid.cases.review.tracks import Track
from pellucid.findings import InputError

_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Effort:
    """How busy a simulated review is."""

    commenting: float = 0.05
    """Mean comments of one participant in a day."""
    public: int = 0
    """Participants beside the members, where anyone may comment."""
    answering: float = 0.5
    """Comments that one member answers in a day; the rest is carried when a decision falls."""
    reading: int = 7
    """Days before a member is ready to vote, at the earliest; each needs up to three times as long."""
    accepting: float = 0.9
    """Probability that a member votes to accept."""


@dataclass(frozen=True)
class TrackRun:
    """What one simulated review came to."""

    track: str
    """The track."""
    outcome: str
    """accepted, defeated or returned."""
    days: int
    """Days from opening to decision."""
    comments: int
    """Comments made."""
    answered: int
    """Comments answered before the decision; the others were carried."""
    commenters: int
    """People who commented."""

    @property
    def handled(self) -> float:
        """The share of comments answered; 1 without comments."""
        return self.answered / self.comments if self.comments else 1.0


def simulate_tracks(
    tracks: Sequence[Track], seed: int, *, efforts: Sequence[Effort] | None = None, claim: str = "G0"
) -> list[TrackRun]:
    """Review one claim in several tracks, day by day, through the same rules as a real review.

    Each day people comment, members answer what waits, and members who have read enough vote; the track
    decides on the first day on which its quorum is there, its comments are closed and every member has
    voted or the target has passed. What is unanswered then is carried, never dropped.

    Args:
        tracks: the tracks; names differ.
        seed: of the draws.
        efforts: how busy each is; by default only open tracks have a public, of 40.
        claim: what is reviewed.

    Raises:
        InputError: Y105 when tracks share a name or ``efforts`` has another length.

    Example:
        >>> from pellucid.cases.review import core
        >>> [run.track for run in simulate_tracks([core("institutes", ["a", "b", "c"])], seed=0)]
        ['institutes']
    """
    busy = [_usual(track) for track in tracks] if efforts is None else list(efforts)
    if len(busy) != len(tracks) or len({track.name for track in tracks}) < len(tracks):
        problem = (
            f"{len(tracks)} tracks with {len({track.name for track in tracks})} names, {len(busy)} efforts."
        )
        raise InputError("Y105", problem, "Name each track differently, and give one effort for each.")
    return [_run(track, effort, claim, seed) for track, effort in zip(tracks, busy, strict=True)]


def _usual(track: Track) -> Effort:
    return Effort(public=40 if track.visibility == "open" else 0)


def _run(track: Track, effort: Effort, claim: str, seed: int) -> TrackRun:
    draw = random.Random(f"{seed}/{track.name}")
    ready = {member: draw.randint(effort.reading, 3 * effort.reading) for member in track.members}
    state = replay(_opening(track, claim))
    for day in range(1, 100_000):
        state = _day(state, track, effort, claim, day, draw)
        for member, first in ready.items():
            if first == day:
                vote = "accept" if draw.random() < effort.accepting else "defeat"
                state = step(state, _event("vote", member, day, track, claim, vote=vote))
        if _due(state, track, claim, day):
            return _ended(state, track, claim, day)
    raise AssertionError("every member votes within three times the reading time")


def _opening(track: Track, claim: str) -> list[Event]:
    who, time = track.members[0], utc(_START)
    said = {"case": "0" * 64, "tags": list(track.scope_tags)}
    return [
        Event("track", who, time, track.name, "", {"track": track.to_dict()}),
        Event("open", who, time, track.name, claim, said),
    ]


def _event(kind: str, by: str, day: int, track: Track, claim: str, **said: object) -> Event:
    return Event(kind, by, utc(_START + timedelta(days=day)), track.name, claim, said)


def _day(state: State, track: Track, effort: Effort, claim: str, day: int, draw: random.Random) -> State:
    people = [*track.members, *(f"public {index}" for index in range(effort.public))]
    if not track.comment_days or day <= track.comment_days:
        for person in people:
            if draw.random() < effort.commenting:
                name = f"c{len(state.review(track.name, claim).comments) + 1}"
                said = {"id": name, "text": f"sha256:{draw.randbytes(32).hex()}"}
                state = step(state, _event("comment", person, day, track, claim, **said))
    for name in state.review(track.name, claim).waiting[: _capacity(track, effort, draw)]:
        said = {"id": name, "how": "answered", "text": f"sha256:{draw.randbytes(32).hex()}"}
        state = step(state, _event("answer", track.members[0], day, track, claim, **said))
    return state


def _capacity(track: Track, effort: Effort, draw: random.Random) -> int:
    """Comments that the members answer today: the whole part, and one more with the rest as probability."""
    wanted = effort.answering * len(track.members)
    return int(wanted) + (draw.random() < wanted - int(wanted))


def _due(state: State, track: Track, claim: str, day: int) -> bool:
    voted = len(state.review(track.name, claim).votes)
    closed = day > track.comment_days
    return closed and voted >= track.quorum and (voted == len(track.members) or day >= track.speed_target)


def _ended(state: State, track: Track, claim: str, day: int) -> TrackRun:
    before = state.review(track.name, claim)
    for name in before.waiting:
        said = {"id": name, "how": "carried", "text": f"sha256:{'0' * 64}"}
        state = step(state, _event("answer", track.members[0], day, track, claim, **said))
    outcome = track.decide(before.votes)
    after = step(state, _event("decide", track.members[0], day, track, claim, outcome=outcome))
    comments = after.review(track.name, claim).comments
    answered = sum(comment.handled == "answered" for comment in comments)
    commenters = len({comment.by for comment in comments})
    return TrackRun(track.name, outcome, day, len(comments), answered, commenters)


@dataclass(frozen=True)
class Coordination:
    """Planted contradictions between tracks, and who came to see them."""

    planted: int
    """Claims that one track accepted and another defeated."""
    with_coordinator: int
    """Found when one body reads the records of all tracks."""
    without: int
    """Found when each track reads its own records, and people who sit in two may notice."""

    @property
    def shares(self) -> tuple[float, float]:
        """The shares found, with and without a coordinator; 1 when nothing was planted."""
        if not self.planted:
            return 1.0, 1.0
        return self.with_coordinator / self.planted, self.without / self.planted


def simulate_coordination(
    tracks: Sequence[Track], claims: int, contradicted: int, seed: int, *, noticing: float = 0.5
) -> Coordination:
    """Plant contradictory decisions in several tracks and count which come to light.

    Each claim is decided in two tracks drawn at random; in ``contradicted`` of them the two disagree. A
    coordinator runs the coherence check on all records. Without one, a contradiction is found if one of the
    people who are members of both tracks notices it.

    Args:
        tracks: at least two, names differ.
        claims: how many claims are decided.
        contradicted: in how many of them the two tracks disagree.
        seed: of the draws.
        noticing: probability that a person who sits in both tracks notices.

    Raises:
        InputError: Y105 when the numbers do not fit.

    Example:
        >>> from pellucid.cases.review import core
        >>> pair = [core("a", ["x", "y", "z"]), core("b", ["u", "v", "w"])]
        >>> simulate_coordination(pair, claims=10, contradicted=4, seed=0).shares
        (1.0, 0.0)
    """
    if len({track.name for track in tracks}) < 2 or len({track.name for track in tracks}) < len(tracks):
        raise InputError(
            "Y105", "Contradictions need two tracks of different names.", "Give at least two tracks."
        )
    if not 0 <= contradicted <= claims or not 0.0 <= noticing <= 1.0:
        problem = f"{contradicted} contradictions in {claims} claims, noticed with probability {noticing}."
        raise InputError(
            "Y105", problem, "Plant at most as many as there are claims; probabilities lie in 0 to 1."
        )
    draw = random.Random(seed)
    pairs = [tuple(draw.sample(range(len(tracks)), 2)) for _ in range(claims)]
    opposed = set(draw.sample(range(claims), contradicted))
    state = replay(_decisions([(tracks[a], tracks[b]) for a, b in pairs], opposed, tracks))
    found = contradictions(state)
    return Coordination(contradicted, len(found), sum(_noticed(state, one, noticing, draw) for one in found))


def _decisions(
    pairs: Sequence[tuple[Track, Track]], opposed: set[int], tracks: Sequence[Track]
) -> list[Event]:
    time = utc(_START)
    events = [Event("track", one.members[0], time, one.name, "", {"track": one.to_dict()}) for one in tracks]
    for index, (one, other) in enumerate(pairs):
        events += _decided(one, f"G{index}", "accept")
        events += _decided(other, f"G{index}", "defeat" if index in opposed else "accept")
    return sorted(events, key=lambda event: event.time)


def _decided(track: Track, claim: str, vote: str) -> list[Event]:
    day = track.comment_days + 1
    votes = [_event("vote", member, day, track, claim, vote=vote) for member in track.members]
    outcome = track.decide(dict.fromkeys(track.members, vote))
    return [
        _event("open", track.members[0], 0, track, claim, case="0" * 64, tags=list(track.scope_tags)),
        *votes,
        _event("decide", track.members[0], day, track, claim, outcome=outcome),
    ]


def _noticed(state: State, one: Contradiction, noticing: float, draw: random.Random) -> bool:
    both = set(state.tracks[one.accepted].members) & set(state.tracks[one.defeated].members)
    return any(draw.random() < noticing for _ in sorted(both))
