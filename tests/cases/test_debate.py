"""The debate view and the decision record: every doubt beside its reply, and two documents beside each other."""

from __future__ import annotations

import json

import pytest
from case_arguments import BY_ID, EVIDENCE, HOLDS, random_case

from pellucid.cases import Case
from pellucid.cases.defeaters import with_backfire
from pellucid.cases.dialectic import answered_with, debate, decision_record
from pellucid.cases.dialectic.debate import replies
from pellucid.cases.evaluation.verdict import read_leaves
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import InputError, MissingError

T, F = (f"finding: {EVIDENCE[value].id}, predicate: {HOLDS}" for value in "TF")
TEXT = f"""
G1: {{text: It is safe, supportedBy: [Sn1, Sn2]}}
Sn1: {{text: Measured, {T}}}
Sn2: {{text: Counted, {T}, waive: "D-rare: all were counted (A. B, 2026-11-21)"}}
CG1: {{text: It was measured badly, challenges: Sn1, defeater: undermining, raisedBy: R. Red, date: 2026-11-20, magnitude: large, supportedBy: [CSn1]}}
CSn1: {{text: A bad run, {T}}}
CG2: {{text: That run was set right, challenges: CG1, defeater: rebutting, supportedBy: [CSn2]}}
CSn2: {{text: A good run, {T}}}
CSn3: {{text: The step is old, challenges: CG1 -> Sn1, defeater: undercutting, {F}}}
CG4: {{text: It is rare, challenges: G1 -> Sn2, defeater: undercutting, undeveloped: true}}
"""


def view(text: str = TEXT, risk: Case | None = None):
    case = Case.read(text)
    leaves = {
        name: s.now for name, s in read_leaves(case.graph, Evidence.of(case.graph, BY_ID, None)).items()
    }
    return debate(case, case.evaluate(BY_ID), risk, leaves=leaves)


def test_one_row_for_each_doubt_and_reply_on_every_level() -> None:
    rows = [(row.defeater, row.target, row.reply, row.depth, row.now, row.reply_now) for row in view().rows]
    assert rows == [
        ("CG1", ("Sn1",), "CG2", 1, "F", "T"),
        ("CG1", ("Sn1",), "CSn3", 1, "F", "F"),
        ("CG2", ("CG1",), None, 2, "T", None),
        ("CSn3", ("CG1", "Sn1"), None, 2, "F", None),
        ("CG4", ("G1", "Sn2"), None, 1, "U", None),
    ]


def test_a_row_says_everything_about_a_doubt() -> None:
    row = view().rows[0]
    assert (row.kind, row.text, row.raised_by, row.on) == (
        "undermining",
        "It was measured badly",
        "R. Red",
        "2026-11-20",
    )
    assert (row.magnitude, row.reply_text, row.outcome) == ("large", "That run was set right", "answered")
    evidence = next(row for row in view().rows if row.defeater == "CSn3")
    assert evidence.finding == EVIDENCE["F"].id


def test_what_is_open_holds_or_is_residual() -> None:
    found = view()
    assert found.unanswered == ("CG4",)
    assert found.residual == ()
    accepted = TEXT.replace(
        "defeater: undercutting, undeveloped",
        "residual: one in a million, accepted: 'A. B, 2026-11-21', undeveloped",
    )
    found = view(accepted)
    assert (found.unanswered, found.residual) == ((), ("CG4",))
    (row,) = [row for row in found.rows if row.defeater == "CG4"]
    assert row.residual == "one in a million (A. B, 2026-11-21)"
    nobody = TEXT.replace("defeater: undercutting, undeveloped", "residual: small, undeveloped")
    assert view(nobody).unanswered == ("CG4",)
    held = TEXT.replace("CG2: {", "CG2: {nodeType: Context, ").replace(
        "challenges: CG1, defeater: rebutting, ", ""
    )
    assert "CG1" in view(held).unanswered
    assert next(row for row in view(held).rows if row.defeater == "CG1").outcome == "holds"


def test_a_reply_that_holds_is_no_doubt_and_a_doubt_of_a_reply_is() -> None:
    assert "CG2" not in view().unanswered
    third = TEXT + "CG9: {text: Was it, challenges: CG2, defeater: rebutting, undeveloped: true}\n"
    found = view(third)
    assert set(found.unanswered) == {"CG1", "CG9", "CG4"}
    assert next(row for row in found.rows if row.defeater == "CG9").depth == 3


