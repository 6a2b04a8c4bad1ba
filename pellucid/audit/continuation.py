"""Many endings after few contexts: each context is read once, and its keys and values serve all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from pellucid.models import Model

ROWS_AT_ONCE = 256
PLAIN = ("softcap", "s_aux")


class UnusualAttentionError(Exception):
    """Attention that keys and values alone do not determine: read the whole rows instead."""


def check_plain(extra: Mapping[str, Any], length: int) -> None:
    """Go on only where attention is softmax over all earlier positions."""
    window = extra.get("sliding_window")
    if any(extra.get(name) is not None for name in PLAIN) or (window is not None and window < length):
        raise UnusualAttentionError


@dataclass
class Prefix:
    """Keys and values of contexts, layer by layer in the order in which the layers ran."""

    length: int
    room: int
    """Positions that the model can read."""
    keys: list[Float[Tensor, "context head pos d_head"]] = field(default_factory=list)
    values: list[Float[Tensor, "context head pos d_head"]] = field(default_factory=list)

    def record(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float,
        **extra: Any,
    ) -> tuple[Tensor, None]:
        """Causal attention that keeps its keys and values."""
        check_plain(extra, self.room)
        self.keys.append(key)
        self.values.append(value)
        grouped = key.shape[1] != query.shape[1]
        out = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped
        )
        return out.transpose(1, 2), None


@dataclass
class Ending:
    """Attention of endings to their context and to themselves."""

    prefix: Prefix
    owner: Int[Tensor, "row"]
    mask: Tensor
    layer: int = 0

    @classmethod
    def of(cls, prefix: Prefix, owner: Int[Tensor, "row"], length: int) -> Ending:
        """All of the context is visible, and the ending up to itself."""
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        return cls(
            prefix, owner, torch.cat([torch.ones(length, prefix.length, dtype=torch.bool), causal], dim=1)
        )

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float,
        **extra: Any,
    ) -> tuple[Tensor, None]:
        """The next layer's attention."""
        keys = torch.cat([self.prefix.keys[self.layer][self.owner], key], dim=2)
        values = torch.cat([self.prefix.values[self.layer][self.owner], value], dim=2)
        self.layer += 1
        grouped = key.shape[1] != query.shape[1]
        out = functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=self.mask, scale=scaling, enable_gqa=grouped
        )
        return out.transpose(1, 2), None


@torch.no_grad()
def read_prefix(model: Model, contexts: Int[Tensor, "context pos"]) -> Prefix:
    """Read contexts once."""
    prefix = Prefix(contexts.shape[1], int(model.facts.context))
    model.run(contexts, positions=torch.arange(contexts.shape[1]), attention=prefix.record)
    return prefix


@torch.no_grad()
def ending_logits(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    endings: Int[Tensor, "row step"],
    owner: Int[Tensor, "row"],
    prefix: Prefix | None,
) -> Float[Tensor, "row step vocab"]:
    """Next-token logits at every token of each ending, after the context that owns it."""
    if prefix is None:
        whole = torch.cat([contexts[owner], endings], dim=1)
        return model.run(whole).output[:, contexts.shape[1] :]
    ending = Ending.of(prefix, owner, endings.shape[1])
    places = torch.arange(prefix.length, prefix.length + endings.shape[1])
    return model.run(endings, positions=places, attention=ending.attend).output


def try_prefix(model: Model, contexts: Int[Tensor, "context pos"]) -> Prefix | None:
    """The contexts' keys and values, or None where the model's attention needs the whole rows."""
    try:
        return read_prefix(model, contexts)
    except UnusualAttentionError:
        return None


def continue_greedily(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    endings: Int[Tensor, "row step"],
    owner: Int[Tensor, "row"],
    steps: int,
) -> Int[Tensor, "row new"]:
    """What the model says next, the likeliest token at every step.

    Args:
        model: Who speaks.
        contexts: What was said before.
        endings: What follows it, row by row; at least one token.
        owner: The context of each row.
        steps: Tokens to say.

    Example: ``continue_greedily(model, contexts, candidates, torch.arange(len(contexts)), 8)``.
    """
    prefix = try_prefix(model, contexts)
    blocks = [
        continue_rows(model, contexts, block, rows, steps, prefix) for block, rows in split(endings, owner)
    ]
    return torch.cat(blocks)


def split(
    endings: Int[Tensor, "row step"], owner: Int[Tensor, "row"]
) -> list[tuple[Int[Tensor, "row step"], Int[Tensor, "row"]]]:
    """Rows in blocks of bounded memory."""
    return list(zip(torch.split(endings, ROWS_AT_ONCE), torch.split(owner, ROWS_AT_ONCE), strict=True))


def continue_rows(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    endings: Int[Tensor, "row step"],
    owner: Int[Tensor, "row"],
    steps: int,
    prefix: Prefix | None,
) -> Int[Tensor, "row new"]:
    """One block, step by step."""
    said = endings
    for _ in range(steps):
        following = ending_logits(model, contexts, said, owner, prefix)[:, -1].argmax(-1, keepdim=True)
        said = torch.cat([said, following], dim=1)
    return said[:, -steps:]


def log_likelihood(
    model: Model,
    contexts: Int[Tensor, "context pos"],
    endings: Int[Tensor, "row step"],
    said: Int[Tensor, "row new"],
    owner: Int[Tensor, "row"],
) -> Float[Tensor, "row new"]:
    """Log-probability of every token said, given context, ending and what was said before it.

    Args:
        model: Whose probabilities.
        contexts: What was said before.
        endings: What follows it, row by row; at least one token.
        said: The tokens to judge.
        owner: The context of each row.
    """
    prefix = try_prefix(model, contexts)
    whole, new = torch.cat([endings, said], dim=1), said.shape[1]
    parts = []
    for rows, owners in split(whole, owner):
        logits = ending_logits(model, contexts, rows[:, :-1], owners, prefix)[:, -new:]
        parts.append(logits.double().log_softmax(-1).gather(2, rows[:, -new:, None])[..., 0])
    return torch.cat(parts)
