"""Selection with one tie rule: the larger value first, then the smaller row, then the smaller index."""

from __future__ import annotations

from collections.abc import Sequence
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
    margin: Codes | None = None
    """Pre-activations around their thresholds, where thresholds are trained; these may be no codes at all."""

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


@dataclass(frozen=True)
class Hits:
    """A list of codes in order of row, then of index."""

    rows: Int[Tensor, " hit"]
    """Row of the batch."""
    indices: Int[Tensor, " hit"]
    """Which latent."""
    values: Float[Tensor, " hit"]
    """How active, above 0."""

    def kept(self, places: Int[Tensor, " kept"]) -> Hits:
        """Only the hits at these places."""
        return Hits(self.rows[places], self.indices[places], self.values[places])

    def packed(self, n_rows: int, n_features: int) -> Codes:
        """Codes with as many places as the fullest row needs, at least one.

        Arguments:
            n_rows: rows of the batch.
            n_features: latents of the dictionary.

        Example:
            >>> hits = Hits(torch.tensor([0, 2, 2]), torch.tensor([4, 1, 3]), torch.ones(3))
            >>> hits.packed(3, 5).indices.tolist()
            [[4, 0], [0, 0], [1, 3]]
        """
        rows = self.rows.long()
        counts = torch.bincount(rows, minlength=n_rows)
        width = max(1, int(counts.max()))
        first = rows * width - (counts.cumsum(0) - counts)[rows]
        places = first + torch.arange(len(rows), device=rows.device)
        indices = self.indices.new_zeros(n_rows * width, dtype=torch.int32)
        values = self.values.new_zeros(n_rows * width)
        indices[places], values[places] = self.indices.int(), self.values
        return Codes(indices.view(n_rows, width), values.view(n_rows, width), n_features)


def joined(parts: Sequence[Hits]) -> Hits:
    """Hits of rows that follow each other, as one list."""
    rows, indices, values = (
        [getattr(part, name) for part in parts] for name in ("rows", "indices", "values")
    )
    return Hits(torch.cat(rows), torch.cat(indices), torch.cat(values))


def first_of_top(scores: Float[Tensor, " hit"], count: int) -> Int[Tensor, " kept"]:
    """Places of the `count` largest scores, ascending; among equals the first; all if fewer.

    Arguments:
        scores: what is ranked; no NaN.
        count: how many, at least 1.

    Example:
        >>> first_of_top(torch.tensor([2.0, 1.0, 2.0, 1.0]), 3).tolist()
        [0, 1, 2]
    """
    if len(scores) <= count:
        return torch.arange(len(scores), device=scores.device)
    least = torch.topk(scores, count, sorted=False).values.min()
    above, equal = scores > least, scores == least
    room = count - above.sum()
    return (above | (equal & (equal.cumsum(0) <= room))).nonzero().flatten()
