"""End-to-end quality for little more than local training: fewer local steps, then some end to end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.training.end_to_end import EndToEnd
from pellucid.dictionaries.training.loop import train
from pellucid.dictionaries.training.objectives import LOCAL
from pellucid.dictionaries.training.passage import refuse_nested
from pellucid.dictionaries.training.resuming import beginning
from pellucid.dictionaries.training.sources import TensorSource, TokenSource, harvested, kept
from pellucid.findings import InputError
from pellucid.models import Model


@dataclass(frozen=True)
class Finish:
    """How a training that begins locally ends end to end.

    Raises:
        InputError: DI102 for parts that are none, or a second one that is longer than the first.

    Example:
        >>> Finish(local=0.6, share=0.2).parts(1000)
        (600, 200)
    """

    local: float = 0.6
    """Part of the steps and rows that is learned locally: what this leaves out pays for the other part."""
    share: float = 0.2
    """Part of them that is learned end to end, each for two to four times the local price, on text that the
    local part has read: its clean passes go on from the activations that are there already."""
    split: int = 4
    """So many steps, of as much smaller batches, in place of each: this part has few steps and far to go."""
    rate: float = 0.4
    """Largest learning rate of this part, as a multiple of the configuration's."""
    objective: EndToEnd = dataclasses.field(default_factory=EndToEnd)
    """What is minimised then."""

    def __post_init__(self) -> None:
        if not (0 < self.share <= self.local <= 1 and self.rate > 0 and self.split >= 1):
            raise InputError(
                "DI102",
                f"Parts of {self.local} local and {self.share} end to end, with rate {self.rate} and split "
                f"{self.split}, make no training.",
                "Give local up to 1, a share above 0 up to local, a rate above 0 and a split of at least 1.",
            )

    def parts(self, whole: int) -> tuple[int, int]:
        """How many of the steps or sequences each part has, at least 1.

        Arguments:
            whole: at least 1.
        """
        first, last = (max(1, round(part * whole)) for part in (self.local, self.share))
        return first, last

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

        the first l of the sequences:    min E ||y_hat - y||^2         the model runs to the site, once
        the first s of these once more:  min KL(clean || spliced)      on from the site, and back to it

    What is lost and what is saved is measured by `objective_cost`.

    Arguments:
        model: an opened model.
        tokens: sequences; those beyond the local part are not read.
        config: of the whole training; its objective is not used.
        finish: how it is cut; None: 0.6 of the steps locally, then 0.2 end to end.
        progress: told after each step.
        checkpoint: a folder; an interrupted training goes on from it and ends with the same bits.

    Returns:
        The dictionary; its training record is that of the last part, with the first part's under ``first``.

    Raises:
        InputError: DI101 for a variant that has no end-to-end loss, and those of `train`.

    Example: ``train_functional(model, tokens, TrainConfig(site="blocks.1.resid_post", n_features=1024))``.

    Source: named as a cheap route, not tried, by Braun et al. 2024, arXiv 2405.12241.
    """
    used = finish or Finish()
    refuse_nested(config.variant)
    cut, again = used.parts(len(tokens))
    first, last = used.configs(config)
    folders = [None if checkpoint is None else checkpoint / part for part in ("local", "end-to-end")]
    keep = kept(tokens[:cut], config)
    read = harvested(model, tokens[:cut], sorted(set(config.sites)), keep)
    begun = train(read, first, progress=progress, checkpoint=folders[0])
    source = second_source(model, tokens[:again], keep[:again], read, used.objective.downstream)
    made = train(source, last, progress=progress, checkpoint=folders[1], start=begun)
    made.training_record["first"] = begun.training_record
    return made


def second_source(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    read: TensorSource,
    later: Sequence[str],
) -> TokenSource:
    """The first sequences again for the end-to-end part, with their residual streams where those were read.

    Arguments:
        model: an opened model.
        tokens: the sequences.
        keep: their kept positions.
        read: the local part's activations, of these sequences first.
        later: further sites that the objective compares.
    """
    begin = beginning(model, read.sites)
    known = None
    if begin is not None and begin.site in read.sites and bool(keep.all()):
        rows = read.tensors[begin.site][: keep.numel()].to(next(model.module.parameters()).dtype)
        known = rows.reshape(*keep.shape, -1)
    return TokenSource(model, tokens, read.sites, keep, later, known)
