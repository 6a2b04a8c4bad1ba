"""The shape of a model, in the field's words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What every surface may say about a model."""

    parameters: int
    """Number of trained numbers, tied ones once."""
    n_layers: int = 0
    """Blocks; 0 for modules that are no transformer."""
    d_model: int = 0
    """Width of the residual stream."""
    n_heads: int = 0
    """Query heads a block."""
    n_key_value_heads: int = 0
    """Key and value heads a block."""
    d_head: int = 0
    """Width of a head."""
    d_mlp: int = 0
    """Hidden units of an MLP."""
    d_vocab: int = 0
    """Tokens."""
    context: int = 0
    """Longest input."""
    parallel_residual: bool = False
    """Whether attention and MLP read the same stream, so that there is no resid_mid."""
