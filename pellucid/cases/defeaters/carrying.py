"""Whether correlation alone carries a causal claim: the lint on the vocabulary of the review paper.

A claim is causal when its layer ``argument`` says so, or (weaker) when its words do. A Finding is
correlational by its kind. What decides is the whole chain of support: with every interventional or formal
Finding taken out and all else granted, does the claim still hold? Then correlation alone carries it. A leaf
that only counts together with an intervention in the same support is in order.

Source: Bereska and Gavves 2024, arXiv 2404.14082, which parts methods into observational and interventional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pellucid.cases.defeaters.samples import cited
from pellucid.cases.evaluation.kleene import Reading, Value, constant
from pellucid.cases.evaluation.operator import background, settle
from pellucid.cases.evidence.citations import Lookup, citation
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, COUNTERS, SIDE, Node
from pellucid.findings import Header

_CAUSAL_WORDS = re.compile(
    r"\b(because of|causes|caused by|(is|are) responsible for|is the reason|due to|brings? about)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Carried:
    """A leaf whose correlational Finding, with others of its sort, is enough for a causal claim."""

    leaf: str
    """The leaf."""
    claim: str
    """The nearest causal claim above it."""
    word: str
    """The words that make the claim causal; empty when its layer ``argument`` says so."""


def causal_word(node: Node) -> str | None:
    """How an element says that it is a causal claim: empty by its layer, its words, None if it does not."""
    if node.kind in COUNTERS or node.kind in SIDE or node.kind in CITING:
        return None
    stated = node.layer("argument")
    if stated is not None:
        return "" if stated.strip().lower() == "causal" else None
    found = _CAUSAL_WORDS.search(node.text or "")
    return found[0].lower() if found else None


def is_correlational(header: Header | None) -> bool:
    """Whether a Finding can show no more than a correlation."""
    return header is not None and header.evidence == "correlational"


def is_interventional(header: Header | None) -> bool:
    """Whether a Finding can discharge a causal claim: by an intervention, or formally."""
    if header is None or header.evidence == "correlational":
        return False
    return header.evidence in ("causal", "formal") or header.stance == "interventional"


def carried_by_correlation(graph: Graph, find: Lookup) -> list[Carried]:
    """Each correlational leaf that a causal claim rests on without an intervention.

    Args:
        graph: the argument.
        find: a Finding's header by id, or None.

    Example: below ``need: all`` a probe beside a patching experiment is in order, below ``need: any`` it is
    not.
    """
    return list(_Support(graph, find).carried())


@dataclass(frozen=True)
class _Support:
    graph: Graph
    find: Lookup

    def carried(self) -> Iterator[Carried]:
        """Leaf by leaf, with the nearest claim."""
        claims = {
            name: word for name, node in self.graph.nodes.items() if (word := causal_word(node)) is not None
        }
        if not claims or not self.weak:
            return
        for leaf in self.weak:
            for claim in self._nearest(leaf, claims):
                yield Carried(leaf, claim, claims[claim])

    @cached_property
    def headers(self) -> Mapping[str, Header | None]:
        """What each element cites."""
        return {name: cited(node, self.find) for name, node in self.graph.nodes.items() if citation(node)}

    @cached_property
    def weak(self) -> list[str]:
        """Elements, not on the side of a challenge, that cite a correlational Finding."""
        counters = {name for name, node in self.graph.nodes.items() if node.kind in COUNTERS}
        return [
            name for name, header in self.headers.items() if is_correlational(header) and name not in counters
        ]

    @cached_property
    def granted(self) -> Mapping[str, Value]:
        """Every value when interventions are taken out, challenges are silent and all else is granted."""
        leaves = {
            name: constant(self._granted(name), 1) for name, legs in self.graph.support.items() if not legs
        }
        silent = {name: Reading(0, 1) for name, node in self.graph.nodes.items() if node.kind in COUNTERS}
        evident = {name: constant(self._granted(name), 1) for name in self.headers}
        settled = settle(self.graph, leaves | evident | silent | background(self.graph, 1), 1)
        return {name: reading.at(0) for name, reading in settled.items()}

    def _granted(self, name: str) -> Value:
        return "U" if is_interventional(self.headers.get(name)) else "T"

    def _nearest(self, leaf: str, claims: Mapping[str, str]) -> Iterator[str]:
        """Causal claims first met on the ways up from a leaf, through what stands without interventions."""
        seen, waiting = {leaf}, [leaf]
        while waiting:
            name = waiting.pop(0)
            for parent in self.graph.parents.get(name, ()):
                if parent in seen or self.granted[parent] != "T" or name not in self.graph.support[parent]:
                    continue
                seen.add(parent)
                if parent in claims:
                    yield parent
                else:
                    waiting.append(parent)
