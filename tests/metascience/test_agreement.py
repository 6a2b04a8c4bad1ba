"""Agreement: worked examples to the printed digits, closed forms, independent references, and bad input."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_answers import NAN, normals, one_trait
from sklearn.metrics import cohen_kappa_score

from pellucid.findings import InputError
from pellucid.metascience.agreement import (
    LEVELS,
    AgreementConfig,
    agreement,
    bias_index,
    cohen_kappa,
    confusion,
    fleiss_kappa,
    kappa_interval,
    kappa_of_table,
    krippendorff_alpha,
    pairwise_kappa,
    percent_agreement,
    prevalence_index,
    scott_pi,
)
from pellucid.metascience.intraclass import FORMS, icc, intraclass, mean_squares
from pellucid.metascience.reliability import cronbach_alpha, feldt_interval, spearman_brown

FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
SHROUT = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def row(text: str) -> list[float]:
    return [NAN if word == "." else float(word) for word in text.split()]


KRIPPENDORFF = [
    row("1 2 3 3 2 1 4 1 2 . . ."),
    row("1 2 3 3 2 2 4 1 2 5 . ."),
    row(". 3 3 3 2 3 4 2 2 5 1 3"),
    row("1 2 3 3 2 4 4 1 2 5 1 ."),
]


def raters_of(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """Two raters whose confusion is the table."""
    pairs = [(i, j) for i, line in enumerate(table) for j, count in enumerate(line) for _ in range(count)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def coincidence_alpha(ratings: np.ndarray, level: str) -> float:
    """Krippendorff's alpha written out from its definition, pair by pair."""
    pairs: Counter[tuple[float, float]] = Counter()
    for unit in np.asarray(ratings).T:
        values = unit[~np.isnan(unit)]
        for i, j in itertools.permutations(range(len(values)), 2):
            pairs[values[i], values[j]] += 1 / (len(values) - 1)
    margins: Counter[float] = Counter()
    for (c, _), mass in pairs.items():
        margins[c] += mass
    n = sum(margins.values())

    def distance(c: float, k: float) -> float:
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return (c - k) ** 2
        if level == "ratio":
            return ((c - k) / (c + k)) ** 2 if c + k else 0.0
        low, high = min(c, k), max(c, k)
        between = sum(mass for value, mass in margins.items() if low <= value <= high)
        return (between - (margins[c] + margins[k]) / 2) ** 2 if c != k else 0.0

    observed = sum(mass * distance(*pair) for pair, mass in pairs.items()) / n
    expected = sum(margins[c] * margins[k] * distance(c, k) for c in margins for k in margins) / (n * (n - 1))
    return 1 - observed / expected


# Cohen


def test_cohen_example():
    assert kappa_of_table(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4, abs=1e-12)
    a, b = raters_of([[20, 5], [10, 15]])
    assert cohen_kappa(a, b) == pytest.approx(0.4, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=40))
@settings(max_examples=60, deadline=None)
def test_kappa_equals_scikit_learn(pairs):
    a, b = zip(*pairs, strict=True)
    if len(set(a) | set(b)) < 2:
        assert math.isnan(cohen_kappa(a, b))
        return
    for weights in (None, "linear", "quadratic"):
        assert cohen_kappa(a, b, weights) == pytest.approx(
            cohen_kappa_score(a, b, weights=weights), abs=1e-12
        )


def test_kappa_of_words_and_gaps():
    a, b = ["yes", "no", None, "yes", "no"], ["yes", "no", "no", "no", None]
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(["y", "n", "y"], ["y", "n", "n"]))
    np.testing.assert_array_equal(confusion(a, b), [[1, 0], [1, 1]])


def test_kappa_without_chance_is_undefined():
    assert math.isnan(cohen_kappa([1, 1, 1], [1, 1, 1]))


def test_independent_raters_have_kappa_zero():
    random = np.random.default_rng(0)
    kappas = [cohen_kappa(*random.integers(0, 3, (2, 400))) for _ in range(200)]
    # the standard error of one kappa is about 0.035 here, of the mean of 200 0.0025
    assert abs(np.mean(kappas)) < 4 * 0.0025


def test_quadratic_kappa_of_two_categories_is_plain_kappa():
    a, b = raters_of([[7, 3], [2, 8]])
    assert cohen_kappa(a, b, "quadratic") == pytest.approx(cohen_kappa(a, b), abs=1e-12)


def test_kappa_interval_holds_the_estimate():
    a, b = raters_of([[20, 5], [10, 15]])
    found = kappa_interval(a, b)
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    # the asymptotic standard error of this table is 0.13
    assert 0.4 < found.high - found.low < 0.6


