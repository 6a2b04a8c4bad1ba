"""The elements of a safety argument: nodes, what they cite, and the modules that hold them.

What gsn2x does not know of Goal Structuring Notation, version 3, is said in string attributes (layers), so
that it still reads the file:

- ``away: MODULE`` or ``away: MODULE/ID`` on a goal, solution, context, assumption or justification: the
  element stands for one of another module. There is no away strategy.
- ``symbol: module`` or ``symbol: contract``: the element stands for a whole module or a contract module.
- ``uninstantiated: "true"``: a placeholder in it is still to be filled.
- ``optional: "true"``: its parents may do without it.
- ``multiplicity: NAME``: it and what is below it is repeated for each item of the list parameter ``NAME``.
- ``choice: "m of n"`` (exactly m) or ``choice: "m..k"`` (m to k): how many of its supportedBy are to be
  chosen.
- ``block: NAME`` on a strategy: which of the five blocks of Claims, Arguments, Evidence the step is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Literal

HorizontalIndex = tuple[Literal["relative", "absolute"], int | Literal["last"]]


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
BLOCKS = ("decomposition", "substitution", "concretion", "calculation", "evidence-incorporation")


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
class Away:
    """What an away element stands for: a module, or one element of it."""

    module: str
    """Name of the other module."""
    element: str | None = None
    """Id of the element there; None when the module as a whole is meant."""

    @staticmethod
    def parse(text: str) -> Away | None:
        """Read ``MODULE`` or ``MODULE/ID``; None when either is empty.

        Example:
            >>> Away.parse("Hazards/G4")
            Away(module='Hazards', element='G4')
        """
        module, slash, element = (part.strip() for part in text.partition("/"))
        return Away(module, element or None) if module and bool(slash) == bool(element) else None

    def __str__(self) -> str:
        return self.module if self.element is None else f"{self.module}/{self.element}"


@dataclass(frozen=True)
class Choice:
    """How many of the legs of an element are to be chosen when a pattern is filled in."""

    least: int
    """At least so many."""
    most: int
    """At most so many."""
    of: int | None = None
    """Out of so many, when the author says so."""

    @staticmethod
    def parse(text: str) -> Choice | None:
        """Read ``m of n`` or ``m..k``; None when it says neither, or more than there are.

        Example:
            >>> Choice.parse("1 of 3"), Choice.parse("1..2")
            (Choice(least=1, most=1, of=3), Choice(least=1, most=2, of=None))
        """
        found = re.fullmatch(r"\s*([0-9]{1,6})\s*(of|\.\.)\s*([0-9]{1,6})\s*", text)
        if found is None or int(found[1]) > int(found[3]):
            return None
        first, last = int(found[1]), int(found[3])
        return Choice(first, first, last) if found[2] == "of" else Choice(first, last)

    def __str__(self) -> str:
        return f"{self.least}..{self.most}" if self.of is None else f"{self.least} of {self.of}"


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
    horizontal_index: HorizontalIndex | None = None
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

    @property
    def away(self) -> Away | None:
        """The module, or the element of another module, that it stands for; None when it is at home."""
        return Away.parse(self.layer("away") or "")

    @property
    def symbol(self) -> Literal["module", "contract"] | None:
        """Whether it stands for a ``module`` or a ``contract`` module; None for an ordinary element."""
        said = (self.layer("symbol") or "").strip()
        return "module" if said == "module" else "contract" if said == "contract" else None

    @property
    def uninstantiated(self) -> bool:
        """Whether a placeholder in it is still to be filled."""
        return self._says_true("uninstantiated")

    @property
    def optional(self) -> bool:
        """Whether its parents may do without it when a pattern is filled in."""
        return self._says_true("optional")

    @property
    def multiplicity(self) -> str | None:
        """The list parameter for each item of which it, with what is below, is repeated."""
        return (self.layer("multiplicity") or "").strip() or None

    @property
    def choice(self) -> Choice | None:
        """How many of its legs are to be chosen when a pattern is filled in; None for all."""
        return Choice.parse(self.layer("choice") or "")

    @property
    def block(self) -> str | None:
        """The block of Claims, Arguments, Evidence that a strategy is, with hyphens: one of ``BLOCKS``."""
        said = "-".join((self.layer("block") or "").replace("_", " ").replace("-", " ").split()).lower()
        return said if said in BLOCKS else None

    def _says_true(self, name: str) -> bool:
        return (self.layer(name) or "").strip().lower() == "true"

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
    line: int = field(default=0, compare=False)
    """Line of the file on which it begins; 0 when it came from no file."""


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
    stylesheets: tuple[str, ...] = ()
    """Style sheets that gsn2x links in its drawings."""
    horizontal_index: HorizontalIndex | None = None
    """The author's wish for its place in a drawing of the modules."""
    rank_increment: int = 0
    """How many ranks further down its author wants it in a drawing of the modules."""
    char_wrap: int | None = None
    """Characters after which the lines of its elements break."""
    file: str = field(default="", compare=False)
    """The file it was read from, as it was given."""
    line: int = field(default=0, compare=False)
    """Line of the file on which its own block begins; 0 when it states none."""

    @property
    def name(self) -> str:
        """Its name: the stated one, or else that of its file without folders and endings."""
        if self.stated_name is not None:
            return self.stated_name
        last = self.file.replace("\\", "/").rsplit("/", 1)[-1]
        return last.split(".")[0] or last or "case"

    def where(self, node: Node) -> str:
        """Where an element stands: ``file:line element``."""
        return f"{self.place(node.line)} {node.id}"

    def where_block(self, line: int = 0) -> str:
        """Where its own block stands, or a line of it: ``file:line module``."""
        return f"{self.place(line or self.line)} module"

    def place(self, line: int) -> str:
        """A line of its file as messages name it; the file alone when the line is not known."""
        file = self.file or self.name
        return f"{file}:{line}" if line else file
