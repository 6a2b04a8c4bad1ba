"""A case as pages show it: the drawing, the reason, the outline, the assumptions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.cases import Case
from pellucid.cases.evidence.citations import citation
from pellucid.web.element import Element, anchors_of, elements_of, valued, watched
from pellucid.web.freshness import freshness_of
from pellucid.web.label import Href, Label, label_of
from pellucid.web.states import MISSING, STALE, VALUES, VERDICTS, WATCHED, State
from pellucid.web.templating import plural, with_code

if TYPE_CHECKING:
    from pellucid.cases import Confidence, Node, NodeState, Sensitivity, Verdict
    from pellucid.findings import Header
    from pellucid.web.confidence import Sure
    from pellucid.web.debate import Dispute
    from pellucid.web.experiments import Next
    from pellucid.web.hanging import Hangs

Find = Callable[[str], "Header | None"]
HEADLINES = {
    "stands": "The case stands",
    "defeated": "The case is defeated",
    "undecided": "The case does not stand",
}


@dataclass(frozen=True)
class Line:
    """One element in the outline."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is."""
    depth: int
    """How far below the top."""
    kind: str
    """Its kind in words."""
    text: str
    """What it says."""
    value: State | None
    """Its value, staleness ignored; None for a context."""
    now: State | None
    """Its value with stale evidence taken out."""
    freshness: tuple[State, ...]
    """In which ways its evidence is not up to date, the worst first."""
    href: str
    """Where its Finding is shown."""
    finding: str
    """The first signs of its Finding's id."""
    predicate: str
    """What must hold for it to be true."""
    accepted: str
    """Who accepted it, and when."""
    reason: str
    """Why it has its value."""


@dataclass(frozen=True)
class Reason:
    """The leaf that says why the top is what it is."""

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
    label: Label | None
    """The label of its Finding."""
    predicate: str
    """What must hold for it to be true."""
    why: Markup
    """Why it has its value."""


@dataclass(frozen=True)
class Argument:
    """A case with its verdict, ready for a page."""

    name: str
    """Name of the case in the store."""
    headline: str
    """The verdict as a sentence."""
    lede: Markup
    """What the top claims, and why it is so."""
    verdict: State
    """The verdict, staleness ignored."""
    now: State
    """The verdict with stale evidence taken out."""
    counts: tuple[tuple[State, str], ...]
    """How many leaves are stale or missing."""
    drawing: Markup
    """The drawing."""
    width: int
    """Its natural width in pixels."""
    nodes: tuple[Line, ...]
    """The outline."""
    elements: tuple[Element, ...]
    """The panel of every element, shown when it is chosen."""
    reason: Reason | None
    """The leaf that decides."""
    path: tuple[Line, ...]
    """The chain from the top to that leaf."""
    path_title: str
    """Heading of the chain."""
    assumptions: tuple[dict[str, object], ...]
    """Accepted and open assumptions."""
    diagnostics: tuple[Markup, ...]
    """What the checks of the case say."""
    downloads: tuple[tuple[str, str], ...] = ()
    """Addresses and names of its files."""
    hangs: Hangs | None = None
    """What the verdict hangs on; this and what follows is None where there is nothing to say."""
    sure: Sure | None = None
    """How sure one may be of it."""
    next: Next | None = None
    """What to measure next."""
    debate: Dispute | None = None
    """The debate about it."""


def argument_of(
    name: str,
    case: Case,
    verdict: Verdict,
    find: Find,
    href: Href,
    *,
    sensitivity: Iterable[Sensitivity] = (),
    confidence: Confidence | None = None,
    downloads: Sequence[tuple[str, str]] = (),
) -> Argument:
    """Prepare a case and its verdict for a page.

    Arguments:
        name: name of the case.
        case: the argument.
        verdict: what the evidence says about it.
        find: the header of a Finding by id, None when it is not at hand.
        href: the address of a path of the site.
        sensitivity: what hangs on each leaf.
        confidence: how sure one may be of each element.
        downloads: addresses and names of files to offer.
    """
    lines = tuple(outline(case, verdict, href))
    by_id = {line.id: line for line in lines}
    anchors = anchors_of(case)
    drawing = case.render(verdict, anchor=lambda element: f"#{anchors[element]}", standalone=False)
    return Argument(
        name=name,
        headline=HEADLINES[verdict.word],
        lede=with_code(lede(by_id, verdict)),
        verdict=VALUES[verdict.value],
        now=VERDICTS[verdict.word],
        counts=tuple(counts(case, verdict, find)),
        drawing=Markup(drawing),
        width=natural_width(drawing),
        nodes=lines,
        elements=elements_of(case, verdict, find, href, sensitivity, confidence),
        reason=reason_of(case, verdict, find, href),
        path=tuple(by_id[node] for node in verdict.reason_path if node in by_id),
        path_title=f"Why the top is {VALUES[verdict.now].word.replace('refutes', 'refuted')}",
        assumptions=tuple(assumptions(case, verdict)),
        diagnostics=tuple(with_code(str(diagnostic)) for diagnostic in case.check()),
        downloads=tuple(downloads),
    )


def linked(find: Find, href: Href) -> Callable[[str], str]:
    """The address of a Finding by its id; empty for one that is not at hand."""

    def address(identity: str) -> str:
        """Where the Finding is shown."""
        return href(f"/findings/{identity}") if find(identity) is not None else ""

    return address


