"""The study of Llama Scope: planted sums and tables give back what was planted, predicates judge as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid.compute import SILENT, executor
from pellucid.findings import Array, Measure, start
from pellucid.library.studies import llama_scope as study
from pellucid.library.studies import llama_scope_ranking as ranking
from pellucid.library.studies.protocol import Conditions

N = 40


def planted(missed: float, l0: float) -> dict[str, np.ndarray]:
    """Sequences that all miss the same share of variance with the same number of active latents."""
    one = np.ones(N)
    return {"error": missed * 10 * one, "variance": 10 * one, "l0": l0 * 64 * one, "rows": 64 * one}


def values(measures) -> dict[str, float]:
    return {measure.name: measure.value for measure in measures}


@pytest.mark.truth("library.scope_sparsity")
def test_l1_is_read_between_its_prices_in_log_l0():
    """At 24 and 96 active latents L1 explains .8 and .9; 48 lies half way between them in the logarithm."""
    sums = {
        "narrow": planted(0.12, 16),
        "l1 1": planted(0.1, 96),
        "l1 2": planted(0.2, 24),
        "l1 3": planted(0.5, 6),
    }
    found = values(study.third_measures(sums, 0))
    assert found["topk"] == pytest.approx(0.88)
    assert found["l1"] == pytest.approx(0.85)
    assert found["margin"] == pytest.approx(0.03)
    assert (found["l1_sparsest"], found["l1_densest"]) == (6, 96)
    del sums["l1 1"]
    assert values(study.third_measures(sums, 0))["margin"] is None


@pytest.mark.truth("library.scope_width")
def test_the_margin_of_widths_is_the_difference_of_what_they_explain():
    found = values(study.wider_measures({"narrow": planted(0.12, 16), "wide": planted(0.1, 16)}, 0))
    assert found == pytest.approx({"margin": 0.02, "wide": 0.9, "narrow": 0.88, "k": 16})


@pytest.mark.truth("library.scope_annealing")
def test_silent_latents_are_those_of_the_first_third():
    logs = {
        "wide": [{"never_fired": 3}, {"never_fired": 1}],
        "constant": [{"never_fired": 20}, {"never_fired": 2}],
    }
    sums = {"wide": planted(0.102, 16), "constant": planted(0.1, 16)}
    found = values(study.annealing_measures(sums, logs, 0))
    assert found == pytest.approx({"silent_without": 20, "silent_with": 3, "excess": 5, "fvu_ratio": 1.02})


@pytest.mark.truth("library.scope_threshold")
def test_the_threshold_is_held_against_the_selection():
    found = values(study.threshold_measures(planted(0.1, 16), planted(0.13, 15), planted(0.12, 16.1), 16, 0))
    expected = {"ev_loss": 0.03, "l0": 15, "l0_deviation": 6.25, "l0_same_text": 16.1, "k": 16}
    assert found == pytest.approx(expected)


@pytest.mark.truth("library.scope_context")
def test_the_increase_is_the_ratio_less_one():
    from pellucid.dictionaries.suites.contexts import KIND

    given = [Measure(name="mse_ratio", value=1.1, low=1.05, high=1.2, n=9)]
    given += [
        Measure.of(name, value) for name, value in (("trained", 64), ("l0_within", 16), ("l0_beyond", 17))
    ]
    increase = study.context_measures(start(study.scope_claims).finding(KIND, measures=given))[0]
    assert (increase.value, increase.low, increase.high) == pytest.approx((10, 5, 20))
    assert increase.reference.value == 12


@pytest.mark.truth("library.scope_ranking")
def test_arms_are_paired_by_world():
    """The norm arm is ahead by .02 in every world, however much the worlds differ."""
    unit = np.array([[0.5, 0.6, 0.7]]) + 0.05 * np.arange(5)[:, None]
    measures = {one.name: one for one in ranking.compared(np.stack([unit + 0.02, unit]))}
    for score in ranking.SCORES:
        difference = measures[f"{score}_difference"]
        assert (difference.value, difference.low, difference.high) == pytest.approx((0.02, 0.02, 0.02))
    assert measures["mcc_unit"].value == pytest.approx(0.7)
    assert measures["mcc_unit"].high - measures["mcc_unit"].low > 0.1


def judged(kind, **ends) -> str:
    """The status of a Finding with given measures; one number or (value, low, high)."""
    measures = []
    for name, given in ends.items():
        value, low, high = given if isinstance(given, tuple) else (given, None, None)
        measures.append(Measure(name=name, value=value, low=low, high=high, n=9))
    return start(study.scope_claims).finding(kind, measures=measures).status


@pytest.mark.law("library.scope_sparsity")
@pytest.mark.law("library.scope_width")
def test_margins_are_judged_by_their_ends():
    rest = {"k": 16.0, "topk": 0.9, "l1": 0.9, "wide": 0.9, "narrow": 0.9}
    for kind in (study.THIRD, study.WIDER):
        assert judged(kind, margin=(0.01, 0.001, 0.02), **rest) == "supports"
        assert judged(kind, margin=(0.0, -0.01, 0.01), **rest) == "inconclusive"
        assert judged(kind, margin=(-0.01, -0.02, -0.001), **rest) == "refutes"


@pytest.mark.law("library.scope_annealing")
def test_annealing_needs_both_an_early_start_and_the_same_end():
    rest = {"silent_without": 20.0, "silent_with": 1.0}
    assert judged(study.ANNEALING, excess=15.0, fvu_ratio=(1.02, 1.01, 1.03), **rest) == "supports"
    assert judged(study.ANNEALING, excess=0.0, fvu_ratio=(1.02, 1.01, 1.03), **rest) == "inconclusive"
    assert judged(study.ANNEALING, excess=-1.0, fvu_ratio=(1.02, 1.01, 1.03), **rest) == "refutes"
    assert judged(study.ANNEALING, excess=15.0, fvu_ratio=(1.1, 1.06, 1.2), **rest) == "refutes"


@pytest.mark.law("library.scope_threshold")
def test_thresholds_need_both_the_number_and_the_variance():
    rest = {"l0": 16.0, "k": 16.0, "l0_same_text": 16.0}
    assert judged(study.THRESHOLD, ev_loss=(0.005, 0.004, 0.006), l0_deviation=1.0, **rest) == "supports"
    assert judged(study.THRESHOLD, ev_loss=(0.01, 0.005, 0.02), l0_deviation=1.0, **rest) == "inconclusive"
    assert judged(study.THRESHOLD, ev_loss=(0.005, 0.004, 0.006), l0_deviation=3.0, **rest) == "refutes"
    assert judged(study.THRESHOLD, ev_loss=(0.03, 0.02, 0.04), l0_deviation=1.0, **rest) == "refutes"


@pytest.mark.law("library.scope_context")
def test_context_is_judged_by_its_interval():
    rest = {"trained": 64.0, "l0_within": 16.0, "l0_beyond": 17.0}
    assert judged(study.LONGER, increase=(10.0, 5.0, 20.0), **rest) == "supports"
    assert judged(study.LONGER, increase=(10.0, -5.0, 20.0), **rest) == "inconclusive"
    assert judged(study.LONGER, increase=(-2.0, -5.0, -1.0), **rest) == "refutes"
    assert judged(study.LONGER, increase=(40.0, 30.0, 50.0), **rest) == "refutes"


@pytest.mark.law("library.scope_ranking")
def test_the_open_question_can_be_answered_either_way():
    rest = {"worlds": 5.0, "ev_difference": 0.0, "mcc_norm": 0.9, "mcc_unit": 0.9}
    assert judged(ranking.KIND, mcc_difference=(0.02, 0.01, 0.03), **rest) == "supports"
    assert judged(ranking.KIND, mcc_difference=(0.02, -0.01, 0.05), **rest) == "inconclusive"
    assert judged(ranking.KIND, mcc_difference=(0.0, -0.01, 0.005), **rest) == "refutes"


def test_the_trainings_of_one_seed():
    """The paper's recipe in both widths, and L1 with the same rows, steps and rate."""
    made = study.configurations(3, 30)
    assert list(made) == ["narrow", "wide", "paper", "constant", "l1 1", "l1 1.4", "l1 2", "l1 2.8"]
    assert made["narrow"].initial_length == pytest.approx(math.sqrt(2 * 128 / made["narrow"].n_features))
    assert made["wide"].initial_length == pytest.approx(math.sqrt(2 * 128 / made["wide"].n_features))
    assert (made["wide"].k_at(0), made["constant"].k_at(0)) == (128, 16)
    assert {(one.steps, one.batch, one.lr, one.seed, one.order_seed) for one in made.values()} == {
        (30, 1024, 2e-3, 3, 3)
    }
    assert made["l1 1"].n_features == made["narrow"].n_features
    arms = {arm: ranking.configuration(arm, 0.01, 2, 9) for arm in ranking.ARMS}
    assert (arms["norm"].rank_score, arms["norm"].unit_norm) == ("h_norm", False)
    assert (arms["unit"].rank_score, arms["unit"].unit_norm) == ("h", True)


