"""What a pattern asks for: its parameters with their types, its choices and its optional elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pellucid.cases.case import Case
from pellucid.cases.nodes import Choice
from pellucid.cases.patterns.marks import CHOSEN, Loop, possible, spoken
from pellucid.cases.patterns.placeholders import Placeholder, module_texts, placeholders
from pellucid.cases.patterns.scopes import ITEM, Scopes, named_by
from pellucid.cases.patterns.value_types import MODEL_FIELDS, READERS, TEXT, ParameterType
from pellucid.findings import InputError, did_you_mean

CHOOSE, INCLUDE = "choose", "include"
"""Names under which values give choices (element to legs) and optional elements (element to yes or no)."""
SWITCHES = ("choice", "optional")
"""Types of what is asked for under these names, apart from values."""
MODULE = "module"
"""Where a parameter is used that stands in the module's own texts."""


@dataclass(frozen=True)
class Parameter:
    """One thing that a pattern asks for."""

    name: str
    """The name under which the value is given; of a choice or an option, the element."""
    type: ParameterType
    """What the value must be."""
    used_in: tuple[str, ...]
    """Elements whose texts use it."""
    required: bool = True
    """Whether instantiating without it is an error."""
    options: tuple[str, ...] = ()
    """Of a choice: the legs to choose from."""
    choice: Choice | None = None
    """Of a choice: how many are to be chosen."""
    repeats: bool = False
    """Of a list: whether elements are repeated once an item."""

    def __str__(self) -> str:
        if self.choice is not None:
            return f"{CHOOSE} {self.name}: {spoken(self.choice)} of {', '.join(self.options)}"
        return (
            f"{INCLUDE} {self.name}: true or false"
            if self.type.word == "optional"
            else f"{self.name}: {self.type}"
        )


def parameters(pattern: Case) -> tuple[Parameter, ...]:
    """Everything that a pattern asks for: values in order of first use, then choices, then optional elements.

    Raises:
        InputError: Y50 when the pattern contradicts itself; the message names every fault.

    Example:
        >>> pattern = Case.read("G1: {text: 'At most {limit: integer} faults', supportedBy: Sn1}\\nSn1: {}")
        >>> [str(parameter) for parameter in parameters(pattern)]
        ['limit: integer']
    """
    scopes = Scopes(pattern.graph)
    gathered = _Gathered(scopes)
    for module in pattern.modules:
        for blank in (blank for text in module_texts(module) for blank in placeholders(text)):
            gathered.use(MODULE, blank, None)
    for name in pattern.graph.nodes:
        gathered.read(name)
    values = list(gathered.parameters())
    if gathered.faults:
        problem = f"The pattern '{pattern.name}' cannot be used: {'; '.join(dict.fromkeys(gathered.faults))}."
        raise InputError("Y50", problem, "Correct these elements of the pattern.")
    return (*values, *_choices(scopes), *_options(scopes))


def _choices(scopes: Scopes) -> Iterator[Parameter]:
    for name, node in scopes.graph.nodes.items():
        choice = node.choice
        if choice is not None and node.layer(CHOSEN) is None:
            legs = scopes.graph.support[name]
            forced = choice.least == len(legs)
            yield Parameter(name, ParameterType("choice"), (name,), not forced, legs, choice)


def _options(scopes: Scopes) -> Iterator[Parameter]:
    for name, node in scopes.graph.nodes.items():
        if node.optional:
            yield Parameter(name, ParameterType("optional"), (name,), required=False)


@dataclass
class _Slot:
    """One parameter, field or item while the pattern is read."""

    declared: dict[ParameterType, str] = field(default_factory=dict)
    fields: dict[str, _Slot] = field(default_factory=dict)
    item: _Slot | None = None
    used_in: dict[str, None] = field(default_factory=dict)

    def below(self, names: Iterable[str]) -> _Slot:
        """The slot of a field of a field."""
        slot = self
        for name in names:
            slot = slot.fields.setdefault(name, _Slot())
        return slot

    def one(self) -> _Slot:
        """The slot of this list's items."""
        self.item = self.item or _Slot()
        return self.item


