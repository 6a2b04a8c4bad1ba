"""The debate view: every doubt, what it is about, each reply to it, and what they amount to now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pellucid.cases.defeaters.waivers import Waiver, waivers
from pellucid.cases.dialectic.decision import Raised, raised
from pellucid.cases.dialectic.labellings import Alternative, alternative_readings
from pellucid.cases.evaluation.kleene import Value
from pellucid.cases.evaluation.operator import carries_own_value
from pellucid.cases.evidence.citations import citation
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, COUNTERS, Node
from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.cases.case import Case
    from pellucid.cases.evaluation.verdict import Verdict

Outcome = Literal["answered", "residual", "open", "holds"]


@dataclass(frozen=True)
class Exchange:
    """One doubt with one reply to it; a doubt without reply has one row of its own."""

    defeater: str
    """Id of the doubt."""
    kind: str
    """rebutting, undercutting or undermining; empty when it does not say."""
    text: str
    """What it says."""
    target: tuple[str, ...]
    """The element, or the two ends of the relation, that it challenges."""
    depth: int
    """1 for a doubt about the argument, 2 for a reply to one, and so on."""
    value: Value
    """Its value, staleness ignored."""
    now: Value
    """Its value with stale evidence taken out."""
    outcome: Outcome
    """What became of it: answered (false now), residual (accepted with a reason), open, or holds."""
    finding: str | None
    """The Finding, or the log, that it cites."""
    reply: str | None
    """Id of the counter element that answers it; None when nobody does."""
    reply_text: str
    """What the reply says."""
    reply_value: Value | None
    """The reply's value, staleness ignored."""
    reply_now: Value | None
    """The reply's value with stale evidence taken out."""
    magnitude: str = ""
    """How large the effect is, if it says so."""
    raised_by: str = ""
    """Who raised it."""
    on: str = ""
    """The day on which it was raised."""
    residual: str = ""
    """Why it is accepted without an answer, by whom and when."""


