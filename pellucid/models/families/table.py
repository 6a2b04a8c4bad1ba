"""Finding a module's family, and what a family must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

from pellucid.models.families.facts import Facts
from pellucid.models.points import Point


@dataclass(frozen=True)
class Family:
    """The sites of one module."""

    name: str
    """As users say it: gpt2, llama, pellucid-transformer, module."""
    facts: Facts
    """Its shape."""
    points: Mapping[str, Point]
    """Every site by its name, in the order of the computation."""
    norms: tuple[str, ...] = ()
    """Paths of the norms whose scale can be frozen."""
    gates: tuple[str, ...] = ()
    """Paths of the activation modules whose gate can be frozen."""
    attention: tuple[str, ...] = field(default=())
    """Paths of the attention modules, by layer."""
    gated: bool = False
    """Whether an MLP multiplies act(gate x) into up x."""


def count(module: nn.Module) -> int:
    """Number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def family_of(module: nn.Module) -> Family:
    """The family of a module, by its class; any other module is read and written by module paths."""
    from pellucid.models.families.gpt2 import family as gpt2
    from pellucid.models.families.llama import MODEL_TYPES
    from pellucid.models.families.llama import family as llama
    from pellucid.models.families.neox import family as neox
    from pellucid.models.families.own import family as own
    from pellucid.models.transformer import Transformer

    if isinstance(module, Transformer):
        return own(module)
    makers: dict[str, Callable[[nn.Module], Family]] = {
        "gpt2": gpt2,
        "gpt_neox": neox,
        **dict.fromkeys(MODEL_TYPES, llama),
    }
    kind = getattr(getattr(module, "config", None), "model_type", "")
    return makers[kind](module) if kind in makers else Family("module", Facts(count(module)), {})
