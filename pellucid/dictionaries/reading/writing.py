"""What latents write: the logits of their directions, and the heads that their directions lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.selection import top_indices
from pellucid.dictionaries.reading.logits import STREAM, lens
from pellucid.models import Model

BLOCK = 256  # directions at a time
THROUGH = {"z": "attn_out", "post": "mlp_out"}
"""Sites that reach the residual stream by one linear map, and where it ends."""


@dataclass(frozen=True)
class Effects:
    """The tokens that each latent raises and lowers most, in logits."""

    raised: Int[np.ndarray, "row rank"]
    """Tokens, the most raised first."""
    raised_by: Float[np.ndarray, "row rank"]
    """By how much."""
    lowered: Int[np.ndarray, "row rank"]
    """Tokens, the most lowered first."""
    lowered_by: Float[np.ndarray, "row rank"]
    """By how much, below 0."""


def effects(model: Model, dictionary: Dictionary, latents: Int[np.ndarray, " row"], n: int) -> Effects | None:
    """What latents do to the logits, block by block; None where they do not reach the residual stream.

    The effect is that of `logit_effects`; directions among the heads' outputs or in the hidden layer of an
    MLP go through the block's output matrix first.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: whose decoder rows.
        latents: which.
        n: how many tokens at each end.
    """
    leaf = dictionary.site_out.rsplit(".", 1)[-1]
    if leaf not in STREAM and leaf not in THROUGH:
        return None
    parts = []
    for begin in range(0, len(latents), BLOCK):
        rows = dictionary.W_dec.detach()[latents[begin : begin + BLOCK]]
        logits = lens(model, in_stream(model, dictionary.site_out, rows))
        count = min(n, logits.shape[1])
        raised, lowered = top_indices(logits, count), top_indices(-logits, count)
        found = (raised, logits.gather(1, raised), lowered, logits.gather(1, lowered))
        parts.append([column.cpu().numpy() for column in found])
    return Effects(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@torch.no_grad()
def in_stream(
    model: Model, site: str, directions: Float[Tensor, "latent d_out"]
) -> Float[Tensor, "latent d_model"]:
    """Directions at a site as what they add to the residual stream."""
    path, _, leaf = site.rpartition(".")
    if leaf in STREAM:
        return directions
    end = f"{path.rpartition('.')[0]}.{THROUGH[leaf]}"
    tokens = torch.zeros((len(directions) + 1, 1), dtype=torch.long, device=directions.device)
    with_none = torch.cat([directions, torch.zeros_like(directions[:1])])
    shape = model.run(tokens[:1], read=[site], until=site)[site].shape[2:]
    written = with_none.reshape(len(tokens), 1, *shape)
    read = model.run(tokens, read=[end], write={site: written}, until=end)[end][:, 0]
    return read[:-1] - read[-1:]  # what the bias adds is no latent's


def head_shares(
    model: Model, dictionary: Dictionary, latents: Int[np.ndarray, " row"]
) -> Float[np.ndarray, "row head"] | None:
    """The share of each head in a latent's direction among the heads' outputs; None at other sites.

        share_{i,f} = ||W_dec[f, head i]|| / sum_j ||W_dec[f, head j]||

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: whose decoder rows.
        latents: which.

    Source: Kissane et al. 2024, arXiv 2406.17759, section 3.3.
    """
    if not dictionary.site_out.endswith(".attn.z"):
        return None
    rows = dictionary.W_dec.detach()[latents].double()
    by_head = rows.reshape(len(rows), model.facts.n_heads, -1).norm(dim=2)
    shares = by_head / by_head.sum(1, keepdim=True).clamp_min(1e-30)
    found: Float[np.ndarray, "row head"] = shares.float().cpu().numpy()
    return found
