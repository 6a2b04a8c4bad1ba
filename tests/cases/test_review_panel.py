"""Panels and simulated reviews: closed forms, monotonicity, and the same result for the same seed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases.review import (
    Flaw,
    Reviewer,
    ReviewPanel,
    bilateral,
    core,
    inclusive,
    simulate_coordination,
    simulate_detection,
    simulate_tracks,
)
from pellucid.cases.review.simulation import Effort
from pellucid.findings import InputError

FIELDS = ("law", "statistics", "medicine", "security")
NARROW = ReviewPanel(tuple(Reviewer(name, ("statistics",)) for name in "abcd"))
WIDE = ReviewPanel(tuple(Reviewer(name, (field,)) for name, field in zip("abcd", FIELDS, strict=True)))
FLAWS = [Flaw(f"{field} {number}", field) for field in FIELDS for number in range(25)]


def test_coverage_and_gaps() -> None:
    assert (NARROW.coverage(FIELDS), WIDE.coverage(FIELDS)) == (0.25, 1.0)
    assert NARROW.gaps(FIELDS) == ("law", "medicine", "security")
    assert NARROW.coverage([]) == 1.0
    assert ReviewPanel(()).coverage(FIELDS) == 0.0
    assert WIDE.disciplines["law"] == ("a",)
    for names in (("a", "a"), (" ",)):
        with pytest.raises(InputError, match="A panel of") as error:
            ReviewPanel(tuple(Reviewer(name, ()) for name in names))
        assert error.value.code == "Y104"


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0, 1)), max_size=6))
def test_the_chance_is_that_not_everyone_misses(people: list[tuple[bool, float, float]]) -> None:
    panel = ReviewPanel(
        tuple(Reviewer(str(i), ("law",) if knows else ()) for i, (knows, _, _) in enumerate(people))
    )
    flaw = Flaw("f", "law", 0.3, 0.1)
    wanted = 1 - math.prod(0.7 if knows else 0.9 for knows, _, _ in people)
    assert panel.chance(flaw) == pytest.approx(wanted, abs=1e-15)


def test_what_is_found_on_average_is_the_closed_form() -> None:
    for panel in (NARROW, WIDE):
        runs = [simulate_detection(panel, FLAWS, seed) for seed in range(200)]
        mean = sum(run.share for run in runs) / len(runs)
        # 200 x 100 independent flaws: four standard errors of a share
        assert mean == pytest.approx(runs[0].expected, abs=4 * 0.5 / math.sqrt(200 * 100))
    assert simulate_detection(WIDE, FLAWS, 0).expected > simulate_detection(NARROW, FLAWS, 0).expected


@given(st.integers(0, 10_000))
def test_one_more_reviewer_never_loses_a_flaw(seed: int) -> None:
    few = simulate_detection(ReviewPanel(WIDE.reviewers[:2]), FLAWS, seed)
    assert set(few.found) <= set(simulate_detection(WIDE, FLAWS, seed).found)
    assert simulate_detection(WIDE, FLAWS, seed) == simulate_detection(WIDE, list(FLAWS), seed)


def test_shares_by_discipline_add_up() -> None:
    run = simulate_detection(NARROW, FLAWS, 3)
    assert sum(run.by_discipline.values()) / 4 == pytest.approx(run.share)
    assert run.by_discipline["statistics"] > run.by_discipline["law"]
    sure = simulate_detection(NARROW, [Flaw("x", "law", 1.0, 0.0), Flaw("y", "statistics", 1.0)], 0)
    assert sure.found == ("y",)


@pytest.mark.parametrize(
    ("flaws", "message"),
    [
        ([], "No flaw is planted"),
        ([Flaw("x", "law"), Flaw("x", "law")], "have one id"),
        ([Flaw("x", "law", 1.5)], "outside 0 to 1"),
        ([Flaw("x", "law", float("nan"))], "outside 0 to 1"),
    ],
)
def test_impossible_flaws_are_refused(flaws: list[Flaw], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        simulate_detection(WIDE, flaws, 0)
    assert error.value.code == "Y104"


# Tracks -------------------------------------------------------------------------------------------

TRACKS = [
    core("core", ["a", "b", "c"]),
    bilateral("bilateral", "x", "y"),
    inclusive("inclusive", ["p", "q", "r", "s"], comment_days=30),
]


def test_three_tracks_trade_speed_against_breadth() -> None:
    for seed in range(10):
        small, two, wide = simulate_tracks(TRACKS, seed)
        assert small.days < wide.days
        assert wide.days > 30
        assert wide.commenters > max(small.commenters, two.commenters)
        assert all(
            0 <= run.handled <= 1 and run.outcome in ("accepted", "defeated", "returned")
            for run in (small, two, wide)
        )


def test_the_same_seed_gives_the_same_runs_and_tracks_do_not_disturb_each_other() -> None:
    assert simulate_tracks(TRACKS, 4) == simulate_tracks(TRACKS, 4)
    assert simulate_tracks(TRACKS, 4)[2:] == simulate_tracks(TRACKS[2:], 4)
    assert simulate_tracks(TRACKS, 4) != simulate_tracks(TRACKS, 5)


def test_effort_decides_how_much_is_handled() -> None:
    def handled(answering: float) -> float:
        effort = Effort(commenting=0.2, public=30, answering=answering)
        runs = [simulate_tracks(TRACKS[2:], seed, efforts=[effort])[0] for seed in range(5)]
        return sum(run.handled for run in runs)

    assert handled(0.0) == 0.0
    assert handled(0.2) < handled(5.0)
    assert handled(50.0) == 5.0
    quiet = simulate_tracks(TRACKS[:1], 0, efforts=[Effort(commenting=0.0)])[0]
    assert (quiet.comments, quiet.handled) == (0, 1.0)
    sure = simulate_tracks(TRACKS, 0, efforts=[Effort(accepting=1.0)] * 3)
    assert [run.outcome for run in sure] == ["accepted"] * 3


def test_tracks_need_names_and_efforts_of_their_own() -> None:
    for tracks, efforts in (([TRACKS[0], TRACKS[0]], None), (TRACKS, [Effort()])):
        with pytest.raises(InputError, match="tracks with") as error:
            simulate_tracks(tracks, 0, efforts=efforts)
        assert error.value.code == "Y105"


# Coordination -------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(0, 12), st.integers(0, 12), st.floats(0, 1))
def test_a_coordinator_finds_every_contradiction(
    seed: int, claims: int, contradicted: int, noticing: float
) -> None:
    planted = min(claims, contradicted)
    found = simulate_coordination(TRACKS, claims, planted, seed, noticing=noticing)
    assert (found.planted, found.with_coordinator) == (planted, planted)
    # nobody sits in two of these tracks
    assert found.without == 0
    assert found.shares == ((1.0, 0.0) if planted else (1.0, 1.0))


def test_people_who_sit_in_two_tracks_find_some() -> None:
    pair = [core("one", ["a", "b", "c"]), core("two", ["b", "c", "d"])]
    runs = [simulate_coordination(pair, 20, 10, seed, noticing=0.3) for seed in range(100)]
    mean = sum(run.without for run in runs) / 1000
    # two people each notice with probability 0.3: 1 - 0.7^2; four standard errors over 1,000 contradictions
    assert mean == pytest.approx(0.51, abs=4 * math.sqrt(0.51 * 0.49 / 1000))
    assert simulate_coordination(pair, 20, 10, 7) == simulate_coordination(pair, 20, 10, 7)


@pytest.mark.parametrize(
    ("tracks", "claims", "contradicted", "noticing"),
    [
        (TRACKS[:1], 3, 1, 0.5),
        ([TRACKS[0]] * 2, 3, 1, 0.5),
        (TRACKS, 3, 4, 0.5),
        (TRACKS, 3, -1, 0.5),
        (TRACKS, 3, 1, 1.5),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    tracks: list, claims: int, contradicted: int, noticing: float
) -> None:
    with pytest.raises(InputError) as error:
        simulate_coordination(tracks, claims, contradicted, 0, noticing=noticing)
    assert error.value.code == "Y105"
