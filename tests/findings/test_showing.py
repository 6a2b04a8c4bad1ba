"""One way to show anything: every form of picture, every surface, nothing that model text can break."""

from __future__ import annotations

import math

import pytest
from conftest import toss

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
