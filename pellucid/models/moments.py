"""Statistics of activations, kept while they are written: float64, merged shard by shard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Mean, spread and range of the rows of one site.

    Two sets of rows merge by Chan, Golub and LeVeque 1979, eq. 2.1, which subtracts no large numbers from
    each other: M = M_a + M_b + |mean_a - mean_b|^2 n_a n_b / n.
    """

    rows: int
    """Number of rows."""
    mean: Float[Tensor, "width"]
    """Mean row, float64."""
    scatter: float
    """Sum over the rows of the squared distance from the mean."""
    norm: float
    """Mean length of a row."""
    squared_norm: float
    """Mean squared length of a row."""
    lowest: float
    """Smallest entry."""
    highest: float
    """Largest entry."""

    @property
    def variance(self) -> float:
        """Mean squared distance of a row from the mean row: what a dictionary has to explain."""
        return self.scatter / self.rows

    def to_json(self) -> dict[str, Any]:
        """Plain values; floats keep all their digits."""
        return {**vars(self), "mean": self.mean.tolist()}


def moments_of(values: Float[Tensor, "row width"]) -> Moments:
    """The statistics of some rows.

    Example:
        >>> moments_of(torch.tensor([[0.0, 3.0], [0.0, 5.0]])).variance
        1.0
    """
    exact = values.double()
    mean, squares = exact.mean(0), exact.square().sum(1)
    return Moments(
        len(values),
        mean,
        float((exact - mean).square().sum()),
        float(squares.sqrt().mean()),
        float(squares.mean()),
        float(exact.min()),
        float(exact.max()),
    )


def merged(first: Moments | None, second: Moments) -> Moments:
    """The statistics of both sets of rows together."""
    if first is None:
        return second
    rows = first.rows + second.rows
    share = second.rows / rows
    gap = second.mean - first.mean
    between = float(gap.square().sum()) * first.rows * share
    return Moments(
        rows,
        first.mean + gap * share,
        math.fsum((first.scatter, second.scatter, between)),
        first.norm + (second.norm - first.norm) * share,
        first.squared_norm + (second.squared_norm - first.squared_norm) * share,
        min(first.lowest, second.lowest),
        max(first.highest, second.highest),
    )


def moments_from_json(content: Mapping[str, Any]) -> Moments:
    """Read back what `Moments.to_json` wrote."""
    return Moments(**{**content, "mean": torch.tensor(content["mean"], dtype=torch.float64)})
