"""Whether a head needs the second token of a repeated prefix: replace it and see what attention is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.attention.prefix import (
    Head,
    PrefixConfig,
    draw_repeats,
    head_name,
    heads_of,
    pattern_sites,
    repeats_ref,
)
from pellucid.dictionaries.judging.evaluation import tokens_sha256
from pellucid.dictionaries.randomness import stream
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Kind,
    Measure,
    Record,
    View,
    register,
    start,
)
from pellucid.models import Model

CONDITIONS = ("before", "random", "matched")
RESAMPLES = 2_000
HALF, TENTH = 0.5, 0.1
KIND = register(
    Kind(
        name="dictionaries.prefix_corruption",
        title="What is left when the second prefix token is replaced",
        statement=(
            "Of {heads.value} heads that follow repeated prefixes ({pairs.value} pairs of places), replacing "
            "the token two before the attended one takes at least half of the attention from "
            "{dependent.value} and at most a tenth from {independent.value}."
        ),
        supports="",
        refutes="",
        views=(
            View(
                form="bar",
                array="attention",
                title="Attention before, and after a random and a frequency-matched replacement",
                x="head",
                y="condition",
                unit="attention",
            ),
            View(form="interval", array="drop_random", title="Share lost, random replacement", x="head"),
            View(form="interval", array="drop_matched", title="Share lost, matched replacement", x="head"),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class CorruptionConfig:
    """The corruption test.

    Example:
        >>> CorruptionConfig().threshold
        0.3
    """

    threshold: float = 0.3
    """Pairs of places count when the attention between them is above this, heads when their mean is."""
    prefix: int = 2
    """Repeated tokens of drawn sequences; in a text, the least number of repeated tokens."""
    fewest: int = 10
    """Heads with fewer pairs are left out."""
    examples: int = 400
    """Drawn sequences; without effect on a text."""
    length: int | None = None
    """Distinct tokens of drawn sequences; None: 128, or as many as fit."""
    first: int | None = None
    """Token at the beginning of drawn sequences; None: the tokenizer's, else token 0."""
    level: float = 0.95
    """Confidence of the intervals."""
    seed: int = 0
    """Of sequences, replacements and resampling."""
    batch: int = 25
    """Sequences of one forward pass."""

    def __post_init__(self) -> None:
        if self.prefix < 2 or not 0 < self.threshold < 1 or min(self.fewest, self.examples, self.batch) < 1:
            problem = f"A corruption test with prefix {self.prefix} and threshold {self.threshold}."
            remedy = "Give a prefix of at least 2, a threshold between 0 and 1, and positive counts."
            raise InputError("DI41", problem, remedy)


@dataclass(frozen=True)
class Pairs:
    """Places between which a head attends although, or because, what stands before both is repeated."""

    sequence: Int[Tensor, " pair"]
    """Row of the tokens."""
    head: Int[Tensor, " pair"]
    """Place of the head among all heads of the model."""
    query: Int[Tensor, " pair"]
    """Where the head looks from: the end of the second copy."""
    source: Int[Tensor, " pair"]
    """Where it looks to: the token that followed the first copy."""

    def keep(self, wanted: Bool[Tensor, " pair"]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.sequence[wanted], self.head[wanted], self.query[wanted], self.source[wanted])


def corruption_test(
    model: Model,
    tokens: Int[Tensor, "batch pos"] | None = None,
    config: CorruptionConfig | None = None,
    *,
    progress: Progress = SILENT,
) -> Finding:
    """Replace the token two before the attended one, and compare attention before and after.

    ``drop = 1 - sum A_after[q, s] / sum A_before[q, s]`` per head, over all its pairs. Without ``tokens``:
    drawn sequences in which a prefix is repeated once. On a text: every pair with attention above the
    threshold whose preceding tokens agree, walking both places back, in at least two tokens up to case and a
    leading space. Each pair is corrupted twice: by a random token, and by the token of the nearest frequency
    (counted in ``tokens``; in drawn sequences all tokens are equally frequent, so this is a second random
    draw). No replacement occurs in the sequence. Intervals: bootstrap over the sequences.

    Arguments:
        model: any transformer whose attention patterns can be read.
        tokens: rows of a text; None: drawn sequences.
        config: threshold, prefix, seed.
        progress: told after each forward pass.

    Returns:
        A Finding ``dictionaries.prefix_corruption`` with the arrays ``attention`` (condition, head),
        ``drop_random`` and ``drop_matched`` (head, end) and ``counts`` (pairs of each head).

    Raises:
        InputError: DI41 settings, DI42 sequences that do not fit the model.
        MissingError: DI43, the model has no attention patterns.

    Example: ``corruption_test(model, tokens).show()``.

    Source: Kissane et al. 2024, arXiv 2406.17759, section 4.3, with all pairs in place of the first of a
    sequence.
    """
    config = config or CorruptionConfig()
    rows, data, pairs = drawn(model, config) if tokens is None else found_in(model, tokens, config, progress)
    record = start(corruption_test, parameters=config, subject=model.subject, data=data, seed=config.seed)
    counts = torch.zeros(model.facts.d_vocab)
    if tokens is not None:
        counts = torch.bincount(tokens.flatten().cpu(), minlength=model.facts.d_vocab).float()
    table = measured(model, rows, pairs, counts, config, progress)
    sums = summed(table, pairs, len(rows), len(heads_of(model)))
    return finished(model, record, sums, config)