@dataclass(frozen=True)
class Debate:
    """All exchanges about one case."""

    case: str
    """Name of the case."""
    rows: tuple[Exchange, ...]
    """The exchanges, each doubt followed by the replies to it and the replies to those."""
    considered: int
    """Leaves of the argument for which at least one doubt was raised or waived."""
    leaves: int
    """Leaves of the argument."""
    waived: tuple[Waiver, ...]
    """Ready-made doubts that somebody waived, with the reasons."""
    otherwise: tuple[Alternative, ...]
    """Elements that could be read otherwise; empty when ``circles`` says why nobody looked."""
    circles: str = ""
    """Why other readings were not looked for; empty when they were."""
    unlinked: tuple[Raised, ...] = ()
    """What the risk case raises and the safety case nowhere takes up."""

    @property
    def completeness(self) -> float:
        """The share of leaves for which at least one doubt was considered; 1 without leaves."""
        return self.considered / self.leaves if self.leaves else 1.0

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Doubts that are neither answered nor accepted: they hold, or are open."""
        return self._with("open", "holds")

    @property
    def residual(self) -> tuple[str, ...]:
        """Doubts without an answer that a named person accepted with a reason."""
        return self._with("residual")

    def _with(self, *outcomes: Outcome) -> tuple[str, ...]:
        # On even levels stand replies: they speak for the argument, and one that fails leaves its doubt open.
        doubts = (row for row in self.rows if row.depth % 2 and row.outcome in outcomes)
        return tuple(dict.fromkeys(row.defeater for row in doubts))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "case": self.case,
            "completeness": self.completeness,
            "considered": self.considered,
            "leaves": self.leaves,
            "rows": [asdict(row) for row in self.rows],
            "unanswered": list(self.unanswered),
            "residual": list(self.residual),
            "waived": [asdict(one) | {"by": str(one.by)} for one in self.waived],
            "otherwise": [asdict(one) for one in self.otherwise],
            "circles": self.circles,
            "unlinked": [asdict(one) for one in self.unlinked],
        }


def debate(
    case: Case,
    verdict: Verdict,
    risk_case: Case | None = None,
    *,
    leaves: Mapping[str, Value] | None = None,
) -> Debate:
    """Pair each doubt of a case with its replies, on every level, with their present values.

    Args:
        case: the safety case.
        verdict: what the evidence says about it, from ``case.evaluate``.
        risk_case: the adversary's document; what it raises and the case nowhere takes up is listed.
        leaves: what each leaf says before any challenge; with it, what could be read otherwise is looked for.

    Raises:
        InputError: Y107 when the verdict is about another argument.

    Example:
        >>> from pellucid.cases import Case
        >>> text = "G1: {supportedBy: [Sn1]}\\nSn1: {}\\nCG1: {challenges: Sn1, defeater: undermining}\\n"
        >>> case = Case.read(text)
        >>> [(row.defeater, row.target, row.reply) for row in debate(case, case.evaluate([])).rows]
        [('CG1', ('Sn1',), None)]
    """
    graph = case.graph
    unknown = [name for name in graph.nodes if name not in verdict.states]
    if unknown:
        problem = f"The verdict says nothing of '{unknown[0]}', so it is about another argument."
        raise InputError("Y107", problem, "Evaluate the same case: case.evaluate(findings).")
    below = _leaves(graph)
    otherwise, circles = _otherwise(graph, leaves)
    found = () if risk_case is None else raised(case, risk_case)
    return Debate(
        case.name,
        tuple(row for name, depth in _order(graph) for row in _exchanges(graph, verdict, name, depth)),
        sum(_considered(graph, name) for name in below),
        len(below),
        tuple(waiver for node in graph.nodes.values() for waiver in waivers(node).values()),
        otherwise,
        circles,
        tuple(one for one in found if not one.linked),
    )


def _order(graph: Graph) -> Iterator[tuple[str, int]]:
    """Every challenge with its level, each followed by the replies to it; circles come last."""
    depth: dict[str, int] = {}
    own = [name for name, node in graph.nodes.items() if node.challenges]
    answering = {reply for name in own for reply in replies(graph, name)}
    roots = [name for name in own if name not in answering]
    for root in (*roots, *own):
        stack = [(root, 1)]
        while stack:
            name, level = stack.pop()
            if name not in depth:
                depth[name] = level
                stack += [(reply, level + 1) for reply in reversed(replies(graph, name))]
    return iter(depth.items())


def replies(graph: Graph, name: str) -> tuple[str, ...]:
    """Elements that answer a challenge: they challenge it, or the relation between it and its target.

    Args:
        graph: the argument.
        name: a counter element that challenges something.
    """
    challenges = graph.nodes[name].challenges
    if not challenges:
        return ()
    found = [*graph.challengers.get(name, ())]
    found += [doubt for end in challenges for doubt in graph.doubts(name, end) if len(challenges) == 1]
    return tuple(other for other in dict.fromkeys(found) if other != name)


def _exchanges(graph: Graph, verdict: Verdict, name: str, depth: int) -> Iterator[Exchange]:
    node, state = graph.nodes[name], verdict.states[name]
    for reply in replies(graph, name) or (None,):
        answer = None if reply is None else graph.nodes[reply]
        answered = None if reply is None else verdict.states[reply]
        yield Exchange(
            defeater=name,
            kind=node.layer("defeater") or "",
            text=(node.text or "").strip(),
            target=node.challenges,
            depth=depth,
            value=state.value,
            now=state.now,
            outcome=outcome(node, state.now),
            finding=citation(node),
            reply=reply,
            reply_text=(answer.text or "").strip() if answer else "",
            reply_value=answered.value if answered else None,
            reply_now=answered.now if answered else None,
            magnitude=node.layer("magnitude") or "",
            raised_by=node.layer("raisedBy") or "",
            on=node.layer("date") or "",
            residual=_accepted(node),
        )


def _accepted(node: Node) -> str:
    reason = (node.layer("residual") or "").strip()
    return f"{reason} ({node.accepted})" if reason and node.accepted else ""


def outcome(node: Node, now: Value) -> Outcome:
    """What became of a doubt, by its value and by what its author says."""
    if now == "F":
        return "answered"
    if _accepted(node):
        return "residual"
    return "holds" if now == "T" else "open"


def _leaves(graph: Graph) -> list[str]:
    """Elements on the side of the argument that carry their own value."""
    speaking = {name: (*graph.support[name], *graph.context[name]) for name in graph.nodes}
    below = graph.reach(graph.tops, speaking)
    return [
        name
        for name, node in graph.nodes.items()
        if name in below
        and carries_own_value(graph, name)
        and node.kind not in BACKGROUND
        and node.kind not in COUNTERS
    ]


def _considered(graph: Graph, leaf: str) -> bool:
    """Whether a doubt about a leaf, or about a step to it, was raised or waived."""
    steps = any(graph.doubts(parent, leaf) for parent in graph.parents.get(leaf, ()))
    return bool(graph.challengers.get(leaf)) or steps or bool(waivers(graph.nodes[leaf]))


def _otherwise(graph: Graph, leaves: Mapping[str, Value] | None) -> tuple[tuple[Alternative, ...], str]:
    if leaves is None:
        return (), "what the leaves say by themselves was not given"
    try:
        return alternative_readings(graph, leaves), ""
    except InputError as error:
        return (), str(error)
