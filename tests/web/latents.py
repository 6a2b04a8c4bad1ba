"""A dashboard of a small model whose vocabulary holds what could hurt a page."""

from __future__ import annotations

from functools import cache

import torch

from pellucid.dictionaries import Convention, TopK
from pellucid.dictionaries.reading.dashboard import DashboardConfig, describe_latents
from pellucid.findings import Finding
from pellucid.models import Model, Transformer, TransformerConfig

from .content import HOSTILE

WORDS = ("king", " king", "the", " the", "\n", HOSTILE, "q&a", "ß", "  ", "\u202e", "rose", " rose")


class Words:
    """A tokenizer whose words are these."""

    size, sha256 = len(WORDS), "words"

    def encode(self, text: str) -> list[int]:
        return [WORDS.index(word) for word in text.split("|")]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(self.token, ids))

    def token(self, id: int) -> str:
        return WORDS[id]


def small() -> Model:
    """Two blocks of width 8 with weights of one seed."""
    size = len(WORDS)
    shape = TransformerConfig(d_vocab=size, context=10, n_layers=2, d_model=8, n_heads=2, d_mlp=16)
    module, generator = Transformer(shape), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(2 * drawn / max(1, parameter.shape[-1]) ** 0.5)
    model = Model(module, id="organism:small")
    model._tokenizer = Words()
    return model


@cache
def dashboard() -> Finding:
    """250 latents, six a token: 200 that look for one place each, and 50 that never fire."""
    model = small()
    site = "blocks.0.resid_post"
    tokens = torch.randint(0, len(WORDS), (60, 10), generator=torch.Generator().manual_seed(2))
    places = model.run(tokens, read=site)[site].detach().reshape(-1, 8)[::3]
    made = TopK(8, 250, 6, site_in=site, convention=Convention(subtract="none"), seed=1)
    with torch.no_grad():
        made.W_enc[:200] = torch.nn.functional.normalize(places, dim=1)
        made.b_enc[200:] = -1e3
    return describe_latents(model, made, tokens, config=DashboardConfig(before=4, after=3))


@cache
def some_of_heads() -> Finding:
    """Latents 3 and 14 of twenty, in the outputs of two heads."""
    model, site = small(), "blocks.1.attn.z"
    made = TopK(8, 20, 4, site_in=site, convention=Convention(subtract="none", reshape="heads"), seed=1)
    tokens = torch.randint(0, len(WORDS), (60, 10), generator=torch.Generator().manual_seed(2))
    return describe_latents(model, made, tokens, [3, 14], DashboardConfig(before=4, after=3))
