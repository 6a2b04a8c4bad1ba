"""Examples as offsets into the cited parts of a text, so that what many of them share is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pellucid.dictionaries.reading.firings import Shortlist

LEVELS = 255


@dataclass(frozen=True)
class Passages:
    """The examples of every latent."""

    places: Int[np.ndarray, "row rank column"]
    """By COLUMNS; -1 where there are fewer examples."""
    values: Float[np.ndarray, "row rank"]
    """The activation at the place itself, in units of h."""
    levels: Int[np.ndarray, "row rank token"]
    """Activations around the place, in 255ths of the latent's largest; above 0 exactly where it fires."""


COLUMNS = ("sequence", "position", "start", "at", "tokens")
"""Where it is; the offset of its first token in the cited text, the place's own offset from there, how many
tokens are shown."""


def pool(
    tokens: Int[np.ndarray, "batch pos"],
    lists: Sequence[Shortlist],
    largest: Float[np.ndarray, " row"],
) -> tuple[Int[np.ndarray, " token"], list[Passages]]:
    """The cited text, and the examples that cite it.

    Arguments:
        tokens: the whole text.
        lists: the places of the examples.
        largest: activation of each latent.
    """
    length = tokens.shape[1]
    cited = np.zeros(tokens.shape, dtype=bool)
    for shortlist in lists:
        sequence, position = (axis[shortlist.position >= 0] for axis in spots(shortlist))
        for shift in range(-shortlist.window[0], shortlist.window[1] + 1):
            inside = (position + shift >= 0) & (position + shift < length)
            cited[sequence[inside], position[inside] + shift] = True
    offset = np.cumsum(cited.ravel()).reshape(tokens.shape) - 1
    return tokens[cited], [passages(shortlist, offset, largest) for shortlist in lists]


def spots(shortlist: Shortlist) -> tuple[Int[np.ndarray, "row rank"], Int[np.ndarray, "row rank"]]:
    """Sequence and position of each place."""
    return shortlist.sequence, shortlist.position


def passages(
    shortlist: Shortlist, offset: Int[np.ndarray, "batch pos"], largest: Float[np.ndarray, " row"]
) -> Passages:
    """Places with their windows cut at the ends of the sequence."""
    before, after = shortlist.window
    sequence, position = spots(shortlist)
    at = np.minimum(position, before)
    tokens = np.minimum(position + after + 1, offset.shape[1]) - (position - at)
    start = offset[sequence, position - at]
    places = np.stack([sequence, position, start, at, tokens], axis=2)
    values = shortlist.around[..., before]
    share = shortlist.around / np.where(largest > 0, largest, 1)[:, None, None]
    levels = np.where(shortlist.around > 0, np.clip(np.rint(LEVELS * share), 1, LEVELS), 0)
    return Passages(
        np.where(position[..., None] < 0, -1, places).astype(np.int32), values, levels.astype(np.uint8)
    )
