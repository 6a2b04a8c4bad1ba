"""What may be given to train on: numbers that rows can be made of, in a type that training can hold."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from pellucid.findings import InputError
from pellucid.models import Model
from pellucid.models.shards import ActivationShards

REMEDY = (
    "Give a tensor of activations with rows of numbers, a mapping of such tensors by site, ActivationShards, "
    "or (model, tokens)."
)


def checked(given: Any) -> Any:
    """The same source, with tensors of one floating-point type.

    float16 becomes float32: squares of activations overflow in it, and Adam's smallest steps are 0 there.
    Tensors of several types become the widest of them.

    Arguments:
        given: what the user trains on.

    Raises:
        InputError: DI94 for what holds no activations.

    Example:
        >>> checked(torch.ones(3, 2, dtype=torch.float16)).dtype
        torch.float32
    """
    if isinstance(given, ActivationShards) or pair(given):
        return given
    if isinstance(given, Tensor):
        return one_type({"": given})[""]
    if not isinstance(given, Mapping):
        raise refusal(f"A {type(given).__name__} is no source of activations.")
    return one_type(given)


def pair(given: Any) -> bool:
    """Whether this is (model, inputs) or (model, inputs, site)."""
    is_pair = isinstance(given, tuple) and len(given) in (2, 3)
    return is_pair and isinstance(given[0], Model) and isinstance(given[1], Tensor)


def one_type(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of one floating-point type; DI94 for others."""
    for site, tensor in tensors.items():
        where = f" at {site!r}" if site else ""
        if not isinstance(tensor, Tensor):
            raise refusal(f"What is given{where} is a {type(tensor).__name__}, not a tensor.")
        if not tensor.is_floating_point():
            raise refusal(f"The activations{where} are of {tensor.dtype}, which has no fractions.")
        if tensor.ndim == 0 or tensor.shape[-1] == 0:
            raise refusal(f"Activations{where} of shape {tuple(tensor.shape)} have no width.")
    kinds = {torch.float32 if t.dtype == torch.float16 else t.dtype for t in tensors.values()}
    common = reduce(torch.promote_types, kinds) if kinds else torch.float32
    return {site: tensor.to(common) for site, tensor in tensors.items()}


def refusal(problem: str) -> InputError:
    """DI94 with what can be trained on."""
    return InputError("DI94", problem, REMEDY)
