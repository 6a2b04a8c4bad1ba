"""Dictionaries whose faults are planted: exact codes, absorption, splits, duplicates."""

from __future__ import annotations

import torch

from pellucid.dictionaries import Convention, TopK
from pellucid.organisms.hierarchy import Hierarchy, hierarchy


def tree(n: int = 6, children: int = 2, seed: int = 0) -> Hierarchy:
    """An orthogonal hierarchy without noise, in as many dimensions as it has features."""
    width = n * (1 + children)
    return hierarchy(n, children, width, l0=n / 4, noise=0.0, seed=seed, orthogonal=True)


def reading(directions: torch.Tensor) -> torch.Tensor:
    """Encoder rows that read each coefficient exactly: rows of the pseudo-inverse."""
    return torch.linalg.pinv(directions.double()).T.float()


def made_of(encoder: torch.Tensor, decoder: torch.Tensor, bias: float = -1e-3) -> TopK:
    """A dictionary of given weights; the bias keeps rounding from firing."""
    made = TopK(encoder.shape[1], len(encoder), len(encoder), convention=Convention(subtract="none"))
    with torch.no_grad():
        made.W_enc.copy_(encoder)
        made.W_dec.copy_(decoder)
        made.b_enc.fill_(bias)
    return made


def exact(world: Hierarchy) -> TopK:
    """The truth itself."""
    return made_of(reading(world.directions), world.directions)


def absorbing(world: Hierarchy) -> TopK:
    """Each parent's latent is silent where a child is on; the child's latent holds the parent too."""
    encoder, decoder = reading(world.directions), world.directions.clone()
    for child in (world.parents >= 0).nonzero()[:, 0].tolist():
        parent = int(world.parents[child])
        encoder[parent] -= 100 * reading(world.directions)[child]
        decoder[child] = world.directions[child] + world.directions[parent]
    return made_of(encoder, torch.nn.functional.normalize(decoder, dim=1))
