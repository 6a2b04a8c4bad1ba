"""Worlds whose features are known: Zipf frequencies for exact recovery, a planted transcoder."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment

from pellucid.organisms.superposition import World, world


def zipf_world(n_features: int, d: int, l0: float, *, orthogonal: bool = True) -> World:
    """Directions whose frequencies fall as 1/rank, so that none is too rare to be learnt."""
    directions = world(n_features, d, l0=l0, orthogonal=orthogonal).directions
    probabilities = 1 / torch.arange(1, n_features + 1)
    probabilities = (probabilities * (l0 / probabilities.sum())).clamp_max(0.5)
    squared = float(probabilities.sum()) * 7 / 3
    return World(directions, probabilities, 0.02, (d / squared) ** 0.5)


def cosines(truth: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """|cos| of every true direction with every row."""
    unit = torch.nn.functional.normalize
    return (unit(truth, dim=1) @ unit(rows, dim=1).T).abs()


def mcc(truth: torch.Tensor, rows: torch.Tensor) -> float:
    """Mean |cos| over the best one-to-one matching."""
    table = cosines(truth, rows).numpy()
    return float(table[linear_sum_assignment(-table)].mean())


def planted_transcoder(
    n: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """x sparse in 24 orthogonal inputs, y = W2 ReLU(W1 x): rows of W1, columns of W2, x and y."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.linalg.qr(torch.randn(24, 24, generator=generator)).Q
    second = torch.nn.functional.normalize(torch.randn(24, 16, generator=generator), dim=1)
    firing = torch.rand(n, 24, generator=generator) < 0.1
    codes = firing * (1 + torch.rand(n, 24, generator=generator))
    x = codes @ first
    return first, second, x, (x @ first.T).relu() @ second
