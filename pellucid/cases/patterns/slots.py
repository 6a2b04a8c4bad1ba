"""Evidence slots: leaves that say which sort of measurement they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pellucid.cases.case import Case
from pellucid.cases.nodes import Node
from pellucid.findings import Finding, Header, MissingError, did_you_mean


def slots(case: Case) -> Mapping[str, tuple[str, ...]]:
    """The sorts of measurement that a case waits for, each with the leaves that name it.

    Example:
        >>> slots(Case.read("G1: {supportedBy: [Sn1, Sn2]}\\nSn1: {slot: power}\\nSn2: {slot: power}"))
        {'power': ('Sn1', 'Sn2')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, node in case.nodes.items():
        slot = node.layer("slot")
        if slot is not None:
            found[slot] = (*found.get(slot, ()), name)
    return found


def bind_slots(case: Case, found: Mapping[str, Finding | Header | str]) -> Case:
    """A copy of the case whose leaves cite Findings, given by leaf or by the slot that leaves name.

    A leaf's own entry goes before that of its slot.

    Raises:
        MissingError: Y52 when there is neither such a leaf nor such a slot.
    """
    waiting = slots(case)
    for name in found:
        if name not in waiting and name not in case.nodes:
            names = [*waiting, *(leaf for leaves in waiting.values() for leaf in leaves)]
            remedy = did_you_mean(name, names) or f"It waits for {', '.join(waiting) or 'nothing'}."
            raise MissingError("Y52", f"No leaf or slot '{name}' in case '{case.name}'.", remedy)
    ids = {name: one if isinstance(one, str) else one.id for name, one in found.items()}
    by_slot = {leaf: ids[slot] for slot, leaves in waiting.items() if slot in ids for leaf in leaves}
    return case.bind(by_slot | {name: one for name, one in ids.items() if name in case.nodes})


def bound(case: Case, cited: Mapping[str, str], predicates: Mapping[str, str]) -> Case:
    """A copy of the case whose leaves cite Findings or logs, and state what these must show.

    Args:
        case: the argument.
        cited: for leaves, or slots that leaves name: the id of a Finding, or ``log:SHA256`` with ``:SCORER``.
        predicates: for leaves or slots: what the evidence must show.

    Raises:
        MissingError: Y52 when there is neither such a leaf nor such a slot.

    Example:
        >>> case = Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {slot: power}")
        >>> bound(case, {"power": "log:0123abcd:match"}, {"Sn1": "score.low >= 0.8"}).nodes["Sn1"].layers
        (('slot', 'power'), ('log', '0123abcd'), ('scorer', 'match'), ('predicate', 'score.low >= 0.8'))
    """
    given: dict[str, dict[str, str]] = {}
    for name, evidence in cited.items():
        for leaf in leaves_of(case, name):
            given.setdefault(leaf, {}).update(_layers(evidence))
    for name, predicate in predicates.items():
        for leaf in leaves_of(case, name):
            given.setdefault(leaf, {})["predicate"] = predicate
    return Case(
        tuple(
            replace(module, nodes=tuple(_having(node, given.get(node.id)) for node in module.nodes))
            for module in case.modules
        )
    )


def leaves_of(case: Case, name: str) -> tuple[str, ...]:
    """A leaf by its id, or all leaves that name a slot; MissingError Y52 when there is neither."""
    waiting = slots(case)
    if name in waiting:
        return waiting[name]
    if name not in case.nodes:
        names = [*waiting, *case.nodes]
        remedy = did_you_mean(name, names) or f"It waits for {', '.join(waiting) or 'nothing'}."
        raise MissingError("Y52", f"No leaf or slot '{name}' in case '{case.name}'.", remedy)
    return (name,)


def _layers(evidence: str) -> dict[str, str]:
    if not evidence.startswith("log:"):
        return {"finding": evidence}
    digest, _, scorer = evidence.removeprefix("log:").partition(":")
    return {"log": digest} | ({"scorer": scorer} if scorer else {})


def _having(node: Node, layers: Mapping[str, str] | None) -> Node:
    return node if layers is None else node.having(**layers)
