"""Intervals against closed forms, published values and their nominal coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.findings import (
    InputError,
    bootstrap,
    clopper_pearson,
    paired_difference,
    permutation_test,
    wilson,
)


@pytest.mark.parametrize(
    ("k", "n", "side", "end", "value"),
    [
        (0, 1000, "upper", "high", 0.00299),
        (1, 1000, "upper", "high", 0.00473),
        (4, 4, "lower", "low", 0.473),
        (14, 14, "lower", "low", 0.807),
        (59, 59, "lower", "low", 0.951),
        (0, 10, "two", "high", 0.3085),
    ],
)
def test_clopper_pearson_values(k, n, side, end, value):
    assert getattr(clopper_pearson(k, n, side=side), end) == pytest.approx(value, abs=1e-3 * max(value, 0.01))


def test_clopper_pearson_closed_forms():
    assert clopper_pearson(0, 50, side="upper").high == pytest.approx(1 - 0.05 ** (1 / 50), rel=1e-12)
    assert clopper_pearson(50, 50, side="lower").low == pytest.approx(0.05 ** (1 / 50), rel=1e-12)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 7), (13, 40), (39, 40), (40, 40)])
def test_binomial_intervals_agree_with_scipy(k, n, level):
    from scipy.stats import binomtest

    for method, name in ((clopper_pearson, "exact"), (wilson, "wilson")):
        ours, theirs = method(k, n, level=level), binomtest(k, n).proportion_ci(level, method=name)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_values():
    assert wilson(0, 50).high == pytest.approx(0.0713, abs=5e-5)
    assert wilson(0, 50).low == 0
    assert wilson(50, 50).high == 1


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_binomial_intervals_hold_the_rate_and_mirror(kn):
    k, n = kn
    for method in (wilson, clopper_pearson):
        this, other = method(k, n), method(n - k, n)
        assert 0 <= this.low <= this.value <= this.high <= 1
        assert this.low == pytest.approx(1 - other.high, abs=1e-9)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5])
def test_exact_interval_covers_at_least_nominally(rate):
    from scipy.stats import binom

    n = 40
    k = np.arange(n + 1)
    covered = [clopper_pearson(int(i), n).low <= rate <= clopper_pearson(int(i), n).high for i in k]
    assert binom.pmf(k, n, rate)[covered].sum() >= 0.95


def test_wilson_covers_nominally_on_average():
    from scipy.stats import binom

    n, rates = 40, np.linspace(0.05, 0.95, 91)
    k = np.arange(n + 1)
    ends = np.array([(wilson(int(i), n).low, wilson(int(i), n).high) for i in k])
    held = (ends[:, :1] <= rates) & (rates <= ends[:, 1:])
    covered = (binom.pmf(k[:, None], n, rates) * held).sum(axis=0)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_bootstrap_of_a_mean_agrees_with_the_normal_theory():
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    interval = bootstrap(values, resamples=4000, seed=1)
    half = 1.96 * values.std(ddof=1) / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_bootstrap_covers_as_theory_says():
    from scipy.stats import t as student

    n, trials = 40, 400
    random = np.random.default_rng(5)
    intervals = [bootstrap(random.normal(0, 1, n), resamples=600, seed=trial) for trial in range(trials)]
    hits = sum(interval.low <= 0 <= interval.high for interval in intervals)
    # a percentile interval of a mean has half-width 1.96 s / sqrt(n) with s**2 divided by n, not n - 1
    expected = 1 - 2 * student.sf(1.959964 * np.sqrt((n - 1) / n), n - 1)
    exact = clopper_pearson(hits, trials, level=0.999)
    assert exact.low <= expected <= exact.high


def test_clustered_bootstrap_widens_when_clusters_repeat():
    random = np.random.default_rng(2)
    means = random.normal(0, 1, 30)
    values, clusters = np.repeat(means, 20), np.repeat(np.arange(30), 20)
    naive, honest = bootstrap(values, seed=0), bootstrap(values, seed=0, clusters=clusters)
    ratio = (honest.high - honest.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(np.sqrt(20), rel=0.25)
    assert honest.n == 30


def test_permutation_is_exact_when_small():
    result = permutation_test([3.0, 4.0, 5.0], [0.0, 1.0, 2.0])
    assert result.p == pytest.approx(2 / 20)
    paired = permutation_test([2.0, 3.0, 4.0], [1.0, 1.0, 1.0], paired=True)
    assert paired.p == pytest.approx(2 / 8)
    assert result.difference.value == 3.0


def test_permutation_takes_another_statistic():
    a, b = [3.0, 4.0, 5.0, 90.0], [0.0, 1.0, 2.0, 2.5]
    medians = permutation_test(a, b, statistic=lambda x, y: np.median(x) - np.median(y))
    assert medians.difference.value == 3.0
    # 3.0 is reached by the groups as given, by swapping 2.5 and 3.0, and by both mirrored
    assert medians.p == pytest.approx(4 / 70)


def test_permutation_is_symmetric_and_says_nothing_of_equal_values():
    a, b = np.arange(5.0), np.arange(5.0) + 2
    assert permutation_test(a, b).p == permutation_test(b, a).p
    assert permutation_test(a, a).p == 1
    assert permutation_test(a, a, paired=True).p == 1
    assert permutation_test(a, b, seed=3) == permutation_test(a, b, seed=3)


def test_permutation_p_is_uniform_under_the_null():
    random = np.random.default_rng(3)
    p = [
        permutation_test(random.normal(size=12), random.normal(size=12), permutations=199, seed=i).p
        for i in range(100)
    ]
    from scipy.stats import kstest

    assert kstest(p, "uniform").pvalue > 0.001


def test_paired_difference():
    same = np.array([True, False] * 20)
    assert paired_difference(same, same).value == 0
    assert paired_difference(same, same).low < 0 < paired_difference(same, same).high
    every = paired_difference(np.ones(200, bool), np.zeros(200, bool))
    assert every.value == 1
    assert every.high == 1
    z2 = 1.959964**2
    assert every.low == pytest.approx((200 - z2) / (200 + z2), rel=1e-6), "closed form when all pairs differ"
    a, b = np.arange(100) < 30, np.arange(100) < 10
    forward, back = paired_difference(a, b), paired_difference(b, a)
    assert forward.low == pytest.approx(-back.high, abs=1e-7)
    assert forward.low == pytest.approx(0.1265, abs=0.01)
    assert forward.high == pytest.approx(0.29, abs=0.01)


def test_paired_difference_covers():
    random = np.random.default_rng(9)
    hits = 0
    for _ in range(300):
        a = random.random(60) < 0.5
        b = np.where(random.random(60) < 0.2, ~a, a)
        flip = random.random(60) < 0.1
        b = b & ~flip
        interval = paired_difference(a, b)
        truth = 0.5 - (0.5 * 0.9)
        hits += interval.low <= truth <= interval.high
    exact = clopper_pearson(hits, 300, level=0.999)
    assert exact.high >= 0.95
    assert exact.low <= 0.98


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson(3, 2), "3 of 2 is not a count"),
        (lambda: wilson(0, 0), "n > 0"),
        (lambda: bootstrap([]), "No values were given"),
        (lambda: bootstrap([1.0, 2.0], level=95), "95 is not a level of confidence"),
        (lambda: clopper_pearson(1, 2, level=0), "Give a share, as 0.95"),
        (lambda: bootstrap([1.0, 2.0], clusters=[1]), "1 cluster labels were given for 2 values"),
        (lambda: paired_difference([True], [True, False]), "1 and 2 values"),
        (lambda: permutation_test([1.0], [1.0, 2.0], paired=True), "one pair for each unit"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
