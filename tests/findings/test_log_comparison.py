"""Two logs compared sample by sample: pairs, standard errors, exact tests, and what cannot be compared."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import golden, scored_log

from pellucid import findings
from pellucid.findings import InputError, MissingError
from pellucid.findings.logs import Allowance, compare_logs, log_finding, read_log
from pellucid.findings.logs.paired_tests import mcnemar_p, sign_flip


def two(tmp_path, a, b, **changes):
    """Two logs of one task by two models."""
    return (
        scored_log(tmp_path / "a.eval", a, model="new", eval_id="EA", **changes),
        scored_log(tmp_path / "b.eval", b, model="old", eval_id="EB", **changes),
    )


def values(finding) -> dict:
    return {name: measure.value for name, measure in finding.measures.items()}


@pytest.mark.truth("evaluation.comparison")
def test_a_comparison_whose_numbers_are_known(tmp_path):
    a = {"1": [1, 1], "2": [1, 0], "3": [0, 0], "4": [1, 1], "only a": [1, 1]}
    b = {"4": [0, 0], "2": [0, 0], "3": [0, 0], "1": [1, 0], "only b": [0, 0], "also b": [1, 1]}
    finding = compare_logs(*two(tmp_path, a, b))
    d = [0.5, 0.5, 0.0, 1.0]
    error = np.std(d, ddof=1) / 2
    m = finding.measures
    assert m["difference"].value == 0.5
    assert m["stderr"].value == pytest.approx(error, rel=1e-12)
    assert m["difference"].low == pytest.approx(0.5 - 1.959963984540054 * error, rel=1e-12)
    assert m["difference"].n == 4
    assert (m["score_a"].value, m["score_b"].value) == (0.625, 0.125)
    assert (m["pairs"].value, m["only_a"].value, m["only_b"].value, m["altered"].value) == (4, 1, 2, 0)
    # three differences of one sign: of 16 flips two reach the sum, with the zero doubled
    assert m["p_permutation"].value == 4 / 16
    assert "p_mcnemar" not in m
    assert finding.arrays["difference"].coords["sample"] == ["1", "2", "3", "4"]
    assert finding.arrays["difference"].values.tolist() == d
    assert finding.arrays["score"].values.tolist() == [[1, 0.5, 0, 1], [0.5, 0, 0, 0]]
    assert finding.arrays["only_a"].coords["sample"] == ["only a"]
    assert finding.arrays["only_b"].coords["sample"] == ["also b", "only b"]
    assert finding.status == "supports"
    assert finding.statement.startswith("On sums, scored by match, new less old is 0.500")
    finding.verify()


@pytest.mark.law("evaluation.comparison")
@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 0.25, 1]), st.sampled_from([0, 0.5, 1]), st.integers(0, 3)),
        min_size=4,
        max_size=12,
    ),
    st.booleans(),
)
def test_the_other_way_round_is_the_negative(tmp_path_factory, rows, clustered):
    rows = [*rows, (0, 0, 4), (1, 1, 5)]
    a, b = two(
        tmp_path_factory.mktemp("logs"),
        [row[0] for row in rows],
        [row[1] for row in rows],
        metadata_of=lambda name: {"family": rows[name][2]},
    )
    cluster = "family" if clustered else None
    there, back = compare_logs(a, b, cluster=cluster), compare_logs(b, a, cluster=cluster)
    one, other = there.measures, back.measures
    assert one["difference"].value == -other["difference"].value
    assert one["difference"].low == pytest.approx(-other["difference"].high, abs=1e-12)
    assert one["stderr"].value == pytest.approx(other["stderr"].value, abs=1e-15)
    assert one["p_permutation"].value == pytest.approx(other["p_permutation"].value, abs=0.03)
    # with every sample paired, the difference of the means is the mean of the differences
    assert one["difference"].value == pytest.approx(one["score_a"].value - one["score_b"].value, abs=1e-12)
    word = {"supports": "refutes", "refutes": "supports"}
    assert back.status == word.get(there.status, there.status)


def test_pairing_is_sharper_than_two_intervals(tmp_path):
    random = np.random.default_rng(0)
    hard = random.random(60)
    a, b = two(tmp_path, [float(x) for x in np.clip(hard + 0.1, 0, 1)], [float(x) for x in hard])
    m = compare_logs(a, b).measures
    assert m["difference"].low > 0
    assert m["score_a"].low < m["score_b"].high, "the intervals of the two scores overlap"


def test_clusters_widen_the_interval_of_what_moves_together(tmp_path):
    rows = {f"{family}{i}": float(family in "ab") for family in "abcd" for i in range(5)}
    zeros = dict.fromkeys(rows, 0.0)
    a, b = two(tmp_path, rows, zeros, metadata_of=lambda name: {"family": name[0]})
    plain, clustered = compare_logs(a, b), compare_logs(a, b, cluster="family")
    assert clustered.measures["stderr"].value == pytest.approx(math.sqrt(4 / 3 * 4 * 2.5**2) / 20, rel=1e-12)
    assert clustered.measures["stderr"].value > 2 * plain.measures["stderr"].value
    assert clustered.measures["clusters"].value == 4
    assert (plain.status, clustered.status) == ("supports", "inconclusive")
    # two of four families differ: flipping whole families, half of the flips reach the sum
    assert clustered.measures["p_permutation"].value == 0.5
    assert plain.measures["p_permutation"].value < 0.01
    assert clustered.measures["bootstrap"].high - clustered.measures["bootstrap"].low > 0.5


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [(5, 0, 0.0625), (0, 5, 0.0625), (0, 0, 1.0), (3, 3, 1.0), (8, 2, 0.109375), (1, 0, 1.0)],
)
def test_mcnemar_by_hand(better, worse, p):
    assert mcnemar_p(better, worse) == pytest.approx(p, rel=1e-12)


def test_mcnemar_counts_only_the_samples_that_differ(tmp_path):
    a = [1] * 8 + [0] * 2 + [1] * 30 + [0] * 30
    b = [0] * 8 + [1] * 2 + [1] * 30 + [0] * 30
    m = values(compare_logs(*two(tmp_path, a, b)))
    assert (m["right_only_a"], m["right_only_b"]) == (8, 2)
    assert m["p_mcnemar"] == pytest.approx(0.109375, rel=1e-12)
    # the sign-flip test of zeros and ones is McNemar's test, here by 10 000 draws
    assert m["p_permutation"] == pytest.approx(0.109375, abs=0.012)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=9))
def test_all_sign_flips_are_counted_when_they_are_few(d):
    flips = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(d))
    ]
    brute = sum(flip >= abs(sum(d)) - 1e-12 for flip in flips) / len(flips)
    assert sign_flip(np.array(d), None, 10_000, 0) == pytest.approx(brute, abs=1e-15)
    labels = [i % 3 for i in range(len(d))]
    sums = [sum(x for x, label in zip(d, labels, strict=True) if label == c) for c in sorted(set(labels))]
    assert sign_flip(np.array(d), labels, 10_000, 0) == sign_flip(np.array(sums), None, 10_000, 0)


def test_the_permutation_test_has_its_nominal_size():
    random = np.random.default_rng(11)
    rejected = sum(sign_flip(random.normal(size=30), None, 400, seed) < 0.05 for seed in range(400))
    # binomial deviation of 400 runs at 5 %: 4.4
    assert 20 - 3 * 4.4 <= rejected <= 20 + 3 * 4.4


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        ([1, 1], [0, 0], "inconclusive"),
        ([1] * 30, [0] * 30, "supports"),
        ([0] * 30, [1] * 30, "refutes"),
        ([1] * 30, [1] * 30, "inconclusive"),
        ([5.0, 7.0], [5.0, 7.0], "inconclusive"),
        ([5.0], [5.0], "inconclusive"),
    ],
)
def test_equal_differences_do_not_make_them_certain(tmp_path, a, b, status):
    finding = compare_logs(*two(tmp_path, a, b))
    assert finding.status == status
    assert finding.measures["difference"].low is not None


def test_zeros_and_ones_that_always_agree_have_tangos_interval(tmp_path):
    m = compare_logs(*two(tmp_path, [1, 0] * 100, [1, 0] * 100)).measures["difference"]
    tango = findings.paired_difference([1, 0] * 100, [1, 0] * 100)
    assert (m.value, m.low, m.high) == (0, tango.low, tango.high)
    assert 0.01 < m.high < 0.03


def test_the_same_question_is_asked_of_both(tmp_path):
    a, b = two(tmp_path, {"x": 1, "y": 0, "z": 1}, {"x": 1, "y": 0, "z": 1})
    assert values(compare_logs(a, b))["altered"] == 0
    from dataclasses import replace

    other = tuple(
        replace(one, target="u") if one.id == "x" else replace(one, input="?") if one.id == "y" else one
        for one in b.samples
    )
    assert values(compare_logs(a, replace(b, samples=other)))["altered"] == 2
    chat = [{"role": "user", "content": "hi", "id": "1"}]
    again = [{"role": "user", "content": "hi", "id": "2"}]
    a, b = (
        replace(log, samples=tuple(replace(one, input=said) for one in log.samples))
        for log, said in ((a, chat), (b, again))
    )
    assert values(compare_logs(a, b))["altered"] == 0, "ids of messages are new in each run"


def test_the_same_logs_and_seed_give_the_same_finding(tmp_path):
    random = np.random.default_rng(1)
    a, b = two(tmp_path, random.integers(0, 2, 40).tolist(), random.integers(0, 2, 40).tolist())
    one, again, other = (
        compare_logs(a, b),
        compare_logs(tmp_path / "a.eval", str(tmp_path / "b.eval")),
        compare_logs(a, b, seed=1),
    )
    assert one.id == again.id != other.id
    assert one.provenance.seed == 0
    assert one.provenance.parents == (log_finding(a).id, log_finding(b).id)
    assert one.provenance.data.id == "eval:EA+EB"
    files = f"{tmp_path / 'a.eval'} {tmp_path / 'b.eval'}"
    assert one.provenance.command == f"pellucid findings compare {files} --scorer match"
    assert other.provenance.command == f"pellucid findings compare {files} --scorer match --seed 1"
    assert findings.from_bytes(one.to_bytes()) == one


def test_the_one_shared_scorer_need_not_be_named(tmp_path):
    a, b = two(tmp_path, [{"x": 1, "y": 0}, {"x": 0, "y": 1}], [{"x": 1}, {"x": 1}])
    assert compare_logs(a, b).provenance.parameters["scorer"] == "match/x"
    with pytest.raises(InputError, match="share 4 scores") as caught:
        compare_logs(golden("clean"), golden("dirty"), allow=Allowance(dirty=True))
    assert caught.value.code == "FN79"
    assert "match, style/clear" in caught.value.remedy


# ---- what cannot be compared ----


def test_other_tasks_are_not_compared(tmp_path):
    a = scored_log(tmp_path / "a.eval", [1, 0])
    for name, changes, words in (
        ("b.eval", {"task": "words"}, "differ in their task: 'sums' in 'a.eval', 'words' in 'b.eval'"),
        ("c.eval", {"task_version": 2}, "differ in their task version: 1 in 'a.eval', 2 in 'c.eval'"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            compare_logs(a, scored_log(tmp_path / name, [1, 0], **changes))
        assert caught.value.code == "FN77"


def test_no_shared_sample_and_no_shared_scorer(tmp_path):
    with pytest.raises(
        InputError, match=r"No sample is scored in both logs: 2 in 'a.eval', 1 in 'b.eval'"
    ) as caught:
        compare_logs(*two(tmp_path, {"a": 1, "b": 1}, {"c": 1}))
    assert caught.value.code == "FN78"
    a, b = two(tmp_path, [{"x": 1}], [{"y": 1}])
    with pytest.raises(
        InputError, match=r"share no scorer: 'a.eval' has match/x; 'b.eval' has match/y"
    ) as caught:
        compare_logs(a, b)
    assert caught.value.code == "FN78"
    with pytest.raises(MissingError, match=r"No sample of 'b.eval' is scored by 'match/x'"):
        compare_logs(a, b, "match/x")


@pytest.mark.parametrize("draws", [{"permutations": 0}, {"resamples": 0}, {"permutations": -5}])
def test_nothing_to_draw(tmp_path, draws):
    with pytest.raises(InputError, match=r"permutations and [0-9]+ resamples were asked") as caught:
        compare_logs(*two(tmp_path, [1, 0], [0, 0]), **draws)
    assert caught.value.code == "FN83"


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_seed_that_cannot_be(tmp_path, seed):
    with pytest.raises(InputError, match=f"The seed cannot be {seed}") as caught:
        compare_logs(*two(tmp_path, [1, 0], [0, 0]), seed=seed)
    assert caught.value.code == "FN83"


def test_one_sample_is_enough_to_pair_and_too_few_to_tell(tmp_path):
    finding = compare_logs(*two(tmp_path, [1], [0]))
    assert finding.measures["stderr"].value is None
    assert finding.measures["difference"].low < 0 < finding.measures["difference"].high
    assert finding.status == "inconclusive"


@pytest.mark.parametrize("name", ["error", "cancelled", "started", "dirty"])
def test_a_refused_log_is_compared_with_nothing(name):
    sound = golden("clean")
    for pair in ((sound, golden(name)), (golden(name), sound)):
        for scorer in (None, "match"):
            finding = compare_logs(*pair, scorer)
            assert finding.status == "failed"
            assert "The logs are not compared: the" in finding.statement
            assert "refused as evidence, since" in finding.statement
            assert finding.measures["difference"].value is None
            finding.verify()


def test_a_comparison_can_be_shown(capsys):
    finding = compare_logs(golden("clean"), golden("dirty"), "style/clear", allow=Allowance(dirty=True))
    finding.show()
    assert "mockllm/model less mockllm/model" in capsys.readouterr().out.replace("\n", " ")
    assert finding._repr_html_()
    assert read_log(golden("clean")).digest != read_log(golden("dirty")).digest
