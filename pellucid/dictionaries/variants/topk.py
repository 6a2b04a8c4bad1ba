"""TopK: each activation is a sum of at most k latents."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary, Place
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes, top_indices
from pellucid.findings import InputError


class TopK(Dictionary):
    """z = ReLU(h) at the k largest h of each row, else 0; ties go to the smaller index.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        k: how many latents may be active at once.
        place: d_out, site_in, site_out, convention and seed, as every `Dictionary` takes them.

    Raises:
        InputError: DI06 unless 1 <= k <= n_features.

    Example:
        >>> sae = TopK(8, 32, 4)
        >>> int((sae.encode(torch.randn(5, 8)) != 0).sum(-1).max()) <= 4
        True

    Source: Gao et al. 2024, arXiv 2406.04093, section 2.3.
    """

    gate_name: ClassVar[str] = "topk"

    def __init__(
        self,
        d_in: int,
        n_features: int,
        k: int,
        **place: Unpack[Place],
    ) -> None:
        check_k(k, n_features)
        super().__init__(d_in, n_features, **place)
        self.k = k

    def settings(self) -> dict[str, Any]:
        """The variant and its k."""
        return {"variant": "topk", "k": self.k}

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h) where h, or h times the decoder row's length, is among the k largest of its row."""
        ranking = self.ranking()
        scores = h.detach() if ranking is None else h.detach() * ranking
        mask = torch.zeros_like(h).scatter_(1, top_indices(scores, self.k), 1.0)
        return h.relu() * mask

    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """The gate, as at any time."""
        return self.gate(h)

    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """0: k says how sparse the codes are."""
        return h.new_zeros(())

    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        assert self.b_enc is not None
        return engine.select(shifted, self.W_enc, self.b_enc, self.k, self.ranking())

    def training_codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float) -> Codes:
        """The codes of the gate."""
        return self._codes(shifted, engine)

    def prices(self) -> None:
        """None: k says how sparse the codes are."""

    def nested(self) -> tuple[tuple[int, float], ...]:
        """One reconstruction, by all latents."""
        return ((self.n_features, 1.0),)

    def constrain(self) -> None:
        """Nothing: any weights will do."""


def check_k(k: int, n_features: int) -> None:
    """DI06 unless 1 <= k <= n_features."""
    if not 1 <= k <= n_features:
        raise InputError(
            "DI06",
            f"k is {k} for {n_features} latents.",
            "Give 1 <= k <= n_features: so many latents may be active at once.",
        )
