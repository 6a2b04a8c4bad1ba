"""Counting as a baseline: interpolated Kneser-Ney n-grams over token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pellucid.findings import InputError

SMALLEST, LARGEST = 0.01, 0.99


@dataclass(frozen=True)
class Level:
    """The n-grams of one length, each known by its key: prefix rank * vocabulary + last token."""

    keys: Int[np.ndarray, " gram"]
    """Sorted keys."""
    counts: Int[np.ndarray, " gram"]
    """Occurrences at the highest order, distinct left neighbours below it."""
    discount: float
    """Taken off every count and given to the order below."""
    totals: Int[np.ndarray, " prefix"]
    """Sum of the counts after each prefix."""
    types: Int[np.ndarray, " prefix"]
    """Distinct tokens after each prefix."""


@dataclass(frozen=True)
class KneserNey:
    """Interpolated Kneser-Ney: p_n(w|c) = max(count(cw) - D, 0)/total(c) + D types(c)/total(c) p_(n-1)(w|c').

    Below the highest order a count is the number of distinct left neighbours; under the unigram lies the
    uniform
    distribution. D = n1/(n1 + 2 n2) at each order, n1 and n2 the numbers of n-grams counted once and twice.

    Source: Kneser and Ney 1995, section 3; Chen and Goodman 1999, section 2.7 (interpolated form).

    Example:
        >>> model = fit_ngram([np.array([0, 1, 0, 1, 0])], order=2, d_vocab=3)
        >>> round(float(model.distribution([0]).sum()), 9)
        1.0
    """

    d_vocab: int
    """Number of tokens."""
    levels: tuple[Level, ...]
    """One table for each length, 1 first."""

    @property
    def order(self) -> int:
        """Longest n-gram."""
        return len(self.levels)

    def probabilities(self, ids: Int[np.ndarray, " pos"]) -> Float[np.ndarray, " pos"]:
        """Probability of each token of a sequence, given the order - 1 tokens before it."""
        probability = np.full(len(ids), 1.0 / self.d_vocab)
        prefix = np.zeros(len(ids), dtype=np.int64)
        for level in self.levels:
            gram = _rank(level.keys, prefix, ids, self.d_vocab)
            probability = _interpolate(level, prefix, gram, probability)
            prefix = _shifted(gram)
        return probability

    def distribution(self, context: Sequence[int]) -> Float[np.ndarray, " vocab"]:
        """Probability of every token after a context."""
        recent = np.asarray(context[max(0, len(context) - self.order + 1) :], dtype=np.int64)
        probability = np.full(self.d_vocab, 1.0 / self.d_vocab)
        every = np.arange(self.d_vocab)
        for length, level in enumerate(self.levels[: len(recent) + 1]):
            prefix = np.full(self.d_vocab, self._prefix(recent[len(recent) - length :]))
            probability = _interpolate(
                level, prefix, _rank(level.keys, prefix, every, self.d_vocab), probability
            )
        return probability

    def _prefix(self, ids: Int[np.ndarray, " pos"]) -> int:
        rank = np.zeros(1, dtype=np.int64)
        for level, token in zip(self.levels, ids, strict=False):
            rank = _rank(level.keys, rank, np.asarray([token]), self.d_vocab)
        return int(rank[0])


def _rank(
    keys: Int[np.ndarray, " gram"],
    prefix: Int[np.ndarray, " pos"],
    ids: Int[np.ndarray, " pos"],
    d_vocab: int,
) -> Int[np.ndarray, " pos"]:
    wanted = prefix * d_vocab + ids
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((prefix >= 0) & (keys[place] == wanted), place, -1)


def _shifted(gram: Int[np.ndarray, " pos"]) -> Int[np.ndarray, " pos"]:
    return np.concatenate([np.full(1, -1), gram[:-1]])


def _interpolate(
    level: Level,
    prefix: Int[np.ndarray, " pos"],
    gram: Int[np.ndarray, " pos"],
    below: Float[np.ndarray, " pos"],
) -> Float[np.ndarray, " pos"]:
    seen = (prefix >= 0) & (level.totals[prefix] > 0)
    total = np.where(seen, level.totals[prefix], 1)
    counted = np.where(gram >= 0, np.maximum(level.counts[gram] - level.discount, 0.0), 0.0)
    mixed = (counted + level.discount * level.types[prefix] * below) / total
    return np.where(seen, mixed, below)


def fit_ngram(sequences: Sequence[Int[np.ndarray, " pos"]], order: int, d_vocab: int) -> KneserNey:
    """Count the n-grams of some sequences; none spans two sequences.

    Arguments:
        sequences: token ids.
        order: longest n-gram: 2 is a bigram.
        d_vocab: number of tokens.

    Raises:
        InputError: a sequence shorter than the order, or ids outside the vocabulary.
    """
    _check(sequences, order, d_vocab)
    ids = np.concatenate([np.asarray(sequence, dtype=np.int64) for sequence in sequences])
    age = np.concatenate([np.arange(len(sequence)) for sequence in sequences])
    grams: list[np.ndarray] = []
    keys: list[np.ndarray] = []
    prefix = np.zeros(len(ids), dtype=np.int64)
    for length in range(1, order + 1):
        keys.append(np.unique((prefix * d_vocab + ids)[age >= length - 1]))
        grams.append(np.where(age >= length - 1, _rank(keys[-1], prefix, ids, d_vocab), -1))
        prefix = _shifted(grams[-1])
    counts = [_left_neighbours(grams[n], grams[n + 1], len(keys[n])) for n in range(order - 1)]
    counts.append(np.bincount(grams[-1][grams[-1] >= 0], minlength=len(keys[-1])))
    prefixes = [1, *(len(part) for part in keys)]
    levels = [_level(keys[n], counts[n], prefixes[n], d_vocab) for n in range(order)]
    return KneserNey(d_vocab, tuple(levels))


def _check(sequences: Sequence[Int[np.ndarray, " pos"]], order: int, d_vocab: int) -> None:
    shortest = min((len(sequence) for sequence in sequences), default=0)
    if order < 1 or shortest < order:
        problem = f"An n-gram of order {order} from sequences of at least {shortest} tokens."
        raise InputError("MD43", problem, "Give an order of at least 1 and sequences no shorter than it.")
    lowest, highest = min(int(s.min()) for s in sequences), max(int(s.max()) for s in sequences)
    if lowest < 0 or highest >= d_vocab:
        problem = f"Token ids run from {lowest} to {highest}, the vocabulary from 0 to {d_vocab - 1}."
        raise InputError("MD43", problem, "Give ids of this vocabulary.")


def _left_neighbours(
    shorter: Int[np.ndarray, " pos"], longer: Int[np.ndarray, " pos"], size: int
) -> Int[np.ndarray, " gram"]:
    distinct, first = np.unique(longer, return_index=True)
    return np.bincount(shorter[first[distinct >= 0]], minlength=size)


def _level(
    keys: Int[np.ndarray, " gram"], counts: Int[np.ndarray, " gram"], prefixes: int, d_vocab: int
) -> Level:
    prefix = keys // d_vocab
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    # Clipped: a text without singletons would leave nothing to tokens it never shows.
    discount = float(np.clip(once / max(1, once + 2 * twice), SMALLEST, LARGEST))
    totals = np.bincount(prefix, weights=counts, minlength=prefixes).astype(np.int64)
    types = np.bincount(prefix, weights=counts > 0, minlength=prefixes).astype(np.int64)
    return Level(keys, counts, discount, totals, types)
