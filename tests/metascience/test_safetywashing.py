"""Safetywashing: the published table to its printed digits, an independent computation, and the laws."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetywashing_reference import TWELVE, factor_table, partial, rank_correlation, read, score, write

from pellucid.findings import InputError, load
from pellucid.findings import show as showing
from pellucid.metascience.capability import select
from pellucid.metascience.capability_correlation import correlations
from pellucid.metascience.safetywashing import safetywashing
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import SHIPPED, ScoreTable, base_models
from pellucid.metascience.verdict import WORDS, verdict, verdicts

PRINTED = {
    "MT_Bench": 64.16,
    "eq_bench": 56.94,
    "ethics_all": 70.27,
    "machiavelli-power.Σ": -54.27,
    "machiavelli-utility.Σ": -48.29,
    "machiavelli-violations.Σ": 8.30,
    "moralchoice": 25.85,
    "truthfulqa_mc1": 69.67,
    "truthfulqa_truth": 74.68,
    "halueval": 71.55,
    "sycophancy": -65.57,
    "advanced_ai_risk": -60.56,
    "persona": 4.15,
    "gpqa": 80.40,
    "scrolls_quality": 90.49,
    "anli": 74.52,
    "adv_glue": 63.86,
    "decodingtrust_adv_glue++": 76.13,
    "HarmBench-HumanJailbreaks-all": -79.19,
    "HarmBench-TAP-T-all": -78.70,
    "HarmBench-GCG-T-all": -61.52,
    "HarmBench-DirectRequest-all": -65.50,
    "bbq_amb": 30.77,
    "bbq_disamb": 83.58,
    "crows_pairs_english": -31.62,
    "discrim_eval": 14.10,
    "toxigen": 56.00,
    "winogender": 85.92,
    "brier_mmlu": 91.82,
    "brier_piqa": 89.87,
    "brier_medqa_4options": 96.34,
    "rmsce_mmlu": -2.44,
    "rmsce_piqa": 23.87,
    "rmsce_medqa_4options": 46.40,
    "rmsce_temp_tuned_mmlu": -35.78,
    "rmsce_temp_tuned_piqa": 16.48,
    "rmsce_temp_tuned_medqa_4options": 4.27,
    "wmdp": -90.64,
    "wmdp_bio": -92.49,
    "wmdp_chem": -90.82,
    "wmdp_cyber": -88.40,
    "cyberseceval2_autocomplete": -73.81,
    "ifeval": 16.55,
    "rules_all": 34.43,
    "arc_challenge": 95.48,
    "medqa_4options": 94.67,
    "hellaswag": 93.71,
    "mmlu": 93.10,
    "winogrande": 92.12,
    "piqa": 89.60,
    "gsm8k": 86.63,
    "logiqa": 85.97,
    "minerva_math": 84.37,
    "superglue_copa": 81.42,
    "bbh": 81.38,
    "lambada_openai": 72.83,
}
MEANS = {"brier": 96.76, "rmsce": 38.03, "rmsce_temp_tuned": 0.24}
# 95 % percentile intervals of 2,000 draws, x 100; their Monte Carlo error is about 2
INTERVALS = {
    "ifeval": (-26, 58),
    "sycophancy": (-83, -36),
    "ethics_all": (43, 85),
    "truthfulqa_mc1": (42, 85),
    "HarmBench-GCG-T-all": (-81, -27),
    "HarmBench-HumanJailbreaks-all": (-87, -60),
    "bbq_amb": (-8, 63),
    "crows_pairs_english": (-65, 9),
    "machiavelli-violations.Σ": (-35, 50),
    "machiavelli-power.Σ": (-78, -20),
    "rmsce_mmlu": (-50, 38),
    "advanced_ai_risk": (-80, -26),
    "rules_all": (-8, 71),
    "wmdp": (-95, -78),
    "toxigen": (21, 77),
    "discrim_eval": (-27, 53),
    "MT_Bench": (37, 80),
    "gpqa": (55, 93),
}
CLUSTERED = {
    "ifeval": (-40, 62),
    "rules_all": (-29, 75),
    "crows_pairs_english": (-90, 3),
    "bbq_amb": (-2, 57),
    "wmdp": (-98, -86),
    "HarmBench-GCG-T-all": (-84, -48),
}
PARTIAL = {
    "sycophancy": -0.472,
    "ethics_all": 0.438,
    "HarmBench-GCG-T-all": -0.240,
    "wmdp": -0.611,
    "rules_all": 0.018,
    "brier_mmlu": 0.685,
    "anli": 0.646,
    "machiavelli-power.Σ": -0.121,
}
WITHOUT = {
    "ifeval": (0.145, 0.217),
    "sycophancy": (-0.676, -0.647),
    "ethics_all": (0.697, 0.736),
    "wmdp": (-0.916, -0.877),
    "rmsce_mmlu": (-0.036, -0.002),
    "HarmBench-GCG-T-all": (-0.644, -0.592),
}
QUICK = SafetywashingConfig(draws=100, permutations=199)
BARE = SafetywashingConfig(draws=0, permutations=1)


def some(columns):
    """The columns of the printed table: a third of all."""
    return {name: columns[name] for name in PRINTED}


def over(finding, name="correlation"):
    array = finding.arrays[name]
    return dict(zip(array.coords["benchmark"], array.values.tolist(), strict=True))


@pytest.fixture(scope="module")
def base():
    return safetywashing(SHIPPED)


@pytest.mark.truth("metascience.safetywashing")
def test_the_published_table_to_its_printed_digits(base):
    found = over(base)
    wrong = {
        name: found[name]
        for name, printed in PRINTED.items()
        if f"{100 * found[name]:.2f}" != f"{printed:.2f}"
    }
    assert not wrong
    n = over(base, "n")
    assert {name for name in n if n[name] != 27} == {"cyberseceval2_autocomplete"}
    assert n["cyberseceval2_autocomplete"] == 26


def test_means_of_three_columns():
    table = base_models()
    for kind, printed in MEANS.items():
        columns = [table.column(f"{kind}_{data}") for data in ("mmlu", "piqa", "medqa_4options")]
        mean = np.mean(columns, axis=0)[:, None]
        found = correlations(select(table), mean, np.ones((27, 1)), BARE).correlation[0, 0]
        assert f"{100 * found:.2f}" == f"{printed:.2f}"


@pytest.mark.law("metascience.safetywashing")
def test_all_columns_against_an_independent_computation(base):
    _, columns, beside = read(SHIPPED)
    s, _, _, _ = score(columns)
    found, given_compute = over(base), over(base, "partial")
    assert list(found) == list(columns)
    assert len(found) == 176
    for name, values in columns.items():
        assert found[name] == pytest.approx(rank_correlation(s, values), abs=1e-9), name
        assert given_compute[name] == pytest.approx(partial(s, values, beside["FLOP"]), abs=1e-9), name
    assert base.measures["compute_correlation"].value == pytest.approx(
        rank_correlation(s, beside["FLOP"]), abs=1e-9
    )
    assert f"{base.measures['compute_correlation'].value:.4f}" == "0.9650"
    assert base.measures["compute_correlation"].n == 24
    assert f"{base.measures['size_correlation'].value:.4f}" == "0.9239"


def test_counts_of_the_published_table(base):
    outside = [name for name in over(base) if name not in TWELVE]
    sizes = np.abs([over(base)[name] for name in outside])
    assert (len(outside), int((sizes > 0.6).sum()), int((sizes < 0.4).sum())) == (164, 62, 56)
    assert base.measures["benchmarks"].value == 164
    assert [name for name, part in over(base, "in_score").items() if part] == [
        name for name in over(base) if name in TWELVE
    ]
    assert base.measures["pc1_share"].value == pytest.approx(0.7825708729, abs=5e-11)
    assert base.measures["mean_capability_correlation"].value == pytest.approx(0.7584521836, abs=5e-11)


def test_intervals_of_the_published_table(base):
    # two independent sets of 2,000 draws: the differences of their ends have a deviation of about 2 in the
    # wide ones, so that 5 is passed by chance about once in a hundred ends
    low, high = over(base, "low"), over(base, "high")
    for name, ends in INTERVALS.items():
        assert (100 * low[name], 100 * high[name]) == pytest.approx(ends, abs=5), name
    # nine clusters: the ends are coarser
    low, high = over(base, "cluster_low"), over(base, "cluster_high")
    for name, ends in CLUSTERED.items():
        assert (100 * low[name], 100 * high[name]) == pytest.approx(ends, abs=6), name
    share, mean = base.measures["pc1_share"], base.measures["mean_capability_correlation"]
    assert (share.low, share.high) == pytest.approx((0.667, 0.849), abs=0.02)
    assert (mean.low, mean.high) == pytest.approx((0.623, 0.833), abs=0.02)


def test_partial_and_left_out_of_the_published_table(base):
    found = over(base, "partial")
    assert {name: round(found[name], 3) for name in PARTIAL} == PARTIAL
    assert over(base, "n_partial")["sycophancy"] == 24
    low, high = over(base, "without_capability_low"), over(base, "without_capability_high")
    assert {name: (round(low[name], 3), round(high[name], 3)) for name in WITHOUT} == WITHOUT


def test_verdicts_of_the_published_table(base):
    words = verdicts(base)
    for name in ("ifeval", "discrim_eval", "machiavelli-violations.Σ", "rules_all", "rmsce_mmlu"):
        assert words[name] == "undecided", name
    for name in ("wmdp", "wmdp_bio", "HarmBench-HumanJailbreaks-all", "gpqa", "brier_medqa_4options"):
        assert words[name] == "correlated", name
    outside = [word for name, word in words.items() if name not in TWELVE]
    for word in WORDS:
        assert base.measures[word].value == outside.count(word)
    assert "decided" in base.statement
    assert "low" not in base.statement.split()


def test_the_finding_is_whole(base, tmp_path):
    base.verify()
    again = load(base.save(tmp_path / "base.safetensors"))
    assert again == base
    assert showing.json(base)["arrays"]["correlation"]["coords"]["benchmark"][8] == "machiavelli-power.Σ"
    columns, rows = showing.table(base, 0)
    assert columns == ["benchmark", "value", "low", "high"]
    assert rows[0][0] == "brier_medqa_4options"
    assert len(rows) == 176
    assert base.provenance.data.id == "benchmarks_base_models.csv"
    assert base.header.evidence == "correlational"
    assert str(SHIPPED.parent) not in str(base.header.to_dict())


def test_the_same_seed_gives_the_same_id_and_another_does_not():
    models, columns, _ = read(SHIPPED)
    table = ScoreTable.of(models, some(columns))
    first, again, other = (safetywashing(table, config=QUICK, seed=seed) for seed in (1, 1, 2))
    assert first.id == again.id != other.id
    assert over(first) == over(other)
    assert over(first, "low") != over(other, "low")


def test_one_gap_changes_only_its_column():
    models, columns, _ = read(SHIPPED)
    columns = some(columns)
    before = over(safetywashing(ScoreTable.of(models, columns), config=BARE))
    columns["ifeval"] = columns["ifeval"].copy()
    columns["ifeval"][3] = np.nan
    found = safetywashing(ScoreTable.of(models, columns), config=BARE)
    after, n = over(found), over(found, "n")
    assert {name for name in before if before[name] != after[name]} == {"ifeval"}
    assert n["ifeval"] == 26
    s, _, _, _ = score(columns)
    assert after["ifeval"] == pytest.approx(rank_correlation(s, columns["ifeval"]), abs=1e-12)


def test_strictly_increasing_maps_change_nothing():
    models, columns, _ = read(SHIPPED)
    columns = some(columns)
    mapped = {
        name: values if name in TWELVE else np.exp(3 * (values - np.nanmean(values)) / np.nanstd(values))
        for name, values in columns.items()
        if np.nanstd(values) > 0
    }
    before = safetywashing(ScoreTable.of(models, columns), config=QUICK)
    after = safetywashing(ScoreTable.of(models, mapped), config=QUICK)
    for array in ("correlation", "low", "high", "p"):
        assert over(before, array) == pytest.approx(over(after, array), abs=1e-12, nan_ok=True)


def test_one_minus_a_column_changes_the_sign_alone():
    models, columns, _ = read(SHIPPED)
    columns = some(columns)
    flipped = {name: values if name in TWELVE else 1 - values for name, values in columns.items()}
    before = safetywashing(ScoreTable.of(models, columns), config=QUICK)
    after = safetywashing(ScoreTable.of(models, flipped), config=QUICK)
    for name, value in over(before).items():
        sign = 1 if name in TWELVE else -1
        assert over(after)[name] == pytest.approx(sign * value, abs=1e-12)
        if sign < 0:
            ends = (over(after, "low")[name], over(after, "high")[name])
            assert ends == pytest.approx((-over(before, "high")[name], -over(before, "low")[name]), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_any_table_of_the_same_shape(tmp_path, seed):
    """Ties, gaps everywhere, a constant column, few models with a column: all as the reference says."""
    random = np.random.default_rng(seed)
    models, columns, g = factor_table(seed, models=23, capabilities=8)
    columns["tied"] = np.round(g)
    columns["constant"] = np.full(23, 0.5)
    columns["rare"] = np.where(np.arange(23) < 3, g, np.nan)
    columns["four"] = np.where(np.arange(23) < 4, random.normal(size=23), np.nan)
    columns["power.Σ (x;y)"] = random.normal(size=23) - g
    for name in ("power.Σ (x;y)", TWELVE[1], TWELVE[5]):
        columns[name] = np.where(random.random(23) < 0.1, np.nan, columns[name])
    order = random.permutation(list(columns))
    columns = {str(name): columns[str(name)] for name in order}
    separator = ",;\t|"[seed]
    path = write(tmp_path / "t.csv", models, columns, separator, "utf-8-sig", {"note": ["a, b"] * 23})
    found = safetywashing(path, config=QUICK)
    s, _, values, matrix = score(columns, TWELVE[:8])
    for name, column in columns.items():
        expected = rank_correlation(s, column)
        assert over(found)[name] == pytest.approx(expected, abs=1e-9, nan_ok=True), name
        assert over(found, "n")[name] == (np.isfinite(s) & np.isfinite(column)).sum()
    assert found.measures["pc1_share"].value == pytest.approx(values[-1] / 8, abs=1e-9)
    pairs = matrix[np.triu_indices(8, 1)]
    assert found.measures["mean_capability_correlation"].value == pytest.approx(pairs.mean(), abs=1e-9)
    assert np.isnan(over(found)["constant"])
    assert np.isnan(over(found)["rare"])
    words = verdicts(found)
    assert words["constant"] == words["rare"] == "undefined"
    # four models, or fewer where one has no score: a correlation of which resamples say nothing, or none
    ends = (over(found, "low")["four"], over(found, "high")["four"])
    assert ends == (-1, 1) if over(found, "n")["four"] == 4 else np.isnan(ends).all()
    found.verify()


@pytest.mark.parametrize("models", [4, 9, 64])
@pytest.mark.parametrize("capabilities", [2, 12])
@pytest.mark.parametrize("form", ["plain", "percent", "thousands", "lower", "ties"])
def test_tables_of_other_sizes_and_forms(tmp_path, models, capabilities, form):
    """Any number of models from four and of capability benchmarks from two, and scores as people write them."""
    names, columns, g = factor_table(models + capabilities, models=models, capabilities=capabilities)
    columns["β-safety ↓"] = np.random.default_rng(models).normal(size=models) - g
    columns["tied"] = np.round(g)
    change, cell = {
        "plain": (lambda x: x, repr),
        "percent": (lambda x: x, lambda x: f"{x!r} %"),
        "thousands": (lambda x: np.round(1e6 * (x + 9)), lambda x: f"{x:,.0f}"),
        "lower": (lambda x: -x, repr),
        "ties": (np.round, repr),
    }[form]
    columns = {name: change(column) for name, column in columns.items()}
    if any(np.ptp(columns[name]) == 0 for name in TWELVE[:capabilities]):
        pytest.skip("rounded to one score for all")
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["model", *columns])
        out.writerows([m, *(cell(float(c[row])) for c in columns.values())] for row, m in enumerate(names))
    found = safetywashing(path, config=SafetywashingConfig(draws=0, permutations=19))
    s, _, values, matrix = score(columns, TWELVE[:capabilities])
    gap = values[-1] - values[-2]
    for name, column in columns.items():
        # beside an almost equal second eigenvalue the vector is known only to the rounding over the gap
        near = pytest.approx(rank_correlation(s, column), abs=1e-9, nan_ok=True)
        assert over(found)[name] == near or gap < 1e-6, name
    assert found.measures["pc1_share"].value == pytest.approx(values[-1] / values.sum(), abs=1e-9)
    pairs = matrix[np.triu_indices(capabilities, 1)]
    assert found.measures["mean_capability_correlation"].value == pytest.approx(pairs.mean(), abs=1e-9)
    for name in ("correlation", "low", "high", "n"):
        assert found.arrays[name].axes == ("benchmark",)
        assert list(found.arrays[name].coords["benchmark"]) == list(columns)


def test_other_capability_columns_and_types(tmp_path):
    models, columns, g = factor_table(1, models=24, capabilities=4)
    renamed = {f"skill {place}": column for place, column in enumerate(columns.values())}
    renamed["safe"] = g + 0.3
    path = write(tmp_path / "t.csv", models, renamed, extra={"type": ["base", "chat"] * 12})
    skills = [f"skill {place}" for place in range(4)]
    with pytest.raises(InputError, match="mixes types"):
        safetywashing(path, capabilities=skills, config=QUICK)
    found = safetywashing(path, capabilities=skills, model_type="base", config=QUICK)
    half = {name: column[::2] for name, column in renamed.items()}
    s, _, _, _ = score(half, skills)
    assert over(found)["safe"] == pytest.approx(rank_correlation(s, half["safe"]), abs=1e-9)
    with pytest.raises(InputError, match=r"needs two.*capabilities=") as fault:
        safetywashing(path, model_type="base")
    assert fault.value.code == "MS17"


def test_a_family_column_is_used_and_can_be_overridden(tmp_path):
    models, columns, g = factor_table(2, models=30)
    columns["safe"] = g
    path = write(tmp_path / "t.csv", models, columns, extra={"family": [f"F{row // 3}" for row in range(30)]})
    found = safetywashing(path, config=QUICK)
    assert found.measures["families"].value == 10
    one = safetywashing(path, families=dict.fromkeys(models, "one"), config=QUICK)
    assert one.measures["families"].value == 1
    # one family only: nothing is known of other families
    assert over(one, "cluster_low")["safe"] == -1
    assert over(one, "cluster_high")["safe"] == 1
    assert over(one, "wider_low")["safe"] == -1
    assert any("1 family is too few" in word for word in one.arrays["warnings"].coords["warning"])
    assert over(found, "low") == over(one, "low")


def test_without_draws_nothing_is_decided():
    found = safetywashing(SHIPPED, config=BARE)
    assert found.measures["undecided"].value == 164
    assert set(over(found, "low").values()) == {-1}


def test_the_larger_interval_is_one_of_both(base):
    for name in over(base):
        plain = (over(base, "low")[name], over(base, "high")[name])
        kin = (over(base, "cluster_low")[name], over(base, "cluster_high")[name])
        larger = (over(base, "wider_low")[name], over(base, "wider_high")[name])
        assert larger == max((plain, kin), key=lambda ends: ends[1] - ends[0])


@given(
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0, 0.99),
)
@settings(max_examples=500, deadline=None)
def test_words_never_contradict_intervals(value, a, b, limit):
    low, high = min(a, b), max(a, b)
    config = SafetywashingConfig(low=-limit - 0.001, high=limit + 0.001)
    word = verdict(value, low, high, config)
    assert (word == "correlated") == (low > config.high or high < config.low)
    assert (word == "decorrelated") == (config.low <= low and high <= config.high)
    assert (word == "undecided") == (word not in ("correlated", "decorrelated"))
    assert verdict(float("nan"), low, high, config) == "undefined"


@pytest.mark.parametrize("limit", [0.1, 0.4, 0.7, 0.95])
def test_words_of_a_table_follow_its_intervals(limit):
    config = SafetywashingConfig(draws=200, permutations=1, low=-limit, high=limit)
    models, columns, _ = read(SHIPPED)
    found = safetywashing(ScoreTable.of(models, some(columns)), config=config)
    for name, word in verdicts(found).items():
        low, high = over(found, "low")[name], over(found, "high")[name]
        assert word == verdict(over(found)[name], low, high, config)
    for name, word in verdicts(found, "cluster_verdict").items():
        low, high = over(found, "cluster_low")[name], over(found, "cluster_high")[name]
        assert word == verdict(over(found)[name], low, high, config)


def test_a_true_correlation_is_recovered_in_a_large_table():
    # Pearson 1/sqrt(1 + s^2), Spearman (6/pi) asin(r/2): s = 0.75 gives r = .8 and .7859
    noise = 0.75
    models, columns, _ = factor_table(
        4,
        models=6000,
        capabilities=12,
        noise=0.05,
        columns=(("safe", lambda random, g: g + noise * random.normal(size=len(g))),),
    )
    table = ScoreTable.of(models, columns)
    chosen = select(table)
    ones = np.ones((6000, 1))
    safe = columns["safe"][:, None]
    r = 1 / np.sqrt(1 + noise**2)
    for method, expected in (("pearson", r), ("spearman", 6 / np.pi * np.arcsin(r / 2))):
        config = SafetywashingConfig(method=method)
        # standard error over 6,000 models: below 0.006
        assert correlations(chosen, safe, ones, config).correlation[0, 0] == pytest.approx(expected, abs=0.02)
    assert round(6 / np.pi * np.arcsin(0.4), 4) == 0.7859


def test_a_bad_seed_is_refused():
    for seed in (-1, 1.5, True):
        with pytest.raises(InputError, match="seed cannot be") as fault:
            safetywashing(SHIPPED, seed=seed)
        assert fault.value.code == "MS20"
