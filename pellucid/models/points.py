"""Where a site lives in a module: whose input or output it is, and which part of that tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Take = Callable[[Tensor], Tensor]
Put = Callable[[Tensor, Tensor], Tensor]
Size = int | str


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself."""
    return tensor


def replace(tensor: Tensor, value: Tensor) -> Tensor:
    """The new value, in the old one's place."""
    return value


@dataclass(frozen=True)
class Point:
    """One site: a module's input or output, or a part of it."""

    module: str
    """Path of the module; for attention's scores and pattern, of the attention module."""
    side: Literal["in", "out", "scores", "pattern"]
    """Input, output, or what only the attention function sees."""
    shape: tuple[Size, ...]
    """Axes by name, or by size where fixed."""
    take: Take = whole
    """The part of the tensor that is the site; a view, so that gradients flow."""
    put: Put = replace
    """The tensor with that part replaced."""
    shared: bool = False
    """Whether the same tensor is used elsewhere too (the stream beside a norm): writes then go into it."""


def stream(module: str, side: Literal["in", "out"], width: int, *, shared: bool = False) -> Point:
    """A site of the residual stream's shape."""
    return Point(module, side, ("batch", "pos", width), shared=shared)


def heads(module: str, side: Literal["in", "out"], count: int, width: int) -> Point:
    """A tensor whose last axis is heads by d_head."""

    def _take(tensor: Tensor) -> Tensor:
        return tensor.view(*tensor.shape[:-1], count, width)

    def _put(tensor: Tensor, value: Tensor) -> Tensor:
        return value.flatten(-2)

    return Point(module, side, ("batch", "pos", count, width), _take, _put)


def columns(module: str, side: Literal["in", "out"], start: int, count: int, width: int) -> Point:
    """Heads that are a run of columns of a fused projection (GPT-2's c_attn)."""
    stop = start + count * width

    def _take(tensor: Tensor) -> Tensor:
        part = tensor[..., start:stop]
        return part.view(*part.shape[:-1], count, width)

    def _put(tensor: Tensor, value: Tensor) -> Tensor:
        made = tensor.clone()
        made[..., start:stop] = value.flatten(-2)
        return made

    return Point(module, side, ("batch", "pos", count, width), _take, _put)


def interleaved(module: str, part: int, count: int, width: int) -> Point:
    """Heads of a projection fused per head as q, k, v (GPT-NeoX)."""

    def _take(tensor: Tensor) -> Tensor:
        return tensor.view(*tensor.shape[:-1], count, 3, width)[..., part, :]

    def _put(tensor: Tensor, value: Tensor) -> Tensor:
        made = tensor.view(*tensor.shape[:-1], count, 3, width).clone()
        made[..., part, :] = value
        return made.flatten(-3)

    return Point(module, "out", ("batch", "pos", count, width), _take, _put)
