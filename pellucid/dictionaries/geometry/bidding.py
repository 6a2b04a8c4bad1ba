"""The compiled inner loop of the auction."""

from __future__ import annotations

import numpy as np

from pellucid.dictionaries.engines.kernels import Values, compiled

ROUNDING = 2e-6  # of float32 cosines: a row whose remembered columns are all equal must be able to bid


@compiled
def bid(
    waiting: Values,
    columns: Values,
    values: Values,
    floor: Values,
    prices: Values,
    owner: Values,
    choice: Values,
    rise: float,
) -> Values:
    """Rows bid until each has a column or needs to look at all columns again; those are returned."""
    stack, exhausted = list(waiting), [0 for _ in range(0)]
    while len(stack) > 0:
        row = stack.pop()
        best, second, at = -1e30, floor[row], -1
        for place in range(columns.shape[1]):
            gain = values[row, place] - prices[columns[row, place]]
            if gain > best:
                second = max(second, best)
                best, at = gain, columns[row, place]
            elif gain > second:
                second = gain
        if best < floor[row] - ROUNDING:
            exhausted.append(row)
            continue
        prices[at] += best - second + rise
        if owner[at] >= 0:
            choice[owner[at]] = -1
            stack.append(owner[at])
        owner[at], choice[row] = row, at
    return np.array(exhausted)
