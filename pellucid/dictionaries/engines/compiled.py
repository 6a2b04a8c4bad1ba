"""Which loops run the sparse step, and those that numba compiles for a CPU."""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.reference import TorchEngine
from pellucid.dictionaries.engines.rounded import Rounded, pays, rounded
from pellucid.dictionaries.engines.selection import Codes, Hits, first_of_top, joined
from pellucid.dictionaries.engines.triton_engine import HALVES, TritonEngine

TILE_BYTES = 2**21  # pre-activations of one row tile stay in the cache until they are selected from
MORE, LESS = 5, 4  # a suggested bound is to be exceeded by so many times the number that is asked for
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
        indices = torch.empty((len(inputs), k), dtype=torch.int32)
        values = inputs.new_empty((len(inputs), k))
        if pays(inputs, encoder):
            select_rounded(rounded(inputs, encoder, bias, weights), indices, values)
        else:
            select_exact(tiles(inputs, encoder, bias, weights), indices, values)
        if weights is not None:
            values /= weights[indices.long()].clamp_min(torch.finfo(values.dtype).tiny)
        return Codes(indices, values, len(encoder))

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """Codes of all pre-activations above their latent's threshold; a threshold below 0 acts as 0."""
        bounds = thresholds.clamp_min(0)
        hits = [find(bounds) for find in finders(inputs, encoder, bias)]
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

        All rows are read for what exceeds a bound that some of them suggest. Only if too little does, they
        are read again for whatever is positive.
        """
        asked = k * len(inputs)
        bounds = torch.full_like(bias, suggested(inputs, encoder, bias, asked, weights))
        hits = best_of_all(finders(inputs, encoder, bias, weights), bounds, asked)
        if len(hits.rows) < asked and bool(bounds.any()):
            hits = best_of_all(finders(inputs, encoder, bias, weights), torch.zeros_like(bias), asked)
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


def select_exact(parts: Iterator[tuple[int, Tensor]], indices: Tensor, values: Tensor) -> None:
    """Write the k best of each row of exact scores."""
    from pellucid.dictionaries.engines.kernels import select_rows

    k = indices.shape[1]
    for start, scores in parts:
        part, lanes = slice(start, start + len(scores)), min(scores.shape[1], max(256, 8 * k))
        arrays = (scores.numpy(), indices[part].numpy(), values[part].numpy())
        shared(select_rows, len(scores), *arrays, lanes)


def select_rounded(search: Rounded, indices: Tensor, values: Tensor) -> None:
    """Write the k best of each row, searched for among rounded scores."""
    from pellucid.dictionaries.engines.rounded_kernels import select_near

    inputs, *weights = (array.numpy() for array in search.exact())
    k = indices.shape[1]
    for start, tile in search.tiles():
        part, lanes = slice(start, start + len(tile)), min(tile.shape[1], max(256, 8 * k))
        bits, slacks = tile.view(torch.int16).numpy(), search.slacks[part].numpy()
        into = (indices[part].numpy(), values[part].numpy())
        shared(select_near, len(tile), bits, slacks, inputs[part], *weights, lanes, *into)


def finders(
    inputs: Tensor, encoder: Tensor, bias: Tensor, weights: Tensor | None = None
) -> Iterator[Callable[[Tensor], Hits]]:
    """For one tile after the other: what lists its scores above given bounds, before the next is made."""
    if pays(inputs, encoder):
        search = rounded(inputs, encoder, bias, weights)
        for start, tile in search.tiles():
            yield partial(listed_near, search, tile, first=start)
    else:
        for start, scores in tiles(inputs, encoder, bias, weights):
            yield partial(listed, scores, first=start)


def listed(scores: Tensor, bounds: Tensor, first: int) -> Hits:
    """Every score above its bound; the rows are named from `first`."""
    from pellucid.dictionaries.engines.kernels import count_above, list_above

    arrays = (scores.numpy(), bounds.numpy())
    counts, places, total = counted(count_above, scores.shape, *arrays)
    rows, indices = torch.empty((2, total), dtype=torch.int32)
    values = scores.new_empty(total)
    into = (rows.numpy(), indices.numpy(), values.numpy())
    shared(list_above, len(scores), *arrays, counts, places, first, *into)
    return Hits(rows, indices, values)


def listed_near(search: Rounded, tile: Tensor, bounds: Tensor, first: int) -> Hits:
    """Every exact score above its bound, of the latents whose rounded score may be."""
    from pellucid.dictionaries.engines.rounded_kernels import count_near, list_counted, score_hits

    slacks = search.slacks[first : first + len(tile)]
    arrays = (tile.view(torch.uint16).numpy(), slacks.numpy(), bounds.numpy())
    counts, places, total = counted(count_near, tile.shape, *arrays)
    rows, indices = torch.empty((2, total), dtype=torch.int32)
    shared(list_counted, len(tile), *arrays, counts, places, first, rows.numpy(), indices.numpy())
    scores = bounds.new_empty(total)
    exact = (array.numpy() for array in (rows, indices, *search.exact(), scores))
    shared(score_hits, total, *exact)
    return Hits(rows, indices, scores).kept((scores > bounds[indices.long()]).nonzero().flatten())


def counted(loop: Callable[..., None], shape: Sequence[int], *arrays: Any) -> tuple[Any, Any, int]:
    """How many hits each block of each row has, where those of each row begin, and how many there are."""
    from pellucid.dictionaries.engines.kernels import BLOCK

    counts = torch.empty((shape[0], -(-shape[1] // BLOCK)), dtype=torch.uint8)
    shared(loop, shape[0], *arrays, counts.numpy())
    in_rows = counts.sum(1)
    return counts.numpy(), (in_rows.cumsum(0) - in_rows).numpy(), int(in_rows.sum())


def suggested(inputs: Tensor, encoder: Tensor, bias: Tensor, asked: int, weights: Tensor | None) -> float:
    """A bound that somewhat more than the asked number of scores should exceed, going by some of the rows."""
    some = inputs[:: max(1, len(inputs) // LEAST_ROWS)].contiguous()
    if len(some) == len(inputs):
        return 0.0
    h = torch.addmm(bias, some, encoder.T)
    scores = (h if weights is None else h.mul_(weights)).flatten()
    count = min(len(scores), MORE * asked * len(some) // (LESS * len(inputs)))
    return max(0.0, float(torch.topk(scores, count, sorted=False).values.min())) if count else 0.0


def best_of_all(parts: Iterator[Callable[[Tensor], Hits]], bounds: Tensor, asked: int) -> Hits:
    """The `asked` largest scores above the bounds, all if they are fewer.

    At most about twice as many are held of the rows read so far: whenever there are more, they are cut, and
    the least that is left bounds what later rows must exceed.
    """
    held: list[Hits] = []
    for find in parts:
        held.append(find(bounds))
        if sum(len(hits.rows) for hits in held) > 2 * asked:
            held = [best(held, asked)]
            bounds = torch.full_like(bounds, float(held[0].values.min()))
    return best(held, asked)


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
    if threads <= 1:
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
