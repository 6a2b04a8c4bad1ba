"""Aim and knowledge register: what the case is for, and what is known, not known, and not yet asked.

They stand as contexts of the top goal, so that they are drawn and travel with the case: one with the layer
``aim``, and one for each entry with the layers ``register`` (its quadrant), ``owner`` and ``review`` (the
day on which it is looked at again). A register can also be kept in a YAML file of its own.

Source: Rostcheck and Scheibling 2024, arXiv 2407.10254.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Node, NodeKind
from pellucid.cases.review.entries import Fields, entries_text, read_entries, write_entries
from pellucid.findings import Diagnostic, InputError, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case

Quadrant = Literal["known-known", "known-unknown", "unknown-known", "unknown-unknown"]
QUADRANTS: tuple[str, ...] = get_args(Quadrant)
"""Known to be known, known to be unknown, known without our knowing it, and probes of what nobody asked."""
_FIELDS = ("id", "aim", "quadrant", "text", "owner", "review")
_PROBE = re.compile(r"[\s_]+")
Reader = Callable[[str], str]


@dataclass(frozen=True)
class Aim:
    """The positive aim that a case serves."""

    text: str
    """What is to be achieved, and for whom."""
    owner: str = ""
    """Who answers for it."""


@dataclass(frozen=True)
class Entry:
    """One thing that is known, not known, or to be probed."""

    id: str
    """Its id, unique in the register."""
    quadrant: Quadrant
    """Where it stands; ``unknown-unknown`` entries are probes of what nobody has asked."""
    text: str
    """What it is."""
    owner: str
    """Who looks after it."""
    review: date
    """The day on which it is looked at again."""
    where: str = field(default="", compare=False)
    """Where it stands in a file or case."""


@dataclass(frozen=True)
class KnowledgeRegister:
    """The aim and the entries of a case.

    Example:
        >>> text = "- aim: Answers to rely on\\n- {id: K1, quadrant: known-unknown, text: Names, "
        >>> register = KnowledgeRegister.read(text + "owner: A. Nurse, review: 2026-12-01}\\n")
        >>> [found.code for found in register.check(date(2027, 1, 1))]
        ['K01']
    """

    aim: Aim | None
    """The aim; None when none is stated."""
    entries: tuple[Entry, ...] = ()
    """The entries in stated order."""
    faults: tuple[Diagnostic, ...] = field(default=(), compare=False)
    """Entries of a case that cannot be read."""

    @staticmethod
    def read(source: str | Path) -> KnowledgeRegister:
        """Read a register from YAML: an entry ``aim``, and entries {id, quadrant, text, owner, review}.

        Raises:
            MissingError: Y103 when there is no such file.
            InputError: Y103 names file and line of what cannot be read.
        """
        aim: Aim | None = None
        entries: dict[str, Entry] = {}
        for one in read_entries(source, _FIELDS):
            where = f"line {one.line}"
            if "aim" in one.values:
                _once(aim is None, where, "a second aim")
                aim = Aim(one.text("aim"), one.text("owner"))
                continue
            entry = _strict(one, where)
            _once(entry.id not in entries, where, f"a second entry '{entry.id}'")
            entries[entry.id] = entry
        return KnowledgeRegister(aim, tuple(entries.values()))

    @staticmethod
    def of(case: Case) -> KnowledgeRegister:
        """The register that the contexts of a case's top goals state."""
        return of_graph(case.graph)

    @property
    def text(self) -> str:
        """The register as YAML."""
        return entries_text(self._plain())

    def write(self, path: str | Path) -> Path:
        """Write it as YAML; either the whole new file is there afterwards or the old one is.

        Raises:
            InputError: Y103 when the place cannot be written.
        """
        return write_entries(path, self._plain())

    def _plain(self) -> list[dict[str, str]]:
        aim = [] if self.aim is None else [{"aim": self.aim.text} | _stated(owner=self.aim.owner)]
        return aim + [
            {"id": one.id, "quadrant": one.quadrant, "text": one.text, "owner": one.owner}
            | {"review": one.review.isoformat()}
            for one in self.entries
        ]

    def overdue(self, today: date) -> tuple[Entry, ...]:
        """Entries whose day of review has passed."""
        return tuple(entry for entry in self.entries if entry.review < today)

    def check(self, today: date, *, required: bool = False) -> list[Diagnostic]:
        """K01 overdue entries, R16 unreadable ones; with ``required`` also R14 no aim and R15 no entry.

        Args:
            today: the day of the check.
            required: whether the case must state an aim and a register.
        """
        return [*self.faults, *self._overdue(today), *(self._absent() if required else ())]

    def _overdue(self, today: date) -> Iterator[Diagnostic]:
        for entry in self.overdue(today):
            problem = f"'{entry.id}' ({entry.quadrant}) was to be reviewed by {entry.review} and is overdue."
            remedy = f"Let {entry.owner} look at it again and set the next day."
            yield Diagnostic("K01", "warning", entry.where or entry.id, problem, remedy)

    def _absent(self) -> Iterator[Diagnostic]:
        if self.aim is None or not self.aim.text.strip():
            remedy = "Give the top goal a context with the layer `aim: positive`."
            yield Diagnostic("R14", "warning", "top goal", "No positive aim is stated.", remedy)
        if not self.entries:
            remedy = "Give the top goal contexts with the layers `register`, `owner` and `review`."
            yield Diagnostic(
                "R15", "warning", "top goal", "No register of knowns and unknowns is stated.", remedy
            )

    def attach(self, case: Case) -> Case:
        """The case with the aim and the entries as contexts of its first top goal, renewed if already there.

        Raises:
            InputError: Y103 when the case has no top goal.
        """
        tops = [name for name in case.graph.tops if case.nodes[name].kind is NodeKind.GOAL]
        if not tops:
            raise InputError(
                "Y103", f"Case '{case.name}' has no top goal.", "Give it one to stand in this context."
            )
        nodes = {node.id: node for node in self._elements()}
        modules = []
        for module in case.modules:
            held = tuple(nodes.pop(node.id, node) for node in module.nodes)
            modules.append(replace(module, nodes=tuple(_in_context(node, tops[0], self) for node in held)))
        place = next(
            i for i, module in enumerate(modules) if any(node.id == tops[0] for node in module.nodes)
        )
        modules[place] = replace(modules[place], nodes=(*modules[place].nodes, *nodes.values()))
        return replace(case, modules=tuple(modules))

    def _elements(self) -> Iterator[Node]:
        if self.aim is not None:
            layers = {"aim": "positive"} | _stated(owner=self.aim.owner)
            yield Node("C_aim", self.aim.text, NodeKind.CONTEXT, layers=tuple(layers.items()))
        for entry in self.entries:
            layers = {"register": entry.quadrant, "owner": entry.owner, "review": entry.review.isoformat()}
            yield Node(_context_id(entry), entry.text, NodeKind.CONTEXT, layers=tuple(layers.items()))


