"""The risk of a macrosystem: every outcome under three compositions, against what is tolerated."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pellucid.cases.confidence.control import rational
from pellucid.cases.macrosystem.structure import (
    declared,
    independent,
    probabilities_of,
    relevant,
    unknown_dependence,
)
from pellucid.cases.macrosystem.system import Macrosystem, Probability
from pellucid.findings import Array, Finding, Kind, Measure, View, register, start

COMPOSITIONS = ("independent", "at least", "at most", "as declared", "tolerated")

KIND = register(
    Kind(
        name="cases.macrosystem_risk",
        title="Risk of the macrosystem",
        statement="The outcome nearest to its limit has a probability of {independent.value} if infractions "
        "are independent, {declared.value} as their dependence is declared, and at most {at_most.value} "
        "whatever it is; {tolerated.value} is tolerated.",
        supports="worst_ratio.value <= 1",
        refutes="least_ratio.value > 1",
        views=(
            View(
                form="table",
                array="probability",
                title="Probability of each outcome, by how infractions depend on each other",
                x="outcome",
                y="probability",
            ),
        ),
        evidence="formal",
        room="cases",
    )
)


class Composed(NamedTuple):
    """The probability of one outcome, composed in three ways."""

    independent: Probability
    """If all infractions are independent."""
    at_least: Probability
    """Whatever their dependence: at least."""
    at_most: Probability
    """And at most."""
    declared: Probability
    """With the common causes and collusion that are declared."""
    tolerated: Probability
    """What is tolerated."""

    @property
    def worst_ratio(self) -> float:
        """The greatest probability over what is tolerated."""
        return _over(self.at_most, self.tolerated)

    @property
    def least_ratio(self) -> float:
        """The least probability over what is tolerated."""
        return _over(self.at_least, self.tolerated)


def _over(probability: Probability, tolerated: Probability) -> float:
    if tolerated == 0:
        return math.inf if probability > 0 else 0.0
    return float(probability / tolerated)


def compose(system: Macrosystem, outcome: str) -> Composed:
    """The three compositions for one outcome."""
    # as written, in rationals: 0.02 against a tolerated 0.02 must not hang on the last bit
    given = {name: rational(p) for name, p in probabilities_of(system).items()}
    limits = unknown_dependence(system, outcome, given)
    tolerated = next(each.tolerated_probability for each in system.outcomes if each.id == outcome)
    return Composed(
        independent(system, outcome, given),
        limits.low,
        limits.high,
        declared(system, outcome, given),
        rational(tolerated),
    )


def assess(system: Macrosystem, *, command: str = "") -> Finding:
    """Probability of every outcome: independent, of unknown dependence, and with declared common causes.

    It supports when even the greatest probability of every outcome is tolerated, and refutes when the least
    probability of some outcome is not.

    Args:
        system: the macrosystem.
        command: what composes it again.

    Returns:
        A Finding ``cases.macrosystem_risk``, whose measures are those of the outcome nearest to its limit,
        with arrays ``probability`` (outcome, composition), ``infractions`` (infraction) and ``needed``.

    Raises:
        InputError: Y74 when threat models share infractions in too many ways.

    Source: Clymer et al. 2024, arXiv 2403.10462, step six.
    """
    parents = tuple(dict.fromkeys(each.finding for each in system.infractions if each.finding))
    record = start(assess, given=_given(system), parents=parents, command=command)
    found = {each.id: compose(system, each.id) for each in system.outcomes}
    nearest = max(found.values(), key=lambda each: (each.worst_ratio, each.least_ratio))
    least = max(each.least_ratio for each in found.values())
    return record.finding(KIND, measures=_measures(system, nearest, least), arrays=_arrays(system, found))


def _measures(system: Macrosystem, nearest: Composed, least: float) -> list[Measure]:
    named = {
        "independent": nearest.independent,
        "at_least": nearest.at_least,
        "at_most": nearest.at_most,
        "declared": nearest.declared,
        "worst_ratio": nearest.worst_ratio,
        "least_ratio": least,
    }
    measures = [Measure.of(name, float(value), better="lower") for name, value in named.items()]
    counts = {
        "tolerated": nearest.tolerated,
        "outcomes": len(system.outcomes),
        "infractions": len(system.infractions),
    }
    return [*measures, *(Measure.of(name, float(value)) for name, value in counts.items())]


def _arrays(system: Macrosystem, found: dict[str, Composed]) -> dict[str, Array]:
    outcomes, infractions = list(found), [each.id for each in system.infractions]
    table = np.array([tuple(each) for each in found.values()], dtype=float)
    given = probabilities_of(system)
    needed = [[float(name in relevant(system, outcome)) for name in infractions] for outcome in outcomes]
    return {
        "probability": Array(
            table, ("outcome", "composition"), {"outcome": outcomes, "composition": COMPOSITIONS}
        ),
        "infractions": Array(
            np.array([float(given[name]) for name in infractions]),
            ("infraction",),
            {"infraction": infractions},
        ),
        "needed": Array(
            np.array(needed), ("outcome", "infraction"), {"outcome": outcomes, "infraction": infractions}
        ),
    }


def _given(system: Macrosystem) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(system).items()}


def _plain(value: Any) -> Any:
    """Settings as text and numbers; a fraction is written out."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(each) for name, each in vars(value).items()}
    return value if value is None or isinstance(value, str | int | float) else str(value)
