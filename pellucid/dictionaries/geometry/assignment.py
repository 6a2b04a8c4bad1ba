"""The best one-to-one matching of directions: exact when small, within a stated gap when large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.geometry.directions import BLOCK, cosines

DENSE = 2**22  # pairs up to which the whole table is held and solved exactly
GAP = 1e-4  # how far the mean cosine of a large matching may stay below the best
RISE = 0.9e-4  # least rise of a price: the gap, with room for the rounding of float32
KEPT = 64  # best columns that a row remembers

Values = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Matching:
    """Pairs of a row of ``a`` and a row of ``b``; no row is in two pairs."""

    first: Int[np.ndarray, " pair"]
    """Rows of ``a``."""
    second: Int[np.ndarray, " pair"]
    """Rows of ``b``."""
    cosine: Float[np.ndarray, " pair"]
    """Their cosines."""
    gap: float
    """The mean cosine of the best matching is at most this much larger."""


def matched(a: Float[Tensor, "a d"], b: Float[Tensor, "b d"]) -> Matching:
    """Match min(len(a), len(b)) rows one to one so that the mean cosine is largest.

    Up to 2^22 pairs by the Hungarian method, exactly. Beyond, by an auction whose memory grows with the
    number of rows, not of pairs: its mean cosine is at most 1e-4 below the best.

    Arguments:
        a: unit rows.
        b: unit rows.

    Example:
        >>> matched(torch.eye(3), torch.eye(3).flip(0)).second.tolist()
        [2, 1, 0]

    Source: Bertsekas 1988, "The auction algorithm", Annals of Operations Research 14, proposition 1.
    """
    if len(a) * len(b) <= DENSE:
        from scipy.optimize import linear_sum_assignment

        first, second = linear_sum_assignment((a @ b.T).numpy(), maximize=True)
        gap = 0.0
    elif len(a) <= len(b):
        first, second, gap = np.arange(len(a)), auction(a, b), GAP
    else:
        first, second, gap = auction(b, a), np.arange(len(b)), GAP
        order = np.argsort(first)
        first, second = first[order], second[order]
    cosine = cosines(a[torch.from_numpy(first)], b, torch.from_numpy(second))
    return Matching(first, second, cosine.numpy(), gap)


def auction(a: Float[Tensor, "a d"], b: Float[Tensor, "b d"], rise: float = RISE) -> Int[np.ndarray, " a"]:
    """For each row of ``a`` a row of ``b`` of its own; the mean cosine is within ``rise`` of the best.

    Rows bid for columns; a bid raises the column's price by what the bidder would lose with its second
    choice, plus ``rise``. Since prices only rise, what a row would gain from a column that it does not
    remember stays below its floor; it looks at all columns again only when its list falls below that.

    Arguments:
        a: unit rows, no more than ``b`` has.
        b: unit rows.
        rise: least rise of a price.
    """
    from pellucid.dictionaries.geometry.bidding import bid

    n, kept = len(a), min(KEPT, len(b))
    prices, owner = np.zeros(len(b)), np.full(len(b), -1)
    columns, values = np.zeros((n, kept), dtype=np.int64), np.zeros((n, kept))
    floor, choice = np.zeros(n), np.full(n, -1)
    waiting = np.arange(n)
    while len(waiting):
        remember(a, b, prices, waiting, columns, values, floor)
        waiting = bid(waiting, columns, values, floor, prices, owner, choice, rise)
    return choice


def remember(
    a: Tensor, b: Tensor, prices: Values, rows: Values, columns: Values, values: Values, floor: Values
) -> None:
    """Fill in the best columns of some rows at present prices, and the most that another could bring."""
    kept = columns.shape[1]
    cost = torch.from_numpy(prices).to(b.dtype)
    for part in np.array_split(rows, -(-len(rows) // max(1, BLOCK * BLOCK // len(b)))):
        cosine = a[torch.from_numpy(part)] @ b.T
        best = torch.topk(cosine - cost, kept, dim=1)
        columns[part] = best.indices.numpy()
        values[part] = cosine.gather(1, best.indices).numpy()
        # with all columns remembered there is no other
        floor[part] = best.values[:, -1].numpy() if kept < len(b) else -np.inf
