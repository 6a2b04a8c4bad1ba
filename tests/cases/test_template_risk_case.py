"""The risk case: the dual of a safety case, with a slot against each of its leaves."""

from __future__ import annotations

import pytest
from case_arguments import EVIDENCE, leaves_of, random_case, slowly
from pattern_arguments import accepted

from pellucid.cases import Case, NodeKind
from pellucid.cases.checks.patterns import check_patterns
from pellucid.cases.patterns.library import template, templates
from pellucid.cases.patterns.risk_case import risk_case
from pellucid.cases.patterns.slots import slots
from pellucid.findings import InputError

OPPOSITE = {"T": "F", "F": "T", "U": "U"}


def mirrored(case: Case, values: dict[str, str]) -> Case:
    """The risk case with each slot bound so that it says the opposite of its leaf, or the same for a doubt's."""
    risk = risk_case(case)
    bound = {}
    for name, node in risk.nodes.items():
        if node.layer("slot") is None:
            continue
        aim, leaf = node.layer("slot").split(" ", 1)
        wanted = values[leaf] if aim == "for" else OPPOSITE[values[leaf]]
        bound[name] = EVIDENCE[wanted].id
    # whatever the leaf's own predicate was, the evidence of the test is read by one
    nodes = [
        node.having(finding=bound[name], predicate="score.low >= 1") if name in bound else node
        for name, node in risk.nodes.items()
    ]
    return Case.of(
        [
            type(node)(
                **{**node.__dict__, "layers": tuple(pair for pair in node.layers if pair[0] != "refutedBy")}
            )
            for node in nodes
        ]
    )


@pytest.mark.parametrize("seed", range(150))
def test_the_risk_case_is_the_dual_of_the_safety_case(seed):
    case = random_case(seed, least=8, most=30)
    values = slowly(case)
    stated = {found.id: value for value, found in EVIDENCE.items()}
    own = {n: stated[node.finding] for n, node in case.nodes.items() if node.finding}
    own |= {
        n: "T" if node.accepted else "U" for n, node in case.nodes.items() if node.kind is NodeKind.ASSUMPTION
    }
    top = case.graph.tops[0]
    risk = mirrored(case, own)
    assert risk.evaluate(EVIDENCE.values()).now == OPPOSITE[values[top]]


@pytest.mark.parametrize("seed", range(40))
def test_every_leaf_below_the_top_has_its_slot(seed):
    case = random_case(seed, least=8, most=30)
    risk = risk_case(case)
    named = {leaf.split(" ", 1)[1] for leaf in slots(risk)}
    below = case.graph.reach(case.graph.tops, case.graph.depends)
    assert named == set(leaves_of(case)) & below
    assert [d for d in risk.check() if d.level == "error"] == []


@pytest.mark.parametrize("name", [one.name for one in templates()])
def test_every_template_has_a_risk_case(name):
    case = template(name).instantiate(template(name).example)
    risk = risk_case(case)
    assert [
        d
        for d in (*risk.check(), *check_patterns(risk.modules, risk.graph))
        if d.level == "error" or d.code[0] in "VC"
    ] == []
    top = risk.nodes[risk.graph.tops[0]]
    assert top.text == f"It is not so: {case.nodes['G0'].text}"
    assert top.layer("counters") == "G0"
    assert risk.evaluate([]).word == "undecided"
    leaves = {n for n, node in case.nodes.items() if node.layer("slot") or node.kind is NodeKind.ASSUMPTION}
    assert leaves <= {slot.split(" ", 1)[1] for slot in slots(risk)}
    assert risk.modules[0].name == f"{name}-risk"
    assert Case.read(risk.text).normal() == risk.normal()


def test_needs_turn_around():
    risk = risk_case(
        Case.read(
            "G1: {need: '2', supportedBy: [Sn1, Sn2, Sn3], inContextOf: [A1]}\nSn1: {}\nSn2: {}\nSn3: {}\nA1: {}"
        )
    )
    assert risk.nodes["G-not-G1"].need == "any"
    assert risk.nodes["G-not-G1"].supported_by == ("G-not-G1.legs", "Sn-not-A1")
    assert risk.nodes["G-not-G1.legs"].need == "2"


