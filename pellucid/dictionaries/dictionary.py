"""What every dictionary is: weights, a convention record, encode and decode."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.gradients import Gradients, StepResult
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.randomness import stream
from pellucid.findings import InputError

TINY = 1e-12


@dataclass(frozen=True)
class Auxiliary:
    """What revives dead latents: they learn to reconstruct the error of the others (AuxK)."""

    latents: Tensor
    """Indices of the dead latents."""
    weight: float
    """Weight of their loss."""


class Dictionary(nn.Module, ABC):
    """y_hat = decode(encode(x)): x read at `site_in`, y_hat stands for the activation at `site_out`.

        h = W_enc (x - s) + b_enc,   z = gate(h),   y_hat = z W_dec + b_dec,   s = b_dec or 0

    The decoder is held with one contiguous row for each latent.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        d_out: width of the activation that is reconstructed; None: d_in.
        site_in: where x is read.
        site_out: where y_hat belongs; None: site_in. Another site makes this a transcoder.
        convention: the record that encode and decode follow.
        seed: of the initial decoder rows, random directions of length 1; the encoder starts as the decoder
            where the widths agree.
    """

    def __init__(
        self,
        d_in: int,
        n_features: int,
        *,
        d_out: int | None = None,
        site_in: str = "",
        site_out: str | None = None,
        convention: Convention | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        width = d_in if d_out is None else d_out
        generator = stream("weights", seed)
        decoder = unit_rows(torch.randn((n_features, width), generator=generator))
        tied = width == d_in
        encoder = decoder.clone() if tied else torch.randn((n_features, d_in), generator=generator)
        self.W_dec = nn.Parameter(decoder)
        self.W_enc = nn.Parameter(encoder if tied else unit_rows(encoder))
        self.b_enc = nn.Parameter(torch.zeros(n_features))
        self.b_dec = nn.Parameter(torch.zeros(width))
        self.site_in = site_in
        self.site_out = site_in if site_out is None else site_out
        self.convention = convention or Convention()
        self.training_record: dict[str, Any] = {}
        if self.convention.subtract == "b_dec" and not tied:
            raise InputError(
                "DI03",
                f"b_dec of width {width} cannot be subtracted from an input of width {d_in}.",
                "Give Convention(subtract='none') for a transcoder.",
            )

    @property
    def n_features(self) -> int:
        """Number of latents."""
        return self.W_enc.shape[0]

    @property
    def d_in(self) -> int:
        """Width of the activation that is read."""
        return self.W_enc.shape[1]

    @property
    def d_out(self) -> int:
        """Width of the activation that is reconstructed."""
        return self.W_dec.shape[1]

    @property
    def sha256(self) -> str:
        """Hash of the convention record, the sites and the weights."""
        head = [self.settings(), self.convention.to_dict(), self.site_in, self.site_out]
        sha = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        for name, value in sorted(self.state_dict().items()):
            sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            sha.update(value.detach().cpu().contiguous().numpy().tobytes())
        return sha.hexdigest()

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What the gate needs beside the convention record, as plain data."""

    @abstractmethod
    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """Which pre-activations become codes, in units of h."""

    @abstractmethod
    def codes(self, x: Float[Tensor, "batch d_in"], engine: Engine | None = None) -> Codes:
        """Sparse codes in units of h, without gradient."""

    @abstractmethod
    def step(
        self,
        x: Float[Tensor, "batch d_in"],
        y: Float[Tensor, "batch d_out"],
        engine: Engine,
        gradients: Gradients,
        auxiliary: Auxiliary | None,
    ) -> StepResult:
        """Loss and exact gradients of one batch; fills `gradients` and b_dec.grad."""

    def lengths(self) -> Float[Tensor, " feature"]:
        """Length of each decoder row."""
        lengths: Tensor = torch.linalg.vector_norm(self.W_dec, dim=1)
        return lengths

    def shifted(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_in"]:
        """The input that W_enc sees."""
        return x - self.b_dec if self.convention.subtract == "b_dec" else x

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """Codes of activations; gradients flow, the selection itself is constant.

        Arguments:
            x: activations read at `site_in`.

        Raises:
            InputError: DI04 for another width, DI05 for NaN or infinite activations.
        """
        self.check_input(x)
        flat = self.shifted(x).reshape(-1, self.d_in)
        z = self.gate(flat @ self.W_enc.T + self.b_enc)
        scaled = z * self.lengths() if self.convention.code_units == "h_norm" else z
        return scaled.reshape(*x.shape[:-1], self.n_features)

    def decode(self, z: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch d_out"]:
        """The activation that codes stand for.

        Arguments:
            z: codes as `encode` gives them.
        """
        plain = z / self.lengths().clamp_min(TINY) if self.convention.code_units == "h_norm" else z
        return plain @ self.W_dec + self.b_dec

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """decode(encode(x))."""
        return self.decode(self.encode(x))

    def check_input(self, x: Tensor) -> None:
        """Refuse activations of another width, or that are no numbers."""
        if x.shape[-1] != self.d_in:
            where = f" at {self.site_in!r}" if self.site_in else ""
            raise InputError(
                "DI04",
                f"This dictionary reads width {self.d_in}{where}, but was given width {x.shape[-1]}.",
                "Give activations of the site it was trained on, or another dictionary.",
            )
        refuse_non_finite(x.detach(), self.site_in)


def unit_rows(weights: Float[Tensor, "feature width"]) -> Float[Tensor, "feature width"]:
    """Rows of length 1."""
    lengths: Tensor = torch.linalg.vector_norm(weights, dim=1, keepdim=True)
    return weights / lengths.clamp_min(TINY)


def refuse_non_finite(x: Tensor, site: str) -> None:
    """DI05 with the position of the first value that is NaN or infinite."""
    if bool(torch.isfinite(x.sum())):
        return
    bad = (~torch.isfinite(x)).nonzero()
    if len(bad) == 0:  # finite values whose sum overflows
        return
    where = f" at {site!r}" if site else ""
    position = tuple(int(i) for i in bad[0])
    raise InputError(
        "DI05",
        f"{len(bad)} activations{where} are NaN or infinite, the first at index {position}.",
        "Look for the cause in the model or its input; harvest in float32 if half precision overflowed.",
    )
