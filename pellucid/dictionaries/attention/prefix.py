"""How long a repeated prefix each head needs before it attends to what followed the first copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.attention.confidence import resampled_means
from pellucid.dictionaries.judging.evaluation import tokens_sha256
from pellucid.dictionaries.randomness import stream
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    MissingError,
    View,
    register,
    start,
)
from pellucid.models import Model

LENGTH = 128
Head = tuple[int, int]
KIND = register(
    Kind(
        name="dictionaries.prefix_curves",
        title="How long a repeated prefix each head needs",
        statement=(
            "Of {heads.value} heads, the one that attends most to the token after the first copy gives it "
            "{strongest_shortest.value} of its attention when the shortest prefix is repeated; the one that "
            "attends most when the longest is gives it {strongest_longest.value}."
        ),
        supports="",
        refutes="",
        views=(
            View(
                form="line",
                array="attention",
                title="Attention to the token that followed the first copy",
                x="prefix",
                y="head",
                unit="attention",
            ),
            View(
                form="line",
                array="logit",
                title="What each head adds to that token's logit",
                x="prefix",
                y="head",
                unit="logits",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class PrefixConfig:
    """The long- and short-prefix protocol.

    Example:
        >>> PrefixConfig(prefixes=(1, 3)).longest
        3
    """

    prefixes: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9)
    """Numbers of repeated tokens, increasing."""
    examples: int = 400
    """Sequences, each used with every prefix."""
    length: int | None = None
    """Distinct tokens after the first one; None: 128, or as many as context and vocabulary allow."""
    first: int | None = None
    """Token at the beginning; None: what the tokenizer puts there, else token 0."""
    vocabulary: tuple[int, ...] | None = None
    """Tokens to draw from; None: all but the first one."""
    level: float = 0.95
    """Confidence of the intervals."""
    seed: int = 0
    """Of sequences and resampling."""
    batch: int = 25
    """Sequences of one forward pass."""

    def __post_init__(self) -> None:
        increasing = list(self.prefixes) == sorted(set(self.prefixes))
        if not self.prefixes or self.prefixes[0] < 1 or not increasing:
            problem = f"Prefixes {self.prefixes}."
            raise InputError("DI41", problem, "Give increasing numbers of repeated tokens, from 1.")
        if self.examples < 1 or self.batch < 1:
            problem = f"{self.examples} examples in batches of {self.batch}."
            raise InputError("DI41", problem, "Give at least 1 of both.")

    @property
    def longest(self) -> int:
        """The longest prefix."""
        return self.prefixes[-1]


@dataclass(frozen=True)
class Repeats:
    """Sequences of distinct tokens, and where in each a segment stands and is copied to."""

    tokens: Int[Tensor, "example pos"]
    """Before copying: the first token, then distinct ones."""
    source: Int[Tensor, " example"]
    """Where the first copy begins (a1)."""
    copy: Int[Tensor, " example"]
    """Where the second copy begins (a2); a1 + longest prefix < a2, so no query is its own target."""

    def with_prefix(self, prefix: int) -> Int[Tensor, "example pos"]:
        """The sequences with [a1, a1 + prefix) copied to [a2, a2 + prefix)."""
        steps = torch.arange(prefix)
        made = self.tokens.clone()
        segment = self.tokens.gather(1, self.source[:, None] + steps)
        return made.scatter(1, self.copy[:, None] + steps, segment)

    def query(self, prefix: int) -> Int[Tensor, " example"]:
        """Where the second copy ends: a2 + prefix - 1."""
        return self.copy + prefix - 1

    def target(self, prefix: int) -> Int[Tensor, " example"]:
        """Where the token stands that followed the first copy: a1 + prefix."""
        return self.source + prefix


@dataclass(frozen=True)
class Curves:
    """What every head did in every example."""

    heads: tuple[Head, ...]
    """Layer and head."""
    attention: Float[np.ndarray, "example prefix head"]
    """Attention from the end of the second copy to the token that followed the first."""
    logit: Float[np.ndarray, "example prefix head"] | None
    """What the head adds to that token's logit there; None when it was not asked for."""


