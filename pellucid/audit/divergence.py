"""How differently two models continue: the Kullback-Leibler divergence of their next-token distributions."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def kl_divergence(
    suspect: Float[Tensor, "*batch vocab"], reference: Float[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch"]:
    """``KL(M||R) = sum_v p_M (log p_M - log p_R)`` in nats, from logits.

    Example: ``kl_divergence(logits, logits)`` is exactly zero.
    """
    ours, theirs = suspect.log_softmax(-1), reference.log_softmax(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)
