"""JumpReLU: every latent has a threshold of its own, trained by straight-through estimates."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.dictionaries.dictionary import Dictionary, Place
from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.variants.thresholds import above_threshold, sparse_above

SPARSE = 30  # with fewer than one latent in so many active, a sparse step is faster than a dense one


class JumpReLU(Dictionary):
    """z_i = h_i where h_i > theta_i, else 0; training pays lambda E sum_i 1[h_i > theta_i].

    The step has no gradient; with the rectangle K(u) = 1[|u| < 1/2] and the bandwidth eps,

        dz_i/dtheta_i = -(theta_i / eps) K((h_i - theta_i) / eps)
        d1[h_i > theta_i]/dtheta_i = -(1 / eps) K((h_i - theta_i) / eps),      dz_i/dh_i = 1[h_i > theta_i]

    where K is taken of the pre-activation. A stored threshold below 0 acts as 0.

    Arguments:
        d_in: width of the activation that is read.
        n_features: number of latents.
        bandwidth: eps, in units of h during training.
        threshold: where every theta begins.
        place: d_out, site_in, site_out, convention and seed, as every `Dictionary` takes them.

    Example:
        >>> JumpReLU(8, 32, threshold=0.5).gate(torch.tensor([[0.5, 0.6]])).tolist()
        [[0.0, 0.6000000238418579]]

    Source: Rajamanoharan et al. 2024, arXiv 2407.14435, equations 9 to 12.
    """

    gate_name: ClassVar[str] = "jumprelu"

    def __init__(
        self,
        d_in: int,
        n_features: int,
        *,
        bandwidth: float = 0.05,
        threshold: float = 0.05,
        **place: Unpack[Place],
    ) -> None:
        super().__init__(d_in, n_features, **place)
        self.bandwidth = bandwidth
        self.threshold = nn.Parameter(torch.full((n_features,), threshold))

    def settings(self) -> dict[str, Any]:
        """The variant and its bandwidth."""
        return {"variant": "jumprelu", "bandwidth": self.bandwidth}

    def gate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """h where it, or it times the decoder row's length, exceeds its threshold; no gradient to it."""
        return above_threshold(h, self.threshold.detach(), self.ranking())

    def activate(self, h: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """The same with the straight-through gradient of the thresholds."""
        jumped: Tensor = Jump.apply(h, self.threshold, self.bandwidth)  # type: ignore[no-untyped-call]
        return jumped

    def penalty(
        self, h: Float[Tensor, "batch feature"], z: Float[Tensor, "batch feature"], y: Tensor
    ) -> Float[Tensor, ""]:
        """E sum_i 1[h_i > theta_i], with the straight-through gradient of the thresholds."""
        count: Tensor = Count.apply(h, self.threshold, self.bandwidth)  # type: ignore[no-untyped-call]
        return count

    def _codes(self, shifted: Float[Tensor, "batch d_in"], engine: Engine) -> Codes:
        assert self.b_enc is not None
        limits = self.threshold.detach()
        return sparse_above(shifted, self.W_enc, self.b_enc, limits, self.ranking(), engine)

    @torch.no_grad()
    def training_codes(
        self, shifted: Float[Tensor, "batch d_in"], engine: Engine, active: float
    ) -> Codes | None:
        """The codes of `activate`, with what lies in the windows; None where a dense step is the better one.

        That is while many latents are active, or where a window reaches below 0: there every silent latent
        would have to be looked at.
        """
        half = self.bandwidth / 2
        if active > self.n_features / SPARSE or float(self.threshold.min()) < half:
            return None
        assert self.b_enc is not None
        found = engine.above(shifted, self.W_enc, self.b_enc, self.threshold.detach() - half)
        limits, h = self.threshold.detach()[found.indices.long()], found.values
        margin = Codes(found.indices, h * near(h, limits, self.bandwidth), self.n_features)
        return Codes(found.indices, h * (h > limits), self.n_features, margin)

    def prices(self) -> None:
        """None: the price is not one of the codes' size."""

    def nested(self) -> tuple[tuple[int, float], ...]:
        """One reconstruction, by all latents."""
        return ((self.n_features, 1.0),)

    @torch.no_grad()
    def constrain(self) -> None:
        """Keep stored thresholds at 0 or above: a clamp in the graph would end their gradient."""
        self.threshold.clamp_(min=0)


def near(h: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """K((h - theta) / eps): whether h lies strictly inside the window."""
    return (h - threshold).abs() < bandwidth / 2


class Jump(torch.autograd.Function):
    """h 1[h > theta] with a straight-through gradient of theta."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        """Positive h above its threshold."""
        opened = h > threshold.clamp_min(0)
        ctx.save_for_backward(opened, *inside(h, threshold, bandwidth), threshold)
        ctx.bandwidth = bandwidth
        return h * opened

    @staticmethod
    def backward(ctx: Any, *outward: Tensor) -> tuple[Tensor, Tensor, None]:
        """Through what is open, and -(theta/eps) K for the threshold."""
        opened, rows, latents, threshold = ctx.saved_tensors
        (out,) = outward
        felt = torch.zeros_like(threshold).index_add_(0, latents, out[rows, latents])
        return out * opened, -(threshold / ctx.bandwidth) * felt, None


class Count(torch.autograd.Function):
    """Mean over rows of sum_i 1[h_i > theta_i], with a straight-through gradient of theta."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        """How many of a row are above their thresholds."""
        _, latents = inside(h, threshold, bandwidth)
        ctx.save_for_backward(torch.bincount(latents, minlength=len(threshold)).to(h.dtype))
        ctx.scale = bandwidth * len(h)
        return (h > threshold.clamp_min(0)).sum().to(h.dtype) / len(h)

    @staticmethod
    def backward(ctx: Any, *outward: Tensor) -> tuple[None, Tensor, None]:
        """-(1/eps) K for the threshold."""
        (hits,) = ctx.saved_tensors
        (out,) = outward
        return None, -out * hits / ctx.scale, None


def inside(h: Tensor, threshold: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Rows and latents of the few pre-activations that lie in a window."""
    places = near(h, threshold, bandwidth).nonzero()
    return places[:, 0], places[:, 1]