def test_pairwise_kappa_equals_cohen_on_shared_units():
    random = np.random.default_rng(1)
    scores = random.integers(0, 3, (4, 30)).astype(float)
    scores[random.random(scores.shape) < 0.2] = NAN
    for weights in (None, "linear", "quadratic"):
        found = pairwise_kappa(scores, weights)
        for i, j in itertools.combinations(range(4), 2):
            assert found[i, j] == pytest.approx(cohen_kappa(scores[i], scores[j], weights), abs=1e-12)
            assert found[i, j] == found[j, i]


def test_pairwise_kappa_of_measurements_is_undefined():
    assert np.isnan(pairwise_kappa(normals(0, 3, 60))).all()


# Fleiss and Scott


def test_fleiss_example():
    assert fleiss_kappa(FLEISS) == pytest.approx(0.2099, abs=5e-5)


def test_fleiss_of_two_raters_is_scotts_pi():
    random = np.random.default_rng(2)
    a = random.integers(0, 3, 50)
    b = np.where(random.random(50) < 0.6, a, random.integers(0, 3, 50))
    counts = np.stack([(a == value).astype(int) + (b == value) for value in range(3)], axis=1)
    assert fleiss_kappa(counts) == pytest.approx(scott_pi(a, b), abs=1e-12)


def test_fleiss_refuses_units_of_unequal_size():
    with pytest.raises(InputError, match="as many ratings") as raised:
        fleiss_kappa([[2, 0], [1, 2]])
    assert raised.value.code == "MS56"
    assert "Krippendorff" in str(raised.value)


# Krippendorff


@pytest.mark.truth("metascience.agreement")
@pytest.mark.parametrize(
    ("level", "printed"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491), ("ratio", 0.7974)]
)
def test_krippendorff_example(level, printed):
    assert krippendorff_alpha(KRIPPENDORFF, level) == pytest.approx(printed, abs=5e-5)
    finding = agreement(KRIPPENDORFF, AgreementConfig(level=level))
    alpha = finding.measures["alpha"]
    assert alpha.value == pytest.approx(printed, abs=5e-5)
    assert alpha.low < alpha.value <= alpha.high <= 1
    assert alpha.n == 11  # one unit has a single value and drops out


@pytest.mark.law("metascience.agreement")
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_its_definition(level):
    for seed in range(8):
        random = np.random.default_rng(seed)
        ratings = random.integers(0, 5, (4, 15)).astype(float)
        ratings[random.random(ratings.shape) < 0.3] = NAN
        expected = coincidence_alpha(ratings, level)
        assert krippendorff_alpha(ratings, level) == pytest.approx(expected, abs=1e-12)
        found = agreement(ratings, AgreementConfig(level=level, resamples=50)).measures
        assert found["alpha"].value == pytest.approx(expected, abs=1e-12)


def test_nominal_alpha_of_two_raters_tends_to_scotts_pi():
    random = np.random.default_rng(3)
    for n in (50, 5000):
        a = random.integers(0, 4, n)
        b = np.where(random.random(n) < 0.5, a, random.integers(0, 4, n))
        pi, alpha = scott_pi(a, b), krippendorff_alpha([a, b])
        # exactly: 1 - alpha = (1 - pi) (2n - 1) / 2n
        assert 1 - alpha == pytest.approx((1 - pi) * (2 * n - 1) / (2 * n), abs=1e-12)


def test_interval_alpha_ignores_shift_and_scale_and_ordinal_any_increasing_map():
    ratings = np.array(KRIPPENDORFF)
    moved = krippendorff_alpha(1e6 + 3 * ratings, "interval")
    assert moved == pytest.approx(krippendorff_alpha(ratings, "interval"), abs=1e-9)
    ordinal = krippendorff_alpha(ratings, "ordinal")
    assert krippendorff_alpha(np.exp(ratings), "ordinal") == pytest.approx(ordinal, abs=1e-12)
    ratio = krippendorff_alpha(ratings, "ratio")
    assert krippendorff_alpha(7 * ratings, "ratio") == pytest.approx(ratio, abs=1e-12)


def test_alpha_of_words():
    words = [["a", "b", None, "c"], ["a", "b", "c", "c"]]
    codes = [[0, 1, NAN, 2], [0, 1, 2, 2]]
    assert krippendorff_alpha(words) == krippendorff_alpha(codes) == 1.0
    with pytest.raises(InputError, match="needs numbers"):
        krippendorff_alpha(words, "interval")


