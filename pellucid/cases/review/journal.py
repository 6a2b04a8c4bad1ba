"""The log of a review: a file of JSON lines to which entries are only added, each chained to the one before.

An entry that was changed, left out or moved breaks the chain at the first line that no longer fits, and the
reader names it. Entries cut off at the end cannot be seen in the file itself: note the digest of the last one
(``Journal.head``) elsewhere and give it when reading.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from pellucid.cases.defeaters.catalogue import require
from pellucid.cases.review.events import GENESIS, Event, utc
from pellucid.cases.review.replay import LIVE, State, replay, step
from pellucid.cases.review.tracks import Track, tags
from pellucid.findings import InputError, MissingError

if TYPE_CHECKING:
    from pellucid.cases.case import Case

_FIELDS = frozenset(field.name for field in fields(Event))


def read_log(path: str | Path, head: str | None = None) -> list[Event]:
    """The events of a log, after checking the chain.

    Args:
        path: the file.
        head: digest of the last event, noted earlier; the log must still contain it.

    Raises:
        MissingError: Y102 when there is no such file.
        InputError: Y101 names the first line that is broken; Y102 when the file cannot be read.

    Example: ``replay(read_log("review.jsonl"))``.
    """
    events, digests = _read(path)
    if head is not None and head not in digests:
        problem = f"{path} no longer holds the event {head[:12]}: its end was cut off or written anew."
        raise InputError("Y101", problem, "Restore the file from a copy.")
    return events


def _read(path: str | Path) -> tuple[list[Event], list[str]]:
    try:
        with Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            data = file.read()
    except FileNotFoundError:
        raise MissingError(
            "Y102", f"No review log {path}.", "Set up a track first; that begins a log."
        ) from None
    except OSError as error:
        raise InputError(
            "Y102", f"{path} cannot be read: {error.strerror}.", "Give a readable file."
        ) from None
    return _chain(data, str(path))


def _chain(data: bytes, shown: str) -> tuple[list[Event], list[str]]:
    events: list[Event] = []
    digests = [GENESIS]
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        event, digest = _parsed(line, f"{shown}:{number}", number, digests[-1])
        events.append(event)
        digests.append(digest)
    if lines[-1]:
        _broken(f"{shown}:{len(lines)}", "it is cut off before its end")
    return events, digests


def _parsed(line: bytes, where: str, number: int, previous: str) -> tuple[Event, str]:
    try:
        entry: Any = json.loads(line.decode())
        values = {name: entry[name] for name in _FIELDS}
        event, digest = Event(**values), entry["digest"]
    except (ValueError, KeyError, TypeError, RecursionError):
        _broken(where, "it is no event")
    if entry.get("number") != number:
        _broken(where, f"it is numbered {entry.get('number')}; an event was left out, moved or put in")
    if entry.get("previous") != previous:
        _broken(where, "it does not follow the event before it")
    if not _fits(event, number, previous, line):
        _broken(where, "its digest does not fit what it says")
    return event, str(digest)


def _fits(event: Event, number: int, previous: str, line: bytes) -> bool:
    """Whether an event, written down anew, is the line that it was read from."""
    texts = (event.kind, event.by, event.time, event.track, event.claim)
    if not all(isinstance(text, str) for text in texts) or not isinstance(event.said, dict):
        return False
    try:
        return event.line(number, previous).encode() == line
    except (ValueError, RecursionError):
        # JSON reads what it may not be written as: NaN, and halves of surrogate pairs.
        return False


def _broken(where: str, why: str) -> NoReturn:
    raise InputError("Y101", f"{where} is broken: {why}.", "Restore the file from a copy; nothing was added.")


@dataclass(frozen=True)
class Journal:
    """A review's log, to which events are added one by one; each must be possible when it is added."""

    path: Path
    """The file; it begins with the first event."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def state(self) -> State:
        """What the log has come to; nothing yet when there is no file."""
        return replay(read_log(self.path)) if self.path.exists() else State()

    @property
    def head(self) -> str:
        """Digest of the last event; zeros when there is none."""
        return _read(self.path)[1][-1] if self.path.exists() else GENESIS

    def add(self, event: Event) -> State:
        """Add one event: checked against the whole log, written under a lock, and on disk when this returns.

        Raises:
            InputError: as ``replay``; Y101 for a broken log, Y102 when it cannot be written. The log is
                unchanged.
        """
        return self._add(lambda _: [event])

    def _add(self, make: Callable[[State], list[Event]]) -> State:
        """Add the events that follow from the state under the lock, so that no other writer comes between."""
        with self._locked() as file:
            file.seek(0)
            data = file.read()
            before, digests = _chain(data, str(self.path))
            state, previous, lines = replay(before), digests[-1], []
            for number, event in enumerate(make(state), len(before) + 1):
                state = step(state, event)
                line = event.line(number, previous)
                previous = json.loads(line)["digest"]
                lines.append(line + "\n")
            self._write(file, "".join(lines).encode(), len(data))
        return state

    def _write(self, file: IO[bytes], data: bytes, size: int) -> None:
        try:
            while data:
                data = data[os.write(file.fileno(), data) :]
            os.fsync(file.fileno())
        except OSError as error:
            # Half a line would break the log for good: take it back before anyone else reads it.
            os.ftruncate(file.fileno(), size)
            problem = f"{self.path} cannot be written: {error.strerror}."
            raise InputError(
                "Y102", problem, "Free some space; what was there before is unchanged."
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The file, open for adding and without a buffer, with every other writer kept waiting."""
        try:
            file = self.path.open("a+b", buffering=0)
        except OSError as error:
            problem = f"{self.path} cannot be written: {error.strerror}."
            raise InputError("Y102", problem, "Choose a file in a folder that exists.") from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    # What people do ----------------------------------------------------------------------------

    def set_up(self, track: Track, *, by: str, now: datetime) -> State:
        """Set up a track, or set it up anew while it reviews nothing."""
        return self.add(Event("track", by, utc(now), track.name, "", {"track": track.to_dict()}))

    def open(self, case: Case, track: str, claim: str, *, by: str, now: datetime) -> State:
        """Open the review of a claim of a case, in a track whose scope it is in.

        Raises:
            MissingError: Y93 when the case has no such claim.
            InputError: Y100 when it is out of scope or cannot be opened now.
        """
        node = require(case, claim)
        said = {"case": case.sha256, "tags": sorted(tags(node))}
        return self.add(Event("open", by, utc(now), track, claim, said))

    def comment(self, track: str, claim: str, text: str, *, by: str, now: datetime) -> str:
        """Comment on a claim and get the comment's id; a track of digests keeps the text's digest only."""
        state = self._add(lambda before: [_commented(before, track, claim, text, by, utc(now))])
        return state.review(track, claim).comments[-1].id

    def answer(
        self, track: str, claim: str, comment: str, text: str, *, by: str, now: datetime, carry: bool = False
    ) -> State:
        """Answer a comment, or carry it into the next round with a reason."""
        how = "carried" if carry else "answered"

        def made(state: State) -> list[Event]:
            """The event, with the text as the track keeps it."""
            said = {"id": comment, "how": how, "text": _kept(state, track, text)}
            return [Event("answer", by, utc(now), track, claim, said)]

        return self._add(made)

    def vote(self, track: str, claim: str, vote: str, *, by: str, now: datetime) -> State:
        """Vote to accept, defeat or return a claim, or abstain; the last vote counts."""
        return self.add(Event("vote", by, utc(now), track, claim, {"vote": vote}))

    def decide(self, track: str, claim: str, *, by: str, now: datetime) -> State:
        """Decide a claim by the votes.

        Raises:
            InputError: T01 without a quorum, T02 while a comment waits, Y100 while comments are still open.
        """

        def made(state: State) -> list[Event]:
            """The event, with what the votes come to."""
            known = state.tracks.get(track)
            outcome = known.decide(state.review(track, claim).votes) if known else "returned"
            return [Event("decide", by, utc(now), track, claim, {"outcome": outcome})]

        return self._add(made)

    def rate(self, leaf: str, value: str, *, by: str, now: datetime, track: str = "") -> State:
        """Judge a leaf; the last judgement of each person counts."""
        return self.add(Event("rate", by, utc(now), track, "", {"leaf": leaf, "value": value}))

    def reconcile(self, claim: str, tracks: list[str], text: str, *, by: str, now: datetime) -> State:
        """Record why two tracks may have decided a claim in opposite ways."""
        said = {"tracks": tracks, "text": text}
        return self.add(Event("reconcile", by, utc(now), "", claim, said))

    def supersede(self, case: Case, *, by: str, now: datetime) -> list[tuple[str, str]]:
        """Mark every review of an earlier state of the case as superseded: track and claim of each."""
        outdated: list[tuple[str, str]] = []

        def made(state: State) -> list[Event]:
            """One event for each outdated review."""
            live = (review for review in state.reviews.values() if review.status in (*LIVE, "decided"))
            outdated.extend((one.track, one.claim) for one in live if one.case != case.sha256)
            said = {"case": case.sha256}
            return [Event("supersede", by, utc(now), track, claim, said) for track, claim in outdated]

        self._add(made)
        return outdated


def _commented(state: State, track: str, claim: str, text: str, by: str, time: str) -> Event:
    name = f"c{len(state.review(track, claim).comments) + 1}"
    return Event("comment", by, time, track, claim, {"id": name, "text": _kept(state, track, text)})


def _kept(state: State, track: str, text: str) -> str:
    """A text as a track keeps it."""
    known = state.tracks.get(track)
    if known is None or known.visibility != "digests" or not text.strip():
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
