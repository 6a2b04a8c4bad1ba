"""Changes of units that leave the function as it is: the algebra of scales, lengths and whitening."""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import TINY, Dictionary
from pellucid.findings import InputError

THRESHOLDS = ("threshold",)
MAGNITUDES = ("b_enc", "b_gate", "b_mag")


@torch.no_grad()
def fold_scales(dictionary: Dictionary, scale_in: float, scale_out: float) -> None:
    """Make a dictionary of scaled activations one of raw activations, with codes in raw units.

    W_enc stays; b_enc <- b_enc / S_in, theta <- theta / S_in, W_dec <- W_dec S_in / S_out,
    b_dec <- b_dec / S_out, W_skip <- W_skip S_in / S_out. Then f(x) = f_scaled(S_in x) / S_out exactly; where
    b_dec is subtracted, S_in = S_out.

    Arguments:
        dictionary: changed in place.
        scale_in: what inputs were multiplied with in training.
        scale_out: what targets were multiplied with.
    """
    assert scale_in == scale_out or dictionary.convention.subtract != "b_dec"
    # thresholds are in units of h, or of h times the decoder row's length, which then changes too
    ranked = dictionary.convention.rank_score == "h_norm"
    for name, value in biases(dictionary):
        value.div_(scale_out if ranked and name in THRESHOLDS else scale_in)
    dictionary.W_dec.mul_(scale_in / scale_out)
    dictionary.b_dec.div_(scale_out)
    if dictionary.b_pre is not None:
        dictionary.b_pre.div_(scale_in)
    if dictionary.W_skip is not None:
        dictionary.W_skip.mul_(scale_in / scale_out)


@torch.no_grad()
def rescale_latents(dictionary: Dictionary, factors: Float[Tensor, " feature"]) -> None:
    """Make each latent's decoder row longer and its codes smaller by the same factor.

    W_dec[i] *= s, W_enc[i], b_enc[i] and theta[i] /= s: the same function for relu, jumprelu and gated, and
    for the ranked gates when they rank by h times the decoder row's length; not when they rank by h.

    Arguments:
        dictionary: changed in place.
        factors: above 0.

    Raises:
        InputError: DI28 for a gate whose choice would change.
    """
    refuse_changed_choice(dictionary)
    ranked = dictionary.convention.rank_score == "h_norm"
    dictionary.W_dec.mul_(factors[:, None])
    dictionary.W_enc.div_(factors[:, None])
    for name, value in biases(dictionary):
        if not (ranked and name in THRESHOLDS):  # h times the length is what it was
            value.div_(factors)


def refuse_changed_choice(dictionary: Dictionary) -> None:
    """DI28 for a gate that compares latents by h alone."""
    one_for_all = dictionary.convention.gate in ("topk", "batchtopk")
    if one_for_all and dictionary.convention.rank_score == "h":
        raise InputError(
            "DI28",
            "This dictionary ranks latents by h: other lengths of decoder rows would change its choice.",
            "Keep its lengths, or use one that ranks by h times the length (rank_score='h_norm').",
        )


@torch.no_grad()
def fold_unit_decoder(dictionary: Dictionary) -> None:
    """Bring decoder rows to length 1, so that codes are h n_i of before; then ranking by h is the same.

    A second call changes nothing.

    Arguments:
        dictionary: changed in place, its record included.

    Raises:
        InputError: DI28 for a gate that ranks by h, unless its rows have one length already.
    """
    lengths = dictionary.lengths().detach()
    if bool((lengths == 1).all()) or bool(((lengths - 1).abs() < 1e-6).all()):
        ranked = dictionary.convention.rank_score
    else:
        rescale_latents(dictionary, 1 / lengths.clamp_min(TINY))
        ranked = "h"
    dictionary.convention = dataclasses.replace(
        dictionary.convention, decoder_unit_norm=True, rank_score=ranked
    )


@torch.no_grad()
def fold_whitening(
    dictionary: Dictionary, mean: Float[Tensor, " d_in"], whitener: Float[Tensor, "d_in d_in"]
) -> None:
    """Make a dictionary of z = (x - mean) M one of x.

    W_enc' = W_enc M^T, b_enc' = b_enc - W_enc' mean unless b_dec is subtracted, W_dec' = W_dec M^-1,
    b_dec' = b_dec M^-1 + mean (rows are latents here).

    Arguments:
        dictionary: an autoencoder, changed in place; lengths of decoder rows change.
        mean: of the activations.
        whitener: M, invertible.

    Raises:
        InputError: DI28 for a gate that ranks by h times the length; fold the lengths first.
    """
    if dictionary.convention.rank_score == "h_norm":
        raise InputError(
            "DI28",
            "Whitening changes the lengths by which this dictionary ranks latents.",
            "Call fold_unit_decoder first.",
        )
    back = torch.linalg.inv(whitener.double()).to(whitener.dtype)
    dictionary.W_enc.copy_(dictionary.W_enc @ whitener.T)
    if dictionary.convention.subtract == "none":
        shift = dictionary.W_enc @ mean
        for name, value in biases(dictionary):
            if name in ("b_enc", "b_gate"):
                value.sub_(shift)
            if name == "b_mag":
                value.sub_(dictionary.r_mag.exp() * shift)  # type: ignore[operator]
    dictionary.W_dec.copy_(dictionary.W_dec @ back)
    dictionary.b_dec.copy_(dictionary.b_dec @ back + mean)
    dictionary.convention = dataclasses.replace(dictionary.convention, decoder_unit_norm=False)


def biases(dictionary: Dictionary) -> list[tuple[str, Tensor]]:
    """The weights in units of h, by name."""
    found = []
    for name in (*MAGNITUDES, *THRESHOLDS):
        value = getattr(dictionary, name, None)
        if isinstance(value, Tensor):
            found.append((name, value.data))
    return found
