"""Where rows of activations come from: tensors, shards of a harvest, or a model and its tokens."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import refuse_non_finite
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.training.fisher import score_name, scores_of
from pellucid.dictionaries.training.passage import refuse_nested, whole_precision
from pellucid.dictionaries.training.resuming import beginning, full_name
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models import Model
from pellucid.models.shards import ActivationShards
from pellucid.models.sites import plain_name

if TYPE_CHECKING:
    from pellucid.dictionaries.config import TrainConfig

Rows = Mapping[str, Tensor]
PER_HEAD = (".attn.z", ".attn.q", ".attn.k", ".attn.v")
SAMPLE = 16_384  # rows for scales and medians
PASS_ROWS = 4096  # rows of one pass of the model
PIECES = 16  # runs of rows that a sample of shards is made of


class Source(Protocol):
    """Rows of activations at one or more sites; rows of different sites belong together."""

    sites: tuple[str, ...]
    rows: int
    skipped: tuple[int, ...]
    """Positions of every sequence that the rows leave out."""
    model: Model | None
    """The model itself, where objectives may run it."""

    def batches(self, sites: Sequence[str], size: int, seed: int, start: int) -> Iterator[Rows]:
        """Endless batches in an order that depends on the seed alone, from batch number `start` on."""

    def sample(self, sites: Sequence[str]) -> Rows:
        """Some rows, always the same, for scales and the initial bias."""

    def identity(self) -> dict[str, str]:
        """What the rows are, for the record."""


def is_score(name: str) -> bool:
    """Whether a tensor of a source holds scores rather than a site's activations."""
    return name.startswith("scores ")


