"""One step that touches active latents only: exact gradients without dense codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import TINY, Dictionary
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.gradients import Gradients, StepResult
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.training.demand import Auxiliary, Demand
from pellucid.dictionaries.training.dense import k_of


@dataclass(frozen=True)
class Batch:
    """What a step works on."""

    x: Float[Tensor, "batch d_in"]
    """Inputs."""
    shifted: Float[Tensor, "batch d_in"]
    """What W_enc sees."""
    target: Float[Tensor, "batch d_out"]
    """What the latents have to explain: y, less the skip path's part."""


@torch.no_grad()
def sparse_step(
    dictionary: Dictionary,
    x: Float[Tensor, "batch d_in"],
    y: Float[Tensor, "batch d_out"],
    demand: Demand,
    engine: Engine,
    gradients: Gradients,
) -> StepResult | None:
    """Loss and exact gradients of one batch; None where the variant trains with dense codes.

    With g = 2 M e / B: dW_dec[i] += v g, dv = W_dec[i] . g, dW_enc[i] += dv x', db_enc[i] += dv,
    db_dec = sum g, less sum dv W_enc[i] when b_dec is subtracted from the input, dW_skip = sum g x^T. For
    nested widths, g of a latent is the sum over the reconstructions that use it.

    Arguments:
        dictionary: one that reads activations as they are given (no input transform).
        x: inputs.
        y: targets, x itself for an autoencoder.
        demand: the step's prices.
        engine: what runs the loops.
        gradients: buffers of W_enc, b_enc and W_dec that are filled; other gradients are set on the weights.
    """
    dictionary.check_input(x)
    shifted = dictionary.shifted(x).contiguous()
    codes = dictionary.training_codes(shifted, engine, demand.active)
    if codes is None:
        return None
    target = y if dictionary.W_skip is None else y - x @ dictionary.W_skip.T
    batch = Batch(x, shifted, target)
    loss, squared, error, pulls = fitted(dictionary, batch, codes, demand, engine, gradients)
    if demand.multi:
        extra, pull = also_wider(dictionary, batch, demand.multi, engine, gradients)
        loss, pulls = loss + extra, pulls + pull
    if demand.auxiliary is not None and len(demand.auxiliary.latents):
        loss += revive(dictionary, batch, error, demand.auxiliary, engine, gradients)
    rest(dictionary, batch, pulls * (2 / len(y)), gradients)
    if codes.margin is not None:
        loss += move_thresholds(dictionary, codes, pulls, demand.pressure, engine)
    return StepResult(loss, squared, codes.fires(), y)


def fitted(
    dictionary: Dictionary,
    batch: Batch,
    codes: Codes,
    demand: Demand,
    engine: Engine,
    gradients: Gradients,
) -> tuple[float, float, Tensor, Tensor]:
    """Loss, squared error of the whole, its error, and the sum over reconstructions of w_m M e^(m)."""
    nested = dictionary.nested()
    if demand.weigh is None and len(nested) == 1 and nested[0][1] == 1:
        error, slopes = engine.errors(codes, dictionary.W_dec, dictionary.b_dec, batch.target)
        engine.accumulate(codes, slopes, batch.shifted, error, 2 / len(error), gradients)
        squared = mean_square(error)
        paid = pay(dictionary, batch, codes, demand.pressure, engine, gradients)
        return squared + paid, squared, error, error
    loss, error, pulls = 0.0, batch.target, []
    for width, weight in nested:
        part = within(codes, 0, width)
        error, _ = engine.errors(part, dictionary.W_dec, dictionary.b_dec, batch.target)
        pull = error if demand.weigh is None else demand.weigh(error)
        loss += weight * float((error * pull).sum(dtype=torch.float64)) / len(error)
        pulls.append(pull * weight)
    for number, (low, high) in enumerate(blocks(dictionary)):
        felt = torch.stack(pulls[number:]).sum(0)
        part = within(codes, low, high)
        slopes = slopes_of(dictionary, part, felt, engine)
        engine.accumulate(part, slopes, batch.shifted, felt, 2 / len(felt), gradients, add=number > 0)
    loss += pay(dictionary, batch, codes, demand.pressure, engine, gradients)
    return loss, mean_square(error), error, torch.stack(pulls).sum(0)


def pay(
    dictionary: Dictionary,
    batch: Batch,
    codes: Codes,
    pressure: float,
    engine: Engine,
    gradients: Gradients,
) -> float:
    """The price of the codes, lambda/B sum v c, added to the gradients; 0 where codes cost nothing."""
    prices = dictionary.prices()
    if prices is None or pressure == 0:
        return 0.0
    rate = pressure / len(codes.values)
    each = prices[codes.indices.long()] * (codes.values > 0)
    engine.accumulate(codes, each, batch.shifted, torch.zeros_like(batch.target), rate, gradients, add=True)
    if not dictionary.convention.decoder_unit_norm:  # then a price is its row's length, which it shortens
        amounts = torch.zeros_like(prices).index_add_(
            0, codes.indices.long().flatten(), codes.values.flatten()
        )
        gradients.decoder.addcmul_((rate * amounts / prices.clamp_min(TINY))[:, None], dictionary.W_dec)
    return rate * float((codes.values * each).sum(dtype=torch.float64))


