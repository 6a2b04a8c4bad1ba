"""A re-run compared with what it repeats: tolerances, what they accept, and the Finding that says so."""

from __future__ import annotations

import math

import pytest
from case_arguments import header
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases import Node
from pellucid.cases.evidence.repetition import RERUN, Repetitions
from pellucid.cases.evidence.tolerance import Tolerance, distance, measures_read
from pellucid.cases.rerun import RERUN_KIND, compare
from pellucid.findings import InputError, Measure

FINITE = st.floats(-1e6, 1e6)


def measure(value: float | None, low: float | None = None, high: float | None = None) -> Measure:
    return Measure(name="score", value=value, low=low, high=high)


def node(**layers: str) -> Node:
    return Node("Sn1").having(predicate="score.low >= 1", **layers)


# Tolerances -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("overlap", Tolerance()),
        (" Overlap ", Tolerance()),
        ("exact", Tolerance("exact")),
        ("0.01", Tolerance("absolute", 0.01)),
        ("1e-3", Tolerance("absolute", 0.001)),
        (".5", Tolerance("absolute", 0.5)),
        ("0", Tolerance("absolute", 0.0)),
        ("5%", Tolerance("relative", 0.05)),
        ("5 %", Tolerance("relative", 0.05)),
    ],
)
def test_tolerances_that_can_be_read(text: str, expected: Tolerance) -> None:
    assert Tolerance.parse(text) == expected
    assert Tolerance.of(node(tolerance=text)) == expected


@pytest.mark.parametrize(
    "text", ["", "about", "-1", "1e999", "5 percent", "nan", "0.1 0.2", "__import__('os')"]
)
def test_tolerances_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match="is no tolerance") as refused:
        Tolerance.parse(text)
    assert refused.value.code == "Y82"


def test_no_leaf_and_no_layer_mean_overlap() -> None:
    assert Tolerance.of(None) == Tolerance.of(node()) == Tolerance()


@given(FINITE, st.floats(0, 1e3), FINITE, st.floats(0, 1e3))
def test_intervals_overlap_when_they_share_a_point(a: float, width: float, b: float, other: float) -> None:
    old, new = measure(a, a, a + width), measure(b, b, b + other)
    shared = max(a, b) <= min(a + width, b + other)
    assert Tolerance().within(old, new) == shared == Tolerance().within(new, old)


@pytest.mark.parametrize(
    ("tolerance", "old", "new", "within"),
    [
        (Tolerance(), measure(1.0), measure(1.0), True),
        (Tolerance(), measure(1.0), measure(1.0000001), False),
        (Tolerance(), measure(1.0, 0.5, 1.5), measure(1.4), True),
        (Tolerance(), measure(1.0, 0.5, 1.5), measure(1.6), False),
        (Tolerance(), measure(1.0, None, 1.5), measure(1.5, 1.5, 2.0), True),
        (Tolerance(), measure(1.0, math.nan, 1.5), measure(0.9), False),
        (Tolerance("exact"), measure(1.0, 0.5, 1.5), measure(1.0, 0.5, 1.5), True),
        (Tolerance("exact"), measure(1.0, 0.5, 1.5), measure(1.0, 0.5, 1.6), False),
        (Tolerance("absolute", 0.5), measure(1.0), measure(1.5), True),
        (Tolerance("absolute", 0.5), measure(1.0), measure(1.51), False),
        (Tolerance("absolute", 0.0), measure(1.0), measure(1.0), True),
        (Tolerance("relative", 0.1), measure(-10.0), measure(-11.0), True),
        (Tolerance("relative", 0.1), measure(-10.0), measure(-11.1), False),
        (Tolerance("relative", 0.1), measure(0.0), measure(0.0), True),
        (Tolerance("relative", 0.1), measure(0.0), measure(1e-9), False),
        (Tolerance("absolute", 9.0), measure(None), measure(1.0), False),
        (Tolerance("absolute", 9.0), measure(1.0), measure(math.nan), False),
        (Tolerance(), measure(math.inf), measure(math.inf), True),
    ],
)
def test_what_a_tolerance_accepts(tolerance: Tolerance, old: Measure, new: Measure, within: bool) -> None:
    assert tolerance.within(old, new) is within


def test_distances() -> None:
    assert distance(measure(1.0), measure(-2.0)) == 3.0
    assert distance(measure(math.inf), measure(math.inf)) == 0.0
    assert distance(measure(None), measure(1.0)) == math.inf


def test_the_measures_that_a_leaf_reads() -> None:
    measures = {"score": measure(1.0), "other": measure(2.0)}
    assert measures_read(node(), measures) == ("score",)
    assert measures_read(node(refutedBy="other.high < 1 and score < 2"), measures) == ("score", "other")
    assert measures_read(None, measures) == ("score", "other")
    assert measures_read(Node("Sn1").having(predicate="score >"), measures) == ("score", "other")


