"""Resampling: draws, percentile and BCa intervals, coverage over models and over families, chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetywashing_reference import TWELVE, factor_table, rank_correlation, score
from scipy.stats import bootstrap, false_discovery_control, spearmanr

from pellucid.findings import InputError
from pellucid.metascience.bootstrap import bca, draw, least_distinct, percentile, wider
from pellucid.metascience.capability import select
from pellucid.metascience.capability_correlation import correlations
from pellucid.metascience.correlation_analysis import analyse, span
from pellucid.metascience.families import clusters
from pellucid.metascience.permutation import benjamini_hochberg, permutation_p
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import ScoreTable, base_models

DEFAULT = SafetywashingConfig()


def singles(models):
    return [[row] for row in range(models)]


def test_draws_are_resamples_of_models():
    chosen = select(base_models())
    draws = draw(chosen.columns, singles(27), 500, 0)
    assert draws.weights.shape == (27, 500)
    assert (draws.weights.sum(axis=0) == 27).all()
    assert ((draws.weights > 0).sum(axis=0) >= 6).all()
    assert draws.redrawn == 0
    # each model is expected once a draw: mean 1, standard error 0.045
    assert draws.weights.mean(axis=1) == pytest.approx(np.ones(27), abs=0.25)


def test_draws_of_families_keep_all_members_together():
    table = base_models()
    groups = clusters(table.families)
    draws = draw(select(table).columns, groups, 200, 1)
    for rows in groups:
        assert (draws.weights[rows] == draws.weights[rows[0]]).all()
    firsts = [rows[0] for rows in groups]
    assert (draws.weights[firsts].sum(axis=0) == 9).all()


def test_unusable_resamples_are_drawn_again_and_counted():
    random = np.random.default_rng(0)
    columns = random.normal(size=(12, 3))
    columns[:, 2] = 0.0
    columns[0, 2] = 1.0  # constant in each resample without the first model: in about 35 % of them
    draws = draw(columns, singles(12), 1000, 0)
    assert (draws.weights[0] > 0).all()
    share = draws.redrawn / (1000 + draws.redrawn)
    assert share == pytest.approx((11 / 12) ** 12, abs=0.06)


def test_draws_that_cannot_be_are_refused():
    columns = np.random.default_rng(0).normal(size=(20, 3))
    columns[:, 0] = np.arange(20) == 0
    with pytest.raises(InputError, match="draws=0") as fault:
        # one family holds all but one model, and no resample of a single family can vary
        draw(columns[1:], [list(range(19))], 10, 0)
    assert fault.value.code == "MS19"


@pytest.mark.parametrize(("models", "least"), [(4, 3), (6, 3), (9, 4), (12, 6), (27, 6), (500, 6)])
def test_least_distinct(models, least):
    assert least_distinct(models) == least


def test_each_draw_equals_the_published_method_on_the_repeated_rows():
    models, columns, g = factor_table(3, models=18, capabilities=5)
    columns["safe"] = np.where(np.arange(18) % 7 == 0, np.nan, g)
    columns[TWELVE[2]] = np.where(np.arange(18) == 4, np.nan, columns[TWELVE[2]])
    chosen = select(ScoreTable.of(models, columns))
    draws = draw(chosen.columns, singles(18), 40, 2)
    found = correlations(chosen, columns["safe"][:, None], draws.weights, DEFAULT)
    for place in range(40):
        rows = np.repeat(np.arange(18), draws.weights[:, place].astype(int))
        s, _, values, _ = score({name: column[rows] for name, column in columns.items()}, TWELVE[:5])
        expected = rank_correlation(s, columns["safe"][rows])
        assert found.correlation[place, 0] == pytest.approx(expected, abs=1e-9)
        assert found.share[place] == pytest.approx(values[-1] / 5, abs=1e-9)


def test_refitting_widens_the_interval_of_a_fixed_score():
    """The bootstrap that keeps the score fixed is too narrow when the score itself is uncertain."""
    models, columns, g = factor_table(8, models=20, capabilities=3, noise=2.0)
    columns["safe"] = g
    chosen = select(ScoreTable.of(models, columns))
    draws = draw(chosen.columns, singles(20), 2000, 0)
    refitted = correlations(chosen, columns["safe"][:, None], draws.weights, DEFAULT).correlation[:, 0]
    s, _, _, _ = score(columns, TWELVE[:3])
    fixed = []
    for place in range(400):
        rows = np.repeat(np.arange(20), draws.weights[:, place].astype(int))
        fixed.append(rank_correlation(s[rows], columns["safe"][rows]))
    assert np.std(refitted) > np.std(fixed)


def test_bca_agrees_with_scipy_on_the_same_statistic():
    random = np.random.default_rng(0)
    values = random.exponential(size=40)
    theirs = bootstrap((values,), np.mean, n_resamples=9999, method="BCa", random_state=1)
    sample = theirs.bootstrap_distribution
    jackknife = np.array([np.delete(values, row).mean() for row in range(40)])
    ours = bca(float(values.mean()), sample, jackknife, 0.95)
    ends = theirs.confidence_interval
    assert ours == pytest.approx((ends.low, ends.high), abs=1e-9)


def test_intervals_without_enough_draws_are_unknown():
    sample = np.array([np.nan] * 60 + [0.1] * 40)
    assert np.isnan(percentile(sample, 0.95)).all()
    assert np.isnan(bca(0.1, sample, np.array([0.1, 0.2]), 0.95)).all()
    assert np.isnan(bca(0.9, np.linspace(0, 0.5, 50), np.array([0.1, 0.2]), 0.95)).all()


def test_the_wider_interval():
    assert wider((0, 1), (0, 2)) == (0, 2)
    assert wider((np.nan, np.nan), (0, 1)) == (0, 1)
    assert wider((0, 1), (np.nan, np.nan)) == (0, 1)


def coverage(runs, draws, models, build, groups=None, truth=0.0):
    """Share of runs in which the percentile intervals over models and over families hold the truth."""
    config = SafetywashingConfig(draws=draws, permutations=1)
    held = np.zeros(2)
    for seed in range(runs):
        columns, families = build(np.random.default_rng(seed))
        names = [f"m{row}" for row in range(models)]
        chosen = select(ScoreTable.of(names, columns, families=families or names))
        sets = [singles(models), clusters(chosen.table.families)]
        for place, resampled in enumerate(sets if families else sets[:1]):
            weights = draw(chosen.columns, resampled, config.draws, seed).weights
            sample = correlations(chosen, columns["safe"][:, None], weights, config)
            low, high = percentile(sample.correlation[:, 0], 0.95)
            held[place] += low <= truth <= high
    return held / runs


def orthogonal(random):
    """A column that has nothing to do with the factor, over 40 models."""
    g = random.normal(size=40)
    columns = {name: g + 0.5 * random.normal(size=40) for name in TWELVE[:4]}
    return {**columns, "safe": random.normal(size=40)}, None


def kindred(random, families=30, members=3):
    """The same in families of three, with intraclass correlation .5 on both sides."""
    family = np.repeat(np.arange(families), members)

    def shared():
        between, within = random.normal(size=families)[family], random.normal(size=len(family))
        return np.sqrt(0.5) * between + np.sqrt(0.5) * within

    g = shared()
    columns = {name: g + 0.3 * random.normal(size=len(g)) for name in TWELVE[:4]}
    return {**columns, "safe": shared()}, [f"F{label}" for label in family]


def test_the_interval_covers_zero_for_an_orthogonal_column():
    # 150 runs: binomial deviation 1.8 %; percentile intervals over 40 models hold about 94 %
    (held, _) = coverage(150, 200, 40, orthogonal)
    assert 0.89 <= held <= 0.99


def test_families_make_the_plain_bootstrap_undercover():
    # correlated errors of size .5 in threes: the variance is 1 + 2 * .25 as large, so that a plain interval
    # holds about 2 Phi(1.96 / sqrt(1.5)) - 1 = 89 %
    plain, clustered = coverage(150, 150, 90, kindred)
    assert plain < clustered
    assert 0.88 <= clustered <= 0.99


@pytest.mark.slow
def test_coverage_over_five_hundred_runs():
    (held, _) = coverage(500, 1000, 40, orthogonal)
    assert held == pytest.approx(0.95, abs=0.025)
    plain, clustered = coverage(500, 1000, 90, kindred)
    assert plain < 0.92
    assert clustered == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("models", [4, 5, 6, 7])
def test_exact_permutation_p_by_enumeration(models):
    random = np.random.default_rng(models)
    s, y = random.normal(size=models), random.integers(0, 4, models).astype(float)
    y[0] += 10
    observed = abs(spearmanr(s, y).statistic)
    every = [abs(spearmanr(s, y[list(order)]).statistic) for order in itertools.permutations(range(models))]
    expected = np.mean(np.array(every) >= observed - 1e-12)
    assert permutation_p(s, y[:, None], DEFAULT, 0)[0] == pytest.approx(expected, abs=1e-12)


def test_sampled_permutation_p_agrees_with_the_exact_one():
    random = np.random.default_rng(1)
    s, y = random.normal(size=9), random.normal(size=9)
    observed = abs(spearmanr(s, y).statistic)
    ranks = [column.argsort().argsort() for column in (s, y)]
    orders = np.array(list(itertools.permutations(range(9))))
    every = np.abs([np.corrcoef(ranks[0], ranks[1][order])[0, 1] for order in orders[::37]])
    p = permutation_p(s, y[:, None], DEFAULT, 0)[0]
    # both are samples of about 10,000: standard error at most 0.005 each
    assert p == pytest.approx((every >= observed - 1e-12).mean(), abs=0.025)


def test_sampled_p_is_never_zero_and_gaps_are_left_out():
    g = np.arange(20.0)
    columns = np.stack(
        [g, np.where(g > 15, np.nan, -g), np.full(20, 2.0), np.where(g < 3, g, np.nan)], axis=1
    )
    p = permutation_p(g, columns, SafetywashingConfig(permutations=99), 0)
    assert p[:2].tolist() == [0.01, 0.01]
    assert np.isnan(p[2:]).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_benjamini_hochberg_against_scipy(p):
    assert benjamini_hochberg(np.array(p)) == pytest.approx(false_discovery_control(p), abs=1e-12)


def test_benjamini_hochberg_leaves_the_unknown_alone():
    adjusted = benjamini_hochberg(np.array([np.nan, 0.01, np.nan, 0.02]))
    assert adjusted[[1, 3]].tolist() == [0.02, 0.02]
    assert np.isnan(adjusted[[0, 2]]).all()
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_false_discoveries_are_controlled_on_a_thousand_null_tables():
    # under the null of all columns the rate of any rejection is at most 5 %; 1,000 tables: deviation 0.7 %
    random = np.random.default_rng(0)
    config = SafetywashingConfig(permutations=199)
    any_rejected = 0
    for table in range(1000):
        s, columns = random.normal(size=12), random.normal(size=(12, 8))
        p = permutation_p(s, columns, config, table)
        any_rejected += bool((benjamini_hochberg(p) <= 0.05).any())
    assert any_rejected <= 50 + 3 * 7


def test_leaving_out_equals_a_smaller_table():
    table = base_models()
    chosen = select(table)
    place = table.benchmarks.index("ifeval")
    found = analyse(chosen, table.scores[:, [place]], SafetywashingConfig(draws=0), 0)
    for row in (0, 7, 26):
        fewer = select(table.rows(np.arange(27) != row))
        ones = np.ones((26, 1))
        alone = correlations(fewer, fewer.table.scores[:, [place]], ones, DEFAULT).correlation[0, 0]
        assert found.without_model[row, 0] == pytest.approx(alone, abs=1e-12)
    for family, value in zip(found.families, found.without_family[:, 0], strict=True):
        fewer = select(table.rows(np.array([other != family for other in table.families])))
        ones = np.ones((len(fewer.table.models), 1))
        alone = correlations(fewer, fewer.table.scores[:, [place]], ones, DEFAULT).correlation[0, 0]
        assert value == pytest.approx(alone, abs=1e-12)
    without = select(table, [name for name in TWELVE if name != "bbh"])
    alone = correlations(without, table.scores[:, [place]], np.ones((27, 1)), DEFAULT).correlation[0, 0]
    assert found.without_capability[TWELVE.index("bbh"), 0] == pytest.approx(alone, abs=1e-12)


def test_span_of_what_is_defined():
    ends = span(np.array([[1.0, np.nan], [3.0, np.nan]]))
    assert ends[0].tolist() == [1, 3]
    assert np.isnan(ends[1]).all()
    assert np.isnan(span(np.empty((0, 2)))).all()


def test_large_tables_are_worked_on_in_blocks():
    models, columns, g = factor_table(5, models=400, capabilities=3)
    columns["safe"] = g
    chosen = select(ScoreTable.of(models, columns))
    weights = draw(chosen.columns, singles(400), 600, 0).weights
    whole = correlations(chosen, columns["safe"][:, None], weights, DEFAULT).correlation
    part = correlations(chosen, columns["safe"][:, None], weights[:, 550:], DEFAULT).correlation
    assert whole[550:] == pytest.approx(part, abs=1e-12)