def move_thresholds(
    dictionary: Dictionary, codes: Codes, pulls: Float[Tensor, "batch d_out"], pressure: float, engine: Engine
) -> float:
    """Straight-through gradients of the thresholds, from what lies in their windows; the price of the codes.

    dtheta = -(1/eps) sum over the window of (theta dL/dz + lambda/B).
    """
    margin, threshold = codes.margin, dictionary.get_parameter("threshold")
    assert margin is not None
    n, width = len(codes.values), dictionary.settings()["bandwidth"]
    inside = margin.values > 0
    slopes = slopes_of(dictionary, margin, pulls, engine) * (2 / n)
    felt = (threshold[margin.indices.long()] * slopes + pressure / n) * inside
    moved = torch.zeros_like(threshold).index_add_(0, margin.indices.long().flatten(), felt.flatten())
    threshold.grad = -moved / width
    return pressure * float((codes.values > 0).sum()) / n


def blocks(dictionary: Dictionary) -> Iterator[tuple[int, int]]:
    """The latents that each nested width adds."""
    low = 0
    for width, _ in dictionary.nested():
        yield low, width
        low = width


def within(codes: Codes, low: int, high: int) -> Codes:
    """The codes of latents low to high; the others' places are unused."""
    if low == 0 and high == codes.n_features:
        return codes
    inside = (codes.indices >= low) & (codes.indices < high)
    return Codes(codes.indices, codes.values * inside, codes.n_features)


def slopes_of(
    dictionary: Dictionary, codes: Codes, felt: Float[Tensor, "batch d_out"], engine: Engine
) -> Float[Tensor, "batch k"]:
    """W_dec[i] . felt for each code: the slopes of an error that is chosen to be `felt`."""
    nothing, zeros = torch.zeros_like(dictionary.b_dec), torch.zeros_like(felt)
    made, _ = engine.errors(codes, dictionary.W_dec, nothing, zeros)
    return engine.errors(codes, dictionary.W_dec, nothing, made - felt)[1]


def mean_square(error: Float[Tensor, "batch d_out"]) -> float:
    """Mean over rows of the summed squares."""
    return float(error.square().sum(dtype=torch.float64)) / len(error)


def also_wider(
    dictionary: Dictionary, batch: Batch, weight: float, engine: Engine, gradients: Gradients
) -> tuple[float, Tensor]:
    """Multi-TopK: the loss with 4 k latents, weighed, and its pull on the bias."""
    assert dictionary.b_enc is not None
    k = min(4 * k_of(dictionary), dictionary.n_features)
    codes = engine.select(batch.shifted, dictionary.W_enc, dictionary.b_enc, k, dictionary.ranking())
    error, slopes = engine.errors(codes, dictionary.W_dec, dictionary.b_dec, batch.target)
    engine.accumulate(codes, slopes, batch.shifted, error, 2 * weight / len(error), gradients, add=True)
    return weight * mean_square(error), error * weight


def revive(
    dictionary: Dictionary,
    batch: Batch,
    error: Float[Tensor, "batch d_out"],
    auxiliary: Auxiliary,
    engine: Engine,
    gradients: Gradients,
) -> float:
    """AuxK: alpha ||e - e_hat||^2 / ||e - mean e||^2, e_hat from the k_aux best dead latents, no bias.

    e = y - y_hat is a constant here; 0 when it has no variance.
    """
    assert dictionary.b_enc is not None
    missed = -error
    spread = float((missed - missed.mean(0)).square().sum(dtype=torch.float64))
    if spread == 0:
        return 0.0
    dead = auxiliary.latents
    k = min(max(1, dictionary.d_out // 2), len(dead))
    found = engine.select(batch.shifted, dictionary.W_enc[dead], dictionary.b_enc[dead], k)
    codes = Codes(dead[found.indices.long()].int(), found.values, dictionary.n_features)
    nothing = torch.zeros_like(dictionary.b_dec)
    left, slopes = engine.errors(codes, dictionary.W_dec, nothing, missed)
    factor = 2 * auxiliary.weight / spread
    engine.accumulate(codes, slopes, batch.shifted, left, factor, gradients, add=True)
    return auxiliary.weight * float(left.square().sum(dtype=torch.float64)) / spread


def rest(dictionary: Dictionary, batch: Batch, g: Float[Tensor, "batch d_out"], gradients: Gradients) -> None:
    """Gradients of what is not a latent's: the decoder bias, what is subtracted, the skip path."""
    dictionary.b_dec.grad = g.sum(0)
    if dictionary.convention.subtract != "none":
        inward = gradients.bias @ dictionary.W_enc
        if dictionary.b_pre is None:
            dictionary.b_dec.grad -= inward
        else:
            dictionary.b_pre.grad = -inward
    if dictionary.W_skip is not None:
        dictionary.W_skip.grad = g.T @ batch.x
