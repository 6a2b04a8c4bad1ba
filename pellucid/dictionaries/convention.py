"""The convention record: every step between an activation and its reconstruction, said explicitly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pellucid.findings import InputError

# What can be run; a value that is not here is refused when a file is read, never taken for another.
BUILT: Mapping[str, tuple[str, ...]] = {
    "input_transform": ("none", "scale", "centre", "token_norm", "layer_norm"),
    "restore": ("exact", "without_epsilon", "none"),
    "subtract": ("none", "b_dec", "b_pre"),
    "gate": ("auto", "relu", "topk", "batchtopk", "jumprelu", "gated"),
    "rank_score": ("h", "h_norm"),
    "code_units": ("h", "h_norm"),
    "skip": ("none", "linear"),
    "reshape": ("none", "heads"),
    "model_processing": ("raw", "folded", "centred", "folded_and_centred"),
}


@dataclass(frozen=True)
class Convention:
    """How a dictionary encodes and decodes; `encode` and `decode` follow this record alone.

    Raises:
        InputError: DI01 for a value that cannot be run.

    Example:
        >>> Convention(subtract="none").subtract
        'none'
    """

    input_transform: str = "none"
    """What is done to the input first: nothing, times `scale_in`, less its mean over the width (centre),
    brought to length sqrt(width) (token_norm), or both less its mean and divided by its standard deviation
    (layer_norm)."""
    scale_in: float = 1.0
    """Factor of the input, for input_transform scale."""
    scale_out: float = 1.0
    """The output is divided by it, for input_transform scale."""
    epsilon: float = 1e-5
    """Added to the standard deviation of layer_norm, which is the unbiased one."""
    restore: str = "exact"
    """How a token's own transform is undone on the output: exactly, for layer_norm without the epsilon, or
    not at all."""
    subtract: Literal["none", "b_dec", "b_pre"] = "b_dec"
    """What is subtracted from the transformed input before W_enc."""
    gate: str = "auto"
    """Which pre-activations h become codes; auto: the gate of the dictionary's class."""
    rank_score: Literal["h", "h_norm"] = "h"
    """What top-k ranks by: h, or h times the length of the latent's decoder row."""
    code_units: Literal["h", "h_norm"] = "h"
    """What `encode` returns; `decode` divides by the decoder row's length in the second case."""
    decoder_unit_norm: bool = True
    """Whether decoder rows are kept at length 1."""
    skip: Literal["none", "linear"] = "none"
    """Linear path from the raw input to the output."""
    reshape: Literal["none", "heads"] = "none"
    """How the site's axes become one: heads joins (head, d_head), head by head."""
    model_processing: str = "raw"
    """Whether the model's norms were folded or its writing weights centred before training."""
    excluded_positions: tuple[int, ...] = ()
    """Positions never trained on and never spliced, from the start of the sequence."""
    excluded_tokens: tuple[int, ...] = ()
    """Token ids whose positions are never trained on and never spliced."""

    def __post_init__(self) -> None:
        for name, allowed in BUILT.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    "DI01",
                    f"A dictionary with {name} {getattr(self, name)!r} cannot be run.",
                    f"This version runs {name}: {', '.join(allowed)}.",
                )

    def included(self, tokens: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
        """The positions that the dictionary is for.

        Arguments:
            tokens: token ids.
        """
        mask = torch.ones_like(tokens, dtype=torch.bool)
        for position in self.excluded_positions:
            if position < tokens.shape[1]:
                mask[:, position] = False
        banned = torch.tensor(self.excluded_tokens, dtype=tokens.dtype, device=tokens.device)
        return mask & ~torch.isin(tokens, banned)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Convention:
        """The record back from plain data; DI02 for fields that this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - known - {"threshold"})  # threshold: written by the first version, unused
        if unknown:
            raise InputError(
                "DI02",
                f"The convention record holds unknown fields: {', '.join(unknown)}.",
                "It was written by a newer version: update pellucid.",
            )
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**{name: data[name] for name in data if name in known}, **lists})
