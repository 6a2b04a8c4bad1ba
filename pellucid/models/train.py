"""The one training loop: AdamW, warm-up and cosine, evaluation, checkpoints that resume bit for bit."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pellucid.compute import SILENT, Progress
from pellucid.findings import InputError

Batches = Callable[[int], Any]
Loss = Callable[[nn.Module, Any], Tensor]
Evaluate = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Example:
        >>> TrainingConfig(steps=100, peak=1e-3, warmup=10).rate(0) == 1e-4
        True
    """

    steps: int
    """Optimiser steps."""
    peak: float = 1e-3
    """Largest learning rate, after the warm-up."""
    warmup: int = 0
    """Steps of linear warm-up."""
    floor: float = 0.05
    """Last learning rate, as a fraction of the peak."""
    decay: float = 0.1
    """Weight decay, on matrices only."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Averaging of gradients and their squares."""
    clip: float = 1.0
    """Largest norm of the whole gradient; 0: never clip."""
    seed: int = 0
    """Recorded; `batches` draws from it."""
    evaluate_every: int = 0
    """Steps between evaluations; 0: only at the end."""
    checkpoint_every: int = 0
    """Steps between checkpoints; 0: none."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.peak <= 0 or not 0 <= self.warmup <= self.steps:
            problem = f"Training configuration: steps {self.steps}, peak {self.peak}, warm-up {self.warmup}."
            raise InputError("MD41", problem, "Give steps >= 1, peak > 0 and a warm-up of at most all steps.")

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear to the peak, then a cosine to floor * peak."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.peak * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class TrainingLog:
    """What happened: the loss of every step and the evaluations."""

    losses: tuple[float, ...]
    """Training loss of each step."""
    evaluations: tuple[tuple[int, dict[str, float]], ...]
    """(steps done, measured values)."""
    seconds: float
    """Wall time, resumed parts included."""
    threads: int
    """Threads torch used: bit-for-bit repetition needs the same number."""


@dataclass
class _State:
    step: int = 0
    losses: list[float] = dataclasses.field(default_factory=list)
    evaluations: list[tuple[int, dict[str, float]]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def matrices_and_vectors(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Parameter groups: matrices decay, biases and norms do not."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def train(
    module: nn.Module,
    batches: Batches,
    loss: Loss,
    config: TrainingConfig,
    *,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
    evaluate: Evaluate | None = None,
) -> TrainingLog:
    """Train a module in place and return the log.

    The learning rate follows `config.rate(step)`; the optimiser is AdamW (Loshchilov and Hutter 2019, alg.
    2).
    Interrupted work goes on from the checkpoint and ends with the same weights, bit for bit, on as many
    threads.

    Arguments:
        module: what to train; its parameters change.
        batches: step -> batch; a pure function of the step, so that resuming needs no stream position.
        loss: (module, batch) -> scalar.
        config: steps, rates, seeds.
        progress: told after each step.
        checkpoint: a .safetensors file, written every `checkpoint_every` steps; read first when it is there.
        evaluate: module -> named values, called every `evaluate_every` steps and at the end.

    Raises:
        InputError: the checkpoint belongs to another configuration or another module.
    """
    optimiser = torch.optim.AdamW(
        matrices_and_vectors(module, config.decay), lr=config.peak, betas=config.betas, eps=1e-8, fused=True
    )
    state = _State()
    if checkpoint is not None and checkpoint.exists():
        state = _resume(checkpoint, module, optimiser, config)
    began = time.perf_counter() - state.seconds
    with progress.task("training", config.steps) as task:
        task.advance(state.step)
        while state.step < config.steps:
            state.losses.append(_step(module, optimiser, batches(state.step), loss, config, state.step))
            state.step += 1
            if evaluate is not None and _due(state.step, config.evaluate_every, config.steps):
                state.evaluations.append((state.step, dict(evaluate(module))))
                task.note(
                    ", ".join(f"{name} {value:.3f}" for name, value in state.evaluations[-1][1].items())
                )
            state.seconds = time.perf_counter() - began
            if (
                checkpoint is not None
                and config.checkpoint_every
                and state.step % config.checkpoint_every == 0
            ):
                _keep(checkpoint, module, optimiser, config, state)
            task.advance(1)
    return TrainingLog(tuple(state.losses), tuple(state.evaluations), state.seconds, torch.get_num_threads())


def _due(step: int, every: int, last: int) -> bool:
    return step == last or (every > 0 and step % every == 0)


def _step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Any,
    loss: Loss,
    config: TrainingConfig,
    step: int,
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = config.rate(step)
    value = loss(module, batch)
    optimiser.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if config.clip:
        nn.utils.clip_grad_norm_(module.parameters(), config.clip)
    optimiser.step()
    return float(value.detach())


def _optimised(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def _keep(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, state: _State
) -> None:
    tensors: dict[str, Tensor] = {}
    for name, parameter in _optimised(module).items():
        tensors[f"weight.{name}"] = parameter.detach().contiguous()
        for key, value in optimiser.state[parameter].items():
            tensors[f"{key}.{name}"] = torch.as_tensor(value).contiguous()
    header = {
        "config": json.dumps(dataclasses.asdict(config)),
        "state": json.dumps(dataclasses.asdict(state)),
    }
    partial = path.with_suffix(".partial")
    partial.write_bytes(save(tensors, metadata=header))
    partial.replace(path)  # one rename: a checkpoint is whole or absent


def _resume(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig
) -> _State:
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _check_same(path, header, tensors, module, config)
    for name, parameter in _optimised(module).items():
        with torch.no_grad():
            parameter.copy_(tensors[f"weight.{name}"])
        kinds = (key for key in ("step", "exp_avg", "exp_avg_sq"))
        optimiser.state[parameter] = {key: tensors[f"{key}.{name}"].clone() for key in kinds}
    kept = json.loads(header["state"])
    kept["evaluations"] = [(step, values) for step, values in kept["evaluations"]]
    return _State(**kept)


def _check_same(
    path: Path,
    header: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    config: TrainingConfig,
) -> None:
    remedy = "Delete it to start again, or give the configuration it was begun with."
    if json.loads(header["config"]) != json.loads(json.dumps(dataclasses.asdict(config))):
        raise InputError("MD42", f"The checkpoint {path.name} was begun with another configuration.", remedy)
    shapes = {f"weight.{name}": parameter.shape for name, parameter in _optimised(module).items()}
    if {name: tensor.shape for name, tensor in tensors.items() if name.startswith("weight.")} != shapes:
        raise InputError("MD42", f"The checkpoint {path.name} holds another module's weights.", remedy)
