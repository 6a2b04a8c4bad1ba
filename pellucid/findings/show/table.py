"""Every picture's data as a table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from pellucid.findings.arrays import Array
from pellucid.findings.numbers import format_number

if TYPE_CHECKING:
    from pellucid.findings.finding import Finding

MOST_ROWS = 400
CONTROL = [*range(0x20), *range(0x7F, 0xA0)]
VISIBLE = {code: chr(0x2400 + code) if code < 0x20 else "\u2421" for code in CONTROL} | {10: "⏎", 9: "⇥"}


def table(finding: Finding, view: int = 0, limit: int = MOST_ROWS) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of one view's array, at most ``limit`` rows.

    A matrix whose first axis is short (at most twelve) becomes a column for each of its entries.
    """
    spec = finding.header.views[view]
    return spread(finding.arrays[spec.array], spec.unit, limit)


def spread(array: Array, unit: str, limit: int) -> tuple[list[str], list[list[str]]]:
    """An array as columns of text."""
    value = f"value, {unit}" if unit else "value"
    if array.values.ndim > 1 and 0 < array.values.shape[-1] <= 12:
        return wide(array, limit)
    along = [labels(array, axis) for axis in array.axes]
    cells = zip(itertools.product(*along), array.values.ravel(), strict=True)
    rows = [[*place, format_number(float(number))] for place, number in itertools.islice(cells, limit)]
    return [*array.axes, value], rows


def wide(array: Array, limit: int) -> tuple[list[str], list[list[str]]]:
    """One column for each place on the last axis."""
    columns = labels(array, array.axes[-1])
    along = [labels(array, axis) for axis in array.axes[:-1]]
    values = array.values.reshape(-1, len(columns))
    places = itertools.islice(itertools.product(*along), limit)
    rows = [
        [*place, *(format_number(float(x)) for x in row)] for place, row in zip(places, values, strict=False)
    ]
    return [*array.axes[:-1], *columns], rows


def labels(array: Array, axis: str) -> list[str]:
    """The coordinates along an axis as text, or its positions."""
    size = array.values.shape[array.axes.index(axis)]
    along: list[Any] = array.coords.get(axis, list(range(size)))
    return [readable(item) for item in along]


def readable(item: Any) -> str:
    """A coordinate as text that any surface can print: control characters become visible signs.

    A token may hold an escape sequence; printed as it is, it would drive the reader's terminal.
    """
    if isinstance(item, float):
        return f"{item:.6g}"
    return str(item).translate(VISIBLE).encode("utf-8", "replace").decode()
