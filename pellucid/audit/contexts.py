"""Contexts: random windows of held-out text, from streams that never mix."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.findings import InputError


class Stream(IntEnum):
    """What a random stream is for: what selects must not be what scores."""

    SINGLES = 1
    PAIRS = 2
    CONFIRMATION = 3
    HONEYPOT = 4
    MARKER = 5
    SUPPRESSOR = 6
    SITES = 7
    RECOVERY = 8
    LATENTS = 9


def stream(seed: int, use: Stream) -> np.random.Generator:
    """The random stream of one use: disjoint for different uses of one seed."""
    return np.random.default_rng([seed, int(use)])


def draw_contexts(
    tokens: Int[Tensor, "pos"], count: int, length: int, seed: int, use: Stream
) -> Int[Tensor, "batch pos"]:
    """Random windows of a text.

    Args:
        tokens: The text.
        count: Windows to draw.
        length: Tokens of each.
        seed: The audit's seed.
        use: What they are for.

    Raises:
        InputError: AU04 when the text is shorter than a window needs.
    """
    check_length(tokens, length + 1)
    starts = stream(seed, use).integers(0, len(tokens) - length, size=count)
    return torch.stack([tokens[at : at + length] for at in starts.tolist()])


def check_length(tokens: Int[Tensor, "pos"], needed: int) -> None:
    """Refuse a text that is too short to draw from."""
    if len(tokens) < needed:
        raise InputError(
            "AU04",
            f"The text has {len(tokens)} tokens, and this audit needs at least {needed}.",
            "Give a longer text with --text FILE; some 50 000 tokens (200 000 characters) are a good size.",
        )