def test_alpha_of_equal_values_is_undefined_and_the_finding_says_so():
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    finding = agreement([[1, 1, 1], [1, 1, 1]])
    assert finding.measures["alpha"].value is None
    assert finding.status == "failed"
    assert finding.measures["agreement"].value == 1.0


def test_alpha_refuses_what_cannot_be_paired():
    with pytest.raises(InputError) as raised:
        krippendorff_alpha([[1, NAN], [NAN, 2]])
    assert raised.value.code == "MS53"
    with pytest.raises(InputError, match="no negative") as raised:
        krippendorff_alpha([[1, -1], [1, 1]], "ratio")
    assert raised.value.code == "MS54"
    with pytest.raises(InputError, match="nominal, ordinal") as raised:
        krippendorff_alpha([[1, 2], [1, 2]], "cardinal")
    assert raised.value.code == "MS52"


def test_alpha_interval_covers():
    random = np.random.default_rng(4)
    # population: two raters agree with certainty half of the time, else at random: pi = alpha = 0.5
    hits = 0
    for seed in range(200):
        a = random.integers(0, 2, 100)
        b = np.where(random.random(100) < 0.5, a, random.integers(0, 2, 100))
        found = agreement([a, b], AgreementConfig(resamples=300, seed=seed)).measures["alpha"]
        hits += found.low <= 0.5 <= found.high
    # 190 expected; four binomial standard errors are 12.3, and percentiles undercover a little at n = 100
    assert hits >= 176


# Paradox


def test_paradox_is_flagged_with_its_indices():
    a, b = raters_of([[118, 5], [2, 0]])
    found = agreement([a, b]).measures
    assert found["agreement"].value == pytest.approx(118 / 125)
    assert found["kappa"].value == pytest.approx(cohen_kappa(a, b))
    assert found["kappa"].value < 0
    assert found["prevalence"].value == pytest.approx(118 / 125)
    assert found["bias"].value == pytest.approx(3 / 125)
    assert found["paradox"].value == 1


def test_indices_of_a_two_by_two_table():
    a, b = raters_of([[20, 5], [10, 15]])
    scores = np.array([a, b], dtype=float)
    assert prevalence_index(scores) == pytest.approx(abs(20 - 15) / 50)
    assert bias_index(scores) == pytest.approx(abs(5 - 10) / 50)
    assert percent_agreement(scores) == pytest.approx(35 / 50)
    assert agreement(scores).measures["paradox"].value == 0


def test_agreement_is_the_same_with_raters_in_another_order():
    ratings = np.array(KRIPPENDORFF)
    one, other = agreement(ratings), agreement(ratings[::-1])
    for name in ("alpha", "agreement", "kappa", "bias"):
        assert one.measures[name].value == pytest.approx(other.measures[name].value, abs=1e-12)


def test_same_seed_same_id():
    assert agreement(KRIPPENDORFF).id == agreement(KRIPPENDORFF).id
    assert agreement(KRIPPENDORFF).id != agreement(KRIPPENDORFF, AgreementConfig(seed=1)).id


# Intraclass


@pytest.mark.truth("metascience.intraclass")
def test_shrout_and_fleiss_example():
    printed = [0.166, 0.290, 0.715, 0.443, 0.620, 0.909]
    found = icc(SHROUT)
    assert [round(found[form].value, 3) for form in FORMS] == printed
    finding = intraclass(np.array(SHROUT).T)
    names = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
    assert [round(finding.measures[name].value, 3) for name in names] == printed


def test_intervals_of_the_example():
    """The ends that Shrout and Fleiss's table has in general statistics packages."""
    ends = {form: (round(found.low, 3), round(found.high, 3)) for form, found in icc(SHROUT).items()}
    assert ends["ICC(1,1)"] == (-0.133, 0.723)
    assert ends["ICC(2,1)"] == (0.019, 0.761)
    assert ends["ICC(3,1)"] == (0.342, 0.946)
    assert ends["ICC(1,k)"] == (-0.884, 0.912)
    assert ends["ICC(2,k)"] == (0.071, 0.927)
    assert ends["ICC(3,k)"] == (0.676, 0.986)


