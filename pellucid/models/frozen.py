"""Terms held fixed for linearised analyses: same values, no gradient through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pellucid.findings import MissingError, did_you_mean

if TYPE_CHECKING:
    from pellucid.models.model import Model

TERMS = ("norm_scale", "pattern", "gate")


def freeze(model: Model, terms: Sequence[str], state: object, current: ContextVar[Any]) -> Iterator[Any]:
    """Hooks that make the named terms constants; MissingError MD25 for a term that does not exist."""
    for term in terms:
        if term not in TERMS:
            remedy = f"{did_you_mean(term, TERMS)} Terms: {', '.join(TERMS)}."
            raise MissingError("MD25", f"No term {term!r} can be frozen.", remedy)
    if "norm_scale" in terms:
        for path in model.family_table.norms:
            yield model.module.get_submodule(path).register_forward_hook(held(linear_norm, state, current))
    if "gate" in terms:
        for path in model.family_table.gates:
            yield model.module.get_submodule(path).register_forward_hook(held(linear_gate, state, current))


def held(linear: Any, state: object, current: ContextVar[Any]) -> Any:
    """A hook that replaces an output by its linearisation, for one run only."""

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return linear(module, args[0], output) if current.get() is state else None

    return hook


def linear_norm(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """A norm with its scale held: linear in x (after centring, for LayerNorm)."""
    if isinstance(module, nn.Identity):
        return output
    centred = x - x.mean(-1, keepdim=True) if isinstance(module, nn.LayerNorm) else x
    bias = getattr(module, "bias", None)
    shift = 0 if bias is None else bias
    tiny = centred.abs() < 1e-20
    ratio = (output - shift).detach() / centred.detach().masked_fill(tiny, 1.0)
    return centred * ratio.masked_fill(tiny, 0.0) + shift


def linear_gate(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """An activation as x times a held gate; for gated MLPs, the same factor."""
    tiny = x.abs() < 1e-20
    gate = torch.where(tiny, torch.zeros_like(x), output.detach() / x.detach().masked_fill(tiny, 1.0))
    return x * gate
