"""Generalisability: components against closed forms and exact designs, alpha, needed numbers, bad input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from made_up_answers import NAN, normals, one_trait

from pellucid.findings import InputError
from pellucid.metascience.generalisability import (
    GeneralisabilityConfig,
    coefficient,
    conditions_needed,
    effects,
    generalisability,
    mean_squares,
    variance_components,
)
from pellucid.metascience.intraclass import icc
from pellucid.metascience.intraclass import mean_squares as two_way
from pellucid.metascience.reliability import cronbach_alpha, feldt_interval, spearman_brown


def main(*axes: int) -> frozenset[int]:
    return frozenset(axes)


def design(seed: int, shape: tuple[int, ...], variances: dict[frozenset[int], float]) -> np.ndarray:
    """A crossed random design with these variance components."""
    random = np.random.default_rng(seed)
    total = np.zeros(shape)
    for effect, variance in variances.items():
        size = [n if axis in effect else 1 for axis, n in enumerate(shape)]
        total = total + math.sqrt(variance) * random.normal(size=size)
    return total


def test_two_way_components_equal_the_classical_ones():
    table = one_trait(0, 9, 5)
    ms = two_way(table)
    found = variance_components(table)
    assert found[main(0)] == pytest.approx((ms.rows - ms.error) / 5)
    assert found[main(1)] == pytest.approx((ms.columns - ms.error) / 9)
    assert found[main(0, 1)] == pytest.approx(ms.error)


@pytest.mark.law("metascience.generalisability")
@pytest.mark.parametrize("seed", range(4))
def test_one_facet_is_alpha_and_phi_is_icc2k(seed):
    table = one_trait(seed, 14, 6, noise=0.7)
    finding = generalisability(table)
    alpha = cronbach_alpha(table)
    assert finding.measures["g"].value == pytest.approx(alpha, abs=1e-12)
    feldt = feldt_interval(alpha, 14, 6)
    assert (finding.measures["g"].low, finding.measures["g"].high) == pytest.approx((feldt.low, feldt.high))
    raw = variance_components(table)
    assert coefficient(raw, (6,), absolute=True) == pytest.approx(icc(table)["ICC(2,k)"].value, abs=1e-12)
    # with n conditions, Spearman and Brown
    for n in (1, 3, 60):
        assert coefficient(raw, (n,)) == pytest.approx(spearman_brown(alpha, n / 6), abs=1e-12)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (3, 4, 2, 3)])
def test_expected_mean_squares_return_the_components(shape):
    """On mean squares that are exactly their expectations the components come back exactly."""
    names = effects(len(shape))
    truth = {effect: 0.3 + 0.1 * at for at, effect in enumerate(names)}
    squares = {
        effect: sum(
            truth[other] * math.prod(n for axis, n in enumerate(shape) if axis not in other)
            for other in names
            if other >= effect
        )
        for effect in names
    }
    # an array whose mean squares are these: orthogonal effects of the right size
    array = np.zeros(shape)
    for effect, ms in squares.items():
        part = np.ones(shape)
        for axis in effect:
            contrast = np.zeros(shape[axis])
            contrast[:2] = 1, -1
            part = part * contrast.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        freedom = math.prod(shape[axis] - 1 for axis in effect)
        array += part * math.sqrt(ms * freedom / (part**2).sum())
    found = mean_squares(array)
    for effect in names:
        assert found[effect] == pytest.approx(squares[effect])
        assert variance_components(array)[effect] == pytest.approx(truth[effect])


def test_sums_of_squares_add_up():
    array = normals(0, 4, 3, 5, 2)
    found = mean_squares(array)
    total = sum(ms * math.prod(array.shape[axis] - 1 for axis in effect) for effect, ms in found.items())
    assert total == pytest.approx(((array - array.mean()) ** 2).sum())


@pytest.mark.truth("metascience.generalisability")
def test_planted_components_are_recovered():
    truth = {
        main(0): 4.0,
        main(1): 1.0,
        main(2): 0.25,
        main(0, 1): 2.0,
        main(0, 2): 0.5,
        main(1, 2): 0.0,
        main(0, 1, 2): 1.0,
    }
    found = [variance_components(design(seed, (20, 10, 4), truth)) for seed in range(60)]
    for effect, value in truth.items():
        estimates = [one[effect] for one in found]
        error = np.std(estimates) / math.sqrt(60)
        assert abs(np.mean(estimates) - value) < 4 * error + 1e-12, effect
    finding = generalisability(design(0, (20, 10, 4), truth))
    rows = dict(
        zip(
            finding.arrays["components"].coords["component"], finding.arrays["components"].values, strict=True
        )
    )
    assert rows["model"][0] == pytest.approx(found[0][main(0)])
    assert rows["model x prompt x seed"][1] == pytest.approx(found[0][main(0, 1, 2)])
    assert sum(row[2] for row in rows.values()) == pytest.approx(1)
    assert finding.measures["variance_model_x_prompt"].value == pytest.approx(found[0][main(0, 1)])


def test_coefficients_by_hand():
    parts = {
        main(0): 4.0,
        main(1): 1.0,
        main(2): 0.5,
        main(0, 1): 2.0,
        main(0, 2): 1.0,
        main(1, 2): 0.6,
        main(0, 1, 2): 3.0,
    }
    relative = 2 / 10 + 1 / 2 + 3 / 20
    absolute = relative + 1 / 10 + 0.5 / 2 + 0.6 / 20
    assert coefficient(parts, (10, 2)) == pytest.approx(4 / (4 + relative))
    assert coefficient(parts, (10, 2), absolute=True) == pytest.approx(4 / (4 + absolute))


def test_negative_components_are_zero_and_reported():
    table = normals(3, 12, 4)
    table -= table.mean(axis=1, keepdims=True)  # no differences between models at all
    finding = generalisability(table)
    raw, used, _ = finding.arrays["components"].values[0]
    assert raw < 0
    assert used == 0
    assert finding.measures["negative_components"].value >= 1
    assert finding.measures["g"].value == 0
    assert finding.measures["needed"].value is None
    assert finding.status == "refutes"


def test_needed_numbers_are_the_least_that_reach_the_target():
    parts = {
        main(0): 1.0,
        main(1): 0.0,
        main(2): 0.0,
        main(0, 1): 3.0,
        main(0, 2): 0.2,
        main(1, 2): 0.0,
        main(0, 1, 2): 2.0,
    }
    for target, facet in itertools.product((0.5, 0.7, 0.8), (0, 1)):
        conditions = [20, 4]
        need = conditions_needed(parts, conditions, target, facet)
        if need is None:
            assert (
                coefficient(parts, [10**9 if at == facet else n for at, n in enumerate(conditions)]) < target
            )
            continue
        conditions[facet] = need
        assert coefficient(parts, conditions) >= target - 1e-12
        if need > 1:
            conditions[facet] = need - 1
            assert coefficient(parts, conditions) < target
    # one component alone: n = s / (1 (1 - t) / t) = 4 at t = 0.8
    assert conditions_needed({main(0): 1.0, main(1): 0.0, main(0, 1): 1.0}, [1], 0.8) == 4
    # model x seed alone keeps G below the target, however many prompts
    assert conditions_needed({**parts, main(0, 2): 5.0}, [20, 1], 0.8) is None


def test_the_curve_is_the_coefficient():
    array = design(1, (8, 6, 3), {main(0): 1.0, main(0, 1): 2.0, main(0, 1, 2): 1.0})
    finding = generalisability(array)
    curve = finding.arrays["curve"]
    numbers = curve.coords["conditions"]
    parts = {effect: max(0.0, value) for effect, value in variance_components(array).items()}
    for line, others in zip(curve.values, (1, 2, 5, 10), strict=True):
        np.testing.assert_allclose(line, [coefficient(parts, (n, others)) for n in numbers])
        assert (np.diff(line) >= -1e-12).all()
    assert finding.measures["needed"].value == conditions_needed(parts, (6, 3))
    assert finding.measures["needed_seed"].value == conditions_needed(parts, (6, 3), facet=1)


def test_interval_of_several_facets_holds_the_estimate_and_repeats():
    array = design(2, (25, 6, 3), {main(0): 1.0, main(0, 1): 2.0, main(0, 1, 2): 1.0})
    one, other = generalisability(array), generalisability(array)
    assert one.id == other.id
    g = one.measures["g"]
    assert g.low < g.value < g.high
    assert g.n == 25
    truth = 1 / (1 + 2 / 6 + 1 / 18)
    assert g.low < truth < g.high


def test_four_facets_and_other_names():
    array = design(3, (6, 4, 3, 2), {main(0): 1.0, main(0, 1, 2, 3): 0.5})
    names = GeneralisabilityConfig(facets=("model", "task family", "seed", "grader"))
    finding = generalisability(array, names)
    assert "variance_model_x_task_family" in finding.measures
    assert "needed_task_family" in finding.measures
    assert finding.arrays["components"].values.shape == (15, 3)


@pytest.mark.parametrize(
    ("scores", "config", "code"),
    [
        (np.ones((3, 4, 5, 2, 2)), GeneralisabilityConfig(), "MS72"),
        (np.ones((3, 1, 4)), GeneralisabilityConfig(), "MS72"),
        (np.ones(4), GeneralisabilityConfig(), "MS72"),
        (np.ones((3, 4, 2)), GeneralisabilityConfig(facets=("model", "prompt")), "MS72"),
        (np.array([[[1, 2], [3, NAN]], [[1, 2], [3, 4]]]), GeneralisabilityConfig(), "MS73"),
        (np.array([[1, NAN], [3, 4]]), GeneralisabilityConfig(), "MS47"),
        (np.ones((3, 4)), GeneralisabilityConfig(target=1.0), "MS74"),
    ],
)
def test_bad_designs(scores, config, code):
    with pytest.raises(InputError) as raised:
        generalisability(scores, config)
    assert raised.value.code == code
    assert raised.value.remedy


def test_the_first_gap_is_named():
    with pytest.raises(InputError, match=r"place \(1, 2, 2\)"):
        generalisability(np.array([[[1, 2], [3, NAN]], [[1, 2], [3, 4]]]))


def test_no_variance_at_all_is_undefined():
    finding = generalisability(np.ones((4, 5)))
    assert finding.measures["g"].value is None
    assert finding.status == "failed"
