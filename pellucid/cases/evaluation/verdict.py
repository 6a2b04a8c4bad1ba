"""The verdict on a case: two readings, the state of every element, and why the top is what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.cases.evaluation.kleene import Reading, Value
from pellucid.cases.evaluation.operator import TOP, background, carries_own_value, settle
from pellucid.cases.evaluation.reasons import Leaves, reasons
from pellucid.cases.evidence.evidence import Evidence, LeafState
from pellucid.cases.evidence.freshness import FRESH, STALE, Freshness, worst
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, NodeKind

WORDS: Mapping[Value, str] = {"T": "stands", "F": "defeated", "U": "undecided"}


@dataclass(frozen=True)
class NodeState:
    """What one element amounts to under the evidence."""

    value: Value
    """Its value with staleness ignored."""
    now: Value
    """Its value with stale evidence taken out."""
    freshness: frozenset[Freshness]
    """Whether its evidence, and for inner elements anything that they rest on, is up to date."""
    finding: str | None
    """The Finding that it cites."""
    reason: str
    """Why it has this value, as a sentence."""

    @property
    def stale(self) -> bool:
        """Whether it rests on evidence that is taken out now: of earlier objects, too old, irreproducible."""
        return bool(self.freshness & STALE)

    @property
    def worst(self) -> Freshness:
        """The worst of its states of freshness, which a surface shows first."""
        return worst(self.freshness)

    @property
    def missing(self) -> bool:
        """Whether it lacks the Finding or the acceptance that it needs."""
        return "missing" in self.freshness


@dataclass(frozen=True)
class Verdict:
    """What the evidence says about a case."""

    top: str
    """The top claim, or its root claims separated by commas."""
    value: Value
    """The verdict with staleness ignored."""
    now: Value
    """The verdict with stale evidence taken out."""
    states: Mapping[str, NodeState]
    """The state of every element."""
    reasons: tuple[tuple[str, ...], ...]
    """Chains from the top to the leaves that would have to change together; empty when the case stands."""
    open_assumptions: tuple[str, ...]
    """Assumptions that nobody has accepted and no evidence supports."""
    accepted: Mapping[str, str]
    """Assumptions that hold by a named reviewer's word: id to name and day."""

    @property
    def stands(self) -> bool:
        """Whether the top claim is true now."""
        return self.now == "T"

    @property
    def word(self) -> str:
        """``stands``, ``defeated`` or ``undecided``."""
        return WORDS[self.now]

    @property
    def reason_path(self) -> tuple[str, ...]:
        """The first chain of reasons: from the top to the leaf that says why."""
        return self.reasons[0] if self.reasons else ()

    @property
    def reason(self) -> str:
        """Why the case does not stand, in one sentence; empty when it does."""
        if self.stands:
            return ""
        if not self.reason_path or self.reason_path[-1] not in self.states:
            return "The case claims nothing." if not self.states else "No claim of the case can be decided."
        leaf = self.reason_path[-1]
        return f"{leaf}: {self.states[leaf].reason}."

    def changed(self, other: Verdict) -> frozenset[str]:
        """Elements whose value now differs between two verdicts on the same argument."""
        names = self.states.keys() | other.states.keys()
        return frozenset(name for name in names if _now(self, name) != _now(other, name))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        states = {
            name: asdict(state) | {"freshness": sorted(state.freshness)}
            for name, state in self.states.items()
        }
        return {
            "top": self.top,
            "value": self.value,
            "now": self.now,
            "word": self.word,
            "stands": self.stands,
            "reason": self.reason,
            "reason_path": list(self.reason_path),
            "reasons": [list(chain) for chain in self.reasons],
            "open_assumptions": list(self.open_assumptions),
            "accepted": dict(self.accepted),
            "states": states,
        }

    def to_json(self) -> str:
        """The same as a JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)


def _now(verdict: Verdict, name: str) -> Value | None:
    state = verdict.states.get(name)
    return state.now if state else None


def judge(graph: Graph, evidence: Evidence) -> Verdict:
    """Evaluate an argument against evidence, in both readings."""
    # Scenario 0 ignores staleness; scenario 1 takes stale leaves out.
    leaves = read_leaves(graph, evidence)
    base = {name: _reading(state) for name, state in leaves.items()} | background(graph, 0b11)
    settled = settle(graph, base, 0b11)
    now = {name: state.now for name, state in leaves.items()}
    stale = graph.reach((name for name, state in leaves.items() if state.freshness & STALE), graph.dependents)
    states = {name: _state(graph, name, settled, leaves.get(name), name in stale) for name in graph.nodes}
    top = settled[TOP]
    return Verdict(
        top=", ".join(graph.tops),
        value=top.at(0),
        now=top.at(1),
        states=states,
        reasons=() if top.at(1) == "T" else reasons(graph, Leaves(graph, now)),
        open_assumptions=tuple(
            name for name in _assumptions(graph) if leaves[name].value == "U" and states[name].value != "T"
        ),
        accepted={
            name: str(graph.nodes[name].accepted)
            for name in _assumptions(graph)
            if leaves[name].reason.startswith("accepted by ")
        },
    )


def read_leaves(graph: Graph, evidence: Evidence) -> dict[str, LeafState]:
    """The state of every element that carries its own value, contexts and justifications excepted."""
    return {
        name: evidence.read(node)
        for name, node in graph.nodes.items()
        if carries_own_value(graph, name) and node.kind not in BACKGROUND
    }


def _assumptions(graph: Graph) -> list[str]:
    return [name for name, node in graph.nodes.items() if node.kind is NodeKind.ASSUMPTION]


def _reading(state: LeafState) -> Reading:
    true = (state.value == "T") | (state.now == "T") << 1
    return Reading(true, (state.value == "F") | (state.now == "F") << 1)


def _state(
    graph: Graph, name: str, settled: Mapping[str, Reading], leaf: LeafState | None, stale: bool
) -> NodeState:
    value, now = settled[name].at(0), settled[name].at(1)
    freshness = leaf.freshness if leaf else FRESH
    if stale and not freshness & STALE:
        freshness = (freshness - FRESH) | {"stale-by-parent"}
    reason = _because(graph, name, settled, leaf)
    return NodeState(value, now, freshness, leaf.finding if leaf else None, reason)


def _because(graph: Graph, name: str, settled: Mapping[str, Reading], leaf: LeafState | None) -> str:
    challenged = [d for d in graph.challengers.get(name, ()) if settled[d].at(0) != "F"]
    doubt = f"challenged by {', '.join(challenged)}" if challenged else ""
    said = leaf.reason if leaf else _legs(graph, name)
    return "; ".join(part for part in (said, doubt) if part)


def _legs(graph: Graph, name: str) -> str:
    node = graph.nodes[name]
    if node.kind in BACKGROUND:
        return f"{node.kind.spoken} only" if node.kind else ""
    legs = graph.support[name]
    if node.needed(len(legs)) is None:
        return f"needs '{node.need}' of {len(legs)}, which cannot be"
    need = {"all": "all", "any": "any one"}.get(node.need, node.need)
    return f"needs {need} of {', '.join(legs)}" if len(legs) > 1 else f"rests on {legs[0]}"
