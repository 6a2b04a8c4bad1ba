"""One element of a case as its panel shows it: state, evidence, what hangs on it, path, doubts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.web.label import Href, Label, label_of
from pellucid.web.states import MISSING, STALE, VALUES, State
from pellucid.web.templating import with_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from pellucid.cases import Case, Graph, Node, NodeState, Sensitivity, Verdict
    from pellucid.findings import Header

    Find = Callable[[str], Header | None]

TOP_WORDS = {"T": "stands", "F": "is defeated", "U": "is undecided"}


@dataclass(frozen=True)
class Step:
    """An element on the way from the top, or one that speaks against another."""

    id: str
    """Its name in the case."""
    text: str
    """What it says."""
    anchor: str
    """Where its panel is."""
    state: State | None
    """Its value now; None for a context."""


@dataclass(frozen=True)
class Element:
    """An element of a case with all that is known of it."""

    id: str
    """Its name in the case."""
    anchor: str
    """The name of its panel within the page."""
    kicker: str
    """Its kind and name."""
    text: str
    """What it says."""
    value: State | None
    """Its value, staleness ignored; None for a context."""
    now: State | None
    """Its value with stale evidence taken out."""
    freshness: str
    """Whether its evidence is up to date."""
    why: Markup
    """Why it has its value."""
    path: tuple[Step, ...]
    """The shortest chain from the top to it."""
    doubts: tuple[Step, ...]
    """What challenges it."""
    label: Label | None
    """The label of its Finding."""
    predicate: str
    """What must hold for it to be true."""
    hangs: tuple[tuple[str, str], ...]
    """What becomes of the top if this leaf changes."""
    facts: tuple[tuple[str, str], ...]
    """Everything else that its file says about it."""


def elements_of(
    case: Case, verdict: Verdict, find: Find, href: Href, sensitivity: Iterable[Sensitivity]
) -> tuple[Element, ...]:
    """The panels of all elements of a case, in the order of the file."""
    rows = {row.leaf: row for row in sensitivity}
    anchors = anchors_of(case)
    above = ways_down(case.graph)

    def step(name: str) -> Step:
        """An element as a line of a list."""
        node = case.nodes[name]
        return Step(name, node.text or "", anchors[name], shown(node, verdict.states[name], now=True))

    def element(node: Node) -> Element:
        """The panel of one element."""
        state = verdict.states[node.id]
        header = find(state.finding) if state.finding else None
        return Element(
            id=node.id,
            anchor=anchors[node.id],
            kicker=f"{node.kind.spoken.capitalize() if node.kind else 'Element'} {node.id}",
            text=node.text or node.id,
            value=shown(node, state, now=False),
            now=shown(node, state, now=True),
            freshness=", ".join(sorted(name.replace("-", " ") for name in state.freshness)),
            why=with_code(state.reason),
            path=tuple(step(name) for name in way_to(node.id, above)),
            doubts=tuple(step(name) for name in doubts_of(case.graph, node.id)),
            label=label_of(header, href) if header else None,
            predicate=node.predicate or "",
            hangs=tuple(hanging(rows[node.id])) if node.id in rows else (),
            facts=tuple(facts_of(node)),
        )

    return tuple(element(node) for node in case.nodes.values())


def anchors_of(case: Case) -> dict[str, str]:
    """The name of each element's panel within a page."""
    from pellucid.cases.drawing import svg_ids

    return {name: f"about-{plain.removeprefix('node-')}" for name, plain in svg_ids(case.graph).items()}


def shown(node: Node, state: NodeState, *, now: bool) -> State | None:
    """The state in words; None for what carries no value."""
    if node.kind is not None and node.kind.spoken in {"context", "justification"} and state.value == "T":
        return None
    value = state.now if now else state.value
    if now and state.stale and value == "U":
        return STALE
    return MISSING if value == "U" and state.missing else VALUES[value]


def ways_down(graph: Graph) -> Mapping[str, str]:
    """For each element the one above it on the shortest way from a top."""
    above: dict[str, str] = {}
    waiting = deque(graph.tops)
    seen = set(graph.tops)
    while waiting:
        name = waiting.popleft()
        for other in graph.depends.get(name, ()):
            if other not in seen:
                seen.add(other)
                above[other] = name
                waiting.append(other)
    return above


def way_to(name: str, above: Mapping[str, str]) -> list[str]:
    """The chain from the top to an element, both included."""
    chain = [name]
    while chain[-1] in above:
        chain.append(above[chain[-1]])
    return chain[::-1]


def doubts_of(graph: Graph, name: str) -> Iterator[str]:
    """What challenges an element, or a relation that it owns."""
    yield from graph.challengers.get(name, ())
    for pair, doubts in graph.relation_challengers.items():
        if name in pair:
            yield from doubts


def hanging(row: Sensitivity) -> Iterator[tuple[str, str]]:
    """What becomes of the top if a leaf is taken out, true, or false."""
    if not row.decides:
        yield "alone", f"Nothing: the case {TOP_WORDS[row.top]} whatever this leaf says."
        return
    yield "taken out", f"the case {TOP_WORDS[row.without]}"
    yield "if true", f"the case {TOP_WORDS[row.if_true]}"
    yield "if false", f"the case {TOP_WORDS[row.if_false]}"


def facts_of(node: Node) -> Iterator[tuple[str, str]]:
    """What the file says of an element beyond its text and its binding."""
    shown_elsewhere = {"finding", "predicate"}
    yield from ((name, text) for name, text in node.layers if name not in shown_elsewhere)
    if node.url:
        yield "page", node.url
