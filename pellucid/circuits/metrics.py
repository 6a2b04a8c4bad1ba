"""Metrics of an answer: one number a prompt from the next-token logits.

Heimersheim and Nanda, "How to use and interpret activation patching" (2024), section 4: logit differences are
linear in the residual stream under a frozen norm; probabilities saturate; ranks are for final claims; KL has
no direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """Next-token logits of a batch, with the tokens and the clean logits they are judged by."""

    logits: Float[Tensor, "batch vocab"]
    correct: Int[Tensor, "batch"]
    wrong: Int[Tensor, "batch"] | None
    clean: Float[Tensor, "batch vocab"]


def pick(values: Float[Tensor, "batch vocab"], tokens: Int[Tensor, "batch"]) -> Float[Tensor, "batch"]:
    """The value of each row's token."""
    return values.gather(1, tokens[:, None])[:, 0]


def logit_difference(reading: Reading) -> Float[Tensor, "batch"]:
    """``l_correct - l_wrong``."""
    assert reading.wrong is not None
    return pick(reading.logits, reading.correct) - pick(reading.logits, reading.wrong)


def log_probability(reading: Reading) -> Float[Tensor, "batch"]:
    """``log p(correct)`` in nats."""
    return pick(reading.logits.log_softmax(-1), reading.correct)


def probability(reading: Reading) -> Float[Tensor, "batch"]:
    """``p(correct)``."""
    return log_probability(reading).exp()


def rank(reading: Reading) -> Float[Tensor, "batch"]:
    """How many tokens have a larger logit than the correct one; 0 is best."""
    larger = reading.logits > pick(reading.logits, reading.correct)[:, None]
    return larger.sum(-1).to(reading.logits.dtype)


def kl(reading: Reading) -> Float[Tensor, "batch"]:
    """``KL(clean || patched) = sum_v p_clean (log p_clean - log p_patched)`` in nats."""
    clean, patched = reading.clean.log_softmax(-1), reading.logits.log_softmax(-1)
    return (clean.exp() * (clean - patched)).sum(-1)


METRICS: Mapping[str, Callable[[Reading], Tensor]] = MappingProxyType(
    {
        "logit_difference": logit_difference,
        "log_probability": log_probability,
        "probability": probability,
        "rank": rank,
        "kl": kl,
    }
)


def measure(reading: Reading, names: Sequence[str]) -> Float[Tensor, "metric batch"]:
    """Several metrics of one batch, in double precision so that differences keep their digits."""
    exact = Reading(reading.logits.double(), reading.correct, reading.wrong, reading.clean.double())
    return torch.stack([METRICS[name](exact) for name in names])
