"""Attention's output as a linear map, its pattern held: from heads and source tokens to pre-activations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models import Model
from pellucid.models.sites import plain_name

PLACE = re.compile(r"blocks\.(\d+)\.(attn\.z|attn_out)")


class Computed(TypedDict):
    """Part of a Finding's provenance."""

    device: str
    dtype: str


@dataclass(frozen=True)
class Place:
    """Where a dictionary of attention outputs stands."""

    layer: int
    """Number of the block."""
    mixed: bool
    """Whether it reads attn_out, after W_O, rather than the heads' own outputs attn.z."""

    @property
    def z(self) -> str:
        """The site of the heads' outputs."""
        return f"blocks.{self.layer}.attn.z"

    @property
    def out(self) -> str:
        """The site of what attention adds to the stream."""
        return f"blocks.{self.layer}.attn_out"


@dataclass(frozen=True)
class Attended:
    """What attention of one layer did with one sequence."""

    pattern: Float[Tensor, "head query source"]
    """A_i[t, s]."""
    values: Float[Tensor, "source head d_head"]
    """v_i[s], biases inside; grouped values stand once for each query head."""
    z: Float[Tensor, "1 pos head d_head"]
    """The heads' outputs, sum_s A_i[t, s] v_i[s]."""
    out: Float[Tensor, "1 pos d_model"] | None = None
    """attn_out as a function of z, where that is what the dictionary reads."""

    @property
    def read(self) -> Float[Tensor, "pos d_in"]:
        """What the dictionary reads, constant."""
        return self.z[0].detach().flatten(1) if self.out is None else self.out[0].detach()


@dataclass(frozen=True)
class Reading:
    """One latent as a linear function of attention: h(t) = sum_i rows[t, i] . z_i(t) + constant[t]."""

    rows: Float[Tensor, "row head d_head"]
    """One for all positions (a first axis of 1), or one for each."""
    constant: Float[Tensor, " query"]
    """What belongs to no head: encoder bias, what the input is less by, attention's output bias."""

    def at(self, queries: Int[Tensor, " place"]) -> Reading:
        """The same at some positions."""
        shared = len(self.rows) == 1
        return Reading(self.rows if shared else self.rows[queries], self.constant[queries])


def place_of(model: Model, dictionary: Dictionary) -> Place:
    """The layer of an attention dictionary; DI17, DI30 and DI31 for one that does not stand there."""
    site = plain_name(dictionary.site_in)
    match = PLACE.fullmatch(site)
    if match is None:
        raise InputError(
            "DI30",
            f"A dictionary that reads {dictionary.site_in!r} reads no attention output.",
            "Give one at blocks.L.attn.z (heads side by side) or at blocks.L.attn_out.",
        )
    if site not in model.sites:
        raise MissingError(
            "DI17",
            f"The dictionary stands at {site!r}, which {model.id} does not have.",
            f"{did_you_mean(site, model.sites)} Set its site_in and site_out to sites of the model.",
        )
    facts, mixed = model.facts, match[2] == "attn_out"
    width = facts.d_model if mixed else facts.n_heads * facts.d_head
    if dictionary.d_in != width:
        shape = "the stream's width" if mixed else f"{facts.n_heads} heads of {facts.d_head}"
        raise InputError(
            "DI31",
            f"The dictionary reads width {dictionary.d_in} at {site!r}, where there are {width}: {shape}.",
            "Use a dictionary that was trained on this model.",
        )
    return Place(int(match[1]), mixed)


def computed_in(model: Model) -> Computed:
    """Where and in what precision the model computes, for a Finding's provenance."""
    first = next(model.module.parameters(), None)
    dtype = "float32" if first is None else str(first.dtype).removeprefix("torch.")
    return {"device": model.device.type, "dtype": dtype}


def attend(model: Model, place: Place, tokens: Int[Tensor, "1 pos"]) -> Attended:
    """Pattern, values and heads' outputs of one sequence, and the way from z to attn_out where it is read.

    Arguments:
        model: an opened transformer.
        place: the layer, and which of its outputs is read.
        tokens: one sequence.
    """
    pattern, values = f"blocks.{place.layer}.attn.pattern", f"blocks.{place.layer}.attn.v"
    inside = [place.z, pattern, values]
    with torch.set_grad_enabled(place.mixed):
        if place.mixed:
            held = {place.z: cut}
            run = model.run(tokens, [*inside, place.out], held, place.out, frozen=("norm_scale",))
        else:
            run = model.run(tokens, inside, until=place.z)
    return Attended(
        run[pattern][0].detach(),
        by_query_head(run[values][0].detach(), model.facts.n_heads),
        run[place.z],
        run[place.out] if place.mixed else None,
    )


