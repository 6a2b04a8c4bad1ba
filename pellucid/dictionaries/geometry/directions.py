"""Decoder directions of living latents, compared block by block: no table of all pairs is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import TINY, Dictionary, unit_rows
from pellucid.dictionaries.randomness import stream
from pellucid.findings import InputError, Subject

BLOCK = 1024  # rows of a block; one block of float32 cosines is 4 MiB and stays in the cache
MOST_PAIRS = 20_000_000  # pairs kept at once; they take half a gigabyte
NONE = -2.0  # below every cosine


@dataclass(frozen=True)
class Directions:
    """Decoder rows of living latents, each of length 1."""

    rows: Float[Tensor, "latent d_out"]
    """The directions."""
    latents: Int[np.ndarray, " latent"]
    """Which latents they are."""
    dead: int
    """Latents left out: they never fired, or have no direction."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """Dimensions that they live in."""
        return self.rows.shape[1]


@torch.no_grad()
def living(dictionary: Dictionary, fires: Int[Tensor, " feature"] | None = None) -> Directions:
    """Unit decoder rows of the latents that live.

    Arguments:
        dictionary: whose decoder.
        fires: how often each latent fired; None: only latents without a direction are dead.

    Raises:
        InputError: DI61 for fewer than two living latents, DI62 for a decoder that is no number.

    Example:
        >>> len(living(TopK(8, 32, 4)))
        32
    """
    decoder = dictionary.W_dec.detach().float().cpu()
    lengths = torch.linalg.vector_norm(decoder, dim=1)
    refuse_no_number(lengths, dictionary)
    alive = lengths > TINY
    if fires is not None:
        alive &= fires.cpu() > 0
    latents = alive.nonzero()[:, 0]
    if len(latents) < 2:
        raise InputError(
            "DI61",
            f"{len(latents)} of {dictionary.n_features} latents of {named(dictionary)} live.",
            "Comparing directions needs two: train longer, or give more text to fire on.",
        )
    rows = unit_rows(decoder if len(latents) == len(decoder) else decoder[latents])
    return Directions(rows, latents.numpy(), len(decoder) - len(latents))


def refuse_no_number(lengths: Tensor, dictionary: Dictionary) -> None:
    """DI62 for decoder rows that are NaN or infinite."""
    bad = (~torch.isfinite(lengths)).nonzero()[:, 0]
    if len(bad):
        raise InputError(
            "DI62",
            f"{len(bad)} decoder rows of {named(dictionary)} are NaN or infinite, the first of latent "
            f"{int(bad[0])}.",
            "The training diverged: use an earlier checkpoint, or train with a smaller learning rate.",
        )


def named(dictionary: Dictionary) -> str:
    """A dictionary as messages call it."""
    return f"the dictionary at {dictionary.site_out!r}" if dictionary.site_out else "the dictionary"


def subject_of(dictionary: Dictionary) -> Subject:
    """A dictionary as what was measured."""
    return Subject(id=named(dictionary).removeprefix("the "), sha256=dictionary.sha256)


def refuse_other_width(first: Dictionary, second: Dictionary) -> None:
    """DI60 unless both decoders write to as many dimensions."""
    if first.d_out != second.d_out:
        raise InputError(
            "DI60",
            f"Decoder rows of width {first.d_out} cannot be compared with rows of width {second.d_out}.",
            "Give two dictionaries of one model that write to sites of one width.",
        )


def products(
    a: Float[Tensor, "a d"], b: Float[Tensor, "b d"], *, upper: bool = False
) -> Iterator[tuple[int, int, Float[Tensor, "rows columns"]]]:
    """Cosines of unit rows block by block, with the block's first row and column.

    The block is overwritten by the next one.

    Arguments:
        a: unit rows.
        b: unit rows.
        upper: only blocks on and above the diagonal, for ``a`` against itself.
    """
    held = a.new_empty(BLOCK * BLOCK)
    for i in range(0, len(a), BLOCK):
        left = a[i : i + BLOCK]
        for j in range(i if upper else 0, len(b), BLOCK):
            right = b[j : j + BLOCK]
            block = held[: len(left) * len(right)].view(len(left), len(right))
            torch.mm(left, right.T, out=block)
            yield i, j, block


def nearest(
    a: Float[Tensor, "a d"], b: Float[Tensor, "b d"], *, own: bool = False
) -> tuple[Float[Tensor, " a"], Int[Tensor, " a"]]:
    """For each row of ``a`` the largest cosine with a row of ``b``, and which row that is.

    Arguments:
        a: unit rows.
        b: unit rows.
        own: ``a`` holds the first rows of ``b``, and no row is its own neighbour.

    Returns:
        Cosines (float64, of the row found) and indices; of equal cosines the first.

    Example:
        >>> cosine, index = nearest(torch.eye(3), torch.eye(3).flip(0))
        >>> index.tolist()
        [2, 1, 0]
    """
    best, index = a.new_full((len(a),), NONE), torch.zeros(len(a), dtype=torch.long)
    both = own and len(a) == len(b)  # each pair is needed for both its rows, and computed once
    for i, j, block in products(a, b, upper=both):
        if own and i == j:
            block.fill_diagonal_(NONE)
        improve(best[i : i + BLOCK], index[i : i + BLOCK], block, j)
        if both and i != j:
            improve(best[j : j + BLOCK], index[j : j + BLOCK], block.T, i)
    return cosines(a, b, index), index


def improve(
    best: Float[Tensor, " row"], index: Int[Tensor, " row"], block: Float[Tensor, "row column"], first: int
) -> None:
    """Take over what a block holds that is larger than what was found; its columns begin at ``first``."""
    top = block.amax(1)
    better = (top > best).nonzero()[:, 0]
    best[better] = top[better]
    index[better] = block[better].argmax(1) + first


def cosines(
    a: Float[Tensor, "a d"], b: Float[Tensor, "b d"], index: Int[Tensor, " a"]
) -> Float[Tensor, " a"]:
    """Cosine of each row of ``a`` with the row of ``b`` that ``index`` names, in float64."""
    parts = [
        (left.double() * b[at].double()).sum(1)
        for left, at in zip(torch.split(a, BLOCK), torch.split(index, BLOCK), strict=True)
    ]
    return torch.cat(parts).clamp(-1, 1)


def pairs_from(
    a: Float[Tensor, "a d"], b: Float[Tensor, "b d"], least: float
) -> tuple[Int[Tensor, "pair two"], Float[Tensor, " pair"]]:
    """All pairs (row of ``a``, row of ``b``) whose cosine is at least ``least``, in order of rows.

    Arguments:
        a: unit rows.
        b: unit rows.
        least: smallest cosine of a pair.

    Raises:
        InputError: DI63 for more than 20 million pairs.
    """
    found, values, count = [torch.zeros((0, 2), dtype=torch.long)], [a.new_zeros(0)], 0
    for i, j, block in products(a, b):
        close = (block >= least).nonzero()
        values.append(block[close[:, 0], close[:, 1]])
        found.append(close + torch.tensor([i, j]))
        count += len(close)
        if count > MOST_PAIRS:
            raise InputError(
                "DI63",
                f"More than {MOST_PAIRS:,} pairs of latents have a cosine of at least {least}.",
                "Give a larger cosine: so many neighbours tell none apart.",
            )
    pairs, cosine = torch.cat(found), torch.cat(values)
    order = torch.argsort(pairs[:, 0] * len(b) + pairs[:, 1])
    return pairs[order], cosine[order]


def neighbour_threshold(n: int, width: int) -> float:
    """Cosine above which two of ``n`` directions are neighbours: eps = sqrt(12 ln n / width).

    Arguments:
        n: directions compared.
        width: dimensions they live in.

    Example:
        >>> round(neighbour_threshold(131_072, 4096), 3)
        0.186

    Source: He et al. 2024, arXiv 2410.20526, feature geometry.
    """
    return float((12 * np.log(n) / width) ** 0.5)


def components(rows: Float[Tensor, "row d"], threshold: float) -> Int[np.ndarray, " row"]:
    """Which cluster each row is in: connected components of cosine > threshold.

    Arguments:
        rows: unit rows.
        threshold: cosine above which two rows are joined.

    Returns:
        Numbers from 0, in order of each cluster's first row.
    """
    labels = np.arange(len(rows))
    edges: list[np.ndarray] = []
    for i, j, block in products(rows, rows, upper=True):
        close = (block > threshold).nonzero().numpy()
        edges.append(close[close[:, 0] + i < close[:, 1] + j] + np.array([i, j]))
        if sum(map(len, edges)) > BLOCK * BLOCK:  # joined early, so that no more edges are ever held
            labels, edges = joined(labels, edges), []
    return joined(labels, edges)


def joined(labels: Int[np.ndarray, " row"], edges: list[np.ndarray]) -> Int[np.ndarray, " row"]:
    """Labels after joining the clusters of each edge's rows, numbered by first row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    heads, tails = labels[np.concatenate([np.zeros((0, 2), dtype=np.int64), *edges])].T
    n = int(labels.max()) + 1
    graph = coo_array((np.ones(len(heads), dtype=np.int8), (heads, tails)), shape=(n, n))
    merged = connected_components(graph, directed=False)[1][labels]
    _, first, inverse = np.unique(merged, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def shuffled(rows: Float[Tensor, "row d"], seed: int) -> Float[Tensor, "row d"]:
    """A random dictionary with the mean and covariance of this one: coordinates in the eigenbasis, shuffled.

    Each principal coordinate keeps its values but deals them to other rows, independently of the other
    coordinates; then all rows are brought back to length 1.

    Arguments:
        rows: unit rows.
        seed: of the shuffle.

    Source: He et al. 2024, arXiv 2410.20526, feature geometry.
    """
    generator = stream("shuffle in the eigenbasis", seed)
    mean = rows.mean(0)
    parts = rows - mean
    basis = torch.linalg.eigh((parts.T @ parts).double()).eigenvectors.to(rows.dtype)
    parts = parts @ basis
    for column in range(parts.shape[1]):
        parts[:, column] = parts[torch.randperm(len(parts), generator=generator), column]
    made = parts @ basis.T
    made += mean
    return unit_rows(made)


def isotropic(n: int, width: int, seed: int) -> Float[Tensor, "row d"]:
    """Directions independent and uniform on the sphere.

    Arguments:
        n: how many.
        width: dimensions.
        seed: of the directions.
    """
    return unit_rows(torch.randn((n, width), generator=stream("isotropic directions", seed)))
