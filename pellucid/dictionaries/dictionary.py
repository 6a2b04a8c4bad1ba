"""What every dictionary is: weights, a convention record, encode and decode."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.transforms import Moved, by_token_kind, transformed
from pellucid.findings import InputError

TINY = 1e-12


class Place(TypedDict, total=False):
    """What every dictionary's class takes besides its own settings; see `Dictionary`."""

    d_out: int | None
    site_in: str
    site_out: str | None
    convention: Convention | None
    seed: int


class Dictionary(nn.Module, ABC):
    """y_hat = decode(encode(x)): x read at `site_in`, y_hat stands for the activation at `site_out`.

        x' = T(x) - s,   h = W_enc x' + b_enc,   z = gate(h),   y_hat = undo(z W_dec + b_dec) (+ W_skip x)

    T, s and the gate are those of the convention record. The decoder is held with one contiguous row for
    each latent. Everything is computed in the precision of the weights, whatever that of the activations.

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

    gate_name: ClassVar[str]
    """What the record's `gate` says of this class."""
    encoder_bias: ClassVar[bool] = True
    """Whether there is a b_enc; the gated variant has two biases of its own."""

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
        self.convention = self._resolved(convention or Convention(), d_in, width)
        generator = stream("weights", seed)
        decoder = unit_rows(torch.randn((n_features, width), generator=generator))
        tied = width == d_in
        encoder = decoder.clone() if tied else torch.randn((n_features, d_in), generator=generator)
        self.W_enc = nn.Parameter(encoder if tied else unit_rows(encoder))
        self.b_enc = nn.Parameter(torch.zeros(n_features)) if self.encoder_bias else None
        self.W_dec = nn.Parameter(decoder)
        self.b_dec = nn.Parameter(torch.zeros(width))
        self.b_pre = nn.Parameter(torch.zeros(d_in)) if self.convention.subtract == "b_pre" else None
        skip = self.convention.skip == "linear"
        self.W_skip = nn.Parameter(torch.zeros(width, d_in)) if skip else None
        self.site_in = site_in
        self.site_out = site_in if site_out is None else site_out
        self.training_record: dict[str, Any] = {}

    def _resolved(self, convention: Convention, d_in: int, d_out: int) -> Convention:
        """The record with this class's gate; DI01 and DI03 for one that cannot be this class's."""
        if convention.gate not in ("auto", self.gate_name):
            raise InputError(
                "DI01",
                f"The record says gate {convention.gate!r}, but {type(self).__name__} has the gate "
                f"{self.gate_name!r}.",
                "Give the class of that gate, or leave gate='auto'.",
            )
        if convention.subtract == "b_dec" and d_in != d_out:
            raise InputError(
                "DI03",
                f"b_dec of width {d_out} cannot be subtracted from an input of width {d_in}.",
                "Give Convention(subtract='none') for a transcoder.",
            )
        return dataclasses.replace(convention, gate=self.gate_name)

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
            sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The variant's name and what its class is made with, as plain data."""

    @abstractmethod
    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """Which pre-activations become codes, in units of h."""

    @abstractmethod
    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """Codes as training makes them, with the gradients that training wants."""

    @abstractmethod
    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """What sparsity costs, before its weight: the mean over rows."""

    @abstractmethod
    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        """Sparse codes of shifted inputs."""

    @abstractmethod
    def training_codes(
        self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float
    ) -> Codes | None:
        """The codes of `activate` found without dense ones; None where a dense step is the better one.

        ``active`` is how many latents a row had lately.
        """

    @abstractmethod
    def prices(self) -> Float[Tensor, " feature"] | None:
        """What one unit of each code costs in `penalty`; None where codes cost nothing."""

    @abstractmethod
    def nested(self) -> tuple[tuple[int, float], ...]:
        """(width, weight) of every reconstruction that training fits: the first `width` latents alone."""

    @abstractmethod
    def constrain(self) -> None:
        """Bring weights back into their range after an optimiser step."""

    def lengths(self) -> Float[Tensor, " feature"]:
        """Length of each decoder row."""
        lengths: Tensor = torch.linalg.vector_norm(self.W_dec, dim=1)
        return lengths

    def ranking(self) -> Float[Tensor, " feature"] | None:
        """What pre-activations are multiplied with before they are ranked; None: 1."""
        return self.lengths().detach() if self.convention.rank_score == "h_norm" else None

    def shifted(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_in"]:
        """The transformed input less what is subtracted: what W_enc sees."""
        if self.convention.subtract == "none":
            return x
        return x - (self.b_dec if self.b_pre is None else self.b_pre)

    def linear(self, shifted: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch feature"]:
        """h = W_enc x' + b_enc."""
        h = shifted @ self.W_enc.T
        return h if self.b_enc is None else h + self.b_enc

    def preactivations(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """h of raw activations; for the gated variant W_enc x'.

        Arguments:
            x: activations read at `site_in`.

        Raises:
            InputError: DI04 for another width, DI05 for NaN or infinite activations.
        """
        self.check_input(x)
        moved = self.moved(x.reshape(-1, self.d_in))
        return self.linear(self.shifted(moved.value)).reshape(*x.shape[:-1], self.n_features)

    def moved(self, x: Float[Tensor, "batch d_in"]) -> Moved:
        """The input, in the precision of the weights, after the record's transform, and how to undo it."""
        return transformed(self.convention, x.to(self.W_enc.dtype))

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """Codes of activations; gradients flow, a selection itself is constant.

        Arguments:
            x: activations read at `site_in`.

        Raises:
            InputError: DI04 for another width, DI05 for NaN or infinite activations.
        """
        h = self.preactivations(x)
        z = self.gate(h.reshape(-1, self.n_features)).reshape(h.shape)
        return z * self.lengths() if self.convention.code_units == "h_norm" else z

    def decode(
        self, z: Float[Tensor, "*batch feature"], x: Float[Tensor, "*batch d_in"] | None = None
    ) -> Float[Tensor, "*batch d_out"]:
        """The activation that codes stand for.

        Arguments:
            z: codes as `encode` gives them.
            x: the input; only needed where a transform belongs to each token, or for a skip path.

        Raises:
            InputError: DI91 for a missing input.
        """
        plain = z / self.lengths().clamp_min(TINY) if self.convention.code_units == "h_norm" else z
        return self.completed(plain @ self.W_dec + self.b_dec, x)

    def completed(self, y: Float[Tensor, "*batch d_out"], x: Tensor | None) -> Float[Tensor, "*batch d_out"]:
        """A decoded output in raw units, with the skip path."""
        scaled = self.convention.input_transform == "scale"
        if x is None and (self.W_skip is not None or by_token_kind(self.convention)):
            raise InputError(
                "DI91",
                "This dictionary cannot decode codes without the input they come from.",
                "Call decode(z, x): its output holds what was removed from x, or a skip path from x.",
            )
        if x is None:
            return y / self.convention.scale_out if scaled else y
        raw = self.moved(x).undo(y)
        return raw if self.W_skip is None else raw + x.to(self.W_skip.dtype) @ self.W_skip.T

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """decode(encode(x))."""
        return self.decode(self.encode(x), x)

    @torch.no_grad()
    def codes(self, x: Float[Tensor, "batch d_in"], engine: Engine | None = None) -> Codes:
        """Sparse codes in units of h, without gradient.

        Arguments:
            x: activations read at `site_in`.
            engine: what runs the loops; None: the fastest.
        """
        self.check_input(x)
        shifted = self.shifted(self.moved(x).value).contiguous()
        return self._codes(shifted, engine or engine_for(shifted))

    @torch.no_grad()
    def reconstruct(
        self, x: Float[Tensor, "batch d_in"], engine: Engine | None = None
    ) -> tuple[Codes, Float[Tensor, "batch d_out"]]:
        """Sparse codes and the reconstruction, touching active latents only; no gradient.

        Arguments:
            x: activations read at `site_in`.
            engine: what runs the loops; None: the fastest.
        """
        codes = self.codes(x, engine)
        nothing = self.b_dec.new_zeros(len(x), self.d_out)
        y, _ = (engine or engine_for(nothing)).errors(codes, self.W_dec, self.b_dec, nothing)
        return codes, self.completed(y, x)

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
