"""Many next tokens after one prefix, as parallel branches of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.findings import InputError
from pellucid.models.attention import branching
from pellucid.models.model import Model


def branch_logits(
    model: Model, prefix: Int[Tensor, "batch prefix"], branches: Int[Tensor, "branch"]
) -> Float[Tensor, "batch branch vocab"]:
    """Logits after ``prefix`` followed by each branch token, as if each had been run alone.

    All branches stand at position P and attend to the prefix and themselves only: for a branch with query q,
    key k and value v, a = softmax([q K_prefix, q k] scaling) and z = a[:P] V_prefix + a[P] v. The prefix is
    computed once, nothing is copied, and no mask between branches is made. Equal to the plain forward of
    (prefix, token) to 1e-5.

    Arguments:
        model: a transformer.
        prefix: one prefix for each row, one token at least.
        branches: the next tokens to try, the same after every prefix.

    Raises:
        InputError: MD29, a module that is no transformer, or an empty prefix; MD21, attention sinks; MD36, no
            room for one more token after the prefix.

    Example:
        >>> from pellucid.models import Transformer, TransformerConfig
        >>> shape = TransformerConfig(d_vocab=8, context=4, n_layers=1, d_model=4, n_heads=2, d_mlp=8)
        >>> branch_logits(Model(Transformer(shape)), torch.tensor([[1, 2]]), torch.arange(8)).shape
        torch.Size([1, 8, 8])
    """
    batch, length = prefix.shape
    if not model.family_table.attention or not length:
        problem = f"{model.id} cannot branch after {length} tokens of family {model.family!r}."
        raise InputError("MD29", problem, "Give a transformer and prefixes of one token at least.")
    tokens = torch.cat([prefix, branches.to(prefix.device).expand(batch, -1)], dim=1)
    positions = torch.full((tokens.shape[1],), length, device=model.device)
    positions[:length] = torch.arange(length, device=model.device)
    run = model.run(tokens, positions=positions, attention=branching(length))
    return run.output[:, length:]


def each_branch(
    model: Model,
    prefix: Int[Tensor, "batch prefix"],
    branches: Int[Tensor, "branch"],
    *,
    rows: int = 2,
    at_once: int = 1024,
) -> Iterator[tuple[slice, slice, Float[Tensor, "rows branch vocab"]]]:
    """`branch_logits` in pieces that stay in the processor's cache: (rows, branches, their logits)."""
    for row in range(0, len(prefix), rows):
        for branch in range(0, len(branches), at_once):
            some, these = slice(row, row + rows), slice(branch, branch + at_once)
            yield some, these, branch_logits(model, prefix[some], branches[these])
