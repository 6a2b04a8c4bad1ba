"""Doubts that evidence brings up by itself: visible counter elements, bound to what shows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import TYPE_CHECKING

from pellucid.cases.defeaters.carrying import carried_by_correlation
from pellucid.cases.defeaters.catalogue import Defeater, counter_id, defeater, is_automatic
from pellucid.cases.defeaters.samples import FEWEST, cited, few_samples, single_seed
from pellucid.cases.defeaters.waivers import waivers
from pellucid.cases.evidence.citations import Findings, Lookup, citation, lookup
from pellucid.cases.nodes import CITING, Module, Node, NodeKind
from pellucid.findings import Finding, Header, InputError, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case

CORRELATED = 0.4
"""Size of a benchmark's correlation with capability beyond which D-capability-correlate holds."""
RELIABLE = 0.7
"""Reliability alpha below which D-unreliable holds."""
ALWAYS = "1 == 1"
"""What a Finding's vocabulary or seed shows holds whatever its numbers are."""
_BINDING = ("finding", "log", "scorer", "predicate", "refutedBy")
Cites = tuple[tuple[str, str], ...]
ON_REQUEST = ("D-small-n", "D-single-seed")
"""Doubts that are raised as challenges only when they are asked for."""


@dataclass(frozen=True)
class About:
    """How a kind of Finding about a benchmark becomes a doubt."""

    kind: str
    """The kind of Finding."""
    doubt: Defeater
    """The doubt."""
    predicate: str
    """When the doubt holds."""
    refuted_by: str
    """When it does not; between the two it is undecided."""


ABOUT = (
    About(
        "metascience.capability_correlation",
        defeater("D-capability-correlate"),
        f"correlation.low > {CORRELATED} or correlation.high < -{CORRELATED}",
        f"correlation.high <= {CORRELATED} and correlation.low >= -{CORRELATED}",
    ),
    About(
        "metascience.reliability",
        defeater("D-unreliable"),
        f"alpha.high < {RELIABLE}",
        f"alpha.low >= {RELIABLE}",
    ),
)
"""Kinds of Finding that doubt the benchmark of a leaf."""


@dataclass(frozen=True)
class _Doubt:
    doubt: Defeater
    leaf: str
    ends: tuple[str, ...]
    cites: Cites
    predicate: str
    refuted_by: str | None
    note: str = ""

    def element(self, name: str) -> Node:
        """The counter element that states it."""
        layers = {"defeater": self.doubt.kind, "automatic": self.doubt.name, **dict(self.cites)}
        layers["predicate"] = self.predicate
        if self.refuted_by:
            layers["refutedBy"] = self.refuted_by
        text = f"{self.doubt.name}: {self.doubt.text}{self.note}"
        kind = NodeKind.COUNTER_SOLUTION
        return Node(name, text, node_type=kind, challenges=self.ends, layers=tuple(layers.items()))


def challenged(
    case: Case,
    find: Findings,
    about: Iterable[Finding | Header] = (),
    *,
    also: Collection[str] = (),
    fewest: int = FEWEST,
) -> Case:
    """The case with the doubts that its evidence brings up attached to the leaves.

    ``D-capability-correlate`` holds when the interval of a benchmark's correlation with capability lies
    beyond 0.4 in size, ``D-unreliable`` when that of its reliability alpha lies below 0.7; when the
    interval straddles the limit the doubt is undecided, and so is the leaf. ``D-probe-only`` holds when
    correlation alone carries a claim that is causal by its layer ``argument`` or, without one, by its words.
    Each is an element
    ``CSn_capability_Sn3`` with the layer ``automatic``, bound to the Finding that shows it; a leaf that
    waives the doubt with a reason keeps free of it. Attaching twice is attaching once; a newer Finding
    replaces the citation of an older one.

    Args:
        case: the argument.
        find: where the Findings that it cites are found, as in ``Case.evaluate``.
        about: Findings about benchmarks: kinds ``metascience.capability_correlation`` (measure
            ``correlation``) and ``metascience.reliability`` (measure ``alpha``), each with the parameter
            ``benchmark``. The benchmark of a leaf is its layer ``benchmark``, or the parameter of that name
            of the Finding it cites. Retracted and failed ones raise nothing.
        also: doubts to raise as challenges too: ``D-small-n``, ``D-single-seed``.
        fewest: samples from which on ``D-small-n`` is refuted.

    Raises:
        InputError: Y94 when ``also`` names another doubt.

    The verdict must be read with the Findings ``about`` at hand: ``case.evaluate([*findings, *about])``.

    Example:
        >>> from pellucid.cases import Case
        >>> case = Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {benchmark: gpqa}\\n")
        >>> challenged(case, {}, []) is case
        True
    """
    _admit(also)
    looked = lookup(find)
    headers = [found.header if isinstance(found, Finding) else found for found in about]
    doubts = [
        *_benchmarks(case, looked, sorted(headers, key=lambda header: header.id)),
        *_probes(case, looked),
        *_samples(case, looked, also, fewest),
    ]
    return _Draft.of(case, doubts).case(case) if doubts else case


