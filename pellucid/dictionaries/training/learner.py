"""One dictionary under training: exact gradients, projection, clipping, Adam, and the log."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Auxiliary, unit_rows
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.engines.gradients import Gradients, StepResult
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.training.initial import fold_scales, geometric_median, mean_norm_scale
from pellucid.dictionaries.training.sources import Rows, Source, resolve
from pellucid.dictionaries.variants.topk import TopK
from pellucid.findings import InputError


class Learner:
    """Weights, optimiser, what fired when, and the log of one dictionary.

    Arguments:
        source: rows of activations.
        config: how to train.
        engine: what runs the loops; None: the fastest for the data.
    """

    def __init__(self, source: Source, config: TrainConfig, engine: Engine | None = None) -> None:
        self.config = config
        self.sites = resolve(source, config.sites, config.batch)
        self.identity = source.identity()
        sample = source.sample(sorted(set(self.sites)))
        x, y = sample[self.sites[0]], sample[self.sites[1]]
        self.scales = (mean_norm_scale(x), mean_norm_scale(y)) if config.normalise else (1.0, 1.0)
        left_out = tuple(sorted({*config.excluded_positions, *source.skipped}))
        convention = dataclasses.replace(config.convention, excluded_positions=left_out)
        self.dictionary = begin(config, convention, self.sites, x, y * self.scales[1])
        self.engine = engine or engine_for(x)
        weights = (self.dictionary.W_enc, self.dictionary.b_enc, self.dictionary.W_dec)
        self.gradients = Gradients(*(torch.zeros_like(weight) for weight in weights))
        for weight, gradient in zip(weights, self.gradients.buffers(), strict=True):
            weight.grad = gradient
        self.optimiser = torch.optim.Adam(self.parameters(), betas=(0.9, 0.999), eps=1e-8, fused=True)
        self.silent = torch.zeros(config.n_features, dtype=torch.int64, device=x.device)
        self.log: list[dict[str, float]] = []
        self.done = 0
        self.seconds = 0.0
        self.path: Path | None = None

    def parameters(self) -> list[torch.nn.Parameter]:
        """All weights, in a fixed order."""
        return [self.dictionary.W_enc, self.dictionary.b_enc, self.dictionary.W_dec, self.dictionary.b_dec]

    def advance(self, rows: Rows) -> None:
        """One optimiser step on one batch."""
        began = time.perf_counter()
        x = scaled(rows[self.sites[0]], self.scales[0])
        y = x if self.sites[0] == self.sites[1] else scaled(rows[self.sites[1]], self.scales[1])
        result = self.dictionary.step(x, y, self.engine, self.gradients, self.auxiliary())
        self._refuse_divergence(result, y)
        norm = self._update()
        self.silent += len(x)
        self.silent[result.fires > 0] = 0
        self.done += 1
        self.seconds += time.perf_counter() - began
        if self.done % self.config.log_every == 0 or self.done == self.config.steps:
            self.log.append(self._line(result, y, norm))

    def auxiliary(self) -> Auxiliary | None:
        """The dead latents, when they are to be revived."""
        if self.config.auxiliary == 0 or int(self.silent.max()) < self.config.dead_rows:
            return None
        return Auxiliary((self.silent >= self.config.dead_rows).nonzero().flatten(), self.config.auxiliary)

    @torch.no_grad()
    def _update(self) -> float:
        """Project, clip, Adam, renormalise; the gradient's norm before clipping."""
        decoder, gradient = self.dictionary.W_dec, self.gradients.decoder
        if self.config.unit_norm:
            along = torch.linalg.vecdot(gradient, decoder).unsqueeze(1)
            torch.addcmul(gradient, along, decoder, value=-1, out=gradient)
        norm = float(torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None]))
        if self.config.clip and norm > self.config.clip:
            for parameter in self.parameters():
                assert parameter.grad is not None
                parameter.grad *= self.config.clip / norm
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.rate(self.done)
        self.optimiser.step()
        if self.config.unit_norm:
            decoder.copy_(unit_rows(decoder))
        return norm

    def _refuse_divergence(self, result: StepResult, y: Tensor) -> None:
        if not math.isfinite(result.loss):
            raise InputError(
                "DI13",
                f"The training diverged: the loss of step {self.done + 1} is {result.loss}.",
                "Give a smaller lr, or a longer warm-up.",
            )

    def _line(self, result: StepResult, y: Tensor, norm: float) -> dict[str, float]:
        variance = float((y - y.mean(0)).square().sum(dtype=torch.float64)) / len(y)
        return {
            "step": self.done,
            "fvu": result.squared_error / variance if variance > 0 else math.nan,
            "l0": float(result.fires.sum()) / len(y),
            "never_fired": int((self.silent == self.done * self.config.batch).sum()),
            "dead": int((self.silent >= self.config.dead_rows).sum()),
            "gradient_norm": norm,
        }

    def remark(self) -> str:
        """The last line of the log, in words."""
        if not self.log:
            return ""
        line = self.log[-1]
        return f"FVU {line['fvu']:.3f}, L0 {line['l0']:.1f}, dead {line['dead']:.0f}"

    def finished(self) -> TopK:
        """The trained dictionary, for raw activations, with the record of its training."""
        dictionary = self.dictionary
        fold_scales(dictionary, *self.scales)
        for parameter in self.parameters():
            parameter.grad = None
        dictionary.training_record = {
            "config": dataclasses.asdict(self.config),
            "source": self.identity,
            "scales": list(self.scales),
            "engine": self.engine.name,
            "threads": torch.get_num_threads(),
            "log": self.log,
            "seconds": self.seconds,
        }
        return dictionary.requires_grad_(False)


def scaled(rows: Float[Tensor, "batch width"], scale: float) -> Float[Tensor, "batch width"]:
    """Rows times a scale, contiguous."""
    return rows if scale == 1 else rows * scale


def begin(
    config: TrainConfig,
    convention: Convention,
    sites: tuple[str, str],
    x: Float[Tensor, "batch d_in"],
    y: Float[Tensor, "batch d_out"],
) -> TopK:
    """A dictionary before its first step: random unit decoder rows, b_dec at the targets' geometric median.

    Arguments:
        config: sizes and seed.
        convention: the record it follows.
        sites: where it reads and what it reconstructs.
        x: a sample of inputs.
        y: a sample of scaled targets.
    """
    dictionary = TopK(
        x.shape[1],
        config.n_features,
        config.k,
        d_out=y.shape[1],
        site_in=sites[0],
        site_out=sites[1],
        convention=convention,
        seed=config.seed,
    )
    if config.transcoder:
        untie(dictionary, config.seed)
    with torch.no_grad():
        dictionary.b_dec.copy_(geometric_median(y))
    return dictionary.to(x)


@torch.no_grad()
def untie(dictionary: TopK, seed: int) -> None:
    """Give a transcoder's encoder directions of its own."""
    generator = stream("encoder", seed)
    dictionary.W_enc.copy_(unit_rows(torch.randn(dictionary.W_enc.shape, generator=generator)))
