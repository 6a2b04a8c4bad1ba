"""Symbols of modules and patterns: each is drawn where the notation puts it, and says nothing a file may not hold."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from case_arguments import random_case
from defeater_findings import HOLDS, correlation, score
from test_case_drawing import along, cut, figures, overlapping, parsed

from pellucid.cases import Case, Node
from pellucid.cases.drawing import arrange
from pellucid.cases.drawing.symbols import adornments, line_marks

TRUE = "true"


def symbols(text: str, name: str) -> str:
    """What an element of a case carries besides its outline and its text."""
    case = Case.read(text)
    return "".join(adornments(arrange(case.graph).places[name], case.nodes[name]))


@pytest.mark.parametrize(
    ("layers", "drawn"),
    [
        ("away: Hazards/G4", [">in Hazards</text>", 'class="edge"']),
        ("symbol: module", ["<rect"]),
        ("symbol: contract", ["<rect", "<rect"]),
        ('uninstantiated: "true"', ["l9 14h-18z"]),
        ('uninstantiated: "True"', ["l9 14h-18z"]),
        ('uninstantiated: "true", undeveloped: true', ['class="edge"', "h16"]),
        ('choice: "1 of 2"', ['class="knot"', ">1 of 2</text>"]),
        ('uninstantiated: "no", symbol: else, optional: "true"', []),
    ],
)
def test_each_mark_has_its_symbol(layers: str, drawn: list[str]) -> None:
    found = symbols(f"G1: {{text: A claim, {layers}}}", "G1")
    assert all(found.count(part) == drawn.count(part) for part in drawn)
    assert bool(found) == bool(drawn)


def test_symbols_keep_to_their_edges() -> None:
    case = Case.read("G1: {text: x, symbol: contract, away: M/G2, undeveloped: true}")
    place = arrange(case.graph).places["G1"]
    tabs = re.findall(
        r'<rect class="shape" x="([0-9.]+)" y="([0-9.]+)"', "".join(adornments(place, case.nodes["G1"]))
    )
    assert [(float(x), float(y)) for x, y in tabs] == [
        (pytest.approx(place.left, abs=0.06), pytest.approx(place.top - 9, abs=0.06)),
        (pytest.approx(place.left, abs=0.06), pytest.approx(place.bottom, abs=0.06)),
    ]


def test_balls_sit_on_the_line_of_support_between_both_elements() -> None:
    text = (
        "G1: {supportedBy: [G2, G3, Sn1]}\nG2: {multiplicity: tasks, optional: 'true'}\n"
        "G3: {multiplicity: models}\nSn1: {optional: 'TRUE'}\n"
    )
    case = Case.read(text)
    layout = arrange(case.graph)
    drawn = "".join(line_marks(layout.routes, case.graph))
    balls = [
        (css, float(x), float(y))
        for css, x, y in re.findall(r'<circle class="([a-z ]+)" cx="([0-9.]+)" cy="([0-9.]+)"', drawn)
    ]
    assert [css for css, _, _ in balls] == ["knot", "knot open", "knot", "knot open"]
    assert re.findall(r">(each of \w+)<", drawn) == ["each of tasks", "each of models"]
    points = [point for route in layout.routes for point in along(route.points)]
    for _, x, y in balls:
        assert min((x - px) ** 2 + (y - py) ** 2 for px, py in points) < 25  # between two of 41 points
        assert not any(p.left < x < p.right and p.top < y < p.bottom for p in layout.places.values())


def test_a_context_or_a_challenge_has_no_ball() -> None:
    text = "G1: {inContextOf: [C1]}\nC1: {optional: 'true'}\nCG1: {challenges: G1, multiplicity: x}\n"
    case = Case.read(text)
    assert list(line_marks(arrange(case.graph).routes, case.graph)) == []


def test_what_no_xml_file_may_hold_is_replaced_in_every_symbol() -> None:
    layers = (("away", "M\x07<b>/G1"), ("choice", "1 of\x00 2"), ("multiplicity", "\x1bitems & more"))
    case = Case.of([Node("G1", supported_by=("G2",)), Node("G2", layers=layers)])
    said = " ".join(parsed(case.render()).itertext())
    assert "in M\ufffd<b>" in said
    assert "1 of\ufffd 2" in said
    assert "each of \ufffditems & more" in said


def decorated(seed: int) -> Case:
    """A random argument with away elements, modules, marks of patterns and wishes for a place."""
    draw, case = random.Random(seed), random_case(seed, most=40)
    marks = (
        ("away", "Another module/G77"),
        ("symbol", "contract"),
        ("multiplicity", "items of a list"),
        ("optional", TRUE),
        ("uninstantiated", TRUE),
        ("choice", "1..2"),
    )
    nodes = [
        replace(
            node,
            text="It is so under all of these circumstances " * draw.randint(0, 3),
            layers=(*node.layers, *(mark for mark in marks if draw.random() < 0.25)),
            rank_increment=draw.choice([0, 0, 0, 1]),
        )
        for node in case.nodes.values()
    ]
    return Case.of(nodes)


@pytest.mark.parametrize("seed", range(40))
def test_decorated_arguments_are_drawn_without_overlap_or_cut(seed: int) -> None:
    case = decorated(seed)
    layout = arrange(case.graph)
    assert overlapping(layout) == []
    assert cut(layout) == []
    assert len(figures(parsed(case.render()))) == len(case.nodes)


@pytest.mark.parametrize("seed", range(20))
def test_doubts_that_evidence_raises_are_drawn_without_overlap_or_cut(seed: int) -> None:
    """Every leaf cites a benchmark that is mostly capability, so that each gets a counter element."""
    found = score(parameters={"benchmark": "gpqa"})
    case = random_case(seed, most=30)
    bound = [
        node.having(finding=found.id, predicate=HOLDS) if node.id.startswith("Sn") else node
        for node in case.nodes.values()
    ]
    doubted = Case.of(bound).challenged([found], [correlation(0.6, 0.8)])
    leaves = [name for name in case.nodes if name.startswith("Sn")]
    assert len(doubted.nodes) >= len(case.nodes) + len(leaves)
    layout = arrange(doubted.graph)
    assert overlapping(layout) == []
    assert cut(layout) == []


def crossed(nodes: int, legs: int, seed: int = 0) -> Case:
    """An argument in which every goal shares its legs with many others, near and far."""
    draw, goals = random.Random(seed), nodes // 2
    names = [f"G{i}" for i in range(goals)] + [f"Sn{i}" for i in range(goals, nodes)]
    below = [set(draw.sample(range(i + 1, nodes), min(legs, nodes - i - 1))) for i in range(goals)]
    for child in sorted(set(range(1, nodes)) - set().union(*below)):
        below[draw.randrange(min(child, goals))].add(child)
    legs_of = [tuple(names[i] for i in sorted(found)) for found in below]
    return Case.of(
        Node(name, text="Some words of a claim " * 2, supported_by=found)
        for name, found in itertools.zip_longest(names, legs_of, fillvalue=())
    )


@pytest.mark.parametrize("legs", [2, 8, 20])
def test_cross_linked_arguments_are_drawn_without_overlap_or_cut(legs: int) -> None:
    layout = arrange(crossed(60, legs).graph)
    assert overlapping(layout) == []
    assert cut(layout) == []


@pytest.mark.parametrize("legs", [1, 2, 4, 8])
def test_a_thousand_cross_linked_elements_are_drawn(legs: int) -> None:
    case = crossed(1000, legs)
    drawn = case.render()
    assert len(figures(ElementTree.fromstring(drawn))) == 1000
