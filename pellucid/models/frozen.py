"""Terms held fixed for linearised analyses: same values, no gradient through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pellucid.findings import MissingError, did_you_mean

if TYPE_CHECKING:
    from pellucid.models.model import Model

TERMS = ("norm_scale", "pattern", "gate")
Linear = Callable[[nn.Module, Tensor, Tensor], Tensor]


def freeze(model: Model, terms: Sequence[str], state: object, current: ContextVar[Any]) -> Iterator[Any]:
    """Hooks that make the named terms constants; MissingError MD25 for a term that does not exist."""
    for term in terms:
        if term not in TERMS:
            remedy = f"{did_you_mean(term, TERMS)} Terms: {', '.join(TERMS)}.".strip()
            raise MissingError("MD25", f"No term {term!r} can be frozen.", remedy)
        if not model.family_table.attention:
            raise MissingError(
                "MD25", f"{model.id} has no {term!r} to freeze.", "Only transformers have such terms."
            )
    table = model.family_table
    paths: dict[str, tuple[Linear, tuple[str, ...]]] = {
        "norm_scale": (linear_norm, table.norms),
        "gate": (constant if table.gated else linear_gate, table.gates),
    }
    for term, (linear, modules) in paths.items():
        for path in modules if term in terms else ():
            yield model.submodule(path).register_forward_hook(held(linear, state, current))


def held(linear: Linear, state: object, current: ContextVar[Any]) -> Callable[..., Tensor | None]:
    """A hook that keeps an output's value and gives it the gradient of its linearisation, in one run only."""

    def _hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if current.get() is not state:
            return None
        straight = linear(module, args[0], output)
        return output.detach() + (straight - straight.detach())

    return _hook


def linear_norm(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """A norm with its scale held: linear in x (after centring, for LayerNorm)."""
    if isinstance(module, nn.Identity):
        return x
    centred = x - x.mean(-1, keepdim=True) if isinstance(module, nn.LayerNorm) else x
    scale = torch.rsqrt(centred.detach().square().mean(-1, keepdim=True) + epsilon(module))
    bias = getattr(module, "bias", None)
    return centred * scale * gain(module) + (0 if bias is None else bias)


def epsilon(module: nn.Module) -> float:
    """What a norm adds under the root, by the names that the families give it."""
    names = ("eps", "variance_epsilon", "epsilon")
    found: float = next(getattr(module, name) for name in names if hasattr(module, name))
    return found


def gain(module: nn.Module) -> Tensor:
    """A norm's factor for each entry; Gemma stores it less one."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    return weight + 1 if type(module).__name__.startswith("Gemma") else weight


def linear_gate(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """An activation as x times a held gate act(x)/x; 0 where x is."""
    zero = x.detach() == 0
    gate = output.detach() / x.detach().masked_fill(zero, 1.0)
    return x * gate.masked_fill(zero, 0.0)


def constant(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """The gate of a gated MLP: held altogether, so that the MLP is linear in what it gates."""
    return output.detach()