@pytest.mark.law("metascience.intraclass")
@pytest.mark.parametrize("seed", range(5))
def test_the_mean_of_fixed_raters_is_alpha_and_its_interval_is_feldts(seed):
    table = one_trait(seed, 12, 5)
    found = icc(table)
    alpha = cronbach_alpha(table)
    assert found["ICC(3,k)"].value == pytest.approx(alpha, abs=1e-12)
    feldt = feldt_interval(alpha, 12, 5)
    assert (found["ICC(3,k)"].low, found["ICC(3,k)"].high) == pytest.approx(
        (feldt.low, feldt.high), abs=1e-10
    )
    for one in ("1", "2", "3"):
        single, average = found[f"ICC({one},1)"], found[f"ICC({one},k)"]
        assert average.value == pytest.approx(spearman_brown(single.value, 5), abs=1e-10)


def test_mean_squares_add_up():
    table = normals(6, 7, 4)
    ms = mean_squares(table)
    total = ((table - table.mean()) ** 2).sum()
    assert ms.rows * 6 + ms.columns * 3 + ms.error * 18 == pytest.approx(total)
    assert ms.within * 21 == pytest.approx(ms.columns * 3 + ms.error * 18)


def test_interval_of_a_single_random_rater_covers():
    truth, hits = 1.0 / (1.0 + 0.5 + 1.0), 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        table = (
            random.normal(size=(25, 1)) + 0.5**0.5 * random.normal(size=(1, 8)) + random.normal(size=(25, 8))
        )
        found = icc(table)["ICC(2,1)"]
        hits += found.low <= truth <= found.high
    # 285 expected, four binomial standard errors are 15
    assert abs(hits - 285) <= 15


def test_perfect_agreement_is_one():
    for form in icc([[1, 1], [2, 2], [4, 4]]).values():
        assert (form.value, form.low, form.high) == (1, 1, 1)


def test_a_shift_between_raters_costs_agreement_not_consistency():
    table = np.array([[1.0, 3], [2, 4], [4, 6]])
    found = icc(table)
    assert found["ICC(3,1)"].value == pytest.approx(1)
    assert found["ICC(2,1)"].value < 0.6


@pytest.mark.parametrize("table", [[[1, 2]], [[1], [2]], [[1, NAN], [2, 3]], [[2, 2], [2, 2]]])
def test_undefined_intraclass_is_refused(table):
    with pytest.raises(InputError, match="undefined") as raised:
        icc(table)
    assert raised.value.code == "MS57"


def test_intraclass_leaves_out_units_with_gaps():
    ratings = np.array(SHROUT, dtype=float).T
    more = np.column_stack([ratings, [NAN, 1, 2, 3]])
    assert intraclass(more).measures["icc2"].value == intraclass(ratings).measures["icc2"].value


def test_a_single_rater_is_refused():
    for method in (agreement, intraclass):
        with pytest.raises(InputError, match="at least 2 respondents") as raised:
            method([[1, 2, 3]])
        assert raised.value.code == "MS46"


# Contingency tables


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_a_contingency_table_is_what_its_labels_are(weights):
    table = np.array([[11, 3, 2], [4, 9, 1], [0, 5, 7]])
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(table[i, j])]
    a, b = [i for i, _ in pairs], [j for _, j in pairs]
    assert cohen_kappa(table, weights=weights) == pytest.approx(cohen_kappa(a, b, weights), abs=1e-12)
    assert scott_pi(table.tolist()) == pytest.approx(scott_pi(a, b), abs=1e-12)
    assert percent_agreement(table=table) == pytest.approx(percent_agreement([a, b]), abs=1e-12)


def test_the_printed_table():
    # p_o = 35 / 50; p_e = .5 .6 + .5 .4 = .5; pooled margins .55 and .45
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4, abs=1e-12)
    assert cohen_kappa([[20, 5], [10, 15]], weights="linear") == pytest.approx(0.4, abs=1e-12)
    assert scott_pi([[20, 5], [10, 15]]) == pytest.approx((0.7 - 0.505) / 0.495, abs=1e-12)


@pytest.mark.parametrize(
    "table",
    [[1, 0, 1], [[1, 2, 3], [4, 5, 6]], [[1, -1], [1, 1]], [[0, 0], [0, 0]], [["a"]], [[NAN, 1], [1, 1]]],
)
def test_what_is_no_contingency_table(table):
    for measure in (cohen_kappa, scott_pi, lambda given: percent_agreement(table=given)):
        with pytest.raises(InputError, match="no contingency table") as raised:
            measure(table)
        assert raised.value.code == "MS55"


def test_agreement_of_ratings_or_of_a_table():
    for one in ({}, {"scores": [[1, 0]], "table": [[1, 0], [0, 1]]}):
        with pytest.raises(InputError, match="ratings or a contingency table") as raised:
            percent_agreement(**one)
        assert raised.value.code == "MS55"
