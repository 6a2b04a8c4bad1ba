"""Bounds without independence: against the linear programme over all joint distributions."""

from __future__ import annotations

import itertools
import random

import pytest
from case_arguments import random_case

from pellucid.cases import Case, Node
from pellucid.cases.confidence import bounds
from pellucid.cases.confidence.bounds import Bounds, at_least, conjunction, disjunction, invert, tight_bounds
from pellucid.cases.confidence.calculi import confide
from pellucid.cases.confidence.doubts import Doubts
from pellucid.cases.confidence.exact import compile_graph, leaves_asked
from pellucid.cases.confidence.leaves import LeafConfidence
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.confidence.structure import fold
from pellucid.findings import InputError

# HiGHS solves to a feasibility of 1e-7
SOLVED = 2e-7


def _points(probabilities: list[float]) -> list[Bounds]:
    return [Bounds(p, p) for p in probabilities]


@pytest.mark.parametrize("seed", range(12))
def test_and_or_and_k_of_n_are_the_tightest(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.randint(1, 6)
    p = [draw.choice([draw.random(), draw.random() ** 4, 1 - draw.random() ** 4]) for _ in range(n)]
    parts = _points(p)
    assert tight_bounds(all, p) == pytest.approx(conjunction(parts), abs=SOLVED)
    assert tight_bounds(any, p) == pytest.approx(disjunction(parts), abs=SOLVED)
    for k in range(1, n + 1):
        assert tight_bounds(lambda state, k=k: sum(state) >= k, p) == pytest.approx(
            at_least(k, parts), abs=SOLVED
        )


def test_k_of_n_meets_and_and_or_and_its_opposite() -> None:
    draw = random.Random(1)
    for _ in range(200):
        parts = [Bounds(*sorted((draw.random(), draw.random()))) for _ in range(draw.randint(1, 6))]
        n = len(parts)
        assert at_least(n, parts) == pytest.approx(conjunction(parts), abs=1e-12)
        assert at_least(1, parts) == pytest.approx(disjunction(parts), abs=1e-12)
        for k in range(1, n + 1):
            fewer = at_least(n - k + 1, [invert(part) for part in parts])
            assert invert(fewer) == pytest.approx(at_least(k, parts), abs=1e-12)


def test_nothing_to_ask_is_certain() -> None:
    assert conjunction([]) == bounds.CERTAIN
    assert disjunction([]) == Bounds(0.0, 0.0)


def _leaves(case: Case, seed: int) -> dict[str, LeafConfidence]:
    draw = random.Random(seed)
    return {name: LeafConfidence(Opinion.certain(draw.random())) for name in leaves_asked(case.graph)}


@pytest.mark.parametrize("seed", range(25))
def test_bounds_and_doubts_hold_for_every_joint_distribution_of_a_random_case(seed: int) -> None:
    case = random_case(seed, least=6, most=12)
    leaves = _leaves(case, seed)
    compiled = compile_graph(case.graph)
    names = compiled.diagram.names
    found = confide(case.graph, leaves)
    p = [leaves[name].probability for name in names]
    limits = tight_bounds(
        lambda held: compiled.diagram.holds(compiled.top, dict(zip(names, held, strict=True))), p
    )
    assert found.top.bounds is not None
    assert found.top.doubts is not None
    assert found.top.exact is not None
    assert found.top.bounds.low <= limits.low + SOLVED
    assert limits.high - SOLVED <= found.top.bounds.high
    assert 1 - found.top.doubts <= limits.low + SOLVED
    assert limits.low - SOLVED <= found.top.exact <= limits.high + SOLVED


def test_sum_of_doubts_counts_a_shared_leaf_once() -> None:
    nodes = [
        Node("G1", supported_by=("G2", "G3")),
        Node("G2", supported_by=("Sn1", "Sn2")),
        Node("G3", supported_by=("Sn1", "Sn3")),
        *(Node(f"Sn{index}") for index in (1, 2, 3)),
    ]
    case = Case.of(nodes)
    leaves = {
        f"Sn{index}": LeafConfidence(Opinion.certain(p)) for index, p in ((1, 0.9), (2, 0.95), (3, 0.99))
    }
    top = confide(case.graph, leaves).top
    assert top.doubts == pytest.approx(0.1 + 0.05 + 0.01, abs=1e-12)
    # the rules leg by leg count Sn1 twice, so what may be relied on comes from the doubts
    assert top.bounds is not None
    assert top.bounds.low == pytest.approx(1 - 0.26, abs=1e-12)
    assert top.low == pytest.approx(1 - 0.16, abs=1e-12)


def test_doubts_choose_the_best_way_through_alternatives_and_replies() -> None:
    nodes = [
        Node("G1", supported_by=("Sn1", "Sn2", "Sn3"), layers=(("need", "2"),)),
        *(Node(f"Sn{index}") for index in (1, 2, 3)),
        Node("CSn1", challenges=("G1",)),
    ]
    case = Case.of(nodes)
    p = {"Sn1": 0.9, "Sn2": 0.6, "Sn3": 0.95, "CSn1": 0.02}
    calculus = Doubts(p, p)
    ways = fold(case.graph, calculus)["G1"]
    assert ways.true == {("Sn1", True), ("Sn3", True), ("CSn1", False)}
    assert calculus.doubt(ways.true) == pytest.approx(0.1 + 0.05 + 0.02, abs=1e-12)
    assert calculus.doubt(None) == 1


def test_too_many_events_for_the_oracle_are_refused() -> None:
    with pytest.raises(InputError, match="at most 12 events") as refused:
        tight_bounds(all, [0.5] * 13)
    assert refused.value.code == "Y73"


def test_every_joint_distribution_of_three_events_respects_the_rules() -> None:
    draw = random.Random(3)
    states = list(itertools.product((False, True), repeat=3))
    for _ in range(300):
        weights = [draw.random() ** 3 for _ in states]
        whole = sum(weights)
        weights = [weight / whole for weight in weights]
        p = [sum(w for w, state in zip(weights, states, strict=True) if state[i]) for i in range(3)]
        for k in (1, 2, 3):
            held = sum(w for w, state in zip(weights, states, strict=True) if sum(state) >= k)
            low, high = at_least(k, _points(p))
            assert low - 1e-12 <= held <= high + 1e-12