def drawn(model: Model, config: CorruptionConfig) -> tuple[Tensor, DataRef, Pairs]:
    """Drawn sequences, and one pair of places in each for every head."""
    protocol = PrefixConfig(
        prefixes=(config.prefix,),
        examples=config.examples,
        length=config.length,
        first=config.first,
        seed=config.seed,
    )
    repeats, heads = draw_repeats(model, protocol), len(heads_of(model))
    sequence = torch.arange(config.examples).repeat_interleave(heads)
    head = torch.arange(heads).repeat(config.examples)
    query, source = repeats.query(config.prefix), repeats.target(config.prefix)
    pairs = Pairs(sequence, head, query[sequence], source[sequence])
    return repeats.with_prefix(config.prefix), repeats_ref(repeats), pairs


def found_in(
    model: Model, tokens: Int[Tensor, "batch pos"], config: CorruptionConfig, progress: Progress
) -> tuple[Tensor, DataRef, Pairs]:
    """Every pair of places of a text with enough attention and a repeated prefix."""
    folded, parts = fold(model)[tokens.cpu()], []
    with progress.task("searching repeats", len(tokens)) as task:
        for begin, patterns in patterns_of(model, tokens, config.batch):
            row, head, query, source = (patterns > config.threshold).nonzero(as_tuple=True)
            pairs = Pairs(row + begin, head, query, source)
            parts.append(pairs.keep(matched(folded, pairs, config.prefix) & (source >= config.prefix)))
            task.advance(len(patterns))
    fields = ("sequence", "head", "query", "source")
    joined = Pairs(*(torch.cat([getattr(part, name) for part in parts]) for name in fields))
    return tokens.cpu(), DataRef(id="tokens", sha256=tokens_sha256(tokens)), joined


def fold(model: Model) -> Int[Tensor, " vocab"]:
    """One number for all tokens that differ in case or leading space only; ids without a tokenizer."""
    if model._tokenizer is None:
        return torch.arange(model.facts.d_vocab)
    words: dict[str, int] = {}
    numbers = []
    for token in range(model.facts.d_vocab):
        text = model._tokenizer.token(token)
        numbers.append(words.setdefault(text.removeprefix(" ").lower() or text, len(words)))
    return torch.tensor(numbers)


def matched(folded: Int[Tensor, "batch pos"], pairs: Pairs, least: int) -> Bool[Tensor, " pair"]:
    """Whether the tokens up to the query and those before the source agree in at least so many places."""
    agree = torch.ones(len(pairs.sequence), dtype=torch.bool)
    for back in range(least):
        here, there = pairs.query - back, pairs.source - 1 - back
        agree &= there >= 0
        agree &= folded[pairs.sequence, here.clamp_min(0)] == folded[pairs.sequence, there.clamp_min(0)]
    return agree


@torch.no_grad()
def patterns_of(
    model: Model, tokens: Int[Tensor, "batch pos"], batch: int
) -> Iterator[tuple[int, Float[Tensor, "batch head query key"]]]:
    """Attention patterns of all heads of all layers, some sequences at a time."""
    sites = pattern_sites(model)
    for begin in range(0, len(tokens), batch):
        run = model.run(tokens[begin : begin + batch].to(model.device), read=sites, until=sites[-1])
        yield begin, torch.cat([run[site] for site in sites], dim=1).cpu()


