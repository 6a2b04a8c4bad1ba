"""Exact probabilities, importances and cut sets: against adding up all states, on arguments with sharing."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from case_arguments import BY_ID, ORDER, everywhere, leaf, leaves_of, random_case, slowly
from numpy.typing import NDArray

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.confidence.cut_sets import CutSet, cut_sets
from pellucid.cases.confidence.diagram import FALSE, TRUE, Diagram
from pellucid.cases.confidence.exact import compile_graph, leaves_asked, node_probabilities, scenarios
from pellucid.cases.confidence.importance import importances, minimal_cut_sets
from pellucid.cases.confidence.leaves import LeafConfidence, read_confidences
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.confidence.sensitivity import sensitivities
from pellucid.cases.confidence.structure import circular
from pellucid.cases.evaluation.kleene import Reading
from pellucid.cases.evaluation.operator import TOP, background, settle
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import InputError

COUNTER = NodeKind.COUNTER_SOLUTION


def _holds(case: Case, state: Mapping[str, bool]) -> dict[str, bool]:
    """Every element when all leaves are true or false, by the slow dialectical evaluation."""
    values = {name: "T" if state.get(name) else "F" for name in leaves_of(case)}
    found = slowly(case, values)
    assert "U" not in found.values()
    whole = all(found[name] == "T" for name in case.graph.tops)
    return {name: value == "T" for name, value in found.items()} | {TOP: whole}


def _states(case: Case) -> list[tuple[dict[str, bool], dict[str, bool]]]:
    names = leaves_of(case)
    every = itertools.product((False, True), repeat=len(names))
    return [(state := dict(zip(names, held, strict=True)), _holds(case, state)) for held in every]


def _weight(state: Mapping[str, bool], p: Mapping[str, Any]) -> Any:
    weight: Any = 1
    for name, true in state.items():
        weight = weight * (p[name] if true else 1 - p[name])
    return weight


def _top(states: list[tuple[dict[str, bool], dict[str, bool]]], p: Mapping[str, Any]) -> Any:
    return sum(_weight(state, p) for state, found in states if found[TOP])


def _few_leaves(seed: int, *, most: int) -> Case:
    """A random argument with sharing, challenges, replies and k of n, and few enough leaves to enumerate."""
    for attempt in itertools.count():
        case = random_case(1000 * seed + attempt, least=8, most=24)
        if 3 <= len(leaves_of(case)) <= most:
            return case
    raise AssertionError


def _drawn(names: list[str], seed: int) -> dict[str, float]:
    draw = random.Random(seed)
    return {name: draw.choice([draw.random(), 1 - draw.random() ** 6]) for name in names}


# Against enumeration -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_every_element_and_every_importance_equals_enumeration(seed: int) -> None:
    case = _few_leaves(seed, most=9)
    names = leaves_of(case)
    p = _drawn(names, seed)
    states = _states(case)
    compiled = compile_graph(case.graph)
    found = node_probabilities(compiled, scenarios(case.graph, p))
    for name in (*case.nodes, TOP):
        expected = sum(_weight(state, p) for state, values in states if values[name])
        assert abs(found[name] - expected) < 1e-12, name
    rows = importances(case.graph, p)
    failing = sum(_weight(state, p) for state, values in states if not values[TOP])
    for name in rows:
        row = rows[name]
        perfect, gone = 1 - _top(states, {**p, name: 1.0}), 1 - _top(states, {**p, name: 0.0})
        assert abs(row.birnbaum - (gone - perfect)) < 1e-12
        if failing > 1e-6:
            # ratios carry the rounding of 1 - P, divided by Q
            assert row.risk_achievement == pytest.approx(gone / failing, abs=1e-9)
            assert row.fussell_vesely == pytest.approx((failing - perfect) / failing, abs=1e-9)
            assert row.criticality == pytest.approx((gone - perfect) * (1 - p[name]) / failing, abs=1e-9)
        if failing > 1e-6 and perfect > 1e-6:
            assert row.risk_reduction == pytest.approx(failing / perfect, rel=1e-9)


def _entangled(seed: int) -> Case:
    """10 to 16 leaves, some shared, with challenges of elements and of relations, replies, and k of n."""
    for attempt in itertools.count():
        case = random_case(10_000 * (seed + 1) + attempt, least=18, most=32)
        nodes, leaves = case.nodes.values(), leaves_of(case)
        legs = [leg for node in nodes for leg in node.supported_by]
        if (
            10 <= len(leaves) <= 16
            and {1, 2} <= {len(node.challenges) for node in nodes}
            and any(node.need.isdigit() and 1 < int(node.need) < len(node.supported_by) for node in nodes)
            and any(legs.count(leaf) > 1 for leaf in leaves)
        ):
            return case
    raise AssertionError


def _reading(true: NDArray[np.bool_]) -> Reading:
    mask, every = int.from_bytes(np.packbits(true, bitorder="little").tobytes(), "little"), len(true)
    return Reading(mask, (1 << every) - 1 & ~mask)


@pytest.mark.parametrize("seed", range(48))
def test_up_to_sixteen_leaves_equal_full_enumeration(seed: int) -> None:
    """Each measure times what it is divided by: Q is exact to 1e-12, and a ratio is no more exact than Q."""
    case = _entangled(seed)
    names, holds = leaves_of(case), everywhere(case)
    states = np.arange(1 << len(names))
    p = dict(zip(names, np.random.default_rng(seed).uniform(0.02, 0.98, len(names)).tolist(), strict=True))
    fails = ~np.logical_and.reduce([holds[name] for name in case.graph.tops])

    def failing(given: Mapping[str, float]) -> float:
        weight = np.ones(len(states))
        for place, name in enumerate(names):
            weight *= np.where(states >> place & 1, given[name], 1 - given[name])
        return math.fsum(weight[fails])

    q = failing(p)
    compiled = compile_graph(case.graph)
    assert abs(node_probabilities(compiled, scenarios(case.graph, p))[TOP] - (1 - q)) < 1e-12
    rows = importances(case.graph, p)
    assert set(rows) == set(compiled.diagram.names)
    for name in names:
        gone, perfect = failing({**p, name: 0.0}), failing({**p, name: 1.0})
        if name not in rows:  # no state of it reaches the top
            assert gone == perfect
            continue
        row = rows[name]
        assert abs(row.birnbaum - (gone - perfect)) < 1e-12
        assert abs(row.risk_achievement * q - gone) < 1e-12
        assert abs(row.fussell_vesely * q - (q - perfect)) < 1e-12
        assert abs(row.criticality * q - (gone - perfect) * (1 - p[name])) < 1e-12
        assert abs(q / row.risk_reduction - perfect) < 1e-12  # infinite when a perfect leaf leaves no failure


@pytest.mark.parametrize("seed", range(0, 48, 4))
def test_all_states_in_one_pass_equal_the_definition(seed: int) -> None:
    """``settle`` with 2^n scenarios as bits: every element, in every state of its leaves."""
    case = _entangled(seed)
    names, holds = leaves_of(case), everywhere(case)
    states, every = np.arange(1 << len(names)), (1 << (1 << len(names))) - 1
    leaves = {name: _reading((states >> place & 1).astype(bool)) for place, name in enumerate(names)}
    found = settle(case.graph, leaves | background(case.graph, every), every)
    for name in case.nodes:
        assert found[name] == _reading(holds[name]), name


def test_sixteen_shared_leaves_equal_enumeration_to_the_last_digit() -> None:
    draw = random.Random(0)
    names = [f"Sn{index}" for index in range(16)]
    diagram = Diagram(names)
    groups = [(draw.randint(1, 4), draw.sample(names, 5), draw.random() < 0.3) for _ in range(8)]
    parts = []
    for k, members, negated in groups:
        part = diagram.at_least(k, [diagram.leaf(name) for name in members])
        parts.append(diagram.invert(part) if negated and k > 2 else part)
    root = diagram.at_least(5, parts)
    parts_of_100 = {name: draw.randint(1, 99) for name in names}
    total, slopes = 0, dict.fromkeys(names, 0)
    for held in itertools.product((False, True), repeat=16):
        state = dict(zip(names, held, strict=True))
        counted = sum(
            (sum(state[name] for name in members) >= k) != (negated and k > 2)
            for k, members, negated in groups
        )
        if counted >= 5:
            shares = [parts_of_100[name] if state[name] else 100 - parts_of_100[name] for name in names]
            weight = math.prod(shares)
            total += weight
            for name, share in zip(names, shares, strict=True):
                slopes[name] += weight // share * (1 if state[name] else -1)
    p = {name: Fraction(part, 100) for name, part in parts_of_100.items()}
    # exact rational arithmetic: equality, not closeness
    exact = Fraction(total, 100**16)
    assert diagram.probability(root, p) == exact
    assert diagram.birnbaum(root, p) == {name: Fraction(slope, 100**15) for name, slope in slopes.items()}
    floats = {name: float(value) for name, value in p.items()}
    assert abs(diagram.probability(root, floats) - float(exact)) < 1e-12


def test_fractions_stay_fractions_through_a_case() -> None:
    case = Case.of(
        [
            Node("G1", supported_by=("Sn1", "G2"), layers=(("need", "any"),)),
            Node("G2", supported_by=("Sn1", "Sn2")),
            Node("Sn1"),
            Node("Sn2"),
        ]
    )
    p = {"Sn1": Fraction(1, 3), "Sn2": Fraction(1, 7)}
    compiled = compile_graph(case.graph)
    found = node_probabilities(compiled, scenarios(case.graph, p))
    assert found["G2"] == Fraction(1, 21)
    # G1 or (G1 and Sn2) is Sn1 alone: a product rule would not see it
    assert found[TOP] == Fraction(1, 3)
    rows = importances(case.graph, p)
    assert rows["Sn2"].birnbaum == 0
    assert rows["Sn1"].birnbaum == 1
    assert rows["Sn1"].fussell_vesely == 1


@pytest.mark.parametrize("seed", range(25))
def test_cut_sets_equal_those_found_by_enumeration(seed: int) -> None:
    case = _few_leaves(seed + 500, most=7)
    names = leaves_of(case)
    compiled = compile_graph(case.graph)
    read = [name for name in names if name in compiled.diagram.names]
    states = [(state, found[TOP]) for state, found in _states(case)]
    forcing: list[dict[str, bool]] = []
    for size in range(len(read) + 1):
        for chosen in itertools.combinations(read, size):
            for values in itertools.product((False, True), repeat=size):
                part = dict(zip(chosen, values, strict=True))
                if any(part.items() >= smaller.items() for smaller in forcing):
                    continue
                if not any(top for state, top in states if state.items() >= part.items()):
                    forcing.append(part)
    expected = {
        CutSet(
            frozenset(name for name, true in part.items() if not true),
            frozenset(name for name, true in part.items() if true),
        )
        for part in forcing
    }
    found = minimal_cut_sets(case.graph)
    assert found.complete
    assert set(found.sets) == expected
    assert len(found.sets) == len(expected)


def test_cut_sets_of_a_shared_layered_argument_by_hand() -> None:
    nodes = [
        Node("G1", supported_by=("G2", "G3"), layers=(("need", "any"),)),
        Node("G2", supported_by=("Sn1", "Sn2")),
        Node("G3", supported_by=("Sn1", "Sn3")),
        *(Node(f"Sn{index}") for index in (1, 2, 3)),
        Node("CSn1", challenges=("G3",)),
        Node("CSn2", challenges=("CSn1",)),
    ]
    found = minimal_cut_sets(Case.of(nodes).graph)
    assert [str(cut) for cut in found.sets] == ["Sn1", "Sn2, Sn3", "CSn2, Sn2, CSn1 (if true)"]
    assert [sorted(cut.leaves) for cut in found.sets][2] == ["CSn1", "CSn2", "Sn2"]


def test_too_many_cut_sets_give_the_small_ones_and_say_so() -> None:
    goals = [Node(f"G{index}", supported_by=(f"Sn{index}a", f"Sn{index}b")) for index in range(1, 13)]
    top = Node("G0", supported_by=("Sn0", "S1"))
    ways = Node("S1", supported_by=tuple(goal.id for goal in goals), layers=(("need", "any"),))
    leaves = [Node(leg) for goal in goals for leg in goal.supported_by]
    found = minimal_cut_sets(Case.of([top, ways, *goals, Node("Sn0"), *leaves]).graph, most=100)
    # one set of one leaf, and 2^12 of twelve
    assert [str(cut) for cut in found.sets] == ["Sn0"]
    assert not found.complete
    assert found.largest == 11


def test_more_single_leaves_than_may_be_listed_are_cut_short_and_said() -> None:
    names = tuple(f"Sn{index:03}" for index in range(50))
    found = minimal_cut_sets(Case.of([Node("G1", supported_by=names), *map(Node, names)]).graph, most=20)
    assert [str(cut) for cut in found.sets] == list(names[:20])
    assert (found.complete, found.largest) == (False, 1)


# Diagrams ----------------------------------------------------------------------------------------


def test_equal_functions_are_one_node() -> None:
    d = Diagram(["a", "b", "c"])
    a, b, c = (d.leaf(name) for name in "abc")
    assert d.both([a, d.either([b, c])]) == d.either([d.both([a, b]), d.both([a, c])])
    assert d.invert(d.both([a, b])) == d.either([d.invert(a), d.invert(b)])
    assert d.at_least(2, [a, b, c]) == d.either([d.both([a, b]), d.both([a, c]), d.both([b, c])])
    assert d.both([a, d.invert(a)]) == FALSE
    assert d.either([a, d.invert(a)]) == TRUE
    assert d.both([]) == TRUE
    assert d.either([]) == FALSE
    assert d.invert(TRUE) == FALSE
    assert d.variables(d.either([d.both([a, b]), d.both([a, d.invert(b)])])) == ("a",)


def test_k_of_many_is_counted_from_either_side() -> None:
    names = [f"x{index}" for index in range(9)]
    d = Diagram(names)
    for k in range(1, 10):
        root = d.at_least(k, [d.leaf(name) for name in names])
        for held in itertools.product((False, True), repeat=9):
            assert d.holds(root, dict(zip(names, held, strict=True))) == (sum(held) >= k)


def test_a_constant_function_has_a_probability_and_no_importance() -> None:
    d = Diagram(["a"])
    assert d.probability(TRUE, {"a": 0.3}) == 1
    assert d.birnbaum(FALSE, {"a": 0.3}) == {"a": 0}
    assert cut_sets(d, TRUE).sets == ()
    assert cut_sets(d, TRUE).complete
    assert [str(cut) for cut in cut_sets(d, FALSE).sets] == ["nothing"]


def test_small_doubts_keep_their_digits() -> None:
    case = Case.of(
        [Node("G1", supported_by=("Sn1", "Sn2"), layers=(("need", "any"),)), Node("Sn1"), Node("Sn2")]
    )
    p = {"Sn1": 1 - 2.0**-40, "Sn2": 1 - 2.0**-41}
    row = importances(case.graph, p)["Sn1"]
    # Q is 2^-81, far below the spacing of numbers near 1
    assert row.risk_achievement == pytest.approx(2.0**40, rel=1e-9)
    assert row.criticality == pytest.approx(1.0, rel=1e-9)


# Size --------------------------------------------------------------------------------------------


def shared_case(seed: int, leaves: int = 200, goals: int = 100) -> Case:
    """Every leaf supports several goals, each goal needs all, any or two of four leaves near each other."""
    draw = random.Random(seed)
    names = [f"Sn{index}" for index in range(leaves)]
    draw.shuffle(names)
    made = []
    for index in range(goals):
        near = [names[(index * leaves // goals + step) % leaves] for step in range(7)]
        need = draw.choice(["any", "all", "2"])
        made.append(Node(f"G{index + 1}", supported_by=tuple(draw.sample(near, 4)), layers=(("need", need),)))
    draw.shuffle(made)
    used = {name for node in made for name in node.supported_by}
    rest = tuple(name for name in names if name not in used)
    top = Node("G0", supported_by=(*(node.id for node in made), *rest))
    return Case.of([top, *made, *(Node(name) for name in sorted(names))])


@pytest.mark.parametrize("seed", range(3))
def test_two_hundred_shared_leaves_are_ranked(seed: int) -> None:
    case = shared_case(seed)
    draw = random.Random(seed)
    leaves = {
        name: LeafConfidence(Opinion.certain(draw.uniform(0.9, 0.999))) for name in leaves_asked(case.graph)
    }
    assert len(leaves) == 200
    rows = sensitivities(case.graph, leaves)
    assert len(rows) == 200
    assert all(row.birnbaum is not None and row.birnbaum >= 0 for row in rows)
    for row in rows[:3]:
        ends = [dict.fromkeys([row.leaf], LeafConfidence(Opinion.certain(end))) for end in (1.0, 0.0)]
        tops = []
        for end in ends:
            p = {name: each.probability for name, each in (leaves | end).items()}
            tops.append(node_probabilities(compile_graph(case.graph), scenarios(case.graph, p))[TOP])
        assert row.birnbaum == pytest.approx(tops[0] - tops[1], abs=1e-12)


def test_rows_keep_their_verdicts_where_the_exact_number_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Diagram.__init__, "__defaults__", (8,))
    case = shared_case(0)
    leaves = {name: LeafConfidence(Opinion.certain(0.9), value="T") for name in leaves_asked(case.graph)}
    rows = sensitivities(case.graph, leaves)
    assert len(rows) == 200
    assert {row.birnbaum for row in rows} == {None}
    assert {row.top for row in rows} == {"T"}


def far_case(shape: str) -> Case:
    """Leaves shared between goals that are not near each other."""
    draw, names = random.Random(0), [f"Sn{index}" for index in range(200)]
    counted = [(*names[10 * g : 10 * g + 10], *draw.sample(names[:100], 2)) for g in range(20)]
    scattered = [tuple(draw.sample(names, 4)) for _ in range(50)]
    legs, need, top = (counted, "3", "15") if shape == "counted" else (scattered, "all", "any")
    goals = [Node(f"G{g + 1}", supported_by=of, layers=(("need", need),)) for g, of in enumerate(legs)]
    whole = Node("G0", supported_by=tuple(goal.id for goal in goals), layers=(("need", top),))
    return Case.of([whole, *goals, *(Node(name) for name in sorted({leg for of in legs for leg in of}))])


@pytest.mark.parametrize("shape", ["counted", "conjunctions"])
def test_leaves_shared_between_far_goals_are_weighed_level_by_level_as_node_by_node(shape: str) -> None:
    compiled = compile_graph(far_case(shape).graph)
    diagram, top, p = compiled.diagram, compiled.top, _drawn(list(compiled.diagram.names), 1)
    assert len(diagram.below([top])) > 10_000
    slopes = diagram.birnbaum(top, p)
    one_by_one = diagram.birnbaum(top, {name: np.longdouble(each) for name, each in p.items()})
    assert max(abs(slopes[name] - one_by_one[name]) for name in p) < 1e-12


def test_a_diagram_that_would_not_fit_is_refused_with_a_way_out() -> None:
    # pairs (x_i and y_i) with all x before all y: the worst order, 2^n nodes
    names = [*(f"x{index}" for index in range(20)), *(f"y{index}" for index in range(20))]
    d = Diagram(names, limit=2000)
    pairs = [d.both([d.leaf(f"x{index}"), d.leaf(f"y{index}")]) for index in range(20)]
    with pytest.raises(InputError, match="Split the argument into modules") as refused:
        d.either(pairs)
    assert refused.value.code == "Y74"


def test_the_order_follows_the_argument_and_not_the_file() -> None:
    # the same pairs as an argument: the diagram stays small whatever order the file has
    goals = [Node(f"G{index}", supported_by=(f"Sn{index}", f"Sn{index + 100}")) for index in range(1, 61)]
    leaves = [Node(name) for name in sorted({leg for goal in goals for leg in goal.supported_by})]
    top = Node("G0", supported_by=tuple(goal.id for goal in goals), layers=(("need", "any"),))
    compiled = compile_graph(Case.of([top, *leaves, *goals]).graph)
    assert len(compiled.diagram.below([compiled.top])) == 120


def test_a_chain_of_thousands_does_not_exhaust_the_stack() -> None:
    size = 5000
    nodes = [Node(f"G{index}", supported_by=(f"G{index + 1}", f"Sn{index}")) for index in range(size)]
    nodes += [
        Node(f"G{size}", supported_by=(f"Sn{size}",)),
        *(Node(f"Sn{index}") for index in range(size + 1)),
    ]
    compiled = compile_graph(Case.of(nodes).graph)
    p = dict.fromkeys(compiled.diagram.names, 0.9999)
    found = node_probabilities(compiled, scenarios(Case.of(nodes).graph, p))
    assert found[TOP] == pytest.approx(0.9999 ** (size + 1), rel=1e-9)


def test_a_chain_of_thousands_of_replies_is_inverted_once() -> None:
    size = 10_000
    counters = [
        Node(f"CSn{index}", challenges=(f"CSn{index - 1}",) if index else ("G1",)) for index in range(size)
    ]
    graph = Case.of([Node("G1", supported_by=("Sn1",)), Node("Sn1"), *counters]).graph
    compiled = compile_graph(graph)
    found = node_probabilities(compiled, scenarios(graph, dict.fromkeys(compiled.diagram.names, 0.5)))
    # v = (1 - v) / 2, from the last reply up
    assert found["CSn0"] == pytest.approx(1 / 3, abs=1e-12)


# Common causes -----------------------------------------------------------------------------------


def _joined(beta: str = "0.1") -> Case:
    layers = (("commonCause", "same training data"), ("beta", beta))
    names = ("Sn1", "Sn2", "Sn3")
    return Case.of(
        [Node("G1", supported_by=names, layers=(("need", "any"),)), *(Node(n, layers=layers) for n in names)]
    )


def test_a_common_cause_keeps_margins_and_breaks_the_product() -> None:
    case = _joined()
    p = dict.fromkeys(("Sn1", "Sn2", "Sn3"), 0.98)
    compiled = compile_graph(case.graph)
    found = node_probabilities(compiled, scenarios(case.graph, p))
    assert found["Sn1"] == pytest.approx(0.98, abs=1e-15)
    cause = 0.1 * 0.02
    alone = (0.02 - cause) / (1 - cause)
    assert 1 - found["G1"] == pytest.approx(cause + (1 - cause) * alone**3, abs=1e-15)
    # about 250 times what independence says
    assert (1 - found["G1"]) / 0.02**3 == pytest.approx(250, rel=0.01)


@pytest.mark.parametrize("beta", ["0", "1"])
def test_the_ends_of_the_beta_factor(beta: str) -> None:
    case = _joined(beta)
    p = dict.fromkeys(("Sn1", "Sn2", "Sn3"), 0.9)
    found = node_probabilities(compile_graph(case.graph), scenarios(case.graph, p))
    assert 1 - found["G1"] == pytest.approx(0.1**3 if beta == "0" else 0.1, abs=1e-12)


def test_two_common_causes_equal_enumeration_over_their_states() -> None:
    layers = {
        name: (("commonCause", cause), ("beta", "0.3"))
        for name, cause in (("Sn1", "x"), ("Sn2", "x"), ("Sn3", "y"), ("Sn4", "y"))
    }
    case = Case.of(
        [
            Node("G1", supported_by=("G2", "G3"), layers=(("need", "any"),)),
            Node("G2", supported_by=("Sn1", "Sn3")),
            Node("G3", supported_by=("Sn2", "Sn4")),
            *(Node(name, layers=given) for name, given in layers.items()),
        ]
    )
    p = {"Sn1": 0.9, "Sn2": 0.8, "Sn3": 0.7, "Sn4": 0.95}
    cx, cy = 0.3 * min(0.1, 0.2), 0.3 * min(0.3, 0.05)
    total = 0.0
    for x, y in itertools.product((0, 1), repeat=2):
        weight = (cx if x else 1 - cx) * (cy if y else 1 - cy)
        inside = {n: 0.0 if x else 1 - (1 - p[n] - cx) / (1 - cx) for n in ("Sn1", "Sn2")}
        inside |= {n: 0.0 if y else 1 - (1 - p[n] - cy) / (1 - cy) for n in ("Sn3", "Sn4")}
        first, second = inside["Sn1"] * inside["Sn3"], inside["Sn2"] * inside["Sn4"]
        total += weight * (first + second - first * second)
    spread = scenarios(case.graph, p)
    found = node_probabilities(compile_graph(case.graph), spread)
    assert found[TOP] == pytest.approx(total, abs=1e-14)
    assert all(found[name] == pytest.approx(p[name], abs=1e-14) for name in p)
    assert importances(case.graph, p)["Sn1"].birnbaum > 0


def test_more_common_causes_than_can_be_followed_are_refused() -> None:
    names = [f"Sn{index}" for index in range(26)]
    nodes = [Node(name, layers=(("commonCause", f"c{index // 2}"),)) for index, name in enumerate(names)]
    case = Case.of([Node("G1", supported_by=tuple(names)), *nodes])
    with pytest.raises(InputError, match="13 common causes; at most 12") as refused:
        scenarios(case.graph, dict.fromkeys(names, 0.9))
    assert refused.value.code == "Y74"


# Rows --------------------------------------------------------------------------------------------


def test_rows_join_the_verdict_with_numbers() -> None:
    case = Case.of([Node("G1", supported_by=("Sn1", "Sn2")), leaf("Sn1", "T"), leaf("Sn2", "F")])
    leaves = read_confidences(case.graph, Evidence.of(case.graph, BY_ID, None))
    rows = {row.leaf: row for row in sensitivities(case.graph, leaves)}
    assert (rows["Sn1"].value, rows["Sn1"].top, rows["Sn2"].if_true) == ("T", "F", "T")
    assert rows["Sn2"].decides
    assert rows["Sn2"].birnbaum == 1
    # a perfect Sn2 leaves nothing that fails: no ratio, but all of the criticality
    assert (rows["Sn2"].risk_reduction, rows["Sn2"].criticality) == (None, 1.0)
    assert rows["Sn1"].birnbaum == 0
    plain = case.sensitivity(BY_ID)
    assert [row.leaf for row in plain] == ["Sn2", "Sn1"]
    assert [(row.value, row.top, row.without) for row in plain] == [
        (rows[row.leaf].value, rows[row.leaf].top, rows[row.leaf].without) for row in plain
    ]


def test_a_top_that_cannot_fail_has_no_shares_of_failure() -> None:
    case = Case.of([Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T")])
    leaves = read_confidences(case.graph, Evidence.of(case.graph, BY_ID, None))
    (row,) = sensitivities(case.graph, leaves)
    assert row.birnbaum == 1
    assert (row.risk_achievement, row.fussell_vesely, row.criticality) == (None, None, None)


def _doubt(name: str, target: str) -> Node:
    return leaf(name, "T", node_type=COUNTER, challenges=(target,))


def test_a_chain_of_replies_is_no_circle_but_two_doubts_of_each_other_are() -> None:
    claim = [Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T")]
    chain = Case.of([*claim, _doubt("D1", "G1"), _doubt("D2", "D1"), _doubt("D3", "D2")])
    assert circular(chain.graph) == frozenset()
    ring = Case.of([*claim, _doubt("D1", "D2"), _doubt("D2", "D1"), _doubt("D3", "G1")])
    assert circular(ring.graph) == {"D1", "D2"}
    above = Case.of(
        [*claim, _doubt("D1", "G1"), _doubt("D2", "D1"), _doubt("D1b", "D2"), _doubt("D2b", "D1b")]
    )
    assert circular(above.graph) == frozenset()


def test_a_top_on_a_circle_has_a_verdict_but_no_numbers() -> None:
    looped = Case.of(
        [Node("G1", supported_by=("Sn1", "G2")), leaf("Sn1", "T"), Node("G2", supported_by=("G1",))]
    )
    top = Case.of([Node("G0", supported_by=("G1",)), *looped.nodes.values()])
    assert circular(top.graph) == {"G0", "G1", "G2"}
    with pytest.raises(InputError, match="no top claim whose number is defined") as refused:
        importances(top.graph, {"Sn1": 0.5})
    assert refused.value.code == "Y75"
    leaves = read_confidences(top.graph, Evidence.of(top.graph, BY_ID, None))
    assert [row.birnbaum for row in sensitivities(top.graph, leaves)] == [None]
    assert [row.top for row in sensitivities(top.graph, leaves)] == ["U"]


@pytest.mark.parametrize("seed", range(20))
def test_leaves_that_are_sure_give_the_verdict(seed: int) -> None:
    """With every leaf true or false, the number is 1 exactly where the dialectical value is true."""
    case = random_case(seed)
    draw = random.Random(seed)
    state = {name: draw.random() < 0.7 for name in leaves_of(case)}
    values = slowly(case, {name: "T" if true else "F" for name, true in state.items()})
    compiled = compile_graph(case.graph)
    p = {name: float(state[name]) for name in compiled.diagram.names}
    found = node_probabilities(compiled, scenarios(case.graph, p))
    assert {name: ORDER[values[name]] / 2 for name in case.nodes} == {
        name: found[name] for name in case.nodes
    }
