"""Compiled loops of the sparse step; every loop owns its rows, so that any number of threads gives the same
bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

Values = np.ndarray[Any, Any]
# Reordered sums and fused multiply-adds let the compiler use vector registers. NaN and infinity keep their
# meaning, so that a diverged training is still seen.
FAST = {"reassoc", "contract", "nsz"}
BLOCK = 32  # latents counted together: a stretch without a hit is not looked at again


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use, keep the result on disk where that is allowed, and let go of Python's lock."""
    options = {"nogil": True, "fastmath": FAST, "error_model": "numpy"}
    try:
        made: Callable[..., Any] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package nor the user's cache folder can be written
        made = numba.njit(**options)(function)
    return made


@compiled
def keep_best(held_value: Values, held_index: Values, held: int, k: int) -> int:
    """Keep the k largest positive values, among equals those of the smallest indices; how many are left."""
    half = np.full(1, 0.5, held_value.dtype)[0]  # of their type: float64 would take twice as long
    low, high = half - half, held_value[0]
    for j in range(1, held):
        high = held_value[j] if held_value[j] > high else high
    count = held
    for _ in range(32):  # bisect for what just k of them exceed
        middle = low + (high - low) * half
        if count <= k or middle <= low:
            break
        above = 0
        for j in range(held):
            above += held_value[j] > middle
        if above >= k:
            low, count = middle, above
        else:
            high = middle
    left = 0
    for j in range(held):
        if held_value[j] > low:
            held_value[left], held_index[left] = held_value[j], held_index[j]
            left += 1
    while left > k:  # drop the worst: the smallest value, among equals the largest index
        worst = 0
        for j in range(1, left):
            less = held_value[j] < held_value[worst]
            tied = held_value[j] == held_value[worst] and held_index[j] > held_index[worst]
            if less or tied:
                worst = j
        left -= 1
        held_value[worst], held_index[worst] = held_value[left], held_index[left]
    return left


@compiled
def select_rows(scores: Values, indices: Values, values: Values, lanes: int, start: int, stop: int) -> None:
    """Indices and values of the k largest positive scores of each row; unused places hold value 0.

    Lane b is every `lanes`-th score from b on. If k lanes have a maximum of at least t, then k scores do:
    t bounds the k-th largest score from below, and only lanes that reach it can hold one of the k.
    """
    n_features, k = scores.shape[1], indices.shape[1]
    top, half = np.empty(lanes, scores.dtype), np.full(1, 0.5, scores.dtype)[0]
    held_value, held_index = np.empty(n_features, scores.dtype), np.empty(n_features, np.int32)
    for row in range(start, stop):
        line = scores[row]
        top[:] = 0  # only positive scores are ever kept; what is compared with NaN stays
        for offset in range(0, n_features, lanes):
            for b in range(min(lanes, n_features - offset)):
                if line[offset + b] > top[b]:
                    top[b] = line[offset + b]
        high = top[0]
        for b in range(1, lanes):
            high = top[b] if top[b] > high else high
        low = half - half
        reached = 0
        for b in range(lanes):
            reached += top[b] > low
        for _ in range(24):  # bisect for a bound that few more than k lanes reach
            middle = low + (high - low) * half
            if reached <= k + k // 8 or middle <= low:
                break
            count = 0
            for b in range(lanes):
                count += top[b] > middle
            if count >= k:
                low, reached = middle, count
            else:
                high = middle
        held = 0
        for b in range(lanes):
            if top[b] > low:
                for i in range(b, n_features, lanes):
                    if line[i] > low:
                        held_value[held], held_index[held] = line[i], i
                        held += 1
        held = keep_best(held_value, held_index, held, k)
        for j in range(held):
            indices[row, j], values[row, j] = held_index[j], held_value[j]
        for j in range(held, k):
            indices[row, j], values[row, j] = 0, 0


