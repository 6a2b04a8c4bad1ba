"""Checks E01 to E14 and D01 to D03: what the leaves cite, and whether challenges are complete."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.evidence import Evidence
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, COUNTERS, Module, Node, NodeKind
from pellucid.cases.verdict import judge
from pellucid.findings import Diagnostic, Header, InputError, Predicate, did_you_mean

DEFEATER_KINDS = ("rebutting", "undercutting", "undermining")
_BINDINGS = ("finding", "predicate", "refutedBy")
_CITES = CITING - {NodeKind.ASSUMPTION}


def check_bindings(modules: tuple[Module, ...], graph: Graph, *, expected: bool) -> Iterator[Diagnostic]:
    """What the file alone shows: bindings, predicates, acceptances and ``need`` that cannot be read.

    Args:
        modules: the modules of the case.
        graph: its relations.
        expected: whether evidence is asked for; an argument that binds nothing is plain GSN, left alone.
    """
    bound = expected or any(node.finding or node.predicate for node in graph.nodes.values())
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            yield from _misplaced(node, where)
            yield from _predicates(node, where)
            yield from _need(node, graph, where)
            if bound:
                yield from _unbound(node, where)
                yield from _defeater(node, graph, where)


def _misplaced(node: Node, where: str) -> Iterator[Diagnostic]:
    given = [name for name in (*_BINDINGS, "accepted") if node.layer(name) is not None]
    allowed = (
        () if node.kind not in CITING else (*_BINDINGS, *(("accepted",) if node.kind not in _CITES else ()))
    )
    for name in given:
        if node.kind is not None and name not in allowed:
            problem = f"'{name}' has no effect on the {node.kind.spoken} '{node.id}'."
            remedy = (
                "Only assumptions are accepted."
                if name == "accepted"
                else "Bind a solution or an assumption."
            )
            yield Diagnostic("E14", "warning", where, problem, remedy)
    if "accepted" in given and "accepted" in allowed and node.accepted is None:
        problem = f"'{node.id}' is accepted by '{node.layer('accepted')}', which is no name with a day."
        yield Diagnostic("E13", "warning", where, problem, 'Write `accepted: "NAME, YYYY-MM-DD"`.')


def _predicates(node: Node, where: str) -> Iterator[Diagnostic]:
    for name, text in (("predicate", node.predicate), ("refutedBy", node.refuted_by)):
        if text is None:
            continue
        try:
            Predicate.parse(text)
        except InputError as error:
            yield Diagnostic("E11", "error", where, f"{name} of '{node.id}': {error.problem}", error.remedy)


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
    if node.kind in _CITES and node.finding is None:
        problem = f"The {node.kind.spoken if node.kind else 'element'} '{node.id}' cites no Finding."
        yield Diagnostic(
            "E01", "warning", where, problem, "Give it `finding` and `predicate`; until then it is open."
        )
    elif node.kind in CITING and node.finding is not None and not node.predicate:
        problem = f"'{node.id}' cites a Finding but states no predicate."
        yield Diagnostic("E01", "warning", where, problem, 'Write `predicate: "MEASURE.high <= LIMIT"`.')


def _defeater(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    if node.kind not in COUNTERS or not node.challenges:
        return
    kind = node.layer("defeater")
    if kind not in DEFEATER_KINDS:
        said = f"says '{kind}'" if kind else "does not say how"
        hint = did_you_mean(kind or "", DEFEATER_KINDS)
        problem = f"'{node.id}' challenges {' -> '.join(node.challenges)} but {said}."
        remedy = (
            f"Write `defeater:` with {', '.join(DEFEATER_KINDS[:-1])} or {DEFEATER_KINDS[-1]}. {hint}".strip()
        )
        yield Diagnostic("D01", "warning", where, problem, remedy)
    answered = graph.challengers.get(node.id) or any(graph.doubts(node.id, end) for end in node.challenges)
    if not answered and not graph.support.get(node.id) and node.finding is None:
        problem = f"The doubt '{node.id}' has neither evidence nor reply, so what it challenges stays open."
        remedy = "Bind it to a Finding, or add a counter that answers it."
        yield Diagnostic("D03", "warning", where, problem, remedy)


def check_evidence(modules: tuple[Module, ...], graph: Graph, evidence: Evidence) -> Iterator[Diagnostic]:
    """What the cited Findings show: absent, stale, failed, made with other weights, read at a point."""
    verdict = judge(graph, evidence)
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            if node.kind in CITING and node.finding is not None:
                yield from _cited(node, node.finding, graph, evidence, where)
            if node.defeated and verdict.states[node.id].value == "T":
                problem = f"'{node.id}' is marked defeated but the evidence supports it."
                yield Diagnostic(
                    "D02", "warning", where, problem, "Drop the mark, or bind the challenge to evidence."
                )


def _cited(node: Node, finding: str, graph: Graph, evidence: Evidence, where: str) -> Iterator[Diagnostic]:
    header = evidence.find(finding)
    if header is None:
        problem = f"'{node.id}' cites Finding {finding}, which is not at hand."
        yield Diagnostic(
            "E02", "error", where, problem, "Measure it again and cite the new id, or open its store."
        )
        return
    foreign = set(evidence.foreign(node.id, header))
    for _, why in evidence.aged(node.id, header):
        if why in foreign:
            problem = f"The evidence of '{node.id}' was made with other weights: {why}."
            yield Diagnostic("E08", "error", where, problem, "Measure the model that the case names.")
        else:
            problem = f"The evidence of '{node.id}' is stale: {why}."
            yield Diagnostic("E03", "warning", where, problem, "Measure again and cite the new Finding.")
    yield from _quality(node, header, graph, where)


def _quality(node: Node, header: Header, graph: Graph, where: str) -> Iterator[Diagnostic]:
    if header.retracted or header.status == "failed":
        what = "was retracted" if header.retracted else "failed"
        problem = f"The measurement that '{node.id}' cites {what}."
        yield Diagnostic("E07", "error", where, problem, "Measure again and cite the new Finding.")
    for name, end in _reads(node):
        measure = header.measures.get(name)
        if measure is None:
            hint = did_you_mean(name, header.measures) or f"It has {', '.join(sorted(header.measures))}."
            problem = f"'{node.id}' reads '{name}', which Finding {header.id[:8]} does not measure."
            yield Diagnostic("E12", "error", where, problem, hint)
        elif end == "value" and (measure.low is not None or measure.high is not None):
            problem = f"'{node.id}' reads the point '{name}' although it was measured with an interval."
            yield Diagnostic("E04", "warning", where, problem, f"Say which end: {name}.low or {name}.high.")
    yield from _causal(node, header, graph, where)


def _reads(node: Node) -> Iterator[tuple[str, str]]:
    for text in (node.predicate, node.refuted_by):
        try:
            yield from dict.fromkeys(Predicate.parse(text).ends()) if text else ()
        except InputError:
            continue  # E11 has said so


def _causal(node: Node, header: Header, graph: Graph, where: str) -> Iterator[Diagnostic]:
    if header.evidence != "correlational":
        return
    for parent in graph.parents.get(node.id, ()):
        if graph.nodes[parent].layer("argument") == "causal":
            problem = f"'{node.id}' offers a correlational Finding for the causal claim '{parent}'."
            yield Diagnostic("E05", "warning", where, problem, "Intervene and measure, or weaken the claim.")
