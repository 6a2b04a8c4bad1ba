"""Top-k selection with one tie rule: the larger value first, then the smaller index."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Codes:
    """Sparse codes of some rows; a place with value 0 is unused."""

    indices: Int[Tensor, "batch k"]
    """Which latents."""
    values: Float[Tensor, "batch k"]
    """How active, never negative."""
    n_features: int
    """Latents of the dictionary."""

    def dense(self) -> Float[Tensor, "batch feature"]:
        """All codes, zeros included."""
        full = self.values.new_zeros(len(self.values), self.n_features)
        return full.scatter_add_(1, self.indices.long(), self.values)

    def fires(self) -> Int[Tensor, " feature"]:
        """How often each latent is active."""
        return torch.bincount(self.indices[self.values > 0].long(), minlength=self.n_features)


def top_indices(scores: Float[Tensor, "batch feature"], k: int) -> Int[Tensor, "batch k"]:
    """Indices of the k largest scores of each row, best first; equal scores by smaller index.

    `torch.topk` promises no order among equals, so only its k-th value is used.

    Arguments:
        scores: what is ranked.
        k: how many, at most the number of features.

    Example:
        >>> top_indices(torch.tensor([[1.0, 2.0, 2.0, 1.0]]), 3).tolist()
        [[1, 2, 0]]
    """
    least = torch.topk(scores, k, dim=1, sorted=True).values[:, -1:]
    above, equal = scores > least, scores == least
    room = k - above.sum(1, keepdim=True)
    kept = above | (equal & (equal.cumsum(1) <= room))
    indices = kept.nonzero()[:, 1].reshape(len(scores), k)  # in order of index
    order = torch.sort(scores.gather(1, indices), dim=1, descending=True, stable=True).indices
    return indices.gather(1, order)
