"""The sparse step with the latents divided among processes: each holds some rows of the weights."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import torch
import torch.distributed
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.selection import Codes, first_of_top, top_indices


class Ranks(Protocol):
    """Processes that hold consecutive parts of the latents."""

    rank: int

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Each process's tensor, all of one shape, in the order of their ranks."""

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors."""


class ProcessGroup:
    """The processes of torch.distributed's default group.

    Example:
        >>> torch.distributed.init_process_group("gloo")  # as torchrun starts each process
        >>> engine = ShardedEngine(TorchEngine(), ProcessGroup())
    """

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Each process's tensor, in the order of their ranks."""
        parts = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, tensor.contiguous())
        return parts

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors."""
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total


class ShardedEngine:
    """Any engine over a part of the latents, so that all processes together do what one would do with all.

    The k best of a row are among the k best of its parts: only those scores travel, and one reconstruction.
    Codes, slopes and gradients are those of the process's own latents. The tie rule is that of the whole, as
    the parts follow each other in the order of ranks.

    Arguments:
        engine: what runs the loops.
        ranks: the processes.

    """

    def __init__(self, engine: Engine, ranks: Ranks) -> None:
        self.engine, self.ranks = engine, ranks
        self.name = f"{engine.name}, latents divided"

    def select(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """This process's codes among the k best-ranked of all latents; places of others' are unused."""
        codes = by_index(self.engine.select(inputs, encoder, bias, min(k, len(encoder)), weights))
        scores = torch.nn.functional.pad(ranked(codes, weights), (0, k - codes.values.shape[1]))
        best = top_indices(torch.cat(self.ranks.gathered(scores), 1), k) - self.ranks.rank * k
        mine = (best >= 0) & (best < codes.values.shape[1])
        kept = torch.zeros_like(codes.values).scatter_add_(1, best * mine, mine.to(codes.values))
        return dataclasses.replace(codes, values=torch.where(kept > 0, codes.values, 0))

    def above(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        thresholds: Float[Tensor, " feature"],
    ) -> Codes:
        """This process's codes above their latent's threshold."""
        return self.engine.above(inputs, encoder, bias, thresholds)

    def batch_top(
        self,
        inputs: Float[Tensor, "batch d_in"],
        encoder: Float[Tensor, "feature d_in"],
        bias: Float[Tensor, " feature"],
        k: int,
        weights: Float[Tensor, " feature"] | None = None,
    ) -> Codes:
        """This process's codes among the k * batch best-ranked of the whole batch and all latents."""
        codes = by_index(self.engine.batch_top(inputs, encoder, bias, min(k, len(encoder)), weights))
        width = codes.values.new_tensor(codes.values.shape[1])
        wide = int(torch.stack(self.ranks.gathered(width)).max())
        scores = torch.nn.functional.pad(ranked(codes, weights), (0, wide - codes.values.shape[1]))
        every = torch.cat(self.ranks.gathered(scores), 1)
        kept = torch.zeros(every.numel(), dtype=torch.bool, device=every.device)
        kept[first_of_top(every.flatten(), k * len(inputs))] = True
        first = self.ranks.rank * wide
        mine = kept.view_as(every)[:, first : first + codes.values.shape[1]]
        return dataclasses.replace(codes, values=torch.where(mine, codes.values, 0))

    def errors(
        self,
        codes: Codes,
        decoder: Float[Tensor, "feature d_out"],
        bias: Float[Tensor, " d_out"],
        target: Float[Tensor, "batch d_out"],
    ) -> tuple[Float[Tensor, "batch d_out"], Float[Tensor, "batch k"]]:
        """Error of the whole reconstruction, and W_dec[i] . e for each of this process's codes."""
        nothing, zeros = torch.zeros_like(bias), torch.zeros_like(target)
        mine, _ = self.engine.errors(codes, decoder, nothing, zeros)
        error = self.ranks.summed(mine) + bias - target
        return error, self.engine.errors(codes, decoder, nothing, mine - error)[1]

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
        """Write or add the gradients of this process's weights."""
        self.engine.accumulate(codes, slopes, inputs, error, factor, gradients, add=add)


def by_index(codes: Codes) -> Codes:
    """The same codes, those of a row in order of index and unused places last."""
    keys = torch.where(codes.values > 0, codes.indices, codes.n_features)
    order = torch.sort(keys, dim=1, stable=True).indices
    return dataclasses.replace(
        codes, indices=codes.indices.gather(1, order), values=codes.values.gather(1, order)
    )


def ranked(codes: Codes, weights: Tensor | None) -> Float[Tensor, "batch k"]:
    """What the codes are ranked by."""
    return codes.values if weights is None else codes.values * weights[codes.indices.long()]
