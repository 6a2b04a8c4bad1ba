"""One element of a case as its panel shows it: state, evidence, what hangs on it, path, doubts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.cases.confidence.display import cut
from pellucid.cases.nodes import COUNTERS
from pellucid.web.confidence import between_of, exact_of
from pellucid.web.freshness import freshness_of
from pellucid.web.hanging import weight
from pellucid.web.label import Href, Label, label_of
from pellucid.web.states import DOUBTS, MISSING, STALE, VALUES, WATCHED, State
from pellucid.web.templating import with_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from pellucid.cases import Case, Confidence, Graph, Node, NodeState, Sensitivity, Verdict
    from pellucid.findings import Header

    Find = Callable[[str], Header | None]

TOP_WORDS = {"T": "stands", "F": "is defeated", "U": "is undecided"}
DOUBTED = 0.005
"""By so much doubts must change a leaf's probability for both numbers to be told."""
LARGE = 250
"""From so many elements on, chains in panels name elements without their text: it would be said too often."""


@dataclass(frozen=True)
class Step:
    """An element on the way from the top, or one that speaks against another."""

    id: str
    """Its name in the case."""
    text: str
    """What it says; empty in a large case."""
    anchor: str
    """Where its panel is."""
    state: State | None
    """Its value now; None for a context."""


@dataclass(frozen=True)
class Watch:
    """Where the indicator on a leaf stands."""

    state: State
    """The level."""
    reason: Markup
    """Which level is crossed or cannot be read."""


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
    freshness: tuple[State, ...]
    """In which ways its evidence is not up to date, the worst first."""
    why: Markup
    """Why it has its value."""
    raised: Markup
    """What raised a doubt that nobody wrote; empty for what the file states."""
    watch: Watch | None
    """Its indicator; None when it has none."""
    path: tuple[Step, ...]
    """The shortest chain from the top to it."""
    doubts: tuple[Step, ...]
    """What challenges it."""
    label: Label | None
    """The label of its Finding."""
    log: tuple[tuple[str, str], ...]
    """The evaluation log that it cites: digest, file, scorer."""
    predicate: str
    """What must hold for it to be true."""
    hangs: tuple[tuple[str, str], ...]
    """What becomes of the top if this leaf changes, and what it weighs."""
    sure: tuple[tuple[str, str | Markup], ...]
    """How probable it is, and where that number comes from."""
    facts: tuple[tuple[str, str], ...]
    """Everything else that its file says about it."""


def elements_of(
    case: Case,
    verdict: Verdict,
    find: Find,
    href: Href,
    sensitivity: Iterable[Sensitivity],
    confidence: Confidence | None = None,
) -> tuple[Element, ...]:
    """The panels of all elements of a case, in the order of the file."""
    rows = {row.leaf: row for row in sensitivity}
    anchors = anchors_of(case)
    above = ways_down(case.graph)
    lean = len(case.nodes) >= LARGE

    def step(name: str) -> Step:
        """An element as a line of a list."""
        node = case.nodes[name]
        text = "" if lean else node.text or ""
        return Step(name, text, anchors[name], shown(node, verdict.states[name], now=True))

    def element(node: Node) -> Element:
        """The panel of one element."""
        state = verdict.states[node.id]
        header = find(state.finding) if state.finding else None
        value = valued(node, state, state.value)
        return Element(
            id=node.id,
            anchor=anchors[node.id],
            kicker=f"{node.kind.spoken.capitalize() if node.kind else 'Element'} {node.id}",
            text=node.text or node.id,
            value=value,
            now=valued(node, state, state.now),
            freshness=freshness_of(state) if value else (),
            why=with_code(state.reason),
            raised=raised_by(node, header, href),
            watch=watched(node, header),
            path=tuple(step(name) for name in way_to(node.id, above)),
            doubts=tuple(step(name) for name in doubts_of(case.graph, node.id)),
            label=label_of(header, href, node.predicate or "", value) if header else None,
            log=tuple(log_of(node, header)),
            predicate=node.predicate or "",
            hangs=tuple(hanging(rows[node.id])) if node.id in rows else (),
            sure=tuple(sure_of(node.id, confidence)) if confidence and value else (),
            facts=tuple(facts_of(node)),
        )

    return tuple(element(node) for node in case.nodes.values())


