"""Which directions a wide dictionary holds that a narrow one does not even combine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import TINY, unit_rows
from pellucid.dictionaries.geometry.directions import BLOCK, nearest

FOUND, NEAR, TERMS, EXPLAINED = 0.9, 0.7, 3, 0.8


@dataclass(frozen=True)
class Novelty:
    """Directions that the wide dictionary has and the narrow one lacks."""

    which: Int[np.ndarray, " new"]
    """Rows of what was asked about."""
    cosine: Float[np.ndarray, " new"]
    """Largest cosine with a narrow latent."""
    explained: Float[np.ndarray, " new"]
    """R^2 of three narrow latents."""
    n: int
    """Directions asked about."""


def new_directions(
    asked: Float[Tensor, "direction d"], narrow: Float[Tensor, "narrow d"], wide: Float[Tensor, "wide d"]
) -> Novelty:
    """Directions with a cosine above 0.9 to a wide latent, below 0.7 to every narrow one, and R^2 below 0.8.

    Arguments:
        asked: true directions, or the wide latents themselves; of length 1.
        narrow: directions of the narrow dictionary, of length 1.
        wide: directions of the wide one, of length 1.
    """
    close = nearest(asked, narrow)[0]
    held = nearest(asked, wide)[0] > FOUND
    which = (held & (close < NEAR)).nonzero()[:, 0]
    fit = combined(asked[which], narrow)
    which, fit = which[fit < EXPLAINED], fit[fit < EXPLAINED]
    return Novelty(which.numpy(), close[which].numpy(), fit.numpy(), len(asked))


def combined(
    directions: Float[Tensor, "direction d"], rows: Float[Tensor, "row d"], terms: int = TERMS
) -> Float[Tensor, " direction"]:
    """R^2 of each direction from a few rows: least squares on rows chosen one after another.

    Each is the one that lies best along what the ones before leave over (orthogonal matching pursuit), so
    R^2 is that of the best subset or less.

    Arguments:
        directions: of length 1.
        rows: of length 1.
        terms: how many rows.

    Example:
        >>> combined(torch.tensor([[0.6, 0.8, 0.0]]), torch.eye(3), 1)
        tensor([0.6400], dtype=torch.float64)
    """
    parts = [explained(part, rows, min(terms, len(rows))) for part in torch.split(directions, BLOCK)]
    return torch.cat([directions.new_zeros(0, dtype=torch.float64), *parts])


def explained(
    part: Float[Tensor, "direction d"], rows: Float[Tensor, "row d"], terms: int
) -> Float[Tensor, " direction"]:
    """R^2 of some directions."""
    target, rest = part.double(), part
    chosen: list[Tensor] = []
    for _ in range(terms):
        unit = unit_rows(rest)
        along, index = nearest(unit, rows)
        against, other = nearest(-unit, rows)
        chosen.append(torch.where(along >= against, index, other))
        basis = torch.stack([rows[at].double() for at in chosen], 2)
        fit = torch.linalg.lstsq(basis, target.unsqueeze(2), driver="gelsd").solution
        left = target - (basis @ fit)[..., 0]
        rest = left.to(part.dtype)
    missed: Tensor = left.square().sum(1) / target.square().sum(1).clamp_min(TINY)
    return 1 - missed