@compiled
def count_above(scores: Values, bounds: Values, counts: Values, start: int, stop: int) -> None:
    """counts[row, b] = how many scores of block b of the row exceed their latent's bound."""
    n_features, blocks = scores.shape[1], counts.shape[1]
    for row in range(start, stop):
        line = scores[row]
        for b in range(blocks):
            count = 0
            for i in range(b * BLOCK, min(n_features, (b + 1) * BLOCK)):
                count += line[i] > bounds[i]
            counts[row, b] = count


@compiled
def list_above(
    scores: Values,
    bounds: Values,
    counts: Values,
    places: Values,
    first: int,
    rows: Values,
    indices: Values,
    values: Values,
    start: int,
    stop: int,
) -> None:
    """Write row (named from `first`), index and value of the counted scores from places[row] on."""
    n_features, blocks = scores.shape[1], counts.shape[1]
    for row in range(start, stop):
        line, place = scores[row], places[row]
        for b in range(blocks):
            if counts[row, b] > 0:
                for i in range(b * BLOCK, min(n_features, (b + 1) * BLOCK)):
                    if line[i] > bounds[i]:
                        rows[place], indices[place], values[place] = first + row, i, line[i]
                        place += 1


@compiled
def errors_of_rows(
    indices: Values,
    values: Values,
    decoder: Values,
    bias: Values,
    target: Values,
    error: Values,
    slopes: Values,
    start: int,
    stop: int,
) -> None:
    """e = b_dec + sum_j v_j W_dec[I_j] - y, and the slope W_dec[I_j] . e of each code, row by row."""
    k, width = indices.shape[1], decoder.shape[1]
    for row in range(start, stop):
        e = error[row]
        for c in range(width):
            e[c] = bias[c] - target[row, c]
        for j in range(k):
            v = values[row, j]
            if v > 0:
                w = decoder[indices[row, j]]
                for c in range(width):
                    e[c] += v * w[c]
        for j in range(k):
            total = values[row, j] * 0
            if values[row, j] > 0:
                w = decoder[indices[row, j]]
                for c in range(width):
                    total += w[c] * e[c]
            slopes[row, j] = total


@compiled
def count_hits(indices: Values, values: Values, starts: Values) -> None:
    """starts[i + 1] = how many codes latent i has in the batch (starts begins as zeros)."""
    for row in range(indices.shape[0]):
        for j in range(indices.shape[1]):
            if values[row, j] > 0:
                starts[indices[row, j] + 1] += 1


@compiled
def sort_hits(indices: Values, values: Values, starts: Values, places: Values) -> None:
    """Counting sort: places[starts[i] : starts[i + 1]] are the codes of latent i, in batch order."""
    width = indices.shape[1]
    ends = starts[:-1].copy()
    for row in range(indices.shape[0]):
        for j in range(width):
            if values[row, j] > 0:
                i = indices[row, j]
                places[ends[i]] = row * width + j
                ends[i] += 1


@compiled
def gradients_of_latents(
    starts: Values,
    places: Values,
    values: Values,
    slopes: Values,
    inputs: Values,
    error: Values,
    factor: float,
    add: bool,
    d_encoder: Values,
    d_bias: Values,
    d_decoder: Values,
    start: int,
    stop: int,
) -> None:
    """dW_dec[i] = sum v g, dW_enc[i] = sum dv x', db_enc[i] = sum dv over the codes of latent i.

    Here g = factor e and dv = factor times the code's slope.
    """
    k = values.shape[1]
    for i in range(start, stop):
        if not add:
            d_encoder[i] = 0
            d_decoder[i] = 0
            d_bias[i] = 0
        for place in range(starts[i], starts[i + 1]):
            row, j = places[place] // k, places[place] % k
            v, slope = factor * values[row, j], factor * slopes[row, j]
            e, x = error[row], inputs[row]
            d_bias[i] += slope
            for c in range(e.shape[0]):
                d_decoder[i, c] += v * e[c]
            for c in range(x.shape[0]):
                d_encoder[i, c] += slope * x[c]
