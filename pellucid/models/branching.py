"""Many next tokens after one prefix, as parallel branches of one forward pass."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.models.attention import branching
from pellucid.models.model import Model


def branch_logits(
    model: Model, prefix: Int[Tensor, "batch prefix"], branches: Int[Tensor, "branch"]
) -> Float[Tensor, "batch branch vocab"]:
    """Logits after ``prefix`` followed by each branch token, as if each had been run alone.

    All branches stand at position P, and attend to the prefix and themselves only, so the prefix is computed
    once and nothing is copied. Equal to the plain forward of (prefix, token) to 1e-5.

    Example:
        >>> branch_logits(model, model.tokens("My lord"), torch.arange(10)).shape   # doctest: +SKIP
        torch.Size([1, 10, 1024])
    """
    batch, length = prefix.shape
    tokens = torch.cat([prefix, branches.expand(batch, -1)], dim=1)
    positions = torch.cat([torch.arange(length), torch.full((len(branches),), length)]).to(prefix.device)
    run = model.run(tokens, positions=positions, attention=branching(length))
    return run.output[:, length:]
