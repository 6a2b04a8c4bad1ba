"""A small transformer whose insides are known, and a dictionary that is the identity."""

from __future__ import annotations

import torch

from pellucid.dictionaries import Convention, TopK
from pellucid.models import Model, Transformer, TransformerConfig


def small_model(seed: int = 0, norm: str = "layer", scale: float = 2.0) -> Model:
    """Two blocks, width 8, 12 tokens; weights drawn anew from the seed."""
    config = TransformerConfig(
        d_vocab=12, context=10, n_layers=2, d_model=8, n_heads=2, d_mlp=16, norm=norm, tied=False
    )
    module = Transformer(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(scale * drawn / max(1, parameter.shape[-1]) ** 0.5)
    return Model(module, id="small")


def identity(width: int, site: str, **convention: object) -> TopK:
    """y_hat = ReLU(x) - ReLU(-x) = x, exactly."""
    made = TopK(width, 2 * width, width, site_in=site, convention=Convention(subtract="none", **convention))
    both = torch.cat([torch.eye(width), -torch.eye(width)])
    with torch.no_grad():
        made.W_enc.copy_(both)
        made.W_dec.copy_(both)
    return made
