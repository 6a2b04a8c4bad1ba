"""One step through dense codes and automatic differentiation: the reference, which every variant can do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.gradients import StepResult
from pellucid.dictionaries.engines.selection import top_indices
from pellucid.dictionaries.training.demand import Auxiliary, Demand, Weigh


@dataclass(frozen=True)
class Loss:
    """A loss that can be differentiated, and what it is made of."""

    total: Float[Tensor, ""]
    """Everything that is minimised."""
    squared_error: Float[Tensor, ""]
    """Mean over rows of the summed squared error of the whole dictionary."""
    z: Float[Tensor, "batch feature"]
    """Codes."""


def loss_of(
    dictionary: Dictionary,
    x: Float[Tensor, "batch d_in"],
    y: Float[Tensor, "batch d_out"],
    demand: Demand,
) -> Loss:
    """sum_m w_m (1/B) sum_b e_b . M_b e_b + lambda penalty (+ AuxK, + Multi-TopK), e = y_hat^(m) - y.

    Arguments:
        dictionary: one that reads activations as they are given (no input transform).
        x: inputs.
        y: targets.
        demand: the step's prices.
    """
    h = dictionary.linear(dictionary.shifted(x))
    z = dictionary.activate(h)
    base = dictionary.b_dec if dictionary.W_skip is None else dictionary.b_dec + x @ dictionary.W_skip.T
    fit, error = h.new_zeros(()), h.new_zeros(())
    for width, weight in dictionary.nested():
        error = z[:, :width] @ dictionary.W_dec[:width] + base - y
        fit = fit + weight * weighed(error, demand.weigh)
    total = fit + demand.pressure * dictionary.penalty(h, z, y) + side_losses(dictionary, h, y, base)
    if demand.auxiliary is not None:
        total = total + revival(dictionary, h, error.detach(), demand.auxiliary)
    if demand.multi:
        total = total + demand.multi * weighed(wider(dictionary, h) @ dictionary.W_dec + base - y, None)
    return Loss(total, error.detach().square().sum(1).mean(), z)


def weighed(error: Float[Tensor, "batch d_out"], weigh: Weigh | None) -> Float[Tensor, ""]:
    """Mean over rows of e . M e."""
    return (error * (error if weigh is None else weigh(error))).sum(1).mean()


def side_losses(
    dictionary: Dictionary, h: Float[Tensor, "batch feature"], y: Tensor, base: Tensor
) -> Float[Tensor, ""]:
    """The gated variant's second reconstruction, by its gates through a decoder held constant; else 0."""
    from pellucid.dictionaries.variants.gated import Gated

    if not isinstance(dictionary, Gated):
        return h.new_zeros(())
    error = dictionary.opening(h) @ dictionary.W_dec.detach() + base.detach() - y
    return error.square().sum(1).mean()


def revival(
    dictionary: Dictionary,
    h: Float[Tensor, "batch feature"],
    error: Float[Tensor, "batch d_out"],
    auxiliary: Auxiliary,
) -> Float[Tensor, ""]:
    """AuxK: alpha ||e - e_hat||^2 / ||e - mean e||^2, e_hat from the d_out/2 best dead latents, no bias."""
    missed, dead = -error, auxiliary.latents
    spread = (missed - missed.mean(0)).square().sum()
    if len(dead) == 0 or float(spread) == 0:
        return h.new_zeros(())
    scores = h[:, dead]
    best = top_indices(scores.detach(), min(max(1, dictionary.d_out // 2), len(dead)))
    codes = scores.relu() * torch.zeros_like(scores).scatter_(1, best, 1.0)
    left = codes @ dictionary.W_dec[dead] - missed
    return auxiliary.weight * left.square().sum() / spread


def wider(dictionary: Dictionary, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
    """Codes of the 4 k best latents of each row."""
    ranking = dictionary.ranking()
    scores = h.detach() if ranking is None else h.detach() * ranking
    best = top_indices(scores, min(4 * k_of(dictionary), dictionary.n_features))
    return h.relu() * torch.zeros_like(h).scatter_(1, best, 1.0)


def k_of(dictionary: Dictionary) -> int:
    """The k of a dictionary that has one."""
    k = dictionary.settings().get("k")
    assert isinstance(k, int), "multi needs a variant with k, which the configuration checks"
    return k


def dense_step(dictionary: Dictionary, x: Tensor, y: Tensor, demand: Demand) -> StepResult:
    """Fill every parameter's gradient.

    Arguments:
        dictionary: as for `loss_of`.
        x: inputs.
        y: targets.
        demand: the step's prices.
    """
    for parameter in dictionary.parameters():
        if parameter.grad is not None:
            parameter.grad.zero_()
    with torch.enable_grad():
        loss = loss_of(dictionary, x, y, demand)
        loss.total.backward()  # type: ignore[no-untyped-call]
    fires = (loss.z.detach() != 0).sum(0)
    return StepResult(float(loss.total.detach()), float(loss.squared_error), fires, y)
