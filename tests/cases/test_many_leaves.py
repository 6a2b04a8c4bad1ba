"""Cases of a thousand leaves: the same answers as one by one, in few passes over the argument."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from pellucid.cases import Case, Node
from pellucid.cases.confidence.experiments import _within
from pellucid.cases.confidence.posteriors import Spread
from pellucid.cases.confidence.regions import Region
from pellucid.cases.evaluation import operator, reasons
from pellucid.cases.evaluation.operator import ordered
from pellucid.cases.evaluation.reasons import Leaves


def _pairs(count: int) -> Case:
    """A top that needs every one of many claims, each by any of two leaves."""
    nodes = [Node("G0", supported_by=tuple(f"G{at}" for at in range(1, count + 1)))]
    for at in range(1, count + 1):
        legs = (f"Sn{at}a", f"Sn{at}b")
        nodes += [Node(f"G{at}", supported_by=legs, layers=(("need", "any"),)), *map(Node, legs)]
    return Case.of(nodes)


def _one_by_one(leaves: Leaves, names: list[str]) -> list[str]:
    """The smallest beginning that raises the top, its last leaf kept, and so on: each found anew."""

    def works(changed: list[str]) -> bool:
        return leaves.under(dict.fromkeys(changed, 1), 1)[""].at(0) == "T"

    needed = [name for name in names if not works([other for other in names if other != name])]
    rest = [name for name in names if name not in needed]
    while not works(needed):
        end = next(at for at in range(len(rest)) if works([*needed, *rest[: at + 1]]))
        needed, rest = [*needed, rest[end]], rest[:end]
    return needed


@pytest.mark.parametrize("seed", range(40))
def test_the_leaves_that_must_change_together_are_those_found_one_by_one(seed: int) -> None:
    draw = random.Random(seed)
    leaves = [f"Sn{at}" for at in range(7)]
    inner = [
        Node(
            f"G{at}",
            supported_by=tuple(draw.sample(leaves, draw.randint(1, 4))),
            layers=(("need", draw.choice(["all", "any", "2"])),),
        )
        for at in range(1, 5)
    ]
    inner = [
        node if len(node.supported_by) > 1 else Node(node.id, supported_by=node.supported_by)
        for node in inner
    ]
    tops = Node("G0", supported_by=tuple(node.id for node in inner))
    doubt = [Node("CSn1", challenges=("G1",))] if seed % 2 else []
    graph = Case.of([tops, *inner, *map(Node, leaves), *doubt]).graph
    found = Leaves(graph, dict.fromkeys([*leaves, *(node.id for node in doubt)], "U"))
    names = list(found.wishes)
    assert reasons._minimal(found, names) == _one_by_one(found, names)


def test_an_argument_is_ordered_when_nothing_reads_itself() -> None:
    assert ordered(_pairs(3).graph)
    circle = [Node("CG1", challenges=("CG2",)), Node("CG2", challenges=("CG1",))]
    assert not ordered(Case.of([Node("G1"), *circle]).graph)


def test_a_thousand_open_leaves_take_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    whole = operator.settle
    monkeypatch.setattr(reasons, "settle", lambda *given: passes.append(1) or whole(*given))
    case = _pairs(500)
    verdict = case.evaluate([])
    assert len(verdict.reasons) == 500
    assert len(passes) < 10


@pytest.mark.parametrize(("down", "up"), [(0.2, 0.5), (0.0, 0.4), (0.3, 0.0)])
def test_many_curves_at_once_are_the_curves_one_by_one(down: float, up: float) -> None:
    region = Region(((-math.inf, -0.1), (0.3, 0.7), (0.7, math.inf)), (0.7,))
    middles = np.linspace(-1.5, 1.5, 61)
    each = [region.probability(Spread(float(middle), down, up)) for middle in middles]
    assert _within(region, middles, down, up) == pytest.approx(each, abs=1e-14)
    low, high = middles - 0.1, middles + 0.2
    settled = [region.settles(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    assert region.settles_each(low, high).tolist() == settled
