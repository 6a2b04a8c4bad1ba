"""Which loops run the sparse step, and those that numba compiles for a CPU."""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.reference import TorchEngine
from pellucid.dictionaries.engines.selection import Codes, Hits, first_of_top, joined
from pellucid.dictionaries.engines.triton_engine import HALVES, TritonEngine

TILE_BYTES = 2**21  # pre-activations of one row tile stay in the cache until they are selected from
LEAST_ROWS = 128  # a matrix product of fewer rows reads the encoder for too little work
MISSING = (
    "numba is not installed: dictionaries train with torch's own operations, several times slower. "
    "Install it with: pip install numba"
)
NO_TRITON = (
    "triton is not installed: dictionaries train on this GPU with torch's own operations, "
    "slower and in more memory. Install it with: pip install triton"
)


class Engine(Protocol):
    """The pieces of the sparse step: three ways to select, the error, and the weights' gradients."""

    name: str

    def select(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k best-ranked pre-activations of each row."""

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """Codes of all pre-activations strictly above max(threshold, 0), as wide as the fullest row."""

    def batch_top(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k * batch best-ranked positive pre-activations of the whole batch."""

    def errors(
        self,
        codes: Codes,
        decoder: Float[Tensor, "feature d_out"],
        bias: Float[Tensor, " d_out"],
        target: Float[Tensor, "batch d_out"],
    ) -> tuple[Float[Tensor, "batch d_out"], Float[Tensor, "batch k"]]:
        """Reconstruction minus target, and its product with the decoder row of each code."""

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
        """Write or add the weights' gradients."""


class CompiledEngine:
    """The same three pieces as compiled loops behind row tiles of the encoder's matrix product.

    Neither the [batch, feature] pre-activations nor dense codes are ever held: beside the gradients a step
    needs one tile, the sparse codes and the error. Each loop owns its rows or its latents, so the result
    does not depend on the number of threads.
    """

    name = "compiled"

    def select(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k best-ranked pre-activations; `weights` (above 0) multiply h for the ranking only."""
        from pellucid.dictionaries.engines.kernels import select_rows

        n, n_features = len(inputs), len(encoder)
        indices = torch.empty((n, k), dtype=torch.int32)
        values = inputs.new_empty((n, k))
        lanes = min(n_features, max(256, 8 * k))
        for start, scores in tiles(inputs, encoder, bias, weights):
            part = slice(start, start + len(scores))
            arrays = (scores.numpy(), indices[part].numpy(), values[part].numpy())
            shared(select_rows, len(scores), *arrays, lanes)
        if weights is not None:
            values /= weights[indices.long()].clamp_min(torch.finfo(values.dtype).tiny)
        return Codes(indices, values, n_features)

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """Codes of all pre-activations above their latent's threshold; a threshold below 0 acts as 0."""
        bounds = thresholds.clamp_min(0)
        hits = [listed(scores, bounds, start) for start, scores in tiles(inputs, encoder, bias)]
        return joined(hits).packed(len(inputs), len(encoder))

    def batch_top(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """Codes of the k * batch best-ranked positive pre-activations; `weights` as in `select`.

        Of the rows read so far at most about twice k * batch hits are held: whenever there are more, they are
        cut, and the least that is left bounds what later rows must exceed.
        """
        asked, bounds = k * len(inputs), torch.zeros_like(bias)
        held: list[Hits] = []
        for start, scores in tiles(inputs, encoder, bias, weights):
            held.append(listed(scores, bounds, start))
            if sum(len(hits.rows) for hits in held) > 2 * asked:
                held = [best(held, asked)]
                bounds.fill_(held[0].values.min())
        hits = best(held, asked)
        if weights is not None:
            hits = dataclasses.replace(hits, values=hits.values / weights[hits.indices.long()])
        return hits.packed(len(inputs), len(encoder))

    def errors(
        self,
        codes: Codes,
        decoder: Float[Tensor, "feature d_out"],
        bias: Float[Tensor, " d_out"],
        target: Float[Tensor, "batch d_out"],
    ) -> tuple[Float[Tensor, "batch d_out"], Float[Tensor, "batch k"]]:
        """e = reconstruction - target, and W_dec[i] . e for each code (0 where it is unused)."""
        from pellucid.dictionaries.engines.kernels import errors_of_rows

        error, slopes = torch.empty_like(target), torch.empty_like(codes.values)
        arrays = (codes.indices, codes.values, decoder, bias, target, error, slopes)
        shared(errors_of_rows, len(target), *(array.numpy() for array in arrays))
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
        from pellucid.dictionaries.engines.kernels import count_hits, gradients_of_latents, sort_hits

        indices, values = codes.indices.numpy(), codes.values.numpy()
        hits = torch.zeros(codes.n_features + 1, dtype=torch.int64)
        count_hits(indices, values, hits.numpy())
        starts = hits.cumsum(0).numpy()
        places = torch.empty(int(starts[-1]), dtype=torch.int32).numpy()
        sort_hits(indices, values, starts, places)
        arrays = [array.numpy() for array in (slopes, inputs, error)]
        buffers = [array.numpy() for array in (gradients.encoder, gradients.bias, gradients.decoder)]
        scale = arrays[0].dtype.type(factor)
        shared(gradients_of_latents, codes.n_features, starts, places, values, *arrays, scale, add, *buffers)


def tiles(
    inputs: Tensor, encoder: Tensor, bias: Tensor, weights: Tensor | None = None
) -> Iterator[tuple[int, Tensor]]:
    """First row and ranked scores of one tile after the other, in the same memory."""
    tile = inputs.new_empty((tile_rows(len(encoder), inputs.element_size()), len(encoder)))
    for start in range(0, len(inputs), len(tile)):
        rows = inputs[start : start + len(tile)]
        h = torch.addmm(bias, rows, encoder.T, out=tile[: len(rows)])
        if weights is not None:
            h *= weights
        yield start, h


def listed(scores: Tensor, bounds: Tensor, first: int) -> Hits:
    """Every score above its bound; the rows are named from `first`."""
    from pellucid.dictionaries.engines.kernels import BLOCK, count_above, list_above

    n, n_features = scores.shape
    counts = torch.empty((n, -(-n_features // BLOCK)), dtype=torch.uint8)
    arrays = (scores.numpy(), bounds.numpy(), counts.numpy())
    shared(count_above, n, *arrays)
    in_rows = counts.sum(1)
    total = int(in_rows.sum())
    rows, indices = torch.empty((2, total), dtype=torch.int32)
    values = scores.new_empty(total)
    places = (in_rows.cumsum(0) - in_rows).numpy()
    shared(list_above, n, *arrays, places, first, rows.numpy(), indices.numpy(), values.numpy())
    return Hits(rows, indices, values)


def best(parts: list[Hits], count: int) -> Hits:
    """The `count` hits with the largest values; among equals the first."""
    hits = joined(parts)
    return hits.kept(first_of_top(hits.values, count))


def tile_rows(n_features: int, bytes_each: int) -> int:
    """Rows of one tile of pre-activations, whatever the batch."""
    return max(LEAST_ROWS, TILE_BYTES // (n_features * bytes_each))


def shared(loop: Callable[..., None], n: int, *arguments: Any) -> None:
    """Run a loop over n rows or latents on as many threads as torch uses."""
    threads = min(torch.get_num_threads(), n)
    if threads == 1:
        loop(*arguments, 0, n)
        return
    ends = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(loop, *arguments, a, b) for a, b in pairwise(ends)]
        for future in done:
            future.result()


@cache
def compiler_is_there() -> bool:
    """Whether numba can be imported; warns once when it cannot."""
    found = importlib.util.find_spec("numba") is not None
    if not found:
        warnings.warn(MISSING, stacklevel=3)
    return found


@cache
def triton_is_there() -> bool:
    """Whether triton can be imported; warns once when it cannot."""
    found = importlib.util.find_spec("triton") is not None
    if not found:
        warnings.warn(NO_TRITON, stacklevel=3)
    return found


def engine_for(tensor: Tensor) -> Engine:
    """The fastest engine for this tensor: Triton's on a GPU, compiled on a CPU, else torch's own.

    Arguments:
        tensor: any tensor of the data; its device and type decide.
    """
    kind, whole = tensor.device.type, tensor.dtype in (torch.float32, torch.float64)
    if kind == "cuda" and (whole or tensor.dtype in HALVES) and triton_is_there():
        return TritonEngine()
    return CompiledEngine() if kind == "cpu" and whole and compiler_is_there() else TorchEngine()
