"""Tracks and the state machine of a review: quorum, scope, comments, time boxes, decisions, coherence."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases import Case
from pellucid.cases.review import (
    Event,
    Journal,
    Track,
    agreement,
    attested,
    bilateral,
    check_coherence,
    check_ratings,
    contradictions,
    core,
    inclusive,
    ratings_table,
    replay,
)
from pellucid.cases.review.events import utc
from pellucid.cases.review.tracks import preset
from pellucid.findings import InputError, MissingError

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CASE = Case.read(
    "G1: {text: Safe, scope: 'cyber, bio', supportedBy: [Sn1]}\nSn1: {text: Measured, judged: 'true'}\n"
)
CHANGED = Case.read(CASE.text.replace("Safe", "Very safe"))


def day(number: float) -> datetime:
    return NOW + timedelta(days=number)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "review.jsonl")


def opened(journal: Journal, track: Track, *, at: float = 0) -> Journal:
    journal.set_up(track, by="clerk", now=day(at))
    journal.open(CASE, track.name, "G1", by=track.members[0], now=day(at))
    return journal


CORE = core("core", ["a", "b", "c"])


# Presets and rules --------------------------------------------------------------------------------


def test_the_presets_are_the_three_models() -> None:
    assert (CORE.quorum, CORE.decision_rule, CORE.visibility, CORE.comment_days) == (
        2,
        "unanimity",
        "full",
        0,
    )
    two = bilateral("two", "x", "y")
    assert (two.members, two.quorum, two.visibility) == (("x", "y"), 2, "digests")
    wide = inclusive("wide", ["a", "b", "c", "d", "e"], comment_days=60)
    assert (wide.quorum, wide.decision_rule, wide.visibility, wide.comment_days) == (
        3,
        "no-objection",
        "open",
        60,
    )
    assert CORE.speed_target < two.speed_target < wide.speed_target
    assert [preset(kind, "t", ["a", "b"]).visibility for kind in ("core", "bilateral", "inclusive")] == [
        "full",
        "digests",
        "open",
    ]
    for kind, members, message in (
        ("inner", ["a"], "No preset 'inner'"),
        ("bilateral", ["a"], "has 1 members"),
    ):
        with pytest.raises(InputError, match=message):
            preset(kind, "t", members)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"name": " "}, "empty name"),
        ({"members": ()}, "no member"),
        ({"members": ("a", "a")}, "one twice"),
        ({"quorum": 0}, "needs 0 of 3"),
        ({"quorum": 4}, "needs 4 of 3"),
        ({"quorum": 1.5}, "no whole number"),
        ({"speed_target": 0}, "negative number of days"),
        ({"comment_days": -1}, "negative number of days"),
        ({"decision_rule": "dictator"}, "says 'dictator'"),
        ({"visibility": "none"}, "says 'none'"),
    ],
)
def test_impossible_tracks_are_refused(field: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        replace(CORE, **field)
    assert error.value.code == "Y98"


def test_a_track_is_plain_values_and_back() -> None:
    assert Track.of(CORE.to_dict()) == CORE
    with pytest.raises(InputError, match="members of a track are no list"):
        Track.of(CORE.to_dict() | {"members": "abc"})
    for values, message in (
        ({"name": "x"}, "lacks 'members'"),
        (CORE.to_dict() | {"boss": "a"}, "has no 'boss'"),
    ):
        with pytest.raises(InputError, match=message):
            Track.of(values)


VOTES = ("accept", "defeat", "return", "abstain")


@given(
    st.dictionaries(st.sampled_from("abcxyz"), st.sampled_from(VOTES)),
    st.sampled_from(["unanimity", "majority", "no-objection"]),
)
def test_decisions_follow_their_rule(votes: dict[str, str], rule: str) -> None:
    track = Track("t", ("a", "b", "c"), 1, decision_rule=rule)  # type: ignore[arg-type]
    cast = [vote for member, vote in votes.items() if member in "abc"]
    said = [vote for vote in cast if vote != "abstain"]
    all_accept, all_defeat = bool(said) and set(said) == {"accept"}, bool(said) and set(said) == {"defeat"}
    wanted = {
        "unanimity": "accepted" if all_accept else "defeated" if all_defeat else "returned",
        "majority": "accepted"
        if said.count("accept") > len(said) / 2
        else "defeated"
        if said.count("defeat") > len(said) / 2
        else "returned",
        "no-objection": "accepted"
        if cast and set(said) <= {"accept"}
        else "defeated"
        if all_defeat
        else "returned",
    }
    assert track.decide(votes) == wanted[rule]


# The way of one review ----------------------------------------------------------------------------


def test_draft_open_commented_decided(journal: Journal) -> None:
    assert journal.state.review("core", "G1").status == "draft"
    opened(journal, CORE)
    assert journal.state.review("core", "G1").status == "open"
    name = journal.comment("core", "G1", "Which data?", by="b", now=day(1))
    assert (name, journal.state.review("core", "G1").status) == ("c1", "commented")
    journal.answer("core", "G1", name, "Held out.", by="author", now=day(2))
    for member in "ab":
        journal.vote("core", "G1", "accept", by=member, now=day(3))
    state = journal.decide("core", "G1", by="a", now=day(3))
    review = state.review("core", "G1")
    assert (review.status, review.outcome, review.case) == ("decided", "accepted", CASE.sha256)
    assert review.comments[0].answer == "Held out."
    assert state.digest == journal.state.digest


def test_no_decision_without_a_quorum(journal: Journal) -> None:
    opened(journal, CORE).vote("core", "G1", "accept", by="a", now=day(1))
    with pytest.raises(InputError, match="has 1 of the 2 votes") as error:
        journal.decide("core", "G1", by="a", now=day(1))
    assert error.value.code == "T01"
    journal.vote("core", "G1", "abstain", by="c", now=day(1))
    assert journal.decide("core", "G1", by="a", now=day(1)).review("core", "G1").outcome == "accepted"


def test_no_decision_over_a_comment(journal: Journal) -> None:
    opened(journal, CORE)
    journal.comment("core", "G1", "Why?", by="a", now=day(0))
    for member in "abc":
        journal.vote("core", "G1", "accept", by=member, now=day(0))
    with pytest.raises(InputError, match="passes over 1 comments: c1") as error:
        journal.decide("core", "G1", by="a", now=day(0))
    assert error.value.code == "T02"
    codes = [found.code for found in check_coherence(journal.state, day(0))]
    assert codes == ["T02"]
    journal.answer("core", "G1", "c1", "Later.", by="a", now=day(0), carry=True)
    assert journal.decide("core", "G1", by="a", now=day(0)).review("core", "G1").status == "decided"


def test_a_carried_comment_waits_again_in_the_next_round(journal: Journal) -> None:
    test_no_decision_over_a_comment(journal)
    assert journal.supersede(CHANGED, by="author", now=day(1)) == [("core", "G1")]
    assert journal.state.review("core", "G1").status == "superseded"
    assert journal.supersede(CHANGED, by="author", now=day(1)) == []
    review = journal.open(CHANGED, "core", "G1", by="a", now=day(2)).review("core", "G1")
    assert (review.round, review.status, review.waiting, dict(review.votes)) == (2, "commented", ("c1",), {})


@pytest.mark.parametrize("votes", ["return", "defeat"])
def test_only_what_was_returned_or_superseded_is_opened_again(journal: Journal, votes: str) -> None:
    opened(journal, CORE)
    for member in "ab":
        journal.vote("core", "G1", votes, by=member, now=day(0))
    outcome = journal.decide("core", "G1", by="a", now=day(0)).review("core", "G1").outcome
    if outcome == "returned":
        assert journal.open(CHANGED, "core", "G1", by="a", now=day(1)).review("core", "G1").round == 2
    else:
        with pytest.raises(InputError, match="finds it defeated already"):
            journal.open(CASE, "core", "G1", by="a", now=day(1))


def test_the_last_vote_of_a_member_counts(journal: Journal) -> None:
    opened(journal, CORE)
    for vote in ("defeat", "accept"):
        journal.vote("core", "G1", vote, by="a", now=day(0))
    assert journal.vote("core", "G1", "accept", by="b", now=day(0)).review("core", "G1").votes == {
        "a": "accept",
        "b": "accept",
    }


def test_comments_of_an_open_track_close_and_then_it_decides(journal: Journal) -> None:
    opened(journal, inclusive("wide", ["a", "b", "c"], comment_days=10))
    journal.comment("wide", "G1", "I am a citizen.", by="anyone", now=day(9))
    with pytest.raises(InputError, match="comes before comments close on 2026-12-04"):
        journal.decide("wide", "G1", by="a", now=day(9))
    with pytest.raises(InputError, match="comes after comments closed"):
        journal.comment("wide", "G1", "Too late.", by="anyone", now=day(11))
    for member in "ab":
        journal.vote("wide", "G1", "accept", by=member, now=day(11))
    journal.answer("wide", "G1", "c1", "Thank you.", by="a", now=day(11))
    assert journal.decide("wide", "G1", by="a", now=day(11)).review("wide", "G1").outcome == "accepted"


def test_a_track_of_digests_keeps_no_text(journal: Journal) -> None:
    opened(journal, bilateral("two", "x", "y"))
    journal.comment("two", "G1", "A secret of the laboratory", by="x", now=day(1))
    journal.answer("two", "G1", "c1", "Another secret", by="y", now=day(1))
    assert "secret" not in journal.path.read_text()
    assert journal.state.review("two", "G1").comments[0].text.startswith("sha256:")
    with pytest.raises(InputError, match="carries a text into the track 'two'"):
        journal.add(Event("comment", "x", utc(day(2)), "two", "G1", {"id": "c9", "text": "A secret"}))


def test_scope_and_membership(journal: Journal) -> None:
    journal.set_up(core("cyber", ["a", "b"], scope_tags=["cyber"]), by="s", now=NOW)
    journal.set_up(core("chem", ["a", "b"], scope_tags=["chem"]), by="s", now=NOW)
    journal.open(CASE, "cyber", "G1", by="a", now=NOW)
    for act, message in (
        (lambda: journal.open(CASE, "chem", "G1", by="a", now=NOW), "out of the scope of the track 'chem'"),
        (
            lambda: journal.vote("cyber", "G1", "accept", by="z", now=NOW),
            "not by a member of the track 'cyber'",
        ),
        (lambda: journal.comment("cyber", "G1", "Hm", by="z", now=NOW), "not by a member"),
        (lambda: journal.vote("cyber", "G2", "accept", by="a", now=NOW), "finds the claim draft"),
        (lambda: journal.vote("cyber", "G1", "acept", by="a", now=NOW), "votes 'acept'"),
        (lambda: journal.vote("cyb", "G1", "accept", by="a", now=NOW), "'cyb', which nobody set up"),
        (lambda: journal.vote("cyber", "G1", "accept", by=" ", now=NOW), "names nobody"),
        (lambda: journal.comment("cyber", "G1", " ", by="a", now=NOW), "says nothing"),
        (
            lambda: journal.answer("cyber", "G1", "c7", "x", by="a", now=NOW),
            "answers 'c7', which nobody said",
        ),
        (lambda: journal.vote("cyber", "G1", "accept", by="a", now=day(-1)), "before the last one"),
        (lambda: journal.set_up(core("cyber", ["a"]), by="s", now=NOW), "while it reviews 'G1'"),
        (lambda: journal.reconcile("G1", ["cyber", "chem"], "x", by="a", now=NOW), "finds no contradiction"),
        (lambda: journal.rate("", "good", by="a", now=NOW), "rates nothing"),
        (lambda: journal.add(Event("wish", "a", utc(NOW))), "'wish' is no event"),
        (lambda: journal.add(Event("vote", "a", utc(NOW), "cyber", "G1")), "states no vote"),
    ):
        before = journal.path.read_bytes()
        with pytest.raises(InputError, match=message) as error:
            act()
        assert error.value.code == "Y100"
        assert error.value.remedy
        assert journal.path.read_bytes() == before
    with pytest.raises(MissingError, match="No element 'G5'"):
        journal.open(CASE, "cyber", "G5", by="a", now=NOW)
    with pytest.raises(InputError, match="has no time zone") as error:
        journal.rate("Sn1", "good", by="a", now=datetime(2026, 1, 1))
    assert error.value.code == "Y99"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("comment", {"id": "c1", "text": 5}),
        ("comment", {"id": "c1", "text": "\ud800"}),
        ("comment", {"id": "c1", "text": "x", "mood": "bad"}),
        ("reconcile", {"tracks": "core", "text": "x"}),
        ("reconcile", {"tracks": [1], "text": "x"}),
        ("track", {"track": "core"}),
        ("open", {"case": "0", "tags": "cyber"}),
    ],
)
def test_values_of_other_types_are_refused(journal: Journal, kind: str, said: dict) -> None:
    opened(journal, CORE)
    with pytest.raises(InputError) as error:
        journal.add(Event(kind, "a", utc(NOW), "core", "G1", said))
    assert error.value.code == "Y100"
    with pytest.raises(InputError, match="names what is no text"):
        journal.add(Event("vote", "\udfff", utc(NOW), "core", "G1", {"vote": "accept"}))


def test_a_decision_is_what_the_votes_come_to(journal: Journal) -> None:
    opened(journal, CORE)
    for member in "ab":
        journal.vote("core", "G1", "defeat", by=member, now=NOW)
    with pytest.raises(InputError, match="says accepted, but by unanimity the votes come to defeated"):
        journal.add(Event("decide", "a", utc(NOW), "core", "G1", {"outcome": "accepted"}))


# Coherence ----------------------------------------------------------------------------------------


def decided(journal: Journal, name: str, vote: str, at: float = 0, case: Case = CASE) -> None:
    if name not in journal.state.tracks:
        journal.set_up(core(name, ["a", "b"]), by="s", now=day(at))
    journal.open(case, name, "G1", by="a", now=day(at))
    for member in "ab":
        journal.vote(name, "G1", vote, by=member, now=day(at))
    journal.decide(name, "G1", by="a", now=day(at))


def test_a_contradiction_surfaces_until_it_is_reconciled(journal: Journal) -> None:
    decided(journal, "one", "accept")
    assert contradictions(journal.state) == []
    decided(journal, "two", "defeat")
    (found,) = check_coherence(journal.state, NOW)
    assert (found.code, found.level) == ("T03", "error")
    assert "accepted in the track 'one' and defeated in 'two'" in found.message
    with pytest.raises(InputError, match="gives no reason"):
        journal.reconcile("G1", ["one", "two"], " ", by="coordinator", now=NOW)
    journal.reconcile("G1", ["one", "two"], "Other deployments.", by="coordinator", now=NOW)
    assert contradictions(journal.state) == []


def test_a_reconciliation_does_not_cover_a_later_decision(journal: Journal) -> None:
    test_a_contradiction_surfaces_until_it_is_reconciled(journal)
    decided(journal, "three", "defeat", 1)
    assert [(one.accepted, one.defeated) for one in contradictions(journal.state)] == [("one", "three")]
    journal.supersede(CHANGED, by="s", now=day(2))
    assert contradictions(journal.state) == []
    decided(journal, "one", "accept", 3, CHANGED)
    decided(journal, "two", "defeat", 3, CHANGED)
    assert [(one.accepted, one.defeated) for one in contradictions(journal.state)] == [("one", "two")]


@pytest.mark.parametrize("votes", list(itertools.product(("accept", "defeat", "return"), repeat=3)))
def test_contradictions_are_all_pairs_of_accepted_and_defeated(
    journal: Journal, votes: tuple[str, ...]
) -> None:
    for name, vote in zip("xyz", votes, strict=True):
        decided(journal, name, vote)
    pairs = {
        (x, y)
        for x, a in zip("xyz", votes, strict=True)
        for y, b in zip("xyz", votes, strict=True)
        if (a, b) == ("accept", "defeat")
    }
    assert {(one.accepted, one.defeated) for one in contradictions(journal.state)} == pairs


def test_what_an_open_review_lacks_is_listed(journal: Journal) -> None:
    opened(journal, CORE).vote("core", "G1", "accept", by="a", now=day(0))
    found = check_coherence(journal.state, day(15))
    assert [one.code for one in found] == ["T01", "R08"]
    assert found[0].remedy == "Still to vote: b, c."
    assert "by 2026-12-08" in found[1].message
    assert [one.code for one in check_coherence(journal.state, day(14))] == ["T01"]


def test_comments_of_a_superseded_review_are_not_forgotten(journal: Journal) -> None:
    opened(journal, CORE)
    journal.comment("core", "G1", "Why?", by="a", now=NOW)
    journal.supersede(CHANGED, by="author", now=NOW)
    (found,) = check_coherence(journal.state, day(99))
    assert (found.code, found.remedy[:20]) == ("T02", "Open the claim again")
    assert journal.open(CHANGED, "core", "G1", by="a", now=NOW).review("core", "G1").waiting == ("c1",)


# Views and ratings --------------------------------------------------------------------------------


def test_a_bilateral_view_shows_digests_and_attested_results_only() -> None:
    case = Case.read(
        "module: {name: m, brief: Secret brief}\n"
        "G1: {text: Secret text, url: 'https://secret', supportedBy: [Sn1], inContextOf: [C1]}\n"
        "C1: {text: Secret model, subject: secret-name, sha256: abcd}\n"
        "Sn1: {text: Secret measure, finding: f00d, predicate: secret.low > 1, accepted: 'Secret Person, 2026-01-01'}\n"
    )
    seen = attested(case, bilateral("two", "x", "y"), case.evaluate([]))
    assert "ecret" not in seen.text
    assert seen.graph.support == case.graph.support
    assert seen.citations == case.citations
    assert seen.nodes["C1"].layer("sha256") == "abcd"
    assert [node.layer("value") for node in seen.nodes.values()] == ["U", "T", "U"]
    assert attested(case, CORE) is case
    assert attested(case, bilateral("two", "x", "y")).text == attested(case, bilateral("b", "x", "z")).text


def test_judged_leaves_need_two_independent_ratings(journal: Journal) -> None:
    assert [found.code for found in check_ratings(CASE, replay([]))] == ["R07"]
    journal.rate("Sn1", "good", by="a", now=NOW)
    journal.rate("Sn1", "bad", by="a", now=NOW)
    (found,) = check_ratings(CASE, journal.state)
    assert "only a" in found.message
    state = journal.rate("Sn1", "good", by="b", now=NOW)
    assert check_ratings(CASE, state) == []
    state = journal.rate("Sn2", "good", by="b", now=NOW)
    table = ratings_table(state)
    assert (table.leaves, table.raters) == (("Sn1", "Sn2"), ("a", "b"))
    assert table.values == (("bad", "good"), (None, "good"))
    assert table.counts == ((1, 1), (0, 1))
    assert agreement(table) == 0.0
    assert agreement(ratings_table(journal.rate("Sn1", "good", by="a", now=NOW))) == 1.0
    assert agreement(ratings_table(replay([]))) is None
    expert = Case.read("G1: {supportedBy: [Sn1]}\nSn1: {family: Expert}\nSn2: {judged: 'no'}\n")
    assert len(check_ratings(expert, replay([]))) == 1
