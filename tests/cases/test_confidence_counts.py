"""What counts say: closed forms, coverage by simulation, and the stress figures to printed digits."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from pellucid.cases.confidence import counts
from pellucid.cases.confidence.counts import (
    clustered_standard_error,
    confidence_sequence,
    evasion,
    likelihood_ratio,
    nested,
    passing_probability,
    posterior,
    rule_of_three,
    runs_for_ratio,
    upper_bound,
)
from pellucid.findings import InputError, clopper_pearson


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.2, 5), st.floats(0.2, 5))
def test_posterior_is_beta_with_counts_added(k: int, more: int, a: float, b: float) -> None:
    found = posterior(k, k + more, (a, b))
    reference = stats.beta(a + k, b + more)
    assert found.mean == pytest.approx(reference.mean(), rel=1e-12)
    assert found.variance == pytest.approx(reference.var(), rel=1e-12)
    assert found.below(0.3) == pytest.approx(reference.cdf(0.3), abs=1e-12)
    low, high = found.interval(0.9)
    assert found.below(high) - found.below(low) == pytest.approx(0.9, abs=1e-9)


def test_nothing_seen_leaves_the_prior_and_ends_are_ends() -> None:
    assert posterior(0, 0) == counts.Beta(1.0, 1.0)
    assert posterior(3, 7).below(-1) == 0
    assert posterior(3, 7).below(2) == 1


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (10, 10), (1, 1000), (37, 400)])
def test_one_sided_bound_leaves_five_per_cent_above(k: int, n: int) -> None:
    bound = upper_bound(k, n)
    if k < n:
        # by its definition: at the bound, k or fewer are seen in 5 % of all samples
        assert stats.binom.cdf(k, n, bound) == pytest.approx(0.05, abs=1e-9)
    else:
        assert bound == 1


def test_no_event_has_the_closed_form_and_three_over_n_is_near() -> None:
    for n in (30, 100, 1000, 10_000):
        assert upper_bound(0, n) == pytest.approx(1 - 0.05 ** (1 / n), rel=1e-10)
        assert rule_of_three(n) == pytest.approx(upper_bound(0, n), rel=0.06)
        assert rule_of_three(n) > upper_bound(0, n)


def test_stress_figures_of_the_worked_example() -> None:
    assert f"{100 * upper_bound(1, 1000):.3f}" == "0.473"
    assert f"{100 * upper_bound(0, 1000):.3f}" == "0.299"
    assert f"{passing_probability(1e-4, 1000):.4f}" == "0.9048"
    assert f"{evasion(1000):.4f}" == "0.3677"
    assert evasion(10_000_000) == pytest.approx(math.exp(-1), abs=1e-7)


@pytest.mark.parametrize(
    ("ratio", "rate", "runs"),
    [
        (10, 0.01, 230),
        (10, 0.001, 2302),
        (10, 0.0001, 23025),
        (100, 0.01, 459),
        (100, 0.001, 4603),
        (100, 0.0001, 46050),
    ],
)
def test_evidential_ceiling_table(ratio: float, rate: float, runs: int) -> None:
    assert runs_for_ratio(ratio, rate) == runs
    assert likelihood_ratio(rate, runs) >= ratio > likelihood_ratio(rate, runs - 1)


def test_passing_is_exact_in_fractions_and_at_the_ends() -> None:
    assert passing_probability(Fraction(1, 3), 4) == Fraction(16, 81)
    assert passing_probability(0.0, 10) == 1
    assert passing_probability(1.0, 10) == 0
    assert passing_probability(1.0, 0) == 1
    assert likelihood_ratio(1.0, 3) == math.inf
    assert runs_for_ratio(50, 1.0) == 1


def test_the_evading_rate_is_the_best_one() -> None:
    n = 400
    rates = np.linspace(1e-4, 0.05, 5000)
    gain = rates * (1 - rates) ** n
    # argmax of p (1-p)^n is 1/(n+1), which is near 1/n
    assert rates[gain.argmax()] == pytest.approx(1 / n, rel=0.01)


def test_clustered_error_by_its_formula_and_by_hand() -> None:
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0], ["a", "a", "b", "b", "c"]
    mean = 0.6
    sums = [2 * (1 - mean), 2 * (0 - mean), 1 - mean]
    expected = math.sqrt(3 / 2 * sum(total**2 for total in sums)) / 5
    assert clustered_standard_error(values, clusters) == pytest.approx(expected, rel=1e-12)


def test_clusters_of_one_give_the_usual_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=50)
    expected = values.std(ddof=1) / math.sqrt(50)
    assert clustered_standard_error(values, range(50)) == pytest.approx(expected, rel=1e-12)


def test_clustered_error_is_right_where_the_plain_one_is_not() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(40), 25)
    means, errors = [], []
    for _ in range(400):
        values = random.normal(size=40)[labels] + 0.3 * random.normal(size=1000)
        means.append(values.mean())
        errors.append(clustered_standard_error(values, labels))
    spread = np.std(means, ddof=1)
    # a standard deviation from 400 draws is known to about 1/sqrt(800) = 3.5 %; four of those
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.15)
    assert spread > 4 * values.std(ddof=1) / math.sqrt(1000)


# Confidence sequences ----------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 5), (5, 5), (40, 200), (1, 1000)])
def test_sequence_ends_lie_on_the_stated_curve(k: int, n: int) -> None:
    (low,), (high,) = confidence_sequence([k], [n])

    def ratio(p: float) -> float:
        whole, _ = integrate.quad(
            lambda q: math.exp(k * math.log(q / p) + (n - k) * math.log((1 - q) / (1 - p))),
            0,
            1,
            limit=400,
            points=[k / n] if 0 < k < n else None,
        )
        return whole

    for end in (low, high):
        if 0 < end < 1:
            assert ratio(end) == pytest.approx(20, rel=1e-6)
    assert low <= k / n <= high
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)


def test_sequence_is_wider_than_one_interval_and_nests() -> None:
    random = np.random.default_rng(2)
    seen = np.cumsum(random.random(500) < 0.2)
    looks = np.arange(1, 501)
    low, high = confidence_sequence(seen, looks)
    single = clopper_pearson(int(seen[-1]), 500)
    assert low[-1] < single.low
    assert high[-1] > single.high
    inner_low, inner_high = nested(low, high)
    assert (np.diff(inner_low) >= 0).all()
    assert (np.diff(inner_high) <= 0).all()
    assert (inner_low >= low).all()
    assert (inner_high <= high).all()


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_sequence_holds_at_every_look_together(rate: float) -> None:
    random = np.random.default_rng(3)
    runs, looks = 600, np.arange(1, 301)
    seen = np.cumsum(random.random((runs, 300)) < rate, axis=1)
    low, high = confidence_sequence(seen, np.broadcast_to(looks, seen.shape))
    ever_out = ((low > rate) | (high < rate)).any(axis=1).mean()
    assert ever_out <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5])
def test_exact_interval_and_credible_interval_cover(rate: float) -> None:
    n = 60
    weights = stats.binom.pmf(np.arange(n + 1), n, rate)
    inside = [clopper_pearson(k, n).low <= rate <= clopper_pearson(k, n).high for k in range(n + 1)]
    # an exact sum over outcomes, so nothing is left to chance
    assert float(weights @ np.array(inside, dtype=float)) >= 0.95
    bounded = [rate <= upper_bound(k, n) for k in range(n + 1)]
    assert float(weights @ np.array(bounded, dtype=float)) >= 0.95 - 1e-12


def test_credible_intervals_cover_when_the_rate_is_drawn_from_the_prior() -> None:
    random = np.random.default_rng(4)
    rates = random.random(2000)
    seen = random.binomial(30, rates)
    held = [
        low <= rate <= high
        for rate, (low, high) in zip(rates, (posterior(int(k), 30).interval() for k in seen), strict=True)
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


# Bad input ---------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="not a probability") as refused:
        passing_probability(1.5, 3)
    assert refused.value.code == "Y70"
    with pytest.raises(InputError, match="reached by no number of clean runs"):
        runs_for_ratio(10, 0.0)
    with pytest.raises(InputError, match="reached by no number of clean runs"):
        runs_for_ratio(1, 0.1)
    with pytest.raises(InputError, match="one cluster"):
        clustered_standard_error([1.0, 2.0], ["a", "a"])
    with pytest.raises(InputError, match="two positive numbers"):
        posterior(1, 2, (0, 1))
    with pytest.raises(InputError, match="more successes than trials"):
        confidence_sequence([3], [2])
    with pytest.raises(InputError, match="not a count"):
        posterior(3, 2)