# The Finding ----------------------------------------------------------------------------------------


@pytest.mark.law("cases.rerun")
@given(FINITE, st.floats(0, 1e3))
def test_the_same_measurement_always_reproduces_itself(value: float, width: float) -> None:
    found = header(score=value, low=value - width, high=value + width)
    for tolerance in ("overlap", "exact", "0", "5 %"):
        compared = compare(found, found, node(tolerance=tolerance))
        assert compared.status == "supports"
        assert {name: one.value for name, one in compared.measures.items()} == {
            "agrees": 1.0,
            "within": 1.0,
            "distance": 0.0,
            "same_id": 1.0,
            "same_inputs": 1.0,
        }


@pytest.mark.truth("cases.rerun")
@pytest.mark.parametrize(
    ("moved", "tolerance", "status"),
    [
        (0.0, "overlap", "supports"),
        (0.9, "overlap", "supports"),
        (1.1, "overlap", "refutes"),
        (0.9, "exact", "refutes"),
        (0.25, "0.25", "supports"),
        (0.5, "0.25", "refutes"),
        (0.5, "50 %", "supports"),
        (0.75, "50 %", "refutes"),
    ],
)
def test_a_planted_shift_is_found_where_it_leaves_the_tolerance(
    moved: float, tolerance: str, status: str
) -> None:
    """Intervals one unit wide, the second moved by a known distance."""
    old = header(score=1.0, low=0.5, high=1.5)
    new = header(score=1.0 + moved, low=0.5 + moved, high=1.5 + moved, salt="again")
    compared = compare(old, new, node(tolerance=tolerance))
    assert compared.status == status
    assert compared.measures["distance"].value == pytest.approx(moved, abs=1e-12)
    assert compared.measures["same_inputs"].value == 1.0
    assert compared.provenance.parents == (old.id, new.id)
    assert compared.provenance.subject == new.provenance.subject


@pytest.mark.parametrize(
    "changed",
    [
        {"model": ("organism:m", "bb")},
        {"data": ("text", "d1")},
        {"code": ("room.method", "c1")},
        {"parents": ["1" * 64]},
    ],
)
def test_another_number_of_another_object_is_a_change_and_no_failure_to_repeat(changed: dict) -> None:
    old = header(score=1.0)
    assert compare(old, header(score=9.0, salt="new", **changed)).status == "inconclusive"
    assert compare(old, header(score=1.0, salt="new", **changed)).status == "supports"
    assert compare(old, header(score=9.0, salt="new")).status == "refutes"


def test_only_measures_that_the_leaf_reads_are_compared() -> None:
    old, new = header(score=1.0), header(score=1.0, salt="new")
    more = Measure(name="other", value=1.0)
    old = old.model_copy(update={"rows": (*old.rows, more)})
    new = new.model_copy(update={"rows": (*new.rows, more.model_copy(update={"value": 9.0}))})
    assert compare(old, new, node()).status == "supports"
    assert compare(old, new).status == "refutes"
    assert compare(old, new).measures["within"].n == 2


def test_a_measure_that_is_gone_or_a_failed_run_reproduces_nothing() -> None:
    old = header(score=1.0)
    gone = compare(old, header(name="other", score=1.0))
    assert (gone.status, gone.measures["distance"].value) == ("refutes", None)
    failed = compare(old, header(score=1.0, status="failed"))
    assert failed.measures["agrees"].value == 0.0


def test_its_sentence_and_its_identity() -> None:
    old, new = header(score=1.0), header(score=1.5, salt="new")
    first = compare(old, new, node(), ran="2026-01-01T00:00:00Z")
    assert first.statement == "Measured again, 0 of 1 measures agree; the largest distance is 0.500"
    assert first.id == compare(old, new, node(), ran="2026-01-01T00:00:00Z").id
    assert first.id != compare(old, new, node(), ran="2026-01-02T00:00:00Z").id
    assert first.kind == RERUN == RERUN_KIND.name
    assert first.header.provenance.parameters["element"] == "Sn1"


def test_repetitions_are_read_from_their_findings() -> None:
    old, new, newer = header(score=1.0), header(score=1.0, salt="a"), header(score=1.0, salt="b")
    reruns = [
        compare(old, newer, ran="2026-03-01T00:00:00Z").header,
        compare(old, new, ran="2026-01-01T00:00:00Z").header,
        compare(old, old, ran="2026-02-01T00:00:00Z").header,
        header(salt="no re-run"),
    ]
    repeated = Repetitions.of(reruns)
    assert [found.provenance.parents[1] for found in repeated.successors(old.id)] == [newer.id, new.id]
    assert repeated.confirmed(old.id).isoformat() == "2026-02-01T00:00:00+00:00"  # type: ignore[union-attr]
    assert repeated.confirmed(new.id) is None
    assert repeated.refuted(old.id) is None
    assert Repetitions.of([]).successors(old.id) == ()
