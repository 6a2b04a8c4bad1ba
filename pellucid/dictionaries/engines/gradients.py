"""Where the sparse step writes: one gradient for each weight of the dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Gradients:
    """Buffers that are filled anew in every step; rows without a hit are zero."""

    encoder: Float[Tensor, "feature d_in"]
    """Of W_enc."""
    bias: Float[Tensor, " feature"]
    """Of b_enc."""
    decoder: Float[Tensor, "feature d_out"]
    """Of W_dec."""

    def clear(self) -> None:
        """Zero all of them."""
        for buffer in self.buffers():
            buffer.zero_()

    def buffers(self) -> tuple[Tensor, Tensor, Tensor]:
        """All of them, in the order of their fields."""
        return self.encoder, self.bias, self.decoder


@dataclass(frozen=True)
class StepResult:
    """What a step found out besides the gradients."""

    loss: float
    """Mean over rows of the summed squared error, and what was added to it."""
    squared_error: float
    """Mean over rows of the summed squared error."""
    fires: Int[Tensor, " feature"]
    """How often each latent was active in the batch."""
    target: Float[Tensor, "batch d_out"]
    """What was to be reconstructed."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Further numbers for the log, by name."""

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return len(self.target)
