"""Matryoshka: nested dictionaries, each of which must reconstruct on its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Unpack

from pellucid.dictionaries.dictionary import Place
from pellucid.dictionaries.variants.batchtopk import BatchGate
from pellucid.findings import InputError


class Matryoshka(BatchGate):
    """BatchTopK over all latents; training minimises the weighted sum over m of ||y - y_hat^(m)||^2, where
    y_hat^(m) is decoded from the first F_m latents. So general features stay in the first latents, instead
    of being absorbed by special ones.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        k: how many latents may be active for a row, on average, over the whole dictionary.
        widths: F_1 < ... < F_M = n_features; default 1/16, 1/4 and all.
        weights: of each reconstruction; default 1/M each (their sum is part of the loss's scale).
        place: d_out, site_in, site_out, convention and seed, as every `Dictionary` takes them.

    Raises:
        InputError: DI06 for a k, DI27 for widths or weights that cannot be.

    Example:
        >>> Matryoshka(8, 32, 4).nested()
        ((2, 0.3333333333333333), (8, 0.3333333333333333), (32, 0.3333333333333333))

    Source: Bussmann et al. 2025, arXiv 2503.17547, section 3.
    """

    def __init__(
        self,
        d_in: int,
        n_features: int,
        k: int,
        widths: Sequence[int] = (),
        weights: Sequence[float] = (),
        **place: Unpack[Place],
    ) -> None:
        super().__init__(d_in, n_features, k, **place)
        self.widths = checked_widths(widths, n_features)
        self.weights = checked_weights(weights, self.widths)

    def settings(self) -> dict[str, Any]:
        """The variant, its k and its nested widths."""
        nest = {"widths": list(self.widths), "weights": list(self.weights)}
        return {"variant": "matryoshka", "k": self.k, **nest}

    def nested(self) -> tuple[tuple[int, float], ...]:
        """(F_m, w_m) of every reconstruction."""
        return tuple(zip(self.widths, self.weights, strict=True))


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
