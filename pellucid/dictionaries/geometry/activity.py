"""Which latents fire on which rows of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.training.sources import ShardSource, Source, TensorSource, resolve, source_of
from pellucid.findings import DataRef, Subject
from pellucid.models import Model

ROWS = 2048  # rows encoded at once


@dataclass(frozen=True)
class Activity:
    """On which rows some latents of one dictionary fire."""

    rows: tuple[Int[np.ndarray, " fire"], ...]
    """For each latent that was asked for, the rows on which it fires (not too weakly), in order."""
    fires: Int[Tensor, " feature"]
    """How often each latent of the dictionary fires, however weakly."""
    n: int
    """Rows of the source."""


def opened(given: Any, dictionaries: Sequence[Dictionary]) -> Source:
    """The source in one form, with the sites that all the dictionaries read.

    Arguments:
        given: a tensor, a mapping of tensors by site, shards, (model, tokens) or (model, tokens, site).
        dictionaries: what reads from it.

    Raises:
        InputError: DI08 for no rows, DI09 for unequal rows, DI10 for an exclusion that cannot be made.
        MissingError: DI11 for a site that the source does not have.
    """
    source = source_of(given, [as_trained(one) for one in dictionaries])
    for one in dictionaries:
        resolve(source, (one.site_in, one.site_in), 1)
    return source


def as_trained(dictionary: Dictionary) -> TrainConfig:
    """The rows a dictionary is for, in the words of a training."""
    left_out = dictionary.convention
    return TrainConfig(
        n_features=dictionary.n_features,
        k=1,
        site=dictionary.site_in,
        excluded_positions=left_out.excluded_positions,
        excluded_tokens=left_out.excluded_tokens,
    )


def measured_on(given: Any, source: Source | None, otherwise: Subject) -> tuple[Subject, DataRef | None]:
    """The model behind a source, where it is known, and what its rows are."""
    subject = otherwise
    if isinstance(given, tuple) and isinstance(given[0], Model):
        subject = given[0].subject
    if source is None:
        return subject, None
    return subject, DataRef(id="activations", sha256=source.identity()["data"])


def in_order(source: Source, site: str) -> Iterator[Tensor]:
    """All rows of one site in their own order, some at a time."""
    name = resolve(source, (site, site), 1)[0]
    for begin in range(0, source.rows, ROWS):
        end = min(begin + ROWS, source.rows)
        if isinstance(source, ShardSource):
            yield source.shards.read(name, begin, end).float()
        elif isinstance(source, TensorSource):
            yield source.tensors[name][begin:end].float()


def codes_of(dictionary: Dictionary, source: Source) -> Iterator[tuple[int, Codes]]:
    """Sparse codes of all rows, some at a time, with the number of the first row."""
    begin = 0
    for x in in_order(source, dictionary.site_in):
        yield begin, dictionary.codes(x.to(dictionary.W_enc.device))
        begin += len(x)


def counted(dictionary: Dictionary, source: Source) -> Int[Tensor, " feature"]:
    """How often each latent fires.

    Arguments:
        dictionary: whose latents.
        source: rows to encode.
    """
    total = torch.zeros(dictionary.n_features, dtype=torch.int64)
    for _, codes in codes_of(dictionary, source):
        total += codes.fires().cpu()
    return total


def fired(
    dictionary: Dictionary, source: Source, latents: Int[np.ndarray, " latent"], weak: float = 0.0
) -> Activity:
    """On which rows the given latents fire; memory grows with how often they do.

    Arguments:
        dictionary: whose latents.
        source: rows to encode.
        latents: which latents, without repetition.
        weak: share of a latent's largest code up to which a code does not count.
    """
    place = torch.full((dictionary.n_features,), -1)
    place[torch.from_numpy(latents)] = torch.arange(len(latents))
    total = torch.zeros(dictionary.n_features, dtype=torch.int64)
    found: list[np.ndarray] = [np.zeros((2, 0), dtype=np.int64)]
    values: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]
    for begin, codes in codes_of(dictionary, source):
        total += codes.fires().cpu()
        row, at = (codes.values > 0).nonzero(as_tuple=True)
        latent = place[codes.indices[row, at].long().cpu()]
        kept = latent >= 0
        found.append(torch.stack([latent[kept], row.cpu()[kept] + begin]).numpy())
        values.append(codes.values[row, at].float().cpu()[kept].numpy())
    hits, strength = np.concatenate(found, axis=1), np.concatenate(values)
    largest = np.zeros(len(latents), dtype=np.float32)
    np.maximum.at(largest, hits[0], strength)
    hits = hits[:, strength > weak * largest[hits[0]]]
    hits = hits[:, np.lexsort((hits[1], hits[0]))]
    ends = np.searchsorted(hits[0], np.arange(1, len(latents)))
    return Activity(tuple(np.split(hits[1], ends)), total, source.rows)