def anchors_of(case: Case) -> dict[str, str]:
    """The name of each element's panel within a page."""
    from pellucid.cases.drawing import svg_ids

    return {name: f"about-{plain.removeprefix('node-')}" for name, plain in svg_ids(case.graph).items()}


def shown(node: Node, state: NodeState, *, now: bool) -> State | None:
    """The state in words, stale before open; None for what carries no value."""
    if now and state.stale and state.now == "U":
        return STALE
    return valued(node, state, state.now if now else state.value)


def valued(node: Node, state: NodeState, value: str) -> State | None:
    """A value in words, as the drawing has them: a doubt that is true defeats. None for a plain context."""
    if node.kind is not None and node.kind.spoken in {"context", "justification"} and state.value == "T":
        return None
    if value == "U" and state.missing:
        return MISSING
    return (DOUBTS if node.kind in COUNTERS else VALUES)[value]


def raised_by(node: Node, header: Header | None, href: Href) -> Markup:
    """What raised a doubt that nobody wrote; empty for what the file states."""
    doubt = node.layer("automatic")
    if not doubt:
        return Markup("")
    if header is None:
        return Markup("Raised by the evidence itself, as {}.").format(doubt)
    finding = Markup('<a class="mono" href="{}">f:{}</a>').format(
        href(f"/findings/{header.id}"), header.id[:12]
    )
    words = "Raised by the evidence itself, as {}: {} ({}) shows it. {}"
    return Markup(words).format(doubt, finding, header.title, header.statement)


def watched(node: Node, header: Header | None) -> Watch | None:
    """The indicator of an element; None when it has none or no Finding is at hand."""
    from pellucid.cases.evidence.indicators import watch

    found = watch(node, header.measures) if header else None
    return Watch(WATCHED[found.level], with_code(found.reason)) if found else None


def log_of(node: Node, header: Header | None) -> Iterator[tuple[str, str]]:
    """The evaluation log that an element cites."""
    from pellucid.cases.evidence.citations import LOGS, log_digest, scorer_of

    data = header.provenance.data if header is not None and header.kind in LOGS else None
    digest = data.sha256 if data else log_digest(node)
    if digest is None:
        return
    yield "log sha256", digest
    if data and data.id:
        yield "file", data.id
    scorer = scorer_of(header) if header else node.layer("scorer")
    if scorer:
        yield "scorer", scorer


def sure_of(name: str, found: Confidence) -> Iterator[tuple[str, str | Markup]]:
    """How probable an element is, with its bounds, and where a leaf's number comes from."""
    node, leaf = found.nodes.get(name), found.leaves.get(name)
    if node is None:
        return
    if leaf is not None and leaf.opinion.uncertainty == 1:
        yield "source", with_code(leaf.source)
        return
    exact, between = exact_of(node), between_of(node)
    if exact:
        yield "probability", exact
    if leaf is not None and node.exact is not None and abs(leaf.probability - node.exact) > DOUBTED:
        yield "before doubts", cut(leaf.probability, 2)
    if between and node.low != node.high:
        yield "bounds", between
    if leaf is not None:
        marks = ("judged, not measured", leaf.judged), ("taken as certain", leaf.taken)
        yield "source", with_code("; ".join([leaf.source, *(words for words, holds in marks if holds)]))


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
    """What becomes of the top if a leaf is taken out, true, or false, and what the leaf weighs."""
    if row.decides:
        yield "taken out", f"the case {TOP_WORDS[row.without]}"
        yield "if true", f"the case {TOP_WORDS[row.if_true]}"
        yield "if false", f"the case {TOP_WORDS[row.if_false]}"
    else:
        yield "alone", f"Nothing: the case {TOP_WORDS[row.top]} whatever this leaf says."
    if row.birnbaum is not None:
        yield "Birnbaum", weight(row.birnbaum)
    if row.fussell_vesely is not None:
        yield "Fussell-Vesely", weight(row.fussell_vesely)


def facts_of(node: Node) -> Iterator[tuple[str, str]]:
    """What the file says of an element beyond its text and its binding."""
    shown_elsewhere = {"finding", "predicate", "log", "scorer", "automatic"}
    yield from ((name, text) for name, text in node.layers if name not in shown_elsewhere)
    if node.url:
        yield "page", node.url
