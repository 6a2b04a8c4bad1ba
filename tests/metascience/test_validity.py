"""Validity and invariance: built matrices, closed forms, coverage, size and power, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_answers import NAN, normals, one_trait, with_covariance
from scipy.stats import chi2, ncx2
from sklearn.metrics import roc_auc_score

from pellucid.findings import InputError
from pellucid.metascience.factors import fit_factors
from pellucid.metascience.invariance import FORMS, deviance, fit_groups, measurement_invariance, noncentrality
from pellucid.metascience.validity import (
    ValidityConfig,
    auc,
    criterion_validity,
    discriminant,
    explained,
    heterotrait_monotrait,
    incremental_validity,
    multitrait_multimethod,
)

TRAITS, METHODS = list("aabbcc"), list("mnmnmn")


def built(within: float, between: float, method: float = 0.0) -> np.ndarray:
    """Correlations of three traits by two methods: within a trait, between traits, extra within a method."""
    trait, way = np.array(TRAITS), np.array(METHODS)
    same_trait, same_method = trait[:, None] == trait, way[:, None] == way
    r = np.where(same_trait, within, between + method * same_method)
    np.fill_diagonal(r, 1.0)
    return r


@pytest.mark.law("metascience.multitrait_multimethod")
@pytest.mark.parametrize(("within", "between"), [(0.7, 0.2), (0.6, 0.5)])
def test_built_matrix(within, between):
    table = with_covariance(built(within, between), 80)
    finding = multitrait_multimethod(table, TRAITS, METHODS)
    found = finding.measures
    assert found["convergent"].value == pytest.approx(within)
    assert found["htmt"].value == pytest.approx(between / within)
    assert found["method_effect"].value == pytest.approx(0, abs=1e-12)
    # 3 correlations within a trait, 2 traits x 2 places in the row and column of each
    assert (found["violations"].value, found["violations"].n) == (0, 12)
    np.testing.assert_allclose(finding.arrays["correlations"].values, built(within, between), atol=1e-12)


def test_method_variance_is_seen():
    found = multitrait_multimethod(with_covariance(built(0.4, 0.1, 0.45), 80), TRAITS, METHODS).measures
    assert found["method_effect"].value == pytest.approx(0.45)
    assert found["violations"].value == 0
    assert (found["method_violations"].value, found["method_violations"].n) == (12, 12)


def test_violations_are_counted_one_by_one():
    r = built(0.5, 0.2)
    r[0, 3] = r[3, 0] = 0.55  # trait a by m with trait b by n: in the row of r_aa and in the column of r_bb
    counts = discriminant(r, np.array(TRAITS), np.array(METHODS))
    assert (counts.across, counts.within) == (2, 0)
    r = built(0.5, 0.2)
    r[0, 2] = r[2, 0] = 0.55  # the same method
    counts = discriminant(r, np.array(TRAITS), np.array(METHODS))
    assert (counts.across, counts.within) == (0, 2)


@pytest.mark.truth("metascience.multitrait_multimethod")
def test_two_planted_traits_are_told_apart_and_one_is_not_taken_for_two():
    random = np.random.default_rng(0)
    two = random.normal(size=(300, 2))[:, [0, 0, 1, 1]] + 0.6 * random.normal(size=(300, 4))
    one = random.normal(size=(300, 1)) + 0.6 * random.normal(size=(300, 4))
    apart = multitrait_multimethod(two, list("aabb"), list("mnmn"))
    same = multitrait_multimethod(one, list("aabb"), list("mnmn"))
    assert apart.status == "supports"
    assert same.status == "refutes"
    # one trait: the ratio is 1 but for sampling, whose standard error is 0.02 here
    assert same.measures["htmt"].value == pytest.approx(1, abs=4 * 0.02)


def test_ratio_needs_two_measures_of_a_trait():
    r = built(0.6, 0.3)[:5, :5]
    found = heterotrait_monotrait(r, TRAITS[:5])
    assert found[0, 1] == pytest.approx(0.5)
    assert np.isnan(found[0, 2])
    assert np.isnan(np.diag(found)).all()


def test_labels_by_name():
    table = with_covariance(built(0.7, 0.2), 40)
    names = [f"item {at + 1}" for at in range(6)]
    by_name = multitrait_multimethod(
        table, dict(zip(names, TRAITS, strict=True)), dict(zip(names, METHODS, strict=True))
    )
    assert by_name.id == multitrait_multimethod(table, TRAITS, METHODS).id


@pytest.mark.parametrize(
    ("traits", "methods", "code", "words"),
    [
        (TRAITS[:5], METHODS, "MS68", "5 labels for 6 measures"),
        (TRAITS, {"item 1": "m"}, "MS68", "'item 2'"),
        (["a"] * 6, METHODS, "MS69", "1 traits"),
        (TRAITS, ["m"] * 6, "MS69", "1 methods"),
    ],
)
def test_bad_labels(traits, methods, code, words):
    with pytest.raises(InputError, match=words) as raised:
        multitrait_multimethod(normals(0, 20, 6), traits, methods)
    assert raised.value.code == code


# Criterion


@pytest.mark.law("metascience.criterion")
def test_auc_equals_scikit_learn_and_counts_ties_half():
    random = np.random.default_rng(1)
    for _ in range(20):
        scores, truth = random.integers(0, 5, 30).astype(float), random.integers(0, 2, 30)
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
        found = criterion_validity(scores, truth, ValidityConfig(resamples=50)).measures
        assert found["auc"].value == pytest.approx(auc(scores, truth))
        assert found["correlation"].value == pytest.approx(np.corrcoef(scores, truth)[0, 1])
    assert math.isnan(auc([1, 2], [1, 1]))


@pytest.mark.truth("metascience.criterion")
def test_known_truth_is_told():
    random = np.random.default_rng(2)
    truth = np.repeat([0, 1], 200)
    finding = criterion_validity(truth + random.normal(size=400), truth)
    # two normals one deviation apart: AUC = Phi(1 / sqrt 2) = 0.760, correlation 0.5 / sqrt(1.25)
    assert finding.status == "supports"
    assert finding.measures["auc"].low < 0.760 < finding.measures["auc"].high
    assert finding.measures["correlation"].low < 0.4472 < finding.measures["correlation"].high
    noise = criterion_validity(random.normal(size=400), truth)
    assert noise.status == "inconclusive"
    assert criterion_validity(-truth + 0.1 * random.normal(size=400), truth).status == "refutes"


def test_graded_truth_has_no_curve():
    assert criterion_validity([1.0, 2, 3, 4], [1.0, 2, 2, 5]).measures["auc"].value is None


@pytest.mark.parametrize(
    ("scores", "truth", "words"),
    [
        ([1, 2, 3, 4], [1, 0, 1], "4 and 3"),
        ([1, 2, 3], [1, 0, 1], "four respondents"),
        ([1, 2, 3, NAN], [1, 0, 1, 0], "without gaps"),
        ([1, 1, 1, 1], [1, 0, 1, 0], "same number"),
    ],
)
def test_bad_columns(scores, truth, words):
    with pytest.raises(InputError, match=words) as raised:
        criterion_validity(scores, truth)
    assert raised.value.code == "MS70"


# Incremental


@pytest.mark.law("metascience.incremental")
def test_gain_is_the_squared_part_correlation():
    columns = with_covariance(np.array([[1, 0.5, 0.6], [0.5, 1, 0.4], [0.6, 0.4, 1]]), 60)
    score, base, outcome = columns.T
    found = incremental_validity(score, base, outcome).measures
    part = (0.6 - 0.4 * 0.5) / math.sqrt(1 - 0.25)
    assert found["gain"].value == pytest.approx(part**2, abs=1e-10)
    assert found["base"].value == pytest.approx(0.16, abs=1e-10)
    assert found["total"].value == pytest.approx(found["base"].value + found["gain"].value)
    assert explained(columns[:, :2], outcome) == pytest.approx(found["total"].value)


@pytest.mark.truth("metascience.incremental")
def test_capability_in_disguise_adds_nothing():
    random = np.random.default_rng(3)
    capability = random.normal(size=500)
    outcome = capability + random.normal(size=500)
    disguised = capability + 0.3 * random.normal(size=500)
    real = outcome + random.normal(size=500)
    assert incremental_validity(disguised, capability, outcome).status == "refutes"
    assert incremental_validity(real, capability, outcome).status == "supports"


def test_size_of_the_increment():
    p = []
    for seed in range(200):
        score, base, noise = normals(seed, 3, 40)
        finding = incremental_validity(score, base, base + noise, ValidityConfig(resamples=20))
        p.append(finding.measures["p"].value)
    # 10 expected, four binomial standard errors are 12.3
    assert sum(value < 0.05 for value in p) <= 22


# Invariance


def two_samples(
    seed: int, n: int, loadings: tuple[float, ...] = (1, 1, 1, 1, 1), shift: float = 0.0
) -> np.ndarray:
    """Two groups in alternate rows; the second has other loadings and an intercept shifted."""
    random = np.random.default_rng(seed)
    second = np.arange(n) % 2 == 1
    lam = np.where(second[:, None], loadings, 1.0)
    trait = random.normal(size=(n, 1)) * np.where(second, 1.4, 1.0)[:, None] + 0.5 * second[:, None]
    table = lam * trait + random.normal(size=(n, 5))
    table[second, 0] += shift
    return table


@pytest.mark.law("metascience.invariance")
def test_configural_fit_is_the_separate_fits_and_freedoms_are_counted():
    table = two_samples(0, 300)
    parts = [table[::2], table[1::2]]
    fits = [fit_groups(parts, form) for form in FORMS]
    pooled = np.sqrt(np.mean([part.var(axis=0) for part in parts], axis=0))
    separate = 0.0
    for part in parts:
        s = np.cov(part / pooled, rowvar=False, ddof=0)
        fitted = fit_factors(s)
        implied = fitted.loadings @ fitted.loadings.T + np.diag(fitted.uniquenesses)
        separate += len(part) * (np.linalg.slogdet(implied)[1] + np.trace(np.linalg.solve(implied, s)))
    assert fits[0].deviance == pytest.approx(separate, abs=1e-5)
    assert fits[0].deviance <= fits[1].deviance + 1e-8 <= fits[2].deviance + 2e-8
    assert [fit.parameters for fit in fits] == [30, 26, 22]
    found = measurement_invariance(table, ["a", "b"] * 150).measures
    assert found["metric_chi2"].value == pytest.approx(fits[1].deviance - fits[0].deviance, abs=1e-8)
    assert found["metric_p"].value == pytest.approx(chi2.sf(found["metric_chi2"].value, 4))


@pytest.mark.parametrize("form", FORMS)
def test_slope_of_the_deviance_equals_finite_differences(form):
    table = two_samples(1, 200)
    parts = [table[::2], table[1::2]]
    s = np.stack([np.cov(part, rowvar=False) for part in parts])
    means = np.stack([part.mean(axis=0) for part in parts])
    n = np.array([100.0, 80.0])
    size = {"configural": 20, "metric": 16, "scalar": 22}[form]
    at = 0.3 * normals(2, size) + 0.5
    _, slope = deviance(at, n, s, means, form)
    for place in range(size):
        step = np.eye(size)[place] * 1e-6
        numeric = (
            deviance(at + step, n, s, means, form)[0] - deviance(at - step, n, s, means, form)[0]
        ) / 2e-6
        assert slope[place] == pytest.approx(numeric, abs=1e-6)


@pytest.mark.truth("metascience.invariance")
def test_other_loadings_and_other_intercepts_are_found():
    groups = ["a", "b"] * 400
    same = measurement_invariance(two_samples(3, 2400), ["a", "b"] * 1200)
    few = measurement_invariance(two_samples(3, 60), ["a", "b"] * 30)
    steep = measurement_invariance(two_samples(3, 800, (0.3, 1, 1, 1, 1)), groups)
    moved = measurement_invariance(two_samples(3, 800, shift=0.8), groups)
    assert same.status == "supports"
    assert few.status == "inconclusive"
    assert min(few.measures[name].value for name in ("metric_p", "scalar_p")) >= 0.05
    assert steep.status == "refutes"
    assert steep.measures["metric_p"].value < 1e-6
    assert moved.measures["metric_p"].value > 0.01
    assert moved.measures["scalar_p"].value < 1e-6
    loadings = steep.arrays["loadings"]
    assert loadings.values[1, 0] < 0.6 < loadings.values[0, 0]


def test_size_of_both_steps():
    p = []
    for seed in range(100):
        found = measurement_invariance(two_samples(100 + seed, 400), ["a", "b"] * 200).measures
        p.append([found["metric_p"].value, found["scalar_p"].value])
    # 5 expected, four binomial standard errors are 8.7
    assert (np.array(p) < 0.05).sum(axis=0).max() <= 13


def test_noncentrality_has_the_chance_it_should():
    for statistic, freedom in ((12.0, 4), (30.0, 10), (400.0, 8)):
        for share in (0.05, 0.95):
            found = noncentrality(statistic, freedom, share)
            if found:
                assert ncx2.cdf(statistic, freedom, found) == pytest.approx(share, abs=1e-9)
            else:
                assert chi2.cdf(statistic, freedom) <= share
    assert noncentrality(0.5, 4, 0.95) == 0


def test_scale_of_items_changes_no_ratio():
    table = two_samples(4, 300)
    one = measurement_invariance(table, ["a", "b"] * 150).measures
    other = measurement_invariance(table * [1, 10, 0.1, 3, 7] + 4, ["a", "b"] * 150).measures
    for name in ("metric_chi2", "scalar_chi2"):
        assert one[name].value == pytest.approx(other[name].value, abs=1e-4)


@pytest.mark.parametrize(
    ("rows", "groups", "words"),
    [(40, ["a"] * 40, "All respondents"), (12, ["a", "b"] * 6, "6 respondents for 6 items")],
)
def test_groups_too_small(rows, groups, words):
    with pytest.raises(InputError, match=words) as raised:
        measurement_invariance(one_trait(0, rows, 6), groups)
    assert raised.value.code == "MS71"
