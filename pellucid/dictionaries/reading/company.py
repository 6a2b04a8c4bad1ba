"""Which latents keep company: those that point the same way, and those that fire at the same tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from pellucid.dictionaries.dictionary import unit_rows
from pellucid.dictionaries.engines.selection import top_indices
from pellucid.dictionaries.reading.tallies import foremost

BLOCK = 256  # latents at a time, so that no square of all latents is ever held
PAIRS = 2**31  # pairs of firings that are counted at most: half a minute of work


@dataclass(frozen=True)
class Company:
    """The nearest and the most co-active latents of each; -1 where there is none."""

    neighbours: Int[np.ndarray, "row rank"]
    """Latents by the cosine of their decoder rows, the nearest first."""
    cosine: Float[np.ndarray, "row rank"]
    """That cosine."""
    cofire: Float[np.ndarray, "row rank"]
    """Share of the latent's firings at which the neighbour fires too."""
    together: Int[np.ndarray, "row rank"]
    """Latents by the correlation of their firing, the largest first."""
    phi: Float[np.ndarray, "row rank"]
    """That correlation."""
    share: Float[np.ndarray, "row rank"]
    """Share of the latent's firings at which the companion fires too."""


class Meetings:
    """Which latents fired at which tokens, for a fixed random share of the tokens.

    Every token has a ticket from 0 to 1, and those below a limit are kept. The limit is halved whenever there
    are more pairs of firings than `PAIRS`: so the sample is uniform, and the same however the text is cut.

    Arguments:
        n_features: latents of the dictionary.
        limit: the first limit of the tickets; 1: every token.
    """

    def __init__(self, n_features: int, limit: float) -> None:
        self._n_features, self._limit = n_features, limit
        self._latents = np.zeros(0, dtype=np.int32)
        self._counts = np.zeros(0, dtype=np.int64)
        self._tickets = np.zeros(0)
        self._new: list[
            tuple[Int[np.ndarray, " fire"], Int[np.ndarray, " token"], Float[np.ndarray, " token"]]
        ] = []
        self._pairs = 0

    @property
    def tokens(self) -> int:
        """How many tokens were looked at."""
        self._settle()
        return len(self._counts)

    def add(
        self,
        indices: Int[Tensor, "token k"],
        values: Float[Tensor, "token k"],
        tickets: Float[np.ndarray, " token"],
    ) -> None:
        """Remember the firings of some tokens."""
        drawn = tickets < self._limit
        chosen = torch.from_numpy(drawn).to(values.device)
        indices, fired = indices[chosen], values[chosen] > 0
        counts = fired.sum(1).cpu().numpy()
        self._new.append((indices[fired].cpu().numpy().astype(np.int32), counts, tickets[drawn]))
        self._pairs += int((counts.astype(np.int64) ** 2).sum())
        while self._pairs > PAIRS:
            self._halve()

    def _settle(self) -> None:
        """Join what came with what was there."""
        if self._new:
            latents, counts, tickets = zip(*self._new, strict=True)
            self._latents = np.concatenate([self._latents, *latents])
            self._counts = np.concatenate([self._counts, *counts])
            self._tickets = np.concatenate([self._tickets, *tickets])
            self._new = []

    def _halve(self) -> None:
        """Keep the tokens with the smaller tickets."""
        self._settle()
        self._limit /= 2
        kept = self._tickets < self._limit
        self._latents = self._latents[np.repeat(kept, self._counts)]
        self._counts, self._tickets = self._counts[kept], self._tickets[kept]
        self._pairs = int((self._counts**2).sum())

    def table(self) -> sparse.csr_array:
        """1 where a latent fires, by token and latent."""
        self._settle()
        ends = np.concatenate([[0], np.cumsum(self._counts)])
        ones = np.ones(len(self._latents), dtype=np.int32)
        shape = (len(self._counts), self._n_features)
        made = sparse.csr_array((ones, self._latents, ends), shape=shape)
        made.sum_duplicates()
        return made


def company(
    decoder: Float[Tensor, "feature d_out"],
    meetings: Meetings,
    latents: Int[np.ndarray, " row"],
    n: int,
) -> Company:
    """Neighbours by cosine of decoder rows, and companions by the correlation of firing.

        phi = (T n_ij - n_i n_j) / sqrt(n_i (T - n_i) n_j (T - n_j)),   share = n_ij / n_i

    with n_ij the tokens of T at which both fire. Both go by blocks: neither square is ever held.

    Arguments:
        decoder: one row for each latent.
        meetings: who fired where.
        latents: those whose company is looked for, among all latents.
        n: how many of each.
    """
    fired = meetings.table()
    number = np.asarray(fired.sum(0)).astype(np.float64)
    directions = unit_rows(decoder.detach().float())
    by_latent = fired.tocsc()
    parts = []
    for begin in range(0, len(latents), BLOCK):
        block = latents[begin : begin + BLOCK]
        both = (by_latent[:, block].T @ fired).tocsr().astype(np.float64)
        neighbours, cosine = nearest(directions, block, n)
        cofire = both[np.arange(len(block))[:, None], np.maximum(neighbours, 0)].toarray()
        cofire = np.where(neighbours < 0, 0, cofire) / np.maximum(number[block], 1)[:, None]
        together, phi, share = companions(both, block, number, fired.shape[0], n)
        parts.append((neighbours, cosine, cofire.astype(np.float32), together, phi, share))
    return Company(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def nearest(
    directions: Float[Tensor, "feature d_out"], block: Int[np.ndarray, " row"], n: int
) -> tuple[Int[np.ndarray, "row rank"], Float[np.ndarray, "row rank"]]:
    """The latents whose unit directions have the largest cosine with each of a block."""
    cosine = directions[block] @ directions.T
    cosine[torch.arange(len(block)), torch.from_numpy(block).long()] = -torch.inf
    count = min(n, len(directions) - 1)
    indices = top_indices(cosine, count) if count else torch.zeros((len(block), 0), dtype=torch.long)
    missing = ((0, 0), (0, n - count))
    found = np.pad(indices.cpu().numpy().astype(np.int32), missing, constant_values=-1)
    return found, np.pad(cosine.gather(1, indices).cpu().numpy(), missing)


def companions(
    both: sparse.csr_array,
    block: Int[np.ndarray, " row"],
    number: Float[np.ndarray, " feature"],
    tokens: int,
    n: int,
) -> tuple[Int[np.ndarray, "row rank"], Float[np.ndarray, "row rank"], Float[np.ndarray, "row rank"]]:
    """The latents whose firing correlates most with each of a block, where they meet more than by chance."""
    row = np.repeat(np.arange(len(block)), np.diff(both.indptr))
    own, other = number[block[row]], number[both.indices]
    spread = np.sqrt(own * (tokens - own) * other * (tokens - other))
    phi = (tokens * both.data - own * other) / np.where(spread > 0, spread, np.inf)
    kept = (phi > 0) & (both.indices != block[row])
    shape = both.shape
    table = sparse.coo_array((phi[kept], (row[kept], both.indices[kept])), shape=shape).tocsr()
    together, strength = foremost(table, n)
    met = both[np.arange(len(block))[:, None], np.maximum(together, 0)].toarray()
    share = np.where(together < 0, 0, met) / np.maximum(number[block], 1)[:, None]
    return together, strength, share.astype(np.float32)
