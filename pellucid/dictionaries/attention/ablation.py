"""Do weights know what ablation finds? Heads ranked by weights, attribution and three ablations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.compute.progress import Task
from pellucid.dictionaries.attention.direct import check_positions, preactivations
from pellucid.dictionaries.attention.heads import shares_of
from pellucid.dictionaries.attention.linear import (
    Attended,
    Place,
    attend,
    computed_in,
    contributions,
    place_of,
    pull_back,
    readings,
)
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import tokens_sha256
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.reading.examples import check_latents
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    register,
    start,
)
from pellucid.models import Model

Values = Float[np.ndarray, "..."]
WEIGHTS = ("decoder", "encoder")
EFFECTS = ("dfa", "zero", "mean", "resample")
METHODS = (*WEIGHTS, *EFFECTS)
PAIRS = tuple(combinations(range(len(METHODS)), 2))
NAMES = [f"{METHODS[a]}_{METHODS[b]}" for a, b in PAIRS]
FIXED = "_".join(WEIGHTS)  # both come from the weights alone: no text, no interval
MOST = 32  # latents that are compared unless the caller names some
LEVEL = 0.95

KIND = register(
    Kind(
        name="dictionaries.head_ablation",
        title="Do decoder weights rank heads as ablation does",
        statement="Over {latents.value} latents, ranking heads by decoder weights agrees with zero ablation "
        "at {decoder_zero.interval}, with mean ablation at {decoder_mean.value}, with resample ablation at "
        "{decoder_resample.value} and with direct feature attribution at {decoder_dfa.value} (rank "
        "correlation); zero and mean ablation name different heads for {differ.percent} of latents.",
        supports="decoder_zero.low > 0 and decoder_mean.low > 0 and decoder_resample.low > 0",
        refutes="decoder_zero.high <= 0 or decoder_mean.high <= 0 or decoder_resample.high <= 0",
        views=(
            View(
                form="interval",
                array="agreement",
                title="How far two ways of ranking heads agree",
                x="ways",
                y="rank correlation over heads, mean over latents",
            ),
            View(
                form="heatmap",
                array="foremost",
                title="What each way says of each head, mean over latents",
                x="head",
                y="way",
                unit="share of all heads",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


def head_ablation(
    model: Model,
    dictionary: Dictionary,
    tokens: Tensor,
    latents: Sequence[int] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Rank heads for each latent by weights, by attribution and by ablating them, and compare the ranks.

        decoder, encoder    share of the length of W_dec[f] or W_enc[f] in the head
        dfa                 mean over tokens of sum_s |DFA_f(i, s)|
        zero, mean          mean |h_f - h_f(z_i <- 0)|, and with z_i <- its mean over the text
        resample            the same with z_i <- that of another sequence at the same position

    Means are over the tokens at which the latent fires; intervals are over sequences, the latents fixed. At
    attn_out, both rows are first taken back through W_O, so that the same question is asked before and after
    the heads are mixed.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: an autoencoder of attn.z (heads side by side) or of attn_out.
        tokens: at least two sequences.
        latents: which latents; None: those that fire at most tokens, 32 at most.
        resamples: of sequences, for the intervals.
        seed: of the resampling, and of which sequences stand in for which.
        progress: told after each sequence.

    Returns:
        A Finding ``dictionaries.head_ablation`` with the measures latents, ``A_B`` for each two ways
        (Spearman's correlation over heads, mean over latents) and differ (share of latents for which zero and
        mean ablation name different foremost heads), and the arrays ``agreement`` (pair; value, low, high),
        ``by_head`` (head, pair; the same over latents for one head), ``effects`` (way, latent, head) and
        ``foremost`` (way, head).

    Raises:
        InputError: DI24 latents that do not exist, DI30 or DI31 a dictionary of something else, DI35 fewer
            than two sequences or heads, DI36 latents that never fire, DI38 a transcoder.
        MissingError: DI17 for a site that the model does not have.

    Example: ``head_ablation(model, sae, tokens).measures["decoder_zero"].value``.

    Source: Kissane et al. 2024, arXiv 2406.17759 (weights and attribution); their comparison is ours.
    """
    place = place_of(model, dictionary)
    check(model, dictionary, tokens, latents)
    record = start(
        head_ablation,
        parameters={
            "dictionary": dictionary.sha256,
            "site": dictionary.site_in,
            "latents": None if latents is None else list(latents),
            "resamples": resamples,
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
        **computed_in(model),
    )
    with progress.task("ablating heads", 2 * len(tokens)) as task:
        text = looked_at(model, dictionary, place, tokens, latents, task)
        effects = measured(model, dictionary, place, text, seed, task)
    table = Table(effects, text.counts(), weights(model, dictionary, place, text))
    over_heads, over_latents = resampled(table, resamples, seed)
    return record.finding(
        KIND,
        measures=measures_of(over_heads, len(text.latents), len(tokens)),
        arrays=arrays_of(table, text.latents, over_heads, over_latents),
    )


def check(model: Model, dictionary: Dictionary, tokens: Tensor, latents: Sequence[int] | None) -> None:
    """Refuse what cannot be compared."""
    check_positions(tokens, None)
    if latents is not None:
        check_latents(dictionary, latents)
    if dictionary.site_in != dictionary.site_out:
        raise InputError(
            "DI38",
            f"The dictionary writes to {dictionary.site_out!r}, where its latents belong to no head.",
            "Give an autoencoder of attn.z or attn_out.",
        )
    if len(tokens) < 2 or model.facts.n_heads < 2:
        raise InputError(
            "DI35",
            f"{len(tokens)} sequences and {model.facts.n_heads} heads leave nothing to compare.",
            "Give at least two sequences to a model with at least two heads.",
        )


@dataclass(frozen=True)
class Text:
    """What was seen of the text before anything is ablated."""

    tokens: Tensor
    """The sequences."""
    z: Float[Tensor, "batch pos head d_head"]
    """The heads' outputs."""
    fires: Bool[Tensor, "batch pos latent"]
    """Where each compared latent fires, at positions that the dictionary is for."""
    mean: Float[Tensor, "head d_head"]
    """Mean of z over those positions."""
    latents: list[int]
    """The compared latents."""

    def counts(self) -> Values:
        """At how many tokens of each sequence each latent fires."""
        counts: Values = self.fires.sum(1).double().cpu().numpy()
        return counts


@torch.no_grad()
def looked_at(
    model: Model,
    dictionary: Dictionary,
    place: Place,
    tokens: Tensor,
    latents: Sequence[int] | None,
    task: Task,
) -> Text:
    """One pass over the text: the heads' outputs, and where latents fire."""
    site = place.out if place.mixed else place.z
    outputs, fired = [], []
    keep = dictionary.convention.included(tokens)
    for row in range(len(tokens)):
        run = model.run(tokens[row : row + 1], [place.z, site], until=site)
        x = run[site][0].reshape(tokens.shape[1], -1).to(dictionary.W_enc.dtype)
        outputs.append(run[place.z][0])
        fired.append((dictionary.encode(x) != 0) & keep[row].to(x.device).unsqueeze(1))
        task.advance()
    z, fires = torch.stack(outputs), torch.stack(fired)
    chosen = frequent(fires) if latents is None else list(dict.fromkeys(latents))
    refuse_silent(fires, chosen)
    mean = z[keep.to(z.device)].mean(0)
    return Text(tokens, z, fires[:, :, chosen], mean, chosen)


def frequent(fires: Bool[Tensor, "batch pos feature"]) -> list[int]:
    """The latents that fire at most tokens."""
    counts = fires.sum((0, 1))
    order = torch.sort(counts, descending=True, stable=True).indices[:MOST]
    return [latent for latent in order.tolist() if counts[latent] > 0]


def refuse_silent(fires: Bool[Tensor, "batch pos feature"], latents: list[int]) -> None:
    """DI36 for latents that never fire on the text."""
    silent = [latent for latent in latents if not bool(fires[:, :, latent].any())]
    if silent or not latents:
        named = "latent " + ", ".join(map(str, silent[:5])) if silent else "any latent"
        raise InputError(
            "DI36",
            f"There is no token at which {named} fires.",
            "Give a text on which it does, or other latents.",
        )


def measured(
    model: Model, dictionary: Dictionary, place: Place, text: Text, seed: int, task: Task
) -> Float[np.ndarray, "batch effect latent head"]:
    """Sums over firing tokens of each effect's size, for each sequence."""
    count = len(text.tokens)
    shifts = torch.randint(1, count, (count,), generator=stream("resample heads", seed)).tolist()
    sums = np.zeros((count, len(EFFECTS), len(text.latents), model.facts.n_heads))
    for row in range(count):
        seen = attend(model, place, text.tokens[row : row + 1])
        h = preactivations(dictionary, seen.read, text.latents)
        other = text.z[(row + shifts[row]) % count]
        stand_ins = [torch.zeros_like(text.mean), text.mean, other]
        sizes = [attribution_sizes(dictionary, seen, text.latents)]
        for stand_in in stand_ins:
            made = without_heads(model, dictionary, place, text, row, stand_in)
            sizes.append((made - h).abs())
        fires = text.fires[row].T.double()  # [latent, pos]
        for index, size in enumerate(sizes):
            sums[row, index] = torch.einsum("hpf,fp->fh", size, fires).cpu().numpy()
        task.advance()
    return sums


def attribution_sizes(
    dictionary: Dictionary, seen: Attended, latents: list[int]
) -> Float[Tensor, "head pos latent"]:
    """sum_s |DFA_f(i, s)| at every position."""
    pattern, values = seen.pattern.double(), seen.values.double()
    made = []
    for reading in readings(dictionary, seen, latents):
        if len(reading.rows) > 1:
            made.append(contributions(pattern, values, reading.rows).abs().sum(2))
            continue
        # the pattern is not negative: |A u| = A |u|, and no [head, query, source] is made
        sizes = torch.einsum("hd,shd->hs", reading.rows[0], values).abs()
        made.append((pattern @ sizes.unsqueeze(2))[..., 0])
    return torch.stack(made, dim=2)


@torch.no_grad()
def without_heads(
    model: Model, dictionary: Dictionary, place: Place, text: Text, row: int, stand_in: Tensor
) -> Float[Tensor, "head pos latent"]:
    """h of one sequence with each head in turn replaced by what stands in for it."""
    z = text.z[row]
    heads = z.shape[1]
    altered = z.unsqueeze(0).repeat(heads, 1, 1, 1)
    each = torch.arange(heads, device=z.device)
    altered[each, :, each] = stand_in.expand_as(z).transpose(0, 1)
    if place.mixed:
        tokens = text.tokens[row : row + 1].expand(heads, -1)
        x = model.run(tokens, [place.out], {place.z: altered}, place.out)[place.out]
    else:
        x = altered.flatten(2)
    made = preactivations(dictionary, x.flatten(0, 1), text.latents)
    return made.reshape(heads, len(z), -1)


def weights(
    model: Model, dictionary: Dictionary, place: Place, text: Text
) -> Float[np.ndarray, "way latent head"]:
    """Each head's share of the decoder's and of the encoder's rows, at the heads' outputs."""
    seen = attend(model, place, text.tokens[:1])
    encoder = [reading.rows[0] for reading in readings(dictionary, seen, text.latents)]
    rows = dictionary.W_dec[text.latents].detach().double()
    if seen.out is None:
        decoder = list(rows.reshape(len(rows), *seen.z.shape[2:]))
    else:
        everywhere = (row.expand(seen.z.shape[1], -1) for row in rows)
        decoder = [pull_back(row, seen.out, seen.z)[0][0] for row in everywhere]
    return np.stack([shares_of(torch.stack(blocks)).cpu().numpy() for blocks in (decoder, encoder)])


@dataclass(frozen=True)
class Table:
    """What each way says of each head, ready to be resampled."""

    sums: Float[np.ndarray, "batch effect latent head"]
    """Sums over firing tokens."""
    counts: Float[np.ndarray, "batch latent"]
    """How many of them."""
    weights: Float[np.ndarray, "way latent head"]
    """What needs no text."""

    def ways(self, rows: np.ndarray) -> Float[np.ndarray, "way latent head"]:
        """Every way's numbers over some sequences; NaN for a latent that fires in none of them."""
        counts = self.counts[rows].sum(0)[:, None]
        means = self.sums[rows].sum(0) / np.where(counts > 0, counts, np.nan)
        return np.concatenate([self.weights, means])


def correlations(ways: Values, axis: int) -> Float[np.ndarray, "pair other"]:
    """Spearman's correlation along an axis for each two ways; NaN where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = rankdata(ways, axis=axis, nan_policy="propagate")
    centred = ranks - ranks.mean(axis, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis))
    first, second = (np.array(side) for side in zip(*PAIRS, strict=True))
    products = (centred[first] * centred[second]).sum(axis)
    below = lengths[first] * lengths[second]
    found: Values = products / np.where(below > 0, below, np.nan)
    return found


def mean_known(values: Values, axis: int) -> Values:
    """Mean over what is a number; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total: Values = np.where(known, values, 0.0).sum(axis)
    return total / np.where(count > 0, count, np.nan)


def statistics(ways: Values) -> Values:
    """Agreement over heads (mean over latents), then how often zero and mean ablation name other heads."""
    zero, mean = (ways[METHODS.index(name)] for name in ("zero", "mean"))
    known = ~np.isnan(zero).any(1)
    differ = (zero[known].argmax(1) != mean[known].argmax(1)).mean() if known.any() else np.nan
    return np.append(mean_known(correlations(ways, 2), 1), differ)


def resampled(table: Table, resamples: int, seed: int) -> tuple[Values, Values]:
    """Value, low and high of `statistics`, and of each head's agreement over latents."""
    random = np.random.default_rng(seed)
    size = len(table.sums)
    whole = table.ways(np.arange(size))
    drawn = [table.ways(random.integers(0, size, size)) for _ in range(resamples)]
    over_heads = ends(statistics(whole), np.array([statistics(ways) for ways in drawn]))
    over_latents = ends(correlations(whole, 1), np.array([correlations(ways, 1) for ways in drawn]))
    return over_heads, over_latents


def ends(value: Values, replicates: Values) -> Values:
    """Value, low and high on a new last axis; NaN where no replicate is a number."""
    tail = (1 - LEVEL) / 2
    flat = replicates.reshape(len(replicates), -1)
    found = np.full((flat.shape[1], 2), np.nan)
    for column in range(flat.shape[1]):
        known = flat[~np.isnan(flat[:, column]), column]
        if len(known):
            found[column] = np.quantile(known, [tail, 1 - tail])
    return np.concatenate([value[..., None], found.reshape(*value.shape, 2)], axis=-1)


def measures_of(over_heads: Values, latents: int, sequences: int) -> list[Measure]:
    """Every agreement and the disagreement of the ablations, with intervals."""
    measures = [Measure.of("latents", latents)]
    for name, (value, low, high) in zip([*NAMES, "differ"], over_heads.tolist(), strict=True):
        estimate: Interval | float = Interval(value, low, high, sequences, LEVEL, "bootstrap")
        if name == FIXED:
            estimate = value
        measures.append(Measure.of(name, None if np.isnan(value) else estimate))
    return measures


def arrays_of(table: Table, latents: list[int], over_heads: Values, over_latents: Values) -> dict[str, Array]:
    """Agreements with intervals, and what every way says of every head."""
    ways = table.ways(np.arange(len(table.sums)))
    shares = ways / np.maximum(ways.sum(2, keepdims=True), 1e-300)
    along = {"pair": NAMES, "end": ["value", "low", "high"]}
    return {
        "agreement": Array(over_heads[:-1], ("pair", "end"), along),
        "by_head": Array(over_latents.swapaxes(0, 1), ("head", "pair", "end"), along),
        "effects": Array(ways, ("way", "latent", "head"), {"way": METHODS, "latent": latents}),
        "foremost": Array(shares.mean(1), ("way", "head"), {"way": METHODS}),
    }
