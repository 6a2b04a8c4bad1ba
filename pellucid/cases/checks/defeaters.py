"""Checks of doubts: D01, D03, D04, R01 to R03, backfire B01 and B02, correlation for cause E05, seeds E06."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.defeaters.backfire import MECHANISMS, OBSTACLES, REPLIES, is_mitigation, missing_backfire
from pellucid.cases.defeaters.carrying import carried_by_correlation
from pellucid.cases.defeaters.catalogue import CATALOGUE, is_automatic
from pellucid.cases.defeaters.samples import FEWEST, cited, few_samples, single_seed
from pellucid.cases.defeaters.waivers import bad_waivers, waivers
from pellucid.cases.evidence.citations import Lookup, citation
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, COUNTERS, Module, Node
from pellucid.findings import Diagnostic, did_you_mean

DEFEATER_KINDS = ("rebutting", "undercutting", "undermining")
_SIGN = '"D-small-n: REASON (NAME, YYYY-MM-DD)"'


def check_defeaters(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """What the file alone shows of its doubts: waivers, residual doubts, backfire records."""
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            yield from _waivers(node, where)
            yield from _residual(node, where)
            yield from _backfire_words(node, where)
            yield from _backfire(node, graph, where)


def check_challenge(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    """D01 and D03: a challenge that does not say how it attacks, or that has neither evidence nor reply."""
    if node.kind not in COUNTERS or not node.challenges:
        return
    kind = node.layer("defeater")
    if kind not in DEFEATER_KINDS:
        said = f"says '{kind}'" if kind else "does not say how"
        problem = f"'{node.id}' challenges {' -> '.join(node.challenges)} but {said}."
        words = f"{', '.join(DEFEATER_KINDS[:-1])} or {DEFEATER_KINDS[-1]}"
        remedy = f"Write `defeater:` with {words}. {did_you_mean(kind or '', DEFEATER_KINDS)}".strip()
        yield Diagnostic("D01", "warning", where, problem, remedy)
    answered = graph.challengers.get(node.id) or any(graph.doubts(node.id, end) for end in node.challenges)
    if not answered and not graph.support.get(node.id) and citation(node) is None:
        problem = f"The doubt '{node.id}' has neither evidence nor reply, so what it challenges stays open."
        yield Diagnostic(
            "D03", "warning", where, problem, "Bind it to a Finding, or add a counter that answers it."
        )


def _waivers(node: Node, where: str) -> Iterator[Diagnostic]:
    for bad in bad_waivers(node):
        problem = f"A waiver of '{node.id}' lacks {bad.lacks}: '{bad.text}'."
        yield Diagnostic(
            "R01", "warning", where, problem, f"Write `waive: {_SIGN}`; until then it waives nothing."
        )
    known = (*CATALOGUE, *(f"backfire/{name}" for name in MECHANISMS))
    for name in waivers(node):
        if name not in known:
            problem = f"'{node.id}' waives '{name}', which is no ready-made doubt."
            hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
            yield Diagnostic("R02", "warning", where, problem, hint)


def _residual(node: Node, where: str) -> Iterator[Diagnostic]:
    reason = node.layer("residual")
    if reason is None:
        return
    if node.kind not in COUNTERS:
        problem = f"'{node.id}' is called a residual doubt but is no counter element."
        yield Diagnostic("R03", "warning", where, problem, "Put `residual` on the challenge itself.")
    elif not reason.strip() or node.accepted is None:
        lacks = "a reason" if not reason.strip() else "a name and a day"
        problem = f"The residual doubt '{node.id}' lacks {lacks}."
        remedy = 'Write `residual: "REASON"` and `accepted: "NAME, YYYY-MM-DD"`.'
        yield Diagnostic("R03", "warning", where, problem, remedy)


def _backfire_words(node: Node, where: str) -> Iterator[Diagnostic]:
    if node.layer("backfire") is None:
        return
    for layer, known in (("backfire", tuple(MECHANISMS)), ("reply", REPLIES), ("obstacle", OBSTACLES)):
        word = node.layer(layer)
        if word is not None and word not in known:
            problem = f"{layer} of '{node.id}' is '{word}'."
            remedy = f"{did_you_mean(word, known)} Write one of {', '.join(known)}.".strip()
            yield Diagnostic("B02", "warning", where, problem, remedy)


def _backfire(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    if not is_mitigation(node):
        return
    missing = missing_backfire(graph, node.id)
    if not missing:
        return
    problem = f"The mitigation '{node.id}' says nothing of these ways to backfire: {', '.join(missing)}."
    remedy = (
        f"Raise them (pellucid case backfire CASE --goal {node.id}) and answer each, "
        f'or write `waive: "backfire/{missing[0]}: REASON (NAME, YYYY-MM-DD); ..."`.'
    )
    yield Diagnostic("B01", "warning", where, problem, remedy)


def check_causes(modules: tuple[Module, ...], graph: Graph, find: Lookup) -> Iterator[Diagnostic]:
    """E05: leaves whose correlational or observed Findings carry a causal claim without an intervention."""
    places = {node.id: module.where(node) for module in reversed(modules) for node in module.nodes}
    for carried in carried_by_correlation(graph, find):
        if "D-probe-only" in waivers(graph.nodes[carried.leaf]):
            continue
        said = f" (it says '{carried.word}')" if carried.word else ""
        header = cited(graph.nodes[carried.leaf], find)
        sort = header.evidence if header else "correlational"
        problem = f"'{carried.leaf}' offers a {sort} Finding for the causal claim '{carried.claim}'{said}."
        remedy = "Intervene and measure, or weaken the claim."
        if carried.word:
            remedy += " If it is not meant causally, write `argument: demonstrative` on it."
        yield Diagnostic("E05", "warning", places[carried.leaf], problem, remedy)


def check_samples(
    modules: tuple[Module, ...], graph: Graph, find: Lookup, *, fewest: int = FEWEST
) -> Iterator[Diagnostic]:
    """D04 and E06: ends of intervals read from few samples, and evidence of a single seed.

    Args:
        modules: the modules of the case.
        graph: its relations.
        find: a Finding's header by id, or None.
        fewest: samples from which on nothing is said.
    """
    for module in modules:
        for node in module.nodes:
            header = cited(node, find) if node.kind in CITING else None
            if header is None or is_automatic(node):
                continue
            where, waived = module.where(node), waivers(node)
            for name, n in few_samples(node, header, fewest) if "D-small-n" not in waived else ():
                problem = f"'{node.id}' reads an end of the interval of '{name}', which {n} samples gave."
                remedy = f"Measure at least {fewest}, or write `waive: {_SIGN}`."
                yield Diagnostic("D04", "warning", where, problem, remedy)
            if "D-single-seed" not in waived and single_seed(graph, node, find):
                problem = (
                    f"The evidence of '{node.id}' was made with the seed {header.provenance.seed} alone."
                )
                remedy = "Repeat it with other seeds, or waive D-single-seed with a reason and a name."
                yield Diagnostic("E06", "warning", where, problem, remedy)
