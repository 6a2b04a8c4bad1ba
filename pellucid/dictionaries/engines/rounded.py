"""Search in bfloat16, score in float32: the same codes, where a processor multiplies bfloat16 much faster.

A rounded score is off by at most its row's slack, which is the sum of

    max_i |W~_i - W_i| |x~| + max_i |W_i| |x~ - x|        what rounding the factors does (Cauchy-Schwarz)
    2^-16 max_i |b_i|                                     what is left of the bias behind two bfloat16
    4 (d + 4) 2^-24 (max_i |W_i| |x~| + max_i |b_i|)      what sums in float32 lose, here and there

and by the last rounding to bfloat16, 2^-8 of itself. Every latent whose rounded score comes within that of
what it must exceed is scored again in float32, so that the result is that of scoring all of them so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import BFloat16, Float
from torch import Tensor

TILE_BYTES = 2**21  # as of the exact scores
LEAST_ROWS = 256
LEAST_FEATURES, LEAST_WIDTH = 1024, 64  # below, the exact product takes no longer than the search
CHUNK = 1024  # latents rounded at a time, in the cache
LARGEST = 1e37  # float32 sums of larger numbers may overflow


@dataclass(frozen=True)
class Rounded:
    """Factors of the rounded scores, and what is needed to score exactly."""

    inputs: Float[Tensor, "batch d_in"]
    """Rows as they are."""
    encoder: Float[Tensor, "feature d_in"]
    """W_enc as it is."""
    bias: Float[Tensor, " feature"]
    """b_enc as it is."""
    weights: Float[Tensor, " feature"]
    """What multiplies a pre-activation for the ranking."""
    rows: BFloat16[Tensor, "batch d_in_and_2"]
    """Rounded rows, with two ones that multiply the bias."""
    columns: BFloat16[Tensor, "d_in_and_2 feature"]
    """Rounded weighted encoder, with two parts of the weighted bias."""
    slacks: Float[Tensor, " batch"]
    """How far a row's scores may be off, before they are rounded themselves; infinite where unknown."""

    def tiles(self) -> Iterator[tuple[int, BFloat16[Tensor, "rows feature"]]]:
        """First row and rounded scores of one tile after the other, in the same memory."""
        n_features = len(self.encoder)
        height = max(LEAST_ROWS, TILE_BYTES // (2 * n_features))
        tile = self.columns.new_empty((height, n_features))
        for start in range(0, len(self.rows), height):
            part = self.rows[start : start + height]
            yield start, torch.mm(part, self.columns, out=tile[: len(part)])

    def exact(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs, encoder, bias and weights, as the exact scores need them."""
        return self.inputs, self.encoder, self.bias, self.weights


def rounded(inputs: Tensor, encoder: Tensor, bias: Tensor, weights: Tensor | None) -> Rounded:
    """Round the factors of the scores, and bound what that does to them.

    Arguments:
        inputs: rows, float32.
        encoder: W_enc.
        bias: b_enc.
        weights: what multiplies a pre-activation for the ranking; None: 1.
    """
    n, d = inputs.shape
    rows = torch.ones((n, d + 2), dtype=torch.bfloat16)
    rows[:, :d] = inputs
    columns = torch.empty((d + 2, len(encoder)), dtype=torch.bfloat16)
    weighted_bias = bias if weights is None else bias * weights
    columns[d] = weighted_bias
    columns[d + 1] = weighted_bias - columns[d].float()
    norm, off = round_encoder(encoder, weights, columns[:d])
    most, size = weighted_bias.abs().max(), rows[:, :d].float()
    x, x_off = torch.linalg.vector_norm(size, dim=1), torch.linalg.vector_norm(size - inputs, dim=1)
    lost = 4 * (d + 4) * 2**-24 * (norm * x + most) + 1.01 * 2**-16 * most
    slacks = 1.001 * (off * x + norm * x_off + lost) + 1e-30
    slacks = torch.where(slacks + norm * x + most < LARGEST, slacks, torch.inf)
    ones = torch.ones_like(bias) if weights is None else weights
    return Rounded(inputs, encoder, bias, ones, rows, columns, slacks)


def round_encoder(encoder: Tensor, weights: Tensor | None, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Write the rounded weighted encoder as columns; the largest norm of a row, and of what rounding took."""
    norms, rests = [], []
    for start in range(0, len(encoder), CHUNK):
        part = encoder[start : start + CHUNK]
        if weights is not None:
            part = part * weights[start : start + CHUNK, None]
        halves = part.bfloat16()
        columns[:, start : start + CHUNK] = halves.T
        norms.append(torch.linalg.vector_norm(part, dim=1).max())
        rests.append(torch.linalg.vector_norm(part - halves.float(), dim=1).max())
    return torch.stack(norms).max(), torch.stack(rests).max()


@cache
def processor_is_fast() -> bool:
    """Whether this processor multiplies tiles of bfloat16."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def pays(inputs: Tensor, encoder: Tensor) -> bool:
    """Whether the search in bfloat16 takes less time than the exact product."""
    large = len(encoder) >= LEAST_FEATURES and inputs.shape[1] >= LEAST_WIDTH and len(inputs) >= LEAST_ROWS
    return inputs.dtype == torch.float32 and large and processor_is_fast()
