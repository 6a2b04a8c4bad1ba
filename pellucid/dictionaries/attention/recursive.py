"""Recursive attribution: a latent's pre-activation followed through heads and latents to the embeddings."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.dictionaries.attention.direct import check_positions, preactivations
from pellucid.dictionaries.attention.linear import Place, computed_in, contributions, place_of, readings
from pellucid.dictionaries.attention.tree import AttributionTree, Node, Part
from pellucid.dictionaries.attention.upstream import Upstream, slope, split
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import tokens_sha256
from pellucid.dictionaries.reading.examples import check_latents, piece
from pellucid.findings import DataRef, InputError, start
from pellucid.models import Model
from pellucid.models.sites import plain_name


@dataclass(frozen=True)
class Pruning:
    """How far a tree is grown."""

    depth: int
    """Latents on the longest path, the root included."""
    threshold: float
    """Terms smaller than this share of the root's pre-activation are summed into one leaf."""
    most: int
    """Children of one node at most; the smaller ones are summed into one leaf."""
    expansions: int
    """Nodes taken apart at most, always the largest one that can be."""


@dataclass
class Draft:
    """A node that may still grow."""

    kind: Part
    """As for a node."""
    value: float
    """As for a node."""
    site: str = ""
    """As for a node."""
    position: int | None = None
    """As for a node."""
    head: int | None = None
    """As for a node."""
    latent: int | None = None
    """As for a node."""
    expand: Callable[[], list[Draft]] | None = None
    """Gives the terms that it is the sum of; None: it is a leaf."""
    children: list[Draft] = field(default_factory=list)
    """What it was taken apart into."""


