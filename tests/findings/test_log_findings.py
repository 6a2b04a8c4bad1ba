"""A log as evidence: what is accepted, what number it gives, and what a case sees of a refused log."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import GOLDEN, golden, sample, scored_log, write_log

from pellucid import findings
from pellucid.findings import InputError, MissingError, Predicate
from pellucid.findings.digest import sources
from pellucid.findings.logs import (
    Acceptance,
    Allowance,
    acceptance,
    log_finding,
    log_findings,
    read_log,
    response_table,
    standard_error,
)
from pellucid.findings.logs.standard_error import mean_interval

WEIGHTS = "0123456789abcdef" * 4


def expected(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.expected.json").read_text(encoding="utf-8"))


# ---- acceptance ----


@pytest.mark.parametrize(
    "name",
    ["success", "epochs", "document", "limited", "edited", "multi_frame", "clean", "deflated", "early"],
)
def test_a_sound_log_is_accepted(name):
    assert acceptance(read_log(golden(name))) == Acceptance(True, ())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("error", "ended with status error: ValueError('the sandbox burnt down')"),
        ("sample_error", "1 sample ended in an error, the first '4' in epoch 1: ValueError"),
        ("cancelled", "ended with status cancelled"),
        ("started", "never ended (status started)"),
        ("empty_start", "never ended (status started)"),
        (
            "invalidated",
            "1 sample was declared invalid, the first '2' in epoch 1 by a reviewer: the answer was in the prompt",
        ),
        ("dirty", "its code had changes that were not committed"),
    ],
)
def test_an_unsound_log_is_refused_with_its_reason(name, words):
    judged = acceptance(read_log(golden(name)))
    assert not judged.accepted
    assert any(words in reason for reason in judged.reasons), judged.reasons


@pytest.mark.parametrize(
    ("config", "size", "words"),
    [
        ({}, 3, ""),
        ({"limit": 3}, 10, ""),
        ({"limit": [2, 5]}, 10, ""),
        ({"limit": [2, None], "epochs": None}, 5, ""),
        ({"limit": 20}, 3, ""),
        ({}, 4, "3 of 4 samples were completed"),
        ({"epochs": 2}, 3, "3 of 6 samples were completed"),
        ({"limit": 2}, 9, "its results count 2 samples and the file holds 3"),
        ({}, None, "it states no counts of samples"),
        ({"limit": ["a", 2]}, 3, "it states no counts of samples"),
        ({"limit": "2-5"}, 3, "it states no counts of samples"),
        ({}, 10**400, "samples were completed"),
    ],
)
def test_an_early_log_without_counts_is_whole_by_its_data_set(tmp_path, config, size, words):
    dataset = {"name": "sums", "samples": size}
    log = scored_log(tmp_path / "x.json", [1, 0, 1], results={"scores": []}, dataset=dataset)
    # scored_log states the epochs that it wrote; an early log may plan more
    header = {**log.header.raw, "eval": {**log.header.raw["eval"], "config": config}}
    path = tmp_path / "y.json"
    path.write_text(json.dumps({**header, "samples": [dict(one.raw) for one in log.samples]}))
    (finding,) = log_findings(path)
    if words:
        assert (finding.kind, finding.status) == ("evaluation.log_refused", "failed")
        assert words in finding.statement
    else:
        assert finding.status == "supports"
        assert [finding.measures[name].value for name in ("total", "completed")] == [3, 3]


def test_what_is_allowed_by_an_explicit_word():
    dirty, failed = read_log(golden("dirty")), read_log(golden("sample_error"))
    assert acceptance(dirty, Allowance(dirty=True)).accepted
    assert len(acceptance(failed, Allowance(errors=1)).reasons) == 1
    assert len(acceptance(failed, Allowance(missing=1)).reasons) == 1
    assert acceptance(failed, Allowance(missing=1, errors=1)).accepted
    # no word makes an evaluation good that failed, or that was declared invalid
    everything = Allowance(missing=99, errors=99, dirty=True)
    for name in ("error", "cancelled", "started", "invalidated"):
        assert not acceptance(read_log(golden(name)), everything).accepted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"results": None}, "states no results"),
        ({"results": {"total_samples": 3, "completed_samples": 2}}, "2 of 3 samples were completed"),
        (
            {"results": {"total_samples": 4, "completed_samples": 4}},
            "its results count 4 samples and the file holds 3",
        ),
        (
            {"results": {"total_samples": 2, "completed_samples": 2}},
            "its results count 2 samples and the file holds 3",
        ),
        ({"invalidated": True}, "it was invalidated"),
        ({"status": "error", "error": {"message": "x" * 900}}, "status error: xxx"),
        ({"status": "cancelled"}, "status cancelled"),
        ({"revision": {"commit": "abc", "dirty": True}}, "not committed (commit abc)"),
        ({"metadata": {"weights_sha256": "abc"}}, "weights_sha256 is 'abc', which is no sha256"),
        ({"metadata": {"model_sha256": 5}}, "model_sha256 is 5, which is no sha256"),
    ],
)
def test_each_reason_is_found(tmp_path, changes, words):
    log = scored_log(tmp_path / "x.json", [1, 0, 1], **changes)
    judged = acceptance(log)
    assert not judged.accepted
    assert len(judged.reasons) == 1
    assert words in judged.reasons[0]
    assert len(judged.reasons[0]) < 300


@pytest.mark.parametrize(
    "revision",
    [None, {}, {"commit": "abc", "dirty": False}, {"commit": "abc"}, {"commit": "abc", "dirty": None}],
)
def test_code_that_is_clean_or_unknown_is_accepted(tmp_path, revision):
    assert acceptance(scored_log(tmp_path / "x.json", [1], revision=revision)).accepted


def test_a_sample_that_occurs_twice_in_an_epoch(tmp_path):
    twice = read_log(write_log(tmp_path / "x.json", [sample("1", 1), sample(1, 0)]))
    assert acceptance(twice).reasons == ("the sample '1' occurs 2 times in epoch 1",)
    assert acceptance(read_log(write_log(tmp_path / "y.json", [sample(1, 1), sample(1, 0, 2)]))).accepted


def test_a_log_without_samples_is_refused(tmp_path):
    assert acceptance(read_log(write_log(tmp_path / "x.json", []))).reasons == ("it holds no samples",)


def test_an_invalid_sample_counts_even_where_the_header_is_silent(tmp_path):
    marked = sample("a", 1, invalidation={"author": "me", "timestamp": "2026-01-01"})
    judged = acceptance(read_log(write_log(tmp_path / "x.json", [marked, sample("b", 1)])))
    assert judged.reasons == (
        "1 sample was declared invalid, the first 'a' in epoch 1 by me: no reason is given",
    )


# ---- the number ----


@pytest.mark.law("evaluation.log")
@pytest.mark.parametrize("name", ["success", "epochs", "document", "multi_frame", "clean"])
def test_scores_and_standard_errors_are_those_that_inspect_reports(name):
    theirs = expected(name)["metrics"]
    log = read_log(golden(name))
    found = {finding.provenance.parameters["scorer"]: finding for finding in log_findings(log)}
    assert set(found) == {"match", "style/clear", "style/brief", "distance"}
    for label, mean, error in (
        ("match", "match/match/accuracy", "match/match/stderr"),
        ("style/clear", "style/clear/mean", "style/clear/stderr"),
        ("style/brief", "style/brief/mean", None),
        ("distance", "distance/distance/mean", "distance/distance/stderr"),
    ):
        measures = found[label].measures
        # the same sums in another order
        assert measures["score"].value == pytest.approx(theirs[mean], abs=1e-12)
        assert measures[f"reported_{mean.split('/')[-1]}"].value == theirs[mean]
        if error:
            assert measures["stderr"].value == pytest.approx(theirs[error], abs=1e-12)
            assert measures["reported_stderr"].value == theirs[error]


@pytest.mark.truth("evaluation.log")
def test_a_log_whose_score_is_known(tmp_path):
    values = {"a": ["C", "C"], "b": ["I", "C"], "c": ["I", "I"], "d": ["P", "N"]}
    log = scored_log(tmp_path / "x.eval", values)
    finding = log_finding(log)
    m = finding.measures
    rows = [1, 0.5, 0, 0.25]
    error = np.std(rows, ddof=1) / 2
    assert m["score"].value == 0.4375
    assert m["stderr"].value == pytest.approx(error, rel=1e-12)
    assert m["score"].low == pytest.approx(0.4375 - 1.959963984540054 * error, rel=1e-12)
    assert m["score"].high == pytest.approx(0.4375 + 1.959963984540054 * error, rel=1e-12)
    assert (m["score"].n, m["score"].level) == (4, 0.95)
    counts = {
        name: m[name].value
        for name in ("samples", "total", "completed", "epochs", "errors", "unscored", "edited")
    }
    assert counts == {
        "samples": 4,
        "total": 8,
        "completed": 8,
        "epochs": 2,
        "errors": 0,
        "unscored": 0,
        "edited": 0,
    }
    assert finding.arrays["score"].axes == ("sample",)
    assert dict(
        zip(finding.arrays["score"].coords["sample"], finding.arrays["score"].values.tolist(), strict=True)
    ) == dict(zip("abcd", rows, strict=True))
    assert finding.statement.startswith("mock/one scores 0.438, 95\u2009% interval")
    assert "on sums, scored by match" in finding.statement
    assert (finding.kind, finding.status, finding.header.room) == ("evaluation.log", "supports", "findings")
    assert finding.arrays["score"].values.dtype == np.float64


def test_what_is_left_unscored_is_left_out(tmp_path):
    nan = float("nan")
    log = scored_log(tmp_path / "x.eval", {"a": [1, nan], "b": [nan, nan], "c": [0, 0], "d": [1, 0]})
    m = log_finding(log).measures
    assert m["score"].value == pytest.approx((1 + 0 + 0.5) / 3)
    assert (m["score"].n, m["samples"].value, m["unscored"].value) == (3, 4, 3)


def test_a_scorer_that_scored_nothing_is_refused(tmp_path):
    log = scored_log(tmp_path / "x.eval", {"a": float("nan"), "b": float("nan")})
    finding = log_finding(log)
    assert (finding.kind, finding.status) == ("evaluation.log_refused", "failed")
    assert "no sample has a score by match" in finding.statement
    unscored = read_log(write_log(tmp_path / "y.eval", [sample("a"), sample("b")]))
    (finding,) = log_findings(unscored)
    assert log_finding(unscored).id == finding.id
    assert finding.status == "failed"
    assert "no sample has a score" in finding.statement


def test_objects_and_lists_give_a_finding_for_each_part(tmp_path):
    log = scored_log(tmp_path / "x.eval", [{"x": 1, "y": "C"}, {"x": 0, "y": None}, float("nan")])
    found = {f.provenance.parameters["scorer"]: f for f in log_findings(log)}
    assert {name: (f.measures["score"].value, f.measures["unscored"].value) for name, f in found.items()} == {
        "match/x": (0.5, 1),
        "match/y": (1.0, 2),
    }
    listed = scored_log(tmp_path / "y.eval", [[[1, 0]], [[0.5, 0]]])
    assert {f.provenance.parameters["scorer"]: f.measures["score"].value for f in log_findings(listed)} == {
        "match/0": 0.75,
        "match/1": 0.0,
    }
    assert log_finding(log, "match/y").measures["score"].value == 1.0
    assert [f.provenance.parameters["scorer"] for f in log_findings(log, "match")] == ["match/x", "match/y"]


def test_texts_need_their_numbers(tmp_path):
    log = scored_log(tmp_path / "x.eval", {"a": "yes", "b": "no"})
    with pytest.raises(
        InputError, match=r"'match' gave the sample 'a' the value 'yes', which has no number"
    ) as caught:
        log_findings(log)
    assert caught.value.code == "FN74"
    assert "words={'yes': 1.0}" in caught.value.remedy
    words = {"yes": 1, "no": 0.25}
    finding = log_finding(log, words=words)
    assert finding.measures["score"].value == 0.625
    assert finding.provenance.parameters["reading"]["words"] == words


@pytest.mark.parametrize(
    "value", [float("inf"), float("-inf"), 10**400, -(10**400)], ids=["inf", "-inf", "huge", "-huge"]
)
def test_infinite_scores_have_no_mean(tmp_path, value):
    log = scored_log(tmp_path / "x.json", {"a": 1, "b": value})
    with pytest.raises(InputError, match="gave the sample 'b' a score without end") as caught:
        log_findings(log)
    assert caught.value.code == "FN84"
    huge = {
        "total_samples": 10**400,
        "completed_samples": 10**400,
        "scores": [{"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": 10**400}}}],
    }
    finding = log_finding(scored_log(tmp_path / "y.json", [1], results=huge))
    assert finding.status == "failed"
    assert finding.measures["total"].value == math.inf


def test_a_scorer_that_is_not_there(tmp_path):
    log = read_log(golden("epochs"))
    with pytest.raises(MissingError, match=r"is scored by 'matsch'. Did you mean 'match'") as caught:
        log_findings(log, "matsch")
    assert caught.value.code == "FN73"
    assert "match, style/clear, style/brief, distance" in caught.value.remedy
    with pytest.raises(InputError, match="has 4 scores, and one is needed") as caught:
        log_finding(log)
    assert caught.value.code == "FN79"
    with pytest.raises(InputError, match="has 2 scores by 'style'"):
        log_finding(log, "style")


def test_reported_metrics_carry_their_reducer_where_there_are_several(tmp_path):
    scores = [
        {
            "name": "match",
            "scorer": "match",
            "reducer": reducer,
            "metrics": {
                "accuracy": {"name": "accuracy", "value": value},
                "a b": {"name": "a b", "value": None},
            },
        }
        for reducer, value in (("mean", 0.5), ("at_least_1", 1))
    ]
    results = {
        "total_samples": 2,
        "completed_samples": 2,
        "scores": [*scores, {"name": "other", "scorer": "other", "metrics": {"accuracy": {"value": 9}}}],
    }
    m = log_finding(scored_log(tmp_path / "x.eval", [1, 0], results=results)).measures
    assert {
        name: measure.value
        for name, measure in m.items()
        if name.startswith("reported_") and "a_b" not in name
    } == {
        "reported_accuracy_mean": 0.5,
        "reported_accuracy_at_least_1": 1.0,
    }
    assert math.isnan(m["reported_a_b_mean"].value)
    assert Predicate.parse("reported_accuracy_mean >= 0.5").evaluate(m)


# ---- binding ----


def test_a_finding_is_bound_to_log_scorer_and_samples(tmp_path):
    first = scored_log(tmp_path / "x.eval", {"a": 1, "b": 0})
    finding = log_finding(first)
    made = finding.provenance
    assert made.data.id == "eval:E1"
    assert made.data.sha256 == first.digest
    assert made.parameters["benchmark"] == "sums"
    assert made.parameters["model"] == "mock/one"
    assert made.command == f"pellucid findings import {tmp_path / 'x.eval'} --scorer match"
    assert made.subject is None
    moved = tmp_path / "moved.eval"
    moved.write_bytes((tmp_path / "x.eval").read_bytes())
    assert log_finding(moved).id == finding.id, "the name of the file is no part of what was measured"
    others = [
        log_finding(scored_log(tmp_path / "1.eval", {"a": 1, "b": 1})),
        log_finding(scored_log(tmp_path / "2.eval", {"a": 1, "c": 0})),
        log_finding(first, allow=Allowance(dirty=True)),
        log_finding(first, level=0.9),
    ]
    assert len({finding.id, *(other.id for other in others)}) == 5
    ids = [f.provenance.parameters["sample_ids"] for f in (finding, *others)]
    assert ids[0] == ids[1] != ids[2]
    again = log_finding(read_log(tmp_path / "x.eval"))
    assert again.id == finding.id
    again.verify()


def test_the_command_measures_the_same_again(tmp_path):
    file = tmp_path / "my log.eval"
    scored_log(file, {"a b": "yes", "c": "C"}, metadata_of=lambda name: {"k": name})
    allow = Allowance(missing=1, errors=2, dirty=True)
    finding = log_finding(str(file), cluster="k", level=0.9, words={"yes": 1}, allow=allow)
    assert finding.provenance.command == (
        f"pellucid findings import '{file}' --scorer match --cluster k --level 0.9 --allow-missing 1 "
        "--allow-errors 2 --word yes=1 --allow-dirty"
    )


def test_the_sample_set_forgets_order_and_epochs(tmp_path):
    one, other = (
        scored_log(tmp_path / "1.eval", {"a": 1, "b": 0}),
        scored_log(tmp_path / "2.eval", {"b": [1, 1], "a": [0, 0]}),
    )
    assert (
        log_finding(one).provenance.parameters["sample_ids"]
        == log_finding(other).provenance.parameters["sample_ids"]
    )


@pytest.mark.parametrize("key", ["weights_sha256", "model_sha256"])
def test_the_subject_is_named_only_by_a_digest_of_weights(tmp_path, key):
    log = scored_log(tmp_path / "x.eval", [1, 0], metadata={key: WEIGHTS.upper()})
    assert log_finding(log).provenance.subject == findings.Subject(id="mock/one", sha256=WEIGHTS)
    golden_one = log_findings(read_log(golden("success")))[0]
    assert golden_one.provenance.subject.sha256 == WEIGHTS


def test_the_reader_is_code_of_the_measurement_and_the_currency_is_not():
    used = sources("pellucid.findings.logs.report")
    assert {
        "pellucid.findings.logs.archive",
        "pellucid.findings.logs.scores",
        "pellucid.findings.statistics",
    } <= set(used)
    assert not {"pellucid.findings.finding", "pellucid.findings.record", "pellucid.findings.show"} & set(used)


# ---- refusal ----


@pytest.mark.law("evaluation.log_refused")
@pytest.mark.parametrize(
    "name", ["error", "cancelled", "started", "empty_start", "invalidated", "dirty", "sample_error"]
)
def test_a_refused_log_can_support_nothing(name):
    log = read_log(golden(name))
    found = log_findings(log)
    assert [f.provenance.parameters["scorer"] for f in found] == ["match", "style", "distance"]
    for finding in found:
        finding.verify()
        assert (finding.kind, finding.status) == ("evaluation.log_refused", "failed")
        assert (
            Predicate.parse("score.value >= 0 or score.low >= 0 or score.n >= 0").evaluate(finding.measures)
            is None
        )
        for reason in acceptance(log).reasons:
            assert " ".join(reason.split())[:60] in finding.statement
        assert finding.statement.startswith("The log of mockllm/model on sums is refused as evidence: ")
        assert finding.provenance.data.sha256 == log.digest
        assert findings.from_bytes(finding.to_bytes()) == finding


@pytest.mark.truth("evaluation.log_refused")
def test_a_refused_log_says_what_it_holds():
    finding = log_finding(golden("sample_error"), "match")
    m = finding.measures
    assert (m["samples"].value, m["total"].value, m["completed"].value, m["errors"].value) == (6, 6, 5, 1)
    assert m["score"].value is None
    allowed = log_finding(golden("sample_error"), "match", allow=Allowance(missing=1, errors=1))
    assert (allowed.status, allowed.measures["score"].n) == ("supports", 5)
    assert allowed.provenance.parameters["reading"]["allow"] == {"missing": 1, "errors": 1, "dirty": False}


def test_braces_in_names_and_reasons_do_no_harm(tmp_path):
    error = {"message": "KeyError {score.value} {nonsense} {"}
    log = scored_log(tmp_path / "x.eval", [1], task="a {task}", model="m{n}", status="error", error=error)
    finding = log_finding(log)
    assert "KeyError (score.value) (nonsense) (" in finding.statement
    finding.verify()
    sound = log_finding(scored_log(tmp_path / "y.eval", [1, 0], task="a {task}", scorers=[{"name": "x{y}"}]))
    assert "a (task)" in sound.statement
    sound.verify()


def test_every_finding_of_a_log_can_be_shown(capsys):
    for name in ("success", "error"):
        for finding in log_findings(golden(name)):
            finding.show()
            assert finding._repr_html_()
    assert "refused as evidence" in capsys.readouterr().out


# ---- standard errors ----

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=40)


@given(numbers)
def test_each_value_its_own_cluster_is_the_plain_standard_error(values):
    plain = np.std(values, ddof=1) / math.sqrt(len(values))
    # sums of squares lose the last digits of what they cancel
    close = pytest.approx(plain, rel=1e-9, abs=1e-12)
    assert standard_error(values) == close
    assert standard_error(values, list(range(len(values)))) == close


@given(numbers, st.integers(2, 4))
def test_copies_in_a_cluster_add_nothing(values, copies):
    repeated = [value for value in values for _ in range(copies)]
    labels = [label for label in range(len(values)) for _ in range(copies)]
    assert standard_error(repeated, labels) == pytest.approx(standard_error(values), rel=1e-9, abs=1e-12)


def test_the_formula_by_hand():
    # deviations of one half either way cancel within each cluster
    values, labels = [0, 1, 1, 0, 0, 1], list("aabbcc")
    assert standard_error(values, labels) == 0.0
    values, labels = [0, 0, 1, 1, 1, 0], list("aabbcc")
    sums = [-1.0, 1.0, 0.0]
    assert standard_error(values, labels) == pytest.approx(
        math.sqrt(3 / 2 * sum(s * s for s in sums)) / 6, rel=1e-12
    )


def test_clustered_intervals_cover_where_plain_ones_do_not():
    random = np.random.default_rng(5)
    hits = np.zeros(2)
    for _ in range(400):
        effect = random.normal(size=40)
        values = np.repeat(effect, 5) + 0.3 * random.normal(size=200)
        labels = np.repeat(np.arange(40), 5)
        for i, clusters in enumerate((None, labels)):
            interval = mean_interval(values, clusters)
            hits[i] += interval.low <= 0 <= interval.high
    # 400 runs: binomial error 1.1 points; 40 clusters cost the normal quantile about one point
    assert 0.91 <= hits[1] / 400 <= 0.98
    assert hits[0] / 400 < 0.70


def test_equal_scores_do_not_make_a_mean_certain():
    certain = mean_interval([1] * 20, bounds=(0, 1))
    assert (certain.value, certain.high, certain.method) == (1, 1, "Wilson")
    assert certain.low == pytest.approx(findings.wilson(20, 20).low, rel=1e-12)
    clustered = mean_interval([1] * 20, ["a"] * 10 + ["b"] * 10, bounds=(0, 1))
    assert clustered.low == pytest.approx(findings.wilson(2, 2).low, rel=1e-12)
    assert math.isnan(mean_interval([57.0] * 5).low)
    half = mean_interval([0.5], bounds=(0, 1))
    assert half.low < 0.1 < 0.9 < half.high


def test_a_score_on_an_open_scale_that_never_varies_has_no_interval(tmp_path):
    m = log_finding(scored_log(tmp_path / "x.eval", [57.0, 57.0])).measures
    assert m["score"].value == 57
    assert Predicate.parse("score.low > 0").evaluate(m) is None


def test_clusters_come_from_metadata(tmp_path):
    log = scored_log(
        tmp_path / "x.eval",
        {"a1": 0, "a2": 0, "b1": 1, "b2": 1},
        metadata_of=lambda name: {"passage": name[0]},
    )
    plain, clustered = log_finding(log), log_finding(log, cluster="passage")
    assert clustered.measures["stderr"].value == 0.5
    assert plain.measures["stderr"].value < 0.3
    assert clustered.measures["clusters"].value == 2
    assert "clusters" not in plain.measures
    assert clustered.id != plain.id


def test_clusters_that_cannot_be_made(tmp_path):
    log = scored_log(
        tmp_path / "x.eval", {"a": 0, "b": 1}, metadata_of=lambda name: {"passage": "p", "other": None}
    )
    with pytest.raises(InputError, match="sample 'a' have no 'pasage'") as caught:
        log_finding(log, cluster="pasage")
    assert caught.value.code == "FN75"
    assert "Did you mean 'passage'?" in caught.value.remedy
    with pytest.raises(InputError, match="no 'other'"):
        log_finding(log, cluster="other")
    with pytest.raises(InputError, match="All samples are in one cluster") as caught:
        log_finding(log, cluster="passage")
    assert caught.value.code == "FN76"


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3),
        st.lists(st.sampled_from(["C", "I", "P", 0.25, True]), min_size=2, max_size=2),
        min_size=2,
        max_size=12,
    )
)
def test_the_mean_lies_within_its_interval_and_the_scores(tmp_path_factory, values):
    m = log_finding(scored_log(tmp_path_factory.mktemp("log") / "x.eval", values)).measures["score"]
    assert m.low <= m.value <= m.high
    assert 0 <= m.value <= 1


# ---- responses ----


def test_models_are_rows_and_samples_columns(tmp_path):
    one = scored_log(tmp_path / "1.eval", {"a": [1, 0], "b": [1, 1]}, model="m1", eval_id="E1")
    two = scored_log(tmp_path / "2.eval", {"b": 0, "c": 1}, model="m2", eval_id="E2")
    table = response_table([one, two])
    assert table.items == ("a", "b", "c")
    assert table.respondents == ("m1", "m2")
    assert table.matrix.shape == (2, 3)
    np.testing.assert_array_equal(table.matrix, [[0.5, 1, np.nan], [np.nan, 0, 1]])
    runs = response_table([one, two], respondent="epoch")
    assert runs.respondents == ("m1, epoch 1", "m1, epoch 2", "m2, epoch 1")
    np.testing.assert_array_equal(runs.matrix, [[1, 1, np.nan], [0, 1, np.nan], [np.nan, 0, 1]])


def test_two_runs_of_one_model_are_two_respondents(tmp_path):
    logs = [scored_log(tmp_path / f"{i}.eval", {"a": i, "b": 1}, eval_id=f"E{i}") for i in (0, 1)]
    assert response_table(logs).respondents == ("mock/one (E0)", "mock/one (E1)")


def test_several_tasks_share_the_rows_of_their_models(tmp_path):
    logs = [
        scored_log(
            tmp_path / f"{task}{model}.eval", {"a": 1, "b": 0}, task=task, model=model, eval_id=task + model
        )
        for task in ("sums", "words")
        for model in ("m1", "m2")
    ]
    table = response_table(logs)
    assert table.items == ("sums/a", "sums/b", "words/a", "words/b")
    assert table.respondents == ("m1", "m2")
    assert not np.isnan(table.matrix).any()


def test_what_is_no_table(tmp_path):
    log = scored_log(tmp_path / "x.eval", {"a": 1})
    with pytest.raises(InputError, match="No logs were given") as caught:
        response_table([])
    assert caught.value.code == "FN80"
    copy = scored_log(tmp_path / "y.json", {"a": 0})
    with pytest.raises(InputError, match=r"was given 2 times: 'x.eval' and 'y.json'\.") as caught:
        response_table([log, copy])
    assert caught.value.code == "FN80"
    with pytest.raises(InputError, match=r"The evaluation 'E1' was given 2 times: 'x.eval'\."):
        response_table([log, log])
    with pytest.raises(InputError, match="has 4 scores, and one is needed"):
        response_table([read_log(golden("epochs"))])


def test_the_example_in_the_docstring():
    assert round(standard_error([0, 1, 1, 0]), 4) == 0.2887
    assert standard_error([0, 0, 1, 1], ["a", "a", "b", "b"]) == 0.5
