"""Findings and arguments made for tests, and a slow evaluation to compare with."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pellucid.cases import Case, Node, NodeKind
from pellucid.findings import Header

ORDER = {"F": 0, "U": 1, "T": 2}
NAMES = {number: name for name, number in ORDER.items()}
HOLDS = "score.low >= 1"


def header(
    *,
    score: float | None = 1.0,
    name: str = "score",
    low: float | None = None,
    high: float | None = None,
    model: tuple[str, str] | None = ("organism:m", "aa"),
    data: tuple[str, str] | None = None,
    code: tuple[str, str] = ("room.method", "c0"),
    parents: Iterable[str] = (),
    status: str = "supports",
    evidence: str = "behavioural",
    salt: str = "",
) -> Header:
    """The header of a Finding with one measure, under its true id."""
    measure = {"name": name, "value": score, "low": score if low is None else low}
    measure["high"] = score if high is None else high
    made = Header.model_validate(
        {
            "kind": "cases.sample",
            "title": "A sample",
            "room": "cases",
            "template": "sample",
            "statement": f"sample {salt}",
            "stance": "observational",
            "evidence": evidence,
            "measures": (measure,),
            "payload": "0" * 64,
            "status": status,
            "provenance": {
                "method": code[0],
                "subject": model and {"id": model[0], "sha256": model[1]},
                "data": data and {"id": data[0], "sha256": data[1]},
                "code": {"method": code[0], "digest": code[1]},
                "parents": tuple(parents),
            },
        }
    )
    return made.model_copy(update={"id": made.identity()})


def retracted(kept: Header) -> Header:
    """The same Finding, withdrawn."""
    note = {"reason": "wrong batch", "author": "R. Reviewer", "time": "2026-11-21T00:00:00Z"}
    return Header.model_validate(kept.model_dump(by_alias=True) | {"retracted": note})


EVIDENCE = {
    "T": header(score=1.0, salt="true"),
    "F": header(score=0.0, salt="false"),
    "U": header(score=None, salt="unmeasured", status="failed"),
}
BY_ID = {kept.id: kept for kept in EVIDENCE.values()}


def leaf(name: str, value: str = "U", **more: object) -> Node:
    """A leaf whose evidence says ``value``."""
    layers = (("finding", EVIDENCE[value].id), ("predicate", HOLDS))
    return Node(name, layers=layers, **more)  # type: ignore[arg-type]


def random_case(seed: int, *, least: int = 10, most: int = 60) -> Case:
    """A random argument: shared leaves, need all, any or k, assumptions, challenges of elements and of relations.

    What challenges rests on leaves of its own, and replies may challenge it in turn.
    """
    draw = random.Random(seed)
    size = draw.randint(least, most)
    goals = [f"G{index}" for index in range(max(3, size // 3))]
    leaves = [f"Sn{index}" for index in range(max(2, size // 3))]
    nodes = [_goal(draw, index, goals, leaves) for index in range(len(goals))]
    nodes += [leaf(name, draw.choice("TTTFU")) for name in leaves]
    nodes = [_reached(node, nodes, goals, leaves) for node in nodes]
    nodes += _assumptions(draw, nodes)
    nodes += _challenges(draw, nodes, size // 5)
    return Case.of(nodes)


def _goal(draw: random.Random, index: int, goals: list[str], leaves: list[str]) -> Node:
    lower = [*goals[index + 1 :], *leaves]
    legs = tuple(draw.sample(lower, min(len(lower), draw.randint(1, 5))))
    need = draw.choice(["all", "all", "any", str(draw.randint(1, len(legs)))])
    context = (f"A{index}",) if draw.random() < 0.2 else ()
    return Node(goals[index], supported_by=legs, in_context_of=context, layers=(("need", need),))


def _reached(node: Node, nodes: list[Node], goals: list[str], leaves: list[str]) -> Node:
    """The top goal also takes up whatever nothing else names, so that there is one root."""
    if node.id != goals[0]:
        return node
    named = {leg for other in nodes for leg in other.supported_by}
    rest = tuple(name for name in (*goals[1:], *leaves) if name not in named)
    return Node(
        node.id, supported_by=node.supported_by + rest, layers=node.layers, in_context_of=node.in_context_of
    )


def _assumptions(draw: random.Random, nodes: list[Node]) -> list[Node]:
    named = [name for node in nodes for name in node.in_context_of]
    accepted = (("accepted", "R. Reviewer, 2026-11-21"),)
    return [Node(name, layers=accepted if draw.random() < 0.6 else ()) for name in named]


def _challenges(draw: random.Random, nodes: list[Node], count: int) -> list[Node]:
    made: list[Node] = []
    for index in range(count):
        target = draw.choice([*nodes, *made])
        ends: tuple[str, ...] = (target.id,)
        if target.supported_by and draw.random() < 0.3:
            ends = (target.id, draw.choice(target.supported_by))
        elif target.challenges and draw.random() < 0.3:
            ends = (target.id, target.challenges[0])
        made.append(
            leaf(f"D{index}", draw.choice("TFU"), node_type=NodeKind.COUNTER_SOLUTION, challenges=ends)
        )
    return made


def slowly(case: Case, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """Evaluate by the definition: all elements again and again from "undecided" until nothing moves.

    Args:
        case: an argument whose leaves cite ``EVIDENCE``.
        values: other values for some leaves.
    """
    nodes = {node.id: node for module in case.modules for node in module.nodes}
    stated = {kept.id: value for value, kept in EVIDENCE.items()}
    own = {name: stated[node.finding] for name, node in nodes.items() if node.finding}
    own |= {
        name: "T" if node.accepted else "U"
        for name, node in nodes.items()
        if node.kind is NodeKind.ASSUMPTION
    }
    own |= values or {}
    found = dict.fromkeys(nodes, 1)

    def doubted(owner: str, other: str) -> int:
        against = [found[d.id] for d in nodes.values() if set(d.challenges) == {owner, other}]
        return min(found[other], 2 - max(against, default=0))

    def value(node: Node) -> int:
        attacks = [doubted(node.id, d.id) for d in nodes.values() if d.challenges == (node.id,)]
        if node.id in own:
            support = ORDER[own[node.id]]
        elif not node.supported_by:
            support = 1
        else:
            legs = sorted((doubted(node.id, name) for name in node.supported_by), reverse=True)
            count = {"all": len(legs), "any": 1}.get(node.need) or int(node.need)
            support = min([legs[count - 1], *(doubted(node.id, name) for name in node.in_context_of)])
        return min(support, 2 - max(attacks, default=0))

    while (after := {name: value(node) for name, node in nodes.items()}) != found:
        found = after
    return {name: NAMES[number] for name, number in found.items()}


def leaves_of(case: Case) -> list[str]:
    """Elements with a value of their own."""
    kinds = (NodeKind.SOLUTION, NodeKind.COUNTER_SOLUTION, NodeKind.ASSUMPTION)
    return [name for name, node in case.nodes.items() if node.kind in kinds]


def everywhere(case: Case) -> dict[str, NDArray[np.bool_]]:
    """Where each element is true among all 2^n states of its n leaves; bit i of a state is leaf i.

    By the definition, for all states at once: the arguments of ``random_case`` have no circles.
    """
    names = leaves_of(case)
    states = np.arange(1 << len(names))
    found = {name: (states >> place & 1).astype(bool) for place, name in enumerate(names)}
    nodes = case.nodes

    def doubted(owner: str, other: str) -> NDArray[np.bool_]:
        against = [found[d.id] for d in nodes.values() if set(d.challenges) == {owner, other}]
        return found[other] & ~np.any([np.zeros_like(states, bool), *against], axis=0)

    for name in case.graph.order:
        node = nodes[name]
        holds = found.get(name)
        if holds is None:
            legs = [doubted(name, leg) for leg in node.supported_by]
            count = {"all": len(legs), "any": 1}.get(node.need) or int(node.need)
            around = [doubted(name, other) for other in node.in_context_of]
            holds = np.all([np.sum(legs, axis=0) >= count, *around], axis=0)
        attacks = [doubted(name, d.id) for d in nodes.values() if d.challenges == (name,)]
        found[name] = holds & ~np.any([np.zeros_like(states, bool), *attacks], axis=0)
    return found
