"""What is done to an activation before the encoder sees it, and how it is undone on the output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.convention import Convention


@dataclass(frozen=True)
class Moved:
    """A transformed input, with what it takes to undo the transform on the output: y = y' * scale + shift."""

    value: Float[Tensor, "batch d_in"]
    """What W_enc sees, before anything is subtracted."""
    scale: Float[Tensor, "batch 1"] | float = 1.0
    """Factor of the output."""
    shift: Float[Tensor, "batch 1"] | float = 0.0
    """Added to the output after that."""

    def undo(self, y: Float[Tensor, "batch d_out"]) -> Float[Tensor, "batch d_out"]:
        """The output in the units of the raw activation."""
        scaled = y if isinstance(self.scale, float) and self.scale == 1 else y * self.scale
        return scaled if isinstance(self.shift, float) and self.shift == 0 else scaled + self.shift


def transformed(convention: Convention, x: Float[Tensor, "batch d_in"]) -> Moved:
    """Apply the record's input transform.

    scale: x S_in, and the output divided by S_out. centre: x - mean(x). token_norm: x sqrt(d) / |x|.
    layer_norm: (x - mean(x)) / (std(x) + epsilon) with the unbiased deviation. The last three belong to each
    token and are undone on it, as `restore` says.

    Arguments:
        convention: the record.
        x: raw activations.
    """
    kind = convention.input_transform
    if kind == "none":
        return Moved(x)
    if kind == "scale":
        return Moved(x * convention.scale_in, 1 / convention.scale_out)
    moved = by_token(kind, convention, x)
    return Moved(moved.value) if convention.restore == "none" else moved


def by_token(kind: str, convention: Convention, x: Float[Tensor, "batch d_in"]) -> Moved:
    """Transforms whose numbers are the token's own."""
    if kind == "token_norm":
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12) / x.shape[-1] ** 0.5
        return Moved(x / length, length)
    mean = x.mean(-1, keepdim=True)
    if kind == "centre":
        return Moved(x - mean, 1.0, mean)
    deviation = (x - mean).std(-1, keepdim=True)
    spread = deviation + convention.epsilon
    back = deviation if convention.restore == "without_epsilon" else spread
    return Moved((x - mean) / spread, back, mean)


def by_token_kind(convention: Convention) -> bool:
    """Whether the output can only be made with the input at hand."""
    own = convention.input_transform in ("centre", "token_norm", "layer_norm")
    return own and convention.restore != "none"
