"""Continuing a batch of prompts."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.findings import InputError
from pellucid.models.attention import remembering
from pellucid.models.model import Model


@torch.no_grad()
def generate(
    model: Model, tokens: Int[Tensor, "batch pos"], n: int, *, temperature: float = 0.0, seed: int = 0
) -> Int[Tensor, "batch n"]:
    """``n`` more tokens for each prompt; greedy at temperature 0, else sampled from the seed.

    Keys and values of earlier tokens are kept, so that each step runs one token; the tokens are those of the
    plain loop. Prompts that outgrow the context go on with its last tokens.

    Arguments:
        model: a language model.
        tokens: prompts of one length.
        n: tokens to add.
        temperature: softmax(logits / temperature) is sampled from; 0 takes the likeliest.
        seed: of the samples.

    Raises:
        InputError: MD38, a negative temperature or number of tokens.

    Example: ``generate(model, model.tokens("My lord"), 8)``.
    """
    if temperature < 0 or n < 0:
        problem = f"Generation of {n} tokens at temperature {temperature}."
        raise InputError("MD38", problem, "Give 0 or more of both.")
    random = torch.Generator(device="cpu").manual_seed(seed)
    read = Reader(model, tokens)
    said: list[Tensor] = []
    for _ in range(n):
        said.append(choose(read.logits(), temperature, random))
        read.append(said[-1])
    return torch.cat(said, dim=1) if said else tokens[:, :0]


class Reader:
    """The logits after a growing batch of tokens."""

    def __init__(self, model: Model, tokens: Int[Tensor, "batch pos"]) -> None:
        self.model, self.tokens = model, tokens.to(model.device)
        self.attention, self.read = remembering(), 0
        # Subclasses may write where the attention function cannot remember it.
        self.remembers = type(model) is Model and bool(model.family_table.attention)

    def append(self, tokens: Int[Tensor, "batch 1"]) -> None:
        """Go on by one token in every row."""
        self.tokens = torch.cat([self.tokens, tokens], dim=1)

    def logits(self) -> Float[Tensor, "batch vocab"]:
        """Logits of the next token of every row."""
        length, context = self.tokens.shape[1], self.model.facts.context
        if not self.remembers or length > context:
            return self.model.run(self.tokens[:, -context:] if context else self.tokens).output[:, -1]
        new, positions = (
            self.tokens[:, self.read :],
            torch.arange(self.read, length, device=self.model.device),
        )
        self.read = length
        return self.model.run(new, positions=positions, attention=self.attention).output[:, -1]


def choose(logits: Float[Tensor, "batch vocab"], temperature: float, random: torch.Generator) -> Tensor:
    """One token for each row."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    chances = torch.softmax(logits.float().cpu() / temperature, dim=-1)
    return torch.multinomial(chances, 1, generator=random).to(logits.device)
