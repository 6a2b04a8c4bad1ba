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
    """Which latents fired at which tokens, for a fixed share of the tokens.

    Arguments:
        n_features: latents of the dictionary.
    """

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._latents: list[Int[np.ndarray, " fire"]] = []
        self._counts: list[Int[np.ndarray, " token"]] = []

    @property
    def tokens(self) -> int:
        """How many tokens were looked at."""
        return sum(len(counts) for counts in self._counts)

    def add(self, indices: Int[Tensor, "token k"], values: Float[Tensor, "token k"]) -> None:
        """Remember the firings of some tokens."""
        fired = values > 0
        self._latents.append(indices[fired].cpu().numpy().astype(np.int32))
        self._counts.append(fired.sum(1).cpu().numpy())

    def table(self) -> sparse.csr_array:
        """1 where a latent fires, by token and latent."""
        counts = np.concatenate(self._counts) if self._counts else np.zeros(0, dtype=np.int64)
        latents = np.concatenate(self._latents) if self._latents else np.zeros(0, dtype=np.int32)
        ends = np.concatenate([[0], np.cumsum(counts)])
        ones = np.ones(len(latents), dtype=np.int32)
        made = sparse.csr_array((ones, latents, ends), shape=(len(counts), self._n_features))
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
