"""When an outcome happens, as a Boolean function of infractions, and how probable it then is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.cases.confidence import bounds
from pellucid.cases.confidence.bounds import Bounds
from pellucid.cases.confidence.diagram import Diagram
from pellucid.cases.macrosystem.system import Interaction, Macrosystem
from pellucid.findings import InputError

MOST_STATES = 16
SOLVED = 1e-7
"""To within this the linear programme is solved."""


@dataclass(frozen=True)
class Shared:
    """Infractions that depend on each other, by a common cause or by collusion."""

    names: tuple[str, ...]
    """The infractions."""
    interaction: Interaction
    """Why they depend."""


def relevant(system: Macrosystem, outcome: str) -> tuple[str, ...]:
    """The infractions that some threat model of an outcome needs."""
    models = (each for each in system.threat_models if each.outcome == outcome)
    return tuple(dict.fromkeys(name for each in models for name in each.infractions))


def happens(system: Macrosystem, outcome: str, state: Mapping[str, bool]) -> bool:
    """Whether an outcome happens when these infractions do: some threat model has what it needs."""
    return any(
        sum(state[name] for name in each.infractions) >= each.needed
        for each in system.threat_models
        if each.outcome == outcome
    )


def independent(system: Macrosystem, outcome: str, probabilities: Mapping[str, Any]) -> Any:
    """Exact probability when infractions are independent, however threat models share them."""
    diagram, root = compiled(system, outcome)
    return diagram.probability(root, probabilities)


def compiled(system: Macrosystem, outcome: str) -> tuple[Diagram, int]:
    """The outcome as a function of infractions."""
    diagram = Diagram(relevant(system, outcome))
    ways = [
        diagram.at_least(each.needed, [diagram.leaf(name) for name in each.infractions])
        for each in system.threat_models
        if each.outcome == outcome
    ]
    return diagram, diagram.either(ways)


def unknown_dependence(system: Macrosystem, outcome: str, probabilities: Mapping[str, Any]) -> Bounds:
    """Least and greatest probability whatever the dependence: the tightest where that is feasible.

    By the rules for each connective, which keep Fractions exact and are tight for one threat model; several
    that are not too large are also put to the linear programme over all joint distributions.
    """
    names = relevant(system, outcome)
    ways = [
        bounds.at_least(needed, [Bounds(probabilities[name], probabilities[name]) for name in parts])
        for needed, parts in models_of(system, outcome)
    ]
    ruled = bounds.disjunction(ways)
    if len(ways) == 1 or len(names) > bounds.MOST_STATES:
        return ruled
    solved = bounds.tight_bounds(
        lambda held: happens(system, outcome, dict(zip(names, held, strict=True))),
        [float(probabilities[name]) for name in names],
    )
    # where the programme only repeats the rule, the rule has the exact number
    return Bounds(
        *(rule if abs(rule - end) <= SOLVED else end for rule, end in zip(ruled, solved, strict=True))
    )


def models_of(system: Macrosystem, outcome: str) -> list[tuple[int, tuple[str, ...]]]:
    """Each threat model of an outcome: how many of which infractions."""
    return [(each.needed, each.infractions) for each in system.threat_models if each.outcome == outcome]


def shared_groups(system: Macrosystem, outcome: str) -> list[Shared]:
    """The dependent infractions of an outcome; one that is in several interactions goes with the first."""
    names, groups, placed = relevant(system, outcome), [], set[str]()
    for interaction in system.interactions:
        members = [
            name
            for name in names
            if system.infraction(name).subsystem in interaction.subsystems and name not in placed
        ]
        if interaction.mode != "independent" and len(members) > 1:
            placed.update(members)
            groups.append(Shared(tuple(members), interaction))
    return groups


def declared(system: Macrosystem, outcome: str, probabilities: Mapping[str, Any]) -> Any:
    """Probability under the declared interactions.

    Correlated infractions have a common cause of probability ``β min q``, and each a private part that has
    the rest of its q. Colluding ones happen together as far as their probabilities allow: one draw decides
    for all, and infraction i happens when it falls below ``q_i``. Everything else is independent.
    """
    diagram, root = compiled(system, outcome)
    total: Any = 0
    choices = [_states(group, probabilities) for group in shared_groups(system, outcome)]
    for combination in itertools.product(*choices):
        weight: Any = 1
        inside = dict(probabilities)
        for share, changed in combination:
            weight = weight * share
            inside.update(changed)
        if weight:
            total = total + weight * diagram.probability(root, inside)
    return total


def _states(group: Shared, probabilities: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """The states of what a group shares: weight, and the probability of each member in it."""
    q = {name: probabilities[name] for name in group.names}
    if group.interaction.mode == "correlated":
        cause = group.interaction.beta * min(q.values())
        return [(cause, dict.fromkeys(q, 1)), (1 - cause, {name: each - cause for name, each in q.items()})]
    steps = [0, *sorted(set(q.values())), 1]
    return [
        (high - low, {name: int(each >= high) for name, each in q.items()})
        for low, high in itertools.pairwise(steps)
    ]


def enumerate_states(system: Macrosystem, outcome: str, probabilities: Mapping[str, Any]) -> Any:
    """The independent composition by adding up all 2^k states, as an oracle.

    Raises:
        InputError: Y73 for more than 16 infractions.
    """
    names = relevant(system, outcome)
    if len(names) > MOST_STATES:
        problem = f"{len(names)} infractions have too many states to add up."
        raise InputError(
            "Y73", problem, f"Use the exact composition; adding up is for at most {MOST_STATES}."
        )
    total: Any = 0
    for held in itertools.product((False, True), repeat=len(names)):
        state = dict(zip(names, held, strict=True))
        if happens(system, outcome, state):
            weight: Any = 1
            for name, true in state.items():
                weight = weight * (probabilities[name] if true else 1 - probabilities[name])
            total = total + weight
    return total


def simulate(
    system: Macrosystem,
    outcome: str,
    probabilities: Mapping[str, Any],
    *,
    draws: int = 100_000,
    seed: int = 0,
) -> tuple[float, float]:
    """The declared composition by drawing, as an oracle: mean and standard error."""
    random = np.random.default_rng(seed)
    names = relevant(system, outcome)
    drawn = {name: random.random(draws) < float(probabilities[name]) for name in names}
    for group in shared_groups(system, outcome):
        drawn.update(_drawn(group, probabilities, draws, random))
    found = np.zeros(draws, dtype=bool)
    for needed, parts in models_of(system, outcome):
        found |= np.sum([drawn[name] for name in parts], axis=0) >= needed
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(draws))


def _drawn(
    group: Shared, probabilities: Mapping[str, Any], draws: int, random: np.random.Generator
) -> dict[str, Any]:
    q = {name: float(probabilities[name]) for name in group.names}
    if group.interaction.mode == "colluding":
        shared = random.random(draws)
        return {name: shared < each for name, each in q.items()}
    cause = float(group.interaction.beta) * min(q.values())
    happened = random.random(draws) < cause
    return {name: happened | (random.random(draws) < each - cause) for name, each in q.items()}


def probabilities_of(system: Macrosystem) -> dict[str, Any]:
    """The probability of every infraction, over all instances of its subsystem."""
    return {each.id: system.probability(each) for each in system.infractions}
