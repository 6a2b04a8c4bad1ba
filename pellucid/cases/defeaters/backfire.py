"""The backfire class: ways in which a mitigation may make things worse, and how the doubt is answered.

Premises of the argument: P1 systems fail sooner or later; P2 the harm of a failure grows with the power of
the system; P3 mitigations let systems grow more powerful before they fail. Optimism denies P1 or P2,
mitigation makes the failure less harmful, holism counts other benefits; each meets an obstacle that can be
named beside it.

Source: Cappelen, Dever and Hawthorne 2024, arXiv 2405.19832.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from pellucid.cases.defeaters.catalogue import require, with_elements
from pellucid.cases.defeaters.waivers import waivers
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import COUNTERS, Node, NodeKind
from pellucid.findings import InputError, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case

Mechanism = Literal[
    "capability-enabling",
    "risk-compensation",
    "complacency",
    "information-hazard",
    "race-effect",
    "single-point-of-trust",
]
Reply = Literal["optimism", "mitigation", "holism"]
Obstacle = Literal["bottlenecking", "perfection-barrier", "equilibrium-fluctuation"]

MECHANISMS: Mapping[str, str] = MappingProxyType(
    {
        "capability-enabling": "It lets a more powerful system be built or released than would be without it",
        "risk-compensation": "People and systems take more risk because it is there",
        "complacency": "It is relied upon, and attention elsewhere falls",
        "information-hazard": "What it teaches about the system also helps those who would misuse it",
        "race-effect": "It speeds up competitors, or lowers what is asked of each of them",
        "single-point-of-trust": "Everything now hangs on it, and one failure of it is a failure of all",
    }
)
"""Each mechanism and what it says of a mitigation."""
REPLIES: tuple[str, ...] = get_args(Reply)
OBSTACLES: tuple[str, ...] = get_args(Obstacle)
PREMISES: Mapping[str, str] = MappingProxyType(
    {
        "P1": "Systems fail sooner or later",
        "P2": "The harm of a failure grows with the power of the system",
        "P3": "Mitigations let systems become more powerful before they fail",
    }
)
"""The premises, by number."""
MITIGATING = frozenset({"control", "alignment", "trustworthiness"})
"""Categories of claim that say a mitigation works."""


@dataclass(frozen=True)
class BackfireDefeater:
    """One way in which one mitigation may backfire, with what is said against it."""

    target: str
    """The goal that claims the mitigation."""
    mechanism: str
    """How it may backfire: one of ``MECHANISMS``."""
    premises: tuple[str, ...] = ("P1", "P2", "P3")
    """The premises that it rests on."""
    magnitude: str = ""
    """How large the effect is, if known, in words or by a Finding's measure."""
    evidence: str | None = None
    """Id of the Finding that shows it."""
    predicate: str | None = None
    """When that Finding shows it."""
    reply: str = ""
    """How it is answered: optimism, mitigation or holism; empty while nobody has."""
    obstacle: str = ""
    """What stands in the way of the reply: bottlenecking, perfection-barrier or equilibrium-fluctuation."""

    def __post_init__(self) -> None:
        _one_of("mechanism", self.mechanism, MECHANISMS)
        if self.reply:
            _one_of("reply", self.reply, REPLIES)
        if self.obstacle:
            _one_of("obstacle", self.obstacle, OBSTACLES)
        for premise in self.premises:
            _one_of("premise", premise, PREMISES)

    @property
    def name(self) -> str:
        """The doubt as waivers name it: ``backfire/race-effect``."""
        return f"backfire/{self.mechanism}"

    @property
    def id(self) -> str:
        """The id of its element."""
        return f"CG_backfire_{self.mechanism.replace('-', '_')}_{self.target}"

    def element(self) -> Node:
        """The counter goal that states it, open unless it cites evidence.

        Example:
            >>> BackfireDefeater("G3", "race-effect").element().challenges
            ('G3',)
        """
        layers = {"defeater": "rebutting", "backfire": self.mechanism, "premises": " ".join(self.premises)}
        optional = ("magnitude", "reply", "obstacle", "predicate")
        layers |= {name: value for name in optional if (value := getattr(self, name))}
        if self.evidence:
            layers["finding"] = self.evidence
        kind = NodeKind.COUNTER_SOLUTION if self.evidence else NodeKind.COUNTER_GOAL
        text = f"Backfire, {self.mechanism}: {MECHANISMS[self.mechanism]}"
        return Node(
            self.id,
            text,
            node_type=kind,
            challenges=(self.target,),
            undeveloped=not self.evidence,
            layers=tuple(layers.items()),
        )


def _one_of(what: str, word: str, known: Iterable[str]) -> None:
    names = list(known)
    if word not in names:
        remedy = f"{did_you_mean(word, names)} There are {', '.join(names)}.".strip()
        raise InputError("Y95", f"'{word}' is no {what} of the backfire class.", remedy)


def is_mitigation(node: Node) -> bool:
    """Whether a goal claims a mitigation: by layer or class ``mitigation``, or by its ``category``."""
    if node.kind is not NodeKind.GOAL:
        return False
    marked = (node.layer("mitigation") or "").strip().lower() not in ("", "no", "false")
    category = (node.layer("category") or "").strip().lower()
    return marked or "mitigation" in node.classes or category in MITIGATING


def backfire_of(graph: Graph, goal: str) -> dict[str, Node]:
    """The elements that state backfire doubts of a goal, by mechanism."""
    nodes = (graph.nodes[name] for name in graph.challengers.get(goal, ()))
    stated = ((node.layer("backfire") or "", node) for node in nodes if node.kind in COUNTERS)
    return {mechanism: node for mechanism, node in stated if mechanism}


def missing_backfire(graph: Graph, goal: str) -> list[str]:
    """Mechanisms that a goal neither carries nor waives, in the order of ``MECHANISMS``."""
    carried, waived = backfire_of(graph, goal), waivers(graph.nodes[goal])
    return [name for name in MECHANISMS if name not in carried and f"backfire/{name}" not in waived]


def with_backfire(case: Case, goal: str, records: Iterable[BackfireDefeater] = ()) -> Case:
    """The case with the backfire doubts that a goal lacks, each open until somebody answers it.

    Args:
        case: the argument.
        goal: a goal that claims a mitigation.
        records: what is known of some mechanisms; the others are raised bare.

    Raises:
        MissingError: Y93 when there is no such element.
        InputError: Y96 when it is no goal, or a record is about another one.

    Example:
        >>> from pellucid.cases import Case
        >>> len(with_backfire(Case.read("G1: {category: control, undeveloped: true}"), "G1").nodes)
        7
    """
    node = require(case, goal)
    if node.kind is not NodeKind.GOAL:
        problem = f"'{goal}' is no goal, so it claims no mitigation."
        raise InputError("Y96", problem, "Name the goal that says the mitigation works.")
    known = {record.mechanism: record for record in records}
    for record in known.values():
        if record.target != goal:
            problem = f"The record of {record.mechanism} is about '{record.target}', not '{goal}'."
            raise InputError("Y96", problem, "Give records whose target is the goal.")
    lacking = missing_backfire(case.graph, goal)
    added = [known.get(name, BackfireDefeater(goal, name)).element() for name in lacking]
    return with_elements(case, goal, added) if added else case
