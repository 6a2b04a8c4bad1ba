"""ReLU with an L1 price: the first sparse autoencoders."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes

SPARSE = 30  # with fewer than one latent in so many active, a sparse step is faster than a dense one


class ReLU(Dictionary):
    """z = ReLU(h); training pays lambda E sum_i z_i c_i, with c_i = 1 for unit decoder rows and else their
    length, so that the price cannot be evaded by small codes on long rows.

    Arguments are those of every `Dictionary`.

    Example:
        >>> ReLU(8, 32).settings()
        {'variant': 'relu'}

    Source: Cunningham et al. 2023, arXiv 2309.08600, section 2; Bricken et al. 2023.
    """

    gate_name: ClassVar[str] = "relu"

    def settings(self) -> dict[str, Any]:
        """The variant."""
        return {"variant": "relu"}

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h)."""
        return h.relu()

    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h), as at any time."""
        return h.relu()

    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """E sum_i z_i c_i."""
        return (z if self.convention.decoder_unit_norm else z * self.prices()).sum(1).mean()

    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        assert self.b_enc is not None
        return engine.above(shifted, self.W_enc, self.b_enc, self.b_enc.new_zeros(self.n_features))

    def training_codes(
        self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float
    ) -> Codes | None:
        """The codes of the gate; None while more than a thirtieth of the latents is active."""
        return self._codes(shifted, engine) if active <= self.n_features / SPARSE else None

    def prices(self) -> Float[Tensor, " feature"]:
        """c_i."""
        return torch.ones_like(self.lengths()) if self.convention.decoder_unit_norm else self.lengths()

    def nested(self) -> tuple[tuple[int, float], ...]:
        """One reconstruction, by all latents."""
        return ((self.n_features, 1.0),)

    def constrain(self) -> None:
        """Nothing: any weights will do."""
