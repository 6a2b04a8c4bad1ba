"""The sparse step in plain torch: the reference, and the path where numba is missing or the data are on a
GPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.selection import Codes, Hits, first_of_top, joined, top_indices

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

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """Codes of all pre-activations above their latent's threshold; a threshold below 0 acts as 0."""
        return all_above(tiles(inputs, encoder, bias), thresholds).packed(len(inputs), len(encoder))

    def batch_top(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k * batch best-ranked positive pre-activations of the whole batch."""
        hits = best_of_batch(tiles(inputs, encoder, bias), k * len(inputs), weights)
        return hits.packed(len(inputs), len(encoder))

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


Tiles = Iterator[tuple[int, Tensor]]  # first row, and pre-activations from there on


def tiles(inputs: Tensor, encoder: Tensor, bias: Tensor) -> Tiles:
    """Pre-activations of some rows at a time."""
    for start in range(0, len(inputs), ROWS):
        yield start, torch.addmm(bias, inputs[start : start + ROWS], encoder.T)


def all_above(parts: Tiles, thresholds: Tensor) -> Hits:
    """Every pre-activation above its latent's threshold; a threshold below 0 acts as 0."""
    least = thresholds.clamp_min(0)
    return joined([listed(h, h > least, start) for start, h in parts])


def best_of_batch(parts: Tiles, asked: int, weights: Tensor | None) -> Hits:
    """The `asked` best-ranked positive pre-activations; whatever cannot be among them is dropped at once."""
    held: list[Hits] = []
    least = 0.0
    for start, h in parts:
        found = listed(h, (h if weights is None else h * weights) > least, start)
        every = joined([*held, found])
        scores = every.values if weights is None else every.values * weights[every.indices]
        kept = first_of_top(scores, asked)
        held = [every.kept(kept)]
        # what only equals the last of enough comes too late: it lies in a later row
        least = float(scores[kept].min()) if len(kept) == asked else least
    return held[0]


def listed(h: Tensor, wanted: Tensor, first: int) -> Hits:
    """The wanted pre-activations of rows that are named from `first`."""
    rows, indices = wanted.nonzero(as_tuple=True)
    return Hits(rows + first, indices, h[rows, indices])
