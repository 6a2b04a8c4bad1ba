"""Checks E01 to E18 and D01 to D03: what the leaves cite, and whether challenges are complete."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.checks.defeaters import check_causes, check_challenge, check_defeaters, check_samples
from pellucid.cases.checks.quality import check_quality
from pellucid.cases.evaluation.verdict import judge
from pellucid.cases.evidence.citations import citation, is_digest, log_digest
from pellucid.cases.evidence.evidence import Evidence
from pellucid.cases.evidence.indicators import LEVELS, WATCHED
from pellucid.cases.evidence.tolerance import Tolerance
from pellucid.cases.evidence.validity import LAYER, parse_duration
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, COUNTERS, Module, Node, NodeKind
from pellucid.cases.patterns.placeholders import placeholders
from pellucid.findings import Diagnostic, InputError, Predicate

_BINDINGS = ("finding", "log", "scorer", "predicate", "refutedBy", "tolerance")
_CITES = CITING - {NodeKind.ASSUMPTION}


def check_bindings(modules: tuple[Module, ...], graph: Graph, *, expected: bool) -> Iterator[Diagnostic]:
    """What the file alone shows: bindings, predicates, acceptances and ``need`` that cannot be read.

    Args:
        modules: the modules of the case.
        graph: its relations.
        expected: whether evidence is asked for; an argument that binds nothing is plain GSN, left alone.
    """
    bound = expected or any(citation(node) or node.predicate for node in graph.nodes.values())
    for module in modules:
        yield from _duration(dict(module.layers).get(LAYER), f"module '{module.name}'", module.file)
        for node in module.nodes:
            where = module.where(node)
            yield from _misplaced(node, where)
            yield from _predicates(node, where)
            yield from _duration(node.layer(LAYER), f"'{node.id}'", where)
            yield from _tolerance(node, where)
            yield from _log(node, where)
            yield from _need(node, graph, where)
            if bound:
                yield from _unbound(node, where)
                yield from check_challenge(node, graph, where)
    yield from check_defeaters(modules, graph)


def _misplaced(node: Node, where: str) -> Iterator[Diagnostic]:
    given = [name for name in (*_BINDINGS, *LEVELS, "accepted") if node.layer(name) is not None]
    allowed = _allowed(node)
    for name in given:
        if node.kind is not None and name not in allowed:
            problem = f"'{name}' has no effect on the {node.kind.spoken} '{node.id}'."
            remedy = (
                "Only assumptions are accepted."
                if name == "accepted"
                else "Bind a solution or an assumption."
            )
            yield Diagnostic("E14", "warning", where, problem, remedy)
    if "accepted" in given and node.kind is NodeKind.ASSUMPTION and node.accepted is None:
        problem = f"'{node.id}' is accepted by '{node.layer('accepted')}', which is no name with a day."
        yield Diagnostic("E13", "warning", where, problem, 'Write `accepted: "NAME, YYYY-MM-DD"`.')


def _allowed(node: Node) -> tuple[str, ...]:
    """The bindings that have an effect on an element of this kind."""
    # a residual doubt is one that somebody accepts as it stands
    residual = node.kind in COUNTERS and node.layer("residual") is not None
    accepted = ("accepted",) if node.kind is NodeKind.ASSUMPTION or residual else ()
    if node.kind not in CITING:
        return accepted
    levels = LEVELS if node.kind in WATCHED else ()
    without_log = () if node.layer("log") is not None else ("scorer",)
    return tuple(name for name in (*_BINDINGS, *levels, *accepted) if name not in without_log)


def _predicates(node: Node, where: str) -> Iterator[Diagnostic]:
    for name in ("predicate", "refutedBy", *LEVELS):
        text = node.layer(name)
        if text is None or next(placeholders(text), None) is not None:
            continue
        try:
            Predicate.parse(text)
        except InputError as error:
            yield Diagnostic("E11", "error", where, f"{name} of '{node.id}': {error.problem}", error.remedy)


def _duration(text: str | None, owner: str, where: str) -> Iterator[Diagnostic]:
    try:
        if text is not None:
            parse_duration(text)
    except InputError as error:
        yield Diagnostic("E16", "error", where, f"{LAYER} of {owner}: {error.problem}", error.remedy)


def _tolerance(node: Node, where: str) -> Iterator[Diagnostic]:
    try:
        Tolerance.of(node)
    except InputError as error:
        yield Diagnostic("E18", "error", where, f"tolerance of '{node.id}': {error.problem}", error.remedy)


def _log(node: Node, where: str) -> Iterator[Diagnostic]:
    digest = log_digest(node)
    if digest is None or node.kind not in CITING:
        return
    if node.finding is not None:
        problem = f"'{node.id}' cites a Finding and a log; the log is not read."
        yield Diagnostic(
            "E17", "error", where, problem, "Cite one of them, and the other by a leaf of its own."
        )
    if not is_digest(digest):
        problem = f"'{node.id}' cites the log '{digest}', which is no digest."
        remedy = "Give the sha256 of the file, or its first 8 digits or more: pellucid findings import LOG."
        yield Diagnostic("E17", "error", where, problem, remedy)


def _need(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    legs = len(graph.support.get(node.id, ()))
    readable = node.need in ("all", "any") or (
        node.need.isascii() and node.need.isdigit() and node.need != "0"
    )
    if not readable:
        problem = f"need of '{node.id}' is '{node.need}'."
        yield Diagnostic("E10", "error", where, problem, "Write all, any, or how many legs must hold.")
    elif legs and node.needed(legs) is None:
        problem = f"'{node.id}' needs {node.need} legs but has {legs}."
        yield Diagnostic(
            "E10", "error", where, problem, "Add support or lower need; as it is, it can never hold."
        )


def _unbound(node: Node, where: str) -> Iterator[Diagnostic]:
    if node.kind in _CITES and citation(node) is None:
        problem = f"The {node.kind.spoken if node.kind else 'element'} '{node.id}' cites no Finding."
        yield Diagnostic(
            "E01", "warning", where, problem, "Give it `finding` and `predicate`; until then it is open."
        )
    elif node.kind in CITING and citation(node) is not None and not node.predicate:
        what = "Finding" if node.finding is not None else "log"
        problem = f"'{node.id}' cites a {what} but states no predicate."
        yield Diagnostic("E01", "warning", where, problem, 'Write `predicate: "MEASURE.high <= LIMIT"`.')


def check_evidence(modules: tuple[Module, ...], graph: Graph, evidence: Evidence) -> Iterator[Diagnostic]:
    """What the cited Findings show: absent, stale, failed, made with other weights, read at a point."""
    verdict = judge(graph, evidence)
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            key = citation(node) if node.kind in CITING else None
            if key is not None:
                yield from _cited(node, key, graph, evidence, where)
            if node.defeated and verdict.states[node.id].value == "T":
                problem = f"'{node.id}' is marked defeated but the evidence supports it."
                yield Diagnostic(
                    "D02", "warning", where, problem, "Drop the mark, or bind the challenge to evidence."
                )
    yield from check_causes(modules, graph, evidence.find)
    yield from check_samples(modules, graph, evidence.find)


def _cited(node: Node, key: str, graph: Graph, evidence: Evidence, where: str) -> Iterator[Diagnostic]:
    header = evidence.find(key)
    if header is None:
        yield _absent(node, key, evidence, where)
        return
    foreign = set(evidence.foreign(node.id, header))
    for state, why in evidence.aged(node.id, header):
        if why in foreign:
            problem = f"The evidence of '{node.id}' was made with other weights: {why}."
            yield Diagnostic("E08", "error", where, problem, "Measure the model that the case names.")
        else:
            said = "could not be reproduced" if state == "irreproducible" else "is stale"
            problem = f"The evidence of '{node.id}' {said}: {why}."
            yield Diagnostic("E03", "warning", where, problem, "Measure again and cite the new Finding.")
    yield from check_quality(node, header, graph, where)


def _absent(node: Node, key: str, evidence: Evidence, where: str) -> Diagnostic:
    if not key.startswith("log:"):
        problem = f"'{node.id}' cites Finding {key}, which is not at hand."
        remedy = "Measure it again and cite the new id, or open its store."
    else:
        problem = f"'{node.id}' cites what cannot be found: {evidence.absent(key)}."
        remedy = "Import it: pellucid findings import LOG. Of several scorers, name one by `scorer`."
    return Diagnostic("E02", "error", where, problem, remedy)
