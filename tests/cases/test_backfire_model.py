"""The backfire model: Monte Carlo, signs of numerical derivatives, and the printed threshold."""

from __future__ import annotations

import math

import pytest
from scipy import integrate
from scipy.special import gamma, gammainc

from pellucid.cases.defeaters.backfire_model import (
    backfire_threshold,
    expected_harm,
    hazard_slope,
    lower_hazard_helps,
    safety_helps,
    safety_margin,
    simulated_harm,
)
from pellucid.findings import InputError

EXPONENTS = [0.25, 0.5, 1.0, 2.0, 3.5]


@pytest.mark.parametrize("k", EXPONENTS)
@pytest.mark.parametrize("horizon", [math.inf, 0.5, 3.0])
def test_closed_form_equals_the_integral(k: float, horizon: float) -> None:
    g, hazard = 1.7, 0.6
    end = 200.0 if math.isinf(horizon) else horizon
    whole, _ = integrate.quad(lambda t: (g * t) ** k * hazard * math.exp(-hazard * t), 0, end, limit=500)
    assert expected_harm(g, k, hazard, horizon=horizon) == pytest.approx(whole, rel=1e-7)


@pytest.mark.parametrize("k", EXPONENTS)
@pytest.mark.parametrize("horizon", [math.inf, 2.0])
def test_closed_form_equals_drawing_times_of_failure(k: float, horizon: float) -> None:
    found = simulated_harm(1.3, k, 0.8, horizon=horizon, survival=0.2, mitigation=0.7, draws=200_000, seed=1)
    closed = expected_harm(1.3, k, 0.8, horizon=horizon, survival=0.2, mitigation=0.7)
    assert found.mean == pytest.approx(closed, abs=4 * found.error)


def test_the_paradox_and_its_exponent() -> None:
    assert expected_harm(2, 1, 0.5) == pytest.approx(4)
    for k in EXPONENTS:
        assert expected_harm(1, k, 0.5) / expected_harm(1, k, 1.0) == pytest.approx(2**k, rel=1e-12)
    assert expected_harm(3, 2, 0.5) == pytest.approx(9 * gamma(3) / 0.25, rel=1e-12)
    # with harm that does not grow, the hazard does not matter
    assert expected_harm(1, 0, 0.1) == pytest.approx(expected_harm(1, 0, 10.0))


def test_the_printed_threshold() -> None:
    assert f"{backfire_threshold(1):.4f}" == "1.7933"
    assert f"{backfire_threshold():.4f}" == "1.7933"


@pytest.mark.parametrize("k", [0.05, *EXPONENTS, 10.0, 60.0])
def test_threshold_solves_its_equation(k: float) -> None:
    u = backfire_threshold(k)
    left = u ** (k + 1) * math.exp(-u)
    right = k * gamma(k + 1) * gammainc(k + 1, u)
    assert left == pytest.approx(right, rel=1e-9)
    assert hazard_slope(k, u * 0.999) > 0 > hazard_slope(k, u * 1.001)


@pytest.mark.parametrize("k", EXPONENTS)
def test_sign_of_the_numerical_derivative_flips_at_the_threshold(k: float) -> None:
    horizon = 2.5

    def slope(hazard: float) -> float:
        # the fourth-order difference: its own error is far below the slope 1e-6 beside the boundary
        step = 1e-3 * hazard
        ends = [expected_harm(1, k, hazard + shift * step, horizon=horizon) for shift in (-2, -1, 1, 2)]
        return (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)

    low, high = 0.2 / horizon, 20 / horizon
    assert slope(low) > 0 > slope(high)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    assert low * horizon == pytest.approx(backfire_threshold(k), abs=1e-6)


@pytest.mark.parametrize("k", EXPONENTS)
def test_lower_hazard_helps_exactly_below_the_threshold(k: float) -> None:
    u = backfire_threshold(k)
    for share, helps in ((0.5, True), (0.99, True), (1.01, False), (3.0, False)):
        hazard, horizon = share * u / 4, 4.0
        assert lower_hazard_helps(k, hazard, horizon) is helps
        less = expected_harm(1, k, hazard * 0.9999, horizon=horizon)
        assert (less < expected_harm(1, k, hazard, horizon=horizon)) is helps
    assert lower_hazard_helps(0, 100.0, 100.0)


# Giving up a premise -----------------------------------------------------------------------------


def _harm(s: float, k: float) -> float:
    """Safety s lowers the hazard, may prevent failure for good, and softens it."""
    return expected_harm(1.5, k, _hazard(s), survival=_survival(s), mitigation=_mitigation(s))


def _hazard(s: float) -> float:
    return math.exp(-0.7 * s)


def _survival(s: float) -> float:
    return s * s / (1 + s * s)


def _mitigation(s: float) -> float:
    return 1 / (1 + 0.3 * s)


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("s", [0.1, 0.5, 1.0, 2.0, 4.0])
def test_margin_is_the_relative_fall_of_harm(k: float, s: float) -> None:
    step = 1e-5
    slope = (_harm(s + step, k) - _harm(s - step, k)) / (2 * step)
    margin = safety_margin(
        exponent=k,
        hazard=_hazard(s),
        hazard_slope=-0.7 * _hazard(s),
        survival=_survival(s),
        survival_slope=2 * s / (1 + s * s) ** 2,
        mitigation=_mitigation(s),
        mitigation_slope=-0.3 * _mitigation(s) ** 2,
    )
    assert margin == pytest.approx(-slope / _harm(s, k), abs=1e-6)


def test_the_boundary_condition() -> None:
    given = {"exponent": 2.0, "hazard": 0.5, "hazard_slope": -0.1, "survival": 0.5}
    # q' / (1 - q) against k |λ'| / λ = 0.4: the balance is at q' = 0.2
    assert not safety_helps(**given, survival_slope=0.2 - 1e-6)
    assert safety_helps(**given, survival_slope=0.2 + 1e-6)
    assert not safety_helps(**given, mitigation=0.5, mitigation_slope=-0.2 + 1e-6)
    assert safety_helps(**given, mitigation=0.5, mitigation_slope=-0.2 - 1e-6)
    # with all three premises and nothing else, it never helps
    assert not safety_helps(exponent=1.0, hazard=1.0, hazard_slope=-1e-9)


def test_numbers_outside_their_range_are_refused() -> None:
    for wrong in (
        {"growth": 0.0},
        {"hazard": 0.0},
        {"hazard": -1.0},
        {"exponent": -1.0},
        {"survival": 1.5},
        {"mitigation": -0.1},
        {"horizon": 0.0},
        {"hazard": math.nan},
    ):
        with pytest.raises(InputError, match="The backfire model got") as refused:
            expected_harm(**({"growth": 1.0, "exponent": 1.0, "hazard": 1.0} | wrong))
        assert refused.value.code == "Y77"
    for exponent in (0.0, -1.0, math.inf):
        with pytest.raises(InputError, match="exponent"):
            backfire_threshold(exponent)
    with pytest.raises(InputError, match="hazard 0"):
        safety_margin(exponent=1, hazard=0, hazard_slope=-1)
