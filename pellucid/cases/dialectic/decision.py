"""Two documents, one decision: what the risk case raises, and where the safety case takes it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pellucid.cases.defeaters.catalogue import exchanged, require, with_elements
from pellucid.cases.evidence.citations import citation
from pellucid.cases.nodes import COUNTERS, Node, NodeKind
from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.cases.case import Case
    from pellucid.cases.evaluation.verdict import Verdict

Outcome = Literal["open questions", "risk shown", "accepted", "not shown"]
RAISES = "raises"
"""Layer by which a counter element of the safety case says which element of the risk case it takes up."""


@dataclass(frozen=True)
class Raised:
    """One doubt of the risk case, and the counter elements of the safety case that take it up."""

    element: str
    """Its id in the risk case."""
    text: str
    """What it says."""
    linked: tuple[str, ...]
    """Counter elements of the safety case that take it up; empty when none does."""
    targets: tuple[tuple[str, ...], ...]
    """What those challenge."""
    now: str = ""
    """Its value in the risk case now, when the risk case was evaluated."""


@dataclass(frozen=True)
class DecisionRecord:
    """A safety case and a risk case side by side, with what one raises and the other takes up or not."""

    safety_case: str
    """Digest of the safety case."""
    risk_case: str
    """Digest of the risk case."""
    safety: str
    """The safety case's verdict in a word; empty when it was not evaluated."""
    risk: str
    """The risk case's verdict in a word."""
    raised: tuple[Raised, ...]
    """Every doubt of the risk case."""

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Doubts of the risk case that the safety case nowhere takes up."""
        return tuple(one.element for one in self.raised if not one.linked)

    @property
    def complete(self) -> bool:
        """Whether every doubt of the risk case is taken up."""
        return not self.unanswered

    @property
    def outcome(self) -> Outcome:
        """What the two documents come to together.

        ``open questions`` while a doubt is not taken up or a document was not evaluated, ``risk shown``
        when the risk case stands, ``accepted`` when the safety case stands and the risk case does not.
        """
        if not self.complete or not self.safety or not self.risk:
            return "open questions"
        if self.risk == "stands":
            return "risk shown"
        return "accepted" if self.safety == "stands" else "not shown"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        counted = {"unanswered": list(self.unanswered), "complete": self.complete, "outcome": self.outcome}
        return asdict(self) | counted


def decision_record(
    case: Case,
    risk_case: Case | None,
    verdict: Verdict | None = None,
    risk_verdict: Verdict | None = None,
) -> DecisionRecord:
    """Set a safety case and a risk case beside each other; a decision needs both.

    A doubt of the risk case is each of its claims below the top, each leaf that supports the top itself,
    and each counter element. It is taken up by a counter element of the safety case that names it in the
    layer ``raises``, has its id, or has its words.

    Args:
        case: argues the top claim.
        risk_case: argues its negation, written by somebody else.
        verdict: the safety case's verdict.
        risk_verdict: the risk case's verdict.

    Raises:
        InputError: Y97 without a risk case, with the same document twice, or when a document argues nothing.

    Example:
        >>> from pellucid.cases import Case
        >>> case = Case.read("G1: {text: Safe, supportedBy: [Sn1]}\\nSn1: {}\\n")
        >>> risk = Case.read("G1: {text: Bad, supportedBy: [G2]}\\nG2: {text: Leaks, undeveloped: true}\\n")
        >>> decision_record(case, risk).unanswered
        ('G2',)
    """
    if risk_case is None:
        problem = f"Only the safety case '{case.name}' is given, and a decision needs the risk case too."
        raise InputError(
            "Y97", problem, "Let somebody else argue the negated top claim, and give that document."
        )
    for document, called in ((case, "safety"), (risk_case, "risk")):
        if not document.graph.tops:
            problem = f"The {called} case '{document.name}' claims nothing."
            raise InputError("Y97", problem, "Give an argument with a top claim.")
    if case.sha256 == risk_case.sha256:
        problem = "The safety case and the risk case are the same document."
        raise InputError("Y97", problem, "The risk case argues the negated top claim.")
    return DecisionRecord(
        case.sha256,
        risk_case.sha256,
        verdict.word if verdict else "",
        risk_verdict.word if risk_verdict else "",
        raised(case, risk_case, risk_verdict),
    )


def raised(case: Case, risk_case: Case, risk_verdict: Verdict | None = None) -> tuple[Raised, ...]:
    """Every doubt of a risk case with the counter elements of a safety case that take it up.

    Args:
        case: the safety case.
        risk_case: the risk case.
        risk_verdict: the risk case's verdict, for the value of each doubt.
    """
    states = risk_verdict.states if risk_verdict else {}
    found = []
    for node in _doubts(risk_case):
        counters = tuple(_taking_up(case, node))
        targets = tuple(counter.challenges for counter in counters)
        now = states[node.id].now if node.id in states else ""
        names = tuple(counter.id for counter in counters)
        found.append(Raised(node.id, (node.text or "").strip(), names, targets, now))
    return tuple(found)


def _doubts(risk_case: Case) -> Iterator[Node]:
    graph = risk_case.graph
    first = {leg for top in graph.tops for leg in graph.support[top]}
    for name, node in graph.nodes.items():
        claims = node.kind is NodeKind.GOAL and name not in graph.tops
        if claims or node.kind in COUNTERS or (node.kind is NodeKind.SOLUTION and name in first):
            yield node


def _taking_up(case: Case, doubt: Node) -> Iterator[Node]:
    words = _words(doubt)
    for node in case.nodes.values():
        if node.kind not in COUNTERS or not node.challenges:
            continue
        named = [name.strip() for name in (node.layer(RAISES) or "").split(",")]
        if doubt.id in named or node.id == doubt.id or (words and _words(node) == words):
            yield node


def _words(node: Node) -> str:
    return " ".join((node.text or "").casefold().split())


def answered_with(case: Case, risk_case: Case, targets: Mapping[str, str] | None = None) -> Case:
    """The safety case with doubts of the risk case taken up as challenges, citing the same evidence.

    Args:
        case: the safety case.
        risk_case: the risk case.
        targets: for each doubt of the risk case, the element of the safety case that it challenges. Without
            them, every doubt that nobody takes up and whose layer ``counters`` names an element of the case.

    Raises:
        MissingError: Y93 when an element is in neither document.

    Example:
        >>> from pellucid.cases import Case
        >>> case = Case.read("G1: {text: Safe, supportedBy: [Sn1]}\\nSn1: {}\\n")
        >>> risk = Case.read("G1: {text: Bad, supportedBy: [G2]}\\nG2: {text: Leaks, undeveloped: true}\\n")
        >>> decision_record(answered_with(case, risk, {"G2": "Sn1"}), risk).complete
        True
    """
    for doubt, target in (_stated(case, risk_case) if targets is None else targets).items():
        require(case, target)
        require(risk_case, doubt)
        counters = _counters(risk_case, doubt, target)
        present = case.nodes.get(_renamed(doubt))
        if present is not None and not present.challenges:
            # It came along before as support of another doubt; now it is also one itself.
            case = exchanged(case, present, next(node for node in counters if node.id == present.id))
        case = with_elements(case, target, [node for node in counters if node.id not in case.nodes])
    return case


def _stated(case: Case, risk_case: Case) -> dict[str, str]:
    """What each doubt that nobody takes up says that it is about."""
    lacking = (one.element for one in raised(case, risk_case) if not one.linked)
    about = {name: risk_case.nodes[name].layer("counters") or "" for name in lacking}
    return {name: target for name, target in about.items() if target in case.nodes}


def _counters(risk_case: Case, doubt: str, target: str) -> list[Node]:
    """A doubt and all that supports it in the risk case, as counter elements."""
    legs = {name: _legs(risk_case, name) for name in risk_case.nodes}
    below = risk_case.graph.reach([doubt], legs)
    return [
        _counter(risk_case.nodes[name], legs[name], target if name == doubt else None)
        for name in risk_case.nodes
        if name in below
    ]


def _legs(risk_case: Case, name: str) -> tuple[str, ...]:
    """What an element rests on; its assumptions too where all legs must hold, as no counter has a context."""
    graph, node = risk_case.graph, risk_case.nodes[name]
    known = [leg for leg in graph.support[name] if leg in graph.nodes]
    assumed = [other for other in graph.context[name] if _kind(risk_case, other) is NodeKind.ASSUMPTION]
    return (*known, *(assumed if known and node.need == "all" else ()))


def _kind(case: Case, name: str) -> NodeKind | None:
    return case.nodes[name].kind if name in case.nodes else None


def _counter(node: Node, legs: tuple[str, ...], target: str | None) -> Node:
    kept = [(name, text) for name, text in node.layers if name in _KEPT]
    attack = [("defeater", node.layer("defeater") or "rebutting"), (RAISES, node.id)] if target else []
    kind = NodeKind.COUNTER_SOLUTION if citation(node) is not None else NodeKind.COUNTER_GOAL
    return Node(
        _renamed(node.id),
        node.text,
        node_type=kind,
        supported_by=tuple(_renamed(leg) for leg in legs),
        challenges=(target,) if target else (),
        undeveloped=not legs and citation(node) is None,
        layers=(*attack, *kept),
    )


_KEPT = ("finding", "log", "scorer", "tolerance", "predicate", "refutedBy", "magnitude", "need")


def _renamed(name: str) -> str:
    return f"CG_risk_{name}"
