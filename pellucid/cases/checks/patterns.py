"""Checks P01 to P03: what a pattern still asks for, and what was filled in wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Module, Node
from pellucid.cases.patterns.marks import (
    CHOSEN,
    EMPTY,
    allows,
    chosen_legs,
    is_pattern,
    loop_of,
    possible,
    spoken,
)
from pellucid.cases.patterns.placeholders import blanks, module_texts, placeholders
from pellucid.findings import Diagnostic

_OURS = ("finding", "log", "predicate", "slot", "uninstantiated", "multiplicity", "choice", "optional")


def check_patterns(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """P01 blanks left, P02 empty multiplicity, P03 choice outside its bounds.

    A module that says ``pattern: "true"`` is meant to have blanks: there P01 is a warning, so the pattern is
    valid, and so it is in a plain argument that binds no evidence, whose braces may mean anything. Elsewhere
    it is an error. ``braces: literal`` in the module says that its braces are text.
    """
    for module in modules:
        if dict(module.layers).get("braces") == "literal":
            continue
        left = list(
            dict.fromkeys(blank.text for text in module_texts(module) for blank in placeholders(text))
        )
        if left:
            yield _left(
                module, module.where_block(), f"The module '{module.name}' still has {', '.join(left)}."
            )
        for node in module.nodes:
            where = module.where(node)
            yield from _blanks(module, node, where)
            yield from _multiplicity(node, where)
            yield from _choice(node, graph, where, known=is_pattern(module))


def _left(module: Module, where: str, problem: str) -> Diagnostic:
    if is_pattern(module) or not _binds(module):
        return Diagnostic(
            "P01", "warning", where, problem, "Instantiate the pattern before it is used as a case."
        )
    remedy = 'Give it a value, or say that this is a pattern: `module: {pattern: "true"}`.'
    return Diagnostic("P01", "error", where, problem, remedy)


def _binds(module: Module) -> bool:
    """Whether a module is more than plain notation: it binds evidence, or has marks or types of patterns."""
    typed = (blank.type for text in module_texts(module) for blank in placeholders(text))
    ours = (node.layer(name) for node in module.nodes for name in _OURS)
    typed_too = (blank.type for node in module.nodes for blank in blanks(node))
    return any(mark is not None for marks in (ours, typed, typed_too) for mark in marks)


def _blanks(module: Module, node: Node, where: str) -> Iterator[Diagnostic]:
    left = list(dict.fromkeys(blank.text for blank in blanks(node)))
    if loop_of(node) is not None:
        left.append(f"multiplicity '{node.layer('multiplicity')}'")
    if left:
        yield _left(module, where, f"'{node.id}' still has {', '.join(left)}.")
    elif node.uninstantiated:
        yield _left(module, where, f"'{node.id}' is marked uninstantiated.")


def _multiplicity(node: Node, where: str) -> Iterator[Diagnostic]:
    stated, empty = node.layer("multiplicity"), node.layer(EMPTY)
    if stated is not None and loop_of(node) is None:
        problem = f"The multiplicity of '{node.id}' is '{stated}'."
        yield Diagnostic("P02", "error", where, problem, "Write `multiplicity: LIST` or `ITEM in LIST`.")
    if empty is not None:
        problem = f"'{node.id}' was to be repeated over '{empty}', which is empty: nothing is argued."
        remedy = f"Give '{empty}' at least one item, or argue in '{node.id}' why there is none."
        yield Diagnostic("P02", "error", where, problem, remedy)


def _choice(node: Node, graph: Graph, where: str, *, known: bool) -> Iterator[Diagnostic]:
    stated = node.layer("choice")
    if stated is None:
        return
    choice, legs = node.choice, graph.support.get(node.id, ())
    if choice is None:
        problem = f"The choice of '{node.id}' is '{stated}'."
        yield Diagnostic("P03", "error", where, problem, 'Write `choice: "m of n"` or `choice: "m..k"`.')
    elif known and node.layer(CHOSEN) is None:
        if not possible(choice, len(legs)):
            problem = f"'{node.id}' offers a choice of {stated} among {len(legs)} legs."
            yield Diagnostic(
                "P03", "error", where, problem, "Correct the bounds, or the legs to choose from."
            )
    elif not allows(choice, count := _taken(node, legs)):
        problem = f"'{node.id}' has {count} of its choice; expected {spoken(choice)}."
        yield Diagnostic("P03", "error", where, problem, "Choose again, or correct `choice` and `chosen`.")


def _taken(node: Node, legs: tuple[str, ...]) -> int:
    """How many of the chosen legs are there; all legs where no choice is recorded."""
    chosen = node.layer(CHOSEN)
    if chosen is None:
        return len(legs)
    return sum(any(name in legs for name in group) for group in chosen_legs(chosen))
