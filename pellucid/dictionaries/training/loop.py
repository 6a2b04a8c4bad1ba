"""The one way to train dictionaries: alone, or a whole suite from one reading of the activations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.compute import SILENT, Progress
from pellucid.compute.progress import Task
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.training.checkpoints import keep, resume
from pellucid.dictionaries.training.end_to_end import joint_step
from pellucid.dictionaries.training.given import checked
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.sources import MADE, Rows, Source, source_of


def train(
    source: Any,
    config: TrainConfig,
    *,
    progress: Progress = SILENT,
    checkpoint: Path | str | None = None,
    engine: Engine | None = None,
    start: Dictionary | None = None,
) -> Dictionary:
    """Train one dictionary: minimise the configuration's objective, by default E||y_hat - y||^2.

    Arguments:
        source: ActivationShards; a tensor of activations (rows last axis) or a mapping of tensors by site;
            (model, tokens) or (model, tokens, site).
        config: sizes, rates, seeds.
        progress: told after each step.
        checkpoint: a folder; an interrupted training goes on from it and ends with the same bits.
        engine: what runs the loops; None: the fastest for the data.
        start: a trained dictionary to go on from.

    Raises:
        InputError: DI05 and DI93 NaN activations, DI08 and DI12 too few rows, DI13 the training diverged,
            DI14 a checkpoint of another training, DI15 a damaged one, DI94 what holds no activations.
        MissingError: DI11 for a site that the source does not have.

    Example:
        >>> import torch
        >>> sae = train(torch.randn(256, 8), TrainConfig(n_features=16, k=2, steps=4, batch=64))
        >>> sae.n_features, sae.k
        (16, 2)

    Source: Gao et al. 2024, arXiv 2406.04093, appendix A.
    """
    starts = None if start is None else [start]
    return train_suite(
        source, [config], progress=progress, checkpoint=checkpoint, engine=engine, starts=starts
    )[0]


def train_suite(
    source: Any,
    configs: Sequence[TrainConfig],
    *,
    progress: Progress = SILENT,
    checkpoint: Path | str | None = None,
    engine: Engine | None = None,
    starts: Sequence[Dictionary] | None = None,
) -> list[Dictionary]:
    """Train many dictionaries from one reading of the activations; each is bit for bit what it is alone.

    Dictionaries with the same batch and order_seed learn from the same batches side by side, each with its
    own weights, optimiser and clipping.

    Arguments:
        source: as for `train`; a model is run once for all sites.
        configs: one for each dictionary.
        progress: told after each step.
        checkpoint: a folder for all of them.
        engine: what runs the loops; None: the fastest for the data.
        starts: trained dictionaries to go on from, one for each.
    """
    rows = source if isinstance(source, MADE) else source_of(checked(source), configs)
    begun = [None] * len(configs) if starts is None else starts
    learners = [Learner(rows, config, engine, start) for config, start in zip(configs, begun, strict=True)]
    for number, learner in enumerate(learners):
        if checkpoint is not None:
            learner.path = Path(checkpoint) / f"dictionary-{number}.safetensors"
            resume(learner.path, learner)
    with progress.task("training dictionaries", sum(config.steps for config in configs)) as task:
        for group in groups_of(learners):
            run_group(rows, group, task)
    return [learner.finished() for learner in learners]


def groups_of(learners: Sequence[Learner]) -> list[list[Learner]]:
    """Learners that share their batches, together."""
    groups: dict[tuple[int, int], list[Learner]] = {}
    for learner in learners:
        groups.setdefault((learner.config.batch, learner.config.order_seed), []).append(learner)
    return list(groups.values())


def run_group(source: Source, group: Sequence[Learner], task: Task) -> None:
    """Feed the same batches to all dictionaries of a group until the last has had its steps."""
    task.advance(sum(learner.done for learner in group))
    sites = sorted({site for learner in group for site in learner.sites})
    first = min(learner.done for learner in group)
    last = max(learner.config.steps for learner in group)
    config = group[0].config
    stream = source.batches(sites, config.batch, config.order_seed, first)
    for step in range(first, last):
        batch = next(stream)
        due = [learner for learner in group if learner.done == step < learner.config.steps]
        for together in companies(due):
            advance_all(together, batch)
            task.advance(len(together))
            for learner in together:
                keep_when_due(learner)
        if (step + 1) % config.log_every == 0:
            task.note(group[0].remark())


def advance_all(learners: Sequence[Learner], batch: Rows) -> None:
    """One step of one learner, or one spliced pass for several."""
    if len(learners) == 1:
        learners[0].advance(batch)
        return
    began = time.perf_counter()
    for learner in learners:
        learner.prepare(batch)
    results = joint_step(learners, batch, [learner.demand() for learner in learners])
    for learner, result in zip(learners, results, strict=True):
        learner.update(result)
        learner.seconds += (time.perf_counter() - began) / len(learners)


def companies(learners: Sequence[Learner]) -> list[list[Learner]]:
    """Learners by themselves, save those whose objective splices them all at once."""
    shared = [learner for learner in learners if getattr(learner.config.objective, "together", False)]
    alone = [[learner] for learner in learners if learner not in shared]
    return [*alone, shared] if shared else alone


def keep_when_due(learner: Learner) -> None:
    """Write the checkpoint every so many steps and after the last."""
    due = learner.done % learner.config.checkpoint_every == 0 or learner.done == learner.config.steps
    if due:
        learner.refuse_broken_weights()  # a bad step must not replace the last good checkpoint
    if learner.path is not None and due:
        keep(learner.path, learner)
