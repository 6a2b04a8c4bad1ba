"""Compiled loops that look for the best among bfloat16 products, and score what may be among them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.dictionaries.engines.kernels import BLOCK, Values, compiled, keep_best

Number = Any  # of a type that numba finds
GROWN = np.float32(1.0041)  # above 1 + 2^-8
SPARE = np.float32(1.01)
MAGNITUDE = (
    0x7FFF  # bits of a bfloat16 without its sign; read as integers they are in the order of the numbers
)


@compiled
def score(x: Values, encoder: Values, bias: Values, weights: Values, i: int) -> Number:
    """(W_enc[i] . x + b_enc[i]) * weight, in float32."""
    w = encoder[i]
    total = x[0] * w[0]
    for c in range(1, x.shape[0]):
        total += x[c] * w[c]
    return (total + bias[i]) * weights[i]


@compiled
def score_hits(
    rows: Values,
    indices: Values,
    inputs: Values,
    encoder: Values,
    bias: Values,
    weights: Values,
    scores: Values,
    start: int,
    stop: int,
) -> None:
    """Exact scores of listed latents of listed rows."""
    for j in range(start, stop):
        scores[j] = score(inputs[rows[j]], encoder, bias, weights, indices[j])


@compiled
def read_block(line: Values, start: int, slack: float, bits: Values, highest: Values) -> Number:
    """What the exact scores of a block do not exceed, as far as they are positive; how many they are.

    Below 0 a rounded score may be too small by 2^-8 of itself; where it matters that is less than 2^-7 of the
    slack.
    """
    stop = min(line.shape[0], start + BLOCK)
    for i in range(start, stop):
        bits[i - start] = np.uint32(line[i]) << 16
    for j in range(stop - start):
        highest[j] = highest[j] * GROWN + slack * SPARE
    if not slack < np.inf:
        for j in range(stop - start):
            highest[j] = np.inf
    return stop - start


@compiled
def count_near(
    rounded: Values, slacks: Values, bounds: Values, counts: Values, start: int, stop: int
) -> None:
    """counts[row, b] = how many scores of block b of the row may exceed their latent's bound."""
    bits = np.empty(BLOCK, np.uint32)
    highest = bits.view(np.float32)
    for row in range(start, stop):
        for b in range(counts.shape[1]):
            count = 0
            for j in range(read_block(rounded[row], b * BLOCK, slacks[row], bits, highest)):
                count += highest[j] > bounds[b * BLOCK + j]
            counts[row, b] = count


@compiled
def list_counted(
    rounded: Values,
    slacks: Values,
    bounds: Values,
    counts: Values,
    places: Values,
    first: int,
    rows: Values,
    indices: Values,
    start: int,
    stop: int,
) -> None:
    """Write row (named from `first`) and index of the counted scores from places[row] on."""
    bits = np.empty(BLOCK, np.uint32)
    highest = bits.view(np.float32)
    for row in range(start, stop):
        place = places[row]
        for b in range(counts.shape[1]):
            if counts[row, b] > 0:
                for j in range(read_block(rounded[row], b * BLOCK, slacks[row], bits, highest)):
                    if highest[j] > bounds[b * BLOCK + j]:
                        rows[place], indices[place] = first + row, b * BLOCK + j
                        place += 1


@compiled
def bound_of_lanes(top: Values, k: int) -> Number:
    """A score, as bits, that k lane maxima exceed and few more do; 0 if there is none above 0."""
    high, low, reached = 0, 0, 0
    for b in range(top.shape[0]):
        high = max(high, top[b])
        reached += top[b] > 0
    if reached < k:
        return 0
    while reached > k + k // 8:
        middle = low + (high - low) // 2
        if middle == low:
            break
        count = 0
        for b in range(top.shape[0]):
            count += top[b] > middle
        if count >= k:
            low, reached = middle, count
        else:
            high = middle
    return low


@compiled
def list_near(line: Values, top: Values, cut: float, slack: float, near: Values, box: Values) -> Number:
    """Write the indices whose rounded score reaches the cut; how many do.

    Arguments:
        line: rounded scores of a row, as the bits of bfloat16.
        top: largest score of each lane, or 0.
        cut: what to reach.
        slack: how far a rounded score may be off; all are listed where that is unknown.
        near: where the indices go.
        box: one float32, to read its bits.
    """
    lanes, n_features, held = top.shape[0], line.shape[0], 0
    box[0] = abs(cut)
    bits = box.view(np.int32)[0] >> 16
    if not slack < np.inf:
        for i in range(n_features):
            near[i] = i
        return n_features
    if cut > 0:
        for b in range(lanes):
            if top[b] >= bits:
                for i in range(b, n_features, lanes):
                    if line[i] >= bits:
                        near[held] = i
                        held += 1
        return held
    for i in range(n_features):  # negative scores are in the opposite order
        if line[i] >= 0 or (line[i] & MAGNITUDE) <= bits + 1:
            near[held] = i
            held += 1
    return held


@compiled
def select_near(
    rounded: Values,
    slacks: Values,
    inputs: Values,
    encoder: Values,
    bias: Values,
    weights: Values,
    lanes: int,
    indices: Values,
    scores: Values,
    start: int,
    stop: int,
) -> None:
    """Indices and exact scores of the k largest positive scores of each row; unused places hold score 0.

    k rounded scores exceed t, a bfloat16, so that they exceeded it before they were rounded, and k exact ones
    exceed t - s with the slack s. What rounds to less than t - 2s is smaller than all of them.
    """
    n_features, k = rounded.shape[1], indices.shape[1]
    top, near = np.empty(lanes, np.int16), np.empty(n_features, np.int32)
    held_score, held_index = np.empty(n_features, scores.dtype), np.empty(n_features, np.int32)
    box = np.empty(1, np.float32)
    for row in range(start, stop):
        line, x, slack = rounded[row], inputs[row], slacks[row]
        top[:] = 0
        for offset in range(0, n_features, lanes):
            part = line[offset : offset + lanes]
            for b in range(part.shape[0]):
                top[b] = max(part[b], top[b])
        box.view(np.int32)[0] = bound_of_lanes(top, k) << 16
        cut = max(box[0] - 2 * slack, -slack)  # no score is kept that is not positive
        held = 0
        for j in range(list_near(line, top, cut, slack, near, box)):
            s = score(x, encoder, bias, weights, near[j])
            if s > 0:
                held_score[held], held_index[held] = s, near[j]
                held += 1
        held = keep_best(held_score, held_index, held, k)
        for j in range(held):
            indices[row, j], scores[row, j] = held_index[j], held_score[j]
        for j in range(held, k):
            indices[row, j], scores[row, j] = 0, 0
