"""BatchTopK: k latents a row on average, chosen over the whole batch; one threshold afterwards."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary, Place
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.variants.thresholds import above_threshold, batch_mask, sparse_above
from pellucid.dictionaries.variants.topk import check_k


class BatchGate(Dictionary, ABC):
    """The gate of a batch: in training the k B largest of its B rows, afterwards one threshold for all."""

    gate_name: ClassVar[str] = "batchtopk"
    k: int
    """How many latents may be active for a row, on average."""
    threshold: Tensor
    """What h, or h times the decoder row's length, must exceed."""

    def __init__(self, d_in: int, n_features: int, k: int, **place: Unpack[Place]) -> None:
        check_k(k, n_features)
        super().__init__(d_in, n_features, **place)
        self.k = k
        self.register_buffer("threshold", torch.zeros(()))

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """h where it, or it times the decoder row's length, exceeds the threshold."""
        return above_threshold(h, self.threshold, self.ranking())

    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """ReLU(h) at the k B largest of the batch."""
        return h.relu() * batch_mask(h.detach(), self.k, self.ranking())

    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """0: k says how sparse the codes are."""
        return h.new_zeros(())

    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        assert self.b_enc is not None
        return sparse_above(shifted, self.W_enc, self.b_enc, self.threshold, self.ranking(), engine)

    def training_codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float) -> Codes:
        """The codes of `activate`."""
        assert self.b_enc is not None
        return engine.batch_top(shifted, self.W_enc, self.b_enc, self.k, self.ranking())

    def prices(self) -> None:
        """None: k says how sparse the codes are."""

    def constrain(self) -> None:
        """Nothing: any weights will do."""


class BatchTopK(BatchGate):
    """In training z = ReLU(h) at the k B largest of a batch of B rows; afterwards z = h where h > theta.

    A choice over the batch is no function of one row, so `encode` uses theta, which the training sets to
    keep k latents a row on its sample. A dictionary that has no theta yet (0) keeps every positive h.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        k: how many latents may be active for a row, on average.
        place: d_out, site_in, site_out, convention and seed, as every `Dictionary` takes them.

    Raises:
        InputError: DI06 unless 1 <= k <= n_features.

    Example:
        >>> float(BatchTopK(8, 32, 4).threshold)
        0.0

    Source: Bussmann et al. 2024, arXiv 2412.06410, section 2.
    """

    def settings(self) -> dict[str, Any]:
        """The variant and its k."""
        return {"variant": "batchtopk", "k": self.k}

    def nested(self) -> tuple[tuple[int, float], ...]:
        """One reconstruction, by all latents."""
        return ((self.n_features, 1.0),)
