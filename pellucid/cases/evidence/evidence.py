"""What the leaves of an argument say: predicates over Findings, acceptance, and whether evidence is fresh.

A leaf cites a Finding by id, or an evaluation log by its digest, and never holds a number itself. Freshness
is orthogonal to the value: a leaf can be true and stale, and then its value *now* is undecided.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pellucid.cases.evaluation.kleene import Value
from pellucid.cases.evidence.citations import REFUSED_LOG, citation, scorer_of
from pellucid.cases.evidence.citations import Findings as Findings
from pellucid.cases.evidence.citations import Lookup as Lookup
from pellucid.cases.evidence.citations import lookup as lookup
from pellucid.cases.evidence.freshness import FRESH as FRESH
from pellucid.cases.evidence.freshness import STALE as STALE
from pellucid.cases.evidence.freshness import Freshness as Freshness
from pellucid.cases.evidence.indicators import watch
from pellucid.cases.evidence.repetition import Repetitions
from pellucid.cases.evidence.validity import Windows, judged_at, moment, validities, yet_to_come
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, Module, Node, NodeKind
from pellucid.findings import Header, InputError, Predicate, Provenance

Present = Mapping[str, str]


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


@dataclass(frozen=True)
class Evidence:
    """The Findings a case may cite, the objects that exist now, and the time by which all is judged."""

    find: Lookup
    """From a citation to the header of its Finding."""
    present: Present
    """What exists now, by ``model:ID``, ``data:ID``, ``code:METHOD``, ``config:METHOD``, ``package:NAME``."""
    weights: Mapping[str, Mapping[str, frozenset[str]]]
    """For each element, the weights that contexts above it name: model id (or "") to digests."""
    at: datetime
    """The time by which age is judged."""
    windows: Windows = field(default_factory=dict)
    """For each element, how long its evidence counts."""
    repetitions: Repetitions = field(default_factory=Repetitions)
    """What re-runs have said."""

    @staticmethod
    def of(
        graph: Graph,
        findings: Findings,
        present: Present | None = None,
        *,
        at: datetime | None = None,
        reruns: Iterable[Header] = (),
        modules: Iterable[Module] = (),
    ) -> Evidence:
        """Gather what the leaves of an argument are read against.

        Args:
            graph: the argument.
            findings: where cited Findings are found.
            present: what exists now; what is not named is taken as unchanged.
            at: the time by which age is judged; None: now.
            reruns: headers of kind ``cases.rerun``: which Findings could not be reproduced.
            modules: modules of the argument, for the validity windows that they state.

        Raises:
            InputError: Y81 when ``at`` names no time zone.
        """
        return Evidence(
            lookup(findings),
            present or {},
            named_weights(graph),
            judged_at(at),
            validities(graph, modules),
            Repetitions.of(reruns),
        )

    def cited(self, node: Node) -> Header | None:
        """The header of what an element cites; None when it cites nothing or that is not at hand."""
        key = citation(node) if node.kind in CITING else None
        return None if key is None else self.find(key)

    def read(self, node: Node) -> LeafState:
        """The state of a leaf: a solution, counter solution, assumption, or undeveloped claim."""
        key = citation(node) if node.kind in CITING else None
        if key is not None:
            state = self._cited(node, key)
        else:
            state = LeafState(
                "U", FRESH if node.kind not in CITING else frozenset({"missing"}), _unbound(node)
            )
        if node.kind is NodeKind.ASSUMPTION and state.value == "U" and node.accepted:
            return LeafState("T", FRESH, f"accepted by {node.accepted}", node.finding)
        return state

    def _cited(self, node: Node, key: str) -> LeafState:
        header = self.find(key)
        if header is None:
            return LeafState("U", frozenset({"missing"}), self.absent(key), node.finding)
        value, reason = _value(node, header)
        aged = tuple(self.aged(node.id, header))
        freshness: frozenset[Freshness] = frozenset(state for state, _ in aged) or FRESH
        if header.retracted:
            freshness = (freshness - FRESH) | {"retracted"}
        return LeafState(value, freshness, "; ".join((reason, *(why for _, why in aged))), header.id)

    def absent(self, key: str) -> str:
        """Why nothing is found under a citation."""
        several = self.find.fitting(key)
        if not key.startswith("log:"):
            return f"Finding {short(key)} is not at hand"
        digest, _, scorer = key.removeprefix("log:").partition(":")
        what = f"log {short(digest)}" + (f", scorer '{scorer}'," if scorer else "")
        if not several:
            return f"{what} is not at hand"
        scorers = sorted({scorer_of(header) for header in several})
        return f"{what} fits several: {', '.join(scorers) if len(scorers) > 1 else 'give more digits'}"

    def aged(self, node_id: str, header: Header) -> Iterator[tuple[Freshness, str]]:
        """Each reason why a Finding, cited by an element, no longer speaks of the present objects."""
        for why in (*self._outdated(header), *self.foreign(node_id, header)):
            yield "stale-by-input", why
        for why in self._overrun(node_id, header):
            yield "stale-by-age", why
        for parent, why in self._old_ancestors(node_id, header):
            yield "stale-by-parent", f"made from Finding {short(parent)}, which {why}"
        for why in self._irreproducible(header):
            yield "irreproducible", why

    def stale(self, node_id: str, header: Header) -> bool:
        """Whether a Finding is stale for an element that cites it."""
        return next(self.aged(node_id, header), None) is not None

    def spent(self, node_id: str, header: Header) -> bool:
        """Whether a Finding itself, or anything it was made from, no longer counts, whoever cites it."""
        line = (header, *self.ancestors(header))
        return any(next(self._spent(node_id, found), None) is not None for found in line)

    def _outdated(self, header: Header) -> Iterator[str]:
        made = header.provenance
        for key, digest in (*inputs(made), *_configured(made, self.present)):
            now = self.present.get(key)
            if now is not None and now != digest:
                what, _, name = key.partition(":")
                yield f"{_INPUTS[what]} {name} was {short(digest)} and is now {short(now)}"

    def _overrun(self, node_id: str, header: Header) -> Iterator[str]:
        """Why a Finding is too old for an element, or from a time that is yet to come."""
        started = moment(header.provenance.started)
        times = [time for time in (started, self.repetitions.confirmed(header.id)) if time is not None]
        ran = max(times, default=None)
        early = yet_to_come(ran, self.at)
        window = self.windows.get(node_id)
        if early is not None:
            yield early
        elif window is not None and (late := window.overrun(ran, self.at)) is not None:
            yield late

    def _irreproducible(self, header: Header) -> Iterator[str]:
        against = self.repetitions.refuted(header.id)
        if against is not None:
            yield f"a re-run gave Finding {short(against.provenance.parents[1])}, outside tolerance"

    def foreign(self, node_id: str, header: Header) -> Iterator[str]:
        """Why a Finding was made with other weights than the contexts above its citation name."""
        subject = header.provenance.subject
        named = self.weights.get(node_id, {})
        if subject is None or not named:
            return
        wanted = named.get(subject.id) or frozenset().union(*named.values())
        if subject.sha256 not in wanted:
            digests = " or ".join(sorted(map(short, wanted)))
            yield f"its weights were {short(subject.sha256)}, the case names {digests}"

    def _old_ancestors(self, node_id: str, header: Header) -> Iterator[tuple[str, str]]:
        for parent in self.ancestors(header):
            why = next(self._spent(node_id, parent), None)
            if why is not None:
                yield parent.id, why

    def ancestors(self, header: Header) -> Iterator[Header]:
        """Every Finding at hand that a Finding was made from, directly or not."""
        seen: set[str] = set()
        waiting = list(header.provenance.parents)
        while waiting:
            parent = waiting.pop()
            found = None if parent in seen else self.find(parent)
            seen.add(parent)
            if found is not None:
                yield found
                waiting.extend(found.provenance.parents)

    def _spent(self, node_id: str, header: Header) -> Iterator[str]:
        """Why a Finding by itself, whatever it was made from, no longer counts."""
        if header.retracted or any(self._outdated(header)):
            yield "is stale or retracted"
        if any(self._overrun(node_id, header)):
            yield "is too old"
        if any(self._irreproducible(header)):
            yield "could not be reproduced"


_INPUTS = {
    "model": "model",
    "data": "data",
    "code": "the code of",
    "config": "the settings of",
    "package": "the package",
}


def inputs(provenance: Provenance) -> Iterator[tuple[str, str]]:
    """What a Finding was made from, keyed as in ``present``: ``model:ID``, ``data:ID``, ``code:METHOD``.

    The versions of packages come as ``package:NAME``. The settings, ``config:METHOD``, are digested only
    when ``present`` names them, see ``config_digest``.
    """
    if provenance.subject is not None:
        yield f"model:{provenance.subject.id}", provenance.subject.sha256
    if provenance.data is not None:
        yield f"data:{provenance.data.id}", provenance.data.sha256
    yield f"code:{provenance.code.method}", provenance.code.digest
    for name, version in provenance.packages.items():
        yield f"package:{name}", version


def config_digest(parameters: Mapping[str, Any]) -> str:
    """sha256 of the settings of a measurement, as ``present["config:METHOD"]`` names them.

    Args:
        parameters: plain values, as in ``provenance.parameters``.
    """
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _configured(provenance: Provenance, present: Present) -> Iterator[tuple[str, str]]:
    key = f"config:{provenance.method}"
    if key in present:
        yield key, config_digest(provenance.parameters)


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
        return "U", f"Finding {short(header.id)} was retracted"
    if unusable(header):
        return "U", f"the measurement failed: {header.statement}"
    try:
        return _watched(node, header, *_judged(node, header.measures))
    except InputError as error:
        return "U", str(error)


def unusable(header: Header) -> bool:
    """Whether a Finding is refused as support: a measurement that failed, a log in error or invalidated."""
    return header.status == "failed" or header.kind == REFUSED_LOG


def _watched(node: Node, header: Header, value: Value, reason: str) -> tuple[Value, str]:
    """The value of a leaf once its indicator is read: revoked it is false, unreadable no longer true."""
    indicator = watch(node, header.measures)
    if indicator is None or indicator.level == "normal":
        return value, reason
    seen: Value = "F" if indicator.level == "revoked" else value
    if indicator.level == "unknown" and value == "T":
        seen = "U"
    return seen, f"{reason}; {indicator.reason}"


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


def short(digest: str) -> str:
    """A digest in a sentence."""
    return digest if len(digest) <= 13 else f"{digest[:8]}…"
