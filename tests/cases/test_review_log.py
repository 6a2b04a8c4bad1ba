"""The log of a review: chained, added to only, safe against two writers, and the first broken line is named."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pellucid.cases import Case
from pellucid.cases.review import (
    Event,
    Journal,
    State,
    Track,
    contradictions,
    core,
    inclusive,
    read_log,
    replay,
)
from pellucid.cases.review.events import GENESIS, canonical, digest, parse_time, utc
from pellucid.findings import InputError, MissingError

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CASE = Case.read("G1: {text: Safe, undeveloped: true}\nG2: {undeveloped: true}\n")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "review.jsonl")
    made.set_up(core("core", ["a", "b"]), by="s", now=NOW)
    made.open(CASE, "core", "G1", by="a", now=NOW)
    for number in range(4):
        made.comment("core", "G1", f"Comment {number}, with Ünïcode", by="a", now=NOW)
    return made


def test_each_line_carries_the_digest_of_the_one_before(journal: Journal) -> None:
    previous = GENESIS
    for number, line in enumerate(journal.path.read_text().splitlines(), 1):
        entry = json.loads(line)
        kept = entry.pop("digest")
        assert (entry["number"], entry["previous"]) == (number, previous)
        assert kept == digest(entry)
        assert line == canonical(entry | {"digest": kept})
        previous = kept
    assert journal.head == previous
    assert replay(read_log(journal.path)).digest == journal.state.digest
    assert Journal(str(journal.path)).head == previous  # type: ignore[arg-type]


def test_an_empty_or_absent_log_is_nothing_yet(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none.jsonl")
    assert (journal.state, journal.head) == (State(), GENESIS)
    with pytest.raises(MissingError, match="No review log") as error:
        read_log(journal.path)
    assert error.value.code == "Y102"
    journal.path.touch()
    assert (journal.state, journal.head) == (State(), GENESIS)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("how", ["change", "drop", "swap", "double", "space", "field", "garbage", "retell"])
def test_the_first_broken_line_is_named(journal: Journal, place: int, how: str) -> None:
    lines = journal.path.read_text().splitlines()
    entry = json.loads(lines[place])
    broken = place + 1
    if how == "change":
        lines[place] = canonical(entry | {"by": "z"})
    elif how == "drop":
        if place == len(lines) - 1:
            return
        del lines[place]
    elif how == "swap":
        other = (place + 1) % len(lines)
        lines[place], lines[other] = lines[other], lines[place]
        broken = min(place, other) + 1
    elif how == "double":
        lines.insert(place, lines[place])
        broken = place + 2
    elif how == "space":
        lines[place] = lines[place].replace(":", ": ", 1)
    elif how == "field":
        lines[place] = canonical({key: value for key, value in entry.items() if key != "said"})
    elif how == "garbage":
        lines[place] = "{"
    else:
        # told anew with a digest that fits: then the next line no longer follows
        if place == len(lines) - 1:
            return
        body = {key: value for key, value in entry.items() if key != "digest"} | {"by": "z"}
        lines[place] = canonical(body | {"digest": digest(body)})
        broken = place + 2
    journal.path.write_text("\n".join(lines) + "\n")
    before = journal.path.read_bytes()
    with pytest.raises(InputError, match=f"review.jsonl:{broken} is broken") as error:
        read_log(journal.path)
    assert error.value.code == "Y101"
    with pytest.raises(InputError, match=f":{broken} is broken"):
        journal.comment("core", "G1", "More", by="a", now=NOW)
    assert journal.path.read_bytes() == before


def test_every_single_changed_byte_is_seen(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    draw = random.Random(0)
    for _ in range(150):
        place = draw.randrange(len(whole))
        byte = draw.randrange(256)
        if byte == whole[place]:
            continue
        journal.path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        with pytest.raises(InputError, match="is broken"):
            read_log(journal.path)


def test_an_end_that_was_cut_off(journal: Journal) -> None:
    whole, head = journal.path.read_bytes(), journal.head
    journal.path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match=":6 is broken: it is cut off"):
        read_log(journal.path)
    kept = b"".join(whole.splitlines(keepends=True)[:-1])
    journal.path.write_bytes(kept)
    assert len(read_log(journal.path)) == 5
    with pytest.raises(InputError, match="no longer holds the event") as error:
        read_log(journal.path, head=head)
    assert error.value.code == "Y101"
    journal.path.write_bytes(whole)
    assert len(read_log(journal.path, head=head)) == 6
    journal.comment("core", "G1", "More", by="a", now=NOW)
    assert len(read_log(journal.path, head=head)) == 7


@pytest.mark.parametrize(
    "line", [b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"digest": 1}', b'{"kind": NaN}']
)
def test_lines_that_are_no_events(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(InputError, match=r"log\.jsonl:1 is broken: it is no event"):
        read_log(path)


@pytest.mark.parametrize(
    "said", ['{"vote": NaN}', '{"vote": "\\ud800"}', "5", "[]", '{"a": ' * 900 + "1" + "}" * 900]
)
def test_events_that_could_not_have_been_written(tmp_path: Path, said: str) -> None:
    path = tmp_path / "log.jsonl"
    head = f'"number": 1, "previous": "{GENESIS}", "kind": "vote", "by": "a", "time": "", "track": "", "claim": ""'
    path.write_text(f'{{{head}, "said": {said}, "digest": "x"}}\n')
    with pytest.raises(InputError, match=r"log\.jsonl:1 is broken"):
        read_log(path)


def test_a_write_that_takes_a_part_at_a_time(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, data[:7]))
    journal.comment("core", "G1", "In parts", by="a", now=NOW)
    monkeypatch.undo()
    assert journal.state.review("core", "G1").comments[-1].text == "In parts"


def test_a_write_that_fails_half_way(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before, whole, calls = journal.path.read_bytes(), os.write, []

    def fills(handle: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return whole(handle, data[:10])

    monkeypatch.setattr(os, "write", fills)
    with pytest.raises(InputError, match="No space left on device"):
        journal.comment("core", "G1", "More", by="a", now=NOW)
    monkeypatch.undo()
    assert journal.path.read_bytes() == before


def test_a_place_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    for act in (
        lambda: read_log(tmp_path),
        lambda: Journal(tmp_path / "no" / "log").set_up(core("c", ["a"]), by="s", now=NOW),
        lambda: Journal(tmp_path).add(Event("track", "s", utc(NOW), "c", "", {"track": {}})),
    ):
        with pytest.raises(InputError, match=r"cannot be (read|written)") as error:
            act()
        assert error.value.code == "Y102"


def test_a_failed_write_leaves_the_log_as_it_was(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device") as error:
        journal.comment("core", "G1", "More", by="a", now=NOW)
    assert error.value.code == "Y102"
    assert journal.path.read_bytes() == before


WRITES = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pellucid.cases.review import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(15):
    text = f"{sys.argv[2]} {number}"
    journal.comment("core", "G1", text, by=sys.argv[2], now=datetime(2026, 11, 24, 9, tzinfo=UTC))
"""


