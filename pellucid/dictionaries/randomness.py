"""Random numbers by purpose: equal seeds elsewhere, even in the data, draw other numbers."""

from __future__ import annotations

import hashlib

import torch


def stream(purpose: str, seed: int) -> torch.Generator:
    """A generator for one purpose.

    With a plain `manual_seed(0)` here and in the maker of a toy world, the first weights would be the world's
    own directions, and recovering them no feat.

    Arguments:
        purpose: what is drawn.
        seed: any whole number.
    """
    digest = hashlib.sha256(f"pellucid.dictionaries {purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
