"""Matryoshka: nested dictionaries, each of which must reconstruct on its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.variants.thresholds import above_threshold, batch_mask, sparse_above
from pellucid.dictionaries.variants.topk import check_k
from pellucid.findings import InputError


class Matryoshka(Dictionary):
    """BatchTopK over all latents; training minimises the weighted sum over m of ||y - y_hat^(m)||^2, where
    y_hat^(m) is decoded from the first F_m latents. So general features stay in the first latents, instead
    of being absorbed by special ones.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        k: how many latents may be active for a row, on average, over the whole dictionary.
        widths: F_1 < ... < F_M = n_features; default 1/16, 1/4 and all.
        weights: of each reconstruction; default 1/M each (their sum is part of the loss's scale).
        d_out: width of the reconstruction; None: d_in.
        site_in: where x is read.
        site_out: where the reconstruction belongs; None: site_in.
        convention: the record that encode and decode follow.
        seed: of the initial weights.

    Raises:
        InputError: DI06 for a k, DI27 for widths or weights that cannot be.

    Example:
        >>> Matryoshka(8, 32, 4).nested()
        ((2, 0.3333333333333333), (8, 0.3333333333333333), (32, 0.3333333333333333))

    Source: Bussmann et al. 2025, arXiv 2503.17547, section 3.
    """

    gate_name: ClassVar[str] = "batchtopk"
    threshold: Tensor
    """What h, or h times the decoder row's length, must exceed."""

    def __init__(
        self,
        d_in: int,
        n_features: int,
        k: int,
        widths: Sequence[int] = (),
        weights: Sequence[float] = (),
        *,
        d_out: int | None = None,
        site_in: str = "",
        site_out: str | None = None,
        convention: Convention | None = None,
        seed: int = 0,
    ) -> None:
        check_k(k, n_features)
        super().__init__(
            d_in,
            n_features,
            d_out=d_out,
            site_in=site_in,
            site_out=site_out,
            convention=convention,
            seed=seed,
        )
        self.k = k
        self.widths = checked_widths(widths, n_features)
        self.weights = checked_weights(weights, self.widths)
        self.register_buffer("threshold", torch.zeros(()))

    def settings(self) -> dict[str, Any]:
        """The variant, its k and its nested widths."""
        nest = {"widths": list(self.widths), "weights": list(self.weights)}
        return {"variant": "matryoshka", "k": self.k, **nest}

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

    def nested(self) -> tuple[tuple[int, float], ...]:
        """(F_m, w_m) of every reconstruction."""
        return tuple(zip(self.widths, self.weights, strict=True))

    def constrain(self) -> None:
        """Nothing: any weights will do."""


def checked_widths(widths: Sequence[int], n_features: int) -> tuple[int, ...]:
    """Growing widths that end with all latents; DI27 otherwise."""
    default = sorted({max(1, n_features // 16), max(1, n_features // 4), n_features})
    given = tuple(widths) or tuple(default)
    if given[-1] != n_features or given[0] < 1 or any(b <= a for a, b in pairwise(given)):
        raise InputError(
            "DI27",
            f"Nested widths {list(given)} for {n_features} latents.",
            "Give growing widths of at least 1, the last of which is n_features.",
        )
    return given


def checked_weights(weights: Sequence[float], widths: Sequence[int]) -> tuple[float, ...]:
    """One weight of at least 0 for each width; DI27 otherwise."""
    given = tuple(weights) or (1 / len(widths),) * len(widths)
    if len(given) != len(widths) or min(given) < 0 or given[-1] == 0:
        raise InputError(
            "DI27",
            f"Weights {list(given)} for nested widths {list(widths)}.",
            "Give one weight of at least 0 for each width, and more than 0 for the last.",
        )
    return given
