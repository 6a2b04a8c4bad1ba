"""Differential items: the formula by hand, size without difference, power with one, and bad input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from made_up_answers import NAN, answers, normals
from scipy.stats import chi2, contingency, fisher_exact

from pellucid.findings import InputError
from pellucid.metascience.differential import (
    DELTA,
    DifferentialConfig,
    bands,
    differential_items,
    false_discovery,
    mantel_haenszel,
    sizes,
    tables,
)

B = np.linspace(-1.5, 1.5, 20)


def two_groups(
    seed: int, n: int, shift: float = 0.0, item: int = 3, gap: float = 0.0
) -> tuple[np.ndarray, list[str]]:
    """Answers of a reference and a focal group; one item is harder for the focal group by ``shift`` logits."""
    focal = np.arange(n) % 2 == 1
    b = np.tile(B, (n, 1))
    b[focal, item] += shift
    theta = normals(1000 + seed, n) - gap * focal
    chance = 1 / (1 + np.exp(-(theta[:, None] - b)))
    table = (np.random.default_rng(seed).random(chance.shape) < chance).astype(float)
    return table, ["focal" if one else "a reference" for one in focal]


def rows(cells: list[tuple[int, int, int, int]]) -> tuple[list[int], list[int], list[int]]:
    """Answers, groups and strata of tables A, B, C, D."""
    out: list[tuple[int, int, int]] = []
    for stratum, counts in enumerate(cells):
        for (answer, focal), count in zip([(1, 0), (0, 0), (1, 1), (0, 1)], counts, strict=True):
            out += [(answer, focal, stratum)] * count
    columns = list(zip(*out, strict=True))
    return list(columns[0]), list(columns[1]), list(columns[2])


def column(finding, name: str) -> np.ndarray:
    array = finding.arrays["items"]
    return array.values[:, array.coords["number"].index(name)]


def test_formula_by_hand():
    cells = [(20, 10, 15, 15), (30, 5, 20, 10)]
    alpha, delta, low, high, statistic, p = mantel_haenszel(*rows(cells))
    above = 20 * 15 / 60 + 30 * 10 / 65
    below = 10 * 15 / 60 + 5 * 20 / 65
    assert alpha == pytest.approx(above / below, abs=1e-12)
    assert delta == pytest.approx(-2.35 * math.log(above / below), abs=1e-12)
    expected = 30 * 35 / 60 + 35 * 50 / 65
    variance = 30 * 30 * 35 * 25 / (60**2 * 59) + 35 * 30 * 50 * 15 / (65**2 * 64)
    assert statistic == pytest.approx((abs(50 - expected) - 0.5) ** 2 / variance, abs=1e-12)
    assert p == pytest.approx(chi2.sf(statistic, 1), abs=1e-12)
    assert low < delta < high


def test_one_stratum_is_the_odds_ratio_with_its_usual_interval():
    a, b, c, d = 21, 9, 12, 18
    alpha, delta, low, high, *_ = mantel_haenszel(*rows([(a, b, c, d)]))
    assert alpha == pytest.approx(a * d / (b * c))
    assert alpha == pytest.approx(contingency.odds_ratio([[a, b], [c, d]], kind="sample").statistic)
    # one stratum: the variance of Robins, Breslow and Greenland is Woolf's
    half = 1.959963984540054 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert (low, high) == pytest.approx((delta - 2.35 * half, delta + 2.35 * half), abs=1e-9)


def test_p_is_near_the_exact_one():
    for cells in ((12, 8, 5, 15), (10, 10, 9, 11)):
        a, b, c, d = cells
        p = mantel_haenszel(*rows([cells]))[-1]
        assert p == pytest.approx(fisher_exact([[a, b], [c, d]])[1], abs=0.03)


@pytest.mark.law("metascience.differential_items")
def test_swapping_groups_or_answers_turns_the_sign():
    table, groups = two_groups(0, 300, 1.0)
    one = differential_items(table, groups)
    swapped = differential_items(table, groups, DifferentialConfig(reference="focal", focal="a reference"))
    wrong = differential_items(1 - table, groups)
    for other in (swapped, wrong):
        np.testing.assert_allclose(column(other, "delta"), -column(one, "delta"), atol=1e-10)
        np.testing.assert_allclose(column(other, "chi2"), column(one, "chi2"), atol=1e-10)
    order = np.random.default_rng(0).permutation(300)
    shuffled = differential_items(table[order], [groups[at] for at in order])
    np.testing.assert_allclose(column(shuffled, "delta"), column(one, "delta"), atol=1e-12)


def test_strata_without_both_groups_or_answers_say_nothing():
    cells = [(20, 10, 15, 15), (30, 5, 20, 10)]
    base = mantel_haenszel(*rows(cells))
    more = mantel_haenszel(*rows([*cells, (7, 3, 0, 0), (5, 0, 5, 0)]))
    np.testing.assert_allclose(base, more, rtol=1e-12)
    assert np.isnan(mantel_haenszel(*rows([(5, 0, 5, 0)]))[0])
    infinite = mantel_haenszel(*rows([(9, 0, 1, 8)]))
    assert infinite[0] == math.inf
    assert infinite[1] == -math.inf
    assert infinite[5] < 0.01


def test_counts_of_the_strata():
    a, b, c, d = tables(
        np.array([1.0, 0, 1, 0, 1]), np.array([False, False, True, True, True]), np.array([0, 0, 0, 2, 2])
    )
    assert np.stack([a, b, c, d], axis=1).tolist() == [[1, 1, 1, 0], [0, 0, 1, 1]]


@pytest.mark.truth("metascience.differential_items")
def test_a_planted_item_is_found():
    found, signs = 0, []
    for seed in range(100):
        table, groups = two_groups(seed, 1000, shift=1.0, gap=0.5)
        finding = differential_items(table, groups)
        found += column(finding, "size")[3] == 2
        signs.append(column(finding, "delta")[3] < 0)
        assert (finding.status == "refutes") == (finding.measures["confirmed"].value >= 1)
    assert found >= 95
    assert all(signs)


def test_chance_among_many_items_refutes_nothing():
    refuted = sum(differential_items(*two_groups(seed, 60)).status == "refutes" for seed in range(40))
    # false discovery at 5 % over 40 tables of no difference: 2 expected, four standard errors are 5.5
    assert refuted <= 7


def test_many_respondents_decide_that_nothing_differs():
    finding = differential_items(*two_groups(0, 4000))
    assert finding.measures["undecided"].value == 0
    assert finding.status == "supports"


def test_size_without_a_difference_is_nominal():
    p = np.concatenate(
        [column(differential_items(*two_groups(seed, 600, gap=0.7)), "p") for seed in range(60)]
    )
    # 1200 tests, not quite independent within a table; the continuity correction makes them somewhat strict
    assert 0.025 < (p < 0.05).mean() < 0.065


def test_delta_estimates_the_shift():
    # without guessing and with equal slopes, ln alpha is the shift in logits, but for coarse matching
    deltas = [
        column(differential_items(*two_groups(seed, 2000, shift=0.8)), "delta")[3] for seed in range(10)
    ]
    assert np.mean(deltas) == pytest.approx(DELTA * 0.8, rel=0.12)


def test_purification_takes_large_items_out_of_the_match():
    focal = np.arange(1000) % 2 == 1
    b = np.tile(B, (1000, 1))
    b[np.ix_(focal, range(6))] += 1.5
    theta = normals(1, 1000)
    table = (np.random.default_rng(2).random(b.shape) < 1 / (1 + np.exp(-(theta[:, None] - b)))).astype(float)
    plain = differential_items(table, focal.astype(str), DifferentialConfig(purify=False))
    pure = differential_items(table, focal.astype(str))
    fair = slice(6, None)
    assert np.abs(column(pure, "delta")[fair]).mean() < np.abs(column(plain, "delta")[fair]).mean()
    assert column(pure, "size")[:6].tolist() == [2] * 6


def test_classes_of_size():
    table = np.zeros((5, 6))
    table[:, 1] = [0.9, 1.2, -1.6, 1.6, -np.inf]
    table[:, 5] = [0.01, 0.01, 0.01, 0.2, 0.01]
    assert sizes(table, 0.05).tolist() == [0, 1, 2, 0, 2]


def test_bands():
    totals = np.array([0.0, 1, 2, 3, 4, 5, 5, 5])
    assert bands(totals, None).tolist() == [0, 1, 2, 3, 4, 5, 5, 5]
    assert bands(totals, 1).tolist() == [0] * 8
    halves = bands(totals, 2)
    assert halves.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    for count in range(1, 6):
        found = bands(totals, count)
        assert len(set(found)) <= count
        assert all(found[i] <= found[j] for i, j in itertools.pairwise(np.argsort(totals, kind="stable")))


def test_false_discovery_keeps_gaps():
    found = false_discovery(np.array([0.01, 0.04, NAN, 0.03]))
    np.testing.assert_allclose(found, [0.03, 0.04, NAN, 0.04])
    assert np.isnan(false_discovery(np.array([NAN]))).all()


def test_few_respondents_are_matched_in_bands():
    table, groups = two_groups(5, 30)
    finding = differential_items(table, groups)
    assert np.isfinite(column(finding, "p")).sum() >= 18
    assert finding.measures["undecided"].value > 15
    assert finding.status == "inconclusive"
    same = differential_items(table, groups, DifferentialConfig(strata=5))
    np.testing.assert_array_equal(column(finding, "delta"), column(same, "delta"))


def test_groups_by_name_and_of_three():
    table, groups = two_groups(6, 90)
    names = {f"respondent {at + 1}": group for at, group in enumerate(groups)}
    one, other = differential_items(table, groups), differential_items(table, names)
    np.testing.assert_array_equal(one.arrays["items"].values, other.arrays["items"].values)
    three = [*groups[:60], *["third"] * 30]
    chosen = differential_items(table, three, DifferentialConfig(reference="a reference", focal="focal"))
    assert chosen.measures["reference_respondents"].value == 30
    assert chosen.measures["focal_respondents"].value == 30


@pytest.mark.parametrize(
    ("groups", "config", "code", "words"),
    [
        (["a"] * 20, DifferentialConfig(), "MS66", "belong to: a"),
        (["a", "b"] * 9 + ["c", "c"], DifferentialConfig(), "MS66", "a, b, c"),
        (["a"] * 19 + ["b"], DifferentialConfig(), "MS66", "'b' cannot be compared"),
        (["a", "b"] * 10, DifferentialConfig(reference="d"), "MS66", "there is no 'd'"),
        (["a", "b"] * 10, DifferentialConfig(reference="a", focal="a"), "MS66", "'a' cannot"),
        (["a", "b"] * 9, DifferentialConfig(), "MS51", "18 groups were given for 20"),
        ({"respondent 1": "a"}, DifferentialConfig(), "MS51", "'respondent 2'"),
        (["a", "b"] * 10, DifferentialConfig(strata=0), "MS67", "0 strata"),
    ],
)
def test_bad_groups(groups, config, code, words):
    table = answers(0, normals(0, 20), B)
    with pytest.raises(InputError, match=words) as raised:
        differential_items(table, groups, config)
    assert raised.value.code == code
    assert raised.value.remedy


def test_graded_scores_need_a_threshold():
    table = np.random.default_rng(0).random((40, 6))
    with pytest.raises(InputError, match="threshold"):
        differential_items(table, ["a", "b"] * 20)
    differential_items(table, ["a", "b"] * 20, DifferentialConfig(threshold=0.5)).verify()
