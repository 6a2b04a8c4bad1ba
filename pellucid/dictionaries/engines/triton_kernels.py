"""Loops of the sparse step for a GPU; every program owns what it writes, so that no sum depends on timing.

A row's scores are read in strides of LANES; lane b holds every LANES-th score from b on. If k lanes have a
maximum of at least t, then k scores do: only scores that reach the k-th largest maximum can be among the k
best. Those few are listed first, in order of index, and ranked in a second kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first launch."""
    return triton.jit(function)


@kernel
def bits_of(line: tl.tensor, i: tl.tensor, inside: tl.tensor) -> tl.tensor:
    """Scores as integers of the same order; what is not positive, NaN too, is 0."""
    value = tl.load(line + i, mask=inside, other=0.0)
    return tl.where(value > 0, value, 0.0).to(tl.int32, bitcast=True)


@kernel
def kth(bits: tl.tensor, k: int) -> tl.tensor:
    """The k-th largest of some bits, found bit by bit from the highest on."""
    found = tl.min(bits, 0) * 0
    for step in tl.static_range(31):
        higher = found + (1 << (30 - step))
        found = tl.where(tl.sum((bits >= higher).to(tl.int32), 0) >= k, higher, found)
    return found


@kernel
def list_candidates(
    scores: tl.tensor,
    held: tl.tensor,
    totals: tl.tensor,
    n_features: int,
    k: int,
    LANES: tl.constexpr,
    ROOM: tl.constexpr,
) -> None:
    """held[row] = indices of the first ROOM scores that may be among the k best; totals[row]: of how many."""
    row = tl.program_id(0).to(tl.int64)
    line, lane = scores + row * n_features, tl.arange(0, LANES)
    top = bits_of(line, lane, lane < n_features)
    for start in range(LANES, n_features, LANES):
        top = tl.maximum(top, bits_of(line, start + lane, start + lane < n_features))
    least = tl.maximum(kth(top, k), 1)
    total = least * 0
    for start in range(0, n_features, LANES):
        i = start + lane
        hit = (bits_of(line, i, i < n_features) >= least).to(tl.int32)
        place = total + tl.cumsum(hit, 0) - 1
        tl.store(held + row * ROOM + place, i, mask=(hit > 0) & (place < ROOM))
        total += tl.sum(hit, 0)
    tl.store(totals + row, total)


@kernel
def select_candidates(
    scores: tl.tensor,
    held: tl.tensor,
    totals: tl.tensor,
    indices: tl.tensor,
    used: tl.tensor,
    n_features: int,
    k: int,
    LANES: tl.constexpr,
    ROOM: tl.constexpr,
) -> None:
    """Indices of the k best of each row, in order of index; used[row] = how many there are.

    A row with more candidates than ROOM (that needs many equal scores) is ranked as a whole.
    """
    row = tl.program_id(0).to(tl.int64)
    line, out, total = scores + row * n_features, indices + row * k, tl.load(totals + row)
    if total <= ROOM:
        place = tl.arange(0, ROOM)
        i = tl.load(held + row * ROOM + place, mask=place < total, other=0)
        bits = bits_of(line, i, place < total)
        least = kth(bits, k)
        above = (bits > least).to(tl.int32)
        equal = ((bits == least) & (bits > 0)).to(tl.int32)
        room = k - tl.sum(above, 0)
        kept = above + equal * (tl.cumsum(equal, 0) <= room).to(tl.int32)
        tl.store(out + tl.cumsum(kept, 0) - 1, i, mask=kept > 0)
        tl.store(used + row, tl.sum(kept, 0))
    else:
        lane = tl.arange(0, LANES)
        least = total * 0
        bit = least + (1 << 30)
        while bit > 0:
            reached = total * 0
            for start in range(0, n_features, LANES):
                inside = start + lane < n_features
                reached += tl.sum((bits_of(line, start + lane, inside) >= least + bit).to(tl.int32), 0)
            least = tl.where(reached >= k, least + bit, least)
            bit = bit // 2
        room = total * 0 + k
        for start in range(0, n_features, LANES):
            bits = bits_of(line, start + lane, start + lane < n_features)
            room -= tl.sum((bits > least).to(tl.int32), 0)
        placed = total * 0
        for start in range(0, n_features, LANES):
            bits = bits_of(line, start + lane, start + lane < n_features)
            equal = ((bits == least) & (bits > 0)).to(tl.int32)
            kept = (bits > least).to(tl.int32) + equal * (tl.cumsum(equal, 0) <= room).to(tl.int32)
            tl.store(out + placed + tl.cumsum(kept, 0) - 1, start + lane, mask=kept > 0)
            placed += tl.sum(kept, 0)
            room -= tl.sum(equal, 0)
        tl.store(used + row, placed)


