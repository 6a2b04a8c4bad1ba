"""Labellings by enumeration against the evaluation, the definition, and what a case could also mean."""

from __future__ import annotations

import itertools
import random

import pytest
from case_arguments import BY_ID, leaf, random_case, slowly

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.dialectic import (
    alternative_readings,
    complete_labellings,
    grounded_labelling,
    preferred_labellings,
    stable_labellings,
)
from pellucid.cases.evaluation.verdict import read_leaves
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import InputError


def attack_graph(seed: int, most: int = 9) -> dict[str, list[str]]:
    draw = random.Random(seed)
    size = draw.randint(1, most)
    density = draw.choice([0.1, 0.2, 0.35, 0.6])
    names = [f"D{index}" for index in range(size)]
    return {name: [other for other in names if draw.random() < density] for name in names}


def as_case(attackers: dict[str, list[str]]) -> Case:
    """Every argument a challenge with true evidence; an attack by one on several goes through a twin of it."""
    counter = NodeKind.COUNTER_GOAL
    nodes = [Node(name, node_type=counter, supported_by=("CSn0",)) for name in attackers]
    nodes.append(leaf("CSn0", "T"))
    # `A` attacks each of its targets through a counter goal of its own that rests on `A` alone.
    for target, others in attackers.items():
        for other in others:
            arrow = f"{other}to{target}"
            nodes.append(Node(arrow, node_type=counter, supported_by=(other,), challenges=(target,)))
    return Case.of(nodes)


def by_definition(attackers: dict[str, list[str]]) -> set[tuple[str, ...]]:
    found = set()
    for values in itertools.product("TFU", repeat=len(attackers)):
        label = dict(zip(attackers, values, strict=True))
        fine = all(
            (label[a] == "T") == all(label[b] == "F" for b in others)
            and (label[a] == "F") == any(label[b] == "T" for b in others)
            for a, others in attackers.items()
        )
        if fine:
            found.add(values)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_complete_labellings_are_those_of_the_definition(seed: int) -> None:
    graph = attack_graph(seed, most=6)
    found = [tuple(labelling.values()) for labelling in complete_labellings(graph)]
    assert len(set(found)) == len(found)
    assert set(found) == by_definition(graph)


@pytest.mark.parametrize("seed", range(100))
def test_the_verdict_on_attacks_alone_is_the_grounded_labelling(seed: int) -> None:
    graph = attack_graph(seed, most=12 if seed < 12 else 9)
    states = as_case(graph).evaluate(BY_ID).states
    assert {name: states[name].value for name in graph} == dict(grounded_labelling(graph))


@pytest.mark.parametrize("seed", range(60))
def test_grounded_is_below_all_preferred_exist_and_stable_are_preferred(seed: int) -> None:
    graph = attack_graph(seed, most=8)
    grounded, preferred = grounded_labelling(graph), preferred_labellings(graph)
    assert preferred
    for labelling in complete_labellings(graph):
        assert all(labelling[name] == value for name, value in grounded.items() if value != "U")
    assert all(stable in preferred for stable in stable_labellings(graph))
    inside = [{name for name, value in one.items() if value == "T"} for one in preferred]
    assert not any(one < other for one in inside for other in inside)


def test_the_textbook_graphs() -> None:
    assert dict(grounded_labelling({"a": [], "b": ["a"], "c": ["b"]})) == {"a": "T", "b": "F", "c": "T"}
    assert len(preferred_labellings({"a": ["b"], "b": ["a"]})) == 2
    three = {"a": ["c"], "b": ["a"], "c": ["b"]}
    assert [dict(one) for one in preferred_labellings(three)] == [dict.fromkeys("abc", "U")]
    assert stable_labellings(three) == ()
    # Floating reinstatement: c is defeated whichever of a and b one takes, and d holds in both.
    floating = {"a": ["b"], "b": ["a"], "c": ["a", "b"], "d": ["c"]}
    assert grounded_labelling(floating)["d"] == "U"
    assert all(one["d"] == "T" for one in preferred_labellings(floating))
    assert complete_labellings({}) == ({},)


def test_too_many_or_unknown_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="13 arguments are too many") as error:
        complete_labellings({f"a{index}": [] for index in range(13)})
    assert error.value.code == "Y90"
    with pytest.raises(InputError, match="'b' attacks 'a' but is no argument") as error:
        complete_labellings({"a": ["b"]})
    assert error.value.code == "Y91"


# Whole cases --------------------------------------------------------------------------------------


def values(case: Case) -> dict[str, str]:
    found = read_leaves(case.graph, Evidence.of(case.graph, BY_ID, None))
    return {name: state.value for name, state in found.items()}


FEW = [seed for seed in range(60) if sum(map(len, attack_graph(seed, most=5).values())) <= 12]


