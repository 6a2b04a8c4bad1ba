"""How much stands behind a number: few samples where an interval is read, and evidence of a single seed."""

from __future__ import annotations

from typing import Any

from pellucid.cases.evidence.citations import Lookup, citation
from pellucid.cases.evidence.tolerance import ends_read
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Node
from pellucid.findings import Header

FEWEST = 30
"""Samples from which on the end of an interval is not doubted for their number."""


def cited(node: Node, find: Lookup) -> Header | None:
    """The header of what a leaf cites, Finding or log; None when it cites nothing or that is not at hand.

    Args:
        node: the leaf.
        find: from a citation to a header.
    """
    key = citation(node)
    return None if key is None else find(key)


def few_samples(node: Node, header: Header, fewest: int = FEWEST) -> list[tuple[str, int]]:
    """Measures of which the leaf reads an end of the interval although few samples stand behind it.

    Args:
        node: the leaf.
        header: the Finding that it cites.
        fewest: from how many samples on there is nothing to say.

    Returns:
        Name and number of samples, in the order in which they are read; a measure without a count is left
        out.
    """
    ends = ends_read((node.predicate, node.refuted_by))
    read = dict.fromkeys(name for name, end in ends if end in ("low", "high"))
    counted = ((name, header.measures[name].n) for name in read if name in header.measures)
    return [(name, n) for name, n in counted if n is not None and n < fewest]


def single_seed(graph: Graph, node: Node, find: Lookup) -> bool:
    """Whether a leaf's evidence depends on a seed, was made with one only, and nothing beside it repeats it.

    Several seeds are: a list of them among the parameters (``seeds``), a measure ``seeds`` above one, or
    another leaf of the same parent that cites the same method with another seed.
    """
    header = cited(node, find)
    if header is None or header.provenance.seed is None or _many(header):
        return False
    beside = {leg for parent in graph.parents.get(node.id, ()) for leg in graph.support[parent]} - {node.id}
    others = (cited(graph.nodes[name], find) for name in beside if name in graph.nodes)
    return not any(other is not None and _repeats(header, other) for other in others)


def _many(header: Header) -> bool:
    stated: list[Any] = [header.provenance.parameters.get("seeds"), header.provenance.given.get("seeds")]
    if any(isinstance(seeds, list | tuple) and len(set(map(str, seeds))) > 1 for seeds in stated):
        return True
    if any(isinstance(seeds, int) and not isinstance(seeds, bool) and seeds > 1 for seeds in stated):
        return True
    measure = header.measures.get("seeds")
    return measure is not None and (measure.value or 0) > 1


def _repeats(header: Header, other: Header) -> bool:
    same = (header.kind, header.provenance.method) == (other.kind, other.provenance.method)
    return same and other.provenance.seed not in (None, header.provenance.seed)
