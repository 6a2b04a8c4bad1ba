"""Patterns made for tests, and Findings that meet or miss what the leaves of a template ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from case_arguments import header

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.patterns.slots import bind_slots
from pellucid.findings import Header, Measure

ACCEPTED = "R. Reviewer, 2026-11-21"
_COMPARISON = re.compile(r"([a-z_]+)\.(value|low|high|n) (<=|>=|<|>) ([\w.+-]+)")

FOUR = """
module: {name: four-categories-gsn, pattern: "true"}
G1:
  text: "General-purpose abilities of {AI system} do not cause unacceptable outcomes"
  supportedBy: [S1]
  inContextOf: [C1, C2, C3]
C1: {text: "Abilities: {abilities}"}
C2: {text: "AI system: {AI system: text}"}
C3: {text: "Unacceptable: {unacceptable outcomes: list of text}"}
S1: {text: By assessing each ability, supportedBy: [G2]}
G2:
  text: "{ability.name} does not cause unacceptable outcomes"
  multiplicity: ability in abilities
  choice: 1..2
  need: any
  supportedBy: [G3, G4]
G3: {text: "{ability.name} cannot cause unacceptable outcomes", supportedBy: [Sn3]}
Sn3: {text: Capability evaluation, predicate: "rate.high <= {ability.limit: probability}"}
G4:
  text: "The risk of {ability.name} is acceptable"
  choice: 1..2
  need: any
  supportedBy: [G5, G6]
G5: {text: "{ability.name} is used in a trustworthy way", inContextOf: [C5], supportedBy: [Sn5]}
C5: {text: "Trustworthy: {trustworthy: text}"}
Sn5: {text: Behaviour tests}
G6: {text: "Extra controls reduce the risk of {ability.name}", inContextOf: [C6], supportedBy: [G7]}
C6: {text: "Controls: {controls: list of text}"}
G7: {text: "Credible AI advisers find no unacceptable risk in {ability.name}", inContextOf: [C7], supportedBy: [Sn7]}
C7: {text: "Credible: {credible: text}"}
Sn7: {text: Record of the advisers}
"""
"""The pattern of the four categories, after the BIG argument, figures 15 and 16."""

FOUR_VALUES: Mapping[str, object] = {
    "AI system": "S",
    "abilities": [{"name": "cyber", "limit": 0.1}, {"name": "bio", "limit": "1e-2"}],
    "unacceptable outcomes": ["ruin"],
    "trustworthy": "keeps its word",
    "controls": ["a sandbox", "a monitor"],
    "credible": "better than we are",
    "choose": {"G2": ["G3", "G4"], "G4": ["G5", "G6"]},
}


def accepted(case: Case, names: Iterable[str] | None = None) -> Case:
    """The case with assumptions accepted: all of them, or those named."""
    wanted = None if names is None else set(names)

    def signed(node: Node) -> Node:
        signs = node.kind is NodeKind.ASSUMPTION and (wanted is None or node.id in wanted)
        return node.having(accepted=ACCEPTED) if signs else node

    return Case(tuple(replace(module, nodes=tuple(map(signed, module.nodes))) for module in case.modules))


def measured(node: Node, *, holds: bool) -> Header:
    """A Finding that meets, or misses, the predicate of a leaf."""
    assert node.predicate is not None
    ends: dict[str, dict[str, float]] = {}
    for name, end, comparison, limit in _COMPARISON.findall(node.predicate):
        step = (-1.0 if comparison in ("<=", "<") else 1.0) * (1 if holds else -1)
        other = re.fullmatch(r"([a-z_]+)\.value", limit)
        if other is not None:
            ends[other[1]] = {"value": 4.0}
        bound = 4.0 if other is not None else float(limit)
        ends.setdefault(name, {})[end] = bound + step if end != "n" or holds else bound - 1
    rows = tuple(_measure(name, stated) for name, stated in ends.items())
    # what localises by intervention is interventional evidence: its claim is causal
    evidence = "causal" if node.layer("slot") == "localisation" else "behavioural"
    kept = header(salt=f"{node.id} {holds}", model=None, evidence=evidence)
    made = Header.model_validate(kept.model_dump(by_alias=True) | {"measures": rows})
    return made.model_copy(update={"id": made.identity()})


def _measure(name: str, ends: Mapping[str, float]) -> Measure:
    point = next((number for end, number in ends.items() if end != "n"), 0.0)
    count = ends.get("n")
    return Measure(
        name=name,
        value=ends.get("value", point),
        low=ends.get("low", point) if "value" not in ends else None,
        high=ends.get("high", point) if "value" not in ends else None,
        n=None if count is None else int(count),
    )


def bound(case: Case, failing: Iterable[str] = (), absent: Iterable[str] = ()) -> tuple[Case, list[Header]]:
    """The case with every slot bound: to Findings that meet its predicate, that miss it, or to none."""
    missing, wrong = set(absent), set(failing)
    leaves = {
        name: measured(node, holds=name not in wrong)
        for name, node in case.nodes.items()
        if node.layer("slot") and name not in missing
    }
    return bind_slots(case, leaves), list(leaves.values())
