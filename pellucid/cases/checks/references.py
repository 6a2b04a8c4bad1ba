"""Checks C01 to C16: whether the modules, references and relations of a case fit together."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Module, Node, NodeKind
from pellucid.findings import Diagnostic, did_you_mean


def check_modules(modules: tuple[Module, ...]) -> Iterator[Diagnostic]:
    """C06, C07, C09, C10: names of modules, ids over all modules, extensions."""
    named: dict[str, Module] = {}
    for module in modules:
        first = named.setdefault(module.name, module)
        # Without a stated name a module is told apart by its whole path, as in gsn2x.
        if first is not module and (module.stated_name or first.stated_name or first.file == module.file):
            problem = f"Two modules are called '{module.name}': {first.file} and {module.file}."
            yield Diagnostic("C06", "error", module.where_block(), problem, "Rename one of them.")
    yield from _shared_ids(modules)
    for module in modules:
        yield from _extensions(module, named)


def _shared_ids(modules: tuple[Module, ...]) -> Iterator[Diagnostic]:
    seen: dict[str, tuple[Module, Node]] = {}
    for module in modules:
        for node in module.nodes:
            first, other = seen.setdefault(node.id, (module, node))
            if other is not node:
                problem = f"'{node.id}' stands in module '{first.name}' and in module '{module.name}'."
                remedy = "Rename one of them; ids are shared by all modules."
                yield Diagnostic("C07", "error", module.where(node), problem, remedy)


def _extensions(module: Module, named: dict[str, Module]) -> Iterator[Diagnostic]:
    for extension in module.extends:
        place = module.where_block(extension.line)
        extended = named.get(extension.module)
        if extended is None:
            problem = f"Module '{module.name}' extends '{extension.module}', which is not in the set."
            hint = (
                did_you_mean(extension.module, named)
                or "Read the case together with the file of that module."
            )
            yield Diagnostic("C09", "error", place, problem, hint)
            continue
        nodes = {node.id: node for node in extended.nodes}
        for foreign, _ in extension.develops:
            if foreign not in nodes or not nodes[foreign].undeveloped:
                what = "is not marked undeveloped" if foreign in nodes else "does not exist"
                problem = f"'{foreign}' {what} in module '{extended.name}'."
                hint = did_you_mean(foreign, nodes) if foreign not in nodes else ""
                yield Diagnostic(
                    "C10", "error", place, problem, hint or "Develop an undeveloped element of it."
                )


def check_references(
    modules: tuple[Module, ...], graph: Graph, *, masked: frozenset[str], first_only: bool
) -> Iterator[Diagnostic]:
    """C03 and C11 to C16: names that exist nowhere, and challenges of what cannot be challenged."""
    for module in modules:
        if module.name in masked:
            continue
        for node in module.nodes:
            where = module.where(node)
            yield from _absent(node, "supportedBy", node.supported_by, graph, where, first_only)
            yield from _absent(node, "inContextOf", node.in_context_of, graph, where, first_only)
            yield from _challenge(node, graph, where)


def _absent(
    node: Node, name: str, ids: tuple[str, ...], graph: Graph, where: str, first_only: bool
) -> Iterator[Diagnostic]:
    absent = [other for other in dict.fromkeys(ids) if other not in graph.nodes]
    for other in absent[: 1 if first_only else None]:
        problem = f"{name} of '{node.id}' names '{other}', which exists nowhere."
        hint = did_you_mean(other, graph.nodes) or "Add it, or remove the reference."
        yield Diagnostic("C03", "error", where, problem, hint)
    if len(ids) == 1 and absent and "," in ids[0]:
        problem = f"{name} of '{node.id}' is one text with a comma: '{ids[0]}'."
        yield Diagnostic("C11", "warning", where, problem, f"Write a list: [{ids[0]}].")


def _challenge(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    absent = [end for end in node.challenges if end not in graph.nodes]
    said = " -> ".join(node.challenges)
    if len(node.challenges) == 2:
        yield from _challenged_relation(node, graph, where, absent, said)
    elif node.id in node.challenges:
        yield Diagnostic(
            "C13", "error", where, f"'{node.id}' challenges itself.", "Name what it speaks against."
        )
    elif absent:
        problem = f"'{node.id}' challenges '{said}', which exists nowhere."
        hint = did_you_mean(said, graph.nodes)
        yield Diagnostic("C14", "error", where, problem, hint or "Name an element, or a relation `A -> B`.")


def _challenged_relation(
    node: Node, graph: Graph, where: str, absent: list[str], said: str
) -> Iterator[Diagnostic]:
    one, other = node.challenges
    if absent:
        problem = f"'{node.id}' challenges the relation {said}, but '{absent[0]}' exists nowhere."
        hint = did_you_mean(absent[0], graph.nodes)
        yield Diagnostic("C12", "error", where, problem, hint or "Name two related elements.")
    elif one == other:
        problem = f"'{node.id}' challenges the relation {said}, whose ends are the same."
        yield Diagnostic("C15", "error", where, problem, "Name two related elements, or the element alone.")
    elif not (_related(graph, one, other) or _related(graph, other, one)):
        problem = f"'{node.id}' challenges the relation {said}, but there is none between them."
        yield Diagnostic(
            "C16", "error", where, problem, "Name the two ends of a support, context or challenge."
        )


def _related(graph: Graph, owner: str, other: str) -> bool:
    return other in (*graph.support[owner], *graph.context[owner], *graph.challengers.get(owner, ()))


def check_roots(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """C01 and C02: one root, and a goal."""
    place = _places(modules)
    if graph.nodes and not graph.roots:
        problem = "No element is a root: each is named by another or challenges one."
        first = place[next(iter(graph.nodes))]
        yield Diagnostic("C01", "error", first, problem, "Break the cycle above the top claim.")
    if len(graph.roots) > 1:
        problem = f"There are {len(graph.roots)} roots: {_some(graph.roots)}."
        yield Diagnostic("C01", "warning", place[graph.roots[1]], problem, "Join them under one goal.")
    if len(graph.roots) == 1 and graph.nodes[graph.roots[0]].kind is not NodeKind.GOAL:
        kind = graph.nodes[graph.roots[0]].kind
        problem = (
            f"The root '{graph.roots[0]}' is a {kind.spoken if kind else 'nameless element'}, not a goal."
        )
        yield Diagnostic(
            "C02", "error", place[graph.roots[0]], problem, "Put the claim that it serves above it."
        )


def _places(modules: tuple[Module, ...]) -> dict[str, str]:
    return {node.id: module.where(node) for module in modules for node in module.nodes}


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def check_cycles(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """C04: an argument that supports itself."""
    place = _places(modules)
    for cycle in graph.cycles():
        problem = f"The support runs in a circle: {' -> '.join(cycle)}."
        yield Diagnostic("C04", "error", place[cycle[0]], problem, "Remove one of these steps.")


def check_reach(
    modules: tuple[Module, ...], graph: Graph, *, masked: frozenset[str] = frozenset()
) -> Iterator[Diagnostic]:
    """C08: elements that no root leads to; a challenge of a broken target is told as C12 to C16 alone."""
    if not graph.roots:
        return
    told = (node for module in modules if module.name not in masked for node in module.nodes)
    broken = [node.id for node in told if any(_challenge(node, graph, ""))]
    reached = graph.reach((*graph.roots, *broken), graph.depends)
    for module in modules:
        for node in module.nodes:
            if node.id not in reached:
                problem = f"'{node.id}' is not reached from {_some(graph.roots)}."
                yield Diagnostic("C08", "error", module.where(node), problem, "Connect it or remove it.")