def _admit(also: Collection[str]) -> None:
    for name in also:
        if name not in ON_REQUEST:
            hint = did_you_mean(name, ON_REQUEST) or f"There are {', '.join(ON_REQUEST)}."
            raise InputError("Y94", f"'{name}' is no doubt that is raised on request.", hint)


def _benchmarks(case: Case, find: Lookup, headers: list[Header]) -> Iterator[_Doubt]:
    about = [(way, header, _of_header(header)) for way in ABOUT for header in headers if _usable(header, way)]
    for node in _leaves(case) if about else ():
        named = benchmarks(node, find)
        for way, header, names in about:
            if not named.isdisjoint(names):
                yield _about(node, way, header)


def _about(node: Node, way: About, header: Header) -> _Doubt:
    note = f" ({', '.join(_stated(header))})"
    cites = (("finding", header.id),)
    return _Doubt(way.doubt, node.id, (node.id,), cites, way.predicate, way.refuted_by, note)


def _usable(header: Header, way: About) -> bool:
    return header.kind == way.kind and header.retracted is None and header.status != "failed"


def benchmarks(node: Node, find: Lookup) -> frozenset[str]:
    """The benchmarks that a leaf's evidence comes from, in plain letters: by its layer, or by its Finding."""
    stated = node.layer("benchmark")
    if stated is not None:
        return _names(stated.split(","))
    header = cited(node, find)
    return frozenset() if header is None else _of_header(header)


def _of_header(header: Header) -> frozenset[str]:
    return _names(_stated(header))


def _stated(header: Header) -> list[str]:
    """The benchmarks that a Finding names among its parameters."""
    provenance = header.provenance
    named = provenance.parameters.get("benchmark") or provenance.given.get("benchmark") or ()
    names = [named] if isinstance(named, str) else named if isinstance(named, list | tuple) else ()
    return [str(name) for name in names]


def _names(names: Iterable[str]) -> frozenset[str]:
    """Names in plain letters; a task of a package (``evals/gpqa``) also goes by its last part."""
    plain = [_plain(name) for name in names]
    return frozenset([*plain, *(name.rsplit("/", 1)[-1] for name in plain)]) - {""}


def _plain(name: str) -> str:
    """A benchmark's name without what people write differently: capitals, hyphens, spaces."""
    return re.sub(r"[\s_\-]+", "_", name.strip().casefold())


def _probes(case: Case, find: Lookup) -> Iterator[_Doubt]:
    doubt = defeater("D-probe-only")
    for carried in carried_by_correlation(case.graph, find):
        note = f" (for {carried.claim})"
        ends = (_above(case, carried.leaf, carried.claim), carried.leaf)
        yield _Doubt(doubt, carried.leaf, ends, _citing(case.nodes[carried.leaf]), ALWAYS, None, note)


def _above(case: Case, leaf: str, claim: str) -> str:
    """The parent of a leaf through which it supports a claim."""
    below = case.graph.reach([claim], case.graph.support)
    return next(parent for parent in case.graph.parents[leaf] if parent in below)


def _samples(case: Case, find: Lookup, also: Collection[str], fewest: int) -> Iterator[_Doubt]:
    for node in _leaves(case):
        header = cited(node, find)
        if header is None:
            continue
        few = few_samples(node, header, fewest) if "D-small-n" in also else []
        if few:
            names = [name for name, _ in few]
            predicate, refuted = (_joined(names, f"< {fewest}", "or"), _joined(names, f">= {fewest}", "and"))
            yield _Doubt(defeater("D-small-n"), node.id, (node.id,), _citing(node), predicate, refuted)
        if "D-single-seed" in also and single_seed(case.graph, node, find):
            yield _Doubt(defeater("D-single-seed"), node.id, (node.id,), _citing(node), ALWAYS, None)


def _citing(node: Node) -> Cites:
    """The layers by which an element cites a Finding, or a log."""
    names = ("finding",) if node.finding is not None else ("log", "scorer")
    return tuple((name, text) for name in names if (text := node.layer(name)) is not None)