@pytest.mark.parametrize("seed", FEW)
def test_other_readings_of_attacks_are_the_preferred_labellings(seed: int) -> None:
    graph = attack_graph(seed, most=5)
    case = as_case(graph)
    grounded, preferred = grounded_labelling(graph), preferred_labellings(graph)
    wanted = {
        name: sum(one[name] == "T" for one in preferred)
        for name in graph
        if grounded[name] == "U" and any(one[name] == "T" for one in preferred)
    }
    found = {one.element: one for one in alternative_readings(case.graph, values(case))}
    assert {name: found[name].readings for name in found if name in graph} == wanted
    assert all(one.of == len(preferred) for one in found.values())


@pytest.mark.parametrize("seed", range(30))
def test_a_case_without_circles_can_be_read_in_one_way_only(seed: int) -> None:
    case = random_case(seed)
    assert alternative_readings(case.graph, values(case)) == ()


def brute_force(case: Case, own: dict[str, str]) -> set[tuple[tuple[str, str], ...]]:
    """Every fixed point of the evaluation of a small case without support in circles."""
    order = {"F": 0, "U": 1, "T": 2}
    graph, names = case.graph, list(case.nodes)
    found = set()
    for guess in itertools.product("FUT", repeat=len(names)):
        label = dict(zip(names, guess, strict=True))

        def now(name: str, label: dict[str, str] = label) -> str:
            legs = [order[label[leg]] for leg in graph.support[name]]
            support = order[own[name]] if name in own else min(legs)
            attacks = max((order[label[d]] for d in graph.challengers.get(name, ())), default=0)
            return "FUT"[min(support, 2 - attacks)]

        if all(now(name) == label[name] for name in names):
            found.add(tuple(sorted(label.items())))
    return found


CIRCLE = """
G1: {supportedBy: [Sn1, Sn2]}
Sn1: {}
Sn2: {}
CG1: {challenges: Sn1, supportedBy: [CSn1]}
CSn1: {}
CG2: {challenges: CG1, supportedBy: [CSn1]}
CG3: {challenges: CG2, supportedBy: [CG1]}
"""


@pytest.mark.parametrize("own", ["TTT", "TUT", "TTU", "TFT", "UTT"])
def test_a_circle_of_doubt_and_reply_can_be_read_as_answered(own: str) -> None:
    case = Case.read(CIRCLE)
    leaves = dict(zip(("Sn1", "Sn2", "CSn1"), own, strict=True))
    fixed = brute_force(case, leaves)
    decided = [{pair for pair in one if pair[1] != "U"} for one in fixed]
    preferred = [
        dict(one) for one in fixed if not any({p for p in one if p[1] != "U"} < other for other in decided)
    ]
    grounded = dict(min(fixed, key=lambda one: sum(value != "U" for _, value in one)))
    wanted = {
        name: sum(one[name] == "T" for one in preferred)
        for name in case.nodes
        if grounded[name] == "U" and any(one[name] == "T" for one in preferred)
    }
    found = alternative_readings(case.graph, leaves)
    assert {one.element: one.readings for one in found} == wanted
    if own == "TTT":
        assert wanted["G1"] == 1
        (top,) = [one for one in found if one.element == "G1"]
        assert (top.assuming, top.of) == (("CG2",), 2)


def test_support_that_rests_on_itself_is_no_other_reading() -> None:
    case = Case.read("G1: {supportedBy: [G2]}\nG2: {supportedBy: [G1]}\nCSn1: {challenges: G1}\n")
    assert alternative_readings(case.graph, {"CSn1": "F"}) == ()


def test_more_circular_challengers_than_are_enumerated_are_refused() -> None:
    text = "G1: {supportedBy: [Sn1]}\nSn1: {}\n"
    for index in range(13):
        text += f"CSn{index}: {{challenges: CSn{(index + 1) % 13}}}\n"
    case = Case.read(text)
    with pytest.raises(InputError, match="13 undecided challengers answer each other in circles") as error:
        alternative_readings(case.graph, {name: "T" for name in case.nodes if "Sn" in name})
    assert error.value.code == "Y90"


def test_twelve_circular_challengers_are_enumerated() -> None:
    text = "G1: {supportedBy: [Sn1]}\nSn1: {}\nCSn12: {challenges: Sn1}\n"
    for index in range(12):
        text += f"CSn{index}: {{challenges: CSn{(index + 1) % 12}}}\n"
    case = Case.read(text + "CSn13: {challenges: CSn12}\n")
    leaves = {name: "T" for name in case.nodes if "Sn" in name}
    found = alternative_readings(case.graph, leaves)
    assert {one.element for one in found} == {f"CSn{index}" for index in range(12)}
    assert {(one.readings, one.of) for one in found} == {(1, 2)}
    assert slowly(case, leaves)["G1"] == "T"
