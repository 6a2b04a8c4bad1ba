"""The Finding organisms.training: the loss curve of an organism."""

from __future__ import annotations

import numpy as np

from pellucid.findings import Array, Finding, Kind, Measure, Subject, View, register, start
from pellucid.models.train import TrainingLog
from pellucid.organisms.recipes import Recipe

KIND = register(
    Kind(
        name="organisms.training",
        title="Training of an organism",
        statement="In {steps.value} steps the training loss fell by {fall.value}, to {last.value}.",
        supports="fall.value > 0",
        refutes="fall.value <= 0",
        views=(
            View(form="line", array="loss", title="The training loss falls", x="step", y="loss", unit="nats"),
            View(
                form="line",
                array="validation",
                title="So does the held-out loss",
                x="step",
                unit="nats per token",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="organisms",
    )
)


def training_curve(log: TrainingLog, recipe: Recipe, subject: Subject | None = None) -> Finding:
    """What happened when an organism was trained.

    fall = mean loss of the first tenth of the steps - mean loss of the last tenth, in nats per token.

    Arguments:
        log: of the training.
        recipe: that was followed.
        subject: the trained model.

    Raises:
        InputError: the log is empty.
    """
    record = start(
        training_curve,
        given={"starts_from": recipe.starts_from or "random weights", "threads": log.threads},
        parameters=recipe.config,
        subject=subject,
        data=None,
        seed=recipe.config.seed,
    )
    losses = np.asarray(log.losses)
    tenth = max(1, len(losses) // 10)
    first, last = float(losses[:tenth].mean()), float(losses[-tenth:].mean())
    sources = tuple(log.evaluations[-1][1]) if log.evaluations else ()
    held_out = [
        Measure.of(
            f"held_out_{source}", log.evaluations[-1][1][source], unit="nats per token", better="lower"
        )
        for source in sources
    ]
    steps = Measure.of("steps", float(len(losses)), n=len(losses))
    fall = Measure.of("fall", first - last, unit="nats per token", better="higher", n=tenth)
    end = Measure.of("last", last, unit="nats per token", better="lower", n=tenth)
    return record.finding(KIND, measures=[steps, fall, end, *held_out], arrays=_curves(log, sources))


def _curves(log: TrainingLog, sources: tuple[str, ...]) -> dict[str, Array]:
    curves = {
        "loss": Array(np.asarray(log.losses), ("step",), {"step": list(range(1, len(log.losses) + 1))}),
    }
    if sources:
        values = np.asarray([[measured[source] for _, measured in log.evaluations] for source in sources])
        steps = [step for step, _ in log.evaluations]
        curves["validation"] = Array(values, ("text", "step"), {"text": list(sources), "step": steps})
    return curves
