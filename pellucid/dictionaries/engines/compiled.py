"""Which loops run the sparse step: compiled ones on a CPU where numba is there, else torch's own."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.reference import TorchEngine
from pellucid.dictionaries.engines.selection import Codes

TILE_BYTES = 2**21  # pre-activations of one row tile stay in the cache until they are selected from
LEAST_ROWS = 128  # a matrix product of fewer rows reads the encoder for too little work
MISSING = (
    "numba is not installed: dictionaries train with torch's own operations, several times slower. "
    "Install it with: pip install numba"
)


class Engine(Protocol):
    """The three pieces of the sparse step."""

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
        tile = inputs.new_empty((tile_rows(n_features, inputs.element_size()), n_features))
        lanes = min(n_features, max(256, 8 * k))
        for start in range(0, n, len(tile)):
            rows = inputs[start : start + len(tile)]
            h = torch.addmm(bias, rows, encoder.T, out=tile[: len(rows)])
            if weights is not None:
                h *= weights
            part = slice(start, start + len(rows))
            shared(select_rows, len(rows), h.numpy(), indices[part].numpy(), values[part].numpy(), lanes)
        if weights is not None:
            values /= weights[indices.long()].clamp_min(torch.finfo(values.dtype).tiny)
        return Codes(indices, values, n_features)

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


def engine_for(tensor: Tensor) -> Engine:
    """The fastest engine for this tensor: compiled on a CPU, torch elsewhere and without numba.

    Arguments:
        tensor: any tensor of the data; its device decides.
    """
    plain = tensor.device.type != "cpu" or tensor.dtype not in (torch.float32, torch.float64)
    return TorchEngine() if plain or not compiler_is_there() else CompiledEngine()
