"""One threshold in place of a ranking: which codes pass it, and where it must lie."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.engines.compiled import Engine
from pellucid.dictionaries.engines.selection import Codes


def above_threshold(
    h: Float[Tensor, "batch feature"], threshold: Tensor, ranking: Float[Tensor, " feature"] | None
) -> Float[Tensor, "batch feature"]:
    """h where it is positive and it, or it times `ranking`, is strictly above the threshold.

    Arguments:
        h: pre-activations.
        threshold: one for all, or one for each latent.
        ranking: factors of h for the comparison; None: 1.
    """
    scores = h.detach() if ranking is None else h.detach() * ranking
    return h.relu() * (scores > threshold)


def sparse_above(
    shifted: Float[Tensor, "batch d_in"],
    encoder: Float[Tensor, "feature d_in"],
    bias: Float[Tensor, " feature"],
    threshold: Tensor,
    ranking: Float[Tensor, " feature"] | None,
    engine: Engine,
) -> Codes:
    """The same as sparse codes: the threshold is brought into units of h.

    Arguments:
        shifted: inputs of the encoder.
        encoder: W_enc.
        bias: b_enc.
        threshold: one for all, or one for each latent.
        ranking: factors of h for the comparison; None: 1.
        engine: what runs the loops.
    """
    limits = threshold.clamp_min(0).expand(len(encoder))
    if ranking is not None:
        limits = limits / ranking.clamp_min(torch.finfo(ranking.dtype).tiny)
    return engine.above(shifted, encoder, bias, limits.contiguous())


def batch_mask(
    h: Float[Tensor, "batch feature"], k: int, ranking: Float[Tensor, " feature"] | None
) -> Float[Tensor, "batch feature"]:
    """1 at the k B largest positive scores of the batch; ties go to the smaller row, then the smaller index.

    Arguments:
        h: pre-activations of B rows.
        k: how many to keep for each row, on average.
        ranking: factors of h for the comparison; None: 1.
    """
    scores = (h if ranking is None else h * ranking).relu().flatten()
    order = torch.sort(scores, descending=True, stable=True).indices[: k * len(h)]
    mask = torch.zeros_like(scores)
    mask[order] = 1.0
    return (mask * (scores > 0)).reshape(h.shape)


def midpoint_threshold(scores: Float[Tensor, " value"], wanted: int) -> tuple[Float[Tensor, ""], int]:
    """The threshold that keeps exactly `wanted` of some positive scores, and how many ties it breaks.

    It lies midway between the last value that is kept and the next smaller distinct one, so that a strict
    comparison keeps `wanted` values when there is no tie; with ties it keeps fewer, by the number returned.

    Arguments:
        scores: values; those of 0 or below never count.
        wanted: how many to keep.

    Source: He et al. 2024, arXiv 2410.20526, section 3.3 (the rule there is the wanted-th value itself).
    """
    positive = scores[scores > 0]
    if len(positive) <= wanted:
        return scores.new_zeros(()), 0
    ordered = torch.sort(positive, descending=True).values
    last = ordered[wanted - 1]
    below = ordered[ordered < last]
    if ordered[wanted] == last:  # a tie across the border: none of the equal values passes
        return last, int((ordered[:wanted] == last).sum())
    return (last + below[0]) / 2, 0
