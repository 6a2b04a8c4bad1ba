"""Draw an argument as SVG: shape for kind; word, mark and colour for state; a thick line for the reason."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from urllib.parse import urlsplit

from pellucid.cases.drawing.boxes import HEAD, LETTERS, SLANT, Box
from pellucid.cases.drawing.layout import Layout, arrange
from pellucid.cases.drawing.lettering import LINE, safe
from pellucid.cases.drawing.places import Place
from pellucid.cases.drawing.routes import Point, Route
from pellucid.cases.drawing.styles import DEFS, STYLE
from pellucid.cases.drawing.symbols import adornments, line_marks
from pellucid.cases.evaluation.verdict import NodeState, Verdict
from pellucid.cases.evidence.freshness import in_words
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, COUNTERS, Node, NodeKind

Link = Callable[[str], str]

MARKS = {
    "supports": "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM3.9 8.3 5 7.2l2 2 4-4.3L12.1 6 7 11.4z",
    "refutes": "M1.5 1.5h13v13h-13zM5 4 4 5l3 3-3 3 1 1 3-3 3 3 1-1-3-3 3-3-1-1-3 3z",
    "inconclusive": "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM8 2.6a5.4 5.4 0 0 1 0 10.8z",
    "clock": "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z"
    "M7.2 4.2h1.5v3.5l2.6 1.6-.8 1.2-3.3-2z",
}
_CLASSES = {"support": "sup", "context": "inctx", "challenge": "chal"}


def draw(
    graph: Graph,
    name: str,
    verdict: Verdict | None = None,
    link: Link | None = None,
    *,
    anchor: Link | None = None,
    standalone: bool = True,
) -> str:
    """The argument as SVG text; the same input gives the same bytes.

    Args:
        graph: the argument.
        name: what the drawing is called.
        verdict: states to show; None draws the argument alone.
        link: address of a Finding's page by its id.
        anchor: address of an element by its id; it comes before the Finding's page.
        standalone: carry styles (light and dark) along; a page that has the stylesheet leaves them out.

    Source: Goal Structuring Notation Community Standard, version 3, for the shapes.
    """
    layout = arrange(graph)
    names = svg_ids(graph)
    chains = verdict.reasons if verdict else ()
    on = frozenset(element for chain in chains for element in chain)
    figures = (
        _Figure(place, (node := graph.nodes[name]), verdict, on, _address(node, link, anchor))
        for name, place in layout.places.items()
    )
    parts = [
        _head(layout, name, verdict),
        STYLE if standalone else "",
        DEFS,
        *(_line(route) for route in layout.routes),
        *_reason(layout, chains),
        *(figure.svg(names) for figure in figures),
        *line_marks(layout.routes, graph),
        *_claim_points(layout, graph),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _head(layout: Layout, name: str, verdict: Verdict | None) -> str:
    word = f": {verdict.word}" if verdict else ""
    width, height = _n(max(layout.width, 60)), _n(max(layout.height, 40))
    empty = "" if layout.places else '<text x="12" y="24">No elements</text>'
    label = escape(f"Safety case {name}{word}, in goal structuring notation", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gsn" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="group" aria-label="{safe(label)}">{empty}'
    )


def svg_ids(graph: Graph) -> dict[str, str]:
    """An id for each element that XML and addresses allow, told apart where letters had to be replaced."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for element in graph.nodes:
        plain = "node-" + re.sub(r"[^A-Za-z0-9_.-]", "_", element)
        while plain in taken:
            plain += "_"
        taken.add(plain)
        names[element] = plain
    return names


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _text(text: str, x: float, y: float, css: str = "", *, middle: bool = False, end: bool = False) -> str:
    cls = f' class="{css}"' if css else ""
    anchor = ' text-anchor="middle"' if middle else ' text-anchor="end"' if end else ""
    return f'<text{cls} x="{_n(x)}" y="{_n(y)}"{anchor}>{safe(escape(text, quote=False))}</text>'


# Lines -----------------------------------------------------------------------------------------