def test_completeness_is_the_share_of_leaves_with_a_doubt_considered() -> None:
    found = view()
    assert (found.considered, found.leaves, found.completeness) == (2, 2, 1.0)
    assert [str(one.by) for one in found.waived] == ["A. B, 2026-11-21"]
    bare = view(
        f"G1: {{supportedBy: [Sn1, G2], inContextOf: [A1, C1]}}\nG2: {{}}\nA1: {{}}\nC1: {{}}\nSn1: {{{T}}}\nCSn1: {{challenges: Sn1}}\n"
    )
    assert (bare.considered, bare.leaves) == (1, 3)
    assert view("C1: {}").completeness == 1.0
    step = view(f"G1: {{supportedBy: [Sn1]}}\nSn1: {{{T}}}\nCSn1: {{challenges: G1 -> Sn1}}\n")
    assert step.completeness == 1.0


def test_circles_end_and_can_be_read_otherwise() -> None:
    text = f"G1: {{supportedBy: [Sn1]}}\nSn1: {{{T}}}\n"
    text += "".join(
        f"CSn{n}: {{challenges: {target}, {T}}}\n" for n, target in ((1, "Sn1"), (2, "CSn1"), (3, "CSn2"))
    )
    circle = (
        text.replace("CSn1: {challenges: Sn1", "CSn1: {challenges: CSn3")
        + f"CSn4: {{challenges: Sn1, {T}}}\n"
    )
    found = view(circle)
    assert len(found.rows) == 4
    assert found.otherwise == ()
    pair = f"G1: {{supportedBy: [Sn1]}}\nSn1: {{{T}}}\nCG1: {{challenges: Sn1, supportedBy: [CSn2]}}\nCSn1: {{challenges: CSn2, {T}}}\nCSn2: {{challenges: CSn1, {T}}}\n"
    assert {one.element for one in view(pair).otherwise} == {"G1", "Sn1", "CG1", "CSn1", "CSn2"}
    case = Case.read(pair)
    assert "was not given" in debate(case, case.evaluate(BY_ID)).circles


@pytest.mark.parametrize("seed", range(60))
def test_every_challenge_of_a_random_case_has_a_row_and_every_reply_is_one(seed: int) -> None:
    case = random_case(seed)
    verdict = case.evaluate(BY_ID)
    found = debate(case, verdict)
    assert {row.defeater for row in found.rows} == {
        name for name, node in case.nodes.items() if node.challenges
    }
    assert all(verdict.states[row.defeater].now == row.now for row in found.rows)
    depth = {row.defeater: row.depth for row in found.rows}
    for row in found.rows:
        assert row.reply is None or depth[row.reply] == row.depth + 1
        assert (row.reply is None) == (not replies(case.graph, row.defeater))
    json.dumps(found.to_dict())
    assert 0 <= found.completeness <= 1


def test_a_verdict_on_another_argument_is_refused() -> None:
    case = Case.read(TEXT)
    with pytest.raises(InputError, match="says nothing of 'G1'") as error:
        debate(case, Case.read("G9: {}").evaluate([]))
    assert error.value.code == "Y107"


def test_backfire_doubts_stand_in_the_debate() -> None:
    case = with_backfire(Case.read("G1: {category: control, undeveloped: true}"), "G1")
    found = debate(case, case.evaluate([]))
    assert len(found.unanswered) == 6


# Two documents ------------------------------------------------------------------------------------

RISK = Case.read(f"""
G1: {{text: It is not safe, supportedBy: [G2, S1, Sn9]}}
G2: {{text: It leaks, supportedBy: [Sn2], inContextOf: [A1]}}
A1: {{text: The tap was open}}
Sn2: {{text: A leak was seen, {T}}}
S1: {{text: And it is rare, supportedBy: [G3]}}
G3: {{text: It  IS rare, undeveloped: true}}
Sn9: {{text: It smells, {F}}}
CG1: {{text: But it was mended, challenges: G2, undeveloped: true}}
""")


def test_a_decision_needs_both_documents() -> None:
    case = Case.read(TEXT)
    with pytest.raises(InputError, match="needs the risk case too") as error:
        decision_record(case, None)
    assert error.value.code == "Y97"
    with pytest.raises(InputError, match="the same document"):
        decision_record(case, Case.read(TEXT))
    with pytest.raises(InputError, match="The risk case 'text' claims nothing"):
        decision_record(case, Case.read("C1: {}"))


