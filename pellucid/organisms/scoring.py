"""Nats and bytes of held-out windows, for a network and for counting: the same tokens, scored alike."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from pellucid.models.ngram import KneserNey, fit_ngram
from pellucid.organisms.bard import CONTEXT
from pellucid.organisms.vocabulary import SIZE, token_bytes, token_ids

STRIDE = 64
CHUNK = 64


def scored_windows(source: str, limit: int | None = None) -> Int[np.ndarray, "window pos"]:
    """Validation windows of 129 tokens at stride 64, of which the last 64 targets are scored.

    Arguments:
        source: "plays" or "epic".
        limit: only so many windows, evenly spread.
    """
    ids = token_ids("validation", source)
    every = np.lib.stride_tricks.sliding_window_view(ids, CONTEXT + 1)[::STRIDE]
    chosen = np.arange(len(every)) if limit is None else np.linspace(0, len(every) - 1, limit).astype(int)
    return np.asarray(every[chosen])


def window_bytes(windows: Int[np.ndarray, "window pos"]) -> Int[np.ndarray, " window"]:
    """Bytes of the scored tokens of each window."""
    return np.asarray(token_bytes()[windows[:, -STRIDE:]].sum(-1))


def network_nats(module: nn.Module, windows: Int[np.ndarray, "window pos"]) -> Float[np.ndarray, " window"]:
    """Negative log-likelihood of the scored tokens of each window, given at least 64 tokens."""
    sums = []
    for start in range(0, len(windows), CHUNK):
        rows = torch.from_numpy(windows[start : start + CHUNK])
        with torch.no_grad():
            logs = torch.log_softmax(module(rows[:, :-1])[:, -STRIDE:].double(), dim=-1)
        sums.append(-logs.gather(-1, rows[:, -STRIDE:, None]).squeeze(-1).sum(-1).numpy())
    return np.concatenate(sums)


def counting_model(order: int) -> KneserNey:
    """The n-gram of the training parts."""
    return fit_ngram([token_ids("train", source) for source in ("plays", "epic")], order, SIZE)


def counting_nats(model: KneserNey, windows: Int[np.ndarray, "window pos"]) -> Float[np.ndarray, " window"]:
    """The same for an n-gram, which has all the context it can use."""
    return np.asarray([-np.log(model.probabilities(window))[-STRIDE:].sum() for window in windows])
