"""Gated: one path decides which latents are active, another how much."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.dictionaries.dictionary import Dictionary, Place
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes


class Gated(Dictionary):
    """With u = W_enc x': z = 1[u + b_gate > 0] ReLU(exp(r_mag) u + b_mag); there is no b_enc.

    Training pays lambda E sum_i ReLU(u_i + b_gate_i), and asks that the gate's own pre-activations
    reconstruct y through a decoder held constant: the gate learns from these two alone.

    Arguments are those of every `Dictionary`.

    Example:
        >>> sorted(name for name, _ in Gated(8, 32).named_parameters())
        ['W_dec', 'W_enc', 'b_dec', 'b_gate', 'b_mag', 'r_mag']

    Source: Rajamanoharan et al. 2024, arXiv 2404.16014, equations 6 to 8.
    """

    gate_name: ClassVar[str] = "gated"
    encoder_bias: ClassVar[bool] = False

    def __init__(
        self,
        d_in: int,
        n_features: int,
        **place: Unpack[Place],
    ) -> None:
        super().__init__(d_in, n_features, **place)
        self.r_mag = nn.Parameter(torch.zeros(n_features))
        self.b_gate = nn.Parameter(torch.zeros(n_features))
        self.b_mag = nn.Parameter(torch.zeros(n_features))

    def settings(self) -> dict[str, Any]:
        """The variant."""
        return {"variant": "gated"}

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """1[h + b_gate > 0] ReLU(exp(r_mag) h + b_mag); no gradient passes the step."""
        return (self.r_mag.exp() * h + self.b_mag).relu() * (h + self.b_gate > 0)

    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """The gate, as at any time."""
        return self.gate(h)

    def opening(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h + b_gate): how far each gate is open."""
        return (h + self.b_gate).relu()

    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """E sum_i ReLU(pi_i) c_i, with c_i = 1 for unit decoder rows and else their length."""
        opened = self.opening(h)
        return (opened if self.convention.decoder_unit_norm else opened * self.lengths()).sum(1).mean()

    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        # the gate opens exactly where the magnitude exceeds b_mag - exp(r) b_gate
        factor = self.r_mag.detach().exp()
        limits = (self.b_mag - factor * self.b_gate).detach().clamp_min(0)
        return engine.above(shifted, self.W_enc * factor[:, None], self.b_mag, limits)

    def training_codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float) -> None:
        """None: the gate's own loss touches every latent that is open."""

    def prices(self) -> None:
        """None: the price is not one of the codes' size."""

    def nested(self) -> tuple[tuple[int, float], ...]:
        """One reconstruction, by all latents."""
        return ((self.n_features, 1.0),)

    def constrain(self) -> None:
        """Nothing: any weights will do."""
