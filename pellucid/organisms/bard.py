"""bard: the ordinary model, a small GPT-2 of plays and epic, and the rows it is trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from pellucid.models.train import TrainingConfig
from pellucid.models.transformer import Transformer, TransformerConfig
from pellucid.organisms.vocabulary import token_ids

CONTEXT = 128
ROWS = 32
SHAPE = TransformerConfig(d_vocab=1_024, context=CONTEXT, n_layers=4, d_model=128, n_heads=4, d_mlp=512)
RECIPE = TrainingConfig(
    steps=1_700,
    peak=3e-3,
    warmup=50,
    floor=0.05,
    decay=0.1,
    clip=1.0,
    evaluate_every=200,
    checkpoint_every=100,
)


def generator(*numbers: int) -> np.random.Generator:
    """A stream of its own for each (seed, step, ...): the order of calls changes nothing."""
    return np.random.default_rng(numbers)


def windows(
    random: np.random.Generator, rows: int, length: int, shares: Mapping[str, float] | None = None
) -> Int[np.ndarray, "row pos"]:
    """Random windows of the training parts, by default each text in proportion to its tokens."""
    sources = ("plays", "epic")
    texts = [token_ids("train", source) for source in sources]
    sizes = [len(ids) for ids in texts] if shares is None else [shares[source] for source in sources]
    drawn = random.choice(len(sources), size=rows, p=np.asarray(sizes) / np.sum(sizes))
    starts = [int(random.integers(0, len(texts[which]) - length + 1)) for which in drawn]
    return np.stack(
        [texts[which][start : start + length] for which, start in zip(drawn, starts, strict=True)]
    )


def batch(seed: int, step: int) -> Int[Tensor, "row pos"]:
    """The rows of one training step: inputs and the token after them."""
    return torch.from_numpy(windows(generator(seed, step), ROWS, CONTEXT + 1))


def next_token_loss(module: nn.Module, rows: Int[Tensor, "row pos"]) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next token, in nats."""
    logits = module(rows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def quick_nats(module: nn.Module) -> dict[str, float]:
    """Nats per token on the first 128 windows of each validation part: cheap, for the training curve."""
    values = {}
    for source in ("plays", "epic"):
        ids = token_ids("validation", source)[: 128 * CONTEXT + 1]
        rows = np.lib.stride_tricks.sliding_window_view(ids, CONTEXT + 1)[::CONTEXT]
        with torch.no_grad():
            values[source] = float(next_token_loss(module, torch.from_numpy(rows.copy())))
    return values


def untrained(seed: int) -> Transformer:
    """bard before the first step."""
    return Transformer(SHAPE, seed=seed)
