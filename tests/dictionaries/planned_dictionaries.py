"""Dictionaries whose directions and firing are planned apart: inputs say which events happen."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pellucid.dictionaries import Convention, TopK


def planned(directions: torch.Tensor, events: Sequence[Sequence[int]], n_events: int) -> TopK:
    """Latent i has the given direction and fires where any of its events happens."""
    n, width = directions.shape
    made = TopK(n_events, n, n, d_out=width, convention=Convention(subtract="none"))
    with torch.no_grad():
        made.W_dec.copy_(directions)
        made.W_enc.zero_()
        made.b_enc.fill_(-0.5)
        for latent, own in enumerate(events):
            made.W_enc[latent, list(own)] = 1.0
    return made


def pointing(directions: torch.Tensor) -> TopK:
    """A dictionary with the given decoder rows."""
    return planned(directions, [[]] * len(directions), 1)


def directions(n: int, width: int, seed: int = 0) -> torch.Tensor:
    """Independent directions, uniform on the sphere."""
    drawn = torch.randn((n, width), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def combination(width: int, **weights: float) -> torch.Tensor:
    """A sum of axes, as ``combination(16, e0=0.8, e8=0.6)``."""
    made = torch.zeros(width)
    for axis, weight in weights.items():
        made[int(axis[1:])] = weight
    return made
