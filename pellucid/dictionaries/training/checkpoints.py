"""Checkpoints of a training: whole or absent, and read back to the bit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
REMEDY = "Delete it to start again, or give the configuration and the source it was begun with."


def keep(path: Path, learner: Learner) -> None:
    """Write weights, optimiser, counters and log; one rename, so that a crash leaves the old file or the new.

    Arguments:
        path: the checkpoint file.
        learner: the training to keep.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    header = {
        "origin": origin(learner),
        "log": json.dumps([learner.done, learner.seen, learner.active, learner.seconds, learner.log]),
    }
    with partial.open("wb") as file:
        file.write(save(tensors_of(learner), metadata=header))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def tensors_of(learner: Learner) -> dict[str, Tensor]:
    """Everything a step reads and changes."""
    tensors = {"silent": learner.silent}
    for name, parameter in learner.dictionary.named_parameters():
        tensors[name] = parameter.detach().contiguous()
        for moment in MOMENTS:
            tensors[f"{name}.{moment}"] = learner.optimiser.state[parameter][moment].contiguous()
    return tensors


def origin(learner: Learner) -> str:
    """What a checkpoint belongs to; how often it is written does not matter."""
    config = learner.config.record() | {"checkpoint_every": 0}
    return json.dumps([config, learner.identity, learner.sites, learner.engine.name], sort_keys=True)


def resume(path: Path, learner: Learner) -> None:
    """Go on from a checkpoint where there is one.

    Arguments:
        path: the checkpoint file.
        learner: a fresh training, changed in place.

    Raises:
        InputError: DI14 for a checkpoint of another training, DI15 for a damaged one.
    """
    if not path.exists():
        return
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError("DI15", f"The checkpoint {path.name} cannot be read: {error}.", REMEDY) from None
    if header.get("origin") != origin(learner):
        raise InputError("DI14", f"The checkpoint {path.name} belongs to another training.", REMEDY)
    learner.done, learner.seen, learner.active, learner.seconds, learner.log = json.loads(header["log"])
    learner.silent = tensors["silent"]
    for name, parameter in learner.dictionary.named_parameters():
        with torch.no_grad():
            parameter.copy_(tensors[name])
        learner.optimiser.state[parameter] = {moment: tensors[f"{name}.{moment}"] for moment in MOMENTS}
