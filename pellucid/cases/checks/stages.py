"""All checks of a case, in stages; each message has a number that stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from pellucid.cases.checks.bindings import check_bindings, check_evidence
from pellucid.cases.checks.confidence import check_ratings
from pellucid.cases.checks.elements import check_elements
from pellucid.cases.checks.notation import check_notation
from pellucid.cases.checks.patterns import check_patterns
from pellucid.cases.checks.references import (
    check_cycles,
    check_modules,
    check_reach,
    check_references,
    check_roots,
)
from pellucid.cases.checks.reviews import check_register
from pellucid.cases.evidence.evidence import Evidence
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Module
from pellucid.findings import Diagnostic


def diagnose(
    modules: tuple[Module, ...],
    graph: Graph,
    evidence: Evidence | None,
    *,
    strict_peer: bool = False,
    also: frozenset[str] = frozenset(),
    masked: frozenset[str] = frozenset(),
) -> list[Diagnostic]:
    """Run every stage of checks that makes sense, in the order of gsn2x.

    Args:
        modules: the modules of the case.
        graph: its relations.
        evidence: what the leaves are read against; None leaves the evidence unchecked.
        strict_peer: run only what gsn2x has, stop after the first stage with an error, and report one
            absent name a list, as it does.
        also: optional checks to run (V08, V11).
        masked: names of modules whose references are not checked.

    Source: jonasthewolf/gsn2x, documentation of the validation checks (V and C numbers).
    """
    stages = _stages(modules, graph, also, masked, strict_peer)
    if strict_peer:
        return _until_error(stages)
    ours = [
        check_notation(modules, graph),
        check_patterns(modules, graph),
        check_bindings(modules, graph, expected=evidence is not None),
        check_ratings(modules, graph),
        iter(check_register(graph, datetime.now(UTC).date() if evidence is None else evidence.at.date())),
    ]
    if evidence is not None:
        ours.append(check_evidence(modules, graph, evidence))
    return [diagnostic for stage in (*stages, *ours) for diagnostic in stage]


def _stages(
    modules: tuple[Module, ...], graph: Graph, also: frozenset[str], masked: frozenset[str], first_only: bool
) -> list[Iterator[Diagnostic]]:
    return [
        (diagnostic for module in modules for diagnostic in check_elements(module, graph, also)),
        check_modules(modules),
        check_references(modules, graph, masked=masked, first_only=first_only),
        check_roots(modules, graph),
        check_cycles(modules, graph),
        check_reach(modules, graph, masked=masked),
    ]


def _until_error(stages: Iterable[Iterator[Diagnostic]]) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for stage in stages:
        found.extend(stage)
        if any(diagnostic.level == "error" for diagnostic in found):
            break
    return found
