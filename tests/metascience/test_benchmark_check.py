"""The check of one benchmark: its sentence, every number in it, corrections, residual progress, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetywashing_reference import TWELVE, factor_table, read, score
from scipy.stats import linregress, t
from sklearn.isotonic import IsotonicRegression

from pellucid.findings import InputError, MissingError
from pellucid.findings import show as showing
from pellucid.metascience.benchmark import check
from pellucid.metascience.disattenuation import alpha, disattenuated, score_reliability
from pellucid.metascience.residual import residual_progress
from pellucid.metascience.safetywashing import safetywashing
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import SHIPPED, ScoreTable, base_models

QUICK = SafetywashingConfig(draws=300, permutations=499)


@pytest.fixture(scope="module")
def table():
    return safetywashing(SHIPPED, config=QUICK)


def value(finding, name):
    return finding.measures[name].value


@pytest.mark.truth("metascience.capability_correlation")
@pytest.mark.parametrize(
    ("benchmark", "status", "words"),
    [
        ("wmdp", "supports", ["decided as correlated", "below the band", "correlated too"]),
        ("gpqa", "supports", ["decided as correlated", "above the band"]),
        ("ifeval", "inconclusive", ["undecided", "reaches across", "undecided too"]),
        ("discrim_eval", "inconclusive", ["undecided", "reaches across"]),
        ("mmlu", "supports", ["decided as correlated", "a part of the score"]),
    ],
)
def test_the_sentence_follows_from_the_numbers(benchmark, status, words):
    found = check(benchmark, SHIPPED, config=QUICK)
    assert found.status == status
    for word in words:
        assert word in found.statement, found.statement
    assert found.statement.startswith(f"{benchmark} is")
    assert "cause" not in found.statement
    assert "low" not in found.statement.split()
    assert found.provenance.parameters["benchmark"] == benchmark
    assert found.kind == "metascience.capability_correlation"
    found.verify()


@pytest.mark.law("metascience.capability_correlation")
@pytest.mark.parametrize(
    "benchmark", ["ifeval", "wmdp", "cyberseceval2_autocomplete", "bbh", "machiavelli-power.Σ"]
)
def test_it_says_what_the_whole_table_says(table, benchmark):
    place = table.arrays["correlation"].coords["benchmark"].index(benchmark)
    found = check(benchmark, SHIPPED, config=QUICK)
    at = {
        name: float(array.values[place])
        for name, array in table.arrays.items()
        if array.axes == ("benchmark",) and len(array.values) == 176
    }
    correlation = found.measures["correlation"]
    assert (correlation.value, correlation.low, correlation.high) == pytest.approx(
        (at["correlation"], at["low"], at["high"]), abs=1e-12
    )
    assert correlation.n == at["n"]
    for measure, prefix in (
        ("bca_correlation", "bca_"),
        ("cluster_correlation", "cluster_"),
        ("wider_correlation", "wider_"),
        ("partial_correlation", "partial_"),
    ):
        ends = (found.measures[measure].low, found.measures[measure].high)
        assert ends == pytest.approx((at[f"{prefix}low"], at[f"{prefix}high"]), abs=1e-12), measure
    assert value(found, "p") == at["p"]
    if benchmark in TWELVE:
        assert value(found, "p_adjusted") is None
    else:
        assert value(found, "p_adjusted") == pytest.approx(at["p_adjusted"], abs=1e-15)
    for part in ("model", "family", "capability"):
        assert value(found, f"without_{part}_min") == pytest.approx(at[f"without_{part}_low"], abs=1e-12)
        assert value(found, f"without_{part}_max") == pytest.approx(at[f"without_{part}_high"], abs=1e-12)


def test_numbers_of_the_specification():
    found = check("sycophancy", SHIPPED, config=QUICK)
    assert round(value(found, "correlation"), 4) == -0.6557
    assert round(value(found, "partial_correlation"), 3) == -0.472
    assert found.measures["partial_correlation"].n == 24
    assert round(value(found, "without_capability_min"), 3) == -0.676
    assert round(value(found, "without_capability_max"), 3) == -0.647
    assert found.measures["cluster_correlation"].n == 9
    without = found.arrays["without"]
    assert len(without.values) == 12 + 9 + 27
    assert without.coords["without"][0] == "capability logiqa"
    assert any("9 families are too few" in word for word in found.arrays["warnings"].coords["warning"])


def test_a_part_of_the_score_is_shown_beside_the_rest():
    found = check("bbh", SHIPPED, config=QUICK)
    _, columns, _ = read(SHIPPED)
    s, _, _, _ = score(columns, [name for name in TWELVE if name != "bbh"])
    expected = np.corrcoef(*(column.argsort().argsort() for column in (s, columns["bbh"])))[0, 1]
    assert value(found, "correlation_without_itself") == pytest.approx(expected, abs=1e-9)
    assert "correlation_without_itself" not in check("ifeval", SHIPPED, config=QUICK).measures


@pytest.mark.parametrize("seed", range(3))
def test_decorrelated_needs_many_models(seed):
    # 400 models: the interval of a correlation of 0 is about -.1 to .1
    models, columns, _ = factor_table(
        seed, models=400, capabilities=4, columns=(("safe", lambda random, g: random.normal(size=len(g))),)
    )
    many = check("safe", ScoreTable.of(models, columns), config=QUICK)
    assert many.status == "refutes"
    assert "decided as decorrelated" in many.statement
    few = {name: column[:12] for name, column in columns.items()}
    assert check("safe", ScoreTable.of(models[:12], few), config=QUICK).status != "refutes"


@given(st.integers(0, 10_000), st.floats(0, 3), st.integers(6, 30), st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_words_never_contradict_the_interval(seed, noise, models, limit):
    config = SafetywashingConfig(draws=60, permutations=19, low=-limit, high=limit)
    names, columns, _ = factor_table(
        seed,
        models=models,
        capabilities=3,
        columns=(("safe", lambda random, g: g + noise * random.normal(size=len(g))),),
    )
    found = check("safe", ScoreTable.of(names, columns), config=config)
    low, high = found.measures["correlation"].low, found.measures["correlation"].high
    outside, inside = low > limit or high < -limit, -limit <= low and high <= limit
    assert found.status == ("supports" if outside else "refutes" if inside else "inconclusive")
    assert ("decided as correlated" in found.statement) == outside
    assert ("decided as decorrelated" in found.statement) == inside
    assert ("is undecided: " in found.statement) == (not outside and not inside)
    found.verify()


def test_a_new_benchmark_by_model():
    table = base_models()
    scores = dict(zip(table.models, table.column("ifeval").tolist(), strict=True))
    new = check(dict(reversed(scores.items())), table, name="mine", config=QUICK)
    old = check("ifeval", table, config=QUICK)
    assert value(new, "correlation") == value(old, "correlation")
    assert new.provenance.parameters["benchmark"] == "mine"
    del scores["dbrx-base"]
    assert check(scores, table, config=QUICK).measures["correlation"].n == 26
    with pytest.raises(MissingError, match="Did you mean 'dbrx-base'"):
        check({"dbrx": 1.0}, table)


def test_a_name_with_braces_is_no_blank():
    models, columns, g = factor_table(0, models=20)
    columns["safe{x}"] = g
    found = check("safe{x}", ScoreTable.of(models, columns), config=QUICK)
    assert found.statement.startswith("safe(x) is")
    found.verify()


def test_a_constant_benchmark_is_undefined_not_zero():
    models, columns, _ = factor_table(0, models=20)
    columns["safe"] = np.full(20, 0.7)
    found = check("safe", ScoreTable.of(models, columns), config=QUICK)
    assert value(found, "correlation") is None
    assert found.status == "failed"
    assert "no correlation" in found.statement
    found.verify()


def test_fewer_than_four_models_are_refused_and_few_are_warned_of():
    models, columns, g = factor_table(0, models=20)
    columns["safe"] = np.where(np.arange(20) < 3, g, np.nan)
    with pytest.raises(InputError, match="3 models of table have scores on 'safe'") as fault:
        check("safe", ScoreTable.of(models, columns), config=QUICK)
    assert fault.value.code == "MS23"
    columns["safe"] = np.where(np.arange(20) < 4, g, np.nan)
    found = check("safe", ScoreTable.of(models, columns), config=QUICK)
    assert found.status == "inconclusive"
    assert (found.measures["correlation"].low, found.measures["correlation"].high) == (-1, 1)
    assert any("intervals are rough" in word for word in found.arrays["warnings"].coords["warning"])


def test_without_compute_there_is_no_partial_correlation():
    models, columns, g = factor_table(0, models=20)
    columns["safe"] = g
    table = ScoreTable.of(models, columns)
    assert "partial_correlation" not in check("safe", table, config=QUICK).measures
    compute = np.exp(g + np.random.default_rng(0).normal(size=20))
    with_compute = ScoreTable.of(models, columns, compute=compute)
    assert check("safe", with_compute, config=QUICK).measures["partial_correlation"].n == 20


def test_it_can_be_shown_anywhere():
    found = check("ifeval", SHIPPED, config=QUICK)
    assert showing.json(found)["arrays"]["intervals"]["coords"]["resampled"][0] == "models"
    assert "ifeval is undecided" in showing.markdown(found)
    assert showing.html(found).count("<figure") == 4


def test_disattenuation_recovers_a_true_correlation():
    # x = t + e with reliability a: r_obs = rho sqrt(a b)
    random = np.random.default_rng(0)
    rho, a, b = 0.6, 0.7, 0.5
    truth = random.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=40_000)
    x = truth[:, 0] + np.sqrt(1 / a - 1) * random.normal(size=40_000)
    y = truth[:, 1] + np.sqrt(1 / b - 1) * random.normal(size=40_000)
    r = np.array([np.corrcoef(x, y)[0, 1]])
    assert r[0] == pytest.approx(rho * np.sqrt(a * b), abs=0.015)
    assert disattenuated(r, np.array([a]), np.array([b]))[0] == pytest.approx(rho, abs=0.02)


def test_alpha_of_items_is_the_reliability_in_each_draw():
    random = np.random.default_rng(1)
    items = random.normal(size=(30, 1)) + random.normal(size=(30, 6))
    weights = np.concatenate([np.ones((30, 1)), random.multinomial(30, np.full(30, 1 / 30), 5).T], axis=1)
    for draw in range(6):
        rows = np.repeat(items, weights[:, draw].astype(int), axis=0)
        expected = 6 / 5 * (1 - rows.var(axis=0).sum() / rows.sum(axis=1).var())
        assert alpha(items, weights)[draw] == pytest.approx(expected, abs=1e-12)


def test_alpha_of_the_score_is_the_standardised_one():
    columns = np.random.default_rng(2).normal(size=(25, 1)) + np.random.default_rng(3).normal(size=(25, 5))
    matrix = np.corrcoef(columns.T)
    mean = matrix[np.triu_indices(5, 1)].mean()
    expected = 5 * mean / (1 + 4 * mean)
    assert score_reliability(columns, np.ones((25, 1)))[0] == pytest.approx(expected, abs=1e-12)


def test_a_corrected_correlation_beyond_one_is_shown_with_a_flag():
    found = check("wmdp", SHIPPED, config=QUICK, reliability=0.8)
    assert value(found, "disattenuated_correlation") < -1
    assert value(found, "beyond_one") == 1
    product = value(found, "reliability") * value(found, "capability_reliability")
    assert value(found, "disattenuated_correlation") == pytest.approx(
        value(found, "correlation") / np.sqrt(product), abs=1e-12
    )
    mild = check("ifeval", SHIPPED, config=QUICK, reliability=0.8, capability_reliability=0.9)
    assert value(mild, "beyond_one") == 0
    assert mild.measures["disattenuated_correlation"].low == pytest.approx(
        mild.measures["correlation"].low / np.sqrt(0.72), abs=1e-12
    )


def test_reliability_from_items_widens_the_corrected_interval():
    random = np.random.default_rng(0)
    models, columns, g = factor_table(0, models=30)
    items = 0.7 * g[:, None] + random.normal(size=(30, 4))
    columns["safe"] = items.mean(axis=1)
    table = ScoreTable.of(models, columns)
    found = check("safe", table, config=QUICK, reliability=items)
    known = check("safe", table, config=QUICK, reliability=value(found, "reliability"))
    both = [f.measures["disattenuated_correlation"] for f in (found, known)]
    assert both[0].value == pytest.approx(both[1].value, abs=1e-12)
    assert (both[0].low, both[0].high) != (both[1].low, both[1].high)


@pytest.mark.parametrize(
    "wrong", [0.0, 1.2, -0.5, np.ones((5, 3)), np.ones((27, 1)), np.full((27, 2), np.nan)]
)
def test_impossible_reliabilities_are_refused(wrong):
    with pytest.raises(InputError, match="reliability of ifeval") as fault:
        check("ifeval", SHIPPED, config=QUICK, reliability=wrong)
    assert fault.value.code == "MS22"


def test_residual_progress_by_a_line_equals_an_independent_one():
    random = np.random.default_rng(0)
    x = random.normal(size=15)
    y = 2 * x + random.normal(size=15)
    made = residual_progress(x, y, "linear", 0.9)
    for row in range(15):
        rest = np.arange(15) != row
        line = linregress(x[rest], y[rest])
        at = line.intercept + line.slope * x[row]
        errors = y[rest] - line.intercept - line.slope * x[rest]
        spread = ((x[rest] - x[rest].mean()) ** 2).sum()
        half = t.ppf(0.95, 12) * np.sqrt(
            (errors**2).sum() / 12 * (1 + 1 / 14 + (x[row] - x[rest].mean()) ** 2 / spread)
        )
        assert (made.predicted[row], made.low[row], made.high[row]) == pytest.approx(
            (at, at - half, at + half)
        )
    assert made.residual == pytest.approx(y - made.predicted)


@pytest.mark.parametrize("sign", [1, -1])
def test_residual_progress_by_a_monotone_curve_equals_an_independent_one(sign):
    random = np.random.default_rng(1)
    x = random.normal(size=25)
    y = sign * np.exp(x) + 0.2 * random.normal(size=25)
    made = residual_progress(x, y, "isotonic")
    for row in range(25):
        rest = np.arange(25) != row
        theirs = IsotonicRegression(increasing=sign > 0, out_of_bounds="clip").fit(x[rest], y[rest])
        assert made.predicted[row] == pytest.approx(theirs.predict([x[row]])[0], abs=1e-9)
    errors = np.abs(made.residual)
    # 24 others, level .95: the 24th smallest of their errors
    assert made.high[0] - made.predicted[0] == pytest.approx(np.sort(errors[1:])[23])


def test_a_model_better_than_its_capability_predicts_is_found():
    models, columns, g = factor_table(0, models=25, noise=0.2)
    safe = g + 0.1 * np.random.default_rng(9).normal(size=25)
    safe[11] += 3
    for curve in ("linear", "isotonic"):
        found = check("safe", ScoreTable.of(models, {**columns, "safe": safe}), config=QUICK, curve=curve)
        assert value(found, "better_than_predicted") == 1
        progress = found.arrays["progress"]
        assert progress.coords["column"] == ["observed", "predicted", "low", "high"]
        better = progress.values[:, 0] > progress.values[:, 3]
        assert np.flatnonzero(better).tolist() == [11]
        assert found.arrays["residual"].values.argmax() == 11


def test_prediction_intervals_hold_their_share():
    # 40 tables of 30 models: 1,200 predictions, binomial deviation .6 %
    held = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = random.normal(size=30)
        made = residual_progress(x, x + random.normal(size=30))
        held.append((~made.better & ~made.worse).mean())
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_too_few_models_and_unknown_curves_are_refused():
    with pytest.raises(InputError, match="4 models predict nothing") as fault:
        residual_progress(np.arange(4.0), np.arange(4.0))
    assert fault.value.code == "MS21"
    with pytest.raises(InputError, match="linear or isotonic"):
        check("ifeval", SHIPPED, config=QUICK, curve="cubic")
    assert np.isinf(residual_progress(np.arange(6.0), np.arange(6.0) ** 2, "isotonic").high).all()


def test_the_same_seed_gives_the_same_id():
    first, again, other = (check("ifeval", SHIPPED, config=QUICK, seed=seed) for seed in (3, 3, 4))
    assert first.id == again.id != other.id
    assert check("persona", SHIPPED, config=QUICK, seed=3).id != first.id
