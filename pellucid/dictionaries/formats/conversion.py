"""The same function in another convention: other weights, so that a dictionary fits a format.

Every function returns a new dictionary and leaves the given one as it is.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.training.folding import fold_unit_decoder
from pellucid.dictionaries.training.folding import fold_whitening as whitened_to_raw
from pellucid.dictionaries.variants.batchtopk import BatchTopK
from pellucid.dictionaries.variants.gated import Gated
from pellucid.dictionaries.variants.jumprelu import JumpReLU
from pellucid.dictionaries.variants.matryoshka import Matryoshka
from pellucid.dictionaries.variants.table import build
from pellucid.dictionaries.variants.topk import TopK
from pellucid.findings import InputError

BIASES = ("b_enc", "b_gate", "b_mag")  # in units of h, one number for each latent


def remade(
    dictionary: Dictionary,
    tensors: Mapping[str, Tensor],
    *,
    settings: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Dictionary:
    """The same dictionary with other weights, another record or another class.

    Arguments:
        dictionary: what to start from.
        tensors: all weights of the new one.
        settings: of the new class; None: as it was.
        changes: fields of the convention record.
    """
    record = dataclasses.replace(dictionary.convention, gate="auto", **changes)
    made = build(
        dictionary.settings() if settings is None else settings,
        dictionary.d_in,
        dictionary.n_features,
        d_out=dictionary.d_out,
        site_in=dictionary.site_in,
        site_out=dictionary.site_out,
        convention=record,
    ).to(dictionary.W_enc.dtype)
    made.load_state_dict({name: value.detach().clone() for name, value in tensors.items()})
    made.training_record = dict(dictionary.training_record)
    return made.requires_grad_(False)


def fold_lengths(dictionary: Dictionary) -> Dictionary:
    """Decoder rows of length 1: the same reconstruction, and codes in units of h n_i.

    A batch-wise gate that compares h with one threshold gets one for each latent, theta n_i.

    Arguments:
        dictionary: any but a TopK that ranks by h.

    Raises:
        InputError: DI28 for that one, unless its decoder rows have length 1.

    Example: ``fold_lengths(sae).lengths()`` is 1 everywhere.

    Source: the identity behind sparsity_include_decoder_norm, He et al. 2024, arXiv 2410.20526, section 3.1.
    """
    scalar = isinstance(dictionary, (BatchTopK, Matryoshka)) and dictionary.convention.rank_score == "h"
    made = copy.deepcopy(as_jumprelu(dictionary) if scalar else dictionary)
    fold_unit_decoder(made)
    made.convention = dataclasses.replace(made.convention, rank_score="h", code_units="h")
    return made


def in_units_of_h(dictionary: Dictionary) -> Dictionary:
    """The same codes and reconstruction where ranking and codes are in units of h, as most formats have it.

    Arguments:
        dictionary: any but a TopK ranked by h that gives codes in units of h n.

    Raises:
        InputError: DI28 for that one, unless its decoder rows have length 1.
    """
    record = dictionary.convention
    if record.rank_score == "h" and record.code_units == "h":
        return dictionary
    return fold_lengths(dictionary)


def fold_subtraction(dictionary: Dictionary, subtract: Literal["none", "b_dec"]) -> Dictionary:
    """The same codes with nothing, or with b_dec, subtracted: what changes goes into the encoder's biases.

        W_enc (x - s) + b = W_enc (x - s') + b',   b' = b - W_enc (s - s'),   for b_mag with exp(r_mag) W_enc

    Arguments:
        dictionary: any.
        subtract: what the new one subtracts; b_dec needs equal widths.

    Example: ``fold_subtraction(sae, "none").convention.subtract``.
    """
    if dictionary.convention.subtract == subtract:
        return dictionary
    tensors = dict(dictionary.state_dict())
    before = subtracted(dictionary, dictionary.convention.subtract)
    shift = dictionary.W_enc.detach() @ (before - subtracted(dictionary, subtract))
    for name in BIASES:
        if name in tensors:
            factor = tensors["r_mag"].exp() if name == "b_mag" else 1.0
            tensors[name] = tensors[name] - shift * factor
    tensors.pop("b_pre", None)
    return remade(dictionary, tensors, subtract=subtract)


def subtracted(dictionary: Dictionary, subtract: str) -> Float[Tensor, " d_in"]:
    """What a record's `subtract` means, as a vector."""
    if subtract == "b_dec":
        return dictionary.b_dec.detach()
    if dictionary.b_pre is not None and subtract == "b_pre":
        return dictionary.b_pre.detach()
    return dictionary.W_enc.new_zeros(dictionary.d_in)


