"""What a latent's attribution looks at: itself, the token before, an earlier copy, what followed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.attention.direct import check_positions
from pellucid.dictionaries.attention.linear import Attended, attend, contributions, place_of, readings
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.models import Model

RELATIONS = ("self", "previous", "induction", "duplicate", "first", "other")
MAJORITY = 0.5


@dataclass(frozen=True)
class SourceRelations:
    """From which sort of source each latent's attribution comes."""

    shares: Float[np.ndarray, "feature relation"]
    """Share of sum |DFA| by relation, in the order of RELATIONS; zeros for a latent that never fired."""
    tokens: Int[np.ndarray, " feature"]
    """At how many tokens each latent fired."""

    @property
    def behaviours(self) -> list[str]:
        """For each latent the relation that has more than half; "" where none has, or only "other" does."""
        foremost = self.shares.argmax(1)
        named = (self.shares.max(1) > MAJORITY) & (foremost < RELATIONS.index("other"))
        return [RELATIONS[at] if known else "" for at, known in zip(foremost, named, strict=True)]


def source_relations(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"], *, progress: Progress = SILENT
) -> SourceRelations:
    """Sort each latent's attribution by how the source token stands to the token at which it fires.

    With t the firing token and s the source, the first that holds: self (s = t), previous (s = t - 1),
    induction (the token before s equals that at t), duplicate (the token at s equals that at t), first
    (s = 0), other. Shares are of sum |DFA| over heads, sources and firing tokens.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: one of attn.z (heads side by side) or of attn_out.
        tokens: sequences.
        progress: told after each sequence.

    Raises:
        InputError: DI30 or DI31 for a dictionary of something else, DI32 for no sequences.
        MissingError: DI17 for a site that the model does not have.

    Example: ``head_attribution(sae, 12, behaviours=source_relations(model, sae, tokens).behaviours)``.

    Source: this rule is ours; Kissane et al. 2024, arXiv 2406.17759, named three families by hand.
    """
    place = place_of(model, dictionary)
    check_positions(tokens, None)
    totals = np.zeros((dictionary.n_features, len(RELATIONS)))
    fired = np.zeros(dictionary.n_features, dtype=np.int64)
    keep = dictionary.convention.included(tokens)
    with progress.task("sorting sources", len(tokens)) as task:
        for row in range(len(tokens)):
            seen = attend(model, place, tokens[row : row + 1])
            fires = firing(dictionary, seen.read, keep[row])
            active = fires.any(0).nonzero()[:, 0].tolist()
            totals[active] += masses(
                dictionary, seen, relations_of(tokens[row]).to(fires.device), fires, active
            )
            fired += fires.sum(0).cpu().numpy()
            task.advance()
    sums = totals.sum(1, keepdims=True)
    return SourceRelations(totals / np.where(sums > 0, sums, 1.0), fired)


@torch.no_grad()
def firing(
    dictionary: Dictionary, x: Float[Tensor, "pos d_in"], keep: Bool[Tensor, " pos"]
) -> Bool[Tensor, "pos feature"]:
    """Where each latent fires, at positions that the dictionary is for."""
    return (dictionary.encode(x.to(dictionary.W_enc.dtype)) != 0) & keep.to(x.device).unsqueeze(1)


def relations_of(tokens: Int[Tensor, " pos"]) -> Int[Tensor, "query source"]:
    """Number of the relation that each source has to each query."""
    place = torch.arange(len(tokens), device=tokens.device)
    before = torch.cat([tokens.new_full((1,), -1), tokens[:-1]])
    query, source = place[:, None], place[None, :]
    holds = [
        query == source,
        query == source + 1,
        tokens[:, None] == before[None, :],
        tokens[:, None] == tokens[None, :],
        (source == 0).expand(len(tokens), -1),
        torch.ones(len(tokens), len(tokens), dtype=torch.bool, device=tokens.device),
    ]
    return torch.stack(holds).int().argmax(0)  # the first that holds


def masses(
    dictionary: Dictionary,
    seen: Attended,
    relations: Int[Tensor, "query source"],
    fires: Bool[Tensor, "pos feature"],
    latents: Sequence[int],
) -> Float[np.ndarray, "latent relation"]:
    """sum |DFA| by relation over the tokens at which each latent fires."""
    made = np.zeros((len(latents), len(RELATIONS)))
    values = seen.values.double()
    for row, reading in enumerate(readings(dictionary, seen, list(latents))):
        queries = fires[:, latents[row]].nonzero()[:, 0]
        terms = contributions(seen.pattern[:, queries].double(), values, reading.at(queries).rows)
        sizes = terms.abs().sum(0).flatten().cpu()
        kinds = relations[queries].flatten().cpu()
        made[row] = torch.bincount(kinds, weights=sizes, minlength=len(RELATIONS)).numpy()
    return made
