"""Macrosystems: closed form = adding up all states = Monte Carlo, and the six steps as an argument."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from pellucid.cases import Case
from pellucid.cases.confidence.bounds import tight_bounds
from pellucid.cases.macrosystem import (
    Infraction,
    Interaction,
    Macrosystem,
    Outcome,
    Subsystem,
    ThreatModel,
    all_fail,
    all_fail_bounds,
    any_fails,
    any_fails_bounds,
    any_of_instances,
    assess,
    common_cause,
)
from pellucid.cases.macrosystem.structure import (
    declared,
    enumerate_states,
    happens,
    independent,
    probabilities_of,
    relevant,
    simulate,
    unknown_dependence,
)
from pellucid.findings import InputError, MissingError

SOLVED = 2e-7


def _system(**more: Any) -> Macrosystem:
    given: dict[str, Any] = {
        "decision": "deploy the agent inside the company",
        "window": "one year",
        "subsystems": (
            Subsystem("agent", "a model that writes code"),
            Subsystem("watchdog", "a model that reads what the agent writes"),
            Subsystem("humans", "engineers who read what the watchdog sends"),
        ),
        "infrastructure": "an isolated cluster",
        "oversight": "engineers may stop every instance",
        "outcomes": (Outcome("theft", "weights leave the company", Fraction(1, 100)),),
        "assumptions": ("users are employees", "the cluster has no other way out"),
        "infractions": (
            Infraction("steals", "agent", "copies its own weights", Fraction(1, 50)),
            Infraction("misses", "watchdog", "passes an attack", Fraction(1, 50)),
            Infraction("overlooks", "humans", "pass what they were sent", Fraction(1, 50)),
        ),
        "threat_models": (
            ThreatModel("theft past all layers", "theft", ("steals", "misses", "overlooks"), "all"),
        ),
    }
    return Macrosystem(**(given | more))


def _random(seed: int, *, correlated: bool) -> Macrosystem:
    draw = random.Random(seed)
    names = [f"s{index}" for index in range(draw.randint(3, 5))]
    infractions = [
        Infraction(f"i{index}", draw.choice(names), "does it", draw.choice([0.01, 0.1, 0.3, 0.6]))
        for index in range(draw.randint(4, 7))
    ]
    ids = [each.id for each in infractions]
    models = []
    for index in range(draw.randint(1, 3)):
        parts = tuple(draw.sample(ids, draw.randint(1, 4)))
        models.append(ThreatModel(f"way {index}", "o", parts, str(draw.randint(1, len(parts)))))
    modes = ("correlated", "colluding", "independent")
    interactions = (Interaction(tuple(draw.sample(names, 2)), draw.choice(modes), 0.3),) if correlated else ()
    return _system(
        subsystems=tuple(Subsystem(name) for name in names),
        outcomes=(Outcome("o", "harm", 0.1),),
        infractions=tuple(infractions),
        threat_models=tuple(models),
        interactions=interactions,
    )


# Formulas ----------------------------------------------------------------------------------------


def test_common_cause_example_to_its_printed_digits() -> None:
    assert f"{common_cause(0.02, 0.1, 3):.7f}" == "0.0020058"
    assert all_fail([0.02] * 3) == pytest.approx(8e-6, rel=1e-12)
    assert common_cause(0.02, 0.1, 3) / all_fail([0.02] * 3) == pytest.approx(250, rel=0.005)
    exact = Fraction(1, 500) + Fraction(499, 500) * Fraction(9, 500) ** 3
    assert common_cause(Fraction(1, 50), Fraction(1, 10), 3) == exact
    assert common_cause(0.02, 0.0, 3) == pytest.approx(8e-6, rel=1e-12)
    assert common_cause(0.02, 1.0, 3) == pytest.approx(0.02, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_those_of_all_joint_distributions(seed: int) -> None:
    draw = random.Random(seed)
    p = [draw.random() for _ in range(draw.randint(1, 5))]
    assert any_fails_bounds(p) == pytest.approx(tight_bounds(any, p), abs=SOLVED)
    assert all_fail_bounds(p) == pytest.approx(tight_bounds(all, p), abs=SOLVED)
    assert any_fails_bounds(p)[0] <= any_fails(p) <= any_fails_bounds(p)[1]
    assert all_fail_bounds(p)[0] <= all_fail(p) <= all_fail_bounds(p)[1]


def test_fractions_stay_exact_and_small_numbers_keep_their_digits() -> None:
    assert any_fails([Fraction(1, 3), Fraction(1, 4)]) == Fraction(1, 2)
    assert any_fails_bounds([Fraction(2, 3), Fraction(1, 4)]) == (Fraction(2, 3), Fraction(11, 12))
    assert any_fails([1e-12] * 3) == pytest.approx(3e-12, rel=1e-9)
    assert any_fails([1.0, 0.2]) == 1.0
    assert any_of_instances(1e-14, 1000) == pytest.approx(1e-11, rel=1e-9)
    assert any_of_instances(Fraction(1, 2), 3) == Fraction(7, 8)
    assert any_of_instances(1.0, 5) == 1
    assert any_of_instances(0.3, 0) == 0


@pytest.mark.parametrize(("a", "b", "instances"), [(1.0, 1001.0, 1000), (0.5, 3.0, 7), (2.0, 2.0, 1)])
def test_instances_of_an_uncertain_rate_are_mixed(a: float, b: float, instances: int) -> None:
    whole, _ = integrate.quad(lambda p: (1 - p) ** instances * stats.beta.pdf(p, a, b), 0, 1, limit=300)
    mixed = any_of_instances(instances=instances, posterior=(a, b))
    assert mixed == pytest.approx(1 - whole, rel=1e-6)
    # sharing one unknown rate makes "at least one" less likely than at its mean (Jensen)
    if instances > 1:
        assert mixed < any_of_instances(a / (a + b), instances)
    assert any_of_instances(instances=1, posterior=(a, b)) == pytest.approx(a / (a + b), rel=1e-9)


def test_no_defect_in_a_thousand_runs_does_not_make_a_million_uses_safe() -> None:
    assert any_of_instances(instances=1_000_000, posterior=(1.0, 1001.0)) == pytest.approx(0.999, abs=1e-4)


# Compositions ------------------------------------------------------------------------------------


@pytest.mark.law("cases.macrosystem_risk")
@pytest.mark.parametrize("seed", range(15))
def test_closed_form_equals_enumeration_and_monte_carlo(seed: int) -> None:
    system = _random(seed, correlated=False)
    p = probabilities_of(system)
    closed = independent(system, "o", p)
    assert closed == pytest.approx(enumerate_states(system, "o", p), abs=1e-12)
    drawn, error = simulate(system, "o", p, draws=100_000, seed=seed)
    assert drawn == pytest.approx(closed, abs=4 * max(error, 1e-5))
    assert declared(system, "o", p) == pytest.approx(closed, abs=1e-12)
    exact = {name: Fraction(str(value)) for name, value in p.items()}
    assert independent(system, "o", exact) == enumerate_states(system, "o", exact)


@pytest.mark.parametrize("seed", range(15))
def test_declared_dependence_equals_monte_carlo_and_stays_within_bounds(seed: int) -> None:
    system = _random(seed, correlated=True)
    p = probabilities_of(system)
    closed = declared(system, "o", p)
    drawn, error = simulate(system, "o", p, draws=100_000, seed=seed)
    assert drawn == pytest.approx(closed, abs=4 * max(error, 1e-5))
    limits = unknown_dependence(system, "o", p)
    # the beta-factor split lowers a margin by β(1-β)q², so the lower bound is met up to that
    slack = sum(0.3 * 0.7 * float(p[name]) ** 2 for name in relevant(system, "o"))
    assert limits.low - slack - SOLVED <= closed <= limits.high + SOLVED


@pytest.mark.parametrize("seed", range(10))
def test_unknown_dependence_is_the_linear_programme(seed: int) -> None:
    system = _random(seed, correlated=False)
    p = probabilities_of(system)
    names = relevant(system, "o")
    tight = tight_bounds(
        lambda held: happens(system, "o", dict(zip(names, held, strict=True))), [p[n] for n in names]
    )
    assert unknown_dependence(system, "o", p) == pytest.approx(tight, abs=SOLVED)


def test_correlated_layers_follow_the_printed_formula() -> None:
    everyone = ("agent", "watchdog", "humans")
    system = _system(interactions=(Interaction(everyone, "correlated", Fraction(1, 10)),))
    p = probabilities_of(system)
    assert declared(system, "theft", p) == common_cause(Fraction(1, 50), Fraction(1, 10), 3)
    colluding = replace(system, interactions=(Interaction(everyone, "colluding"),))
    assert declared(colluding, "theft", p) == Fraction(1, 50)
    none = replace(system, interactions=(Interaction(everyone, "independent"),))
    assert declared(none, "theft", p) == Fraction(8, 10**6)


def test_colluding_layers_fall_together_as_far_as_their_probabilities_allow() -> None:
    system = _system(interactions=(Interaction(("agent", "watchdog"), "colluding"),))
    given = {"steals": Fraction(1, 10), "misses": Fraction(3, 10), "overlooks": Fraction(1, 2)}
    assert declared(system, "theft", given) == Fraction(1, 20)
    assert independent(system, "theft", given) == Fraction(3, 200)


def test_instances_count_for_their_subsystem() -> None:
    system = _system(
        subsystems=(Subsystem("agent", instances=10), Subsystem("watchdog"), Subsystem("humans"))
    )
    assert probabilities_of(system)["steals"] == 1 - Fraction(49, 50) ** 10
    mixed = replace(system.infraction("steals"), posterior=(1.0, 99.0))
    found = replace(system, infractions=(mixed, *system.infractions[1:]))
    assert probabilities_of(found)["steals"] == pytest.approx(
        any_of_instances(instances=10, posterior=(1.0, 99.0))
    )


# The Finding -------------------------------------------------------------------------------------


@pytest.mark.truth("cases.macrosystem_risk")
def test_three_compositions_stand_beside_what_is_tolerated() -> None:
    system = _system(
        interactions=(Interaction(("agent", "watchdog", "humans"), "correlated", Fraction(1, 10)),)
    )
    found = assess(system)
    measures = {name: measure.value for name, measure in found.measures.items()}
    assert measures["independent"] == pytest.approx(8e-6, rel=1e-12)
    assert measures["declared"] == pytest.approx(0.002005820336, rel=1e-12)
    assert (measures["at_least"], measures["at_most"]) == pytest.approx((0.0, 0.02), abs=1e-15)
    assert measures["tolerated"] == 0.01
    # independent and declared are tolerated, the worst dependence is not: nothing is settled
    assert found.status == "inconclusive"
    table = found.arrays["probability"]
    assert table.axes == ("outcome", "composition")
    assert list(table.coords["composition"]) == [
        "independent",
        "at least",
        "at most",
        "as declared",
        "tolerated",
    ]
    assert table.values[0] == pytest.approx([8e-6, 0, 0.02, 0.002005820336, 0.01])


@pytest.mark.parametrize(("tolerated", "status"), [(0.02, "supports"), (0.0199, "inconclusive")])
def test_status_is_by_the_worst_dependence(tolerated: float, status: str) -> None:
    assert assess(_system(outcomes=(Outcome("theft", "loss", tolerated),))).status == status


def test_what_no_dependence_can_excuse_is_refuted() -> None:
    models = (ThreatModel("any of them", "theft", ("steals", "misses", "overlooks"), "any"),)
    found = assess(_system(threat_models=models, outcomes=(Outcome("theft", "loss", 0.01),)))
    assert found.status == "refutes"
    assert found.measures["at_least"].value == pytest.approx(0.02)
    assert (
        assess(_system(threat_models=models, outcomes=(Outcome("theft", "loss", 0.0),))).status == "refutes"
    )


def test_the_outcome_nearest_to_its_limit_speaks_for_all() -> None:
    outcomes = (Outcome("theft", "loss", 0.5), Outcome("harm", "people come to harm", 0.001))
    models = (*_system().threat_models, ThreatModel("alone", "harm", ("steals",)))
    found = assess(_system(outcomes=outcomes, threat_models=models))
    assert found.status == "refutes"
    assert found.measures["tolerated"].value == 0.001
    assert found.arrays["probability"].values.shape == (2, 5)
    assert found.arrays["needed"].values.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_the_same_macrosystem_gives_the_same_finding_and_another_a_different_one() -> None:
    found = assess(_system())
    assert assess(_system()).id == found.id
    assert assess(_system(window="two years")).id != found.id
    cited = replace(_system().infraction("steals"), finding="f" * 64)
    whole = assess(_system(infractions=(cited, *_system().infractions[1:])))
    assert whole.header.provenance.parents == ("f" * 64,)


def test_sixteen_infractions_are_added_up_and_more_are_refused() -> None:
    names = [f"i{index}" for index in range(17)]
    infractions = tuple(Infraction(name, "agent", "does it", 0.01) for name in names)
    system = _system(infractions=infractions, threat_models=(ThreatModel("any", "theft", tuple(names)),))
    assert independent(system, "theft", probabilities_of(system)) == pytest.approx(1 - 0.99**17, abs=1e-12)
    with pytest.raises(InputError, match="at most 16") as refused:
        enumerate_states(system, "theft", probabilities_of(system))
    assert refused.value.code == "Y73"


# The argument ------------------------------------------------------------------------------------


def test_six_steps_pass_every_check() -> None:
    system = _system(interactions=(Interaction(("agent", "watchdog"), "correlated"),))
    risk = system.assess()
    case = system.case(risk.id)
    assert [each for each in case.check() if each.level == "error"] == []
    assert [each for each in case.check([risk]) if each.level == "error"] == []
    assert {each.code for each in case.check([risk], also=("V08",))} <= {"E01"}
    texts = " ".join(node.text or "" for node in case.nodes.values())
    for step in ("Step 1", "Step 2", "Step 3", "Step 4", "Step 5", "Step 6"):
        assert step in texts
    assert Case.read(case.text).normal() == case.normal()


def test_the_case_stands_only_with_evidence_and_accepted_assumptions() -> None:
    system = _system(outcomes=(Outcome("theft", "weights leave", 0.02),))
    risk = system.assess()
    assert risk.status == "supports"
    open_case = system.case()
    assert open_case.evaluate([]).word == "undecided"
    verdict = system.case(risk.id).evaluate([risk])
    assert verdict.word == "undecided"
    assert set(verdict.open_assumptions) == {"A3.1", "A3.2", "A6"}
    cited = tuple(
        replace(each, finding=risk.id, predicate="infractions.value >= 3") for each in system.infractions
    )
    case = replace(system, infractions=cited).case(risk.id)
    accepted = Case.of(
        [
            node.having(accepted="R. Reviewer, 2026-11-21") if node.id.startswith("A") else node
            for node in case.nodes.values()
        ]
    )
    assert accepted.evaluate([risk]).stands
    worse = _system(outcomes=(Outcome("theft", "weights leave", 0.001),)).assess()
    assert accepted.bind({"Sn6": worse.id}).evaluate([risk, worse]).word == "defeated"


def test_a_subsystem_without_infraction_is_marked_undeveloped() -> None:
    system = _system(subsystems=(*_system().subsystems, Subsystem("tool", "a compiler")))
    case = system.case()
    assert case.nodes["G5.4"].undeveloped
    assert "none has been named" in (case.nodes["G5.4"].text or "")
    assert [each for each in case.check() if each.level == "error"] == []


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"subsystems": ()}, "names no subsystem, so its case would hold of nothing"),
        ({"outcomes": ()}, "names no outcome"),
        ({"threat_models": ()}, "names no threat model"),
        (
            {"outcomes": (Outcome("theft", "a", 0.1), Outcome("theft", "b", 0.1))},
            "Two outcomes are named 'theft'",
        ),
        (
            {"outcomes": (Outcome("theft", "a", 0.1), Outcome("other", "b", 0.1))},
            "No threat model leads to the outcome 'other'",
        ),
        ({"threat_models": (ThreatModel("x", "theft", ("steals",), "2"),)}, "needs 2 of 1"),
        ({"threat_models": (ThreatModel("x", "theft", ("steals",), "some"),)}, "needs some of 1"),
        ({"threat_models": (ThreatModel("x", "theft", (), "all"),)}, "needs all of 0"),
    ],
)
def test_what_would_make_an_empty_or_unclear_case_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        _system(**more)
    assert refused.value.code == "Y76"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"threat_models": (ThreatModel("x", "thefts", ("steals",)),)},
            "no outcome 'thefts'. Did you mean 'theft'",
        ),
        (
            {"threat_models": (ThreatModel("x", "theft", ("stealz",)),)},
            "no infraction 'stealz'. Did you mean 'steals'",
        ),
        (
            {"interactions": (Interaction(("agnt",), "colluding"),)},
            "no subsystem 'agnt'. Did you mean 'agent'",
        ),
        ({"infractions": (Infraction("steals", "nobody", "x", 0.1),)}, "no subsystem 'nobody'"),
    ],
)
def test_names_that_do_not_exist_are_said_with_those_that_do(more: dict[str, Any], words: str) -> None:
    with pytest.raises(MissingError, match=words.replace("?", r"\?")) as refused:
        _system(**more)
    assert refused.value.code == "Y76"


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(InputError, match=r"1\.5 is not a probability") as refused:
        _system(outcomes=(Outcome("theft", "a", 1.5),))
    assert refused.value.code == "Y70"
    for wrong in ([], [0.5, -0.1], [math.nan]):
        with pytest.raises(InputError):
            any_fails(wrong)
    with pytest.raises(InputError, match="at least one layer"):
        common_cause(0.1, 0.1, 0)
    with pytest.raises(InputError, match="two positive counts"):
        any_of_instances(0.1, 3, posterior=(0.0, 1.0))
    with pytest.raises(InputError, match="None is not a probability"):
        any_of_instances(instances=3)
    assert np.isfinite(any_of_instances(0.5, 10_000))
