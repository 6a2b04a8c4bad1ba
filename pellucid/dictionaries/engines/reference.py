"""The sparse step in plain torch: the reference, and the path where numba is missing or the data are on a
GPU."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.selection import Codes, top_indices

ROWS = 512  # rows at a time: gathered decoder rows take rows * k * width numbers


class TorchEngine:
    """Select, decode and differentiate with torch's own operations."""

    name = "torch"

    def select(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k best-ranked pre-activations; `weights` multiply h for the ranking only."""
        parts = [self._select(part, encoder, bias, k, weights) for part in torch.split(inputs, ROWS)]
        indices, values = (torch.cat(items) for items in zip(*parts, strict=True))
        return Codes(indices.int(), values, len(encoder))

    def _select(
        self, inputs: Tensor, encoder: Tensor, bias: Tensor, k: int, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        h = torch.addmm(bias, inputs, encoder.T)
        indices = top_indices(h if weights is None else h * weights, k)
        return indices, h.gather(1, indices).relu()

    def errors(
        self,
        codes: Codes,
        decoder: Float[Tensor, "feature d_out"],
        bias: Float[Tensor, " d_out"],
        target: Float[Tensor, "batch d_out"],
    ) -> tuple[Float[Tensor, "batch d_out"], Float[Tensor, "batch k"]]:
        """e = reconstruction - target, and W_dec[i] . e for each code (0 where it is unused)."""
        error, slopes = torch.empty_like(target), torch.empty_like(codes.values)
        for start in range(0, len(target), ROWS):
            part = slice(start, start + ROWS)
            rows, values = decoder[codes.indices[part].long()], codes.values[part]
            error[part] = torch.einsum("bk,bkd->bd", values, rows) + bias - target[part]
            slopes[part] = torch.einsum("bkd,bd->bk", rows, error[part]) * (values > 0)
        return error, slopes

    def accumulate(
        self,
        codes: Codes,
        slopes: Float[Tensor, "batch k"],
        inputs: Float[Tensor, "batch d_in"],
        error: Float[Tensor, "batch d_out"],
        factor: float,
        gradients: Gradients,
        *,
        add: bool = False,
    ) -> None:
        """Write (or add) the gradients of factor/2 * sum e^2 with respect to encoder, bias and decoder."""
        if not add:
            gradients.clear()
        for start in range(0, len(error), ROWS):
            part = slice(start, start + ROWS)
            flat = codes.indices[part].long().flatten()
            v = (factor * codes.values[part]).unsqueeze(2)
            slope = (factor * slopes[part]).unsqueeze(2)
            gradients.decoder.index_add_(0, flat, (v * error[part].unsqueeze(1)).flatten(0, 1))
            gradients.encoder.index_add_(0, flat, (slope * inputs[part].unsqueeze(1)).flatten(0, 1))
            gradients.bias.index_add_(0, flat, slope.flatten())