def test_a_small_ranking_names_both_rates_and_holds_every_world(monkeypatch):
    monkeypatch.setattr(ranking, "RATES", (2e-3, 4e-3))
    seen = []

    def scores(arm, rate, seed, steps):
        seen.append((arm, rate, seed))
        return {"ev": 0.9 + 10 * rate, "mcc": 0.8, "recall": 0.7, "mcc_random": 0.3}

    monkeypatch.setattr(ranking, "scores_of", scores)
    with executor() as pool:
        (finding,) = ranking.run(Conditions("quick", (0, 1, 2), None, pool, SILENT))
    assert finding.measures["rate_norm"].value == finding.measures["rate_unit"].value == 4e-3
    assert seen[4:] == [(arm, 4e-3, seed) for arm in ranking.ARMS for seed in ranking.SEEDS]
    assert finding.status == "refutes"
    assert isinstance(finding.arrays["scores"], Array)
    assert finding.provenance.parameters["claim"] == "llama-scope.C5"
    finding.verify()


@pytest.mark.slow
def test_the_grid_has_a_row_for_every_site_layer_and_width(monkeypatch):
    from pellucid.library.studies import llama_scope_grid as scope

    monkeypatch.setattr(scope, "EXPANSIONS", (2,))
    monkeypatch.setattr(scope, "JUDGED", 2)
    with executor() as pool:
        (finding,) = scope.grid(Conditions("quick", (0,), None, pool, SILENT), sequences=64)
    names = finding.arrays["ev"].coords["dictionary"]
    assert len(names) == 16
    assert {"L0R-2x", "L3TC-2x"} <= set(names)
    finding.verify()


@pytest.mark.slow
def test_the_whole_study():
    with executor(2) as pool:
        found = list(study.run(Conditions("quick", (0, 1, 2), None, pool, SILENT)))
    by_claim: dict[str, set[str]] = {}
    for finding in found:
        finding.verify()
        claim = finding.provenance.parameters.get("claim")
        if claim:
            by_claim.setdefault(
                f"{claim} {finding.provenance.parameters.get('part', '')}".strip(), set()
            ).add(finding.status)
    assert by_claim["llama-scope.C2"] == {"supports"}
    assert by_claim["llama-scope.C4 context"] == {"supports"}
    # the threshold of so sparse a code costs more than the paper's: it explains .02 less, not less than .01
    assert by_claim["llama-scope.C4 threshold of 16"] == {"refutes"}
    assert set(by_claim) == {
        "llama-scope.C1",
        "llama-scope.C2",
        "llama-scope.C3",
        "llama-scope.C4 threshold of 16",
        "llama-scope.C4 threshold of 50",
        "llama-scope.C4 context",
        "llama-scope.C5",
    }
