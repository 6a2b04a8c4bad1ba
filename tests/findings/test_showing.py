"""One way to show anything: every form of picture, every surface, nothing that model text can break."""

from __future__ import annotations

import math

import numpy as np
import pytest
from finding_coins import KIND, toss
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import findings
from pellucid.findings import Measure, MissingError, show
from pellucid.findings.numbers import format_count, format_interval, format_number


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"),
        (1, "1"),
        (0.51234, "0.512"),
        (-0.5, "−0.500"),
        (12.345, "12.3"),
        (123.45, "123"),
        (0.9994, "0.999"),
        (0.9996, "0.999"),
        (9.999, "9.99"),
        (99.96, "99.9"),
        (0.09999, "0.0999"),
        (0.00012, "0.000120"),
        (48210, "48\u2009210"),
        (1048576, "1\u2009048\u2009576"),
        (1e-9, "1 × 10⁻⁹"),
        (2.35e-7, "2.35 × 10⁻⁷"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "unknown"),
        (None, "unknown"),
    ],
)
def test_numbers_have_three_digits_and_true_signs(number, written):
    assert format_number(number) == written


def test_units_intervals_and_counts():
    measure = Measure(name="x", value=0.5, low=0.25, high=0.75, n=4000, unit="nats")
    assert format_interval(measure) == "0.500\u2009nats, 95\u2009% interval 0.250 to 0.750, n = 4\u2009000"
    assert format_interval(Measure(name="x", value=None)) == "unknown"
    assert format_count(12) == "12"


@pytest.mark.parametrize("view", range(6))
def test_every_form_draws_and_has_its_table(coin, view):
    picture = show.figure(coin, view)
    assert len(picture.data) >= 1
    columns, rows = show.table(coin, view)
    assert rows
    assert all(len(row) == len(columns) for row in rows)


def test_series_differ_by_more_than_colour(coin):
    first, second = show.figure(coin, 1).data
    assert first.line.dash != second.line.dash
    assert first.line.color != second.line.color


def test_a_view_that_does_not_exist_is_named(coin):
    with pytest.raises(MissingError, match="has 6 views, not number 9"):
        show.figure(coin, 9)


def test_html_escapes_every_text_and_keeps_the_label_order(coin):
    page = show.html(coin)
    assert "<b>rechts" not in page
    assert "&lt;b&gt;rechts" in page
    order = [
        page.index(mark)
        for mark in ('class="kicker"', "<h3>", "badge supports", 'class="num"', 'class="fig"', 'class="prov"')
    ]
    assert order == sorted(order)
    assert page.count('role="img"') == page.count("<details>") == 5


def test_markdown_cannot_be_broken_by_text(coin):
    text = show.markdown(coin)
    assert "<b>" not in text
    assert coin.id in text


def test_json_is_plain_and_has_no_nan():
    import json

    data = show.json(toss(scale=float("nan")))
    assert json.loads(json.dumps(data, allow_nan=False))["arrays"]["map"]["values"][0] == [None, None, None]
    assert "arrays" not in {key for key in show.json(toss(), arrays=False) if key == "coords"}


def test_the_terminal_shows_claim_before_number_before_source(coin, capsys):
    coin.with_note("odd coin", "Ada").with_retraction("bent", "Grace").show()
    printed = capsys.readouterr().out
    places = [
        printed.index(part)
        for part in (
            "test.coin",
            "Heads in",
            "supports",
            "retracted by Grace",
            "heads ",
            "note by Ada",
            coin.id,
        )
    ]
    assert places == sorted(places)


def test_notebooks_show_the_same(coin):
    assert "Heads in 0.800" in coin._repr_html_()


FORMS = ["line", "bar", "heatmap", "histogram", "interval", "table", "text"]
EVERY_FORM = findings.register(
    findings.Kind(
        name="test.forms",
        title="Every form",
        statement="It is {x.value}",
        views=tuple(findings.View(form=form, array="a", title=form) for form in FORMS),
    )
)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4).map(tuple),
    fill=st.sampled_from([0.0, -1.5, math.nan, math.inf]),
    dtype=st.sampled_from(["float32", "int16", "bool"]),
    word=st.text(max_size=3),
)
def test_any_array_can_be_shown_in_any_form(shape, fill, dtype, word):
    values = np.full(shape, fill if dtype == "float32" else 1, dtype)
    axes = [f"axis{i}" for i in range(len(shape))]
    coords = {axis: [word] * size for axis, size in zip(axes, shape, strict=True)}
    array = findings.Array(values, axes, coords)
    made = findings.start(toss).finding(EVERY_FORM, measures=[Measure.of("x", fill)], arrays={"a": array})
    for view in range(len(FORMS)):
        show.figure(made, view)
        columns, rows = show.table(made, view)
        assert all(len(row) == len(columns) for row in rows)
    assert "It is" in show.html(made)
    assert "It is" in show.markdown(made)
    show.json(made)
    show.text(made)


def test_a_failed_measurement_without_arrays_can_be_shown(capsys):
    made = findings.start(toss).finding(KIND, measures=[Measure.of("heads", None)])
    assert made.status == "failed"
    assert made.header.views == ()
    made.show()
    assert "! failed" in capsys.readouterr().out
    assert "! failed" in show.html(made)
    assert "**failed**" in show.markdown(made)


def test_no_token_can_drive_the_terminal(capsys):
    array = findings.Array([1.0, 2.0], ("token",), {"token": ["\x1b[2J\x07", "\ud800"]})
    made = findings.start(toss).finding(EVERY_FORM, measures=[Measure.of("x", 1)], arrays={"a": array})
    made.with_note("\x1b]0;title\x07", "Ada").show()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "␛[2J␇" in printed
    show.html(made).encode("utf-8")
    show.markdown(made).encode("utf-8")


def test_tokens_that_repeat_keep_their_own_place():
    array = findings.Array([1.0, 2.0, 3.0], ("token",), {"token": ["the", "cat", "the"]})
    made = findings.start(toss).finding(EVERY_FORM, measures=[Measure.of("x", 1)], arrays={"a": array})
    for view in (0, 1, 2):
        assert len(set(show.figure(made, view).data[0].x)) == 3


def test_the_same_finding_is_the_same_page(coin):
    assert show.html(coin) == show.html(coin)


def test_a_source_with_a_backslash_is_shown_as_it_is():
    made = findings.start(toss, subject=findings.Subject(id="a\\b*c", sha256="s" * 64)).finding(
        EVERY_FORM, measures=[Measure.of("x", 1)]
    )
    assert "a\\b*c ssss" in show.html(made)
    assert "a\\\\b\\*c" in show.markdown(made)


def test_large_matrices_are_cut_with_a_word(capsys):
    array = findings.Array(np.zeros((50, 40)), ("row", "column"))
    made = findings.start(toss).finding(EVERY_FORM, measures=[Measure.of("x", 1)], arrays={"a": array})
    made.show()
    assert "first 30 rows; export it for all" in capsys.readouterr().out
    assert len(show.table(made, 0, limit=7)[1]) == 7


def test_shares_can_be_said_in_percent():
    from pellucid.findings.statement import fill

    measures = {"rate": Measure(name="rate", value=0.994), "all": Measure(name="all", value=1.0)}
    assert fill("{rate.percent} of {all.percent}", measures) == "99.4\u2009% of 100\u2009%"
    assert fill("{none.percent}", {"none": Measure(name="none", value=None)}) == "unknown"
