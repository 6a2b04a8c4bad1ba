"""The threshold of the batch-wise gates, set on a sample when training ends."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.variants.batchtopk import BatchGate
from pellucid.dictionaries.variants.thresholds import midpoint_threshold


@torch.no_grad()
def calibrate(
    dictionary: Dictionary, sample: Float[Tensor, "batch d_in"], engine: Engine | None = None
) -> int | None:
    """Set theta so that the sample keeps exactly k latents a row on average; ties that this breaks.

    None for a dictionary whose gate has no common threshold.

    Arguments:
        dictionary: changed in place.
        sample: activations as the dictionary reads them.
        engine: what runs the loops; None: the fastest.

    Source: He et al. 2024, arXiv 2410.20526, section 3.3.
    """
    if not isinstance(dictionary, BatchGate):
        return None
    ranked = best_scores(dictionary, sample, dictionary.k, engine or engine_for(sample))
    threshold, ties = midpoint_threshold(ranked, dictionary.k * len(sample))
    dictionary.threshold.copy_(threshold)
    return ties


def best_scores(
    dictionary: Dictionary, sample: Float[Tensor, "batch d_in"], k: int, engine: Engine
) -> Float[Tensor, " value"]:
    """The k N largest scores of N rows and one row's worth more, without their dense table.

    Arguments:
        dictionary: whose encoder.
        sample: activations as the dictionary reads them.
        k: how many for each row, on average.
        engine: what runs the loops.
    """
    assert dictionary.b_enc is not None
    shifted = dictionary.shifted(dictionary.moved(sample).value).contiguous()
    wanted = min(k + 1, dictionary.n_features)  # N values beyond the border: the next smaller is among them
    ranking = dictionary.ranking()
    codes = engine.batch_top(shifted, dictionary.W_enc, dictionary.b_enc, wanted, ranking)
    scores = codes.values if ranking is None else codes.values * ranking[codes.indices.long()]
    return scores[codes.values > 0]
