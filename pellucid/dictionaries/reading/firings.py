"""Where latents fire in a few sequences, and the foremost places kept while a text goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from pellucid.dictionaries.engines.selection import Codes
from pellucid.dictionaries.randomness import stream

STEP = np.uint64(
    0x9E3779B97F4A7C15
)  # the constants of splitmix64, whose every bit depends on all of its input
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Firings:
    """The places where some latents are active, by row, then sequence, then position."""

    row: Int[np.ndarray, " fire"]
    """Which of the chosen latents, counted from 0."""
    sequence: Int[np.ndarray, " fire"]
    """Counted in the whole text."""
    position: Int[np.ndarray, " fire"]
    """Within the sequence."""
    value: Float[np.ndarray, " fire"]
    """How active, above 0, in units of h."""

    def pick(self, which: Int[np.ndarray, " some"] | Bool[np.ndarray, " fire"]) -> Firings:
        """Some of them."""
        return Firings(self.row[which], self.sequence[which], self.position[which], self.value[which])


def firings_of(
    codes: Codes, keep: Bool[np.ndarray, "batch pos"], begin: int, rows: Int[np.ndarray, " feature"]
) -> Firings:
    """The firings of a batch.

    Arguments:
        codes: of the included positions, in order.
        keep: the included positions.
        begin: number of the batch's first sequence in the text.
        rows: the row of each latent, -1 for those that were not chosen.
    """
    values = codes.values.detach().cpu().float().numpy()
    fired = rows[codes.indices.cpu().numpy()]
    at, slot = np.nonzero((values > 0) & (fired >= 0))
    sequence, position = (axis[at] for axis in np.nonzero(keep))
    row = fired[at, slot]
    order = np.lexsort((position, sequence, row))
    found = Firings(row, sequence + begin, position, values[at, slot])
    return found.pick(order)


def strongest_of_sequences(firings: Firings) -> Firings:
    """Of each latent's firings in a sequence only the largest, the earliest of equals."""
    order = np.lexsort((-firings.value, firings.sequence, firings.row))  # stable: equal values by position
    sorted_ = firings.pick(order)
    changed = (np.diff(sorted_.row, prepend=-1) != 0) | (np.diff(sorted_.sequence, prepend=-1) != 0)
    return sorted_.pick(changed)


class Lottery:
    """A number for each firing that depends on the seed, the latent and the place alone.

    The firings of the smallest numbers are a uniform sample, the same one however the text is cut into
    batches, and a smaller sample is the beginning of a larger one.
    """

    def __init__(self, seed: int, latents: Int[np.ndarray, " row"]) -> None:
        high, low = torch.randint(0, 2**32, (2,), generator=stream("examples", seed)).tolist()
        self._salt = np.uint64(high << 32 | low)
        self._latents = latents.astype(np.uint64)

    def numbers(self, firings: Firings) -> Float[np.ndarray, " fire"]:
        """The ticket of each firing, from 0 to 1."""
        latent = mixed(self._latents[firings.row] + self._salt)
        sequence = mixed(latent + firings.sequence.astype(np.uint64))
        ticket = mixed(sequence + firings.position.astype(np.uint64))
        numbers: Float[np.ndarray, " fire"] = (ticket >> np.uint64(11)).astype(np.float64) / 2**53
        return numbers


def mixed(values: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Scrambled 64-bit numbers (splitmix64, Steele et al. 2014, OOPSLA, figure 17)."""
    values = values + STEP  # of whole numbers modulo 2^64
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    scrambled: Int[np.ndarray, " n"] = values ^ (values >> np.uint64(31))
    return scrambled


class Shortlist:
    """The n firings of the largest score of every latent, each with the activations around it.

    Arguments:
        rows: how many latents.
        n: places on the list of each.
        window: tokens before and after.
    """

    def __init__(self, rows: int, n: int, window: tuple[int, int]) -> None:
        self.window = window
        self.score = np.full((rows, n), -np.inf)
        self.sequence = np.full((rows, n), -1, dtype=np.int32)
        self.position = np.full((rows, n), -1, dtype=np.int32)
        self.around = np.zeros((rows, n, sum(window) + 1), dtype=np.float32)

    def offer(
        self, candidates: Firings, score: Float[np.ndarray, " candidate"], every: Firings, length: int
    ) -> None:
        """Let the firings of a batch compete; equal scores go to those that came first.

        Arguments:
            candidates: those that may be listed, by row.
            score: of each.
            every: all firings of the batch.
            length: of the sequences.
        """
        n = self.score.shape[1]
        better = score > self.score[candidates.row, -1]
        candidates, score = candidates.pick(better), score[better]
        order = np.lexsort((-score, candidates.row))
        candidates, score = candidates.pick(order), score[order]
        rank = ranks(candidates.row)
        candidates, score, rank = candidates.pick(rank < n), score[rank < n], rank[rank < n]
        if len(score):
            self._enter(candidates, score, rank, activations_around(candidates, every, length, self.window))

    def _enter(
        self,
        new: Firings,
        score: Float[np.ndarray, " new"],
        rank: Int[np.ndarray, " new"],
        around: Float[np.ndarray, "new token"],
    ) -> None:
        """Merge the new ones into the lists of their latents."""
        n = self.score.shape[1]
        touched, place = np.unique(new.row, return_inverse=True)
        offered = {
            "score": (score, -np.inf),
            "sequence": (new.sequence, -1),
            "position": (new.position, -1),
            "around": (around, 0),
        }
        both = {}
        for name, (values, absent) in offered.items():
            kept = getattr(self, name)[touched]
            added = np.full_like(kept, absent)
            added[place, rank] = values
            both[name] = np.concatenate([kept, added], axis=1)
        order = np.argsort(-both["score"], axis=1, kind="stable")[:, :n]
        for name, values in both.items():
            chosen = order.reshape(order.shape + (1,) * (values.ndim - 2))
            getattr(self, name)[touched] = np.take_along_axis(values, chosen, axis=1)


def ranks(row: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The number of each within its run of equal rows, from 0."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    lengths = np.diff(starts, append=len(row))
    return np.arange(len(row)) - np.repeat(starts, lengths)


def activations_around(
    centres: Firings, every: Firings, length: int, window: tuple[int, int]
) -> Float[np.ndarray, "centre token"]:
    """The activations of each centre's latent at the positions around it; 0 where it is silent."""

    def key(firings: Firings, shift: Int[np.ndarray, " token"]) -> Int[np.ndarray, "..."]:
        """One number for latent, sequence and position, in the order of `every`."""
        place = (firings.row.astype(np.int64) * span + (firings.sequence - first)) * length + firings.position
        keys: Int[np.ndarray, "..."] = place[:, None] + shift
        return keys

    if not len(centres.row):
        return np.zeros((0, sum(window) + 1), dtype=np.float32)
    first = int(every.sequence.min())
    span = int(every.sequence.max()) - first + 1
    shift = np.arange(-window[0], window[1] + 1)
    known, wanted = key(every, np.zeros(1, dtype=np.int64))[:, 0], key(centres, shift)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    position = centres.position[:, None] + shift
    inside = (position >= 0) & (position < length) & (known[at] == wanted)
    around: Float[np.ndarray, "centre token"] = np.where(inside, every.value[at], 0).astype(np.float32)
    return around
