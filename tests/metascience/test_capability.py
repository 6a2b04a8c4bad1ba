"""The capabilities score: the published numbers, an independent computation, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetywashing_reference import TWELVE, factor_table, read, score
from scipy.stats import rankdata, spearmanr

from pellucid.findings import InputError, MissingError
from pellucid.metascience.capability import CAPABILITIES, capability_score, fit, select
from pellucid.metascience.ranks import correlation, weighted_ranks
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import SHIPPED, ScoreTable, base_models

LOADINGS = ".2794 .2959 .3092 .3076 .2672 .3069 .3164 .3050 .2738 .2493 .2815 .2628"
SCORES = {
    "Meta-Llama-3-70B": 4.4679,
    "Qwen1.5-110B": 4.2791,
    "Mixtral-8x22B-v0.1": 4.0916,
    "dbrx-base": 2.7762,
    "falcon-180B": 2.7519,
    "Yi-34B": 2.7405,
    "Mixtral-8x7B-v0.1": 2.4652,
    "deepseek-llm-67b-base": 2.3610,
    "Qwen1.5-72B": 2.1440,
    "Llama-2-70b-hf": 2.0965,
    "Qwen1.5-32B": 1.9116,
    "Qwen1.5-14B": 0.8577,
    "Meta-Llama-3-8B": 0.4284,
    "Mistral-7B-v0.1": 0.0830,
    "Yi-9B": -0.2265,
    "falcon-40b": -0.2788,
    "gemma-7b": -0.3990,
    "Llama-2-13b-hf": -0.9167,
    "Qwen1.5-7B": -1.3009,
    "Yi-6B": -1.6435,
    "deepseek-llm-7b-base": -2.4560,
    "Llama-2-7b-hf": -2.4718,
    "Qwen1.5-4B": -2.7901,
    "falcon-7b": -3.5947,
    "gemma-2b": -4.1444,
    "Qwen1.5-1.8B": -5.4364,
    "Qwen1.5-0.5B": -7.7960,
}
ONE = np.ones((27, 1))
DEFAULT = SafetywashingConfig()


def by_model(finding):
    array = finding.arrays["score"]
    return dict(zip(array.coords["model"], array.values, strict=True))


@pytest.fixture(scope="module")
def published():
    return capability_score(base_models())


@pytest.mark.truth("metascience.capability_score")
def test_published_values_to_the_printed_digits(published):
    assert tuple(TWELVE) == CAPABILITIES
    measures = {name: measure.value for name, measure in published.measures.items()}
    assert measures["pc1_share"] == pytest.approx(0.7825708729, abs=5e-11)
    assert measures["mean_capability_correlation"] == pytest.approx(0.7584521836, abs=5e-11)
    assert measures["capability_correlation_deviation"] == pytest.approx(0.1336406711, abs=5e-11)
    loading = published.arrays["loading"]
    assert loading.coords["benchmark"] == TWELVE
    assert [f"{value:.4f}"[1:] for value in loading.values] == LOADINGS.split()
    assert {name: round(float(value), 4) for name, value in by_model(published).items()} == SCORES
    assert list(by_model(published)) == list(SCORES)
    published.verify()


def test_against_an_independent_computation(published):
    models, columns, _ = read(SHIPPED)
    s, v, values, matrix = score(columns)
    ours = by_model(published)
    # both are sums of twelve products of numbers near one: differences are rounding alone
    assert max(abs(ours[model] - s[row]) for row, model in enumerate(models)) < 1e-9
    assert np.abs(published.arrays["loading"].values - v).max() < 1e-9
    assert published.measures["pc1_share"].value == pytest.approx(values[-1] / 12, abs=1e-12)
    pairs = matrix[np.triu_indices(12, 1)]
    assert published.measures["mean_capability_correlation"].value == pytest.approx(pairs.mean(), abs=1e-12)


def test_pearson_and_svd_are_told_apart():
    pearson = capability_score(base_models(), config=SafetywashingConfig(method="pearson"))
    assert pearson.measures["pc1_share"].value == pytest.approx(0.7693449624, abs=5e-11)
    svd = by_model(capability_score(base_models(), config=SafetywashingConfig(loadings="svd")))
    plain = by_model(capability_score(base_models()))
    agreement = spearmanr([plain[m] for m in plain], [svd[m] for m in plain]).statistic
    assert round(float(agreement), 4) == 0.9976


@pytest.mark.law("metascience.capability_score")
@pytest.mark.parametrize("k", [2, 3, 6, 12])
def test_equicorrelated_columns_have_the_closed_form(k):
    # the rank correlation matrix of permutation columns is set exactly: share = (1 + (k-1) r) / k, v = 1/sqrt(k)
    columns = equicorrelated(k)
    whole = fit(columns, np.ones((len(columns), 1)), DEFAULT)
    r = whole.matrix[0, 0, 1]
    off = whole.matrix[0][~np.eye(k, dtype=bool)]
    assert np.ptp(off) < 1e-12
    assert whole.share[0] == pytest.approx((1 + (k - 1) * r) / k, abs=1e-12)
    assert whole.loading[0] == pytest.approx(np.full(k, 1 / np.sqrt(k)), abs=1e-9)


def equicorrelated(k):
    """k columns over 2k + 2 rows, any two of which have the same ranks up to a permutation of rows."""
    rows = np.arange(2.0 * k + 2)
    columns = np.tile(rows[:, None], (1, k))
    for place in range(k):
        # each column swaps its own pair of neighbours
        columns[[2 * place, 2 * place + 1], place] = columns[[2 * place + 1, 2 * place], place]
    return columns


def test_a_copied_column_changes_the_loadings_as_the_block_form_says():
    columns = equicorrelated(3)
    r = fit(columns, np.ones((8, 1)), DEFAULT).matrix[0, 0, 1]
    whole = fit(np.concatenate([columns, columns[:, :1]], axis=1), np.ones((8, 1)), DEFAULT)
    # eigenvector (a, b, b, a): 2 a + 2 r b = L a and 2 r a + (1 + r) b = L b
    largest = ((3 + r) + np.sqrt((1 - r) ** 2 + 16 * r**2)) / 2
    a, b = 2 * r, largest - 2
    expected = np.array([a, b, b, a]) / np.sqrt(2 * (a * a + b * b))
    assert whole.loading[0] == pytest.approx(expected, abs=1e-9)
    assert whole.share[0] == pytest.approx(largest / 4, abs=1e-12)


def test_loadings_of_a_factor_model_are_recovered():
    random = np.random.default_rng(0)
    strength = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    g = random.normal(size=20_000)
    columns = strength * g[:, None] + np.sqrt(1 - strength**2) * random.normal(size=(20_000, 5))
    whole = fit(columns, np.ones((20_000, 1)), DEFAULT)
    matrix = (6 / np.pi) * np.arcsin(np.outer(strength, strength) / 2)
    np.fill_diagonal(matrix, 1.0)
    v = np.abs(np.linalg.eigh(matrix)[1][:, -1])
    # a rank correlation over 20,000 rows has a standard error of 0.007
    assert whole.loading[0] == pytest.approx(v, abs=0.02)
    assert correlation(whole.score, g[:, None], np.ones((20_000, 1)))[0] > 0.9


def test_the_sign_is_that_of_the_largest_entry():
    random = np.random.default_rng(3)
    g = random.normal(size=200)
    columns = np.stack(
        [-0.4 * g + random.normal(size=200), *(g + 0.1 * random.normal(size=(3, 200)))], axis=1
    )
    loading = fit(columns, np.ones((200, 1)), DEFAULT).loading[0]
    assert loading[0] < 0 < loading[np.abs(loading).argmax()]


def test_two_equal_eigenvalues_are_said():
    rows = np.array([[1, 1], [1, 2], [2, 1], [2, 2]], dtype=float)
    found = capability_score(
        ScoreTable.of(list("abcd"), {"x": rows[:, 0], "y": rows[:, 1]}), capabilities=["x", "y"]
    )
    assert found.measures["eigenvalue_ratio"].value == pytest.approx(1)
    assert any("not unique" in word for word in found.arrays["warnings"].coords["warning"])


def test_a_missing_capability_takes_its_model_out_and_moves_nothing_else():
    _, columns, _ = read(SHIPPED)
    table = base_models()
    columns["mmlu"] = columns["mmlu"].copy()
    columns["mmlu"][4] = np.nan
    s, _, _, _ = score(columns)
    found = by_model(capability_score(ScoreTable.of(table.models, columns)))
    assert table.models[4] not in found
    assert len(found) == 26
    assert max(abs(found[m] - s[row]) for row, m in enumerate(table.models) if row != 4) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_order_of_models_and_columns_changes_nothing(published, seed):
    random = np.random.default_rng(seed)
    models, columns, _ = read(SHIPPED)
    rows = random.permutation(27)
    names = [TWELVE[place] for place in random.permutation(12)]
    table = ScoreTable.of([models[row] for row in rows], {name: columns[name][rows] for name in names})
    found = by_model(capability_score(table))
    for model, value in by_model(published).items():
        assert found[model] == pytest.approx(value, abs=1e-9)


def test_what_is_left_out_is_named():
    models, columns, _ = factor_table(0, capabilities=4)
    columns["bbh"] = np.ones(30)
    found = capability_score(ScoreTable.of(models, columns))
    words = found.arrays["warnings"].coords["warning"]
    assert any("the same for all models are left out: bbh" in word for word in words)
    assert any("without scores are left out: superglue_copa" in word for word in words)
    assert found.arrays["loading"].coords["benchmark"] == TWELVE[:4]


@pytest.mark.parametrize(
    ("change", "error", "code", "says"),
    [
        ({"capabilities": ["logiqa", "nope"]}, MissingError, "MS13", "no benchmark 'nope'"),
        ({"capabilities": ["logiqa", "logiqa"]}, InputError, "MS24", "named twice"),
        ({"capabilities": ["logiqa"]}, InputError, "MS17", "needs two"),
        ({"model_type": "chat"}, MissingError, "MS16", "no column 'type'"),
    ],
)
def test_what_makes_no_score(change, error, code, says):
    models, columns, _ = factor_table(0, capabilities=4)
    with pytest.raises(error, match=says) as fault:
        capability_score(ScoreTable.of(models, columns), **change)
    assert fault.value.code == code


def test_fewer_than_four_models_are_refused():
    models, columns, _ = factor_table(0, models=3)
    with pytest.raises(InputError, match="3 of 3 models") as fault:
        capability_score(ScoreTable.of(models, columns))
    assert fault.value.code == "MS18"


def test_types_are_never_mixed():
    models, columns, _ = factor_table(0, models=20)
    table = ScoreTable.of(models, columns, types=["base", "Chat"] * 10)
    with pytest.raises(InputError, match=r"10 base, 10 chat.*model_type='base'") as fault:
        capability_score(table)
    assert fault.value.code == "MS16"
    apart = capability_score(table, model_type="chat")
    alone = capability_score(table.rows(np.arange(20) % 2 == 1))
    assert by_model(apart) == by_model(alone)
    assert apart.provenance.parameters["types"] == ["Chat"]
    with pytest.raises(MissingError, match="Its types: base, chat"):
        capability_score(table, model_type="tuned")


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=12),
    st.integers(0, 2**31),
)
@settings(max_examples=100, deadline=None)
def test_weighted_ranks_are_the_ranks_of_the_repeated_rows(values, seed):
    weights = np.random.default_rng(seed).integers(0, 4, (len(values), 3)).astype(float)
    column = np.array(values, dtype=float)
    ranks = weighted_ranks(column, weights)
    for draw in range(3):
        repeated = np.repeat(np.arange(len(values)), weights[:, draw].astype(int))
        if len(repeated):
            assert rankdata(column[repeated]).tolist() == ranks[repeated, draw].tolist()


def test_a_resample_equals_a_fit_of_the_repeated_rows():
    chosen = select(base_models())
    weights = np.random.default_rng(5).multinomial(27, np.full(27, 1 / 27)).astype(float)[:, None]
    whole = fit(chosen.columns, weights, DEFAULT)
    rows = np.repeat(np.arange(27), weights[:, 0].astype(int))
    s, v, _, _ = score({name: chosen.table.column(name)[rows] for name in TWELVE})
    assert np.abs(whole.loading[0] - v).max() < 1e-9
    assert np.abs(whole.score[rows, 0] - s).max() < 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "kendall"},
        {"loadings": "pca"},
        {"draws": -1},
        {"draws": 2.5},
        {"permutations": 0},
        {"level": 1.0},
        {"fdr": 0.0},
        {"low": 0.5},
        {"high": 1.5},
    ],
)
def test_settings_are_checked(wrong):
    with pytest.raises(InputError, match="The setting") as fault:
        SafetywashingConfig(**wrong)
    assert fault.value.code == "MS20"
    assert next(iter(wrong)) in str(fault.value)


def test_models_with_the_same_scores_tie_exactly_in_every_draw():
    random = np.random.default_rng(0)
    columns = random.normal(size=(14, 12))
    columns[9] = columns[2]
    weights = random.multinomial(14, np.full(14, 1 / 14), 300).T.astype(float)
    whole = fit(columns, weights, DEFAULT)
    both = (weights[9] > 0) & (weights[2] > 0)
    assert both.sum() > 50
    assert (whole.score[9, both] == whole.score[2, both]).all()


@pytest.mark.parametrize("name", ["capabilities", "model_type", "families"])
def test_what_the_functions_take_is_no_setting(name):
    with pytest.raises(InputError, match=f"The setting {name} does not exist") as fault:
        SafetywashingConfig(**{name: ["mmlu"]})
    assert fault.value.code == "MS20"
    assert f"safetywashing(table, {name}=..." in fault.value.remedy
    assert name not in SafetywashingConfig().to_dict()


def test_a_score_of_rows_in_memory():
    table = base_models()
    rows = [
        {"model": model, **dict(zip(table.benchmarks, row, strict=True))}
        for model, row in zip(table.models, table.scores.tolist(), strict=True)
    ]
    measured = [capability_score(given).measures["pc1_share"].value for given in (rows, table)]
    assert measured[0] == measured[1]
    with pytest.raises(InputError, match="The table of scores is None"):
        capability_score(None)
