"""Checks V01 to V13: what one element may say, each with the number that gsn2x gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import COUNTERS, SIDE, Module, Node, NodeKind, kind_of_prefix
from pellucid.findings import Diagnostic, did_you_mean

_ARGUES = frozenset({NodeKind.GOAL, NodeKind.STRATEGY})
_SUPPORT = {
    NodeKind.GOAL: frozenset({*_ARGUES, NodeKind.SOLUTION, *COUNTERS}),
    NodeKind.STRATEGY: frozenset({*_ARGUES, NodeKind.SOLUTION, *COUNTERS}),
    NodeKind.COUNTER_GOAL: COUNTERS,
}
_PREFIXES = "G, S, Sn, C, A, J, CG or CSn"


def check_elements(module: Module, graph: Graph, also: frozenset[str]) -> Iterator[Diagnostic]:
    """Check every element of one module by itself and against the kinds of what it names."""
    for node in module.nodes:
        where = module.where(node)
        yield from _kind(node, where, also)
        yield from _development(node, where)
        yield from _lists(node, graph, where)
        yield from _marks(node, graph, where)
    yield from _developed(module)
    if "V11" in also:
        yield from _dialectic(module)


def _kind(node: Node, where: str, also: frozenset[str]) -> Iterator[Diagnostic]:
    if node.kind is None:
        problem = f"'{node.id}' has no known prefix and no nodeType."
        yield Diagnostic("V01", "error", where, problem, f"Begin the id with {_PREFIXES}, or state nodeType.")
    announced = kind_of_prefix(node.id)
    if "V08" in also and node.node_type and announced and announced is not node.node_type:
        problem = f"'{node.id}' reads as a {announced.spoken} but its nodeType is {node.node_type.value}."
        yield Diagnostic("V08", "warning", where, problem, "Rename the element or drop nodeType.")


def _development(node: Node, where: str) -> Iterator[Diagnostic]:
    # an away goal is developed where it is at home
    if node.kind in _ARGUES and not node.supported_by and not node.undeveloped and node.away is None:
        problem = f"'{node.id}' has no support and is not marked undeveloped."
        yield Diagnostic("V02", "warning", where, problem, "Add supportedBy, or `undeveloped: true`.")
    if node.undeveloped and node.supported_by:
        problem = f"'{node.id}' is marked undeveloped but is supported by {', '.join(node.supported_by)}."
        yield Diagnostic("V03", "error", where, problem, "Drop the mark or the support.")


def _lists(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    none: frozenset[NodeKind] = frozenset()
    support = _SUPPORT.get(node.kind, none) if node.kind else none
    contexts = SIDE if node.kind in _ARGUES else none
    for name, ids, allowed in (
        ("supportedBy", node.supported_by, support),
        ("inContextOf", node.in_context_of, contexts),
    ):
        yield from _repeats(node, name, ids, where)
        yield from _wrong_kinds(node, name, ids, allowed, graph, where)


def _repeats(node: Node, name: str, ids: tuple[str, ...], where: str) -> Iterator[Diagnostic]:
    for other, times in Counter(ids).items():
        if times > 1:
            problem = f"{name} of '{node.id}' names '{other}' {times} times."
            yield Diagnostic("V05", "warning", where, problem, "Name it once.")
    if node.id in ids:
        yield Diagnostic(
            "V06", "error", where, f"{name} of '{node.id}' names itself.", "Remove it from the list."
        )


def _wrong_kinds(
    node: Node, name: str, ids: tuple[str, ...], allowed: frozenset[NodeKind], graph: Graph, where: str
) -> Iterator[Diagnostic]:
    may = " or ".join(sorted(kind.spoken for kind in allowed)) or "nothing"
    for other in dict.fromkeys(ids):
        target = graph.nodes.get(other)
        kind = target.kind if target else None
        if kind in allowed or (target is None and allowed):
            continue
        called = f"the {kind.spoken} '{other}'" if kind else f"'{other}'"
        owner = node.kind.spoken if node.kind else "element"
        problem = f"{name} of the {owner} '{node.id}' names {called}."
        yield Diagnostic("V04", "error", where, problem, f"It may hold {may}.")


def _own_ends(node: Node, graph: Graph) -> frozenset[str]:
    """The existing far ends of the relations that an element states, or that a module adds to it."""
    ends = (*node.supported_by, *node.in_context_of, *graph.support.get(node.id, ()))
    return frozenset(end for end in ends if end in graph.nodes) - {node.id}


def _marks(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    near = _own_ends(node, graph)
    for name, ids in node.acp:
        for other in ids:
            if other != node.id and other not in near:
                problem = (
                    f"Claim point '{name}' of '{node.id}' sits on '{other}', which is not related to it."
                )
                yield Diagnostic("V09", "error", where, problem, _near(other, near))
    if node.defeated and not graph.challengers.get(node.id):
        problem = f"'{node.id}' is marked defeated but nothing challenges it."
        yield Diagnostic("V10", "error", where, problem, "Add the counter element, or drop the mark.")
    if node.challenges and node.kind not in COUNTERS:
        problem = f"'{node.id}' challenges {' -> '.join(node.challenges)} but is no counter element."
        yield Diagnostic("V12", "error", where, problem, "Make it a CounterGoal or CounterSolution.")
    challenged = node.challenges if len(node.challenges) == 1 else ()
    ends = (*node.supported_by, *node.in_context_of, *graph.support.get(node.id, ()), *challenged)
    for other in node.defeated_relation:
        if other not in ends:
            problem = f"defeatedRelation of '{node.id}' names '{other}', which is not related to it."
            yield Diagnostic("V13", "error", where, problem, _near(other, frozenset(ends)))


def _dialectic(module: Module) -> Iterator[Diagnostic]:
    counters = [node for node in module.nodes if node.kind in COUNTERS]
    if counters:
        names = ", ".join(node.id for node in counters[:8]) + (" and more" if len(counters) > 8 else "")
        problem = f"Dialectic elements are used: {names}."
        yield Diagnostic("V11", "warning", module.where(counters[0]), problem, "Remove them to do without.")


def _near(name: str, near: frozenset[str]) -> str:
    names = sorted(near)
    hint = did_you_mean(name, names)
    return hint or (f"It is related to {', '.join(names)}." if names else "It is related to nothing.")


def _developed(module: Module) -> Iterator[Diagnostic]:
    local = {node.id: node for node in module.nodes}
    may = frozenset({*_ARGUES, NodeKind.SOLUTION})
    for extension in module.extends:
        for foreign, ids in extension.develops:
            for name in ids:
                if name not in local or local[name].kind not in may:
                    problem = f"'{foreign}' of module '{extension.module}' is to be developed by '{name}'."
                    remedy = "Name a goal, strategy or solution of this module."
                    place = module.where_block(extension.line)
                    hint = "" if name in local else did_you_mean(name, local)
                    yield Diagnostic("V07", "error", place, problem, f"{remedy} {hint}".strip())