def fold_scale(dictionary: Dictionary, units: Literal["raw", "scaled"] = "raw") -> Dictionary:
    """The same function of raw activations without a scale in the record.

    raw: b_enc /= S_in, W_dec *= S_in / S_out, b_dec /= S_out, thresholds of h /= S_in, those of h n_i
    /= S_out; codes come divided by S_in. scaled: W_enc *= S_in, W_dec and b_dec /= S_out, thresholds of h n_i
    /= S_out; codes stay. What is subtracted is divided by S_in either way, in a vector of its own where
    S_in != S_out.

    Arguments:
        dictionary: any; one without a scale is returned as it is.
        units: which codes the new one gives.

    Example: ``fold_scale(sae).convention.input_transform``.

    Source: He et al. 2024, arXiv 2410.20526, appendix (raw); Anthropic, April 2024 update (scaled).
    """
    record = dictionary.convention
    if record.input_transform != "scale":
        return dictionary
    s_in, s_out = record.scale_in, record.scale_out
    tensors = dict(dictionary.state_dict())
    encoder, rest = (1.0, 1 / s_in) if units == "raw" else (s_in, 1.0)
    tensors["W_enc"] = tensors["W_enc"] * encoder
    tensors["W_dec"] = tensors["W_dec"] / (rest * s_out)
    tensors["b_dec"] = tensors["b_dec"] / s_out
    for name in BIASES:
        if name in tensors:
            tensors[name] = tensors[name] * rest
    if "threshold" in tensors:
        by_length = record.rank_score == "h_norm"
        tensors["threshold"] = tensors["threshold"] * (1 / s_out if by_length else rest)
    return remade(dictionary, tensors | own_vector(dictionary), **without_scale(record))


def own_vector(dictionary: Dictionary) -> dict[str, Tensor]:
    """What is subtracted after the scale is folded, where it is no longer b_dec."""
    record = dictionary.convention
    kept = record.subtract == "b_dec" and record.scale_in == record.scale_out
    if record.subtract == "none" or kept:
        return {}
    return {"b_pre": subtracted(dictionary, record.subtract) / record.scale_in}


def without_scale(record: Convention) -> dict[str, Any]:
    """Changes of the record when its scale is folded."""
    own = record.subtract == "b_pre" or (record.subtract == "b_dec" and record.scale_in != record.scale_out)
    changes = {"input_transform": "none", "scale_in": 1.0, "scale_out": 1.0}
    return changes | ({"subtract": "b_pre"} if own else {})


def fold_whitening(
    dictionary: Dictionary,
    mean: Float[Tensor, " d_in"],
    matrix: Float[Tensor, "d_in d_in"],
) -> Dictionary:
    """A dictionary of z = (x - mean) M as one of raw x: W_enc' = W_enc M^T, W_dec' = W_dec M^-1, b_dec' too.

    The mean goes into b_dec', and out of the encoder's biases unless b_dec is subtracted. Where top-k or a
    threshold ranks by h n_i, lengths are folded first, because whitening changes them.

    Arguments:
        dictionary: trained on z, of equal widths.
        mean: of x.
        matrix: M, applied to rows from the right.

    Example: ``fold_whitening(sae, x.mean(0), torch.linalg.inv(root))``.
    """
    start = fold_lengths(dictionary) if dictionary.convention.rank_score == "h_norm" else dictionary
    start = fold_subtraction(start, "none") if start.convention.subtract == "b_pre" else start
    made = copy.deepcopy(start)
    whitened_to_raw(made, mean, matrix)
    return made


def as_jumprelu(dictionary: Dictionary) -> JumpReLU:
    """The same dictionary, exactly, with one threshold for each latent.

    ReLU: theta = 0. BatchTopK and Matryoshka: their threshold, for every latent. Gated: W_enc *= exp(r),
    b_enc = b_mag, theta = max(0, b_mag - exp(r) b_gate): the gate opens where the magnitude exceeds that.

    Arguments:
        dictionary: any but a TopK, whose thresholds are set on rows by `to_jumprelu`.

    Raises:
        InputError: DI88 for a TopK.

    Example: ``as_jumprelu(gated).threshold``.

    Source: Rajamanoharan et al. 2024, arXiv 2404.16014, appendix.
    """
    if isinstance(dictionary, JumpReLU):
        return dictionary
    if isinstance(dictionary, TopK):
        raise InputError(
            "DI88",
            f"A TopK dictionary of k = {dictionary.k} has no threshold that gives the same codes.",
            "Set thresholds on rows of its site with to_jumprelu(dictionary, rows).",
        )
    tensors = dict(dictionary.state_dict())
    ranked = "threshold" in tensors
    if isinstance(dictionary, Gated):
        factor, gate, bias = tensors.pop("r_mag").exp(), tensors.pop("b_gate"), tensors.pop("b_mag")
        tensors |= {"W_enc": tensors["W_enc"] * factor[:, None], "b_enc": bias}
        tensors["threshold"] = (bias - factor * gate).clamp_min(0)
    else:
        limit = tensors["threshold"] if ranked else tensors["b_enc"].new_zeros(())
        tensors["threshold"] = limit.to(tensors["b_enc"].dtype).expand(dictionary.n_features)
    score = dictionary.convention.rank_score if ranked else "h"
    made = remade(dictionary, tensors, settings={"variant": "jumprelu"}, rank_score=score)
    assert isinstance(made, JumpReLU)
    return made