def test_predicates_turn_around():
    risk = risk_case(
        Case.read(
            "G1: {supportedBy: [Sn1, Sn2]}\nSn1: {predicate: a.high <= 1}\nSn2: {predicate: a.low > 1, refutedBy: a.high < 1}"
        )
    )
    assert risk.nodes["Sn-not-Sn1"].predicate == "not (a.high <= 1)"
    assert (risk.nodes["Sn-not-Sn2"].predicate, risk.nodes["Sn-not-Sn2"].refuted_by) == (
        "a.high < 1",
        "a.low > 1",
    )


def test_doubts_are_the_adversary_s_claims():
    text = (
        "G1: {text: safe, supportedBy: [Sn1]}\nSn1: {}\nCG1: {text: rare, challenges: G1, undeveloped: true}\n"
        "CG2: {text: answered, challenges: CG1, supportedBy: [CSn1]}\nCSn1: {}"
    )
    risk = risk_case(Case.read(text))
    assert risk.nodes["G-not-G1"].supported_by == ("Sn-not-Sn1", "G-so-CG1")
    assert risk.nodes["G-so-CG1"].need == "all"
    assert set(risk.nodes["G-so-CG1"].supported_by) == {"Sn-so-CG1", "G-not-CG2"}
    assert risk.nodes["Sn-not-CSn1"].layer("slot") == "against CSn1"


def test_contexts_of_the_top_come_along():
    case = template("honeypot").instantiate(template("honeypot").example)
    risk = risk_case(accepted(case))
    assert risk.nodes["G-not-G0"].in_context_of == ("C1", "C2")
    assert risk.subjects == case.subjects
    assert not any(node.accepted for node in risk.nodes.values())


def both_ways(own: str, leg: str, attack: str) -> tuple[str, str]:
    """Values of the safety case's top and of the risk case's, for an assumption with a leg and a doubted context."""
    accepted_mark = ", accepted: 'R. Reviewer, 2026-11-21'" if own == "T" else ""
    text = (
        f"G1: {{supportedBy: [Sn1], inContextOf: [A1, C1]}}\nSn1: {{}}\nA1: {{supportedBy: [Sn2]{accepted_mark}}}\nSn2: {{}}\n"
        "C1: {}\nCSn1: {challenges: C1}\n"
    )
    stated = {"Sn1": "T", "Sn2": leg, "CSn1": attack, "A1": own}
    case = Case.read(text)
    nodes = [
        node.having(finding=EVIDENCE[stated[n]].id, predicate="score.low >= 1")
        if n in stated and n != "A1"
        else node
        for n, node in case.nodes.items()
    ]
    return Case.of(nodes).evaluate(EVIDENCE.values()).now, mirrored(case, stated).evaluate(
        EVIDENCE.values()
    ).now


@pytest.mark.parametrize("own", ["T", "U"])
@pytest.mark.parametrize("leg", ["T", "F", "U"])
@pytest.mark.parametrize("attack", ["T", "F", "U"])
def test_supported_assumptions_and_doubted_contexts_turn_around(own, leg, attack):
    safe, risky = both_ways(own, leg, attack)
    assert risky == OPPOSITE[safe]


def test_a_claim_without_support():
    risk = risk_case(Case.read("G1: {text: safe, undeveloped: true}"))
    assert risk.nodes["G-not"].supported_by == ("Sn-not-G1",)
    assert risk.graph.tops == ("G-not",)


def test_nothing_claimed_is_refused():
    with pytest.raises(InputError, match=r"The case 'text' claims nothing that could be false\.") as caught:
        risk_case(Case.read("C1: {text: only a context}"))
    assert caught.value.code == "Y59"


def test_deep_arguments_do_not_exhaust_the_stack():
    deep = 3000
    text = (
        "".join(f"G{i}: {{supportedBy: [G{i + 1}]}}\n" for i in range(deep))
        + f"G{deep}: {{undeveloped: true}}"
    )
    assert len(risk_case(Case.read(text)).nodes) == deep + 1
