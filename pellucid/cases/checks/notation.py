"""Checks V14 to V18, ours: what the extensions of the notation say in text layers, which gsn2x passes over.

V14: an away mark on a kind that has none, or of a module or element that is not in the set. V15: a symbol
that cannot be read. V16: a mark of a pattern that cannot be read or has no effect. V17: a block of Claims,
Arguments, Evidence that is none of the five, or that needs a side-claim and has none. V18: no element at all.
The layers themselves are described in ``pellucid.cases.nodes``.
"""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BLOCKS, SIDE, Module, Node, NodeKind
from pellucid.findings import Diagnostic, did_you_mean

_AWAY = frozenset({NodeKind.GOAL, NodeKind.SOLUTION, *SIDE})
_TRUTHS = ("true", "false")
_CLAIMED = ("substitution", "calculation")


def check_notation(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """V14 to V18: the extensions of the notation in text layers, and a case that holds nothing."""
    if modules and not graph.nodes:
        problem = f"The case '{modules[0].name}' holds no element: it argues nothing."
        where = modules[0].place(modules[0].line or 1)
        yield Diagnostic("V18", "warning", where, problem, "Begin with its top claim, as `G1: {text: ...}`.")
    homes = {module.name: frozenset(node.id for node in module.nodes) for module in modules}
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            yield from _away(node, homes, where)
            yield from _symbol(node, where)
            yield from _pattern(node, where)
            yield from _block(node, graph, where)


def _away(node: Node, homes: dict[str, frozenset[str]], where: str) -> Iterator[Diagnostic]:
    said = node.layer("away")
    if said is None:
        return
    if node.kind not in _AWAY:
        problem = f"There is no away {node.kind.spoken if node.kind else 'element'}, as '{node.id}' says."
        remedy = "Mark a goal, solution, context, assumption or justification."
        yield Diagnostic("V14", "warning", where, problem, remedy)
    elif node.away is None:
        problem = f"away of '{node.id}' is '{said}'."
        yield Diagnostic("V14", "warning", where, problem, "Write `away: MODULE` or `away: MODULE/ID`.")
    elif node.away.module not in homes:
        problem = f"'{node.id}' stands for module '{node.away.module}', which is not in the set."
        hint = did_you_mean(node.away.module, homes) or "Read the case together with the file of that module."
        yield Diagnostic("V14", "warning", where, problem, hint)
    elif node.away.element is not None and node.away.element not in homes[node.away.module]:
        problem = f"'{node.id}' stands for '{node.away.element}', which module '{node.away.module}' has not."
        hint = did_you_mean(node.away.element, homes[node.away.module]) or "Name an element of it."
        yield Diagnostic("V14", "warning", where, problem, hint)


def _symbol(node: Node, where: str) -> Iterator[Diagnostic]:
    said = node.layer("symbol")
    if said is not None and node.symbol is None:
        problem = f"symbol of '{node.id}' is '{said}'."
        hint = did_you_mean(said, ("module", "contract"))
        yield Diagnostic("V15", "warning", where, problem, f"Write module or contract. {hint}".strip())


def _pattern(node: Node, where: str) -> Iterator[Diagnostic]:
    for name in ("uninstantiated", "optional"):
        said = node.layer(name)
        if said is not None and said.strip().lower() not in _TRUTHS:
            problem = f"{name} of '{node.id}' is '{said}'."
            yield Diagnostic("V16", "warning", where, problem, f'Write `{name}: "true"`, or remove it.')
    if node.layer("multiplicity") is not None and node.multiplicity is None:
        problem = f"multiplicity of '{node.id}' names no parameter."
        yield Diagnostic("V16", "warning", where, problem, "Name the list over which it is repeated.")
    yield from _choice(node, where)


def _choice(node: Node, where: str) -> Iterator[Diagnostic]:
    said, choice, legs = node.layer("choice"), node.choice, len(set(node.supported_by))
    if said is None:
        return
    if choice is None:
        problem = f"choice of '{node.id}' is '{said}'."
        yield Diagnostic(
            "V16", "warning", where, problem, "Write `m of n` or `m..k`, the smaller number first."
        )
    elif not legs:
        problem = f"'{node.id}' offers a choice but has no support."
        yield Diagnostic(
            "V16", "warning", where, problem, "Put the choice on the element above the alternatives."
        )
    elif choice.of is not None and choice.of != legs:
        problem = f"'{node.id}' offers a choice of {choice.of} but has {legs} legs."
        yield Diagnostic("V16", "warning", where, problem, "Say how many there are, or write `m..k`.")


def _block(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    said = node.layer("block")
    if said is None:
        return
    if node.kind is not NodeKind.STRATEGY:
        problem = f"'block' has no effect on the {node.kind.spoken if node.kind else 'element'} '{node.id}'."
        yield Diagnostic("V17", "warning", where, problem, "Say it of a strategy.")
    elif node.block is None:
        problem = f"block of '{node.id}' is '{said}'."
        hint = did_you_mean(said, BLOCKS) or f"Blocks are {', '.join(BLOCKS)}."
        yield Diagnostic("V17", "warning", where, problem, hint)
    elif node.block in _CLAIMED and not _has_side_claim(node, graph):
        problem = f"The {node.block} '{node.id}' has no side-claim that says why the step is sound."
        yield Diagnostic("V17", "warning", where, problem, "Add a justification to its inContextOf.")


def _has_side_claim(node: Node, graph: Graph) -> bool:
    around = (graph.nodes.get(other) for other in node.in_context_of)
    return any(other is not None and other.kind is NodeKind.JUSTIFICATION for other in around)
