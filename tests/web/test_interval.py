"""The interval rule says with its drawing what the numbers say."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.web.interval import MARGIN, Scale, fit_scale, interval_rule, round_number, round_step

finite = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(finite, min_size=1, max_size=4))
def test_every_number_is_on_the_scale(numbers: list[float]) -> None:
    scale = fit_scale(numbers, 300)
    for number in numbers:
        assert MARGIN - 1e-6 <= scale.at(number) <= 300 - MARGIN + 1e-6


@given(finite, finite)
def test_the_order_of_numbers_is_the_order_on_the_scale(a: float, b: float) -> None:
    scale = fit_scale([a, b], 300)
    assert (scale.at(a) <= scale.at(b)) == (a <= b)


@given(st.floats(1e-9, 1e9))
def test_a_round_step_is_at_least_the_length_and_at_most_two_and_a_half_times_it(length: float) -> None:
    step = round_step(length)
    assert length * (1 - 1e-9) <= step <= 2.5 * length * (1 + 1e-9)


def test_a_scale_near_zero_begins_at_zero() -> None:
    assert fit_scale([0.4, 1.6], 300).low == 0
    assert fit_scale([94.0, 97.0], 300).low > 0


def drawn(svg: str, name: str) -> list[float]:
    found = re.search(rf'class="{name}"[^>]*', svg)
    assert found, name
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", found.group(0).split("=", 2)[-1])]


def test_bar_ring_and_limit_stand_where_their_numbers_are() -> None:
    svg = str(interval_rule(0.5, 0.25, 0.75, 1.0, state="supports"))
    scale = Scale(0.0, 1.0, 300)
    assert drawn(svg, "bar")[0] == pytest.approx(scale.at(0.25), abs=0.06)
    assert f'cx="{scale.at(0.5):.1f}"' in svg
    assert drawn(svg, "lim")[0] == pytest.approx(scale.at(1.0), abs=0.06)
    assert 'class="span supports"' in svg


def test_the_drawing_says_its_numbers_in_words() -> None:
    svg = str(interval_rule(0.5, 0.25, 0.75, 1.0, unit="nats"))
    label = re.search(r'aria-label="([^"]*)"', svg)
    assert label
    words = label.group(1).replace("\u2009", " ")
    assert words == "0.500 nats, interval 0.250 nats to 0.750 nats, limit 1 nats"
    assert 'role="img"' in svg


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_without_a_number_nothing_is_drawn(value: float | None) -> None:
    assert str(interval_rule(value, 0.0, 1.0, 0.5)) == ""


def test_an_infinite_end_is_cut_at_the_scale() -> None:
    svg = str(interval_rule(1.0, 0.5, math.inf, 2.0))
    assert "inf" not in re.sub(r'aria-label="[^"]*"', "", svg)
    assert 'class="bar"' in svg


def test_units_and_states_are_escaped() -> None:
    svg = str(interval_rule(1.0, 0.5, 1.5, state='"><script>', unit="<b>"))
    assert "<script>" not in svg
    assert "<b>" not in svg


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5, "0.5"), (-2.0, "−2"), (1048576.0, "1 048 576"), (0.001, "0.001"), (0.0, "0")],
)
def test_chosen_numbers_have_no_digits_that_say_nothing(number: float, text: str) -> None:
    assert round_number(number).replace("\u2009", " ") == text


def test_a_long_unit_stays_out_of_the_drawing_but_not_out_of_its_words() -> None:
    svg = str(interval_rule(1.0, 0.5, 1.5, 2.0, unit="nats per token"))
    assert svg.count("nats per token") == 4
    assert "nats" not in "".join(re.findall(r"<text.*?</text>", svg))
