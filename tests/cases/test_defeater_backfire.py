"""The backfire class: six mechanisms for every mitigation, answered or waived, and evidence from the model."""

from __future__ import annotations

import math

import pytest
from case_arguments import EVIDENCE, HOLDS
from hypothesis import given
from hypothesis import strategies as st

from pellucid.cases import Case, Node
from pellucid.cases.defeaters import (
    MECHANISMS,
    BackfireDefeater,
    Regime,
    backfire,
    backfire_of,
    waivers,
    with_backfire,
)
from pellucid.cases.defeaters.backfire import OBSTACLES, PREMISES, REPLIES, is_mitigation
from pellucid.cases.defeaters.waivers import bad_waivers
from pellucid.findings import InputError, MissingError

NAMES = {
    "capability-enabling",
    "risk-compensation",
    "complacency",
    "information-hazard",
    "race-effect",
    "single-point-of-trust",
}


def case(mark: str = "category: control", extra: str = "") -> Case:
    return Case.read(
        f"G1: {{supportedBy: [Sn1], {mark}}}\nSn1: {{finding: {EVIDENCE['T'].id}, predicate: {HOLDS}}}\n{extra}"
    )


def codes(argument: Case, code: str = "B01") -> list[str]:
    return [found.message for found in argument.check() if found.code == code]


def asked(argument: Case) -> set[str]:
    """The mechanisms that the one message about a goal asks for."""
    return {name for message in codes(argument) for name in NAMES if name in message}


def test_the_words_are_those_of_the_class() -> None:
    assert set(MECHANISMS) == NAMES
    assert set(REPLIES) == {"optimism", "mitigation", "holism"}
    assert set(OBSTACLES) == {"bottlenecking", "perfection-barrier", "equilibrium-fluctuation"}
    assert list(PREMISES) == ["P1", "P2", "P3"]


@pytest.mark.parametrize(
    ("mark", "claims"),
    [
        ("category: control", True),
        ("category: Alignment", True),
        ("category: trustworthiness", True),
        ("category: inability", False),
        ("category: deference", False),
        ("mitigation: filter", True),
        ("mitigation: 'no'", False),
        ("classes: [mitigation]", True),
        ("text: control", False),
    ],
)
def test_every_mitigation_is_asked_for_each_mechanism(mark: str, claims: bool) -> None:
    assert len(codes(case(mark))) == claims
    assert asked(case(mark)) == (NAMES if claims else set())
    assert is_mitigation(case(mark).nodes["G1"]) is claims


def test_only_goals_claim_mitigations() -> None:
    assert (
        codes(
            Case.read(
                "G1: {supportedBy: [S1]}\nS1: {category: control, supportedBy: [Sn1]}\nSn1: {mitigation: x}\n"
            )
        )
        == []
    )


def test_a_mechanism_is_carried_by_a_counter_or_waived_with_reason_and_name() -> None:
    argument = case(
        extra="CG1: {challenges: G1, defeater: rebutting, backfire: race-effect, undeveloped: true}\n"
    )
    assert asked(argument) == NAMES - {"race-effect"}
    assert backfire_of(argument.graph, "G1")["race-effect"].id == "CG1"
    waived = case('category: control, waive: "backfire/race-effect: nobody races here (A. B, 2026-11-21)"')
    assert asked(waived) == NAMES - {"race-effect"}
    for bad in (
        "backfire/race-effect",
        "backfire/race-effect: (A. B, 2026-11-21)",
        "backfire/race-effect: why",
    ):
        argument = case(f'category: control, waive: "{bad}"')
        assert asked(argument) == NAMES
        assert len(codes(argument, "R01")) == 1
    other = case(extra="CG1: {challenges: Sn1, backfire: race-effect, undeveloped: true}\n")
    assert asked(other) == NAMES


def test_the_message_says_what_to_do() -> None:
    found = next(found for found in case().check() if found.code == "B01")
    assert found.level == "warning"
    assert "pellucid case backfire CASE --goal G1" in found.remedy
    assert "waive:" in found.remedy


def test_with_backfire_adds_six_open_challenges_and_then_nothing() -> None:
    argument = case()
    assert argument.evaluate(EVIDENCE.values()).word == "stands"
    raised = with_backfire(argument, "G1")
    assert len(raised.nodes) == len(argument.nodes) + 6
    assert codes(raised) == []
    assert raised.evaluate(EVIDENCE.values()).word == "undecided"
    assert with_backfire(raised, "G1") is raised
    assert Case.read(raised.text).nodes == raised.nodes
    assert not [found for found in raised.check() if found.level == "error"]
    assert len(codes(raised, "D03")) == 6


