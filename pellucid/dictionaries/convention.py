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

# What is built so far; the record has the field's whole vocabulary so that other programs' files can be read.
BUILT: Mapping[str, tuple[str, ...]] = {
    "input_transform": ("none",),
    "subtract": ("none", "b_dec"),
    "gate": ("topk",),
    "rank_score": ("h", "h_norm"),
    "code_units": ("h", "h_norm"),
    "threshold": ("none",),
    "skip": ("none",),
    "reshape": ("none",),
    "model_processing": ("raw",),
}


@dataclass(frozen=True)
class Convention:
    """How a dictionary encodes and decodes; `encode` and `decode` follow this record alone.

    Raises:
        InputError: DI01 for a value that this version cannot run.

    Example:
        >>> Convention(subtract="none").subtract
        'none'
    """

    input_transform: str = "none"
    """What is done to the input first."""
    subtract: Literal["none", "b_dec"] = "b_dec"
    """What is subtracted from the transformed input before W_enc."""
    gate: str = "topk"
    """Which pre-activations h become codes."""
    rank_score: Literal["h", "h_norm"] = "h"
    """What top-k ranks by: h, or h times the length of the latent's decoder row."""
    code_units: Literal["h", "h_norm"] = "h"
    """What `encode` returns; `decode` divides by the decoder row's length in the second case."""
    threshold: str = "none"
    """Threshold of the gate; the comparison is strictly greater."""
    decoder_unit_norm: bool = True
    """Whether decoder rows are kept at length 1."""
    skip: str = "none"
    """Linear path from the raw input to the output."""
    reshape: str = "none"
    """How the site's axes become one."""
    model_processing: str = "raw"
    """Whether the model's norms were folded or its weights centred before training."""
    excluded_positions: tuple[int, ...] = ()
    """Positions never trained on and never spliced, from the start of the sequence."""
    excluded_tokens: tuple[int, ...] = ()
    """Token ids whose positions are never trained on and never spliced."""

    def __post_init__(self) -> None:
        for name, allowed in BUILT.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    "DI01",
                    f"A dictionary with {name} {getattr(self, name)!r} cannot be run yet.",
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
        unknown = sorted(set(data) - known)
        if unknown:
            raise InputError(
                "DI02",
                f"The convention record holds unknown fields: {', '.join(unknown)}.",
                "It was written by a newer version: update pellucid.",
            )
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**data, **lists})
