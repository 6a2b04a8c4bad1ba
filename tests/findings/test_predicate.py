from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.findings import InputError, Measure, Predicate

MEASURES = {
    "score": Measure(name="score", value=0.5, low=0.2, high=0.9, n=24),
    "gap": Measure(name="gap", value=math.nan),
    "cover-age@2": Measure(name="cover-age@2", value=1.0),
}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("score.high <= 1", True),
        ("score.high <= 0.9", True),
        ("score.low > 0.2", False),
        ("score > .4 and score.n >= 24", True),
        ("score > 4e-1 or missing.value > 1", True),
        ("score > 0.6 and missing.value > 1", False),
        ("score < 0.6 and missing.value > 1", None),
        ("not missing.value > 1", None),
        ("not (score > 0.6 or score < 0.1)", True),
        ("gap == 0", None),
        ("gap.low < 1 or score.value != 0", True),
        ("-1 < score", True),
        ("cover-age@2.value >= 1", True),
    ],
)
def test_truth(text, truth):
    assert Predicate.parse(text).evaluate(MEASURES) is truth


def test_and_binds_more_than_or():
    assert Predicate.parse("1 > 2 and 1 > 2 or 2 > 1").evaluate({}) is True
    assert Predicate.parse("1 > 2 and (1 > 2 or 2 > 1)").evaluate({}) is False


def test_it_tells_which_ends_it_reads():
    assert Predicate.parse("a.high <= 1 and not b >= 2").ends() == [("a", "high"), ("b", "value")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1),
        ("score", 6),
        ("score.highest < 1", 1),
        ("score < 1 extra", 11),
        ("score < ", 9),
        ("(score < 1", 11),
        ("score < 1 and", 14),
        ("__import__('os')", 11),
        ("score < 1; x", 10),
        ("and < 1", 1),
        (".", 1),
        ("score < ٣", 9),
        ("(" * 60 + "score < 1" + ")" * 60, 52),
        ("not " * 5000 + "score < 1", 205),
    ],
)
def test_errors_name_the_place(text, place):
    with pytest.raises(InputError, match=rf"position {place}:") as caught:
        Predicate.parse(text)
    assert caught.value.code == "FN10"


@given(st.text(max_size=30))
def test_no_text_does_anything_but_parse_or_refuse(text):
    try:
        parsed = Predicate.parse(text)
    except InputError:
        return
    assert parsed.evaluate(MEASURES) in (True, False, None)


comparisons = st.sampled_from(["score > 0", "score > 1", "missing > 0"])
nested = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
    ),
    max_leaves=6,
)


@given(nested)
def test_de_morgan_holds_with_the_unknown(text):
    other = Predicate.parse(f"not (not ({text}) or not (score > 0))")
    assert other.evaluate(MEASURES) is Predicate.parse(f"({text}) and score > 0").evaluate(MEASURES)


@given(nested)
def test_what_is_decided_stays_decided_when_the_missing_arrives(text):
    before = Predicate.parse(text).evaluate(MEASURES)
    for value in (-1.0, 1.0):
        after = Predicate.parse(text).evaluate({**MEASURES, "missing": Measure(name="missing", value=value)})
        assert before in (None, after)
