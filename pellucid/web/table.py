"""A table as pages draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pellucid.web.tokens import passage, visible

MOST_ROWS = 400


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    """Its heading, with the unit."""
    number: bool = False
    """Numbers stand to the right."""


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    columns: tuple[Column, ...]
    """The columns, in order."""
    rows: tuple[Sequence[object], ...]
    """The rows that are shown."""
    title: str = ""
    """What the table says."""
    left_out: str = ""
    """Where the rows are that are not shown."""


def is_number(text: object) -> bool:
    """Whether a cell reads as a number (with the signs that pages write).

    Example:
        >>> is_number("−0.31"), is_number("3 × 10⁻⁹"), is_number("blocks.0")
        (True, True, False)
    """
    plain = str(text).partition(" × 10")[0].replace("−", "-")
    try:
        float("".join(character for character in plain if not character.isspace()))
    except ValueError:
        return plain == "unknown"
    return True


def cell(text: object) -> Markup:
    """A cell's text: spaces at its ends and hidden characters are seen, since it may be a token.

    Example:
        >>> cell(" dead")
        Markup('<span class="ws">·</span>dead')
    """
    if is_number(text):
        return escape(text)
    words = str(text)
    inner = words.strip(" ")
    start = len(words) - len(words.lstrip(" "))
    return visible(words[:start]) + passage(inner) + visible(words[start + len(inner) :])


def table_of(names: Sequence[str], rows: Sequence[Sequence[object]], *, more: bool = False) -> Table:
    """A table whose columns of numbers are found by looking.

    Arguments:
        names: headings.
        rows: cells, row by row.
        more: whether there are rows that are not shown.
    """
    columns = tuple(
        Column(name, bool(rows) and all(is_number(row[at]) for row in rows)) for at, name in enumerate(names)
    )
    shown = tuple(tuple(cell(text) for text in row) for row in rows)
    note = f"The first {len(rows)} rows; all are in the safetensors file." if more else ""
    return Table(columns, shown, left_out=note)
