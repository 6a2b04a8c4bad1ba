"""A ranked gate turned into thresholds: what a suite publishes in place of its top-k."""

from __future__ import annotations

import copy
import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import Engine, engine_for
from pellucid.dictionaries.formats.conversion import fold_scale
from pellucid.dictionaries.training.calibration import best_scores
from pellucid.dictionaries.training.folding import fold_unit_decoder
from pellucid.dictionaries.variants.batchtopk import BatchTopK
from pellucid.dictionaries.variants.jumprelu import JumpReLU
from pellucid.dictionaries.variants.matryoshka import Matryoshka
from pellucid.dictionaries.variants.thresholds import midpoint_threshold
from pellucid.dictionaries.variants.topk import TopK
from pellucid.findings import InputError


@torch.no_grad()
def to_jumprelu(
    dictionary: Dictionary, sample: Float[Tensor, "batch d_in"], *, engine: Engine | None = None
) -> JumpReLU:
    """The dictionary with thresholds in place of its ranking, for raw activations and unit decoder rows.

        (1) scales folded:  b_enc <- b_enc / S_in, W_dec <- W_dec S_in / S_out, b_dec <- b_dec / S_out
        (2) lengths folded: W_dec[i] /= n_i, W_enc[i] *= n_i, b_enc[i] *= n_i
        (3) theta: E #(h_i > theta) = k over the sample,    z_i = h_i where h_i > theta

    theta lies midway between the (N k)-th largest of all positive scores of the N rows and the next smaller
    distinct one, so that exactly N k pass; with equal scores across that border fewer pass, and their number
    is kept in `training_record["conversion"]`. A dictionary that ranks by h without unit rows gets
    theta_i = n_i theta.

    Arguments:
        dictionary: of the kinds topk, batchtopk or matryoshka; it stays as it is.
        sample: raw activations of its site, some thousand rows; 32,768 in the paper.
        engine: what runs the loops; None: the fastest.

    Raises:
        InputError: DI110 for a kind without k or an empty sample, DI04 and DI05 for a sample of another width
            or with NaN.

    Example:
        >>> sae = TopK(8, 32, 4)
        >>> jump = to_jumprelu(sae, torch.randn(100, 8, generator=torch.Generator().manual_seed(0)))
        >>> jump.training_record["conversion"]["ties"], int((jump.encode(torch.eye(8)) != 0).sum()) <= 64
        (0, True)

    Source: He et al. 2024, arXiv 2410.20526, section 3.3, whose theta is the (N k)-th value itself.
    """
    if not isinstance(dictionary, TopK | BatchTopK | Matryoshka) or len(sample) == 0:
        rows = "an empty sample" if len(sample) == 0 else f"a {dictionary.settings()['variant']}"
        raise InputError(
            "DI110",
            f"No thresholds can be set from {rows}: so many active latents are asked for, k of each row.",
            "Give a topk, batchtopk or matryoshka dictionary and activations of its site.",
        )
    dictionary.check_input(sample)
    plain = folded(dictionary)
    scores = best_scores(plain, sample, dictionary.k, engine or engine_for(sample))
    theta, ties = exact_threshold(scores, dictionary.k * len(sample))
    made = with_thresholds(plain, theta)
    made.training_record = {
        **dictionary.training_record,
        "conversion": {
            "from": dictionary.sha256,
            "k": dictionary.k,
            "rows": len(sample),
            "threshold": float(theta),
            "ties": ties,
        },
    }
    return made.requires_grad_(False)


def exact_threshold(scores: Float[Tensor, " value"], wanted: int) -> tuple[Float[Tensor, ""], int]:
    """The midpoint threshold, held below the last value that must pass; and how many ties it breaks.

    Arguments:
        scores: values, those above 0 count.
        wanted: how many must be strictly above it.
    """
    theta, ties = midpoint_threshold(scores, wanted)
    if ties or not bool(theta > 0):
        return theta, ties
    if int((scores > theta).sum()) < wanted:  # between neighbouring numbers the midpoint rounds to the upper
        theta = scores[scores < theta].max()
    return theta, ties


def folded(dictionary: Dictionary) -> Dictionary:
    """A copy for raw activations, with unit decoder rows wherever that leaves the ranking as it is.

    Arguments:
        dictionary: with any record.
    """
    made = copy.deepcopy(fold_scale(dictionary))
    if made.convention.rank_score == "h_norm":
        fold_unit_decoder(made)
    return made


def with_thresholds(ranked: Dictionary, theta: Float[Tensor, ""]) -> JumpReLU:
    """The same weights behind one threshold, then unit decoder rows.

    Arguments:
        ranked: a folded dictionary, whose scores are h.
        theta: for all latents.
    """
    made = JumpReLU(
        ranked.d_in,
        ranked.n_features,
        d_out=ranked.d_out,
        site_in=ranked.site_in,
        site_out=ranked.site_out,
        convention=thresholded(ranked.convention),
    ).to(ranked.W_enc)
    weights = {name: value for name, value in ranked.state_dict().items() if name != "threshold"}
    made.load_state_dict({**weights, "threshold": theta.expand(ranked.n_features).clone()})
    fold_unit_decoder(made)
    return made


def thresholded(record: Convention) -> Convention:
    """The record with the gate of thresholds; codes stay in the units that rows of length 1 give them."""
    return dataclasses.replace(record, gate="jumprelu", rank_score="h")
