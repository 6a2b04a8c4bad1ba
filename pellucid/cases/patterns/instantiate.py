"""From a pattern and values to an argument: blanks filled, elements repeated, legs chosen, options taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pellucid.cases.case import Case
from pellucid.cases.nodes import COUNTERS, Module, Node, NodeKind
from pellucid.cases.patterns.copies import Around, Copies, Copy
from pellucid.cases.patterns.marks import CHOSEN, EMPTY, Loop, chosen_legs
from pellucid.cases.patterns.parameters import CHOOSE, INCLUDE, SWITCHES, Parameter, parameters
from pellucid.cases.patterns.placeholders import Placeholder, blanks, module_texts, placeholders, substitute
from pellucid.cases.patterns.scopes import Scopes
from pellucid.cases.patterns.value_types import ParameterType, written
from pellucid.cases.patterns.values import Given, fit
from pellucid.findings import InputError


def instantiate(pattern: Case, values: Mapping[str, Any], *, partial: bool = False) -> Case:
    """Fill a pattern: one case in which every blank is written, every list laid out, every choice made.

    An element marked ``multiplicity: ITEM in LIST`` becomes one copy an item, with what is below it; ids get
    the item's name as ending (``G3_cyber``), and references, challenges of relations and claim points follow.
    Where a list is empty a goal without support stays, which can never be true (check P02); an element that
    is also optional is left out instead.

    Args:
        pattern: the argument with blanks and marks.
        values: by parameter; ``choose`` gives for each choice the legs, ``include`` switches optional
            elements on (as they are) or off. Both go by the pattern's ids, or by those of single copies.
        partial: leave what has no value as it is, so that the rest can be given later; a list that lies
            inside another one cannot be given before it.

    Raises:
        InputError: Y50 when the pattern contradicts itself, Y51 when values do not fit: all faults at once.

    Example:
        >>> pattern = Case.read("G1: {text: 'At most {limit: integer} faults', supportedBy: Sn1}\\nSn1: {}")
        >>> instantiate(pattern, {"limit": 3}).nodes["G1"].text
        'At most 3 faults'
    """
    asked = parameters(pattern)
    _refuse_repeated_ids(pattern)
    scopes = Scopes(pattern.graph)
    fitting = fit(asked, values, _copied(scopes, asked, values), partial=partial)
    copies = Copies(scopes, fitting)
    copies.refuse_inner_first()
    filling = _Filling(copies, asked, partial)
    modules = tuple(filling.module(module) for module in pattern.modules)
    return _settled(_pruned(Case(modules), pattern, copies))


def _copied(scopes: Scopes, asked: tuple[Parameter, ...], values: Mapping[str, Any]) -> dict[str, str]:
    """Each copy of an element that offers a choice or is optional, with the element it is made from."""
    switches = [parameter.name for parameter in asked if parameter.type.word in SWITCHES]
    plain = {name: value for name, value in values.items() if name not in (CHOOSE, INCLUDE)}
    try:
        copies = Copies(scopes, fit(asked, plain, {}, partial=True))
    except InputError:
        return {}  # the full fit reports every fault
    return {copy.id: name for name in switches for copy in copies.made[name]}


def _refuse_repeated_ids(pattern: Case) -> None:
    stated = [node.id for module in pattern.modules for node in module.nodes]
    twice = sorted(name for name, times in Counter(stated).items() if times > 1)
    if twice:
        problem = f"The pattern '{pattern.name}' cannot be used: {', '.join(twice)} stand twice."
        raise InputError("Y50", problem, "Give each element its own id.")


# Elements and modules --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Filling:
    """One instantiation: the copies, and what is written into them."""

    copies: Copies
    asked: tuple[Parameter, ...]
    partial: bool

    @property
    def scopes(self) -> Scopes:
        """The pattern's repetitions."""
        return self.copies.scopes

    @property
    def given(self) -> Given:
        """The values."""
        return self.copies.given

    def module(self, module: Module) -> Module:
        """A module of the case."""
        stated = None if module.stated_name is None else self.filled_text(module.stated_name, None, {})
        brief = None if module.brief is None else self.filled_text(module.brief, None, {})
        extends = tuple(
            replace(extension, develops=tuple(self._developed(extension.develops)))
            for extension in module.extends
        )
        return replace(
            module,
            stated_name=stated,
            nodes=tuple(node for old in module.nodes for node in self.elements(old)),
            brief=brief,
            extends=extends,
            layers=tuple((key, self.filled_text(text, None, {})) for key, text in module.layers),
        )

    def _developed(
        self, develops: Iterable[tuple[str, tuple[str, ...]]]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        for foreign, local in develops:
            for copy in self.copies.made.get(foreign, (Copy(foreign, {}),)):
                yield copy.id, tuple(id_ for name in local for id_ in self.copies.targets(copy.around, name))

    def elements(self, node: Node) -> Iterator[Node]:
        """The elements that one of the pattern becomes."""
        for copy in self.copies.made[node.id]:
            if node.optional and not self.copies.included(node.id, copy.id):
                continue
            yield (
                self.element(node, copy) if copy.empty is None else _stub(node, copy, copy.empty, self.copies)
            )

    def element(self, node: Node, copy: Copy) -> Node:
        """One copy of an element, with its texts filled and its references led to their copies."""
        chosen = self.chosen(node, copy)
        legs = (
            node.supported_by if chosen is None else tuple(leg for leg in node.supported_by if leg in chosen)
        )
        return replace(
            node,
            id=copy.id,
            text=None if node.text is None else self.filled_text(node.text, node.id, copy.around),
            url=None if node.url is None else self.filled_text(node.url, node.id, copy.around),
            supported_by=self._led(legs, copy),
            in_context_of=self._led(node.in_context_of, copy),
            challenges=self._led(node.challenges, copy),
            defeated_relation=self._led(node.defeated_relation, copy),
            acp=tuple((name, self._led(ids, copy)) for name, ids in node.acp),
            layers=tuple(self._layers(node, copy, chosen)),
        )

    def _led(self, names: Iterable[str], copy: Copy) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(found for name in names for found in self.copies.targets(copy.around, name))
        )

    def chosen(self, node: Node, copy: Copy) -> tuple[str, ...] | None:
        """The legs that were chosen at an element; None when it offers no choice or none was made."""
        choice = node.choice
        if choice is None or node.layer(CHOSEN) is not None:
            return None
        if choice.least == len(node.supported_by):
            return node.supported_by
        return self.given.choose.get(copy.id, self.given.choose.get(node.id))

    def _layers(self, node: Node, copy: Copy, chosen: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
        for key, text in node.layers:
            if key == CHOSEN:
                text = self._recorded(chosen_legs(text), copy)
            if key == "multiplicity" and self.scopes.marks[node.id] in self.copies.filled:
                continue
            if key == "optional" and not (self.partial and self.copies.unsettled(node.id, copy.id)):
                continue
            yield key, self.filled_text(text, node.id, copy.around)
        if chosen is not None:
            yield CHOSEN, self._recorded([(leg,) for leg in chosen], copy)

    def _recorded(self, chosen: Iterable[tuple[str, ...]], copy: Copy) -> str:
        """The chosen legs as the case keeps them; copies of one leg count as one."""
        return ", ".join(" + ".join(self._led(leg, copy)) for leg in chosen)

    # Texts -------------------------------------------------------------------------------------

    def filled_text(self, text: str, node_id: str | None, around: Around) -> str:
        """A text with every blank written that has a value; others keep their declared type."""
        return substitute(text, lambda blank: self._written(blank, node_id, around))

    def _written(self, blank: Placeholder, node_id: str | None, around: Around) -> str:
        loop = self.scopes.loop_named(node_id, blank.path[0]) if node_id is not None else None
        if loop is None and blank.path[0] in self.given.values:
            return written(_within(self.given.values[blank.path[0]], blank.path[1:]))
        if loop is not None and loop in around:
            return written(_within(around[loop].value, blank.path[1:]))
        kind = self._type(loop, blank.path)
        return f"{{{blank.name}: {kind}}}" if kind is not None and not _compound(kind) else blank.text

    def _type(self, loop: Loop | None, path: tuple[str, ...]) -> ParameterType | None:
        kind = self._item_type(loop) if loop is not None else self._of(path[0])
        for name in path[1:]:
            kind = dict(kind.fields).get(name) if kind is not None else None
        return kind

    def _item_type(self, loop: Loop) -> ParameterType | None:
        outer = self.scopes.outer(loop)
        kind = self._type(outer, loop.path)
        return kind.item if kind is not None else None

    def _of(self, name: str) -> ParameterType | None:
        plain = (parameter for parameter in self.asked if parameter.type.word not in SWITCHES)
        return next((parameter.type for parameter in plain if parameter.name == name), None)


def _compound(kind: ParameterType) -> bool:
    return kind.word == "record" or (kind.item is not None and _compound(kind.item))


def _within(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        value = value[name]
    return value


def _stub(node: Node, copy: Copy, loop: Loop, copies: Copies) -> Node:
    """What stands where a list was empty: a claim without support, which can never be true."""
    kind = NodeKind.COUNTER_GOAL if node.kind in COUNTERS else NodeKind.GOAL
    return Node(
        copy.id,
        text=f"Nothing is listed in '{loop.source}', so nothing is argued here",
        node_type=None if node.kind is kind and node.node_type is None else kind,
        undeveloped=True,
        challenges=tuple(found for name in node.challenges for found in copies.targets(copy.around, name)),
        layers=((EMPTY, loop.source),),
        line=node.line,
    )


# What is left over -----------------------------------------------------------------------------


def _pruned(case: Case, pattern: Case, copies: Copies) -> Case:
    """The case without what lost its connection to the argument by a choice or an option."""
    before = pattern.graph.reach(pattern.graph.roots, pattern.graph.depends)
    roots = [copy.id for name in pattern.graph.roots for copy in copies.made[name]]
    connected = case.graph.reach(roots, case.graph.depends)
    strays = {copy.id for name in before for copy in copies.made.get(name, ())} - connected
    return Case(
        tuple(
            replace(module, nodes=tuple(node for node in module.nodes if node.id not in strays))
            for module in case.modules
        )
    )


def _settled(case: Case) -> Case:
    """The case without pattern marks where nothing is left to fill."""
    return Case(tuple(_settled_module(module) for module in case.modules))


def _settled_module(module: Module) -> Module:
    nodes = tuple(_settled_node(node) for node in module.nodes)
    waiting = any(_waits(node) for node in nodes)
    waiting = waiting or any(next(placeholders(text), None) for text in module_texts(module))
    layers = tuple((key, text) for key, text in module.layers if key != "pattern" or waiting)
    return replace(module, nodes=nodes, layers=layers)


def _settled_node(node: Node) -> Node:
    if node.layer("uninstantiated") is None or _waits(node, but="uninstantiated"):
        return node
    return replace(node, layers=tuple(pair for pair in node.layers if pair[0] != "uninstantiated"))


def _waits(node: Node, but: str = "") -> bool:
    """Whether something of an element is left to fill, repeat or choose."""
    if next(blanks(node), None) is not None or node.layer("multiplicity") is not None:
        return True
    if node.choice is not None and node.layer(CHOSEN) is None:
        return True
    return node.layer("uninstantiated") is not None and but != "uninstantiated"
