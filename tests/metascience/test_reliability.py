"""Reliability and factors: laws on exact covariances, closed forms, independent references, bad input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_answers import NAN, answers, normals, one_trait, with_covariance
from sklearn.decomposition import FactorAnalysis

from pellucid.findings import InputError
from pellucid.metascience.factors import (
    FactorConfig,
    correlation_eigenvalues,
    factor_analysis,
    fit_factors,
    fit_table,
    leading_of,
    leading_of_table,
    mcdonald_omega,
    minimised,
    most_factors,
    parallel_analysis,
    profile,
    standard_scores,
    varimax,
)
from pellucid.metascience.reliability import (
    ReliabilityConfig,
    alpha_from_covariance,
    alpha_if_dropped,
    bootstrapped_alpha,
    cronbach_alpha,
    eigenvalues,
    feldt_interval,
    flanagan_rulon,
    guttman_lambda2,
    item_reliability,
    item_total,
    kr20,
    length_needed,
    mean_split_half,
    retest,
    spearman_brown,
    split_half,
    standard_error_of_measurement,
    standardised_alpha,
)

tables = st.integers(0, 10_000).map(
    lambda seed: one_trait(seed, 12 + seed % 20, 2 + seed % 7, 0.3 + seed % 3)
)


def equicorrelated(k: int, rho: float) -> np.ndarray:
    return np.full((k, k), rho) + (1 - rho) * np.eye(k)


# Alpha


@pytest.mark.truth("metascience.reliability")
def test_parallel_items():
    assert alpha_from_covariance(equicorrelated(8, 0.4)) == pytest.approx(8 * 0.4 / (1 + 7 * 0.4), abs=1e-12)
    assert round(alpha_from_covariance(equicorrelated(8, 0.4)), 4) == 0.8421
    found = item_reliability(with_covariance(equicorrelated(8, 0.4), 60)).measures
    for name in ("alpha", "omega", "standardised_alpha", "lambda2"):
        assert found[name].value == pytest.approx(16 / 19, abs=1e-7), name
    assert found["alpha"].n == 60
    # eigenvalues 1 + 7 rho and 1 - rho
    assert found["eigenvalue_ratio"].value == pytest.approx(3.8 / 0.6)
    assert found["sem"].value == pytest.approx(math.sqrt(8 + 56 * 0.4) * math.sqrt(3 / 19))


@pytest.mark.law("metascience.reliability")
@given(tables)
@settings(max_examples=40, deadline=None)
def test_laws_of_alpha(table):
    alpha = cronbach_alpha(table)
    k = table.shape[1]
    written_out = k / (k - 1) * (1 - table.var(axis=0).sum() / table.sum(axis=1).var())
    assert alpha == pytest.approx(written_out, abs=1e-10)
    assert guttman_lambda2(table) >= alpha - 1e-12
    assert cronbach_alpha(table + normals(0, k)) == pytest.approx(alpha, abs=1e-9)
    assert cronbach_alpha(5 * table[:, ::-1]) == pytest.approx(alpha, abs=1e-9)
    assert item_reliability(table).measures["alpha"].value == pytest.approx(alpha, abs=1e-12)
    z = (table - table.mean(axis=0)) / table.std(axis=0)
    assert standardised_alpha(table) == pytest.approx(cronbach_alpha(z), abs=1e-10)


def test_identical_items_have_alpha_one():
    column = normals(1, 20, 1)
    table = np.repeat(column, 5, axis=1)
    assert cronbach_alpha(table) == pytest.approx(1, abs=1e-12)
    found = feldt_interval(cronbach_alpha(table), 20, 5)
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)


@pytest.mark.parametrize("k", [2, 4, 6, 8])
def test_alpha_is_the_mean_of_all_split_halves(k):
    table = one_trait(k, 25, k)
    assert mean_split_half(table) == pytest.approx(cronbach_alpha(table), abs=1e-12)
    s = np.cov(table, rowvar=False)
    every = [flanagan_rulon(s, half) for half in itertools.combinations(range(k), k // 2)]
    assert np.mean(every) == pytest.approx(cronbach_alpha(table), abs=1e-12)


def test_kr20_is_alpha_of_right_and_wrong_answers():
    table = answers(0, normals(0, 50), np.linspace(-1, 1, 9))
    assert kr20(table) == pytest.approx(cronbach_alpha(table), abs=1e-12)
    assert item_reliability(table).measures["kr20"].value == pytest.approx(kr20(table))
    assert item_reliability(one_trait(0, 20, 4)).measures["kr20"].value is None
    with pytest.raises(InputError, match="0 or 1") as raised:
        kr20(one_trait(0, 20, 4))
    assert raised.value.code == "MS61"


def test_spearman_brown():
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    for r, times in ((0.4, 8), (0.7, 0.5)):
        longer = spearman_brown(r, times)
        assert length_needed(r, longer) == pytest.approx(times)
    assert math.isinf(length_needed(0.0, 0.8))


def test_split_half_of_parallel_halves():
    table = with_covariance(equicorrelated(6, 0.5), 40)
    # halves of three items correlate 3 rho / (1 + 2 rho), stepped up this is alpha
    assert split_half(table) == pytest.approx(alpha_from_covariance(equicorrelated(6, 0.5)), abs=1e-10)
    assert split_half(table, [0, 1, 2]) == pytest.approx(split_half(table), abs=1e-10)
    assert math.isnan(split_half([[1, 1], [1, 2], [1, 4]]))


def test_item_total_and_dropped_items_equal_their_definitions():
    table = one_trait(3, 30, 6)
    for item in range(6):
        rest = np.delete(table, item, axis=1)
        assert item_total(table)[item] == pytest.approx(np.corrcoef(table[:, item], rest.sum(axis=1))[0, 1])
        assert alpha_if_dropped(table)[item] == pytest.approx(cronbach_alpha(rest))


def test_a_bad_item_is_seen():
    table = one_trait(4, 200, 6)
    table[:, 2] = -table[:, 2]
    finding = item_reliability(table)
    assert finding.arrays["item_total"].values.argmin() == 2
    assert finding.arrays["alpha_if_dropped"].values.argmax() == 2
    assert finding.arrays["item_total"].coords["item"][2] == "item 3"


def test_feldt_interval_covers():
    truth = alpha_from_covariance(equicorrelated(6, 0.5))
    hits = 0
    for seed in range(1000):
        found = feldt_interval(cronbach_alpha(one_trait(seed, 25, 6)), 25, 6)
        hits += found.low <= truth <= found.high
    # 950 expected; four binomial standard errors are 28
    assert abs(hits - 950) <= 28


def test_bootstrap_draws_equal_alpha_of_the_drawn_rows():
    table = one_trait(5, 15, 4)
    drawn = np.random.default_rng(0).integers(0, 15, (20, 15))
    expected = [cronbach_alpha(table[rows]) for rows in drawn]
    np.testing.assert_allclose(bootstrapped_alpha(table, drawn), expected, atol=1e-10)
    found = item_reliability(table, ReliabilityConfig(interval="bootstrap")).measures["alpha"]
    assert found.low < found.value < found.high


def test_retest_over_seeds():
    trait = normals(0, 4000, 1)
    first, second = trait + normals(1, 4000, 4), trait + normals(2, 4000, 4)
    # totals have true variance 16 and error variance 4
    assert retest(first, second) == pytest.approx(0.8, abs=4 * 0.36 / math.sqrt(4000))
    with pytest.raises(InputError) as raised:
        retest(first, second[:, :3])
    assert raised.value.code == "MS63"


def test_the_benchmark_stands_in_the_record():
    table = one_trait(6, 20, 4)
    named = item_reliability(table, ReliabilityConfig(benchmark="made-up"))
    assert named.provenance.parameters["benchmark"] == "made-up"
    assert "benchmark" not in item_reliability(table).provenance.parameters


def test_status_follows_the_interval():
    strong = item_reliability(one_trait(7, 100, 20))
    weak = item_reliability(one_trait(7, 200, 2, noise=3))
    unsure = item_reliability(one_trait(7, 8, 4, noise=1.2))
    assert (strong.status, weak.status, unsure.status) == ("supports", "refutes", "inconclusive")
    for finding in (strong, weak, unsure):
        alpha = finding.measures["alpha"]
        assert (finding.status == "supports") == (alpha.low >= 0.7)
        assert (finding.status == "refutes") == (alpha.high < 0.7)
        finding.verify()


@pytest.mark.parametrize(
    ("table", "code", "words"),
    [
        ([[1, 0, 1]], "MS46", "1 respondents"),
        ([[1, 0], [NAN, 1], [1, 1], [0, 0]], "MS47", "'respondent 2' has no score on 'item 1'"),
        ([[1, 0], [1, 1], [1, 0]], "MS48", "'item 1'"),
        ([[1, 40], [0, 90], [1, 10]], "MS49", "'item 1' spans 1, 'item 2' spans 80"),
        ([[1, 0], [0, 1], [1, 0]], "MS60", "same total"),
        ([], "MS40", "matrix"),
        ([["a", "b"], ["c", "d"]], "MS41", "'a'"),
        ([[1, float("inf")], [0, 1]], "MS40", "infinite"),
    ],
)
def test_bad_tables(table, code, words):
    given = [list(line) for line in table] if code != "MS41" else ["a", "b"]
    with pytest.raises((InputError, LookupError), match=words) as raised:
        item_reliability(given)
    assert raised.value.code == code
    assert raised.value.remedy


def test_gaps_constants_and_scales_can_be_met():
    table = one_trait(8, 30, 5)
    table[2, 1] = NAN
    fewer = item_reliability(table, ReliabilityConfig(missing="respondents"))
    assert fewer.measures["alpha"].n == 29
    assert fewer.measures["left_out_respondents_with_gaps"].value == 1
    items = item_reliability(table, ReliabilityConfig(missing="items"))
    assert items.measures["items"].value == 4
    table[:, 1] = 7
    dropped = item_reliability(table, ReliabilityConfig(constant="drop"))
    assert dropped.measures["left_out_constant_items"].value == 1
    mixed = one_trait(9, 30, 4) * [1, 1, 1, 100]
    levelled = item_reliability(mixed, ReliabilityConfig(standardise=True)).measures
    assert levelled["alpha"].value == pytest.approx(levelled["standardised_alpha"].value)


# Omega and factors


def test_one_factor_is_recovered_exactly():
    loadings = np.array([0.9, 0.8, 0.5, 0.3, 0.7])
    fitted = fit_factors(np.outer(loadings, loadings) + np.diag(1 - loadings**2))
    np.testing.assert_allclose(fitted.loadings[:, 0], loadings, atol=1e-6)
    np.testing.assert_allclose(fitted.uniquenesses, 1 - loadings**2, atol=1e-6)
    assert fitted.omega == pytest.approx(
        loadings.sum() ** 2 / (loadings.sum() ** 2 + (1 - loadings**2).sum())
    )


def test_omega_equals_alpha_under_equal_loadings_and_exceeds_it_otherwise():
    psi = np.array([0.5, 1.0, 2.0, 0.3])
    equal = np.full((4, 4), 0.64) + np.diag(psi)
    assert fit_factors(equal).omega == pytest.approx(alpha_from_covariance(equal), abs=1e-6)
    loadings = np.array([0.9, 0.7, 0.4, 0.2])
    unequal = np.outer(loadings, loadings) + np.diag(psi)
    assert fit_factors(unequal).omega > alpha_from_covariance(unequal) + 0.01
    table = with_covariance(unequal, 50)
    assert mcdonald_omega(table) == pytest.approx(fit_factors(unequal).omega, abs=1e-6)


@pytest.mark.law("metascience.factors")
@pytest.mark.parametrize("seed", range(4))
def test_maximum_likelihood_equals_scikit_learn(seed):
    table = one_trait(seed, 150, 6) * np.array([1, 2, 1, 1, 3, 1])
    z = (table - table.mean(axis=0)) / table.std(axis=0)
    reference = FactorAnalysis(1, tol=1e-13, max_iter=50_000, svd_method="lapack").fit(z)
    ours = fit_factors(np.corrcoef(table, rowvar=False))
    np.testing.assert_allclose(ours.loadings[:, 0], np.abs(reference.components_[0]), atol=1e-5)
    np.testing.assert_allclose(ours.uniquenesses, reference.noise_variance_, atol=1e-5)
    found = factor_analysis(table).measures
    assert found["omega"].value == pytest.approx(ours.omega)
    assert found["eigenvalue_ratio"].value == pytest.approx(eigenvalues(table)[0] / eigenvalues(table)[1])


@pytest.mark.parametrize("m", [1, 2])
def test_slope_of_the_likelihood_equals_finite_differences(m):
    s = np.corrcoef(normals(0, 40, 6) + normals(1, 40, 1), rowvar=False)
    at = np.log(np.random.default_rng(2).uniform(0.2, 0.9, 6))
    _, slope = profile(at, leading_of(s, m))
    step = 1e-6
    for item in range(6):
        moved = np.eye(6)[item] * step
        numeric = (profile(at + moved, leading_of(s, m))[0] - profile(at - moved, leading_of(s, m))[0]) / (
            2 * step
        )
        assert slope[item] == pytest.approx(numeric, abs=1e-6)


def test_heywood_case_is_flagged():
    s = np.array([[1, 0.8, 0.8], [0.8, 1, 0.5], [0.8, 0.5, 1]])  # the first item would need l^2 = 1.28
    assert fit_factors(s).heywood == (0,)
    finding = item_reliability(with_covariance(s, 40))
    assert finding.measures["heywood"].value == 1


def test_more_items_than_respondents():
    finding = factor_analysis(
        answers(1, normals(1, 20), np.linspace(-1, 1, 40)), FactorConfig(constant="drop")
    )
    assert finding.measures["p"].value is None
    assert 0 < finding.measures["omega"].value < 1


def test_few_respondents_give_what_their_covariance_gives():
    table = one_trait(2, 12, 30)
    s = np.corrcoef(table, rowvar=False)
    np.testing.assert_allclose(correlation_eigenvalues(table), np.linalg.eigvalsh(s)[::-1], atol=1e-10)
    psi = np.random.default_rng(0).uniform(0.3, 0.9, 30)
    for m in (1, 2):
        small, large = leading_of_table(standard_scores(table), m)(psi), leading_of(s, m)(psi)
        np.testing.assert_allclose(small[0], large[0], atol=1e-10)
        np.testing.assert_allclose(np.abs(small[1]), np.abs(large[1]), atol=1e-8)
    slow = minimised(leading_of(s, 1), np.full(30, 0.5), table.std(axis=0, ddof=1))
    fast = fit_table(table)
    assert fast.discrepancy == pytest.approx(slow.discrepancy, abs=1e-6)
    assert fast.omega == pytest.approx(slow.omega, abs=1e-4)


def test_thousands_of_items_are_measured():
    table = answers(3, normals(3, 40), np.linspace(-2, 2, 1500))
    found = item_reliability(table, ReliabilityConfig(constant="drop"))
    assert found.measures["alpha"].low > 0.9
    assert factor_analysis(table, FactorConfig(constant="drop")).status != "failed"


@pytest.mark.truth("metascience.factors")
@pytest.mark.parametrize("factors", [1, 2, 3])
def test_number_of_factors_is_found(factors):
    random = np.random.default_rng(factors)
    traits = random.normal(size=(200, factors))
    table = traits[:, np.arange(12) % factors] + random.normal(size=(200, 12))
    finding = factor_analysis(table)
    assert finding.measures["factors"].value == factors == parallel_analysis(table)
    assert finding.status == ("supports" if factors == 1 else "refutes")
    loadings = np.abs(finding.arrays["loadings"].values)
    groups = loadings.argmax(axis=1)
    for trait in range(factors):
        assert len(set(groups[np.arange(12) % factors == trait])) == 1
    p = finding.measures["p"].value
    assert (p > 0.001) if factors == 1 else (p < 1e-6)


def test_likelihood_ratio_has_its_size():
    rejected = sum(
        factor_analysis(one_trait(s, 120, 6), FactorConfig(permutations=2)).measures["p"].value < 0.05
        for s in range(200)
    )
    # 10 expected, four binomial standard errors are 12.3
    assert rejected <= 22


def test_noise_has_no_factor():
    assert parallel_analysis(normals(3, 100, 8)) <= 1


@pytest.mark.parametrize("factors", [2, 3])
def test_varimax_is_a_rotation_and_finds_simple_structure(factors):
    simple = np.zeros((9, factors))
    simple[np.arange(9), np.arange(9) % factors] = np.linspace(0.5, 0.9, 9)
    turn = np.linalg.qr(normals(factors, factors, factors))[0]
    turned = varimax(simple @ turn)
    np.testing.assert_allclose(turned @ turned.T, simple @ simple.T, atol=1e-10)
    np.testing.assert_allclose(np.sort(np.abs(turned), axis=1)[:, :-1], 0, atol=1e-6)


def test_factors_that_cannot_be_fitted():
    assert [most_factors(k) for k in (3, 4, 5, 6, 10)] == [1, 1, 2, 3, 6]
    with pytest.raises(InputError, match="1 to 1 factors") as raised:
        fit_factors(np.eye(4), 2)
    assert raised.value.code == "MS58"
    with pytest.raises(InputError, match="Item 2 has no variance") as raised:
        fit_factors(np.diag([1.0, 0.0, 1.0]))
    assert raised.value.code == "MS59"


@pytest.mark.parametrize(("items", "words"), [(3, "3 items"), (18, "18 items")])
def test_halves_that_cannot_be_counted(items, words):
    with pytest.raises(InputError, match=words) as raised:
        mean_split_half(normals(0, 20, items))
    assert raised.value.code == "MS62"


def test_error_of_measurement_falls_with_reliability():
    exact = np.repeat(normals(0, 20, 1), 4, axis=1)
    assert standard_error_of_measurement(exact) == pytest.approx(0, abs=1e-6)
    assert standard_error_of_measurement(one_trait(0, 500, 4)) == pytest.approx(2, abs=0.25)


# From a covariance matrix


@pytest.mark.parametrize(("k", "rho"), [(2, 0.1), (8, 0.4), (30, 0.9)])
def test_the_population_law_of_equal_correlations(k, rho):
    covariance = np.full((k, k), rho) + (1 - rho) * np.eye(k)
    law = k * rho / (1 + (k - 1) * rho)
    for coefficient in (cronbach_alpha, standardised_alpha, guttman_lambda2):
        assert coefficient(covariance=covariance) == pytest.approx(law, abs=1e-12)
    spread = np.linspace(1, 3, k)
    assert standardised_alpha(covariance=covariance * np.outer(spread, spread)) == pytest.approx(
        law, abs=1e-12
    )


@pytest.mark.parametrize("coefficient", [cronbach_alpha, standardised_alpha, guttman_lambda2])
def test_scores_and_their_covariance_say_the_same(coefficient):
    table = one_trait(0, 40, 6)
    covariance = np.cov(table, rowvar=False)
    assert coefficient(covariance=covariance.tolist()) == pytest.approx(coefficient(table), abs=1e-12)
    for one in ({}, {"matrix": table, "covariance": covariance}):
        with pytest.raises(InputError, match="scores and a covariance matrix were given") as raised:
            coefficient(**one)
        assert raised.value.code == "MS60"


@pytest.mark.parametrize(
    "covariance",
    [[[1]], [1, 2], [[1, 0.5], [0.2, 1]], [[-1, 0], [0, 2]], [[1, -1], [-1, 1]], [[1, np.nan], [np.nan, 1]]],
)
def test_what_is_no_covariance(covariance):
    with pytest.raises(InputError, match="no covariance matrix") as raised:
        cronbach_alpha(covariance=covariance)
    assert raised.value.code == "MS60"
    with pytest.raises(InputError, match="variance 0"):
        standardised_alpha(covariance=[[1, 0], [0, 0]])
