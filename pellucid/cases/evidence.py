"""What the leaves of an argument say: predicates over Findings, acceptance, and whether evidence is fresh.

A leaf cites a Finding by id and never holds a number itself. Freshness is orthogonal to the value: a leaf can
be true and stale, and then its value *now* is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.cases.graph import Graph
from pellucid.cases.kleene import Value
from pellucid.cases.nodes import CITING, Node, NodeKind
from pellucid.findings import Finding, Header, InputError, Predicate, Provenance

Freshness = Literal["fresh", "stale-by-input", "stale-by-parent", "missing", "retracted"]
Present = Mapping[str, str]
Findings = (
    Mapping[str, "Finding | Header"]
    | Iterable["Finding | Header"]
    | Callable[[str], "Finding | Header | None"]
)
Lookup = Callable[[str], "Header | None"]

FRESH: frozenset[Freshness] = frozenset({"fresh"})
STALE: frozenset[Freshness] = frozenset({"stale-by-input", "stale-by-parent"})


@dataclass(frozen=True)
class LeafState:
    """What one leaf says, before any challenge."""

    value: Value
    """Its value by predicate or acceptance, staleness ignored."""
    freshness: frozenset[Freshness]
    """Every way in which its evidence is or is not up to date."""
    reason: str
    """Why it has this value, as a sentence."""
    finding: str | None = None
    """The Finding that it cites."""

    @property
    def now(self) -> Value:
        """Its value with stale evidence taken out."""
        return "U" if self.freshness & STALE else self.value


def lookup(findings: Findings) -> Lookup:
    """Turn what holds the Findings into one function from an id to a Header or None.

    Args:
        findings: a mapping by id, any iterable of Findings or Headers, or a callable (``store.header``).

    A Finding that answers to an id which is not its own counts as absent: evidence is bound by digest.
    """
    if callable(findings):
        return _remembered(findings)
    if isinstance(findings, Mapping):
        return _remembered(findings.get)
    held = {found.id: found for found in findings}
    return _remembered(held.get)


def _remembered(find: Callable[[str], Finding | Header | None]) -> Lookup:
    seen: dict[str, Header | None] = {}

    def header(finding_id: str) -> Header | None:
        """The header of a Finding, looked up once."""
        if finding_id not in seen:
            seen[finding_id] = _header(find, finding_id)
        return seen[finding_id]

    return header


def _header(find: Callable[[str], Finding | Header | None], finding_id: str) -> Header | None:
    try:
        found = find(finding_id)
    except LookupError:
        # A store says "no such Finding" by raising; to a case that is the state `missing`, which it reports.
        return None
    if found is None:
        return None
    header = found.header if isinstance(found, Finding) else found
    return header if str(header.id).startswith(finding_id) else None


@dataclass(frozen=True)
class Evidence:
    """The Findings a case may cite, and the objects that exist now."""

    find: Lookup
    present: Present
    weights: Mapping[str, Mapping[str, frozenset[str]]]
    """For each element, the weights that contexts above it name: model id (or "") to digests."""

    @staticmethod
    def of(graph: Graph, findings: Findings, present: Present | None) -> Evidence:
        """Gather what the leaves of an argument are read against."""
        return Evidence(lookup(findings), present or {}, named_weights(graph))

    def read(self, node: Node) -> LeafState:
        """The state of a leaf: a solution, counter solution, assumption, or undeveloped claim."""
        if node.kind in CITING and node.finding is not None:
            state = self._cited(node, node.finding)
        else:
            state = LeafState(
                "U", FRESH if node.kind not in CITING else frozenset({"missing"}), _unbound(node)
            )
        if node.kind is NodeKind.ASSUMPTION and state.value == "U" and node.accepted:
            return LeafState("T", FRESH, f"accepted by {node.accepted}", node.finding)
        return state

    def _cited(self, node: Node, finding_id: str) -> LeafState:
        header = self.find(finding_id)
        if header is None:
            return LeafState(
                "U", frozenset({"missing"}), f"Finding {_short(finding_id)} is not at hand", finding_id
            )
        value, reason = _value(node, header)
        aged = tuple(self.aged(node.id, header))
        freshness: frozenset[Freshness] = frozenset(state for state, _ in aged) or FRESH
        if header.retracted:
            freshness = (freshness - FRESH) | {"retracted"}
        return LeafState(value, freshness, "; ".join((reason, *(why for _, why in aged))), header.id)

    def aged(self, node_id: str, header: Header) -> Iterator[tuple[Freshness, str]]:
        """Each reason why a Finding, cited by an element, no longer speaks of the present objects."""
        for why in (*self._outdated(header), *self.foreign(node_id, header)):
            yield "stale-by-input", why
        for parent in self._old_ancestors(header):
            yield "stale-by-parent", f"made from Finding {_short(parent)}, which is stale or retracted"

    def _outdated(self, header: Header) -> Iterator[str]:
        for key, digest in inputs(header.provenance):
            now = self.present.get(key)
            if now is not None and now != digest:
                what, _, name = key.partition(":")
                yield f"{_INPUTS[what]} {name} was {_short(digest)} and is now {_short(now)}"

    def foreign(self, node_id: str, header: Header) -> Iterator[str]:
        """Why a Finding was made with other weights than the contexts above its citation name."""
        subject = header.provenance.subject
        named = self.weights.get(node_id, {})
        if subject is None or not named:
            return
        wanted = named.get(subject.id) or frozenset().union(*named.values())
        if subject.sha256 not in wanted:
            digests = " or ".join(sorted(map(_short, wanted)))
            yield f"its weights were {_short(subject.sha256)}, the case names {digests}"

    def _old_ancestors(self, header: Header) -> Iterator[str]:
        seen: set[str] = set()
        waiting = list(header.provenance.parents)
        while waiting:
            parent = waiting.pop()
            found = None if parent in seen else self.find(parent)
            seen.add(parent)
            if found is None:
                continue
            if found.retracted or any(self._outdated(found)):
                yield parent
            waiting.extend(found.provenance.parents)


_INPUTS = {"model": "model", "data": "data", "code": "the code of"}


def inputs(provenance: Provenance) -> Iterator[tuple[str, str]]:
    """What a Finding was made from, keyed as in ``present``: ``model:ID``, ``data:ID``, ``code:METHOD``."""
    if provenance.subject is not None:
        yield f"model:{provenance.subject.id}", provenance.subject.sha256
    if provenance.data is not None:
        yield f"data:{provenance.data.id}", provenance.data.sha256
    yield f"code:{provenance.code.method}", provenance.code.digest


def named_weights(graph: Graph) -> dict[str, dict[str, frozenset[str]]]:
    """For each element, the digests of weights that contexts of it or of anything above it name.

    A context names weights by the text attribute ``sha256`` (several, parted by spaces or commas) and, if it
    likes, the model by ``subject``.
    """
    named: dict[str, dict[str, frozenset[str]]] = {}
    for name, node in graph.nodes.items():
        digests = frozenset((node.layer("sha256") or "").replace(",", " ").split())
        if not digests or node.kind is not NodeKind.CONTEXT:
            continue
        subject = node.layer("subject") or ""
        for below in graph.reach(graph.parents.get(name, ()), graph.depends):
            models = named.setdefault(below, {})
            models[subject] = models.get(subject, frozenset()) | digests
    return named


def _unbound(node: Node) -> str:
    if node.kind is NodeKind.ASSUMPTION:
        return "nobody has accepted it"
    return "it cites no Finding" if node.kind in CITING else "it has no support yet"


def _value(node: Node, header: Header) -> tuple[Value, str]:
    if header.retracted:
        return "U", f"Finding {_short(header.id)} was retracted"
    if header.status == "failed":
        return "U", f"the measurement failed: {header.statement}"
    try:
        return _judged(node, header.measures)
    except InputError as error:
        return "U", str(error)


def _judged(node: Node, measures: Mapping[str, Any]) -> tuple[Value, str]:
    if not node.predicate:
        return "U", "it states no predicate"
    holds = Predicate.parse(node.predicate).evaluate(measures)
    refuted = Predicate.parse(node.refuted_by).evaluate(measures) if node.refuted_by else None
    if holds and refuted:
        return "U", f"`{node.predicate}` and `{node.refuted_by}` both hold"
    if holds:
        return "T", f"`{node.predicate}` holds"
    if refuted:
        return "F", f"`{node.refuted_by}` holds"
    if holds is None:
        return "U", f"`{node.predicate}` cannot be read from what was measured"
    return (
        ("U", f"neither `{node.predicate}` nor `{node.refuted_by}` holds")
        if node.refuted_by
        else (
            "F",
            f"`{node.predicate}` does not hold",
        )
    )


def _short(digest: str) -> str:
    return digest if len(digest) <= 13 else f"{digest[:8]}…"
