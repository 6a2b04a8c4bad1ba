"""End-to-end quality for little more than local training: local first, end to end for the last tokens."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.training.end_to_end import EndToEnd
from pellucid.dictionaries.training.loop import train
from pellucid.dictionaries.training.objectives import LOCAL
from pellucid.dictionaries.training.passage import refuse_nested
from pellucid.findings import InputError
from pellucid.models import Model


@dataclass(frozen=True)
class Finish:
    """How the last part of a training goes end to end.

    Raises:
        InputError: DI102 for a share that leaves one of the two parts nothing, a rate or a split of none.

    Example:
        >>> Finish(share=0.1).parts(1000)
        (900, 100)
    """

    share: float = 0.1
    """Of the rows; each costs two to four times what it costs locally, the more the earlier the site and the
    fewer the latents."""
    split: int = 4
    """So many steps, of as much smaller batches, in place of each: this part has few steps and far to go."""
    rate: float = 0.4
    """Largest learning rate of this part, as a multiple of the configuration's."""
    objective: EndToEnd = dataclasses.field(default_factory=EndToEnd)
    """What is minimised then."""

    def __post_init__(self) -> None:
        if not (0 < self.share < 1 and self.rate > 0 and self.split >= 1):
            raise InputError(
                "DI102",
                f"An end-to-end part of share {self.share}, rate {self.rate} and split {self.split} is none.",
                "Give a share between 0 and 1, such as 0.1, a rate above 0 and a split of at least 1.",
            )

    def parts(self, whole: int) -> tuple[int, int]:
        """A number of steps or sequences, cut in two of at least 1.

        Arguments:
            whole: at least 2.
        """
        last = min(max(1, round(self.share * whole)), whole - 1)
        return whole - last, last

    def configs(self, config: TrainConfig) -> tuple[TrainConfig, TrainConfig]:
        """The two trainings that one configuration becomes.

        The first keeps its learning rate to the end, since the second goes on from there; the second revives
        no latents, which would pull it back to the local error.

        Arguments:
            config: of the whole.
        """
        steps = self.parts(config.steps)
        first = dataclasses.replace(config, steps=steps[0], decay=0.0, objective=LOCAL)
        last = dataclasses.replace(
            config,
            steps=steps[1] * self.split,
            batch=max(1, config.batch // self.split),
            lr=self.rate * largest_rate(config),
            warmup=0.05,
            decay=0.8,
            auxiliary=0.0,
            k_start=None,
            sparsity_warmup=0.0,
            resample_at=(),
            objective=self.objective,
        )
        return first, last


def largest_rate(config: TrainConfig) -> float:
    """The learning rate between warm-up and decay.

    Arguments:
        config: of a training.
    """
    flat = dataclasses.replace(config, warmup=0.0, decay=0.0)
    return flat.rate(0)


def train_functional(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    config: TrainConfig,
    finish: Finish | None = None,
    *,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> Dictionary:
    """Train a dictionary for what the model's output needs, at little more than the price of local training.

        (1 - s) of the sequences:  min E ||y_hat - y||^2           the model runs to the site, once
        s of them:                 min KL(clean || spliced)        the model runs whole, and back to the site

    No token is read twice that local training would read once. The later the site and the more latents, the
    larger a share is cheap; what is lost and what is saved is measured by `objective_cost`.

    Arguments:
        model: an opened model.
        tokens: sequences; the last ones are kept for the end-to-end part.
        config: of the whole training; its objective is not used.
        finish: how the last part goes; None: 10 % of the rows.
        progress: told after each step.
        checkpoint: a folder; an interrupted training goes on from it and ends with the same bits.

    Returns:
        The dictionary; its training record is that of the last part, with the first part's under ``first``.

    Raises:
        InputError: DI101 for a variant that has no end-to-end loss, DI102 for fewer than two steps or
            sequences, and those of `train`.

    Example: ``train_functional(model, tokens, TrainConfig(site="blocks.1.resid_post", n_features=1024))``.

    Source: named as a cheap route, not tried, by Braun et al. 2024, arXiv 2405.12241.
    """
    used = finish or Finish()
    refuse_nested(config.variant)
    if config.steps < 2 or len(tokens) < 2:
        raise InputError(
            "DI102",
            f"{config.steps} steps on {len(tokens)} sequences cannot be cut into two parts.",
            "Give two of each at least.",
        )
    cut = used.parts(len(tokens))[0]
    first, last = used.configs(config)
    folders = [None if checkpoint is None else checkpoint / part for part in ("local", "end-to-end")]
    begun = train((model, tokens[:cut]), first, progress=progress, checkpoint=folders[0])
    made = train((model, tokens[cut:]), last, progress=progress, checkpoint=folders[1], start=begun)
    made.training_record["first"] = begun.training_record
    return made
