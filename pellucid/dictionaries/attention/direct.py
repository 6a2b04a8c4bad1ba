"""Direct feature attribution: how much of a latent's pre-activation each head brings from each token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.attention.linear import (
    Place,
    attend,
    computed_in,
    contributions,
    place_of,
    readings,
)
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import tokens_sha256
from pellucid.dictionaries.reading.examples import check_latents, piece
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Kind,
    Measure,
    View,
    bootstrap,
    register,
    start,
)
from pellucid.models import Model

CLOSE = 1e-4  # of the largest pre-activation: what float32 leaves of an exact sum, with room
SHOWN = 5  # terms in words for each latent

KIND = register(
    Kind(
        name="dictionaries.direct_feature_attribution",
        title="Which head brings a latent from which token",
        statement="The foremost head carries {head_share.percent} and the foremost source token "
        "{source_share.percent} of what attention brings to the {latents.value} latents; all terms together "
        "miss the pre-activations by {gap.value} of the largest.",
        supports=f"gap.value < {CLOSE}",
        refutes=f"gap.value >= {CLOSE}",
        views=(
            View(
                form="table",
                array="foremost",
                title="The largest terms of each latent",
                x="latent, head and token",
                unit="part of the pre-activation",
            ),
            View(
                form="heatmap",
                array="by_head",
                title="What each head brings on average",
                x="head",
                y="latent",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class DirectAttribution:
    """One latent in one sequence: h(t) = sum over heads and sources of `terms`, + `constant`."""

    latent: int
    """Which latent."""
    sequence: int
    """Which sequence."""
    queries: Int[Tensor, " place"]
    """The positions t."""
    terms: Float[Tensor, "head place source"]
    """DFA_i[t, s], in units of h."""
    constant: Float[Tensor, " place"]
    """What comes from no head."""
    preactivation: Float[Tensor, " place"]
    """h(t) as the dictionary itself computes it."""

    @property
    def gap(self) -> float:
        """How far the parts miss the whole, at worst."""
        made = self.terms.sum((0, 2)) + self.constant
        return float((made - self.preactivation).abs().max())


def direct_feature_attribution(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    latents: Sequence[int],
    positions: Sequence[int] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Split latents' pre-activations over heads and source tokens, exactly.

        DFA_f(i, s) = A_i[t, s] (W_enc[f, head i] . v_i[s])
        sum_{i, s} DFA_f(i, s) + b_enc[f] - W_enc[f] . b_dec = h_f(t)

    For a dictionary at attn_out, W_enc[f] is first taken back through W_O (and a norm after it, whose scale
    is held); a norm of the record is held too. A gate is no part of it: h is the linear pre-activation.

    Arguments:
        model: the model the dictionary was trained on; grouped values are shared by their query heads.
        dictionary: one that reads attn.z (heads side by side) or attn_out.
        tokens: sequences.
        latents: which latents.
        positions: the positions t to explain; None: in each sequence the one where the latent's
            pre-activation is largest, among those that the dictionary is for.
        resamples: of sequences, for the intervals.
        seed: of the resampling.
        progress: told after each sequence.

    Returns:
        A Finding ``dictionaries.direct_feature_attribution`` with the measures latents, gap (largest miss of
        the sum, as a share of the largest pre-activation), head_share and source_share (share of sum |DFA|
        that the foremost head and the foremost source have, mean over latents and positions), and the arrays
        ``dfa`` (latent, sequence, place, head, source), ``place`` (the positions), ``parts`` (attention,
        constant, preactivation), ``by_head`` (mean of sum_s DFA) and ``foremost`` (the largest in words).

    Raises:
        InputError: DI24 latents that do not exist, DI30 or DI31 for a dictionary of something else, DI32 for
            positions outside the sequences.
        MissingError: DI17 for a site that the model does not have.

    Example: ``direct_feature_attribution(model, sae, tokens, [3]).arrays["dfa"].values[0, 0, 0].sum(0)``.

    Source: Kissane et al. 2024, arXiv 2406.17759, direct feature attribution.
    """
    place = place_of(model, dictionary)
    check_latents(dictionary, latents)
    check_positions(tokens, positions)
    record = start(
        direct_feature_attribution,
        parameters={
            "dictionary": dictionary.sha256,
            "site": dictionary.site_in,
            "latents": list(latents),
            "positions": None if positions is None else list(positions),
            "resamples": resamples,
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
        **computed_in(model),
    )
    found: list[DirectAttribution] = []
    with progress.task("attributing to heads and tokens", len(tokens)) as task:
        for sequence in range(len(tokens)):
            found += attributed(model, dictionary, place, tokens, sequence, latents, positions)
            task.advance()
    by_latent = [[one for one in found if one.latent == latent] for latent in dict.fromkeys(latents)]
    return record.finding(
        KIND,
        measures=measures_of(by_latent, resamples, seed),
        arrays=arrays_of(model, by_latent, tokens),
    )


def check_positions(tokens: Int[Tensor, "batch pos"], positions: Sequence[int] | None) -> None:
    """DI32 unless there are sequences, and all positions lie in them."""
    if tokens.ndim != 2 or not tokens.numel():
        raise InputError(
            "DI32",
            f"Tokens of shape {tuple(tokens.shape)} are no sequences.",
            "Give whole numbers of shape (batch, pos), as model.tokens(text) does.",
        )
    length = tokens.shape[1]
    wrong = [position for position in positions or () if not 0 <= position < length]
    if wrong or (positions is not None and not len(positions)):
        raise InputError(
            "DI32",
            f"There is no position {wrong[0]}." if wrong else "No position was named.",
            f"The sequences have positions 0-{length - 1}.",
        )


def attributed(
    model: Model,
    dictionary: Dictionary,
    place: Place,
    tokens: Int[Tensor, "batch pos"],
    sequence: int,
    latents: Sequence[int],
    positions: Sequence[int] | None,
) -> Iterator[DirectAttribution]:
    """Every latent's terms in one sequence."""
    rows = tokens[sequence : sequence + 1]
    seen = attend(model, place, rows)
    chosen = list(dict.fromkeys(latents))
    h = preactivations(dictionary, seen.read, chosen)
    keep = dictionary.convention.included(rows)[0].to(h.device)
    values = seen.values.double()
    for column, reading in enumerate(readings(dictionary, seen, chosen)):
        if positions is None:
            allowed = h[:, column].masked_fill(~keep, -torch.inf) if bool(keep.any()) else h[:, column]
            queries = allowed.argmax().reshape(1)
        else:
            queries = torch.tensor(list(positions), device=h.device)
        at = reading.at(queries)
        terms = contributions(seen.pattern[:, queries].double(), values, at.rows)
        yield DirectAttribution(chosen[column], sequence, queries, terms, at.constant, h[queries, column])


@torch.no_grad()
def preactivations(
    dictionary: Dictionary, x: Float[Tensor, "pos d_in"], latents: Sequence[int]
) -> Float[Tensor, "pos latent"]:
    """h of some latents as the dictionary computes it, kept in float64."""
    return dictionary.preactivations(x.to(dictionary.W_enc.dtype))[:, list(latents)].double()


def measures_of(by_latent: Sequence[Sequence[DirectAttribution]], resamples: int, seed: int) -> list[Measure]:
    """Completeness, and how far one head and one token carry the whole."""
    everything = [one for row in by_latent for one in row]
    largest = max(float(one.preactivation.abs().max()) for one in everything)
    worst = max(one.gap for one in everything)
    shares = np.array([[foremost_shares(one) for one in row] for row in by_latent]).mean(0)
    return [
        Measure.of("latents", len(by_latent)),
        Measure.of("gap", worst / largest if largest else worst, n=len(everything), better="lower"),
        Measure.of("head_share", bootstrap(shares[:, 0], resamples=resamples, seed=seed)),
        Measure.of("source_share", bootstrap(shares[:, 1], resamples=resamples, seed=seed)),
    ]


def foremost_shares(one: DirectAttribution) -> tuple[float, float]:
    """Share of sum |DFA| that the foremost head and the foremost source have, mean over positions."""
    sizes = one.terms.abs()
    total = sizes.sum((0, 2)).clamp_min(1e-300)
    head, source = sizes.sum(2).amax(0) / total, sizes.sum(0).amax(1) / total
    return float(head.mean()), float(source.mean())


def arrays_of(
    model: Model, by_latent: Sequence[Sequence[DirectAttribution]], tokens: Tensor
) -> dict[str, Array]:
    """All terms, and the foremost in words."""
    latents = [row[0].latent for row in by_latent]
    dfa = np.stack([[one.terms.permute(1, 0, 2).cpu().numpy() for one in row] for row in by_latent])
    places = np.stack([[one.queries.cpu().numpy() for one in row] for row in by_latent])
    parts = np.stack([[parts_of(one).cpu().numpy() for one in row] for row in by_latent])
    words, sizes = foremost_terms(model, by_latent, tokens)
    coords = {"latent": latents}
    names = ["attention", "constant", "preactivation"]
    return {
        "dfa": Array(dfa, ("latent", "sequence", "place", "head", "source"), coords),
        "place": Array(places, ("latent", "sequence", "place"), coords),
        "parts": Array(parts, ("latent", "sequence", "place", "part"), {**coords, "part": names}),
        "by_head": Array(dfa.sum(4).mean((1, 2)), ("latent", "head"), coords),
        "foremost": Array(np.array(sizes), ("term",), {"term": words}),
    }


def parts_of(one: DirectAttribution) -> Float[Tensor, "place part"]:
    """What attention brings, the constant, and the pre-activation that both make."""
    return torch.stack([one.terms.sum((0, 2)), one.constant, one.preactivation], dim=1)


def foremost_terms(
    model: Model, by_latent: Sequence[Sequence[DirectAttribution]], tokens: Tensor
) -> tuple[list[str], list[float]]:
    """The largest terms of each latent, with the tokens they come from and go to."""
    words: list[str] = []
    sizes: list[float] = []
    for row in by_latent:
        found = [(abs(size), size, text) for one in row for size, text in largest_terms(model, one, tokens)]
        for _, size, text in sorted(found, key=lambda term: -term[0])[:SHOWN]:
            words.append(text)
            sizes.append(size)
    return words, sizes


def largest_terms(model: Model, one: DirectAttribution, tokens: Tensor) -> Iterator[tuple[float, str]]:
    """The few largest terms of one attribution."""
    flat = one.terms.flatten()
    text = [piece(model, token) for token in tokens[one.sequence].tolist()]
    for index in flat.abs().topk(min(SHOWN, len(flat))).indices.tolist():
        head, place, source = np.unravel_index(index, one.terms.shape)
        query = int(one.queries[place])
        where = f"from {text[source]!r} ({source}) to {text[query]!r} ({query}) of sequence {one.sequence}"
        yield float(flat[index]), f"latent {one.latent}: head {head} {where}"
