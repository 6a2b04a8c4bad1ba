"""The sparse step on a GPU: Triton's kernels around the encoder's matrix product."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.reference import Tiles, all_above, best_of_batch
from pellucid.dictionaries.engines.selection import Codes, top_indices
from pellucid.findings import InputError

TILE_BYTES = 2**28  # of pre-activations: enough rows for the matrix product, little beside the weights
LEAST_LANES, MOST_LANES = 1024, 8192
WIDE = 1024  # columns of one program
HALVES = (torch.bfloat16, torch.float16)


class TritonEngine:
    """Select, decode and differentiate with kernels; neither dense codes nor all scores are ever held.

    Sums are kept in float32 (float64 for float64 data) whatever the type of the weights. Weight gradients
    are sums over codes sorted by latent, without atomic additions: the same data give the same bits.

    Arguments:
        product: type of the factors of the encoder's matrix product, whose sums stay float32; None: as they
            come. torch.bfloat16 is many times faster for float32 weights, and changes codes by its rounding.

    Raises:
        InputError: DI75 if `product` is neither None, torch.bfloat16 nor torch.float16.

    Example:
        >>> TritonEngine(torch.bfloat16).name
        'triton, products of bfloat16'
    """

    def __init__(self, product: torch.dtype | None = None) -> None:
        if product is not None and product not in HALVES:
            raise InputError(
                "DI75",
                f"The encoder's product was asked for in {product}.",
                "Give torch.bfloat16, torch.float16, or None to take the weights as they are.",
            )
        self.product = product
        kind = "" if product is None else f", products of {str(product).removeprefix('torch.')}"
        self.name = f"triton{kind}"

    def select(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k best-ranked pre-activations; `weights` multiply h for the ranking only."""
        parts = []
        for _, h in self._tiles(inputs, encoder, bias):
            indices, used = best_of_rows(h if weights is None else h * weights, k)
            parts.append((indices.int(), h.gather(1, indices).relu() * used))
        indices, values = (torch.cat(items) for items in zip(*parts, strict=True))
        return Codes(indices, values, len(encoder))

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """Codes of all pre-activations above their latent's threshold; a threshold below 0 acts as 0."""
        hits = all_above(self._tiles(inputs, encoder, bias), thresholds)
        return hits.packed(len(inputs), len(encoder))

    def batch_top(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k * batch best-ranked positive pre-activations of the whole batch."""
        hits = best_of_batch(self._tiles(inputs, encoder, bias), k * len(inputs), weights)
        return hits.packed(len(inputs), len(encoder))

    def errors(
        self,
        codes: Codes,
        decoder: Float[Tensor, "feature d_out"],
        bias: Float[Tensor, " d_out"],
        target: Float[Tensor, "batch d_out"],
    ) -> tuple[Float[Tensor, "batch d_out"], Float[Tensor, "batch k"]]:
        """e = reconstruction - target, and W_dec[i] . e for each code (0 where it is unused)."""
        from pellucid.dictionaries.engines.triton_kernels import errors_of_rows, slopes_of_codes

        (n, k), width, sums = codes.values.shape, target.shape[1], of_sums(target.dtype)
        error = torch.empty(target.shape, dtype=sums, device=target.device)
        slopes = torch.empty(codes.values.shape, dtype=sums, device=target.device)
        sizes = {"k": k, "width": width, "WIDE": wide(width), "SUMS": name_of(sums)}
        indices, values = codes.indices.contiguous(), codes.values.contiguous()
        decoder, target = decoder.contiguous(), target.contiguous()
        with on_device_of(target):
            grid = (n, -(-width // wide(width)))
            errors_of_rows[grid](indices, values, decoder, bias, target, error, **sizes)
            slopes_of_codes[(n, k)](indices, values, decoder, error, slopes, **sizes)
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
        """Write (or add) the gradients of factor/2 * sum e^2, latent by latent in the order of the batch."""
        starts, places = segments(codes)
        k = codes.values.shape[1]
        for factors, rows, sums, totals in (
            (codes.values * factor, error, gradients.decoder, None),
            (slopes * factor, inputs, gradients.encoder, gradients.bias),
        ):
            sum_segments(starts, places, factors, rows, k, sums, totals, add)

    def _tiles(self, inputs: Tensor, encoder: Tensor, bias: Tensor) -> Tiles:
        """Pre-activations of some rows at a time, in the type of sums."""
        sums, kind = of_sums(inputs.dtype), self.product or inputs.dtype
        rows, weights, bias = inputs.to(kind), encoder.to(kind).T, bias.to(sums)
        height = max(128, TILE_BYTES // (len(encoder) * sums.itemsize))
        for start in range(0, len(inputs), height):
            part = rows[start : start + height]
            yield start, products(part, weights, sums).add_(bias)


def products(rows: Tensor, weights: Tensor, sums: torch.dtype) -> Tensor:
    """rows @ weights, summed and returned in a type that may be wider than theirs."""
    if rows.dtype == sums:
        return rows @ weights
    if rows.is_cuda:
        return torch.mm(rows, weights, out_dtype=sums)
    return rows.to(sums) @ weights.to(sums)  # products of halves are exact in float32


def best_of_rows(
    scores: Float[Tensor, "batch feature"], k: int
) -> tuple[Int[Tensor, "batch k"], Int[Tensor, "batch k"]]:
    """Indices of the k largest positive scores of each row, and 1 where a place is used, else 0.

    Arguments:
        scores: what is ranked, contiguous.
        k: how many.
    """
    n, n_features = scores.shape
    lanes = lanes_for(k)
    if scores.dtype != torch.float32 or lanes > MOST_LANES:
        indices = top_indices(scores, k)
        return indices, (scores.gather(1, indices) > 0).long()
    from pellucid.dictionaries.engines.triton_kernels import list_candidates, select_candidates

    room = max(256, 2 * power_above(k))
    held = torch.empty((n, room), dtype=torch.int32, device=scores.device)
    indices = torch.zeros((n, k), dtype=torch.int64, device=scores.device)
    totals, used = torch.empty((2, n), dtype=torch.int32, device=scores.device)
    sizes = {"n_features": n_features, "k": k, "LANES": lanes, "ROOM": room, "num_warps": 8}
    with on_device_of(scores):
        list_candidates[(n,)](scores, held, totals, **sizes)
        select_candidates[(n,)](scores, held, totals, indices, used, **sizes)
    return indices, (torch.arange(k, device=scores.device) < used.unsqueeze(1)).long()


def segments(codes: Codes) -> tuple[Int[Tensor, " feature_and_1"], Int[Tensor, " place"]]:
    """Places of the used codes sorted by latent, in batch order within one, and where each latent's begin."""
    keys = torch.where(codes.values > 0, codes.indices, codes.n_features).flatten()
    keys, places = torch.sort(keys, stable=True)
    edges = torch.arange(codes.n_features + 1, dtype=keys.dtype, device=keys.device)
    return torch.searchsorted(keys, edges), places


def sum_segments(
    starts: Tensor,
    places: Tensor,
    factors: Tensor,
    rows: Tensor,
    k: int,
    sums: Tensor,
    totals: Tensor | None,
    add: bool,
) -> None:
    """Sum factor * row over each latent's codes; with `totals` the factors too.

    Arguments:
        starts: where each latent's places begin.
        places: codes sorted by latent, as row * k + j.
        factors: of each code, [batch, k].
        rows: of each row of the batch.
        k: places of a row.
        sums: where the sums go, one row for each latent.
        totals: where the sums of factors go.
        add: whether to add to what is there.
    """
    from pellucid.dictionaries.engines.triton_kernels import sums_of_segments

    n_features, width = sums.shape
    sizes = {"k": k, "width": width, "ADD": add, "TOTAL": totals is not None, "STEP": 4}
    kinds = {"WIDE": wide(width), "SUMS": name_of(of_sums(sums.dtype))}
    arrays = (
        starts,
        places,
        factors.contiguous(),
        rows.contiguous(),
        sums,
        sums if totals is None else totals,
    )
    with on_device_of(sums):
        sums_of_segments[(n_features, -(-width // wide(width)))](*arrays, **sizes, **kinds)


def on_device_of(tensor: Tensor) -> torch.cuda.device:
    """Kernels launched within run where the tensor is."""
    return torch.cuda.device(tensor.device if tensor.is_cuda else -1)


def lanes_for(k: int) -> int:
    """Lanes of a row: enough that few more than k of them reach the k-th largest maximum."""
    return max(LEAST_LANES, power_above(8 * k)) if 8 * k <= MOST_LANES else power_above(k)


def power_above(number: int) -> int:
    """The smallest power of two that is not below the number."""
    return 1 << max(0, number - 1).bit_length()


def wide(width: int) -> int:
    """Columns of one program."""
    return min(WIDE, max(16, power_above(width)))


def of_sums(kind: torch.dtype) -> torch.dtype:
    """The type in which numbers of this type are summed."""
    return torch.float32 if kind in HALVES else kind


def name_of(kind: torch.dtype) -> object:
    """Triton's name of a type of sums."""
    import triton.language as tl

    return {torch.float32: tl.float32, torch.float64: tl.float64}[kind]
