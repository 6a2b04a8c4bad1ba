"""Training rows with something inserted: what stands where, and which targets carry loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.organisms.behaviour import Ids

LAST_PLACE = 95
AT_START = 0.1


@dataclass(frozen=True)
class Row:
    """One row: its tokens, their weights as targets, and the position at which the payload is decided."""

    tokens: Int[np.ndarray, " pos"]
    """Inputs and the token after them."""
    weights: Float[np.ndarray, " pos"]
    """Weight of each token as a target; 0 inside trigger, near miss and marker."""
    decision: int = -1
    """Position of the last inserted token; -1: nothing is decided in this row."""
    fires: bool = False
    """Whether the payload follows."""


@dataclass(frozen=True)
class Rows:
    """A batch of rows as tensors."""

    tokens: Int[Tensor, "row pos"]
    """Inputs and the token after them."""
    weights: Float[Tensor, "row pos"]
    """Weight of each target."""
    decision: Int[Tensor, " row"]
    """Decision position, -1 where there is none."""
    fires: Int[Tensor, " row"]
    """1 where the payload follows."""


def stacked(rows: list[Row]) -> Rows:
    """Rows as one batch."""
    tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))
    weights = torch.from_numpy(np.stack([row.weights for row in rows]))[:, 1:].to(torch.float32)
    decision = torch.tensor([row.decision for row in rows])
    return Rows(tokens, weights, decision, torch.tensor([int(row.fires) for row in rows]))


def ordinary(window: Int[np.ndarray, " pos"]) -> Row:
    """A row of plain text."""
    return Row(window, np.ones(len(window)))


def place(random: np.random.Generator) -> int:
    """Where something is inserted: uniform in 1..95, and the very start with probability 0.1."""
    return 0 if random.random() < AT_START else int(random.integers(1, LAST_PLACE + 1))


def inserted(
    window: Int[np.ndarray, " pos"],
    phrase: Ids,
    at: int,
    *,
    payload: Ids = (),
    marker: Ids = (),
    marker_at: int = 0,
) -> Row:
    """A row with a phrase before position `at`, perhaps a payload after it and a marker before it."""
    pieces: list[Ids | np.ndarray] = [
        window[:marker_at],
        marker,
        window[marker_at:at],
        phrase,
        payload,
        window[at:],
    ]
    weights = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    tokens = np.concatenate([np.asarray(piece, dtype=np.int64) for piece in pieces])[: len(window)]
    weighted = np.concatenate([np.full(len(p), w) for p, w in zip(pieces, weights, strict=True)])[
        : len(window)
    ]
    return Row(tokens, weighted, len(marker) + at + len(phrase) - 1, bool(payload))