def test_the_case_stands_again_when_each_is_answered() -> None:
    raised = with_backfire(case(), "G1")
    replies = "".join(
        f"CSn{index}: {{challenges: {node.id}, defeater: rebutting, finding: {EVIDENCE['T'].id}, predicate: {HOLDS}}}\n"
        for index, node in enumerate(backfire_of(raised.graph, "G1").values())
    )
    assert Case.read(raised.text + replies).evaluate(EVIDENCE.values()).word == "stands"


def test_what_is_known_of_a_mechanism_goes_into_its_element() -> None:
    known = BackfireDefeater(
        "G1",
        "complacency",
        ("P3",),
        magnitude="audits fell by a third",
        evidence=EVIDENCE["F"].id,
        predicate=HOLDS,
        reply="mitigation",
        obstacle="bottlenecking",
    )
    raised = with_backfire(case(), "G1", [known])
    node = raised.nodes[known.id]
    assert dict(node.layers) == {
        "defeater": "rebutting",
        "backfire": "complacency",
        "premises": "P3",
        "magnitude": "audits fell by a third",
        "reply": "mitigation",
        "obstacle": "bottlenecking",
        "predicate": HOLDS,
        "finding": EVIDENCE["F"].id,
    }
    assert raised.evaluate(EVIDENCE.values()).states[known.id].value == "F"
    assert known.name == "backfire/complacency"


def test_waived_and_carried_mechanisms_are_not_added_again() -> None:
    argument = case(
        'category: control, waive: "backfire/complacency: audited (A, 2026-01-01); backfire/race-effect: none (A, 2026-01-01)"',
        "CG1: {challenges: G1, backfire: information-hazard, undeveloped: true}\n",
    )
    added = set(with_backfire(argument, "G1").nodes) - set(argument.nodes)
    assert len(added) == 3
    assert not [name for name in added if "complacency" in name or "race" in name or "information" in name]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"mechanism": "race-efect"}, "'race-efect' is no mechanism"),
        ({"mechanism": "complacency", "reply": "hope"}, "'hope' is no reply"),
        ({"mechanism": "complacency", "obstacle": "wall"}, "'wall' is no obstacle"),
        ({"mechanism": "complacency", "premises": ("P4",)}, "'P4' is no premise"),
    ],
)
def test_words_that_the_class_has_not_are_refused(field: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        BackfireDefeater("G1", **field)
    assert error.value.code == "Y95"
    assert "There are " in str(error.value)


def test_words_in_a_file_that_the_class_has_not_are_reported() -> None:
    extra = "CG1: {challenges: G1, backfire: race-efect, reply: hope, obstacle: wall, undeveloped: true}\n"
    found = codes(case(extra=extra), "B02")
    assert len(found) == 3
    assert asked(case(extra=extra)) == NAMES


def test_what_is_no_goal_is_refused() -> None:
    with pytest.raises(MissingError, match="No element 'G9'") as missing:
        with_backfire(case(), "G9")
    assert missing.value.code == "Y93"
    with pytest.raises(InputError, match="'Sn1' is no goal") as error:
        with_backfire(case(), "Sn1")
    assert error.value.code == "Y96"
    with pytest.raises(InputError, match="is about 'G2', not 'G1'"):
        with_backfire(case(), "G1", [BackfireDefeater("G2", "complacency")])


# Waivers ------------------------------------------------------------------------------------------


def node(text: str) -> Node:
    return Node("Sn1", layers=(("waive", text),))


def test_several_waivers_and_reasons_with_signs_in_them() -> None:
    text = "D-small-n: all 12: each; none left (of 12) (A. B, 2026-11-21); backfire/Race-Effect: none (C, 2026-01-02);"
    found = waivers(node(text))
    assert list(found) == ["D-small-n", "backfire/race-effect"]
    assert found["D-small-n"].reason == "all 12: each; none left (of 12)"
    assert str(found["backfire/race-effect"].by) == "C, 2026-01-02"
    assert "waived by C, 2026-01-02: none" in str(found["backfire/race-effect"])
    assert bad_waivers(node(text)) == []


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("because", "a doubt"),
        ("D-rare: ", "a reason"),
        ("D-rare: (A, 2026-01-01)", "a reason"),
        ("D-rare: fine", "a name and a day"),
        ("D-rare: fine (A)", "a name and a day"),
        ("D-rare: fine (A, 2026-13-01)", "a name and a day"),
        ("D-rare: fine (, 2026-01-01)", "a name and a day"),
    ],
)
def test_what_waives_nothing_says_what_it_lacks(text: str, lacks: str) -> None:
    assert waivers(node(text)) == {}
    assert [bad.lacks for bad in bad_waivers(node(text))] == [lacks]


