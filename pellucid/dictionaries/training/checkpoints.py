"""Checkpoints of a training: whole or absent, and read back to the bit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    # named by process: two trainings in one folder must not write into one file
    partial = path.with_suffix(f".{os.getpid()}.partial")
    header = {
        "origin": origin(learner),
        "log": json.dumps([learner.done, learner.seen, learner.active, learner.seconds, learner.log]),
    }
    try:
        with partial.open("wb") as file:
            file.write(save(tensors_of(learner), metadata=header))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # what a full disk cut off must not fill it further


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
    header, tensors = contents(path)
    if header["origin"] != origin(learner):
        differs = differences(header["origin"], origin(learner))
        raise InputError(
            "DI14", f"The checkpoint {path.name} belongs to another training ({differs}).", REMEDY
        )
    if set(tensors) != names_of(learner):
        raise damaged(path, "it does not hold the weights of this training")
    learner.done, learner.seen, learner.active, learner.seconds, learner.log = json.loads(header["log"])
    learner.silent = tensors["silent"].to(learner.silent.device)
    for name, parameter in learner.dictionary.named_parameters():
        with torch.no_grad():
            parameter.copy_(tensors[name])
        moments = {moment: tensors[f"{name}.{moment}"] for moment in MOMENTS}
        learner.optimiser.state[parameter] = moments


def contents(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a checkpoint; DI15 for a file that is none."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise damaged(path, str(error)) from None
    if not {"origin", "log"} <= set(header):
        raise damaged(path, "it is no checkpoint of a training")
    return header, tensors


def names_of(learner: Learner) -> set[str]:
    """The tensors that a checkpoint of a training holds."""
    weights = [name for name, _ in learner.dictionary.named_parameters()]
    return {"silent", *weights, *(f"{name}.{moment}" for name in weights for moment in MOMENTS)}


def differences(before: str, now: str) -> str:
    """In words, how the training that wrote a checkpoint differs from this one."""
    (config, data, *places), (new, other, *here) = json.loads(before), json.loads(now)
    changed = unequal(config, new)
    found = [f"{name} was {config.get(name)}, is {new.get(name)}" for name in changed]
    found += [f"another {name}" for name in unequal(data, other)]
    found += [f"{was} is now {it}" for was, it in zip(places, here, strict=True) if was != it]
    return "; ".join(found)


def unequal(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names whose values differ."""
    return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]


def damaged(path: Path, reason: str) -> InputError:
    """DI15 with what is wrong."""
    return InputError("DI15", f"The checkpoint {path.name} cannot be read: {reason}.", REMEDY)