@kernel
def errors_of_rows(
    indices: tl.tensor,
    values: tl.tensor,
    decoder: tl.tensor,
    bias: tl.tensor,
    target: tl.tensor,
    error: tl.tensor,
    k: int,
    width: int,
    WIDE: tl.constexpr,
    SUMS: tl.constexpr,
) -> None:
    """e = b_dec + sum_j v_j W_dec[I_j] - y for one row and WIDE columns."""
    row = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    inside = c < width
    e = tl.load(bias + c, mask=inside, other=0.0).to(SUMS)
    e -= tl.load(target + row * width + c, mask=inside, other=0.0).to(SUMS)
    for j in range(k):
        v = tl.zeros([WIDE], SUMS) + tl.load(values + row * k + j).to(SUMS)
        i = tl.load(indices + row * k + j).to(tl.int64)
        e += v * tl.load(decoder + i * width + c, mask=inside & (v > 0), other=0.0).to(SUMS)
    tl.store(error + row * width + c, e, mask=inside)


@kernel
def slopes_of_codes(
    indices: tl.tensor,
    values: tl.tensor,
    decoder: tl.tensor,
    error: tl.tensor,
    slopes: tl.tensor,
    k: int,
    width: int,
    WIDE: tl.constexpr,
    SUMS: tl.constexpr,
) -> None:
    """W_dec[I_j] . e of one code; 0 where it is unused."""
    row, j = tl.program_id(0).to(tl.int64), tl.program_id(1)
    v = tl.zeros([WIDE], SUMS) + tl.load(values + row * k + j).to(SUMS)
    i = tl.load(indices + row * k + j).to(tl.int64)
    parts = tl.zeros([WIDE], SUMS)
    for start in range(0, width, WIDE):
        c = start + tl.arange(0, WIDE)
        inside = (c < width) & (v > 0)
        e = tl.load(error + row * width + c, mask=inside, other=0.0).to(SUMS)
        parts += e * tl.load(decoder + i * width + c, mask=inside, other=0.0).to(SUMS)
    tl.store(slopes + row * k + j, tl.sum(parts, 0))


@kernel
def sums_of_segments(
    starts: tl.tensor,
    places: tl.tensor,
    factors: tl.tensor,
    rows: tl.tensor,
    sums: tl.tensor,
    totals: tl.tensor,
    k: int,
    width: int,
    ADD: tl.constexpr,
    TOTAL: tl.constexpr,
    STEP: tl.constexpr,
    WIDE: tl.constexpr,
    SUMS: tl.constexpr,
) -> None:
    """sums[i] = sum of factor * row over the codes of latent i, STEP at a time in the order of the batch.

    With TOTAL, totals[i] = sum of factors; with ADD both are added to what is there.
    """
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    inside, end = c < width, tl.load(starts + i + 1)
    sum_of_rows, sum_of_factors = tl.zeros([WIDE], SUMS), tl.zeros([STEP], SUMS)
    for start in range(tl.load(starts + i), end, STEP):
        p = start + tl.arange(0, STEP)
        place = tl.load(places + p, mask=p < end, other=0).to(tl.int64)
        factor = tl.load(factors + place, mask=p < end, other=0.0).to(SUMS)
        at = (place // k)[:, None] * width + c[None, :]
        block = tl.load(rows + at, mask=(p < end)[:, None] & inside[None, :], other=0.0).to(SUMS)
        sum_of_rows += tl.sum(factor[:, None] * block, 0)
        sum_of_factors += factor
    if ADD:
        sum_of_rows += tl.load(sums + i * width + c, mask=inside, other=0.0).to(SUMS)
    tl.store(sums + i * width + c, sum_of_rows, mask=inside)
    if TOTAL:
        first = tl.program_id(1) == 0
        total = tl.sum(sum_of_factors, 0)
        if ADD:
            total += tl.load(totals + i, mask=first, other=0.0).to(SUMS)
        tl.store(totals + i, total, mask=first)