def test_two_writers_lose_nothing(journal: Journal) -> None:
    commands = [[sys.executable, "-c", WRITES, str(journal.path), who] for who in "ab"]
    writers = [subprocess.Popen(command) for command in commands]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    comments = journal.state.review("core", "G1").comments
    assert len(comments) == 34
    assert {comment.text for comment in comments[4:]} == {
        f"{who} {number}" for who in "ab" for number in range(15)
    }


@pytest.mark.parametrize("text", ["2026-11-24", "2026-11-24T09:00:00", "now", "2026-02-30T00:00:00Z", ""])
def test_times_are_in_utc(text: str) -> None:
    with pytest.raises(InputError, match="is no time") as error:
        parse_time(text)
    assert error.value.code == "Y99"


def test_a_time_elsewhere_is_the_same_moment() -> None:
    from datetime import timezone

    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert parse_time(utc(there)) == NOW


# Any course of a review ---------------------------------------------------------------------------

PEOPLE = st.sampled_from(["a", "b", "c", "x"])
NAMES = st.sampled_from(["core", "wide", "big"])
CLAIMS = st.sampled_from(["G1", "G2"])
TRACKS = (
    core("core", ["a", "b"]),
    inclusive("wide", ["a", "b", "c"], comment_days=2),
    Track("big", ("a", "b", "c"), 2, decision_rule="majority"),
)
VERSIONS = [CASE, Case.read(CASE.text.replace("Safe", "Safer"))]


