"""Where training begins: the scale of the activations, the decoder bias, and folding the scale back."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import TINY, Dictionary


def mean_norm_scale(x: Float[Tensor, "batch width"]) -> float:
    """S = sqrt(width) / E||x||; 1 where all activations are zero.

    Arguments:
        x: a sample of activations.
    """
    mean = float(x.double().norm(dim=1).mean())
    return float(x.shape[1] ** 0.5 / mean) if mean > 0 else 1.0


def geometric_median(
    x: Float[Tensor, "batch width"], *, iterations: int = 100, tolerance: float = 1e-5
) -> Float[Tensor, " width"]:
    """The point with the least summed distance: m <- sum x/||x - m|| / sum 1/||x - m||, from the mean.

    Arguments:
        x: points.
        iterations: at most so many.
        tolerance: stop when m moves by less than this share of its length.

    Source: Weiszfeld 1937.
    """
    points = x.double()
    median = points.mean(0)
    for _ in range(iterations):
        weights = 1 / (points - median).norm(dim=1).clamp_min(TINY)
        moved = (weights.unsqueeze(1) * points).sum(0) / weights.sum()
        small = float((moved - median).norm()) <= tolerance * float(moved.norm())
        median = moved
        if small:
            break
    return median.to(x.dtype)


@torch.no_grad()
def fold_scales(dictionary: Dictionary, scale_in: float, scale_out: float) -> None:
    """Make a dictionary of scaled activations one of raw activations, with codes in raw units.

    W_enc stays; b_enc <- b_enc / S_in, W_dec <- W_dec S_in / S_out, b_dec <- b_dec / S_out. Then
    f(x) = f_scaled(S_in x) / S_out exactly; where b_dec is subtracted, S_in = S_out.

    Arguments:
        dictionary: changed in place.
        scale_in: what inputs were multiplied with in training.
        scale_out: what targets were multiplied with.
    """
    assert scale_in == scale_out or dictionary.convention.subtract == "none"
    dictionary.b_enc.div_(scale_in)
    dictionary.W_dec.mul_(scale_in / scale_out)
    dictionary.b_dec.div_(scale_out)
