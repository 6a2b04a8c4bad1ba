"""What one dictionary does in a spliced pass, and how its weights learn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.training.demand import Demand
from pellucid.dictionaries.training.dense import revival
from pellucid.dictionaries.training.sparse import Batch, pay, rest, revive
from pellucid.findings import InputError

if TYPE_CHECKING:
    from pellucid.dictionaries.training.learner import Learner

NO_END_TO_END = ("matryoshka", "gated")


class Passage:
    """The dictionary's part of one spliced pass.

    Arguments:
        learner: whose dictionary it is.
        demand: the step's prices.
        sparse: whether only y_hat needs to be differentiated, so that sparse codes are enough.
    """

    def __init__(self, learner: Learner, demand: Demand, *, sparse: bool) -> None:
        self.learner, self.demand, self.sparse = learner, demand, sparse
        self.codes: Codes | None = None
        self.x = self.y = self.y_hat = self.h = self.z = torch.empty(0)
        self.input: Tensor | None = None

    def writes(self, keep: Tensor) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """What the pass writes: the reconstruction at the kept positions.

        Arguments:
            keep: which positions.
        """
        site_in, site_out = self.learner.sites
        if site_in != site_out:
            yield site_in, self.remember
        yield site_out, lambda activation: self.replace(activation, keep)

    def remember(self, activation: Tensor) -> Tensor:
        """Keep a transcoder's input.

        Arguments:
            activation: at `site_in`.
        """
        self.input = activation.clone()
        return activation

    def replace(self, activation: Tensor, keep: Tensor) -> Tensor:
        """The activation with the reconstruction in its place.

        Arguments:
            activation: at `site_out`.
            keep: which positions.
        """
        scale_in, scale_out = self.learner.scales
        given = activation if self.input is None else self.input
        self.x = whole_precision(given.flatten(keep.ndim)[keep]) * scale_in
        self.y = whole_precision(activation.detach().flatten(keep.ndim)[keep]) * scale_out
        self.y_hat = self.reconstructed()
        made = activation.flatten(keep.ndim).clone()
        made[keep] = (self.y_hat / scale_out).to(made.dtype)
        return made.reshape(activation.shape)

    def reconstructed(self) -> Float[Tensor, "batch d_out"]:
        """y_hat: a leaf made from sparse codes, or differentiable from the weights on."""
        dictionary = self.learner.dictionary
        if self.sparse:
            with torch.no_grad():
                shifted = dictionary.shifted(self.x).contiguous()
                self.codes = dictionary.training_codes(shifted, self.learner.engine, self.demand.active)
        if self.codes is None:
            self.h = dictionary.linear(dictionary.shifted(self.x))
            self.z = dictionary.activate(self.h)
            return self.z @ dictionary.W_dec + dictionary.b_dec + self.skipped()
        with torch.no_grad():
            nothing = torch.zeros_like(self.y)
            engine = self.learner.engine
            y_hat, _ = engine.errors(self.codes, dictionary.W_dec, dictionary.b_dec, nothing)
            return (y_hat + self.skipped()).requires_grad_()

    def skipped(self) -> Tensor | float:
        """What the skip path adds."""
        skip = self.learner.dictionary.W_skip
        return 0.0 if skip is None else self.x @ skip.T

    def price(self) -> Float[Tensor, ""]:
        """The sparsity price, and the revival of dead latents by the local error; differentiable."""
        dictionary, demand = self.learner.dictionary, self.demand
        loss = demand.pressure * dictionary.penalty(self.h, self.z, self.y)
        if demand.auxiliary is not None:
            error = (self.y_hat - self.y).detach()
            loss = loss + revival(dictionary, self.h, error, demand.auxiliary)
        return loss

    @torch.no_grad()
    def pull(self, g: Float[Tensor, "batch d_out"]) -> float:
        """Fill the weights' gradients from that of y_hat, latent by latent; returns the prices paid.

            dW_dec[i] += v g,   dv = W_dec[i] . g,   dW_enc[i] += dv x',   db_enc[i] += dv

        Arguments:
            g: gradient of the loss at y_hat.
        """
        assert self.codes is not None
        learner, dictionary, codes, g = self.learner, self.learner.dictionary, self.codes, g.contiguous()
        engine, gradients, demand = learner.engine, learner.gradients, self.demand
        batch = Batch(self.x, dictionary.shifted(self.x).contiguous(), self.y)
        # Codes too small to change g, though no subnormal numbers: the engine's slopes are then those of g.
        speck = torch.finfo(g.dtype).tiny / torch.finfo(g.dtype).eps
        marks = Codes(codes.indices, codes.values.sign() * speck, codes.n_features)
        _, slopes = engine.errors(marks, dictionary.W_dec, torch.zeros_like(dictionary.b_dec), -g)
        engine.accumulate(codes, slopes, batch.shifted, g, 1.0, gradients)
        paid = pay(dictionary, batch, codes, demand.pressure, engine, gradients)
        if demand.auxiliary is not None and len(demand.auxiliary.latents):
            error = self.y_hat.detach() - self.y
            paid += revive(dictionary, batch, error, demand.auxiliary, engine, gradients)
        rest(dictionary, batch, g, gradients)
        return paid

    def result(self, loss: float, parts: Mapping[str, float]) -> StepResult:
        """What the step found out.

        Arguments:
            loss: everything that was minimised.
            parts: numbers for the log.
        """
        squared = float((self.y_hat.detach() - self.y).square().sum(1).mean())
        fires = (self.z.detach() != 0).sum(0) if self.codes is None else self.codes.fires()
        return StepResult(loss, squared, fires, self.y, parts)


def whole_precision(rows: Tensor) -> Tensor:
    """Rows in float32, or in float64 where they are.

    Arguments:
        rows: in any type of number.
    """
    return rows if rows.dtype == torch.float64 else rows.float()


def refuse_nested(variant: str) -> None:
    """DI101 unless the variant's loss can be put end to end.

    Arguments:
        variant: its name.
    """
    if variant in NO_END_TO_END:
        raise InputError(
            "DI101",
            f"The loss of {variant} is a local one of several reconstructions: it has no end-to-end form.",
            "Choose relu, topk, batchtopk or jumprelu, or the local objective.",
        )
