"""One forward pass cut at every block, so that each linear step upstream can be taken on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.attention.linear import Attended, Place, by_query_head, cut
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.models import Model
from pellucid.models.sites import plain_name


@dataclass(frozen=True)
class Split:
    """An activation as a dictionary has it: active latents' parts, what belongs to no latent, the error."""

    latents: list[int]
    """The active latents."""
    parts: Float[Tensor, "active d_out"]
    """What each adds to the reconstruction."""
    base: Float[Tensor, " d_out"]
    """The reconstruction without any latent: decoder bias, what a transform removed, a skip path."""
    error: Float[Tensor, " d_out"]
    """What the dictionary misses."""


class Upstream:
    """What every layer up to one saw of a sequence, norm scales and patterns held.

    The stream before each block and the heads' outputs are leaves, so that a gradient is one layer's linear
    map and no more.

    Arguments:
        model: an opened transformer.
        tokens: one sequence.
        layer: the last block whose attention is looked into.
        sites: further sites to read.
    """

    def __init__(self, model: Model, tokens: Int[Tensor, "1 pos"], layer: int, sites: Sequence[str]) -> None:
        self.model, self.tokens = model, tokens
        self.heads = model.facts.n_heads
        blocks = [f"blocks.{number}" for number in range(layer + 1)]
        streams, z = [f"{at}.resid_pre" for at in blocks], [f"{at}.attn.z" for at in blocks]
        inside = [f"{at}.{part}" for at in blocks for part in ("attn.v", "attn.pattern", "attn_out")]
        added = [f"{at}.mlp_out" for at in blocks[:-1] if f"{at}.mlp_out" in model.sites]
        embedded = ["pos_embed"] if "pos_embed" in model.sites else []
        read = list(dict.fromkeys([*streams, *z, *inside, *added, *embedded, *map(plain_name, sites)]))
        held = dict.fromkeys((*streams, *z), cut)
        with torch.enable_grad():
            self.run = model.run(tokens, read, held, f"{blocks[-1]}.attn_out", ("norm_scale", "pattern"))

    def attended(self, place: Place) -> Attended:
        """Pattern, values and outputs of one layer."""
        at = f"blocks.{place.layer}.attn"
        values = by_query_head(self.run[f"{at}.v"][0].detach(), self.heads)
        out = self.run[place.out] if place.mixed else None
        return Attended(self.run[f"{at}.pattern"][0].detach(), values, self.run[place.z], out)

    def activation(self, site: str, position: int) -> Tensor:
        """One token's activation, its axes joined, in float64."""
        return self.run[site][0, position].detach().flatten().double()

    def stream(self, layer: int, position: int) -> dict[str, Float[Tensor, " d_model"]]:
        """What the stream before a block is the sum of: embeddings, and what each earlier layer added."""
        first = self.activation("blocks.0.resid_pre", position)
        parts = {"embed": first}
        if "pos_embed" in self.run:
            # a site without a batch axis in some families
            places = self.run["pos_embed"].detach().double().reshape(-1, len(first))
            parts = {"embed": first - places[position], "pos_embed": places[position]}
        for number in range(layer):
            for name in (f"blocks.{number}.attn_out", f"blocks.{number}.mlp_out"):
                if name in self.run:
                    parts[name] = self.activation(name, position)
        return parts

    def value(self, layer: int, head: int, position: int) -> Float[Tensor, " d_head"]:
        """v_i[s], as a function of the stream before the block."""
        values = self.run[f"blocks.{layer}.attn.v"]
        shared = head // (self.heads // values.shape[2])
        return values[0, position, shared]

    def through_values(
        self, layer: int, head: int, position: int, direction: Float[Tensor, " d_head"]
    ) -> Float[Tensor, " d_model"]:
        """The direction in the stream that one head's values read, with the norm's scale held."""
        value = self.value(layer, head, position)
        read = (value * direction.to(value.dtype)).sum()
        return self._gradient(read, self.run[f"blocks.{layer}.resid_pre"], position)

    def through_output(
        self, layer: int, position: int, direction: Float[Tensor, " d_model"]
    ) -> Float[Tensor, " width"]:
        """The direction in the heads' outputs side by side that reads as this one in attn_out."""
        out, z = self.run[f"blocks.{layer}.attn_out"], self.run[f"blocks.{layer}.attn.z"]
        read = (out[0, position] * direction.to(out.dtype)).sum()
        return self._gradient(read, z, position).flatten()

    def _gradient(self, read: Tensor, where: Tensor, position: int) -> Tensor:
        """d read / d where at one position, in float64."""
        (gradient,) = torch.autograd.grad(read, where, retain_graph=True)
        return gradient[0, position].double()


@torch.no_grad()
def split(dictionary: Dictionary, x: Float[Tensor, " d_in"], y: Float[Tensor, " d_out"]) -> Split:
    """Take one activation apart by a dictionary.

    Arguments:
        dictionary: any variant.
        x: what it reads.
        y: what it reconstructs.
    """
    given = x.to(dictionary.W_enc.dtype).unsqueeze(0)
    codes = dictionary.encode(given)[0]
    active = codes.nonzero()[:, 0]
    alone = codes.new_zeros(len(active) + 1, len(codes))
    alone[torch.arange(len(active), device=codes.device), active] = codes[active]
    decoded = dictionary.decode(alone, given.expand(len(alone), -1)).double()
    made = dictionary(given)[0].double()
    return Split(active.tolist(), decoded[:-1] - decoded[-1], decoded[-1], y - made)


def slope(dictionary: Dictionary, x: Float[Tensor, " d_in"], latent: int) -> tuple[float, float, float]:
    """A latent's code as slope times h plus the rest, at one activation.

    Arguments:
        dictionary: any variant.
        x: what it reads.
        latent: an active latent.

    Returns:
        The code in units of h, the gate's slope, and h.
    """
    with torch.enable_grad():
        given = x.to(dictionary.W_enc.dtype).unsqueeze(0)
        h = cut(dictionary.preactivations(given))
        z = dictionary.gate(h)[0, latent]
        (gradient,) = torch.autograd.grad(z, h)
    return float(z.detach()), float(gradient[0, latent]), float(h.detach()[0, latent])
