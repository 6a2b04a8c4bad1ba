"""Evidence for a reply to a backfire doubt: expected harm before and after, in the closed-form model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from pellucid.cases.defeaters.backfire_model import expected_harm
from pellucid.findings import Finding, InputError, Kind, Measure, register, start

KIND = register(
    Kind(
        name="cases.backfire",
        title="Expected harm before and after a mitigation",
        statement="In the model of the argument, expected harm is {after.value} after the mitigation and "
        "{before.value} before it: {ratio.value} times as much.",
        supports="ratio.value < 1",
        refutes="ratio.value > 1",
        stance="observational",
        evidence="formal",
        room="cases",
    )
)


@dataclass(frozen=True)
class Regime:
    """How a system grows and fails, with or without a mitigation."""

    hazard: float
    """Failures per unit of time."""
    growth: float = 1.0
    """Power gained per unit of time."""
    survival: float = 0.0
    """Probability of never failing."""
    mitigation: float = 1.0
    """Share of the harm that is left when it fails."""


def backfire(before: Regime, after: Regime, *, exponent: float = 1.0, horizon: float = math.inf) -> Finding:
    """Compare expected harm before and after a mitigation in the model of the backfire argument.

    ``E = (1 - q) m g^k γ(k+1, λτ) / λ^k`` for each; the Finding supports when the second is the smaller. It
    is a statement about the model with these numbers, not about any system: the numbers are assumptions of
    the reply that cites it.

    Args:
        before: growth, hazard, survival and mitigation without the measure.
        after: the same with it.
        exponent: k, how harm grows with power.
        horizon: τ, time after which nothing more is counted.

    Returns:
        A Finding ``cases.backfire`` with the measures ``before``, ``after`` and ``ratio``.

    Raises:
        InputError: Y77 when a number lies outside its range, Y106 when there is no harm to compare with.

    Example:
        >>> backfire(Regime(hazard=0.5), Regime(hazard=0.25)).measures["ratio"].value
        2.0

    Source: Cappelen, Dever and Hawthorne 2024, arXiv 2405.19832, as a model of this project.
    """
    harms = [
        expected_harm(
            one.growth,
            exponent,
            one.hazard,
            horizon=horizon,
            survival=one.survival,
            mitigation=one.mitigation,
        )
        for one in (before, after)
    ]
    if not harms[0] > 0:
        problem = "Without the mitigation the model expects no harm, so there is nothing to compare with."
        raise InputError(
            "Y106", problem, "Give a regime before it with survival below 1 and mitigation above 0."
        )
    parameters = {
        "before": asdict(before),
        "after": asdict(after),
        "exponent": exponent,
        "horizon": None if math.isinf(horizon) else horizon,
    }
    record = start(backfire, given=parameters, parameters=parameters)
    return record.finding(
        KIND,
        measures=[
            Measure.of("before", harms[0], better="lower"),
            Measure.of("after", harms[1], better="lower"),
            Measure.of("ratio", harms[1] / harms[0], better="lower"),
        ],
    )