def test_each_doubt_of_the_risk_case_is_linked_or_listed() -> None:
    record = decision_record(Case.read(TEXT), RISK)
    assert [one.element for one in record.raised] == ["G2", "G3", "Sn9", "CG1"]
    # CG1 has the id of a doubt of the safety case, G3 has the words of another; G2 and Sn9 nobody takes up
    assert {one.element: one.linked for one in record.raised} == {
        "G2": (),
        "G3": ("CG4",),
        "Sn9": (),
        "CG1": ("CG1",),
    }
    assert record.unanswered == ("G2", "Sn9")
    assert record.outcome == "open questions"
    named = Case.read(TEXT.replace("raisedBy: R. Red", "raises: 'G2, Sn9'"))
    record = decision_record(named, RISK)
    assert record.complete
    assert next(one for one in record.raised if one.element == "G2").targets == (("Sn1",),)
    json.dumps(record.to_dict())


def test_the_outcome_follows_from_both_verdicts() -> None:
    case, risk = (
        Case.read(f"G1: {{supportedBy: [Sn1]}}\nSn1: {{{T}}}\n"),
        Case.read(f"G1: {{text: Not so, supportedBy: [Sn1]}}\nSn1: {{text: no, {F}}}\n"),
    )
    doubt = Case.read(case.text + f"CSn1: {{challenges: Sn1, raises: Sn1, {F}}}\n")
    for document, other, wanted in (
        (doubt, risk, "accepted"),
        (case, risk, "open questions"),
        (doubt, Case.read(risk.text.replace(EVIDENCE["F"].id, EVIDENCE["T"].id)), "risk shown"),
        (Case.read(doubt.text + "CG9: {challenges: G1, undeveloped: true}\n"), risk, "not shown"),
    ):
        verdicts = (document.evaluate(BY_ID), other.evaluate(BY_ID))
        assert decision_record(document, other, *verdicts).outcome == wanted
    assert decision_record(doubt, risk).outcome == "open questions"


def test_taking_up_a_doubt_brings_its_evidence_along() -> None:
    case = Case.read(f"G1: {{text: It is safe, supportedBy: [Sn1]}}\nSn1: {{text: Measured, {T}}}\n")
    assert case.evaluate(BY_ID).word == "stands"
    taken = answered_with(case, RISK, {"Sn9": "Sn1"})
    assert taken.nodes["CG_risk_Sn9"].challenges == ("Sn1",)
    assert taken.evaluate(BY_ID).word == "stands"
    taken = answered_with(taken, RISK, {"G2": "G1"})
    # the assumption of the risk case comes along: until somebody accepts it, the doubt stays open
    assert taken.evaluate(BY_ID).states["CG_risk_G2"].value == "U"
    assert taken.nodes["CG_risk_G2"].supported_by == ("CG_risk_Sn2", "CG_risk_A1")
    assert not [found for found in taken.check() if found.level == "error"]
    assert set(decision_record(taken, RISK).unanswered) == {"G3", "CG1"}
    assert answered_with(taken, RISK, {"G2": "G1"}).nodes == taken.nodes
    with pytest.raises(MissingError, match="No element 'G7'"):
        answered_with(case, RISK, {"G7": "G1"})
    with pytest.raises(MissingError, match="No element 'G8'"):
        answered_with(case, RISK, {"G2": "G8"})


def test_a_doubt_that_came_along_can_be_taken_up_itself() -> None:
    case = Case.read(f"G1: {{text: It is safe, supportedBy: [Sn1]}}\nSn1: {{text: Measured, {T}}}\n")
    risk = Case.read(
        f"G1: {{text: no, supportedBy: [G2]}}\nG2: {{supportedBy: [G3]}}\nG3: {{supportedBy: [Sn3]}}\nSn3: {{{T}}}\n"
    )
    taken = answered_with(answered_with(case, risk, {"G2": "G1"}), risk, {"G3": "Sn1"})
    assert taken.nodes["CG_risk_G3"].challenges == ("Sn1",)
    assert taken.nodes["CG_risk_G2"].supported_by == ("CG_risk_G3",)
    assert decision_record(taken, risk).complete
    assert taken.evaluate(BY_ID).word == "defeated"


def test_a_risk_case_that_says_what_it_counters_is_taken_up_as_a_whole() -> None:
    case = Case.read(f"G1: {{text: It is safe, supportedBy: [Sn1]}}\nSn1: {{text: Measured, {T}}}\n")
    risk = Case.read(
        "G1: {text: no, supportedBy: [G2, G3]}\nG2: {counters: Sn1, undeveloped: true}\n"
        "G3: {counters: Sn9, undeveloped: true}\n"
    )
    taken = answered_with(case, risk)
    assert decision_record(taken, risk).unanswered == ("G3",)
    assert taken.nodes["CG_risk_G2"].challenges == ("Sn1",)
    assert answered_with(taken, risk) == taken


def test_the_debate_lists_what_the_risk_case_raises_and_nobody_takes_up() -> None:
    assert [one.element for one in view(risk=RISK).unlinked] == ["G2", "Sn9"]
