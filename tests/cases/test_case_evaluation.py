"""The value of an argument: against a slow evaluation, reachability, and enumerated labellings."""

from __future__ import annotations

import itertools
import random

import networkx
import pytest
from case_arguments import BY_ID, EVIDENCE, HOLDS, ORDER, leaf, leaves_of, random_case, slowly
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.evaluation.kleene import Reading, at_least, both, either, invert

VALUES = {"T": Reading(1, 0), "F": Reading(0, 1), "U": Reading(0, 0)}
COUNTER = NodeKind.COUNTER_SOLUTION


# Connectives -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), list(itertools.product("FUT", repeat=2)))
def test_and_is_the_minimum_or_the_maximum_and_not_keeps_undecided(one: str, other: str) -> None:
    pair = [VALUES[one], VALUES[other]]
    assert both(pair, 1).at(0) == min(one, other, key=ORDER.__getitem__)
    assert either(pair, 1).at(0) == max(one, other, key=ORDER.__getitem__)
    assert invert(VALUES[one]).at(0) == {"T": "F", "F": "T", "U": "U"}[one]


@given(st.lists(st.sampled_from("FUT"), min_size=1, max_size=7), st.data())
def test_k_of_n_is_the_kth_largest(values: list[str], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    largest = sorted(values, key=ORDER.__getitem__, reverse=True)[count - 1]
    assert at_least(count, [VALUES[value] for value in values], 1).at(0) == largest


@given(st.lists(st.lists(st.sampled_from("FUT"), min_size=4, max_size=4), min_size=1, max_size=9))
def test_many_scenarios_at_once_equal_one_by_one(scenarios: list[list[str]]) -> None:
    every = (1 << len(scenarios)) - 1
    columns = [
        Reading(
            sum((values[leg] == "T") << index for index, values in enumerate(scenarios)),
            sum((values[leg] == "F") << index for index, values in enumerate(scenarios)),
        )
        for leg in range(4)
    ]
    for count in range(1, 5):
        together = at_least(count, columns, every)
        alone = [at_least(count, [VALUES[value] for value in values], 1).at(0) for values in scenarios]
        assert [together.at(index) for index in range(len(scenarios))] == alone


def test_nothing_to_ask_is_true_of_all_and_false_of_any() -> None:
    assert both([], 1).at(0) == "T"
    assert either([], 1).at(0) == "F"


# Whole arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(300))
def test_flipping_a_leaf_changes_what_brute_force_says_and_touches_what_reachability_says(seed: int) -> None:
    case = random_case(seed)
    before = case.evaluate(BY_ID)
    assert {name: state.value for name, state in before.states.items()} == slowly(case)
    uses = networkx.DiGraph()
    uses.add_nodes_from(case.nodes)
    for name, node in case.nodes.items():
        uses.add_edges_from((name, other) for other in (*node.supported_by, *node.in_context_of))
        for end in node.challenges:
            # A challenge of a relation bears on the end that owns the relation.
            other = next((other for other in node.challenges if other != end), None)
            owns = other is None or other in (*case.nodes[end].supported_by, *case.nodes[end].in_context_of)
            if owns or (other is not None and case.nodes[other].challenges == (end,)):
                uses.add_edge(end, node.id)
    for name in leaves_of(case)[:: max(1, len(leaves_of(case)) // 6)]:
        node = case.nodes[name]
        if node.kind is NodeKind.ASSUMPTION:
            continue
        to = "F" if node.finding == EVIDENCE["T"].id else "T"
        after = case.bind({name: EVIDENCE[to].id}).evaluate(BY_ID)
        expected, now = slowly(case), slowly(case, {name: to})
        assert before.changed(after) == {other for other in now if now[other] != expected[other]}
        touched = case.touched([name])
        assert touched == {name, *networkx.ancestors(uses, name)}
        assert before.changed(after) <= touched


def test_touched_takes_findings_as_well_as_elements() -> None:
    case = Case.of([Node("G1", supported_by=("Sn1", "Sn2")), leaf("Sn1", "T"), leaf("Sn2", "F")])
    assert case.touched([EVIDENCE["T"].id]) == {"Sn1", "G1"}
    assert case.touched(["Sn2"]) == {"Sn2", "G1"}
    assert case.touched(["nothing of ours"]) == frozenset()


@pytest.mark.parametrize("seed", range(60))
def test_the_order_of_the_file_does_not_change_a_verdict(seed: int) -> None:
    case = random_case(seed)
    nodes = list(case.nodes.values())
    random.Random(seed).shuffle(nodes)
    one, other = case.evaluate(BY_ID), Case.of(nodes).evaluate(BY_ID)
    assert {name: state.now for name, state in one.states.items()} == {
        name: state.now for name, state in other.states.items()
    }
    assert (one.value, one.now) == (other.value, other.now)


def top(*nodes: Node) -> str:
    return Case.of(nodes).evaluate(BY_ID).now


def test_a_claim_without_support_is_undecided_and_never_vacuously_true() -> None:
    assert top(Node("G1")) == "U"
    assert top(Node("G1", undeveloped=True)) == "U"
    assert top(Node("G1", layers=(("need", "any"),))) == "U"
    assert Case.of([]).evaluate({}).now == "U"
    assert Case.read("").evaluate({}).reason == "The case claims nothing."


@pytest.mark.parametrize("need", ["0", "4", "-1", "most", "1.5", "²", "99999999999999999999"])
def test_a_need_that_cannot_be_met_or_read_is_undecided(need: str) -> None:
    legs = [leaf(f"Sn{index}", "T") for index in range(3)]
    goal = Node("G1", supported_by=("Sn0", "Sn1", "Sn2"), layers=(("need", need),))
    assert top(goal, *legs) == "U"


@pytest.mark.parametrize(
    ("need", "values", "expected"), [("2", "TTF", "T"), ("2", "TUF", "U"), ("2", "TFF", "F")]
)
def test_two_of_three(need: str, values: str, expected: str) -> None:
    legs = [leaf(f"Sn{index}", value) for index, value in enumerate(values)]
    assert (
        top(Node("G1", supported_by=tuple(n.id for n in legs), layers=(("need", need),)), *legs) == expected
    )


def test_an_absent_leg_is_undecided_and_not_left_out() -> None:
    assert top(Node("G1", supported_by=("Sn1", "Sn9")), leaf("Sn1", "T")) == "U"


@pytest.mark.parametrize(("doubt", "expected"), [("T", "F"), ("U", "U"), ("F", "T")])
def test_a_declared_doubt_costs_confidence_but_only_evidence_defeats(doubt: str, expected: str) -> None:
    challenge = leaf("CSn1", doubt, challenges=("G1",))
    assert top(Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T"), challenge) == expected


@pytest.mark.parametrize(("reply", "expected"), [("T", "T"), ("U", "U"), ("F", "F")])
def test_a_reply_is_a_challenge_of_the_challenge(reply: str, expected: str) -> None:
    nodes = [
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "T"),
        leaf("CSn1", "T", challenges=("G1",)),
        leaf("CSn2", reply, challenges=("CSn1",)),
    ]
    assert top(*nodes) == expected


@pytest.mark.parametrize("ends", [("G1", "Sn1"), ("Sn1", "G1")])
def test_a_challenge_of_a_relation_takes_away_one_leg_only(ends: tuple[str, str]) -> None:
    shared = leaf("Sn1", "T")
    nodes = [
        Node("G0", supported_by=("G1", "G2"), layers=(("need", "any"),)),
        Node("G1", supported_by=("Sn1",)),
        Node("G2", supported_by=("Sn1",)),
        shared,
        leaf("CSn1", "T", challenges=ends),
    ]
    states = Case.of(nodes).evaluate(BY_ID).states
    assert {name: states[name].now for name in ("G0", "G1", "G2", "Sn1")} == {
        "G0": "T",
        "G1": "F",
        "G2": "T",
        "Sn1": "T",
    }


def test_a_challenge_of_a_challenge_relation_disarms_it() -> None:
    nodes = [
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "T"),
        leaf("CSn1", "T", challenges=("G1",)),
        leaf("CSn2", "T", challenges=("G1", "CSn1")),
    ]
    states = Case.of(nodes).evaluate(BY_ID).states
    assert (states["G1"].now, states["CSn1"].now) == ("T", "T")


def test_a_challenged_context_takes_its_owner_down() -> None:
    nodes = [
        Node("G1", supported_by=("Sn1",), in_context_of=("C1", "J1")),
        Node("C1"),
        Node("J1"),
        leaf("Sn1", "T"),
    ]
    assert top(*nodes) == "T"
    assert top(*nodes, leaf("CSn1", "T", challenges=("C1",))) == "F"


def test_a_circle_of_support_decides_nothing() -> None:
    nodes = [
        Node("G0", supported_by=("G1",)),
        Node("G1", supported_by=("G2",)),
        Node("G2", supported_by=("G1",)),
    ]
    assert top(*nodes) == "U"


def test_with_several_roots_all_must_hold() -> None:
    nodes = [
        Node("G1", supported_by=("Sn1",)),
        Node("G2", supported_by=("Sn2",)),
        leaf("Sn1", "T"),
        leaf("Sn2", "F"),
    ]
    verdict = Case.of(nodes).evaluate(BY_ID)
    assert (verdict.top, verdict.now, verdict.reason_path) == ("G1, G2", "F", ("G2", "Sn2"))


# Attacks alone: Dung's grounded labelling ----------------------------------------------------------


def attack_case(size: int, attacks: set[tuple[int, int]]) -> Case:
    """Elements that hold by themselves and challenge each other; a stand-in lets one challenge several."""
    by = "\n".join(f"{source} {target}" for source, target in sorted(attacks))
    nodes = [leaf(f"D{index}", "T", node_type=COUNTER) for index in range(size)]
    for index, line in enumerate(filter(None, by.split("\n"))):
        source, target = line.split()
        stand_in = Node(
            f"P{index}",
            node_type=NodeKind.COUNTER_GOAL,
            supported_by=(f"D{source}",),
            challenges=(f"D{target}",),
        )
        nodes.append(stand_in)
    return Case.of(nodes)


def grounded(size: int, attacks: set[tuple[int, int]]) -> tuple[str, ...]:
    """Of all complete labellings the one with the fewest elements in, found by trying every labelling."""
    attackers = [[source for source, target in attacks if target == index] for index in range(size)]
    complete = [
        labels
        for labels in itertools.product("TFU", repeat=size)
        if all(_legal(labels, labels[index], attackers[index]) for index in range(size))
    ]
    return min(complete, key=lambda labels: labels.count("T") + labels.count("F"))


def _legal(labels: tuple[str, ...], label: str, attackers: list[int]) -> bool:
    against = [labels[index] for index in attackers]
    if all(value == "F" for value in against):
        return label == "T"
    return label == ("F" if "T" in against else "U")


@pytest.mark.parametrize("seed", range(120))
def test_attacks_alone_give_the_grounded_labelling(seed: int) -> None:
    draw = random.Random(seed)
    size = draw.randint(1, 6)
    pairs = list(itertools.product(range(size), repeat=2))
    attacks = set(draw.sample(pairs, draw.randint(0, min(len(pairs), 2 * size))))
    states = attack_case(size, attacks).evaluate(BY_ID).states
    assert tuple(states[f"D{index}"].value for index in range(size)) == grounded(size, attacks)


# Sensitivity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_sensitivity_equals_evaluating_again_with_each_leaf_changed(seed: int) -> None:
    case = random_case(seed, most=25)
    rows = case.sensitivity(BY_ID)
    assert {row.leaf for row in rows} == set(leaves_of(case))
    for row in rows:
        tops = {value: slowly(case, {row.leaf: value})["G0"] for value in "UTF"}
        assert (row.without, row.if_true, row.if_false) == (tops["U"], tops["T"], tops["F"])
        assert row.top == slowly(case)["G0"]
        assert row.decides == (len(set(tops.values())) > 1)
    assert [row.decides for row in rows] == sorted((row.decides for row in rows), reverse=True)


def test_sensitivity_without_evidence_reads_every_leaf_as_undecided() -> None:
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T")])
    (row,) = case.sensitivity()
    assert (row.leaf, row.finding, row.value, row.top) == ("Sn1", EVIDENCE["T"].id, "U", "U")
    assert (row.if_true, row.if_false, row.decides) == ("T", "F", True)


# Why the top is not true ---------------------------------------------------------------------------


def raised(before: str, after: str) -> bool:
    return ORDER[after] > ORDER[before]


@pytest.mark.parametrize("seed", range(200))
def test_reasons_are_a_single_flip_if_there_is_one_else_a_set_without_spare_parts(seed: int) -> None:
    case = random_case(seed, most=30)
    verdict = case.evaluate(BY_ID)
    before = slowly(case)["G0"]
    assert verdict.now == before
    wishes = [(name, value) for name in leaves_of(case) for value in "TF"]
    singles = {name for name, value in wishes if raised(before, slowly(case, {name: value})["G0"])}
    if verdict.stands:
        assert verdict.reasons == ()
        return
    ends = [chain[-1] for chain in verdict.reasons]
    if singles:
        assert len(ends) == 1
        assert ends[0] in singles
    if len(ends) > 1:
        assert _raises(case, before, ends)
        assert not any(_raises(case, before, [other for other in ends if other != end]) for end in ends)
    for chain in verdict.reasons:
        assert chain[0] == "G0"
        assert all(below in case.graph.depends[above] for above, below in itertools.pairwise(chain))


def _raises(case: Case, before: str, names: list[str]) -> bool:
    """Whether some way of setting these leaves raises the top."""
    ways = itertools.product("TF", repeat=len(names)) if len(names) <= 6 else [_sides(case, names)]
    return any(raised(before, slowly(case, dict(zip(names, way, strict=True)))["G0"]) for way in ways)


def _sides(case: Case, names: list[str]) -> list[str]:
    sides = {name: "T" if case.nodes[name].kind is not COUNTER else "F" for name in names}
    return [sides[name] for name in names]


def test_the_reason_is_the_leaf_at_fault() -> None:
    nodes = [
        Node("G0", supported_by=("G1", "G2")),
        Node("G1", supported_by=("Sn1",)),
        Node("G2", supported_by=("Sn2",)),
        leaf("Sn1", "T"),
        leaf("Sn2", "F"),
    ]
    verdict = Case.of(nodes).evaluate(BY_ID)
    assert verdict.reason_path == ("G0", "G2", "Sn2")
    assert verdict.reason == f"Sn2: `{HOLDS}` does not hold."
    assert verdict.word == "defeated"


def test_of_two_leaves_at_fault_both_are_named_and_evidence_comes_before_challenges() -> None:
    nodes = [
        Node("G0", supported_by=("G1", "Sn3")),
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "F"),
        leaf("Sn3", "T"),
        leaf("CSn1", "T", challenges=("G0",)),
    ]
    verdict = Case.of(nodes).evaluate(BY_ID)
    assert verdict.reasons == (("G0", "G1", "Sn1"), ("G0", "CSn1"))


def test_the_shortest_of_several_chains_is_the_reason() -> None:
    nodes = [
        Node("G0", supported_by=("G1", "Sn2"), layers=(("need", "any"),)),
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "F"),
        leaf("Sn2", "U"),
    ]
    assert Case.of(nodes).evaluate(BY_ID).reason_path == ("G0", "Sn2")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.sampled_from(["all", "any", "2"]))
def test_a_wide_claim_names_exactly_as_many_leaves_as_it_lacks(width: int, need: str) -> None:
    legs = tuple(f"Sn{index}" for index in range(width))
    nodes = [Node("G0", supported_by=legs, layers=(("need", need),)), *(leaf(name, "U") for name in legs)]
    lacking = {"all": width, "any": 1, "2": 2}[need]
    assert len(Case.of(nodes).evaluate(BY_ID).reasons) == lacking


# Size ----------------------------------------------------------------------------------------------


def test_a_deep_and_a_wide_case_of_ten_thousand_elements_are_evaluated() -> None:
    chain = [Node(f"G{index}", supported_by=(f"G{index + 1}",)) for index in range(9_999)]
    assert top(*chain, Node("G9999", supported_by=("Sn1",)), leaf("Sn1", "T")) == "T"
    legs = tuple(f"Sn{index}" for index in range(10_000))
    verdict = Case.of([Node("G0", supported_by=legs), *(leaf(name, "U") for name in legs)]).evaluate(BY_ID)
    assert (verdict.now, len(verdict.reasons)) == ("U", 10_000)