def recursive_attribution(
    model: Model,
    dictionaries: Sequence[Dictionary],
    tokens: Int[Tensor, "1 pos"],
    latent: int,
    position: int,
    *,
    depth: int = 2,
    threshold: float = 0.01,
    most: int = 12,
    expansions: int = 200,
) -> AttributionTree:
    """Follow a latent's pre-activation upstream; at every level, children sum to their parent.

        h_f(t)     = sum_{i, s} A_i[t, s] (W_enc[f, head i] . v_i[s]) + constant           heads and sources
        A u_i[s]   = g . x_s + norm,   x_s = embeddings + sum of earlier attention and MLP outputs
        g . attn_out(s) = sum_j (g W_O . W_dec[j]) z_j(s) + bias + error                   its own dictionary
        z_j = slope h_j + gate,   and h_j(s) is taken apart like the root

    Norm scales and patterns are held. The largest term that can be taken apart is always the next; whatever
    is left whole stays a leaf, so the leaves always sum to the root.

    Arguments:
        model: a transformer of any family.
        dictionaries: the root's first; then those upstream: of attention outputs (attn.z or attn_out), whose
            latents are followed further, of MLP outputs (mlp_out, also from elsewhere), whose latents are
            leaves, and of the stream (resid_pre or resid_post), which then stand in the place of all that was
            added before.
        tokens: one sequence.
        latent: of the first dictionary.
        position: of the token whose pre-activation is taken apart.
        depth: latents on the longest path, the root included.
        threshold: smaller terms, as a share of the root, are summed into one leaf; 0: none.
        most: children of one node; the smaller ones are summed into one leaf.
        expansions: how many nodes are taken apart.

    Raises:
        InputError: DI24 a latent that does not exist, DI30 or DI31 for a first dictionary of something else,
            DI32 a position outside the sequence, DI33 dictionaries that cannot stand upstream, DI34 settings
            that grow no tree.
        MissingError: DI17 for a site that the model does not have.

    Example: ``print(recursive_attribution(model, [later, earlier], tokens, 7, 12).text())``.

    Source: Kissane et al. 2024, arXiv 2406.17759, recursive direct feature attribution.
    """
    pruning = Pruning(depth, threshold, most, expansions)
    check_settings(pruning, dictionaries)
    root, place = dictionaries[0], place_of(model, dictionaries[0])
    check_latents(root, [latent])
    check_positions(tokens, [position])
    refuse_batch(tokens)
    record = start(
        recursive_attribution,
        parameters={
            "dictionaries": [dictionary.sha256 for dictionary in dictionaries],
            "latent": latent,
            "position": position,
            "pruning": pruning,
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        **computed_in(model),
    )
    grower = Grower(model, tokens, place, dictionaries, pruning)
    words = [piece(model, token) for token in tokens[0].tolist()]
    return AttributionTree(finished(grower.grown(latent, position), words), record)


def check_settings(pruning: Pruning, dictionaries: Sequence[Dictionary]) -> None:
    """DI34 for a tree that could not grow, or has no root."""
    if not dictionaries:
        raise InputError("DI34", "No dictionary was given.", "Give the root's dictionary first.")
    wrong = [name for name in ("depth", "most", "expansions") if getattr(pruning, name) < 1]
    if wrong or pruning.threshold < 0:
        name = wrong[0] if wrong else "threshold"
        raise InputError(
            "DI34",
            f"A tree cannot be grown with {name} {getattr(pruning, name)}.",
            "Give depth, most and expansions of at least 1, and a threshold of at least 0.",
        )


def refuse_batch(tokens: Tensor) -> None:
    """DI32 unless there is one sequence only."""
    if len(tokens) != 1:
        raise InputError(
            "DI32", f"{len(tokens)} sequences were given.", "Give one: a tree is of one position of one text."
        )


@dataclass(frozen=True)
class Upper:
    """The dictionaries upstream, by the layer and the part of the stream that they stand for."""

    attention: dict[int, Dictionary]
    """Of attention outputs."""
    mlp: dict[int, Dictionary]
    """Of MLP outputs."""
    stream: dict[int, Dictionary]
    """Of the stream before a block."""


def sorted_upstream(model: Model, layer: int, dictionaries: Sequence[Dictionary]) -> Upper:
    """Each dictionary by its place; DI33 for one that cannot stand upstream of a layer."""
    upper = Upper({}, {}, {})
    kinds = {"attn.z": upper.attention, "attn_out": upper.attention, "mlp_out": upper.mlp}
    kinds |= {"resid_pre": upper.stream, "resid_post": upper.stream}
    for dictionary in dictionaries:
        _, number, part = [*plain_name(dictionary.site_out).split(".", 2), "", ""][:3]
        known = kinds.get(part)
        at = int(number) + (part == "resid_post") if number.isdigit() else -1
        own = known is upper.mlp or dictionary.site_in == dictionary.site_out
        if known is None or not own or at > layer - (known is not upper.stream):
            raise InputError(
                "DI33",
                f"A dictionary of {dictionary.site_out!r} cannot stand upstream of block {layer}.",
                "Give dictionaries of earlier attn.z, attn_out or mlp_out, or of resid_pre up to that block.",
            )
        if at in known:
            raise InputError(
                "DI33",
                f"Two dictionaries stand for {dictionary.site_out!r}.",
                "Give one for each attention output, MLP output and stream.",
            )
        if known is upper.attention:
            place_of(model, dictionary)
        known[at] = dictionary
    return upper


class Grower:
    """Takes one pre-activation apart, the largest term first."""

    def __init__(
        self,
        model: Model,
        tokens: Int[Tensor, "1 pos"],
        place: Place,
        dictionaries: Sequence[Dictionary],
        pruning: Pruning,
    ) -> None:
        self.root, self.place, self.pruning = dictionaries[0], place, pruning
        self.upper = sorted_upstream(model, place.layer, dictionaries[1:])
        sites = [site for one in dictionaries[1:] for site in (one.site_in, one.site_out)]
        self.upstream = Upstream(model, tokens, place.layer, sites)
        self.kept = {id(one): one.convention.included(tokens)[0].tolist() for one in dictionaries}

    def grown(self, latent: int, position: int) -> Draft:
        """The tree of one latent at one position."""
        read = self.upstream.attended(self.place).read
        value = float(preactivations(self.root, read, [latent])[position, 0])
        terms = partial(self.terms, self.root, self.place, latent, position, 1.0, 1)
        root = Draft("latent", value, self.root.site_in, position, latent=latent, expand=terms)
        smallest, number = self.pruning.threshold * abs(value), count()
        heap = [(0.0, next(number), root)]
        for _ in range(self.pruning.expansions):
            if not heap:
                break
            draft = heapq.heappop(heap)[2]
            assert draft.expand is not None
            draft.children = pruned(draft.expand(), smallest, self.pruning.most)
            for child in draft.children:
                if child.expand is not None:
                    heapq.heappush(heap, (-abs(child.value), next(number), child))
        return root

    def terms(
        self, dictionary: Dictionary, place: Place, latent: int, position: int, factor: float, depth: int
    ) -> list[Draft]:
        """factor h as what each head brings from each source, and a constant."""
        seen = self.upstream.attended(place)
        reading = next(readings(dictionary, seen, [latent])).at(torch.tensor([position]))
        pattern = seen.pattern[:, position : position + 1].double()
        terms = contributions(pattern, seen.values.double(), reading.rows)[:, 0] * factor
        made = [Draft("bias", factor * float(reading.constant[0]), dictionary.site_in, position)]
        for head, source in terms.nonzero().tolist():
            direction = reading.rows[0, head] * (factor * pattern[head, 0, source])
            opened = partial(self.before, place.layer, head, source, direction, depth)
            value, site = float(terms[head, source]), f"blocks.{place.layer}.attn"
            made.append(Draft("head", value, site, source, head=head, expand=opened))
        return made

    def before(self, layer: int, head: int, source: int, direction: Tensor, depth: int) -> list[Draft]:
        """What one head brings from one source, as terms of the stream there, and what its norm adds."""
        along = self.upstream.through_values(layer, head, source, direction)
        brought = float(self.upstream.value(layer, head, source).detach().double() @ direction)
        stream = f"blocks.{layer}.resid_pre"
        linear = float(along @ self.upstream.activation(stream, source))
        made = [Draft("norm", brought - linear, f"blocks.{layer}.attn", source)]
        whole = self.upper.stream.get(layer)
        if whole is not None and self.kept[id(whole)][source]:
            return made + self.parts(whole, plain_name(whole.site_out), source, along)
        for name, vector in self.upstream.stream(layer, source).items():
            opened = self.opening(name, source, along, depth)
            made.append(Draft("stream", float(along @ vector), name, source, expand=opened))
        return made

    def opening(self, name: str, source: int, along: Tensor, depth: int) -> Callable[[], list[Draft]] | None:
        """How a term of the stream is taken apart further; None where it stays whole."""
        if not name.startswith("blocks."):
            return None
        layer = int(name.split(".")[1])
        mixed = name.endswith("attn_out")
        found = (self.upper.attention if mixed else self.upper.mlp).get(layer)
        if found is None or not self.kept[id(found)][source]:
            return None
        if not mixed:
            return partial(self.parts, found, name, source, along)
        return partial(self.attention, found, layer, source, along, depth)

    def attention(
        self, dictionary: Dictionary, layer: int, source: int, along: Tensor, depth: int
    ) -> list[Draft]:
        """An attention output as its dictionary has it; its latents can be taken apart again."""
        place = Place(layer, plain_name(dictionary.site_in).endswith("attn_out"))
        made, inner = [], along
        if not place.mixed:
            inner = self.upstream.through_output(layer, source, along)
            fixed = along @ self.upstream.activation(place.out, source)
            fixed -= inner @ self.upstream.activation(place.z, source)
            made = [Draft("bias", float(fixed), place.out, source)]
        made += self.parts(dictionary, plain_name(dictionary.site_out), source, inner)
        for draft in made if depth < self.pruning.depth else ():
            if draft.kind == "latent":
                draft.expand = partial(self.latent, dictionary, place, draft, depth + 1)
        return made

    def parts(self, dictionary: Dictionary, site: str, position: int, along: Tensor) -> list[Draft]:
        """What a dictionary's latents, its bias and its error bring along a direction."""
        x = self.upstream.activation(plain_name(dictionary.site_in), position)
        found = split(dictionary, x, self.upstream.activation(site, position))
        made = [
            Draft("latent", value, site, position, latent=latent)
            for latent, value in zip(found.latents, (found.parts @ along).tolist(), strict=True)
        ]
        made.append(Draft("bias", float(found.base @ along), site, position))
        return [*made, Draft("error", float(found.error @ along), site, position)]

    def latent(self, dictionary: Dictionary, place: Place, draft: Draft, depth: int) -> list[Draft]:
        """What an upstream latent brings, through its gate, as the terms of its own pre-activation."""
        assert draft.latent is not None
        assert draft.position is not None
        x = self.upstream.activation(plain_name(dictionary.site_in), draft.position)
        code, steepness, h = slope(dictionary, x, draft.latent)
        each = draft.value / code
        made = self.terms(dictionary, place, draft.latent, draft.position, each * steepness, depth)
        beside = each * (code - steepness * h)
        if beside:
            made.append(Draft("gate", beside, draft.site, draft.position))
        return made


def pruned(drafts: list[Draft], smallest: float, most: int) -> list[Draft]:
    """The largest terms, and one leaf for all that are too small or too many."""
    ordered = sorted(drafts, key=lambda draft: -abs(draft.value))
    kept = [draft for draft in ordered[:most] if abs(draft.value) >= smallest]
    rest = ordered[len(kept) :]
    if not any(draft.value for draft in rest):
        return kept or ordered[:1]
    return [*kept, Draft("rest", sum(draft.value for draft in rest))]


def finished(draft: Draft, words: Sequence[str]) -> Node:
    """The draft and all below it, no longer to be changed."""
    return Node(
        draft.kind,
        draft.value,
        draft.site,
        draft.position,
        "" if draft.position is None else words[draft.position],
        draft.head,
        draft.latent,
        tuple(finished(child, words) for child in draft.children),
    )