class Course(RuleBasedStateMachine):
    """People do anything in any order; what is not allowed is refused and leaves no trace."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.state = State()
        self.clock = NOW
        self.said: list[tuple[str, str, str]] = []
        self.decisions: list[tuple[str, str, int, int, set[str]]] = []

    @initialize()
    def set_up(self) -> None:
        for track in TRACKS:
            assert self.act(Event("track", "s", utc(self.clock), track.name, "", {"track": track.to_dict()}))

    def act(self, event: Event) -> bool:
        try:
            after = replay([*self.events, event])
        except InputError as error:
            # anything else is a fault of the replay itself
            if error.code not in ("Y100", "T01", "T02"):
                raise
            return False
        self.events.append(event)
        self.state = after
        return True

    def event(self, kind: str, by: str, track: str, claim: str, **said: object) -> bool:
        return self.act(Event(kind, by, utc(self.clock), track, claim, said))

    @rule(days=st.integers(0, 3))
    def wait(self, days: int) -> None:
        self.clock += timedelta(days=days)

    @rule(by=PEOPLE, track=NAMES, claim=CLAIMS, version=st.integers(0, 1))
    def open(self, by: str, track: str, claim: str, version: int) -> None:
        self.event("open", by, track, claim, case=VERSIONS[version].sha256, tags=[])

    @rule(by=PEOPLE, track=NAMES, claim=CLAIMS)
    def comment(self, by: str, track: str, claim: str) -> None:
        name = f"c{len(self.said)}"
        if self.event("comment", by, track, claim, id=name, text="hm"):
            self.said.append((track, claim, name))

    @rule(by=PEOPLE, data=st.data(), how=st.sampled_from(["answered", "carried", "dropped"]))
    def answer(self, by: str, data: st.DataObject, how: str) -> None:
        if self.said:
            track, claim, name = data.draw(st.sampled_from(self.said))
            self.event("answer", by, track, claim, id=name, how=how, text="well")

    @rule(
        track=NAMES,
        claim=CLAIMS,
        vote=st.sampled_from(["accept", "defeat", "return", "abstain"]),
        who=st.sets(PEOPLE, min_size=1),
    )
    def vote(self, track: str, claim: str, vote: str, who: set[str]) -> None:
        for by in sorted(who):
            self.event("vote", by, track, claim, vote=vote)

    @rule(
        by=PEOPLE,
        track=NAMES,
        claim=CLAIMS,
        outcome=st.sampled_from(["accepted", "defeated", "returned", None]),
    )
    def decide(self, by: str, track: str, claim: str, outcome: str | None) -> None:
        before = self.state.review(track, claim)
        wanted = outcome or self.state.tracks[track].decide(before.votes)
        if self.event("decide", by, track, claim, outcome=wanted):
            after = self.state.review(track, claim)
            voters = {member for member in before.votes if member in self.state.tracks[track].members}
            assert len(voters) >= self.state.tracks[track].quorum
            assert before.waiting == ()
            assert after.outcome == self.state.tracks[track].decide(before.votes) == wanted

    @rule(track=NAMES, claim=CLAIMS, vote=st.sampled_from(["accept", "defeat"]), handle=st.booleans())
    def go_all_the_way(self, track: str, claim: str, vote: str, handle: bool) -> None:
        members = self.state.tracks[track].members
        self.event("open", "a", track, claim, case=CASE.sha256, tags=[])
        self.comment("a", track, claim)
        self.clock += timedelta(days=3)
        for name in self.state.review(track, claim).waiting if handle else ():
            self.event("answer", "a", track, claim, id=name, how="answered", text="well")
        for member in members:
            self.event("vote", member, track, claim, vote=vote)
        self.decide("a", track, claim, None)

    @rule(track=NAMES, claim=CLAIMS, version=st.integers(0, 1))
    def supersede(self, track: str, claim: str, version: int) -> None:
        self.event("supersede", "s", track, claim, case=VERSIONS[version].sha256)

    @rule(claim=CLAIMS, tracks=st.sets(NAMES, min_size=1))
    def reconcile(self, claim: str, tracks: set[str]) -> None:
        opposed = [
            one
            for one in contradictions(self.state)
            if one.claim == claim and {one.accepted, one.defeated} <= tracks
        ]
        if self.event("reconcile", "coordinator", "", claim, tracks=sorted(tracks), text="because"):
            left = contradictions(self.state)
            assert not [one for one in opposed if one in left]

    @precondition(lambda self: contradictions(self.state))
    @rule(data=st.data())
    def explain(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(contradictions(self.state)))
        assert self.event(
            "reconcile", "coordinator", "", one.claim, tracks=[one.accepted, one.defeated], text="so"
        )
        assert one not in contradictions(self.state)

    @invariant()
    def no_comment_is_lost(self) -> None:
        kept = [
            (key[0], key[1], one.id) for key, review in self.state.reviews.items() for one in review.comments
        ]
        assert sorted(kept) == sorted(self.said)

    @invariant()
    def every_contradiction_surfaces(self) -> None:
        found = {(one.claim, one.accepted, one.defeated) for one in contradictions(self.state)}
        decided = [review for review in self.state.reviews.values() if review.status == "decided"]
        for one in decided:
            for other in decided:
                if one.claim == other.claim and (one.outcome, other.outcome) == ("accepted", "defeated"):
                    explained = any(
                        made.claim == one.claim
                        and {(one.track, one.round), (other.track, other.round)} <= set(made.decisions)
                        for made in self.state.reconciliations
                    )
                    assert explained != ((one.claim, one.track, other.track) in found)

    @invariant()
    def replay_gives_the_same_digest(self) -> None:
        assert replay(list(self.events)).digest == self.state.digest
        assert replay(self.events) == self.state


TestCourse = Course.TestCase
TestCourse.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
