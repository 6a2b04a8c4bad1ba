"""Item response: curves, recovery of planted parameters, sufficiency, information, fit, adaptive tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_answers import NAN, answers, normals
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from pellucid.findings import InputError
from pellucid.metascience.adaptive import adaptive_test
from pellucid.metascience.calibration import (
    calibrate,
    item_scores,
    observed_information,
    slopes,
)
from pellucid.metascience.item_fit import (
    dependent_pairs,
    item_fit,
    pairwise_correlations,
    residual_correlations,
)
from pellucid.metascience.item_response import ItemResponseConfig, item_response, scale_scores
from pellucid.metascience.response_curves import (
    ItemParameters,
    expected_ability,
    item_information,
    log_likelihood,
    posterior,
    probability,
    quadrature,
    standard_error,
    total_information,
)

B = np.linspace(-1.5, 1.5, 11)
A = np.array([0.8, 1.5, 1.0, 0.6, 1.2, 2.0, 0.9, 1.1, 1.4, 0.7, 1.3])


# Curves


def test_curves_by_hand():
    items = ItemParameters.of([0.0, 1.0], [1.0, 2.0], [0.0, 0.2])
    found = probability([0.0, 1.0], items)
    expected = [[0.5, 0.2 + 0.8 / (1 + math.e**2)], [1 / (1 + math.exp(-1)), 0.6]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("theta", [-2.0, -0.3, 0.0, 1.7])
def test_information_is_the_negative_expected_second_derivative(theta):
    items = ItemParameters.of(B[:4], A[:4], [0.0, 0.0, 0.2, 0.25])
    step = 1e-3
    at = np.array([theta - step, theta, theta + step])
    p = probability(at, items)
    for item in range(4):
        log_right, log_wrong = np.log(p[:, item]), np.log(1 - p[:, item])
        curvature = [(v[0] - 2 * v[1] + v[2]) / step**2 for v in (log_right, log_wrong)]
        expected = -(p[1, item] * curvature[0] + (1 - p[1, item]) * curvature[1])
        # the error of the difference is of order step^2
        assert item_information([theta], items)[0, item] == pytest.approx(expected, abs=1e-5)
    assert total_information([theta], items)[0] == pytest.approx(item_information([theta], items).sum())
    assert standard_error([theta], items)[0] == pytest.approx(total_information([theta], items)[0] ** -0.5)


def test_information_of_the_2pl_is_a_squared_p_q():
    items = ItemParameters.of(B, A)
    p = probability([0.4], items)
    np.testing.assert_allclose(item_information([0.4], items), A**2 * p * (1 - p))


def test_quadrature_integrates_the_normal():
    nodes, log_weights = quadrature(41, 1.5)
    weights = np.exp(log_weights)
    moments = [(weights * nodes**power).sum() for power in range(5)]
    np.testing.assert_allclose(moments, [1, 0, 1.5**2, 0, 3 * 1.5**4], atol=1e-10)


def test_posterior_equals_numerical_integration():
    items = ItemParameters.of([-1.0, 0.5, 2.0], [1.0, 1.5, 0.7])
    row = np.array([[1.0, 0.0, 1.0]])

    def weight(theta: float, power: int = 0) -> float:
        return theta**power * norm.pdf(theta) * math.exp(log_likelihood(row, np.array([theta]), items)[0, 0])

    mass, first, second = (quad(weight, -9, 9, args=(power,))[0] for power in range(3))
    ability, error = expected_ability(row, items)
    assert ability[0] == pytest.approx(first / mass, abs=1e-8)
    assert error[0] == pytest.approx(math.sqrt(second / mass - (first / mass) ** 2), abs=1e-8)
    assert posterior(row, items)[2][0] == pytest.approx(math.log(mass), abs=1e-8)


# Calibration


@pytest.mark.truth("metascience.item_response")
def test_2pl_parameters_are_recovered():
    table = answers(1, normals(0, 3000), B, A)
    finding = item_response(table)
    rows = finding.arrays["items"].values
    assert finding.measures["parameters_per_item"].value == 2
    # standard errors come with the estimates; four of them hold every one of 22 numbers
    assert (np.abs(rows[:, 0] - A) < 4 * rows[:, 3]).all()
    assert (np.abs(rows[:, 1] - B) < 4 * rows[:, 4]).all()
    assert rows[:, 3].max() < 0.15
    abilities = finding.arrays["respondents"].values[:, 0]
    # expected abilities correlate with the true ones by the root of their reliability; its error is 0.006
    reliability = finding.measures["reliability"].value
    assert np.corrcoef(abilities, normals(0, 3000))[0, 1] == pytest.approx(math.sqrt(reliability), abs=0.025)
    assert finding.measures["converged"].value == 1


def test_error_falls_as_one_over_root_n():
    b, a = np.tile(B, 2), np.tile(A, 2)

    def error(n: int, seeds: int) -> float:
        found = [calibrate(answers(seed, normals(100 + seed, n), b, a), "2PL").items for seed in range(seeds)]
        return float(np.sqrt(np.mean([(items.b - b) ** 2 + (items.a - a) ** 2 for items in found])))

    # sixteen times the respondents, a quarter of the error
    assert 3.2 < error(250, 8) / error(4000, 8) < 5.0


def test_standard_errors_are_right():
    z = []
    for seed in range(40):
        fitted = calibrate(answers(seed, normals(200 + seed, 600), B, A), "2PL")
        z += ((fitted.items.b - B) / fitted.errors[:, 1]).tolist()
        z += ((fitted.items.a - A) / fitted.errors[:, 0]).tolist()
    # 880 standardised errors: spread 1 but for the skew of a at n = 600
    assert 0.9 < np.std(z) < 1.15


@pytest.mark.parametrize("model", ["1PL", "2PL"])
def test_errors_item_by_item_are_near_the_joint_ones(model, monkeypatch):
    table = answers(30, normals(30, 800), np.tile(B, 2), np.tile(A, 2))
    joint = calibrate(table, model)
    monkeypatch.setattr("pellucid.metascience.calibration.MOST_TOGETHER", 1)
    alone = calibrate(table, model)
    np.testing.assert_array_equal(joint.items.b, alone.items.b)
    # holding the other items can only make an error smaller, and with 22 items hardly does
    ratio = alone.errors[:, 1] / joint.errors[:, 1]
    assert (ratio <= 1 + 1e-9).all()
    assert ratio.min() > 0.8


def test_1pl_finds_difficulties_and_the_spread_of_ability():
    table = answers(2, 1.7 * normals(1, 3000), B)
    fitted = calibrate(table, "1PL")
    assert fitted.items.deviation == pytest.approx(1.7, abs=0.12)
    assert (np.abs(fitted.items.b - B) < 4 * fitted.errors[:, 1]).all()
    assert (fitted.items.a == 1).all()


def test_3pl_finds_the_guessing():
    random = np.random.default_rng(3)
    truth = ItemParameters.of(B, 1.8, 0.25)
    table = (random.random((4000, 11)) < probability(random.normal(size=4000), truth)).astype(float)
    found = calibrate(table, "3PL").items
    assert found.c.mean() == pytest.approx(0.25, abs=0.05)
    assert np.corrcoef(found.b, B)[0, 1] > 0.98


@pytest.mark.parametrize("model", ["1PL", "2PL"])
def test_the_estimate_is_the_maximum_of_the_marginal_likelihood(model):
    table = answers(4, normals(4, 150), B[:5], A[:5])
    fitted = calibrate(table, model, tolerance=1e-9)

    def negative(x: np.ndarray) -> float:
        items = (
            ItemParameters.of(x[:5], 1.0, 0.0, x[5]) if model == "1PL" else ItemParameters.of(x[:5], x[5:])
        )
        return -float(posterior(table, items)[2].sum())

    last = [fitted.items.deviation] if model == "1PL" else fitted.items.a
    x = np.concatenate([fitted.items.b, last])
    best = minimize(negative, x, method="BFGS")
    assert negative(x) == pytest.approx(best.fun, abs=1e-6)
    np.testing.assert_allclose(x, best.x, atol=2e-3)


@pytest.mark.parametrize("model", ["1PL", "2PL"])
def test_observed_information_equals_finite_differences_at_the_estimate(model):
    table = answers(5, normals(5, 200), B[:4], A[:4])
    table[3, 1] = NAN
    items = calibrate(table, model, tolerance=1e-10).items

    def likelihood(x: np.ndarray) -> float:
        if model == "1PL":
            moved = ItemParameters.of(x[:4], 1.0, 0.0, x[4])
        else:
            moved = ItemParameters.of(x[1::2], np.exp(x[::2]))
        return float(posterior(table, moved)[2].sum())

    if model == "1PL":
        x = np.append(items.b, items.deviation)
    else:
        x = np.stack([np.log(items.a), items.b], axis=1).ravel()
    step, size = 1e-4, len(x)
    numeric = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            e, f = np.eye(size)[i] * step, np.eye(size)[j] * step
            corners = [likelihood(x + s * e + t * f) * s * t for s in (1, -1) for t in (1, -1)]
            numeric[i, j] = -sum(corners) / (4 * step**2)
    # second differences of a log-likelihood of some hundreds lose about six digits
    np.testing.assert_allclose(observed_information(table, items, model, 41), numeric, atol=2e-3)


def test_slopes_equal_finite_differences():
    nodes = np.linspace(-2, 2, 5)
    items = ItemParameters.of([0.3, -0.7], [1.2, 0.8], [0.2, 0.1])
    _, along = slopes(nodes, items, "3PL")
    step = 1e-6
    for at, moved in enumerate(
        [
            lambda h: ItemParameters.of(items.b, items.a * np.exp(h), items.c),
            lambda h: ItemParameters.of(items.b + h, items.a, items.c),
            lambda h: ItemParameters.of(items.b, items.a, 1 / (1 + (1 - items.c) / items.c * np.exp(-h))),
        ]
    ):
        numeric = (probability(nodes, moved(step)) - probability(nodes, moved(-step))) / (2 * step)
        np.testing.assert_allclose(along[..., at], numeric, atol=1e-8)
    gradient, information = item_scores(nodes, np.ones((5, 2)), probability(nodes, items), items, "3PL")
    np.testing.assert_allclose(gradient, 0, atol=1e-12)
    assert (np.linalg.eigvalsh(information) > 0).all()


def test_priors_pull_towards_their_means():
    table = answers(6, normals(6, 40), B, A)
    free, bound = calibrate(table, "2PL").items, calibrate(table, "2PL", priors=True).items
    assert np.abs(np.log(bound.a)).sum() < np.abs(np.log(free.a)).sum()
    assert np.abs(bound.b).sum() < np.abs(free.b).sum()


# Laws


@pytest.mark.law("metascience.item_response")
def test_same_raw_score_same_ability_in_the_1pl():
    table = answers(7, normals(7, 60), B)
    finding = item_response(table)
    rows = finding.arrays["respondents"].values
    assert finding.measures["parameters_per_item"].value == 1
    for raw in np.unique(rows[:, 2]):
        same = rows[rows[:, 2] == raw]
        np.testing.assert_allclose(same[:, 0], same[0, 0], atol=1e-10)
        np.testing.assert_allclose(same[:, 1], same[0, 1], atol=1e-10)
    order = np.argsort(rows[:, 2], kind="stable")
    assert (np.diff(rows[order, 0]) >= -1e-10).all()


def test_order_of_items_and_respondents_changes_nothing():
    table = answers(8, normals(8, 120), B, A)
    one, other = item_response(table), item_response(table[::-1, ::-1])
    np.testing.assert_allclose(
        one.arrays["items"].values[:, :2], other.arrays["items"].values[::-1, :2], atol=1e-4
    )


def test_turning_right_into_wrong_mirrors_difficulties_in_the_1pl():
    table = answers(9, normals(9, 80), B)
    one, other = calibrate(table).items, calibrate(1 - table).items
    np.testing.assert_allclose(one.b, -other.b, atol=1e-4)
    assert one.deviation == pytest.approx(other.deviation, abs=1e-4)


def test_gaps_say_nothing():
    table = answers(10, normals(10, 200), B)
    padded = np.vstack([table, np.full((3, 11), NAN)])
    one, other = calibrate(table).items, calibrate(padded).items
    np.testing.assert_allclose(one.b, other.b, atol=1e-5)
    ability, error = expected_ability(padded[-1:], other)
    assert ability[0] == pytest.approx(0, abs=1e-10)
    assert error[0] == pytest.approx(other.deviation, abs=1e-6)


def test_gaps_at_random_leave_parameters():
    table = answers(11, normals(11, 3000), B)
    table[np.random.default_rng(0).random(table.shape) < 0.4] = NAN
    fitted = calibrate(table)
    assert (np.abs(fitted.items.b - B) < 4 * fitted.errors[:, 1]).all()


def test_all_right_and_all_wrong():
    table = answers(12, normals(12, 50), B)
    table[:, 0], table[:, 1] = 1, 0
    table[0], table[1] = 1, 0
    table[0, 1], table[1, 0] = 0, 1
    finding = item_response(table)
    rows, people = finding.arrays["items"].values, finding.arrays["respondents"].values
    assert finding.measures["extreme_items"].value == 2
    assert np.isnan(rows[:2, 1]).all()
    assert np.isfinite(rows[2:, 1]).all()
    assert np.isfinite(people[:, :2]).all()
    # such items tell nothing: abilities are those of the other items alone
    alone = item_response(table[:, 2:])
    np.testing.assert_allclose(people[:, 0], alone.arrays["respondents"].values[:, 0], atol=1e-4)
    assert people[0, 0] == people[:, 0].max()
    assert people[1, 0] == people[:, 0].min()
    assert alone.measures["extreme_respondents"].value >= 2


# The choice of model


def test_few_respondents_get_the_1pl_and_are_told_why():
    few = item_response(answers(13, normals(13, 99), B))
    many = item_response(answers(13, normals(13, 100), B))
    assert few.measures["parameters_per_item"].value == 1
    assert many.measures["parameters_per_item"].value == 2
    assert "fewer than 100" in few.provenance.parameters["why"]
    assert "fewer than 100" in few.header.notes[0].text
    asked = item_response(answers(13, normals(13, 99), B), ItemResponseConfig(model="2PL"))
    assert asked.measures["parameters_per_item"].value == 2
    assert not asked.header.notes


def test_status_follows_the_interval_of_the_reliability():
    long, short = np.linspace(-1, 1, 40), np.linspace(-1, 1, 4)
    for seed, b, expected in ((21, long, "supports"), (22, short, "refutes")):
        finding = item_response(answers(seed, 1.5 * normals(seed, 200), b))
        found = finding.measures["reliability"]
        assert found.low < found.value < found.high
        assert finding.status == expected


def test_same_table_same_id():
    table = answers(14, normals(14, 40), B)
    assert item_response(table).id == item_response(table).id


def test_threshold_makes_scores_right_or_wrong():
    graded = np.random.default_rng(0).random((30, 6))
    with pytest.raises(InputError, match=r"threshold=0\.5") as raised:
        item_response(graded)
    assert raised.value.code == "MS50"
    assert "'respondent 1'" in str(raised.value)
    one = item_response(graded, ItemResponseConfig(threshold=0.5))
    other = item_response((graded >= 0.5).astype(float))
    np.testing.assert_array_equal(one.arrays["items"].values, other.arrays["items"].values)


@pytest.mark.parametrize(
    ("table", "config", "code"),
    [
        ([[1, 0, 1]], ItemResponseConfig(), "MS46"),
        ([[1, 1], [1, 1], [1, 1]], ItemResponseConfig(), "MS48"),
        ([[1, 0], [0, 1], [1, 1]], ItemResponseConfig(model="4PL"), "MS65"),  # type: ignore[arg-type]
        ([[1, 0], [0, 1], [1, 1]], ItemResponseConfig(points=2), "MS65"),
    ],
)
def test_bad_input(table, config, code):
    with pytest.raises(InputError) as raised:
        item_response(table, config)
    assert raised.value.code == code
    assert raised.value.remedy


# Fit


def test_mean_squares_are_one_when_the_model_holds():
    table = answers(15, normals(15, 5000), B, A)
    found = item_fit(table, calibrate(table, "2PL").items)
    np.testing.assert_allclose(found, 1, atol=0.03)


def test_a_noisy_item_misfits():
    table = answers(16, 1.5 * normals(16, 2000), B)
    table[:, 5] = np.random.default_rng(1).random(2000) < 0.5
    found = item_fit(table, calibrate(table).items)
    assert found[:, 0].argmax() == found[:, 1].argmax() == 5
    assert found[5, 1] > 1.15
    assert np.delete(found[:, 1], 5).max() < 1.05


def test_copied_items_depend():
    table = answers(17, normals(17, 500), B)
    table = np.column_stack(
        [table, np.where(np.random.default_rng(2).random(500) < 0.9, table[:, 4], 1 - table[:, 4])]
    )
    q3 = residual_correlations(table, calibrate(table).items)
    upper = np.where(np.triu(np.ones_like(q3), 1) > 0, q3, -1)
    assert np.unravel_index(upper.argmax(), q3.shape) == (4, 11)
    assert dependent_pairs(q3, 500) == (1, 1)


def test_few_respondents_depend_by_chance_alone():
    table = answers(18, normals(18, 15), B)
    above, real = dependent_pairs(residual_correlations(table, calibrate(table).items), 15)
    assert above > real == 0


def test_pairwise_correlations_equal_numpy():
    values = normals(19, 40, 4)
    np.testing.assert_allclose(pairwise_correlations(values), np.corrcoef(values, rowvar=False), atol=1e-12)
    values[:5, 0] = NAN
    expected = np.corrcoef(values[5:, 0], values[5:, 2])[0, 1]
    assert pairwise_correlations(values)[0, 2] == pytest.approx(expected)


# Adaptive


def test_adaptive_test_asks_what_tells_most():
    items = ItemParameters.of(B, A)
    test = adaptive_test(items, np.ones(11), target=1e-9)
    assert sorted(test.asked) == list(range(11))
    assert test.asked[0] == item_information([0.0], items)[0].argmax()
    assert not test.reached
    ability, error = expected_ability(np.ones((1, 11)), items)
    assert (test.ability, test.error) == (pytest.approx(ability[0]), pytest.approx(error[0]))


def test_adaptive_test_stops_at_its_target_and_saves_items():
    b = np.linspace(-3, 3, 200)
    items = ItemParameters.of(b, 1.5)
    for seed, theta in enumerate((-1.5, 0.0, 2.0)):
        given = answers(seed, np.array([theta]), b, 1.5)[0]
        test = adaptive_test(items, lambda item, given=given: given[item], target=0.3)
        assert test.reached
        assert test.error <= 0.3
        assert len(test.asked) < 40
        assert abs(test.ability - theta) < 4 * 0.3
        limited = adaptive_test(items, given, target=0.3, most=5)
        assert limited.asked == test.asked[:5]


def test_adaptive_test_skips_gaps_and_refuses_nonsense():
    items = ItemParameters.of([-1.0, 0.0, np.inf])
    assert adaptive_test(items, [1, NAN, 1], target=0.01).asked == (0,)
    for target, given in ((0, [1, 1, 1]), (0.1, [0.5, 0.5, 1])):
        with pytest.raises(InputError) as raised:
            adaptive_test(items, given, target=target)
        assert raised.value.code == "MS64"


def test_new_respondents_on_calibrated_items():
    table = answers(20, normals(20, 300), B, A)
    fitted = calibrate(table, "2PL")
    ability, _ = scale_scores(table[:5], fitted)
    np.testing.assert_allclose(ability, item_response(table).arrays["respondents"].values[:5, 0], atol=1e-12)