def prefix_curves(
    model: Model, config: PrefixConfig | None = None, *, progress: Progress = SILENT
) -> Finding:
    """Attention and direct logit attribution of every head, by the number of repeated tokens.

    In a sequence of distinct random tokens [a1, a1+p) is copied to [a2, a2+p). Per head:
    ``attention(p) = mean A[a2+p-1, a1+p]``, and ``logit(p) = mean z[a2+p-1] . d logit(t_{a1+p}) / d z`` along
    the residual stream alone, the final norm's scale held. Intervals: bootstrap over the sequences.

    Arguments:
        model: any transformer whose attention patterns can be read; what its heads are for is never asked.
        config: prefixes, examples, tokens, seed.
        progress: told after each forward pass.

    Returns:
        A Finding ``dictionaries.prefix_curves`` with the arrays ``attention`` and ``logit`` (head, prefix)
        and the ends of their intervals, ``attention_low`` and so on.

    Raises:
        InputError: DI41 prefixes or examples, DI42 sequences that do not fit the model.
        MissingError: DI43, the model has no attention patterns.

    Example: ``prefix_curves(model, PrefixConfig(examples=100)).show()``.

    Source: Kissane et al. 2024, arXiv 2406.17759, section 4.3 (long-prefix and short-prefix induction heads).
    """
    config = config or PrefixConfig()
    repeats = draw_repeats(model, config)
    record = start(
        prefix_curves,
        parameters=config,
        subject=model.subject,
        data=repeats_ref(repeats),
        seed=config.seed,
    )
    curves = measure_curves(model, repeats, config, logits=True, progress=progress)
    assert curves.logit is not None
    arrays = {**intervals_of("attention", curves.attention, curves, config)}
    arrays |= intervals_of("logit", curves.logit, curves, config)
    return record.finding(KIND, measures=summary(arrays, config), arrays=arrays)


def repeats_ref(repeats: Repeats) -> DataRef:
    """How a Finding names drawn sequences."""
    places = torch.stack([repeats.source, repeats.copy], dim=1)
    return DataRef(id="random distinct tokens", sha256=tokens_sha256(torch.cat([repeats.tokens, places], 1)))


def summary(arrays: dict[str, Array], config: PrefixConfig) -> list[Measure]:
    """The heads that attend most after the shortest and the longest prefix."""
    means, low, high = (arrays[name].values for name in ("attention", "attention_low", "attention_high"))
    measures = [Measure.of("heads", len(means))]
    for name, column in (("strongest_shortest", 0), ("strongest_longest", -1)):
        head = int(means[:, column].argmax())
        value, least, most = (float(part[head, column]) for part in (means, low, high))
        interval = Interval(value, least, most, config.examples, config.level, "bootstrap")
        measures.append(Measure.of(name, interval))
    return measures


def intervals_of(
    name: str, values: Float[np.ndarray, "example prefix head"], curves: Curves, config: PrefixConfig
) -> dict[str, Array]:
    """Means over the examples and the ends of their intervals, as arrays (head, prefix)."""
    shape = values.shape[1:]
    low, high = resampled_means(values.reshape(len(values), -1), config.level, config.seed)
    coords: dict[str, Sequence[Any]] = {
        "head": [head_name(head) for head in curves.heads],
        "prefix": list(config.prefixes),
    }
    parts = {name: values.mean(0), f"{name}_low": low.reshape(shape), f"{name}_high": high.reshape(shape)}
    return {part: Array(table.T.copy(), ("head", "prefix"), coords) for part, table in parts.items()}


def head_name(head: Head) -> str:
    """A head as people write it: layer.head."""
    return f"{head[0]}.{head[1]}"


def pattern_sites(model: Model) -> list[str]:
    """The model's attention patterns, by layer; MissingError DI43 when it has none."""
    found = [site for site in model.sites if site.endswith(".attn.pattern")]
    if not found:
        problem = f"{model.id} has no attention patterns."
        raise MissingError("DI43", problem, "Give a transformer that shows blocks.L.attn.pattern.")
    return found


def heads_of(model: Model) -> tuple[Head, ...]:
    """Every head of the model."""
    layers = [int(site.split(".")[1]) for site in pattern_sites(model)]
    return tuple((layer, head) for layer in layers for head in range(model.facts.n_heads))


def draw_repeats(model: Model, config: PrefixConfig) -> Repeats:
    """Draw the sequences and the places of both copies.

    Raises:
        InputError: DI42, the model's context or vocabulary is too small.
        MissingError: DI43, the model has no attention patterns.
    """
    pattern_sites(model)
    first = beginning(model) if config.first is None else config.first
    pool = range(model.facts.d_vocab) if config.vocabulary is None else config.vocabulary
    candidates = torch.tensor([token for token in pool if token != first])
    length = fitting_length(model, config, len(candidates))
    random = stream("repeated prefixes", config.seed)
    order = torch.rand((config.examples, len(candidates)), generator=random).argsort(dim=1)[:, :length]
    begin = torch.full((config.examples, 1), first)
    latest = length + 1 - config.longest  # of a2, so that the copy fits
    gap = config.longest + 1
    pairs = torch.tensor([(a1, a2) for a1 in range(1, latest) for a2 in range(a1 + gap, latest + 1)])
    chosen = pairs[torch.randint(0, len(pairs), (config.examples,), generator=random)]
    return Repeats(torch.cat([begin, candidates[order]], dim=1), chosen[:, 0], chosen[:, 1])


