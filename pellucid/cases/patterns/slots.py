"""Evidence slots: leaves that say which sort of measurement they wait for."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.cases.case import Case
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
