"""Exact probabilities of an argument whose leaves are independent, save where a common cause joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.cases.confidence.diagram import Diagram
from pellucid.cases.confidence.ordering import goal_order, leaf_order
from pellucid.cases.confidence.structure import fold
from pellucid.cases.evaluation.operator import TOP
from pellucid.cases.graph import Graph
from pellucid.findings import InputError

MOST_CAUSES = 12
DEFAULT_BETA = 0.1
# about a twentieth of a second, and about three quarters of one
QUICK, MOST_NODES = 40_000, 400_000
# more states than this seldom fit, so that less time is spent on trying
HOPEFUL = 1e7


@dataclass(frozen=True)
class Compiled:
    """An argument as Boolean functions of its leaves."""

    diagram: Diagram
    """The diagram that holds them."""
    roots: Mapping[str, int]
    """The function of each element, and of the whole under ``TOP``."""

    @property
    def top(self) -> int:
        """The function of the whole.

        Raises:
            InputError: Y75 when it is not defined: nothing is claimed, or the top rests on a circle.
        """
        if TOP not in self.roots:
            problem = "The argument has no top claim whose number is defined."
            remedy = "Give it a claim, and resolve circles of support and challenge (C04) on its way."
            raise InputError("Y75", problem, remedy)
        return self.roots[TOP]


class _Names:
    """Collects the leaves that an argument asks for."""

    def __init__(self) -> None:
        self.asked: dict[str, None] = {}

    def leaf(self, name: str) -> None:
        """Note a leaf."""
        self.asked[name] = None

    def both(self, values: object) -> None:
        """Nothing to combine."""

    def either(self, values: object) -> None:
        """Nothing to combine."""

    def at_least(self, count: int, values: object) -> None:
        """Nothing to combine."""

    def invert(self, value: object) -> None:
        """Nothing to combine."""


def leaves_asked(graph: Graph) -> tuple[str, ...]:
    """Every leaf on which some element's number depends, among them names that exist nowhere."""
    names = _Names()
    fold(graph, names)
    return tuple(names.asked)


def compile_graph(graph: Graph) -> Compiled:
    """Turn an argument into Boolean functions of its leaves.

    Raises:
        InputError: Y74 when the leaves are shared in too many ways for an exact diagram.
    """
    usual = leaf_order(graph, leaves_asked(graph))
    try:
        return _compiled(graph, usual, QUICK)
    except InputError:
        # leaves shared between far goals: an order that takes longer to find
        order, states = goal_order(graph, usual)
        return _compiled(graph, order, MOST_NODES if states < HOPEFUL else MOST_NODES // 2)


def _compiled(graph: Graph, order: Sequence[str], most: int) -> Compiled:
    """With one order and at most so many nodes; what is asked later may take as many as any diagram."""
    diagram = Diagram(order)
    limit = diagram.limit
    diagram.limit = min(limit, most)
    compiled = Compiled(diagram, fold(graph, diagram))
    diagram.limit = limit
    return compiled


@dataclass(frozen=True)
class Scenarios:
    """The leaves' probabilities in every state of the common causes, with the weight of each state."""

    weights: Any
    """Probability of each state; the number 1 where there is no common cause."""
    probabilities: Mapping[str, Any]
    """For each leaf, its probability in each state."""

    def mean(self, values: Any) -> Any:
        """What is expected over the states."""
        if isinstance(self.weights, np.ndarray):
            return float(np.sum(self.weights * values))
        return values


def common_causes(graph: Graph) -> dict[str, dict[str, float]]:
    """Groups of leaves that name the same ``commonCause``, with the ``beta`` of each (or 0.1)."""
    groups: dict[str, dict[str, float]] = {}
    for name, node in graph.nodes.items():
        cause = (node.layer("commonCause") or "").strip()
        if cause:
            groups.setdefault(cause, {})[name] = beta_factor(node.layer("beta"))
    return groups


def beta_factor(text: str | None) -> float:
    """The share of failures that have the common cause; ``DEFAULT_BETA`` when the text cannot be read."""
    try:
        stated = DEFAULT_BETA if text is None else float(text)
    except ValueError:
        return DEFAULT_BETA
    return stated if 0 <= stated <= 1 else DEFAULT_BETA


def scenarios(graph: Graph, probabilities: Mapping[str, Any]) -> Scenarios:
    """Split each common cause off its leaves, such that each leaf alone keeps its probability.

    With ``q_i = 1 - p_i`` the cause happens with ``c = min beta_i q_i`` and fails all its leaves; without it
    leaf i still fails with ``(q_i - c) / (1 - c)``.

    Raises:
        InputError: Y74 for more than 12 common causes.

    Source: the beta-factor model of common-cause failures (Fleming 1975), with margins kept.
    """
    groups = {
        cause: {name: beta for name, beta in members.items() if name in probabilities}
        for cause, members in common_causes(graph).items()
    }
    groups = {cause: members for cause, members in groups.items() if len(members) > 1}
    if len(groups) > MOST_CAUSES:
        problem = (
            f"The case names {len(groups)} common causes; at most {MOST_CAUSES} can be followed exactly."
        )
        raise InputError("Y74", problem, "Join causes that act on the same leaves.")
    split: dict[str, Any] = dict(probabilities)
    states = np.arange(2 ** len(groups))
    weights = np.ones(len(states))
    for bit, members in enumerate(groups.values()):
        happens = (states >> bit & 1).astype(bool)
        share = min(beta * float(1 - probabilities[name]) for name, beta in members.items())
        weights = weights * np.where(happens, share, 1 - share)
        for name in members:
            alone = 0.0 if share >= 1 else (float(1 - probabilities[name]) - share) / (1 - share)
            split[name] = np.where(happens, 0.0, 1 - alone)
    return Scenarios(weights if groups else 1, split)


def node_probabilities(compiled: Compiled, spread: Scenarios) -> dict[str, Any]:
    """The probability of every element."""
    roots = compiled.roots
    found = compiled.diagram.probabilities(roots.values(), spread.probabilities)
    return {name: spread.mean(found[root]) for name, root in roots.items()}
