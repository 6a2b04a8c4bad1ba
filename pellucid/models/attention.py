"""The one attention function: fused unless a run asks for scores or pattern, or brings its own.

transformers looks the function up by name, so opened models keep their own code; which run is active is
kept in a context variable, so two threads never see each other's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.findings import InputError

AttentionFunction = Callable[..., tuple[Tensor, Tensor | None]]
Visit = Callable[[nn.Module, str, Tensor], Tensor]

ACTIVE: ContextVar[AttentionFunction | None] = ContextVar("pellucid_attention", default=None)


def explicit(visit: Visit) -> AttentionFunction:
    """Attention step by step, showing scores and pattern to ``visit``, which may change them."""

    def _attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float | None = None,
        **extra: Any,
    ) -> tuple[Tensor, Tensor | None]:
        key, value = repeated(key, query.shape[1]), repeated(value, query.shape[1])
        scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        scores = capped(scores, extra.get("softcap"))
        scores = visit(module, "scores", masked(scores, mask, extra.get("sliding_window")))
        pattern = visit(module, "pattern", normalised(scores, extra.get("s_aux")))
        return (pattern.to(value.dtype) @ value).transpose(1, 2), pattern

    return _attend


def repeated(x: Tensor, heads: int) -> Tensor:
    """Grouped keys or values, one for each query head."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], dim=1)


def masked(scores: Tensor, mask: Tensor | None, window: int | None) -> Tensor:
    """Scores with minus infinity where a query may not look; no mask means causal (within the window)."""
    if mask is None:
        queries, keys = scores.shape[-2:]
        back = torch.arange(queries, device=scores.device)[:, None] + keys - queries
        back = back - torch.arange(keys, device=scores.device)
        allowed = (back >= 0) & (back < window if window else True)
        return scores.masked_fill(~allowed, -torch.inf)
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask[..., : scores.shape[-1]], -torch.inf)
    lowest = torch.finfo(mask.dtype).min
    mask = mask[..., : scores.shape[-1]].to(scores.dtype)
    return (scores + mask).masked_fill(mask <= lowest / 2, -torch.inf)


def normalised(scores: Tensor, sinks: Tensor | None) -> Tensor:
    """Softmax in float32 at least; learned sinks take their share and are dropped."""
    wide = scores if scores.dtype == torch.float64 else scores.float()
    if sinks is None:
        return torch.softmax(wide, dim=-1)
    column = sinks.to(wide.dtype).view(1, -1, 1, 1).expand(*wide.shape[:-1], 1)
    return torch.softmax(torch.cat([wide, column], dim=-1), dim=-1)[..., :-1]


def branching(prefix: int) -> AttentionFunction:
    """Attention of parallel branches: each attends to the prefix and itself only; the prefix is causal.

    For a branch with query q, key k and value v: ``a = softmax([q K_prefix^T, q k] scaling)`` and
    ``z = a[:P] V_prefix + a[P] v``: no copy of the prefix for each branch, no mask between branches.
    """

    def _attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float | None = None,
        **extra: Any,
    ) -> tuple[Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        window = extra.get("sliding_window")
        refuse_sinks(extra)
        key, value = repeated(key, query.shape[1]), repeated(value, query.shape[1])
        cap = extra.get("softcap")
        before = capped(query[:, :, :prefix] @ key[:, :, :prefix].transpose(-1, -2) * scale, cap)
        first = torch.softmax(masked(before, None, window), dim=-1) @ value[:, :, :prefix]
        start = max(0, prefix + 1 - window) if window else 0
        own = query[:, :, prefix:]
        to_prefix = own @ key[:, :, start:prefix].transpose(-1, -2)
        to_self = (own * key[:, :, prefix:]).sum(-1, keepdim=True)
        share = torch.softmax(capped(torch.cat([to_prefix, to_self], -1) * scale, cap), dim=-1)
        later = share[..., :-1] @ value[:, :, start:prefix] + share[..., -1:] * value[:, :, prefix:]
        return torch.cat([first, later], dim=2).transpose(1, 2), None

    return _attend


def remembering() -> AttentionFunction:
    """Causal attention that keeps each module's keys and values for the calls that follow."""
    kept: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def _attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float | None = None,
        **extra: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if module in kept:
            key, value = torch.cat([kept[module][0], key], 2), torch.cat([kept[module][1], value], 2)
        kept[module] = key, value
        return UNTOUCHED(module, query, key, value, None, scaling, **extra)

    return _attend


def capped(scores: Tensor, cap: float | None) -> Tensor:
    """Soft-capped scores (Gemma-2): cap tanh(scores / cap)."""
    return torch.tanh(scores / cap) * cap if cap else scores


def refuse_sinks(extra: dict[str, Any]) -> None:
    """InputError MD21 for attention sinks, which branches do not model."""
    if extra.get("s_aux") is not None:
        raise InputError(
            "MD21",
            "This model has attention sinks, which branching does not model.",
            "Use plain forwards for it.",
        )


def leave(module: nn.Module, side: str, tensor: Tensor) -> Tensor:
    """Change nothing."""
    return tensor


UNTOUCHED = explicit(leave)
NAME = "pellucid"


def dispatch(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **extra: Any
) -> tuple[Tensor, Tensor | None]:
    """What opened Hugging Face models call: the active run's function, or transformers' own fused one."""
    active = ACTIVE.get()
    if active is not None:
        return active(module, query, key, value, attention_mask, **extra)
    if extra.get("softcap") is not None:  # the fused kernel cannot cap scores
        return UNTOUCHED(module, query, key, value, attention_mask, **extra)
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found: tuple[Tensor, Tensor | None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **extra
    )
    return found


def active(module: nn.Module, *arguments: Any, **extra: Any) -> tuple[Tensor, Tensor | None]:
    """The attention of the run that this context is in."""
    function = ACTIVE.get()
    assert function is not None
    return function(module, *arguments, **extra)


def adopt(module: nn.Module) -> None:
    """Make a Hugging Face model call `dispatch`, with the masks that its fused implementation would get."""
    announce()
    module.set_attn_implementation(NAME)  # type: ignore[operator]


def readopt(module: nn.Module) -> None:
    """Make `dispatch` known to transformers where an adopted model arrives from another process."""
    if getattr(getattr(module, "config", None), "_attn_implementation", "") == NAME:
        announce()


def announce() -> None:
    """Enter `dispatch` and its masks in transformers' registries."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(NAME, dispatch)
    AttentionMaskInterface.register(NAME, sdpa_mask)
