"""Cells as numbers, gaps or text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.ranks import Values
from pellucid.metascience.score_file import ScoreFile

GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "–", "—", "?", ".", "#n/a", "missing"})
"""Cells that say that there is no score, in any case."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
SPACED = re.compile(r"[+-]?\d{1,3}([ \u00a0\u2009\u202f'\u2019])\d{3}(?:\1\d{3})*(?:[.,]\d+)?", re.ASCII)
"""Thousands parted by spaces or apostrophes."""
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
"""Thousands parted by commas."""


def number_of(cell: str, separator: str = ",") -> float | None:
    """A cell as a finite number, NaN for a gap, None for text.

    Where the comma separates columns, a quoted comma parts thousands; elsewhere it is a decimal comma. Points
    never part thousands: 12.345 beside 1.234.567 would be read as a fraction.

    Example:
        >>> number_of("0.25"), number_of("n/a"), number_of("0,25", ";"), number_of("high")
        (0.25, nan, 0.25, None)
        >>> number_of("1,250"), number_of("1 250,5", ";")
        (1250.0, 1250.5)
    """
    if cell.casefold() in GAPS:
        return float("nan")
    text = ungrouped(cell.replace("\u2212", "-"), separator)
    if separator != "," and DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if np.isfinite(number) else None


def ungrouped(text: str, separator: str) -> str:
    """A number without what parts its thousands; any other text as it is."""
    spaced = SPACED.fullmatch(text)
    if spaced:
        return text.replace(spaced[1], "")
    return text.replace(",", "") if separator == "," and GROUPED.fullmatch(text) else text


def column_of(file: ScoreFile, name: str) -> list[str]:
    """The cells of one column; the sign is dropped where every score is a percentage."""
    index = file.header.index(name)
    cells = [row.cells[index] for row in file.rows]
    known = [cell for cell in cells if cell.casefold() not in GAPS]
    if known and all(cell.endswith("%") for cell in known):
        return [cell.removesuffix("%").rstrip() for cell in cells]
    return cells


def is_text(cells: Sequence[str], separator: str) -> bool:
    """Whether a column holds words: fewer than half of its cells that are no gap are numbers."""
    numbers = [number_of(cell, separator) for cell in cells]
    words = sum(number is None for number in numbers)
    known = sum(number is not None and not np.isnan(number) for number in numbers)
    return words > known


def numbers_of(file: ScoreFile, name: str, models: Sequence[str]) -> Values:
    """One column as numbers, NaN where it has a gap.

    Errors:
        InputError MS10: a cell is no finite number.
    """
    numbers = []
    for row, cell, model in zip(file.rows, column_of(file, name), models, strict=True):
        number = number_of(cell, file.separator)
        if number is None:
            raise InputError(
                "MS10",
                f"{file.name}, line {row.line} (model {model!r}), column {name!r}: {cell!r} is no finite "
                "number.",
                "Write a plain number as 0.25, leave the cell empty where the score is missing, or leave the "
                "column out with exclude.",
            )
        numbers.append(number)
    return np.array(numbers, dtype=np.float64)
