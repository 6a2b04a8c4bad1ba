"""The adversary's document: an argument that the top claim of a safety case is false.

It is the dual of the safety case. Where the case needs all of its legs, its adversary needs one to fail;
where it needs k of n, the adversary needs n - k + 1 to fail; an assumption fails by itself; a doubt that the
case answers is a claim that the adversary argues for, and the answer one that it argues against:

    fails(n) = at least n - k + 1 legs fail, OR an assumption fails, OR a challenger holds
    holds(d) = its legs hold AND its assumptions hold AND each of its challengers fails
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pellucid.cases.case import Case
from pellucid.cases.evaluation.operator import carries_own_value
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, Module, Node, NodeKind
from pellucid.findings import InputError

Side = Literal["fails", "holds"]
_WORDS: Mapping[Side, str] = {"fails": "It is not so", "holds": "It is so"}
_STEP: Mapping[Side, str] = {"fails": "This step fails", "holds": "This step holds"}
COUNTERS = "counters"
"""String attribute that names the element of the safety case that a claim of the risk case speaks about."""


def risk_case(case: Case) -> Case:
    """The risk case of a safety case: its top claim negated, and a slot for evidence against each leaf.

    Each leaf, assumption and undeveloped claim becomes one solution whose ``slot`` is ``against ID`` (or
    ``for ID``, for what doubts rest on) and whose predicate is the opposite of the leaf's own; its Findings
    are for somebody else to bind. If every slot says the opposite of its leaf, the risk case's top is the
    opposite of the safety case's.

    Raises:
        InputError: Y59 when the case claims nothing.

    Example:
        >>> case = Case.read("G1: {text: Safe, supportedBy: [Sn1]}\\nSn1: {predicate: rate.high <= 0.1}")
        >>> risk_case(case).nodes["Sn-not-Sn1"].predicate
        'not (rate.high <= 0.1)'

    Source: section 2.3 of the project's notes on cases; two documents, one decision.
    """
    graph = case.graph
    if not graph.tops:
        remedy = "Give it a goal that nothing else names."
        raise InputError("Y59", f"The case '{case.name}' claims nothing that could be false.", remedy)
    mirror = _Mirror(graph)
    legs = tuple(filter(None, (mirror.claim(name, "fails") for name in graph.tops)))
    if len(legs) > 1 or not graph.support[graph.tops[0]]:
        top = "; or ".join(_said(graph, name) for name in graph.tops)
        mirror.made = {
            "G-not": Node("G-not", text=f"It is not so: {top}", supported_by=legs, layers=_ANY)
        } | mirror.made
    around = [name for name in _contexts(graph) if name in graph.nodes]
    first, *rest = mirror.made.values()
    nodes = (
        replace(first, in_context_of=tuple(around)),
        *rest,
        *(_context(graph.nodes[name]) for name in around),
    )
    return Case((Module(f"{case.name}-risk", nodes, f"Why the claim of '{case.name}' does not hold"),))


_ANY = (("need", "any"),)


@dataclass
class _Mirror:
    """The claims of the risk case, as they are made."""

    graph: Graph
    made: dict[str, Node] = field(default_factory=dict)
    begun: dict[tuple[str, Side], str | None] = field(default_factory=dict)

    def claim(self, name: str, side: Side) -> str | None:
        """The claim that an element of the safety case fails or holds; None where nothing could decide it."""
        waiting: list[tuple[str, Side]] = [(name, side)]
        # First every name, then every claim: an argument may be deeper than the stack of calls.
        for wanted in waiting:
            if wanted not in self.begun:
                self.begun[wanted] = self.named(*wanted)
                waiting.extend(self.below(*wanted))
        for wanted in dict.fromkeys(waiting):
            found = self.begun[wanted]
            if found is not None and found not in self.made:
                self.make(found, *wanted)
        return self.begun[name, side]

    def named(self, name: str, side: Side) -> str | None:
        """The id of a claim."""
        graph = self.graph
        if name not in graph.nodes or (
            graph.nodes[name].kind in BACKGROUND and not graph.challengers.get(name)
        ):
            return None
        prefix = "G" if self.inner(name) else "Sn"
        return f"{prefix}-{'not' if side == 'fails' else 'so'}-{name}"

    def inner(self, name: str) -> bool:
        """Whether more than a leaf's own evidence decides about an element."""
        graph = self.graph
        own = carries_own_value(graph, name)
        return bool(not own or graph.support[name] or graph.challengers.get(name))

    def below(self, name: str, side: Side) -> Iterable[tuple[str, Side]]:
        """What a claim rests on."""
        graph, other = self.graph, _other(side)
        if name not in graph.nodes:
            return
        yield from ((leg, side) for leg in (*graph.support[name], *self.assumed(name)))
        yield from ((doubt, other) for doubt in graph.challengers.get(name, ()))
        for leg in (*graph.support[name], *self.assumed(name), *graph.challengers.get(name, ())):
            turned: Side = other if leg in graph.challengers.get(name, ()) else side
            yield from ((doubt, _other(turned)) for doubt in graph.doubts(name, leg))

    def assumed(self, name: str) -> tuple[str, ...]:
        """Contexts of an element that its value reads; those of a leaf are not read."""
        return () if carries_own_value(self.graph, name) else self.graph.context[name]

    def make(self, claim: str, name: str, side: Side) -> None:
        """Add one claim, with the claims in between that it needs."""
        if not self.inner(name):
            self.made[claim] = _slot(self.graph.nodes[name], claim, side)
            return
        self.made[claim] = Node(claim)  # holds the place, so that the claim stands above what it rests on
        need = "any" if side == "fails" else "all"
        parts = [*self.own(claim, name, side), *self.supported(claim, name, side)]
        parts += [self.leg(name, other, side) for other in self.assumed(name)]
        parts += [self.leg(name, doubt, _other(side)) for doubt in self.graph.challengers.get(name, ())]
        legs = tuple(dict.fromkeys(filter(None, parts)))
        words = _STEP if self.graph.nodes[name].kind is NodeKind.STRATEGY else _WORDS
        text = f"{words[side]}: {_said(self.graph, name)}"
        self.made[claim] = Node(
            claim, text=text, supported_by=legs, layers=(("need", need), (COUNTERS, name))
        )

    def own(self, claim: str, name: str, side: Side) -> list[str]:
        """The slot for what an element says by itself, beside its legs or its doubts."""
        node = self.graph.nodes[name]
        if not carries_own_value(self.graph, name) or node.kind in BACKGROUND or self.graph.support[name]:
            return []
        slot = f"Sn-{claim.partition('-')[2]}"
        self.made[slot] = _slot(node, slot, side)
        return [slot]

    def supported(self, claim: str, name: str, side: Side) -> list[str | None]:
        """Claims about the legs of an element, under one claim of their own where their number matters."""
        node, support = self.graph.nodes[name], self.graph.support[name]
        legs = [self.leg(name, leg, side) for leg in support]
        present = tuple(leg for leg in legs if leg is not None)
        needed = node.needed(len(support))
        own = carries_own_value(self.graph, name)
        if not legs or (needed == len(legs) and not own):
            return legs
        if needed is None:
            return []
        count = needed if side == "holds" else len(legs) - needed + 1
        text = f"Of the legs of {name}, at least {count} {'hold' if side == 'holds' else 'fail'}"
        self.made[f"{claim}.legs"] = Node(
            f"{claim}.legs", text=text, supported_by=present, layers=_need(count)
        )
        if not own:
            return [f"{claim}.legs"]
        return [self.either_way(claim, node, side)]

    def either_way(self, claim: str, node: Node, side: Side) -> str:
        """An assumption holds by acceptance or by its legs, and fails when both do."""
        slot, both = f"{claim.replace('G-', 'Sn-', 1)}", f"{claim}.own"
        self.made[slot] = _slot(node, slot, side)
        need = (("need", "any" if side == "holds" else "all"),)
        text = f"{_WORDS[side]} by itself{' or' if side == 'holds' else ' and'} by its legs: {node.id}"
        self.made[both] = Node(both, text=text, supported_by=(slot, f"{claim}.legs"), layers=need)
        return both

    def leg(self, name: str, other: str, side: Side) -> str | None:
        """The claim about one leg, with the doubts about its relation."""
        claim = self.begun.get((other, side))
        doubts = [self.begun.get((doubt, _other(side))) for doubt in self.graph.doubts(name, other)]
        parts = tuple(filter(None, (claim, *doubts)))
        if not any(doubts):
            return claim
        need = "any" if side == "fails" else "all"
        step = f"G-{'not' if side == 'fails' else 'so'}-{name}-{other}"
        text = f"{other} does {'not ' if side == 'fails' else ''}bear on {name}"
        self.made[step] = Node(step, text=text, supported_by=parts, layers=(("need", need),))
        return step