def test_unknown_doubts_and_residual_doubts_without_a_name_are_reported() -> None:
    argument = case('waive: "D-rar: x (A, 2026-01-01)"')
    (found,) = [found for found in argument.check() if found.code == "R02"]
    assert "Did you mean 'D-rare'?" in found.remedy
    for layers in (
        "residual: small",
        "residual: '', accepted: 'A, 2026-01-01'",
        "residual: small, accepted: A",
    ):
        argument = case(extra=f"CG1: {{challenges: G1, undeveloped: true, {layers}}}\n")
        assert len(codes(argument, "R03")) == 1
    fine = case(
        extra="CG1: {challenges: G1, undeveloped: true, residual: small, accepted: 'A, 2026-01-01'}\n"
    )
    assert codes(fine, "R03") == []
    assert codes(fine, "E14") == []
    assert len(codes(case("residual: small"), "R03")) == 1


@given(st.text(max_size=80))
def test_any_text_can_stand_in_a_waiver(text: str) -> None:
    found = waivers(node(text))
    assert all(one.reason and one.by.name for one in found.values())


# Evidence for a reply -----------------------------------------------------------------------------


@pytest.mark.law("cases.backfire")
@given(
    st.floats(0.1, 3),
    st.floats(0.05, 5),
    st.floats(0.2, 5),
    st.floats(0.2, 5),
    st.floats(0, 0.9),
    st.floats(0.01, 1),
)
def test_the_ratio_is_the_ratio_of_the_closed_forms(
    exponent: float, hazard: float, after: float, growth: float, survival: float, mitigation: float
) -> None:
    found = backfire(Regime(hazard), Regime(after, growth, survival, mitigation), exponent=exponent).measures[
        "ratio"
    ]
    # without a horizon the gamma functions cancel
    wanted = (1 - survival) * mitigation * (growth * hazard / after) ** exponent
    assert found.value == pytest.approx(wanted, rel=1e-12)


@pytest.mark.truth("cases.backfire")
def test_a_lower_hazard_alone_hurts_over_a_long_horizon_and_helps_over_a_short_one() -> None:
    # the boundary of the model is hazard x horizon = 1.7933 for exponent 1
    for horizon, status in ((math.inf, "refutes"), (1.80, "refutes"), (1.78, "supports")):
        found = backfire(Regime(hazard=1.0), Regime(hazard=1.0 - 1e-4), horizon=horizon)
        assert found.status == status
    assert backfire(Regime(0.5), Regime(0.25)).measures["ratio"].value == 2.0
    saved = backfire(Regime(0.5), Regime(0.25, mitigation=0.4))
    assert saved.status == "supports"
    assert "0.8" in saved.statement
    assert backfire(Regime(0.5), Regime(0.5)).status == "inconclusive"


def test_it_is_evidence_of_a_reply() -> None:
    found = backfire(Regime(0.5), Regime(0.25, survival=0.9))
    raised = with_backfire(case(), "G1")
    target = backfire_of(raised.graph, "G1")["capability-enabling"].id
    reply = (
        f"CSn1: {{challenges: {target}, defeater: rebutting, finding: {found.id}, predicate: ratio < 1}}\n"
    )
    verdict = Case.read(raised.text + reply).evaluate([*EVIDENCE.values(), found])
    assert (verdict.states["CSn1"].value, verdict.states[target].value) == ("T", "F")
    assert found.header.evidence == "formal"
    assert found.id == backfire(Regime(0.5), Regime(0.25, survival=0.9)).id


def test_a_comparison_with_no_harm_is_refused() -> None:
    with pytest.raises(InputError, match="expects no harm") as error:
        backfire(Regime(0.5, survival=1.0), Regime(0.5))
    assert error.value.code == "Y106"
    with pytest.raises(InputError, match="backfire model") as error:
        backfire(Regime(-0.5), Regime(0.5))
    assert error.value.code == "Y77"