class TensorSource:
    """Rows held in memory."""

    def __init__(self, tensors: Rows) -> None:
        self.tensors = {
            site: tensor.detach() if is_score(site) else tensor.detach().reshape(-1, tensor.shape[-1])
            for site, tensor in tensors.items()
        }
        self.sites = tuple(site for site in self.tensors if not is_score(site))
        counts = {len(tensor) for tensor in self.tensors.values()}
        if counts in ({0}, set()):
            raise InputError("DI08", "The source holds no activations.", "Give at least one batch of rows.")
        if len(counts) > 1:
            raise InputError(
                "DI09",
                f"The sites have {sorted(counts)} rows.",
                "Rows of all sites belong together: give as many for each.",
            )
        self.rows = counts.pop()
        for site, tensor in self.tensors.items():
            refuse_non_finite(tensor, site)
        self.skipped: tuple[int, ...] = ()
        self.model: Model | None = None
        self.made_by: dict[str, str] = {}  # the model whose activations these are, where that is known
        self._identity: dict[str, str] = {}

    def batches(self, sites: Sequence[str], size: int, seed: int, start: int) -> Iterator[Rows]:
        """Each epoch is a fresh permutation from (seed, epoch); what does not fill a batch is left out."""
        each = self.rows // size
        number = start
        while True:
            epoch, first = divmod(number, each)
            order = torch.randperm(self.rows, generator=stream(f"order of epoch {epoch}", seed))
            for i in range(first, each):
                picked = order[i * size : (i + 1) * size]
                wanted = [*sites, *(score_name(site) for site in sites if score_name(site) in self.tensors)]
                yield {site: self.tensors[site][picked] for site in wanted}
                number += 1

    def sample(self, sites: Sequence[str]) -> Rows:
        """At most SAMPLE rows, evenly spaced."""
        every = max(1, self.rows // SAMPLE)
        return {site: self.tensors[site][::every][:SAMPLE] for site in sites}

    def identity(self) -> dict[str, str]:
        """A hash of the rows, and of the model where it is known."""
        self._identity = self._identity or {"data": self._hash(), **self.made_by}
        return self._identity

    def _hash(self) -> str:
        sha = hashlib.sha256()
        for site, tensor in self.tensors.items():
            sha.update(f"{site} {tensor.dtype} {tuple(tensor.shape)}".encode())
            sha.update(tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()


class ShardSource:
    """Rows of a harvest on disk, read in its own shuffled order."""

    def __init__(self, shards: ActivationShards) -> None:
        self.shards = shards
        self.sites = tuple(shards.sites)
        self.rows = int(shards.rows)
        self.skipped = tuple(range(shards.layout.positions[0]))
        self.model: Model | None = None
        if self.rows == 0:
            raise InputError("DI08", "The source holds no activations.", "Give at least one batch of rows.")

    def batches(self, sites: Sequence[str], size: int, seed: int, start: int) -> Iterator[Rows]:
        """The shards' own order, epoch after epoch; what does not fill a batch is left out."""
        epoch, skip = divmod(start, self.rows // size)
        while True:
            order = self.shards.batches(list(sites), size, seed=seed * 1_000_003 + epoch)
            yield from islice(order, skip, self.rows // size)
            epoch, skip = epoch + 1, 0

    def sample(self, sites: Sequence[str]) -> Rows:
        """At most SAMPLE rows, evenly spaced."""
        size = SAMPLE // PIECES
        if self.rows <= SAMPLE:
            return {site: self.shards.read(site) for site in sites}
        starts = [i * (self.rows - size) // (PIECES - 1) for i in range(PIECES)]
        return {site: torch.cat([self.shards.read(site, i, i + size) for i in starts]) for site in sites}

    def identity(self) -> dict[str, str]:
        """The harvest's own identity."""
        return {"data": self.shards.sha256, "model": self.shards.model_sha256}


class TokenSource:
    """A model and its tokens, run anew for every batch: for objectives that need more than activations.

    Arguments:
        model: an opened model.
        tokens: sequences, or a module's inputs, each of which is one row.
        sites: where dictionaries stand.
        keep: which positions, or inputs, they are for.
        later: further sites whose clean activations are wanted.
        known: residual streams of all sequences where passes may begin; None: they are run from the tokens.
    """

    def __init__(
        self,
        model: Model,
        tokens: Tensor,
        sites: Sequence[str],
        keep: Bool[Tensor, "batch *pos"],
        later: Sequence[str] = (),
        known: Float[Tensor, "batch pos d_model"] | None = None,
    ) -> None:
        self.model: Model | None = model
        self.known = known
        self.opened, self.tokens, self.keep, self.later = model, tokens, keep, tuple(later)
        self.sites = tuple(sites)
        self.rows = int(keep.sum())
        self.each = max(1, math.prod(keep.shape[1:]))  # rows of one sequence, if none is left out
        self.skipped: tuple[int, ...] = ()
        begins = [beginning(model, [site]) for site in sites]
        self.streams = tuple(sorted({begin.site for begin in begins if begin is not None}))
        if self.rows == 0:
            raise InputError("DI08", "The source holds no activations.", "Give at least one batch of rows.")

    def batches(self, sites: Sequence[str], size: int, seed: int, start: int) -> Iterator[Rows]:
        """Batches of whole sequences that hold about `size` rows; each epoch is a fresh permutation."""
        sequences = max(1, size // self.each)
        each = max(1, len(self.tokens) // sequences)
        number = start
        while True:
            epoch, first = divmod(number, each)
            order = torch.randperm(len(self.tokens), generator=stream(f"order of epoch {epoch}", seed))
            for i in range(first, each):
                yield self.clean(order[i * sequences : (i + 1) * sequences], sites)
                number += 1

    @torch.no_grad()
    def clean(self, picked: Int[Tensor, " batch"], sites: Sequence[str]) -> Rows:
        """One clean pass: rows at the sites, whole streams to resume from, whole later activations, and the
        log-probabilities of the kept rows."""
        tokens, keep = self.tokens[picked], self.keep[picked]
        before, resume = self.before(picked)
        asked = [site for site in (*sites, *self.streams, *self.later) if site not in before]
        run = self.opened.run(tokens, read=asked, resume=resume)
        seen = before | {site: run[site] for site in asked}
        rows = {site: whole_precision(seen[site][keep].flatten(1)) for site in sites}
        whole = {full_name(site): seen[site] for site in (*self.streams, *self.later)}
        logs = whole_precision(run.output[keep]).log_softmax(-1)
        return {"tokens": tokens, "keep": keep, "log_probabilities": logs, **rows, **whole}

    def before(self, picked: Int[Tensor, " batch"]) -> tuple[dict[str, Tensor], tuple[int, Tensor] | None]:
        """The known stream of some sequences by its site, and where a clean pass begins with it."""
        begin = beginning(self.opened, self.sites)
        if self.known is None or begin is None:
            return {}, None
        rows = self.known[picked]
        return {begin.site: rows}, (begin.block, rows)

    def sample(self, sites: Sequence[str]) -> Rows:
        """Rows of the first sequences, at most SAMPLE."""
        count = max(1, SAMPLE // self.each)
        before, _ = self.before(torch.arange(min(count, len(self.tokens))))
        if set(sites) <= set(before):
            return {site: whole_precision(before[site][self.keep[:count]]) for site in sites}
        pairs = passes(self.tokens[:count], self.keep[:count])
        parts = [read_rows(self.opened, tokens, keep, sites, 0, 0) for tokens, keep in pairs]
        return {site: torch.cat([part[site] for part in parts]) for site in sites}

    def identity(self) -> dict[str, str]:
        """Hashes of the tokens and of the model."""
        sha = hashlib.sha256(str(tuple(self.tokens.shape)).encode())
        sha.update(self.tokens.cpu().contiguous().numpy().tobytes())
        return {"data": sha.hexdigest(), "model": self.opened.sha256}


MADE = (TensorSource, TokenSource)  # sources that need not be made


def harvested(
    model: Model, tokens: Tensor, sites: Sequence[str], keep: Bool[Tensor, "batch *pos"], scores: int = 0
) -> TensorSource:
    """Activations of the kept positions of a model, read in one pass for all sites.

    Arguments:
        model: an opened model.
        tokens: token ids.
        sites: what to read.
        keep: which positions are rows.
        scores: gradients of sampled predictions to read beside each row (see `Fisher`).
    """
    parts: dict[str, list[Tensor]] = {}
    for number, (batch, mask) in enumerate(passes(tokens, keep)):
        for name, values in read_rows(model, batch, mask, sites, scores, number).items():
            parts.setdefault(name, []).append(values)
    found = {name: torch.cat(rows) for name, rows in parts.items()}
    lengths = {name: brought_to_width(rows) for name, rows in found.items() if rows.ndim > 2}
    made = TensorSource({**found, **lengths})
    made.made_by = {"model": model.sha256}
    return made


def passes(tokens: Tensor, keep: Bool[Tensor, "batch *pos"]) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and kept places of one pass after the other, of about PASS_ROWS rows.

    Arguments:
        tokens: all inputs.
        keep: all places.
    """
    size = max(1, PASS_ROWS // max(1, math.prod(keep.shape[1:])))
    yield from zip(torch.split(tokens, size), torch.split(keep, size), strict=True)


def read_rows(
    model: Model, tokens: Tensor, keep: Tensor, sites: Sequence[str], scores: int, number: int
) -> dict[str, Tensor]:
    """Rows of one batch of sequences, by site, and their scores."""
    if scores:
        values, gradients = scores_of(model, tokens, list(sites), scores, number)
    else:
        with torch.no_grad():
            run = model.run(tokens, read=list(sites), until=last_of(model, sites))
        values, gradients = {site: run[site].detach() for site in sites}, {}
    rows = {site: whole_precision(values[site][keep].flatten(1)) for site in sites}
    return rows | {score_name(site): value[keep].float() for site, value in gradients.items()}


def last_of(model: Model, sites: Sequence[str]) -> str | None:
    """The site after which a pass may stop; None where the order of a model's sites is not known.

    Arguments:
        model: an opened model.
        sites: what is to be read.
    """
    known = model.family != "module"  # the modules of others may run in any order, and more than once
    return max(sites, key=lambda site: model.sites.place(model.sites.find(site))) if known else None


def brought_to_width(g: Float[Tensor, "row sample width"]) -> Float[Tensor, "row sample width"]:
    """Scores scaled so that their mean squared length is the width."""
    squared = float(g.double().square().sum(-1).mean())
    return g * (g.shape[-1] / squared) ** 0.5 if squared > 0 else g


def source_of(given: Any, configs: Sequence[TrainConfig]) -> Source:
    """What training reads, from what the user gives.

    Arguments:
        given: a tensor, a mapping of tensors by site, shards, (model, tokens) or (model, tokens, site).
        configs: of the dictionaries; a model's excluded positions follow them.

    Raises:
        InputError: DI08 for no rows, DI09 for unequal rows, DI10 for an exclusion that cannot be made, DI100
            for an objective that needs the model where there is none, DI101 for a variant that has no
            end-to-end loss.
        MissingError: DI11 for a site that the source does not have.
    """
    excluding = {(c.excluded_positions, c.excluded_tokens) for c in configs}
    needs = [config.objective.needs for config in configs]
    for config, need in zip(configs, needs, strict=True):
        if need.model:
            refuse_nested(config.variant)
    if isinstance(given, tuple):
        return model_source(given, configs, excluding)
    if any(need.model or need.scores for need in needs):
        raise InputError(
            "DI100",
            "This objective runs the model, but only activations were given.",
            "Give (model, tokens) as the source.",
        )
    if isinstance(given, ActivationShards):
        return shard_source(given, excluding)
    if excluding - {((), ())}:
        raise InputError(
            "DI10",
            "Positions cannot be left out of rows whose tokens are not known.",
            "Give (model, tokens) as the source, or leave excluded_positions and excluded_tokens empty.",
        )
    if isinstance(given, Tensor):
        return TensorSource({config.site: given for config in configs})
    return TensorSource(given)


def model_source(
    given: tuple[Any, ...], configs: Sequence[TrainConfig], excluding: set[tuple[Any, Any]]
) -> Source:
    """A model and its tokens as a source: harvested at once, or run step by step where an objective asks."""
    model, tokens, *rest = given
    if len(excluding) > 1:
        raise InputError(
            "DI10",
            "The dictionaries of one suite leave out different positions.",
            "Train them in separate suites, or give all the same exclusions.",
        )
    names = sorted({name or (rest[0] if rest else "") for config in configs for name in config.sites})
    keep = kept(tokens, configs[0])
    needs = [config.objective.needs for config in configs]
    if any(need.model for need in needs):
        later = sorted({site for need in needs for site in need.sites})
        return TokenSource(model, tokens, names, keep, later)
    return harvested(model, tokens, names, keep, max(need.scores for need in needs))


def kept(tokens: Tensor, config: TrainConfig) -> Bool[Tensor, "batch *pos"]:
    """Which positions of sequences, or inputs of a module, are rows; DI10 for exclusions without tokens.

    Arguments:
        tokens: token ids "batch pos", or inputs that are no tokens.
        config: of the dictionaries.
    """
    if not tokens.is_floating_point():
        return config.convention.included(tokens)
    if config.excluded_positions or config.excluded_tokens:
        raise InputError(
            "DI10",
            "The dictionary leaves out positions, but this input has no tokens.",
            "Leave excluded_positions and excluded_tokens empty.",
        )
    return torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)


def shard_source(
    shards: ActivationShards, excluding: set[tuple[tuple[int, ...], tuple[int, ...]]]
) -> ShardSource:
    """Shards as a source, unless a dictionary would leave out more than the harvest did."""
    source = ShardSource(shards)
    for positions, tokens in excluding:
        if tokens or not set(positions) <= set(source.skipped):
            raise InputError(
                "DI10",
                f"The harvest left out positions {list(source.skipped)}, the dictionary others.",
                "Harvest with skip=..., or give (model, tokens) as the source.",
            )
    return source


def axes_of(site: str) -> Literal["none", "heads"]:
    """How a site's axes become the one of a dictionary: heads where it has (head, d_head).

    Arguments:
        site: a site's name.

    Example:
        >>> axes_of("blocks.0.attn.z"), axes_of("blocks.0.mlp_out")
        ('heads', 'none')
    """
    return "heads" if plain_name(site).endswith(PER_HEAD) else "none"


def resolve(source: Source, sites: tuple[str, str], batch: int) -> tuple[str, str]:
    """Sites as the source names them; an empty name stands for the only site there is.

    Arguments:
        source: where rows come from.
        sites: (in, out) as configured.
        batch: rows of a step.

    Raises:
        MissingError: DI11 for a site that the source does not have.
        InputError: DI12 for fewer rows than one batch.
    """
    only = source.sites[0] if len(source.sites) == 1 else ""
    names = tuple(name or only for name in sites)
    for name in names:
        if name not in source.sites:
            raise MissingError(
                "DI11",
                f"The source has no site {name!r}; it holds {', '.join(map(repr, source.sites))}.",
                f"{did_you_mean(name, source.sites)} Name one of them in TrainConfig(site=...).".strip(),
            )
    if source.rows < batch:
        raise InputError(
            "DI12",
            f"The source holds {source.rows} rows, fewer than one batch of {batch}.",
            "Give more text, or a smaller batch.",
        )
    return names[0], names[1]