def beginning(model: Model) -> int:
    """What the model's tokenizer puts first, or token 0."""
    return int(next(iter(model._tokenizer.first), 0)) if model._tokenizer is not None else 0


def fitting_length(model: Model, config: PrefixConfig, candidates: int) -> int:
    """How many distinct tokens a sequence has; InputError DI42 when they do not fit, or are too few."""
    most = min(model.facts.context - 1, candidates)
    length = min(LENGTH, most) if config.length is None else config.length
    least = 2 * config.longest + 1
    if not least <= length <= most:
        problem = f"Sequences of {length} distinct tokens for prefixes up to {config.longest}."
        remedy = f"{model.id} takes {most} at most and both copies need {least}; change length or prefixes."
        raise InputError("DI42", problem, remedy)
    return length


def measure_curves(
    model: Model,
    repeats: Repeats,
    config: PrefixConfig,
    *,
    logits: bool = False,
    progress: Progress = SILENT,
) -> Curves:
    """What every head does in every example, for every prefix.

    Arguments:
        model: whose heads.
        repeats: the sequences.
        config: prefixes and batch.
        logits: whether direct logit attributions are wanted too.
        progress: told after each forward pass.
    """
    heads = heads_of(model)
    shape = (len(repeats.tokens), len(config.prefixes), len(heads))
    attention = np.zeros(shape)
    logit = np.zeros(shape) if logits else None
    rows = range(0, shape[0], config.batch)
    with progress.task("repeated prefixes", len(rows) * shape[1]) as task:
        for column, prefix in enumerate(config.prefixes):
            tokens = repeats.with_prefix(prefix)
            query, target = repeats.query(prefix), repeats.target(prefix)
            for begin in rows:
                part = slice(begin, begin + config.batch)
                given = (tokens[part].to(model.device), query[part], target[part])
                attention[part, column] = attended(model, *given)
                if logit is not None:
                    logit[part, column] = attributed(model, *given)
                task.advance(1)
    return Curves(heads, attention, logit)


@torch.no_grad()
def attended(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    query: Int[Tensor, " batch"],
    target: Int[Tensor, " batch"],
) -> Float[np.ndarray, "batch head"]:
    """Attention of every head from one place to another."""
    sites = pattern_sites(model)
    run = model.run(tokens, read=sites, until=sites[-1])
    every = torch.arange(len(tokens))
    return torch.cat([run[site][every, :, query, target] for site in sites], dim=1).double().cpu().numpy()


def attributed(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    query: Int[Tensor, " batch"],
    target: Int[Tensor, " batch"],
) -> Float[np.ndarray, "batch head"]:
    """What every head adds along the residual stream to the logit at ``query`` of the token at ``target``.

    ``z . d(attn_out . g) / dz`` with g the gradient of the logit in the last residual stream, norm scales
    held.
    """
    layers = [int(site.split(".")[1]) for site in pattern_sites(model)]
    z_sites, out_sites = ([f"blocks.{n}.{name}" for n in layers] for name in ("attn.z", "attn_out"))
    last, every = f"blocks.{layers[-1]}.resid_post", torch.arange(len(tokens))
    with torch.enable_grad():
        run = model.run(
            tokens,
            read=[*z_sites, *out_sites, last],
            write={"embed": lambda x: x.detach().requires_grad_()},  # even frozen weights leave a graph
            frozen=("norm_scale",),
        )
        logit = run.output[every, query, tokens[every, target]].sum()
        (towards,) = torch.autograd.grad(logit, run[last], retain_graph=True)
        found = [
            one_layer(run[z], run[out], towards, query) for z, out in zip(z_sites, out_sites, strict=True)
        ]
    return torch.cat(found, dim=1).double().cpu().numpy()


def one_layer(
    z: Float[Tensor, "batch pos head d_head"],
    out: Float[Tensor, "batch pos d_model"],
    towards: Float[Tensor, "batch pos d_model"],
    query: Int[Tensor, " batch"],
) -> Float[Tensor, "batch head"]:
    """Each head's share of what one attention layer adds at the query, in a direction of the stream."""
    every = torch.arange(len(z))
    added = (out[every, query] * towards[every, query].detach()).sum()
    (slope,) = torch.autograd.grad(added, z, retain_graph=True)
    return (z.detach() * slope)[every, query].sum(-1)
