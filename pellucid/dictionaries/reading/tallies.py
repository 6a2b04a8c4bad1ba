"""What is counted of every latent while a text goes by: firings, strengths, the tokens it fires on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from pellucid.dictionaries.reading.firings import Firings

BINS = 32
NEVER = -(2**14)  # exponent of the bin width before the first firing: smaller than any number's
BUFFER = 2**22  # firings held before they are added up


class Tallies:
    """Counts and strengths of some latents.

    The histogram's bins have a width of a power of two, which doubles, two bins becoming one, when a larger
    activation comes; so it is exact, and the same however the text is cut.

    Arguments:
        rows: how many latents.
        vocabulary: how many tokens there are.
    """

    def __init__(self, rows: int, vocabulary: int) -> None:
        self.fires = np.zeros(rows, dtype=np.int64)
        self.total = np.zeros(rows)
        self.largest = np.zeros(rows, dtype=np.float32)
        self.histogram = np.zeros((rows, BINS), dtype=np.int64)
        self.exponent = np.full(rows, NEVER)
        self._tokens = sparse.csr_array((rows, vocabulary), dtype=np.float64)
        self._waiting: list[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " n"]]] = []

    def add(self, firings: Firings, tokens: Int[np.ndarray, " fire"]) -> None:
        """Count the firings of a batch.

        Arguments:
            firings: by row.
            tokens: the token read at each.
        """
        if not len(firings.row):
            return
        starts = np.flatnonzero(np.diff(firings.row, prepend=-1))
        present = firings.row[starts]
        self.fires += np.bincount(firings.row, minlength=len(self.fires))
        self.total += np.bincount(firings.row, firings.value.astype(np.float64), minlength=len(self.total))
        peak = np.maximum.reduceat(firings.value, starts)
        self.largest[present] = np.maximum(self.largest[present], peak)
        self._widen(present, peak)
        place = np.floor(np.ldexp(firings.value.astype(np.float64), -self.exponent[firings.row]))
        np.add.at(self.histogram, (firings.row, place.astype(np.int64)), 1)
        self._waiting.append((firings.row, tokens, firings.value.astype(np.float64)))
        if sum(len(row) for row, _, _ in self._waiting) > BUFFER:
            self._settle()

    def _widen(self, rows: Int[np.ndarray, " row"], peak: Float[np.ndarray, " row"]) -> None:
        """Double bins until the largest activation has one: m < 32 * 2^e."""
        needed = np.frexp(peak.astype(np.float64) / BINS)[1]
        shift = np.clip(needed - self.exponent[rows], 0, BINS.bit_length() - 1)
        for doublings in range(1, BINS.bit_length()):
            wide = rows[shift == doublings]
            joined = self.histogram[wide].reshape(len(wide), BINS >> doublings, 1 << doublings).sum(2)
            self.histogram[wide] = 0
            self.histogram[wide, : BINS >> doublings] = joined
        self.exponent[rows] = np.maximum(self.exponent[rows], needed)

    def _settle(self) -> None:
        """Add what waits to the sums by token."""
        if self._waiting:
            row, token, value = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
            shape = self._tokens.shape
            self._tokens = self._tokens + sparse.coo_array((value, (row, token)), shape=shape).tocsr()
            self._waiting = []

    def by_token(self) -> sparse.csr_array:
        """Sums of activations by latent and token read there."""
        self._settle()
        return self._tokens


def foremost(
    scores: sparse.csr_array, n: int
) -> tuple[Int[np.ndarray, "row rank"], Float[np.ndarray, "row rank"]]:
    """Columns and values of the n largest entries of each row; equal ones by column; -1 and 0 for none."""
    table = scores.tocsr()
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((table.indices, -table.data, row))
    rank = np.arange(len(row)) - table.indptr[row]
    kept = rank < n  # the sorted order keeps every row's run where it was
    columns = np.full((table.shape[0], n), -1, dtype=np.int32)
    values = np.zeros((table.shape[0], n), dtype=np.float32)
    columns[row[kept], rank[kept]] = table.indices[order][kept]
    values[row[kept], rank[kept]] = table.data[order][kept]
    return columns, values