@dataclass
class _Gathered:
    """What the texts and marks of a pattern say about its parameters, and where they contradict it."""

    scopes: Scopes
    root: _Slot = field(default_factory=_Slot)
    faults: list[str] = field(default_factory=list)

    def read(self, name: str) -> None:
        """Take in one element: its marks and its blanks."""
        node = self.scopes.graph.nodes[name]
        self.faults.extend(faulty_marks(self.scopes, name))
        if name in self.scopes.marks:
            loop = self.scopes.marks[name]
            outer = self.scopes.outer(loop)
            slot = self.slot(outer, loop.path) if outer or loop.path[0] != ITEM else None
            if slot is None or (outer is None and self._strays(name, loop.path)):
                self.faults.append(f"'{name}' repeats over '{loop.source}', which is no list around it")
            else:
                slot.one()
                slot.used_in[name] = None
        for blank, inner in named_by(self.scopes, node.id):
            self.use(name, blank, inner)

    def slot(self, loop: Loop | None, path: tuple[str, ...]) -> _Slot:
        """The slot that a path names, from the item of a repetition or from the parameters."""
        if loop is None:
            return self.root.below(path)
        return self.slot(self.scopes.outer(loop), loop.path).one().below(path[1:])

    def use(self, name: str, blank: Placeholder, loop: Loop | None) -> None:
        """Take in one blank of an element."""
        if loop is None and self._strays(name, blank.path):
            self.faults.append(f"'{name}' uses {blank.text} outside what is repeated for it")
            return
        slot = self.slot(loop, blank.path)
        slot.used_in[name] = None
        if blank.type is not None:
            self._declare(name, slot, blank)

    def _strays(self, name: str, path: tuple[str, ...]) -> bool:
        items = {loop.item: loop.source for loop in self.scopes.order}
        return path[0] in items and items[path[0]] != path[0]

    def _declare(self, name: str, slot: _Slot, blank: Placeholder) -> None:
        kind = ParameterType.parse(blank.type or "")
        if kind is None:
            near = did_you_mean((blank.type or "").split()[-1], READERS)
            hint = near or f"There are {', '.join(READERS)} and `list of` these."
            self.faults.append(
                f"'{name}' gives {blank.text} the type '{blank.type}', which there is not ({hint})"
            )
        else:
            slot.declared.setdefault(kind, name)

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, in order of first use."""
        for name, slot in self.root.fields.items():
            if name in (CHOOSE, INCLUDE):
                self.faults.append(f"'{name}' is no name for a parameter: values give the choices under it")
            kind = self._type(name, slot)
            yield Parameter(name, kind, tuple(_used(slot)), repeats=slot.item is not None)

    def _type(self, name: str, slot: _Slot) -> ParameterType:
        stated = list(slot.declared)
        if len(stated) > 1:
            said = " and ".join(f"{kind} in '{where}'" for kind, where in slot.declared.items())
            self.faults.append(f"'{name}' is declared as {said}")
        if slot.item is not None:
            return self._list(name, slot, stated)
        if stated == [ParameterType("model")] and set(slot.fields) <= set(MODEL_FIELDS):
            return stated[0]
        if slot.fields and stated:
            fields = ", ".join(f"{name}.{part}" for part in slot.fields)
            self.faults.append(f"'{name}' is declared as {stated[0]} but used with fields: {fields}")
        if slot.fields:
            return ParameterType("record", None, self._fields(name, slot))
        return stated[0] if stated else TEXT

    def _fields(self, name: str, slot: _Slot) -> tuple[tuple[str, ParameterType], ...]:
        return tuple((part, self._type(f"{name}.{part}", below)) for part, below in slot.fields.items())

    def _list(self, name: str, slot: _Slot, stated: list[ParameterType]) -> ParameterType:
        assert slot.item is not None
        for kind in stated:
            if kind.item is None:
                self.faults.append(f"'{name}' is declared as {kind} but elements are repeated over it")
            else:
                slot.item.declared.setdefault(kind.item, slot.declared[kind])
        if slot.fields:
            fields = ", ".join(f"{name}.{part}" for part in slot.fields)
            self.faults.append(f"'{name}' is a list but used with fields: {fields}")
        return ParameterType("list", self._type(f"{name} item", slot.item))


def _used(slot: _Slot) -> dict[str, None]:
    used = dict(slot.used_in)
    for below in (*slot.fields.values(), *((slot.item,) if slot.item else ())):
        used |= _used(below)
    return used


def faulty_marks(scopes: Scopes, name: str) -> Iterator[str]:
    """Marks of one element that cannot be read or cannot be met."""
    node, legs = scopes.graph.nodes[name], scopes.graph.support[name]
    repeated, chosen = node.layer("multiplicity"), node.layer("choice")
    if repeated is not None and name not in scopes.marks:
        yield f"multiplicity of '{name}' is '{repeated}'; expected LIST or ITEM in LIST"
    choice = node.choice
    if chosen is not None and choice is None:
        yield f"choice of '{name}' is '{chosen}'; expected `m of n` or `m..k`"
    elif choice is not None and node.layer(CHOSEN) is None and not possible(choice, len(legs)):
        yield f"choice of '{name}' is '{chosen}', which cannot be made among its {len(legs)} legs"