def measured(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    pairs: Pairs,
    counts: Float[Tensor, " vocab"],
    config: CorruptionConfig,
    progress: Progress,
) -> Float[np.ndarray, "pair condition"]:
    """Attention of every pair before, and after each replacement.

    A sequence is run once for each place that is replaced in it, whatever the number of heads that look
    there.
    """
    width = tokens.shape[1]
    jobs, job = torch.unique(pairs.sequence * width + pairs.source, return_inverse=True)
    rows, places = tokens[jobs // width], jobs % width - 2
    table = np.zeros((len(pairs.sequence), len(CONDITIONS)))
    random = stream("prefix corruption", config.seed)
    order, folded = job.argsort(stable=True), fold(model)
    with progress.task("replacing tokens", len(jobs) * len(CONDITIONS)) as task:
        for column, condition in enumerate(CONDITIONS):
            changed = rows.clone()
            if condition != "before":
                weights = counts if condition == "matched" else torch.zeros_like(counts)
                new = replacements(rows, places, weights, folded, random)
                changed.scatter_(1, places[:, None], new[:, None])
            for begin, patterns in patterns_of(model, changed, config.batch):
                mine = order[(job[order] >= begin) & (job[order] < begin + len(patterns))]
                at = (job[mine] - begin, pairs.head[mine], pairs.query[mine], pairs.source[mine])
                table[mine.numpy(), column] = patterns[at].double().numpy()
                task.advance(len(patterns))
    return table


def replacements(
    rows: Int[Tensor, "job pos"],
    places: Int[Tensor, " job"],
    counts: Float[Tensor, " vocab"],
    folded: Int[Tensor, " vocab"],
    random: torch.Generator,
) -> Int[Tensor, " job"]:
    """For each row a token that it lacks, of the nearest frequency to the one replaced, chance breaking ties.

    Raises:
        InputError: DI42, a sequence holds the whole vocabulary.
    """
    old = rows.gather(1, places[:, None])
    frequency = counts.log1p()
    found = []
    for row, token in zip(rows, old[:, 0], strict=True):
        distance = (frequency - frequency[token]).abs()
        taken = torch.isin(folded, folded[row])
        if bool(taken.all()):
            problem = f"A sequence holds all {len(counts)} tokens of the vocabulary."
            raise InputError("DI42", problem, "Give shorter sequences, so that a replacement is left.")
        nearest = distance.masked_fill(taken, torch.inf)
        ties = (nearest == nearest.min()).nonzero()[:, 0]
        found.append(ties[torch.randint(0, len(ties), (1,), generator=random)])
    return torch.cat(found) if found else old[:, 0]


def summed(
    table: Float[np.ndarray, "pair condition"], pairs: Pairs, sequences: int, heads: int
) -> Float[np.ndarray, "sequence head column"]:
    """Sums of each sequence and head over its pairs: the three conditions, and the number of pairs."""
    sums = np.zeros((sequences, heads, len(CONDITIONS) + 1))
    at = (pairs.sequence.numpy(), pairs.head.numpy())
    np.add.at(sums, at, np.concatenate([table, np.ones((len(table), 1))], axis=1))
    return sums


def finished(
    model: Model, record: Record, sums: Float[np.ndarray, "sequence head column"], config: CorruptionConfig
) -> Finding:
    """The Finding: heads with enough pairs and attention, what each condition leaves, and the shares lost."""
    totals = sums.sum(0)
    mean = totals / np.maximum(totals[:, -1:], 1)
    kept = np.flatnonzero((totals[:, -1] >= config.fewest) & (mean[:, 0] > config.threshold))
    names = [head_name(head) for head in named(model, kept)]
    drops = {name: lost(sums[:, kept], 1 + i, config) for i, name in enumerate(CONDITIONS[1:])}
    arrays = arrays_of(mean[kept], totals[kept], drops, names)
    return record.finding(KIND, measures=measures_of(drops, totals[kept], sums), arrays=arrays)


def named(model: Model, kept: Int[np.ndarray, " head"]) -> list[Head]:
    """The heads at some places among all heads."""
    heads = heads_of(model)
    return [heads[place] for place in kept]


def lost(
    sums: Float[np.ndarray, "sequence head column"], column: int, config: CorruptionConfig
) -> Float[np.ndarray, "head end"]:
    """Share of the attention that a replacement takes from each head: value, low, high."""
    if not sums.shape[1]:
        return np.zeros((0, 3))
    n, tail = len(sums), (1 - config.level) / 2
    weights = np.random.default_rng(config.seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    before, after = (weights @ sums[..., which] for which in (0, column))
    # a resample without any pair of a head says nothing about it
    shares = np.where(before > 0, 1 - after / np.where(before > 0, before, 1), np.nan)
    low, high = np.nanquantile(shares, [tail, 1 - tail], axis=0)
    value = 1 - sums[..., column].sum(0) / sums[..., 0].sum(0)
    return np.stack([value, low, high], axis=1)


def measures_of(
    drops: dict[str, Float[np.ndarray, "head end"]],
    totals: Float[np.ndarray, "head column"],
    sums: Float[np.ndarray, "sequence head column"],
) -> list[Measure]:
    """How many heads need the token, how many do not, and how far the two replacements differ."""
    random, same = drops["random"], drops["matched"]
    dependent = int(((random[:, 1] >= HALF) & (same[:, 1] >= HALF)).sum())
    independent = int(((random[:, 2] <= TENTH) & (same[:, 2] <= TENTH)).sum())
    gap = float(np.abs(random[:, 0] - same[:, 0]).max()) if len(random) else None
    return [
        Measure.of("heads", len(totals)),
        Measure.of("pairs", float(totals[:, -1].sum()), n=len(sums)),
        Measure.of("dependent", dependent),
        Measure.of("independent", independent),
        Measure.of("largest_gap", gap, unit="share of attention", better="lower"),
    ]


def arrays_of(
    mean: Float[np.ndarray, "head column"],
    totals: Float[np.ndarray, "head column"],
    drops: dict[str, Float[np.ndarray, "head end"]],
    names: list[str],
) -> dict[str, Array]:
    """Attention by condition, shares lost with their intervals, and numbers of pairs; none without heads."""
    if not names:
        return {}
    ends = {"head": names, "end": ["value", "low", "high"]}
    return {
        "attention": Array(
            mean[:, : len(CONDITIONS)].T.copy(),
            ("condition", "head"),
            {"condition": list(CONDITIONS), "head": names},
        ),
        "counts": Array(totals[:, -1], ("head",), {"head": names}),
        **{f"drop_{name}": Array(values, ("head", "end"), ends) for name, values in drops.items()},
    }
