"""The elements of a safety argument: nodes, what they cite, and the modules that hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Literal


class NodeKind(StrEnum):
    """The kinds of element that Goal Structuring Notation, version 3, has in one argument."""

    GOAL = "Goal"
    STRATEGY = "Strategy"
    SOLUTION = "Solution"
    CONTEXT = "Context"
    ASSUMPTION = "Assumption"
    JUSTIFICATION = "Justification"
    COUNTER_GOAL = "CounterGoal"
    COUNTER_SOLUTION = "CounterSolution"

    @property
    def spoken(self) -> str:
        """The kind as a reader says it: ``counter goal``."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.value).lower()


# Longest first: `Sn1` is a solution and `CG1` a counter goal, although both begin with a shorter prefix.
PREFIXES = (
    ("CSn", NodeKind.COUNTER_SOLUTION),
    ("CG", NodeKind.COUNTER_GOAL),
    ("Sn", NodeKind.SOLUTION),
    ("G", NodeKind.GOAL),
    ("S", NodeKind.STRATEGY),
    ("C", NodeKind.CONTEXT),
    ("A", NodeKind.ASSUMPTION),
    ("J", NodeKind.JUSTIFICATION),
)

COUNTERS = frozenset({NodeKind.COUNTER_GOAL, NodeKind.COUNTER_SOLUTION})
CITING = frozenset({NodeKind.SOLUTION, NodeKind.COUNTER_SOLUTION, NodeKind.ASSUMPTION})
BACKGROUND = frozenset({NodeKind.CONTEXT, NodeKind.JUSTIFICATION})
SIDE = BACKGROUND | {NodeKind.ASSUMPTION}


def kind_of_prefix(node_id: str) -> NodeKind | None:
    """The kind that an id announces by its first letters, case-sensitive; None when it announces none."""
    return next((kind for prefix, kind in PREFIXES if node_id.startswith(prefix)), None)


@dataclass(frozen=True)
class Acceptance:
    """A named reviewer's word that an assumption may stand."""

    name: str
    """Who accepted it."""
    on: date
    """The day on which it was accepted."""

    @staticmethod
    def parse(text: str) -> Acceptance | None:
        """Read ``name, YYYY-MM-DD``; None when there is no name or no such day."""
        name, _, day = text.rpartition(",")
        try:
            accepted = date.fromisoformat(day.strip())
        except ValueError:
            return None
        return Acceptance(name.strip(), accepted) if name.strip() else None

    def __str__(self) -> str:
        return f"{self.name}, {self.on.isoformat()}"


@dataclass(frozen=True)
class Node:
    """One element of an argument, with everything that its file says about it."""

    id: str
    """Its name in the file; unique over all modules of a case."""
    text: str | None = None
    """The claim, step, evidence or circumstance in words."""
    node_type: NodeKind | None = None
    """A kind stated by ``nodeType``; it overrides the prefix of the id."""
    supported_by: tuple[str, ...] = ()
    """Ids of what supports it, in stated order."""
    in_context_of: tuple[str, ...] = ()
    """Ids of its contexts, assumptions and justifications, in stated order."""
    undeveloped: bool = False
    """Whether its author says that support is still to come."""
    challenges: tuple[str, ...] = ()
    """What it challenges: nothing, one element, or the two ends of a relation."""
    defeated: bool = False
    """Whether its author marks it as defeated; the evaluation does not take the author's word for it."""
    defeated_relation: tuple[str, ...] = ()
    """Related elements towards which its author marks the relation as defeated."""
    acp: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Assurance claim points: name and the ids they sit on (its own, or the other end of a relation)."""
    classes: tuple[str, ...] = ()
    """Style classes for a drawing."""
    url: str | None = None
    """A page about it."""
    horizontal_index: tuple[Literal["relative", "absolute"], int | Literal["last"]] | None = None
    """The author's wish for its place among its neighbours."""
    rank_increment: int = 0
    """How many ranks further down its author wants it."""
    char_wrap: int | None = None
    """Characters after which its author wants a line to break."""
    layers: tuple[tuple[str, str], ...] = ()
    """Every other string attribute, kept in stated order; bindings live here so that gsn2x reads the file."""
    line: int = field(default=0, compare=False)
    """Line of the file on which it begins; 0 when it came from no file."""

    @property
    def kind(self) -> NodeKind | None:
        """Its kind, by ``nodeType`` or else by prefix; None when neither says."""
        return self.node_type or kind_of_prefix(self.id)

    def layer(self, name: str) -> str | None:
        """The string attribute ``name``, or None."""
        return next((text for key, text in self.layers if key == name), None)

    @property
    def finding(self) -> str | None:
        """Id of the Finding that it cites."""
        return self.layer("finding")

    @property
    def predicate(self) -> str | None:
        """The predicate over the Finding's measures that makes it true."""
        return self.layer("predicate")

    @property
    def refuted_by(self) -> str | None:
        """The predicate that makes it false; without one, a false ``predicate`` does."""
        return self.layer("refutedBy")

    @property
    def need(self) -> str:
        """How many supporting legs it needs: ``all`` (default), ``any``, or a number."""
        return (self.layer("need") or "all").strip()

    @property
    def accepted(self) -> Acceptance | None:
        """Who accepted it and when; None when nobody did."""
        return Acceptance.parse(self.layer("accepted") or "")

    def needed(self, legs: int) -> int | None:
        """How many of ``legs`` supporting legs must hold; None when ``need`` cannot be met or read."""
        words = {"all": legs, "any": 1}
        need = self.need
        count = words.get(need, int(need) if need.isascii() and need.isdigit() else 0)
        return count if 1 <= count <= legs else None

    def having(self, **layers: str) -> Node:
        """A copy with these string attributes set, others unchanged: ``node.having(finding="3f2...")``."""
        kept = tuple((key, text) for key, text in self.layers if key not in layers)
        return replace(self, layers=kept + tuple(layers.items()))


@dataclass(frozen=True)
class Extension:
    """Support that a module adds to undeveloped elements of another module."""

    module: str
    """Name of the module that is extended."""
    develops: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Foreign element and the local elements that now support it."""


@dataclass(frozen=True)
class Module:
    """The elements of one file."""

    stated_name: str | None = None
    """The name that the file itself states."""
    nodes: tuple[Node, ...] = ()
    """Its elements in stated order."""
    brief: str | None = None
    """What it argues, in a line."""
    uses: tuple[str, ...] = ()
    """Files of other modules, relative to its own."""
    extends: tuple[Extension, ...] = ()
    """What it adds to other modules."""
    layers: tuple[tuple[str, str], ...] = ()
    """Every other string attribute of the module."""
    file: str = field(default="", compare=False)
    """The file it was read from, as it was given."""

    @property
    def name(self) -> str:
        """Its name: the stated one, or else that of its file without folders and endings."""
        if self.stated_name is not None:
            return self.stated_name
        last = self.file.replace("\\", "/").rsplit("/", 1)[-1]
        return last.split(".")[0] or last or "case"

    def where(self, node: Node) -> str:
        """Where an element stands: ``file:line element``."""
        place = self.file or self.name
        return f"{place}:{node.line} {node.id}" if node.line else f"{place} {node.id}"
