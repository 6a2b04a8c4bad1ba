"""Continuing a batch of prompts."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.models.model import Model


def generate(
    model: Model, tokens: Int[Tensor, "batch pos"], n: int, *, temperature: float = 0.0, seed: int = 0
) -> Int[Tensor, "batch n"]:
    """``n`` more tokens for each prompt; greedy at temperature 0, else sampled from the seed.

    Prompts that outgrow the context keep its last tokens.
    """
    random = torch.Generator(device="cpu").manual_seed(seed)
    context = model.facts.context or tokens.shape[1] + n
    with torch.no_grad():
        for _ in range(n):
            logits = model.run(tokens[:, -context:]).output[:, -1]
            tokens = torch.cat([tokens, choose(logits, temperature, random)], dim=1)
    return tokens[:, -n:] if n else tokens[:, :0]


def choose(logits: Tensor, temperature: float, random: torch.Generator) -> Tensor:
    """One token for each row."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    chances = torch.softmax(logits.float().cpu() / temperature, dim=-1)
    return torch.multinomial(chances, 1, generator=random).to(logits.device)
