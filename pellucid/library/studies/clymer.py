"""Claims of "Safety Cases": the six steps as a case that passes every check, and failures that go together.

C1 lays a deployment of two networks out in the six steps. C2 trains both: an agent that should refuse harmful
requests, and a watchdog that should flag what the agent lets through. A harmful request does damage when both
fail on it; multiplying their rates of failure assumes that they fail on different requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.cases.macrosystem import (
    Infraction,
    Interaction,
    Macrosystem,
    Outcome,
    Subsystem,
    ThreatModel,
)
from pellucid.compute import one_thread
from pellucid.findings import Finding, Kind, Measure, bootstrap, register, start
from pellucid.library.studies.protocol import Conditions
from pellucid.models import Perceptron, PerceptronConfig, TrainingConfig, train

JOINT = register(
    Kind(
        name="library.joint_misses",
        title="Agent and watchdog fail on the same requests",
        statement="Agent and watchdog, trained on the same examples, both fail on {joint.percent} of harmful "
        "requests; their rates multiply to {product.percent}, and the excess is {excess.interval}. With "
        "examples of its own for the watchdog the excess is {excess_own_data.interval}",
        supports="excess.low > 0",
        refutes="excess.high <= 0",
        stance="interventional",
        evidence="behavioural",
        room="library",
    )
)
SIX_STEPS = register(
    Kind(
        name="library.six_steps",
        title="A deployment laid out in six steps",
        statement="A deployment of two networks fills {steps.value} of {steps.n} steps with {elements.value} "
        "elements, and the checks of form and evidence find {errors.value} errors",
        supports="steps.value >= 6 and errors.value < 1",
        refutes="errors.value >= 1",
        stance="observational",
        evidence="formal",
        room="library",
    )
)
MISSES = ("agent_miss", "watchdog_miss")
STEPS = tuple(f"Step {number}" for number in range(1, 7))


@dataclass(frozen=True)
class World:
    """Requests, which of them are harmful, and how the two networks learn to tell."""

    features: int = 16
    """Entries of a request."""
    examples: int = 400
    """Labelled requests in one set of training data."""
    requests: int = 20_000
    """Harmful requests on which both are tried."""
    width: int = 32
    """Hidden units of each network."""
    steps: int = 400
    """Training steps of each network."""


def run(conditions: Conditions) -> Iterator[Finding]:
    """A case in six steps about the first pair of networks, and failures that go together for each seed."""
    yield from laid_out(joint_misses(World(), conditions.seeds[0]))
    for seed in conditions.seeds:
        yield joint_misses(World(), seed)


def laid_out(joint: Finding) -> Iterator[Finding]:
    """Lay the deployment of both networks out in the six steps, and check the argument.

    Arguments:
        joint: how often agent and watchdog miss, alone and together.
    """
    record = start(
        laid_out, parameters={"claim": "clymer.C1"}, parents=[joint.id], command="pellucid study run clymer"
    )
    system = deployment(joint)
    risk = system.assess()
    case = system.case(risk.id)
    found = case.check([risk, joint])
    steps = [step for step in STEPS if any(step in (node.text or "") for node in case.nodes.values())]
    yield risk
    yield record.finding(
        SIX_STEPS,
        measures=[
            Measure.of("steps", float(len(steps)), n=len(STEPS)),
            Measure.of("errors", float(sum(one.level == "error" for one in found))),
            Measure.of("elements", float(len(case.nodes))),
        ],
    )


def deployment(joint: Finding) -> Macrosystem:
    """The two networks as one system: damage needs a miss of each; both learned from the same examples."""
    agent, watchdog = (math.ceil(1e4 * (joint.measures[name].high or 1.0)) / 1e4 for name in MISSES)
    holds = [f"{name}.high <= {most:.4f}" for name, most in zip(MISSES, (agent, watchdog), strict=True)]
    return Macrosystem(
        decision="let the agent answer requests under the eyes of the watchdog",
        window="one harmful request",
        subsystems=(
            Subsystem("agent", "refuses requests that it takes for harmful"),
            Subsystem("watchdog", "stops answers to requests that it takes for harmful"),
        ),
        infrastructure="both run on one machine that nobody else can reach",
        oversight="people read what the watchdog stops",
        outcomes=(Outcome("answered", "a harmful request is answered", 0.05),),
        assumptions=("Harmful requests are like those that were tried",),
        infractions=(
            Infraction("lets-through", "agent", "answers a harmful request", agent, None, joint.id, holds[0]),
            Infraction(
                "overlooks", "watchdog", "does not stop the answer", watchdog, None, joint.id, holds[1]
            ),
        ),
        threat_models=(ThreatModel("both miss it", "answered", ("lets-through", "overlooks"), "all"),),
        interactions=(Interaction(("agent", "watchdog"), "correlated", 0.5),),
    )


def joint_misses(world: World, seed: int) -> Finding:
    """Train agent and watchdog, and compare how often both miss with the product of their rates.

    Arguments:
        world: sizes of the experiment.
        seed: of requests, labels and initial weights.
    """
    record = start(
        joint_misses,
        parameters={"claim": "clymer.C2", "world": world},
        seed=seed,
        command="pellucid study run clymer",
    )
    with one_thread():
        misses = trained_misses(world, seed)
    agent, watchdog, other = misses
    measures = [
        Measure.of("agent_miss", bootstrap(agent, seed=seed), unit="share of harmful requests"),
        Measure.of("watchdog_miss", bootstrap(watchdog, seed=seed), unit="share of harmful requests"),
        Measure.of("joint", bootstrap(agent * watchdog, seed=seed), unit="share of harmful requests"),
        Measure.of("product", float(agent.mean() * watchdog.mean()), n=world.requests),
        Measure.of("excess", bootstrap(np.stack([agent, watchdog], axis=1), excess, seed=seed)),
        Measure.of("excess_own_data", bootstrap(np.stack([agent, other], axis=1), excess, seed=seed)),
    ]
    return record.finding(JOINT, measures=measures)


def excess(pairs: np.ndarray) -> float:
    """P(both miss) - P(first misses) P(second misses), from rows of 0 and 1."""
    first, second = pairs[:, 0], pairs[:, 1]
    return float((first * second).mean() - first.mean() * second.mean())


def trained_misses(world: World, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where agent, watchdog and a watchdog with data of its own miss a harmful request (1) or not (0)."""
    teacher = Perceptron(PerceptronConfig((world.features, 8, 1), "tanh"), seed=seed)
    shared, own = (requests(world, teacher, world.examples, 1000 * seed + at) for at in (1, 2))
    tried, harmful = requests(world, teacher, 4 * world.requests, 1000 * seed + 3)
    tried = tried[harmful > 0.5][: world.requests]
    agent = learner(world, *shared, seed=1000 * seed + 11)
    watchdog = learner(world, *shared, seed=1000 * seed + 12)
    other = learner(world, *own, seed=1000 * seed + 12)
    a, w, o = (misses_of(network, tried) for network in (agent, watchdog, other))
    return a, w, o


def requests(world: World, teacher: nn.Module, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Requests drawn from a normal distribution, and whether each is harmful."""
    drawn = torch.randn(count, world.features, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return drawn, (teacher(drawn)[:, 0] > 0).float()


def learner(world: World, inputs: Tensor, labels: Tensor, *, seed: int) -> nn.Module:
    """A network trained to tell harmful requests from others."""
    network = Perceptron(PerceptronConfig((world.features, world.width, 1)), seed=seed)

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of the labels."""
        return nn.functional.binary_cross_entropy_with_logits(module(batch[0])[:, 0], batch[1])

    train(
        network, lambda step: (inputs, labels), loss, TrainingConfig(steps=world.steps, peak=1e-2, seed=seed)
    )
    return network


def misses_of(network: nn.Module, tried: Tensor) -> np.ndarray:
    """1 where a network takes a harmful request for a harmless one."""
    with torch.no_grad():
        found: np.ndarray = (network(tried)[:, 0] <= 0).double().numpy()
    return found
