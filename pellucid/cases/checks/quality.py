"""Checks E04, E07, E09, E12 and E15: whether what is cited is good enough for what it is cited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.cases.evidence.citations import LOGS
from pellucid.cases.evidence.evidence import unusable
from pellucid.cases.evidence.indicators import LEVELS, watch
from pellucid.cases.evidence.tolerance import ends_read
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Node, NodeKind
from pellucid.findings import Diagnostic, Header, did_you_mean

TRAINED_ON = "trainedOn"
"""Attribute of a context: ids or digests of the data that the named model was trained on."""
DECLARED = ("training_data", "train_data", "trained_on")
"""Parameters by which a Finding declares its training data: an id, a digest, a mapping of both, or a list."""
OVERLAP = "train_test_overlap"
"""Measure or parameter by which a Finding declares that training and test data overlap."""


def check_quality(node: Node, header: Header, graph: Graph, where: str) -> Iterator[Diagnostic]:
    """What a cited Finding shows about itself.

    Args:
        node: the leaf that cites it.
        header: the Finding.
        graph: the argument.
        where: file, line and element for the messages.
    """
    if header.retracted or unusable(header):
        yield _refused(node, header, where)
    yield from _measured(node, header, where)
    for name in _overlap(node, header, graph):
        problem = f"'{node.id}' was measured on data that its model was trained on: {name}."
        yield Diagnostic("E09", "warning", where, problem, "Measure on data held out from the training.")
    yield from _indicator(node, header, where)


def _refused(node: Node, header: Header, where: str) -> Diagnostic:
    if header.retracted:
        said = f"was retracted: {header.retracted.reason}"
    elif header.kind in LOGS:
        said = f"is refused as support: {header.statement}"
    else:
        said = f"failed: {header.statement}"
    what = "log" if header.kind in LOGS else "measurement"
    problem = f"The {what} that '{node.id}' cites {said.rstrip('.')}."
    return Diagnostic("E07", "error", where, problem, "Measure again and cite the new Finding.")


def _measured(node: Node, header: Header, where: str) -> Iterator[Diagnostic]:
    own = ends_read((node.predicate, node.refuted_by))
    for name, end in dict.fromkeys([*own, *ends_read(map(node.layer, LEVELS))]):
        measure = header.measures.get(name)
        if measure is None:
            hint = did_you_mean(name, header.measures) or f"It has {', '.join(sorted(header.measures))}."
            problem = f"'{node.id}' reads '{name}', which Finding {header.id[:8]} does not measure."
            yield Diagnostic("E12", "error", where, problem, hint)
        elif end == "value" and (name, end) in own and not (measure.low is None and measure.high is None):
            problem = f"'{node.id}' reads the point '{name}' although it was measured with an interval."
            yield Diagnostic("E04", "warning", where, problem, f"Say which end: {name}.low or {name}.high.")


def _overlap(node: Node, header: Header, graph: Graph) -> Iterator[str]:
    """Names of data that are declared both for training and for this measurement."""
    data, parameters = header.provenance.data, header.provenance.parameters
    measure = header.measures.get(OVERLAP)
    if parameters.get(OVERLAP) or (measure is not None and (measure.value or 0) > 0):
        yield f"the Finding declares {OVERLAP}"
    if data is None:
        return
    declared = {name for key in DECLARED for name in _names(parameters.get(key))}
    if {data.id, data.sha256} & (declared | _trained_on(node, graph)):
        yield data.id


def _names(declared: Any) -> Iterator[str]:
    if isinstance(declared, str):
        yield declared
    elif isinstance(declared, Mapping):
        yield from (str(declared[key]) for key in ("id", "sha256") if key in declared)
    elif isinstance(declared, list | tuple):
        for item in declared:
            yield from _names(item)


def _trained_on(node: Node, graph: Graph) -> set[str]:
    above = graph.reach([node.id], graph.dependents)
    contexts = {name for owner in above for name in graph.context.get(owner, ()) if name in graph.nodes}
    stated = (
        graph.nodes[name].layer(TRAINED_ON) or ""
        for name in contexts
        if graph.nodes[name].kind is NodeKind.CONTEXT
    )
    return {word.strip() for text in stated for word in text.split(",") if word.strip()}


def _indicator(node: Node, header: Header, where: str) -> Iterator[Diagnostic]:
    found = watch(node, header.measures)
    if found is None or found.level == "normal":
        return
    remedy = {
        "warning": "Find out why before it reaches the level to revoke.",
        "revoked": "The leaf is false from now on; measure again once the cause is mended.",
    }.get(found.level, "Watch a measure that the Finding has.")
    yield Diagnostic("E15", "warning", where, f"The indicator of '{node.id}': {found.reason}.", remedy)