def natural_width(drawing: str) -> int:
    """The width that a drawing asks for, in pixels; 720 when it asks for none."""
    found = re.search(r'<svg[^>]*?\swidth="(\d+)', drawing)
    return int(found.group(1)) if found else 720


FAILS = {"F": "It fails at", "U": "It is open at", "T": ""}


def lede(by_id: dict[str, Line], verdict: Verdict) -> str:
    """What the top claims and, when it does not stand, at which element and why."""
    tops = [by_id[name].text for name in verdict.top.split(", ") if name in by_id]
    claim = " ".join(f"Claim: {text.strip().rstrip('.')}." for text in tops)
    leaf = by_id.get(verdict.reason_path[-1]) if verdict.reason_path else None
    if leaf is None:
        return f"{claim} {verdict.reason}".strip()
    what = leaf.text.strip().rstrip(".")
    if what[1:2].islower():  # a word, and no name such as "D-rare"
        what = what[:1].lower() + what[1:]
    return f"{claim} {FAILS[verdict.now]} {leaf.id}, {what}: {leaf.reason}."


def counts(case: Case, verdict: Verdict, find: Find) -> Iterator[tuple[State, str]]:
    """Stale, irreproducible, retracted and missing leaves, open assumptions and indicators that warn."""
    leaves = [verdict.states[name] for name, node in case.graph.nodes.items() if is_leaf(node)]
    whole = plural(len(leaves), "leaf", "leaves")
    for state, word, holds in (
        (STALE, "stale", lambda one: one.stale),
        (STALE, "retracted", lambda one: "retracted" in one.freshness),
        (MISSING, "missing", lambda one: one.missing),
    ):
        number = sum(map(holds, leaves))
        if number:
            yield state, f"{number} of {whole} {word}"
    if verdict.open_assumptions:
        yield MISSING, f"{plural(len(verdict.open_assumptions), 'open assumption')}"
    yield from warnings(case, verdict, find)


def is_leaf(node: Node) -> bool:
    """Whether an element needs a measurement: a solution, for or against, or what cites one."""
    solution = node.kind is not None and node.kind.spoken in {"solution", "counter solution"}
    return solution or citation(node) is not None


def warnings(case: Case, verdict: Verdict, find: Find) -> Iterator[tuple[State, str]]:
    """How many indicators have left their levels."""
    seen: Counter[State] = Counter()
    for name, node in case.graph.nodes.items():
        finding = verdict.states[name].finding
        found = watched(node, find(finding) if finding else None)
        if found is not None and found.state != WATCHED["normal"]:
            seen[found.state] += 1
    for state, number in seen.items():
        yield state, f"{plural(number, 'indicator')}: {state.word}"


def outline(case: Case, verdict: Verdict, href: Href) -> Iterator[Line]:
    """Every element below its owner, each once, from the top."""
    seen: set[str] = set()
    anchors = anchors_of(case)
    stack = [(name, 0) for name in reversed(case.graph.roots)]
    while stack:
        name, depth = stack.pop()
        node = case.graph.nodes.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        yield line_of(node, verdict.states[name], anchors[name], depth, href)
        stack.extend((below, depth + 1) for below in reversed(case.graph.depends[name]))


def line_of(node: Node, state: NodeState, anchor: str, depth: int, href: Href) -> Line:
    """One element of the outline."""
    kind = node.kind.spoken if node.kind else "element"
    finding, value = state.finding or "", valued(node, state, state.value)
    return Line(
        id=node.id,
        anchor=anchor,
        depth=depth,
        kind=kind,
        text=node.text or "",
        value=value,
        now=valued(node, state, state.now),
        freshness=freshness_of(state) if value else (),
        href=href(f"/findings/{finding}") if finding and not state.missing else "",
        finding=finding[:12],
        predicate=node.predicate or "",
        accepted=str(node.accepted or ""),
        reason=state.reason,
    )


def reason_of(case: Case, verdict: Verdict, find: Find, href: Href) -> Reason | None:
    """The last element of the reason path with its Finding; None when the case stands."""
    if not verdict.reason_path or verdict.reason_path[-1] not in case.graph.nodes:
        return None
    node = case.graph.nodes[verdict.reason_path[-1]]
    state = verdict.states[node.id]
    header = find(state.finding) if state.finding else None
    value = valued(node, state, state.value)
    return Reason(
        kicker=f"{node.kind.spoken.capitalize() if node.kind else 'Element'} {node.id}",
        text=node.text or node.id,
        value=value,
        now=valued(node, state, state.now),
        freshness=freshness_of(state),
        label=label_of(header, href, node.predicate or "", value) if header else None,
        predicate=node.predicate or "",
        why=with_code(state.reason),
    )


def assumptions(case: Case, verdict: Verdict) -> Iterator[dict[str, object]]:
    """Assumptions, open ones first."""
    nodes = [node for node in case.graph.nodes.values() if node.kind and node.kind.spoken == "assumption"]
    for node in sorted(nodes, key=lambda node: node.id not in verdict.open_assumptions):
        opened = node.id in verdict.open_assumptions
        word = "open" if opened else "accepted" if node.id in verdict.accepted else "argued"
        yield {
            "id": node.id,
            "text": node.text or "",
            "word": word,
            "state": MISSING if opened else VALUES[verdict.states[node.id].value],
            "accepted": verdict.accepted.get(node.id, ""),
        }
