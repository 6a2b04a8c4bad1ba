"""Claims of "A Climb To Armageddon?": the paradox in closed form, and what it takes to leave it.

Power grows as ``g t``, harm at failure is power to the k, and failure comes at a hazard λ that safety work
lowers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pellucid.cases.defeaters.backfire_model import (
    backfire_threshold,
    expected_harm,
    safety_helps,
    simulated_harm,
)
from pellucid.findings import Array, Finding, Kind, Measure, View, register, start
from pellucid.library.studies.protocol import Conditions

EXPONENTS = (0.5, 1.0, 2.0, 3.0)
HAZARDS = (0.25, 0.5, 1.0, 2.0)
DRAWS = 200_000
HORIZONS = np.linspace(0.2, 6.0, 60)
COMMAND = "pellucid study run armageddon"

PARADOX = register(
    Kind(
        name="library.backfire_paradox",
        title="A lower hazard means more expected harm",
        statement="Halving the hazard multiplies expected harm by {factor.value} for k = 1, and it rises in "
        "{rising.percent} of {rising.n} pairs; the closed form lies within {worst.value} standard errors of "
        "the simulation",
        supports="rising.value >= 1 and worst.value <= 4",
        refutes="rising.value < 1",
        views=(
            View(
                form="line",
                array="harm",
                title="Under the three premises expected harm rises as the hazard falls",
                x="hazard per unit of time",
                y="expected harm",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="library",
    )
)
BOUNDARY = register(
    Kind(
        name="library.backfire_boundary",
        title="Where the paradox ends",
        statement="Dropping a premise turns the conclusion round for {turned.value} of {turned.n}; "
        "with a finite horizon and k = 1 the sign flips at u* = {threshold.value}, {error.value} from where "
        "the derivative changes sign",
        supports="turned.value >= 3 and error.value <= 0.000001",
        refutes="turned.value < 1",
        views=(
            View(
                form="line",
                array="change",
                title="Up to the boundary a lower hazard helps; the paradox needs a long horizon",
                x="hazard times horizon",
                y="change of expected harm per change of hazard",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """The paradox for each seed of the simulation, and the boundary, which has no chance in it."""
    for seed in conditions.seeds:
        yield paradox(seed)
    yield boundary()


def paradox(seed: int) -> Finding:
    """Compare closed form and simulation, and see whether harm rises as the hazard falls."""
    record = start(paradox, parameters={"claim": "armageddon.C1"}, seed=seed, command=COMMAND)
    harm = np.array([[expected_harm(1.0, k, rate) for rate in HAZARDS] for k in EXPONENTS])
    off = [
        abs(drawn.mean - harm[row, column]) / drawn.error
        for row, k in enumerate(EXPONENTS)
        for column, rate in enumerate(HAZARDS)
        for drawn in [simulated_harm(1.0, k, rate, draws=DRAWS, seed=seed * 100 + row * 10 + column)]
    ]
    rising = harm[:, :-1] > harm[:, 1:]
    return record.finding(
        PARADOX,
        measures=[
            Measure.of("factor", expected_harm(1.0, 1.0, 0.5) / expected_harm(1.0, 1.0, 1.0)),
            Measure.of("rising", float(rising.mean()), n=rising.size),
            Measure.of("worst", max(off), n=len(off)),
        ],
        arrays={
            "harm": Array(
                harm, ("exponent", "hazard"), {"exponent": list(EXPONENTS), "hazard": list(HAZARDS)}
            )
        },
    )


def boundary() -> Finding:
    """Give up each premise in turn, and look for the sign change over finite horizons."""
    record = start(boundary, parameters={"claim": "armageddon.C2"}, command=COMMAND)
    threshold = backfire_threshold(1.0)
    turned = [
        # failure is not certain: safety also raises the chance that none ever comes
        safety_helps(exponent=1, hazard=1, hazard_slope=-0.5, survival=0.2, survival_slope=0.6),
        # harm does not grow with power
        expected_harm(1.0, 0.0, 0.5, horizon=3.0) < expected_harm(1.0, 0.0, 1.0, horizon=3.0),
        # safety does not only put failure off: it also leaves less harm at failure
        safety_helps(exponent=1, hazard=1, hazard_slope=-0.5, mitigation=0.5, mitigation_slope=-0.4),
    ]
    change = np.array([slope(u) for u in HORIZONS])
    return record.finding(
        BOUNDARY,
        measures=[
            Measure.of("turned", float(sum(turned)), n=len(turned)),
            Measure.of("threshold", threshold),
            Measure.of("error", abs(sign_change(slope, 1.0, 3.0) - threshold)),
        ],
        arrays={"change": Array(change, ("u",), {"u": [float(u) for u in HORIZONS]})},
    )


def slope(u: float) -> float:
    """``dE/dλ`` at horizon 1, hazard u and k = 1, by a symmetric difference."""
    step = 1e-4 * u
    return (
        expected_harm(1.0, 1.0, u + step, horizon=1.0) - expected_harm(1.0, 1.0, u - step, horizon=1.0)
    ) / (2 * step)


def sign_change(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes sign once crosses 0, by bisection."""
    rising = function(low) > 0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if (function(middle) > 0) is rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2