def _joined(names: list[str], limit: str, word: str) -> str:
    return f" {word} ".join(f"{name}.n {limit}" for name in names)


def _leaves(case: Case) -> list[Node]:
    """Elements whose evidence can be doubted; what was raised automatically is not doubted in turn."""
    return [node for node in case.nodes.values() if node.kind in CITING and not is_automatic(node)]


def _restated(node: Node, doubt: _Doubt) -> Node:
    """An element as the evidence states it, whatever its file makes of it; its own remarks stay."""
    stated = doubt.element(node.id)
    remarks = tuple(layer for layer in node.layers if layer[0] not in (*_BINDING, *dict(stated.layers)))
    layers = stated.layers + remarks
    return replace(stated, layers=layers, classes=node.classes, url=node.url, line=node.line)


@dataclass
class _Draft:
    """A case under change: one pass over its elements, however many doubts come up."""

    nodes: Mapping[str, Node]
    alike: dict[tuple[str | None, tuple[str, ...]], list[Node]]
    used: frozenset[str]
    changed: dict[str, Node | None] = field(default_factory=dict)
    added: dict[str, list[Node]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    @staticmethod
    def of(case: Case, doubts: list[_Doubt]) -> _Draft:
        """The case with each doubt raised, or left out where the leaf waives it."""
        alike: dict[tuple[str | None, tuple[str, ...]], list[Node]] = {}
        for node in case.nodes.values():
            if is_automatic(node) and citation(node) is not None:
                alike.setdefault((node.layer("automatic"), node.challenges), []).append(node)
        used = (name for node in case.nodes.values() for name in (*node.challenges, *node.supported_by))
        draft = _Draft(case.nodes, alike, frozenset(used))
        current = frozenset(doubt.cites for doubt in doubts)
        for doubt in doubts:
            if doubt.doubt.name in waivers(case.nodes[doubt.leaf]):
                draft.withdraw(doubt)
            else:
                draft.raise_doubt(doubt, current)
        return draft

    def raise_doubt(self, doubt: _Doubt, current: frozenset[Cites]) -> None:
        """Leave a doubt as it stands, put it in place of an outdated citation, or add it as a new element."""
        alike = self._stating(doubt)
        present = next((node for node in alike if _citing(node) == doubt.cites), None)
        present = present or next((node for node in alike if _citing(node) not in current), None)
        if present is not None:
            self._exchange(doubt, present, _restated(present, doubt))
            return
        element = doubt.element(self._free(doubt))
        self.taken.add(element.id)
        self.added.setdefault(doubt.leaf, []).append(element)
        self.alike.setdefault((doubt.doubt.name, doubt.ends), []).append(element)

    def withdraw(self, doubt: _Doubt) -> None:
        """Take back a doubt that its leaf waives by now; one that somebody refers to stays."""
        for node in self._stating(doubt):
            if node.id not in self.used:
                self.changed[node.id] = None

    def _stating(self, doubt: _Doubt) -> list[Node]:
        """Elements that state a doubt already: the same step, and the same benchmark or claim."""
        end = doubt.note or doubt.doubt.text
        alike = self.alike.get((doubt.doubt.name, doubt.ends), [])
        return [node for node in alike if (node.text or "").endswith(end)]

    def _exchange(self, doubt: _Doubt, old: Node, new: Node) -> None:
        if (replace(new, layers=()), dict(new.layers)) != (replace(old, layers=()), dict(old.layers)):
            alike = self.alike[doubt.doubt.name, doubt.ends]
            alike[alike.index(old)] = new
            self.changed[old.id] = new

    def _free(self, doubt: _Doubt) -> str:
        plain = counter_id("CSn", doubt.doubt.name, doubt.leaf)
        names = chain([plain], (f"{plain}_{number}" for number in count(2)))
        return next(name for name in names if name not in self.nodes and name not in self.taken)

    def case(self, case: Case) -> Case:
        """The changed case; the same object when nothing changed."""
        if not self.changed and not self.added:
            return case
        return replace(case, modules=tuple(map(self._module, case.modules)))

    def _module(self, module: Module) -> Module:
        kept = (self.changed.get(node.id, node) if self._own(node) else node for node in module.nodes)
        added = (new for node in module.nodes if self._own(node) for new in self.added.get(node.id, ()))
        return replace(module, nodes=(*(node for node in kept if node is not None), *added))

    def _own(self, node: Node) -> bool:
        """Whether an element is the one that its id means; of two with one id the first is."""
        return self.nodes[node.id] is node