def _stated(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _context_id(entry: Entry) -> str:
    return entry.id if entry.id.startswith("C") else f"C_{entry.id}"


def _in_context(node: Node, top: str, register: KnowledgeRegister) -> Node:
    if node.id != top:
        return node
    wanted = [element.id for element in register._elements()]
    return replace(node, in_context_of=tuple(dict.fromkeys((*node.in_context_of, *wanted))))


def _once(first: bool, where: str, what: str) -> None:
    if not first:
        raise InputError("Y103", f"{where}: {what}.", "State each once.")


def _strict(one: Fields, where: str) -> Entry:
    entry, problem, remedy = _read(one.text("id"), one.text, where)
    if entry is None:
        raise InputError("Y103", f"{where}: {problem}.", remedy)
    return entry


def of_graph(graph: Graph) -> KnowledgeRegister:
    """The register that the contexts of an argument's top goals state; what cannot be read is a fault."""
    names = dict.fromkeys(name for top in graph.tops for name in graph.context[top] if name in graph.nodes)
    nodes = [graph.nodes[name] for name in names]
    aims = [Aim((node.text or "").strip(), node.layer("owner") or "") for node in nodes if node.layer("aim")]
    entries, faults = [], []
    for node in nodes:
        if node.layer("register") is not None:
            entry, problem, remedy = _read(node.id, _of_context(node), node.id)
            if entry is not None:
                entries.append(entry)
            else:
                faults.append(Diagnostic("R16", "warning", node.id, f"{problem}.", remedy))
    return KnowledgeRegister(aims[0] if aims else None, tuple(entries), tuple(faults))


def _of_context(node: Node) -> Reader:
    def value(name: str) -> str:
        """A value of the entry by its name in a file."""
        layer = node.layer("register" if name == "quadrant" else name)
        return ((node.text if name == "text" else layer) or "").strip()

    return value


def _read(name: str, value: Reader, where: str) -> tuple[Entry | None, str, str]:
    """An entry, or what is wrong with it and what to do."""
    lacking = [what for what in ("quadrant", "text", "owner", "review") if not value(what)]
    if not name or lacking:
        what = "id" if not name else lacking[0]
        return None, f"The register entry '{name}' states no {what}", f"State {', '.join(_FIELDS[2:])}."
    quadrant = _PROBE.sub("-", value("quadrant").lower()).removesuffix("-probe")
    found: list[Quadrant] = [one for one in get_args(Quadrant) if one == quadrant]
    if not found:
        remedy = f"{did_you_mean(quadrant, QUADRANTS)} There are {', '.join(QUADRANTS)}.".strip()
        return None, f"The quadrant of '{name}' is '{value('quadrant')}'", remedy
    try:
        day = date.fromisoformat(value("review"))
    except ValueError:
        return (
            None,
            f"'{name}' is to be reviewed on '{value('review')}', which is no day",
            "Write YYYY-MM-DD.",
        )
    return Entry(name, found[0], value("text"), value("owner"), day, where), "", ""
