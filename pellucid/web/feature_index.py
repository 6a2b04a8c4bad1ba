"""The list of a dashboard's latents: sorted, searched, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from pellucid.findings import MissingError, did_you_mean
from pellucid.findings.numbers import format_number
from pellucid.web.feature_view import share
from pellucid.web.features import Dashboard, tidy
from pellucid.web.tokens import visible

NAMED = 3
"""Tokens named in a line, read and raised each; the search looks at these."""
ORDERS: Mapping[str, str] = {
    "density": "how often it fires",
    "largest": "largest activation",
    "single": "share of one token",
    "latent": "number",
}
"""What the list can be sorted by, in words."""
Rows = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Line:
    """One latent in the list."""

    latent: int
    """Its number."""
    read: tuple[Markup, ...]
    """The tokens it fires on."""
    single: str
    """The share of its activation on the first of them."""
    raised: tuple[Markup, ...]
    """The tokens it raises."""
    density: str
    """The share of tokens at which it fires."""
    largest: str
    """Its largest activation."""


def ordered(board: Dashboard, order: str) -> Rows:
    """Rows of a dashboard by what was asked for, the largest first; numbers rise.

    Errors:
        MissingError WB07: there is no such order.
    """
    if order not in ORDERS:
        raise MissingError(
            "WB07",
            f"The list cannot be sorted by {order!r}.",
            f"{did_you_mean(order, ORDERS)} It sorts by: {', '.join(ORDERS)}.".strip(),
        )
    if order == "latent":
        return np.arange(len(board))
    name = {"density": "fires", "largest": "largest", "single": "carried_share"}[order]
    values = board.values(name)
    first = values[:, 0] if values.ndim == 2 else values
    return np.argsort(-first.astype(np.float64), kind="stable")


def matching(board: Dashboard, words: str) -> Rows:
    """Rows whose number is the one asked for, or that read or raise a token with these letters.

    Spaces may be written as the pages show them; capitals do not matter.
    """
    asked = words.strip().lstrip("#").replace("·", " ").lower()
    if asked.isdecimal() and int(asked) in board.rows:
        return np.array([board.rows[int(asked)]])
    found = np.array([asked in word.lower() for word in board.words], dtype=bool)
    hit = np.zeros(len(board), dtype=bool)
    for name in named_arrays(board):
        tokens = board.values(name)[:, :NAMED]
        hit |= (found[np.maximum(tokens, 0)] & (tokens >= 0)).any(1)
    return np.flatnonzero(hit)


def named_arrays(board: Dashboard) -> list[str]:
    """The arrays whose tokens are named in a line."""
    return [name for name in ("carried", "raised") if name in board.finding.arrays]


def listed(board: Dashboard, words: str, order: str) -> list[int]:
    """The rows to show, in order."""
    rows = ordered(board, order)
    if words.strip():
        rows = rows[np.isin(rows, matching(board, words))]
    return [int(row) for row in rows]


def line_of(board: Dashboard, row: int) -> Line:
    """A latent as one line."""
    density = tidy(board.values("fires")[row] / max(board.tokens, 1))
    single = tidy(board.values("carried_share")[row, 0])
    return Line(
        latent=board.latents[row],
        read=named(board, "carried", row),
        single=share(single) if single > 0 else "",
        raised=named(board, "raised", row),
        density=share(density) if density else "never",
        largest=format_number(tidy(board.values("largest")[row])) if density else "",
    )


def named(board: Dashboard, name: str, row: int) -> tuple[Markup, ...]:
    """The first tokens of an array, as they are shown."""
    if name not in board.finding.arrays:
        return ()
    tokens: Sequence[int] = board.values(name)[row, :NAMED].tolist()
    return tuple(visible(board.words[token]) for token in tokens if token >= 0)
