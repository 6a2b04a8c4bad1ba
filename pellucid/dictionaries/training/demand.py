"""What one training step asks for besides a good reconstruction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

Weigh: TypeAlias = Callable[[Tensor], Tensor]
"""e -> M e, row by row, with a symmetric M of each row: the loss of an error e is then e . M e."""


@dataclass(frozen=True)
class Auxiliary:
    """What revives dead latents: they learn to reconstruct the error of the others (AuxK)."""

    latents: Tensor
    """Indices of the dead latents."""
    weight: float
    """Weight of their loss."""


@dataclass(frozen=True)
class Demand:
    """The prices of one step."""

    pressure: float = 0.0
    """Weight of the variant's sparsity penalty."""
    auxiliary: Auxiliary | None = None
    """Dead latents to revive."""
    weigh: Weigh | None = None
    """How errors are weighed; None: every dimension alike."""
    active: float = math.inf
    """How many latents a row had on average in the last step: few enough make a sparse step pay."""
    multi: float = 0.0
    """Weight of a second reconstruction with 4 k latents (Multi-TopK)."""
