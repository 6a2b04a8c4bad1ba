"""Where rows of activations come from: tensors, shards of a harvest, or a model and its tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.dictionaries.dictionary import refuse_non_finite
from pellucid.dictionaries.randomness import stream
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models import Model
from pellucid.models.shards import ActivationShards

Rows = Mapping[str, Tensor]
SAMPLE = 16_384  # rows for scales and medians
PIECES = 16  # runs of rows that a sample of shards is made of


class Source(Protocol):
    """Rows of activations at one or more sites; rows of different sites belong together."""

    sites: tuple[str, ...]
    rows: int
    skipped: tuple[int, ...]
    """Positions of every sequence that the rows leave out."""

    def batches(self, sites: Sequence[str], size: int, seed: int, start: int) -> Iterator[Rows]:
        """Endless batches in an order that depends on the seed alone, from batch number `start` on."""

    def sample(self, sites: Sequence[str]) -> Rows:
        """Some rows, always the same, for scales and the initial bias."""

    def identity(self) -> dict[str, str]:
        """What the rows are, for the record."""


class TensorSource:
    """Rows held in memory."""

    def __init__(self, tensors: Rows) -> None:
        self.tensors = {
            site: tensor.detach().reshape(-1, tensor.shape[-1]) for site, tensor in tensors.items()
        }
        self.sites = tuple(self.tensors)
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
                yield {site: self.tensors[site][picked] for site in sites}
                number += 1

    def sample(self, sites: Sequence[str]) -> Rows:
        """At most SAMPLE rows, evenly spaced."""
        every = max(1, self.rows // SAMPLE)
        return {site: self.tensors[site][::every][:SAMPLE] for site in sites}

    def identity(self) -> dict[str, str]:
        """A hash of the rows."""
        self._identity = self._identity or {"data": self._hash()}
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


def harvested(
    model: Model, tokens: Int[Tensor, "batch pos"], sites: Sequence[str], keep: Tensor
) -> TensorSource:
    """Activations of the kept positions of a model, read in one pass for all sites.

    Arguments:
        model: an opened model.
        tokens: token ids.
        sites: what to read.
        keep: which positions are rows.
    """
    parts: dict[str, list[Tensor]] = {site: [] for site in sites}
    for batch, mask in zip(torch.split(tokens, 32), torch.split(keep, 32), strict=True):
        with torch.no_grad():
            run = model.run(batch, read=list(sites))
        for site in sites:
            parts[site].append(run[site].detach()[mask].float())
    return TensorSource({site: torch.cat(rows) for site, rows in parts.items()})


def source_of(given: Any, sites: Sequence[tuple[str, str]], conventions: Sequence[Any]) -> Source:
    """The source that was given, in one form; shards tell which positions the harvest left out.

    Arguments:
        given: a tensor, a mapping of tensors by site, shards, (model, tokens) or (model, tokens, site).
        sites: (in, out) of each dictionary.
        conventions: of each dictionary; a model's excluded positions follow them.

    Raises:
        InputError: DI08 for no rows, DI09 for unequal rows, DI10 for an exclusion that cannot be made.
        MissingError: DI11 for a site that the source does not have.
    """
    excluding = {(c.excluded_positions, c.excluded_tokens) for c in conventions}
    if isinstance(given, ActivationShards):
        return shard_source(given, excluding)
    if isinstance(given, tuple):
        model, tokens, *rest = given
        if len(excluding) > 1:
            raise InputError(
                "DI10",
                "The dictionaries of one suite leave out different positions.",
                "Train them in separate suites, or give all the same exclusions.",
            )
        names = sorted({name or (rest[0] if rest else "") for pair in sites for name in pair})
        return harvested(model, tokens, names, conventions[0].included(tokens))
    if excluding - {((), ())}:
        raise InputError(
            "DI10",
            "Positions cannot be left out of rows whose tokens are not known.",
            "Give (model, tokens) as the source, or leave excluded_positions and excluded_tokens empty.",
        )
    if isinstance(given, Tensor):
        return TensorSource({name: given for pair in sites for name in pair[:1]})
    return TensorSource(given)


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