def cut(activation: Tensor) -> Tensor:
    """The same values as a leaf: gradients end here."""
    return activation.detach().requires_grad_()


def by_query_head(
    values: Float[Tensor, "source key_head d_head"], heads: int
) -> Float[Tensor, "source head d_head"]:
    """Values of grouped attention, once for each query head that reads them."""
    return values.repeat_interleave(heads // values.shape[1], dim=1)


def encoder_rows(
    dictionary: Dictionary, x: Float[Tensor, "pos d_in"], latents: list[int]
) -> tuple[Float[Tensor, "latent query d_in"], Float[Tensor, " latent"]]:
    """h of raw activations as rows . x + constant, the token's own norm (if any) held.

    Arguments:
        dictionary: any variant.
        x: raw activations; they decide the norms that are held.
        latents: which latents.

    Returns:
        Rows, the same for all positions (axis of 1) unless the record normalises each token; constants.
    """
    kind = dictionary.convention.input_transform
    rows = dictionary.W_enc[latents].detach().double().unsqueeze(1)
    if kind in ("centre", "layer_norm"):
        rows = rows - rows.mean(-1, keepdim=True)
    if kind == "scale":
        rows = rows * dictionary.convention.scale_in
    if kind in ("token_norm", "layer_norm"):
        rows = rows * norm_factors(dictionary, x)
    nothing = dictionary.W_enc.new_zeros(1, dictionary.d_in)
    constant = dictionary.linear(dictionary.shifted(nothing))[0, latents]
    return rows, constant.detach().double()


def norm_factors(dictionary: Dictionary, x: Float[Tensor, "pos d_in"]) -> Float[Tensor, "pos 1"]:
    """What the record's norm multiplies each token with."""
    given = x.to(dictionary.W_enc.dtype)
    moved = dictionary.moved(given).value.detach().double()
    plain = given.double()
    if dictionary.convention.input_transform == "layer_norm":
        plain = plain - plain.mean(-1, keepdim=True)
    lengths = plain.norm(dim=-1, keepdim=True)
    return torch.where(lengths > 0, moved.norm(dim=-1, keepdim=True) / lengths.clamp_min(1e-300), 0.0)


def readings(dictionary: Dictionary, seen: Attended, latents: list[int]) -> Iterator[Reading]:
    """Each latent as a function of the heads' outputs, in float64.

    Arguments:
        dictionary: one whose place was checked by `place_of`.
        seen: one sequence.
        latents: which latents.
    """
    positions, heads, width = seen.z.shape[1:]
    rows, constants = encoder_rows(dictionary, seen.read, latents)
    for row, constant in zip(rows, constants, strict=True):
        if seen.out is None:
            yield Reading(row.reshape(-1, heads, width), constant.expand(positions))
            continue
        pulled, fixed = pull_back(row.expand(positions, -1), seen.out, seen.z)
        yield Reading(pulled, fixed + constant)


def pull_back(
    rows: Float[Tensor, "pos d_model"],
    out: Float[Tensor, "1 pos d_model"],
    z: Float[Tensor, "1 pos head d_head"],
) -> tuple[Float[Tensor, "pos head d_head"], Float[Tensor, " pos"]]:
    """rows . attn_out as pulled . z + fixed: through W_O, and a norm after it with its scale held."""
    read = (rows.to(out.dtype) * out[0]).sum()
    (gradient,) = torch.autograd.grad(read, z, retain_graph=True)
    pulled = gradient[0].double()
    fixed = (rows * out[0].detach()).sum(-1) - (pulled * z[0].detach()).sum((-1, -2))
    return pulled, fixed


def contributions(
    pattern: Float[Tensor, "head query source"],
    values: Float[Tensor, "source head d_head"],
    rows: Float[Tensor, "rows head d_head"],
) -> Float[Tensor, "head query source"]:
    """DFA_i[t, s] = A_i[t, s] (rows[t, i] . v_i[s]).

    The bracket comes first, [head, source] where all positions share their rows; [query, source, head,
    d_head], which is d_head times as large as the result, is never made.

    Arguments:
        pattern: rows of the attention pattern.
        values: of all sources.
        rows: what reads each head's output, shared (first axis of 1) or one for each query.
    """
    return pattern * torch.einsum("qhd,shd->hqs", rows, values)