def _path(points: tuple[Point, ...]) -> str:
    (x, y), *rest = points
    steps = [f"M{_n(x)} {_n(y)}"]
    for to_x, to_y in rest:
        middle = _n((y + to_y) / 2)
        if to_x == x or to_y == y:
            steps.append(f"L{_n(to_x)} {_n(to_y)}")
        else:
            steps.append(f"C{_n(x)} {middle} {_n(to_x)} {middle} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return "".join(steps)


def _line(route: Route) -> str:
    return f'<path class="{_CLASSES[route.link.kind]}" d="{_path(route.points)}"/>'


def _reason(layout: Layout, chains: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    lines = {(route.link.owner, route.link.other): route for route in layout.routes}
    steps = dict.fromkeys(step for chain in chains for step in itertools.pairwise(chain))
    for step in steps:
        if step in lines:
            dashes = ' stroke-dasharray="6 4"' if lines[step].link.kind == "challenge" else ""
            yield f'<path class="why" fill="none"{dashes} d="{_path(lines[step].points)}"/>'


def _claim_points(layout: Layout, graph: Graph) -> Iterator[str]:
    """Assurance claim points: a black square on an element or in the middle of a line."""
    middles = {frozenset((r.link.owner, r.link.other)): _middle(r.points) for r in layout.routes}
    for name, node in graph.nodes.items():
        corner = (layout.places[name].left, layout.places[name].bottom - 8)
        for point, ids in node.acp:
            for other in ids:
                x, y = corner if other == name else middles.get(frozenset((name, other)), corner)
                square = f'<rect x="{_n(x - 4)}" y="{_n(y - 4)}" width="8" height="8" fill="var(--ink)"/>'
                yield f"<g>{square}{_text(point, x + 7, y + 4, 'id')}</g>"


def _middle(points: tuple[Point, ...]) -> Point:
    (x, y), (to_x, to_y) = points[(len(points) - 1) // 2], points[(len(points) - 1) // 2 + 1]
    return (x + to_x) / 2, (y + to_y) / 2


# Elements --------------------------------------------------------------------------------------


def state_of(node: Node, state: NodeState | None) -> tuple[str, str]:
    """The style class and the word that an element's state is shown by; empty for what carries no value."""
    if state is None or (node.kind in BACKGROUND and state.value == "T"):
        return ("ctx" if node.kind in BACKGROUND else ""), ""
    if node.kind in COUNTERS:
        answers = {"T": ("refutes", "defeats"), "F": ("ctx", "answered"), "U": ("inconclusive", "open")}
        return ("missing", "missing") if state.missing and state.value == "U" else answers[state.value]
    if state.missing and state.value == "U":
        return "missing", "missing"
    words = {"T": ("supports", "supports"), "F": ("refutes", "refutes"), "U": ("inconclusive", "open")}
    css, word = words[state.value]
    return css, "accepted" if state.reason.startswith("accepted by ") and state.value == "T" else word


class _Figure:
    """One element being drawn."""

    def __init__(
        self, place: Place, node: Node, verdict: Verdict | None, on: frozenset[str], href: str
    ) -> None:
        self.place = place
        self.node = node
        self.state = verdict.states.get(node.id) if verdict else None
        self.css, self.word = state_of(node, self.state)
        self.aged = node.kind not in BACKGROUND and self.state is not None and _aged(self.state)
        self.crossed = (self.css == "ctx" and bool(self.word)) or node.defeated
        self.on = node.id in on
        self.href = href

    def svg(self, names: Mapping[str, str]) -> str:
        """The whole element as SVG: a link if it has an address, else a group."""
        classes = " ".join(
            filter(None, [self.css, "aged" if self.aged else "", "on" if self.on else "", *_own(self.node)])
        )
        tag = f'a href="{escape(self.href, quote=True)}"' if self.href else "g"
        inner = "".join([self.title(), self.outline(), *self.content(), *self.extras()])
        return f'<{tag} id="{names[self.node.id]}" class="{classes}">{inner}</{tag[0]}>'

    def title(self) -> str:
        """What a screen reader says: id, kind, text, state and its reason."""
        kind = self.node.kind.spoken if self.node.kind else "element"
        said = f"{self.node.id} {kind}: {' '.join((self.node.text or '').split())}."
        aged = in_words(self.state.freshness - {"missing"}) if self.aged and self.state else ""
        states = [self.word, aged, self.now()]
        reason = f" ({self.state.reason})" if self.state and self.state.reason and self.word else ""
        full = f"{said} {', '.join(filter(None, states))}{reason}".strip()
        return f"<title>{safe(escape(full, quote=False))}</title>"

    def now(self) -> str:
        """Its value with stale evidence taken out, in words, if that differs."""
        if self.state is None or self.state.now == self.state.value:
            return ""
        return f"now { {'T': 'supports', 'F': 'refutes', 'U': 'open'}[self.state.now] }"

    def outline(self) -> str:
        """The outline that its kind asks for."""
        return _OUTLINES[self.place.box.shape](self.place)

    def content(self) -> Iterator[str]:
        """Id, text, word and marks, laid out to fit the shape."""
        yield from self.centred() if self.place.box.round else self.boxed()

    def boxed(self) -> Iterator[str]:
        """Id on the left, word and marks on the right, text below."""
        place = self.place
        slant = SLANT - 4 if place.box.shape == "parallelogram" else 0.0
        left, right, top = place.left + slant + 11, place.right - slant - 8, place.top
        yield _text(self.node.id, left, top + HEAD, "id")
        marks = self.marks()
        for index, mark in enumerate(marks):
            yield _placed(mark, right - 20 * (len(marks) - index) + 3, top + 6)
        if self.word:
            # An answered challenge has no colour of its own to write in.
            css = "id" if self.css == "ctx" else "id w"
            yield _text(self.word, right - 20 * len(marks) - 1, top + HEAD, css, end=True)
        for row, line in enumerate(place.box.lines):
            yield _text(line, left, top + HEAD + 17 + LINE * row)

    def centred(self) -> Iterator[str]:
        """Marks, id, text and word in the middle, from the top down."""
        place, lines = self.place, self.place.box.lines
        marked = self.node.kind is not NodeKind.JUSTIFICATION
        rows = len(lines) + (3 if marked else 1)
        y = place.y - rows * LINE / 2
        if marked:
            marks = self.marks()
            for index, mark in enumerate(marks):
                yield _placed(mark, place.x - 10 * len(marks) + 2 + 20 * index, y - 1)
            y += LINE
        yield _text(self.node.id, place.x, y + 12, "id", middle=True)
        for row, line in enumerate(lines):
            yield _text(line, place.x, y + LINE * (row + 1) + 12, middle=True)
        if self.word:
            yield _text(self.word, place.x, y + LINE * (len(lines) + 1) + 12, "id word", middle=True)

    def marks(self) -> list[str]:
        """Names of its marks: its state's first, then the clock if it is stale."""
        first = [self.css] if self.css in MARKS or self.css == "missing" else []
        return [*first, *(["clock"] if self.aged else [])]

    def extras(self) -> Iterator[str]:
        """The kind's letter, and marks for what is undeveloped (diamond), defeated or answered (cross)."""
        place = self.place
        letter = LETTERS.get(self.node.kind) if self.node.kind else None
        if letter:
            x, y = place.x + place.box.width * 0.41, place.y + place.box.height * 0.46
            yield _text(letter, x, y, "strong")
        if self.node.undeveloped:
            x, y = place.x, place.bottom
            yield f'<path class="shape" d="M{_n(x)} {_n(y)}l8 8-8 8-8-8z"/>'
        yield from adornments(place, self.node)
        if self.crossed:
            yield _cross(place)


def _aged(state: NodeState) -> bool:
    """Whether an element carries the clock: its evidence speaks of earlier objects, or was withdrawn."""
    return state.stale or "retracted" in state.freshness


def _own(node: Node) -> list[str]:
    """The author's own classes, as far as they are names a stylesheet can use and none of ours."""
    ours = {"supports", "refutes", "inconclusive", "missing", "aged", "on", "ctx", "m", "shape"}
    return [name for name in node.classes if re.fullmatch(r"[A-Za-z_][\w-]*", name) and name not in ours]


def _address(node: Node, link: Link | None, anchor: Link | None) -> str:
    """Where an element leads: its panel, else its Finding's page, else its own address if that is a page."""
    if anchor:
        return anchor(node.id)
    address = link(node.finding) if link and node.finding else (node.url or "")
    harmless = urlsplit(address).scheme.lower() in ("", "http", "https") and not address.startswith("//")
    return safe(address) if harmless else ""


def _placed(mark: str, x: float, y: float) -> str:
    if mark == "missing":
        return f'<circle class="m ring" cx="{_n(x + 8)}" cy="{_n(y + 8)}" r="6.2"/>'
    css = "m clock" if mark == "clock" else "m"
    return (
        f'<path class="{css}" fill-rule="evenodd" transform="translate({_n(x)} {_n(y)})" d="{MARKS[mark]}"/>'
    )


def _rectangle(place: Place, radius: float = 0) -> str:
    corners = f' rx="{_n(radius)}"' if radius else ""
    width, height = _n(place.box.width), _n(place.box.height)
    corner = f'x="{_n(place.left)}" y="{_n(place.top)}"'
    return f'<rect class="shape"{corners} {corner} width="{width}" height="{height}"/>'


def _rounded(place: Place) -> str:
    return _rectangle(place, min(22.0, place.box.height / 2))


def _parallelogram(place: Place) -> str:
    left, right = _n(place.left + SLANT), _n(place.right - SLANT)
    return (
        f'<path class="shape" d="M{left} {_n(place.top)}H{_n(place.right)}L{right} {_n(place.bottom)}'
        f'H{_n(place.left)}z"/>'
    )


def _ellipse(place: Place) -> str:
    box: Box = place.box
    radii = f'rx="{_n(box.width / 2)}" ry="{_n(box.height / 2)}"'
    return f'<ellipse class="shape" cx="{_n(place.x)}" cy="{_n(place.y)}" {radii}/>'


def _clipped(place: Place) -> str:
    left, right, top, bottom = place.left, place.right, place.top, place.bottom
    return (
        f'<path class="shape" d="M{_n(left + 12)} {_n(top)}H{_n(right - 12)}L{_n(right)} {_n(top + 12)}'
        f"V{_n(bottom - 12)}L{_n(right - 12)} {_n(bottom)}H{_n(left + 12)}L{_n(left)} {_n(bottom - 12)}"
        f'V{_n(top + 12)}z"/>'
    )


def _cross(place: Place) -> str:
    left, right, top, bottom = (
        _n(place.left + 6),
        _n(place.right - 6),
        _n(place.top + 6),
        _n(place.bottom - 6),
    )
    lines = f"M{left} {bottom}L{right} {top}M{left} {top}L{right} {bottom}"
    return f'<path class="cross" stroke-opacity=".35" d="{lines}"/>'


_OUTLINES = {
    "rectangle": _rectangle,
    "rounded": _rounded,
    "parallelogram": _parallelogram,
    "ellipse": _ellipse,
    "clipped": _clipped,
}
