"""One dictionary under training: gradients, projection, clipping, Adam, and the log."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.config import WITH_K, TrainConfig
from pellucid.dictionaries.dictionary import Dictionary, unit_rows
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.engines.gradients import Gradients, StepResult
from pellucid.dictionaries.training.calibration import calibrate
from pellucid.dictionaries.training.demand import Auxiliary, Demand
from pellucid.dictionaries.training.folding import fold_scales
from pellucid.dictionaries.training.initial import begin, continued, mean_norm_scale
from pellucid.dictionaries.training.resampling import resample
from pellucid.dictionaries.training.sources import Rows, Source, axes_of, resolve
from pellucid.findings import InputError
from pellucid.models import Model


class Learner:
    """Weights, optimiser, what fired when, and the log of one dictionary.

    Arguments:
        source: rows of activations.
        config: how to train.
        engine: what runs the loops; None: the fastest for the data.
        start: a trained dictionary to go on from; None: random directions.
    """

    def __init__(
        self,
        source: Source,
        config: TrainConfig,
        engine: Engine | None = None,
        start: Dictionary | None = None,
    ) -> None:
        self.config = config
        self.sites = resolve(source, config.sites, config.batch)
        self.source_model = source.model
        self.identity = source.identity() | ({} if start is None else {"start": start.sha256})
        sample = source.sample(sorted(set(self.sites)))
        x, y = sample[self.sites[0]], sample[self.sites[1]]
        self.scales = (mean_norm_scale(x), mean_norm_scale(y)) if config.normalise else (1.0, 1.0)
        left_out = tuple(sorted({*config.excluded_positions, *source.skipped}))
        convention = dataclasses.replace(
            config.convention, excluded_positions=left_out, reshape=axes_of(self.sites[0])
        )
        if start is None:
            self.dictionary = begin(config, convention, self.sites, x, y * self.scales[1])
        else:
            self.dictionary = continued(start, config, convention, self.sites, self.scales).to(x)
        self.sample = x
        self.engine = engine or engine_for(x)
        self.gradients = self._buffers()
        parameters = self.parameters()
        self.optimiser = torch.optim.Adam(parameters, betas=config.betas, eps=1e-8, fused=True)
        self.silent = torch.zeros(config.n_features, dtype=torch.int64, device=x.device)
        self.log: list[dict[str, float]] = []
        self.done, self.seen, self.active = 0, 0, math.inf
        self.seconds = 0.0
        self.path: Path | None = None

    def _buffers(self) -> Gradients:
        """Gradients of the large weights, held for the whole training."""
        weights = self.dictionary.W_enc, self.dictionary.b_enc, self.dictionary.W_dec
        made = [torch.zeros_like(self.dictionary.W_enc[:, 0] if w is None else w) for w in weights]
        for weight, gradient in zip(weights, made, strict=True):
            if weight is not None:
                weight.grad = gradient
        return Gradients(*made)

    def parameters(self) -> list[torch.nn.Parameter]:
        """All weights, in a fixed order."""
        return [parameter for _, parameter in self.dictionary.named_parameters()]

    @property
    def model(self) -> Model:
        """The model that the objective runs."""
        assert self.source_model is not None, "sources of objectives that need a model have one"
        return self.source_model

    def scaled(self, rows: Rows) -> tuple[Float[Tensor, "batch d_in"], Float[Tensor, "batch d_out"]]:
        """Inputs and targets of a batch in training's units."""
        x = times(rows[self.sites[0]], self.scales[0])
        same = self.sites[0] == self.sites[1]
        return x, x if same else times(rows[self.sites[1]], self.scales[1])

    def advance(self, rows: Rows) -> None:
        """One optimiser step on one batch."""
        began = time.perf_counter()
        self.prepare(rows)
        self.update(self.config.objective.step(self, rows, self.demand()))
        self.seconds += time.perf_counter() - began

    def prepare(self, rows: Rows) -> None:
        """What comes before the gradients: a look at the rows, the step's k, and resampling when due."""
        self._refuse_bad_rows(rows)
        if self.config.variant in WITH_K:
            self.dictionary.k = self.config.k_at(self.done)  # type: ignore[assignment]
        if self.done in self.config.resample_at:
            resample(self, rows)

    def update(self, result: StepResult) -> None:
        """The optimiser's step with the gradients that are there, the counters and the log."""
        self._refuse_divergence(result.loss, "loss")
        norm = self._update()
        self.silent += result.rows
        self.silent[result.fires > 0] = 0
        self.seen += result.rows
        self.active = float(result.fires.sum()) / result.rows
        self.done += 1
        if self.done % self.config.log_every == 0 or self.done == self.config.steps:
            self.log.append(self._line(result, norm))

    def demand(self) -> Demand:
        """The prices of the next step."""
        pressure = self.config.pressure(self.done)
        return Demand(pressure, self.auxiliary(), active=self.active, multi=self.config.multi)

    def auxiliary(self) -> Auxiliary | None:
        """The dead latents, when they are to be revived."""
        if self.config.auxiliary == 0 or self.config.variant not in WITH_K:
            return None
        if int(self.silent.max()) < self.config.dead_rows:
            return None
        return Auxiliary((self.silent >= self.config.dead_rows).nonzero().flatten(), self.config.auxiliary)

    @torch.no_grad()
    def _update(self) -> float:
        """Project, clip, Adam, renormalise; the gradient's norm before clipping."""
        decoder, gradient = self.dictionary.W_dec, self.gradients.decoder
        if self.config.unit_norm:
            along = torch.linalg.vecdot(gradient, decoder).unsqueeze(1)
            torch.addcmul(gradient, along, decoder, value=-1, out=gradient)
        given = [p.grad for p in self.parameters() if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(given))
        self._refuse_divergence(norm, "gradient")
        if self.config.clip and norm > self.config.clip:
            for part in given:
                part *= self.config.clip / norm
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.rate(self.done)
        self.optimiser.step()
        if self.config.unit_norm:
            decoder.copy_(unit_rows(decoder))
        self.dictionary.constrain()
        return norm

    def _refuse_divergence(self, value: float, what: str) -> None:
        """DI13 with the step, the site and the last good checkpoint."""
        if math.isfinite(value):
            return
        raise self._diverged(f"the {what} of step {self.done + 1} is {value}")

    def refuse_broken_weights(self) -> None:
        """DI13 for weights that the last step made NaN or infinite."""
        for name, weight in self.dictionary.named_parameters():
            if not bool(torch.isfinite(weight.detach()).all()):
                raise self._diverged(f"{name} is NaN or infinite after step {self.done}")

    def _diverged(self, problem: str) -> InputError:
        where = f" at {self.sites[0]!r}" if self.sites[0] else ""
        remedy = f"Give a smaller lr, or a longer warm-up.{self._last_checkpoint()}"
        return InputError("DI13", f"The training{where} diverged: {problem}.", remedy)

    def _last_checkpoint(self) -> str:
        """Where the training can go on from, as a sentence; empty without one."""
        kept = self.path is not None and self.path.exists()
        return f" The last good checkpoint is {self.path}." if kept else ""

    def _refuse_bad_rows(self, rows: Rows) -> None:
        """DI93 for activations of a step that are NaN or infinite."""
        for site in sorted(set(self.sites)):
            bad = bad_values(rows[site])
            if bad:
                where = f" at {site!r}" if site else ""
                raise InputError(
                    "DI93",
                    f"{bad} activations{where} in the batch of step {self.done + 1} are NaN or infinite.",
                    "Look for the cause in the model or its input, and harvest again, in float32 if half "
                    f"precision overflowed.{self._last_checkpoint()}",
                )

    def _line(self, result: StepResult, norm: float) -> dict[str, float]:
        variance = spread(result.target)
        return {
            "step": self.done,
            "loss": result.loss,
            "fvu": result.squared_error / variance if variance > 0 else math.nan,
            "l0": float(result.fires.sum()) / result.rows,
            "never_fired": int((self.silent == self.seen).sum()),
            "dead": int((self.silent >= self.config.dead_rows).sum()),
            "gradient_norm": norm,
            **result.parts,
        }

    def remark(self) -> str:
        """The last line of the log, in words."""
        if not self.log:
            return ""
        line = self.log[-1]
        return f"FVU {line['fvu']:.3f}, L0 {line['l0']:.1f}, dead {line['dead']:.0f}"

    def finished(self) -> Dictionary:
        """The trained dictionary, for raw activations, with the record of its training."""
        dictionary = self.dictionary
        ties = calibrate(dictionary, times(self.sample, self.scales[0]), self.engine)
        fold_scales(dictionary, *self.scales)
        for parameter in self.parameters():
            parameter.grad = None
        dictionary.training_record = {
            "config": self.config.record(),
            "source": self.identity,
            "scales": list(self.scales),
            "engine": self.engine.name,
            "threads": torch.get_num_threads(),
            **({} if ties is None else {"threshold_ties": ties}),
            "log": self.log,
            "seconds": self.seconds,
        }
        return dictionary.requires_grad_(False)


def bad_values(x: Tensor) -> int:
    """How many values are NaN or infinite; one sum where none is."""
    return 0 if bool(torch.isfinite(x.sum())) else int((~torch.isfinite(x)).sum())


def spread(y: Float[Tensor, "batch d_out"]) -> float:
    """Mean over rows of the squared distance to their mean."""
    return float((y - y.mean(0)).square().sum(dtype=torch.float64)) / len(y)


def times(rows: Float[Tensor, "batch width"], scale: float) -> Float[Tensor, "batch width"]:
    """Rows times a scale, contiguous."""
    return rows if scale == 1 else rows * scale