def _other(side: Side) -> Side:
    return "holds" if side == "fails" else "fails"


def _need(count: int) -> tuple[tuple[str, str], ...]:
    return (("need", str(count)),)


def _said(graph: Graph, name: str) -> str:
    return graph.nodes[name].text or name


def _slot(node: Node, slot: str, side: Side) -> Node:
    """The place for evidence about one leaf, read in the adversary's direction."""
    aim = "against" if side == "fails" else "for"
    layers = {"slot": f"{aim} {node.id}", COUNTERS: node.id}
    own, opposite = (
        (node.predicate, node.refuted_by) if side == "holds" else (node.refuted_by, node.predicate)
    )
    if own:
        layers["predicate"] = own
    elif opposite:
        layers["predicate"] = f"not ({opposite})"
    if own and opposite:
        layers["refutedBy"] = opposite
    kind = "the assumption " if node.kind is NodeKind.ASSUMPTION else ""
    return Node(
        slot, text=f"Evidence {aim} {kind}{node.id}: {node.text or node.id}", layers=tuple(layers.items())
    )


def _contexts(graph: Graph) -> list[str]:
    return [
        name
        for top in graph.tops
        for name in graph.context[top]
        if name in graph.nodes
        and graph.nodes[name].kind is NodeKind.CONTEXT
        and not graph.challengers.get(name)
    ]


def _context(node: Node) -> Node:
    return Node(node.id, text=node.text, node_type=node.node_type, layers=node.layers, url=node.url)
