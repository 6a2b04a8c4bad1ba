"""A file of scores as rows of text: encoding, separator, quotes and the header line."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pellucid.findings import InputError, MissingError

SEPARATORS = (",", ";", "\t", "|")
INDEX = "(index)"
"""Name of a first column that has none."""
LONGEST = 1_000_000
"""Characters of the longest cell."""


@dataclass(frozen=True)
class Row:
    """One line of the file."""

    line: int
    """Its line in the file, counted from 1."""
    cells: tuple[str, ...]
    """Its cells, as many as the header has."""


@dataclass(frozen=True)
class ScoreFile:
    """The file's cells, before any of them is a number."""

    name: str
    """Name of the file."""
    separator: str
    """What stands between cells."""
    header: tuple[str, ...]
    """Names of the columns, all different."""
    rows: tuple[Row, ...]
    """The lines that are not empty."""


def read_score_file(path: str | Path, data: bytes) -> ScoreFile:
    """The rows of a delimited text: comma, semicolon, tab or bar; UTF-8 or UTF-16 with a mark; quoted cells.

    Errors:
        InputError MS02 (not text), MS03 (empty, or no columns), MS04 (quotes), MS05 (a row of another
        length), MS06 (a column without a name), MS07 (two columns of one name).
    """
    name = Path(path).name
    text = decoded(name, data)
    separator = separator_of(name, text)
    rows = parsed(name, text, separator)
    if not rows:
        raise InputError("MS03", f"{name} is empty.", "Give a header line and one row for each model.")
    titles = names_of(name, rows[0])
    body = tuple(fitted(name, row, titles) for row in rows[1:])
    kept = [index for index, title in enumerate(titles) if title or any(row.cells[index] for row in body)]
    header = named(name, [titles[index] for index in kept])
    return ScoreFile(
        name, separator, header, tuple(Row(row.line, tuple(row.cells[i] for i in kept)) for row in body)
    )


def file_bytes(path: str | Path) -> bytes:
    """The bytes of a file; MissingError MS01 when there is none."""
    place = Path(path)
    if not place.is_file():
        what = "is a folder" if place.is_dir() else "does not exist"
        raise MissingError("MS01", f"{str(path)!r} {what}.", "Give a CSV file with one row for each model.")
    return place.read_bytes()


def decoded(name: str, data: bytes) -> str:
    """The file's text without a byte order mark."""
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            "MS02",
            f"{name}, line {line}: the bytes are not {'UTF-16' if wide else 'UTF-8'} text.",
            "Save the table as UTF-8 CSV.",
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            "MS02", f"{name}, line {line}: a zero byte is no text.", "Save the table as UTF-8 CSV."
        )
    return text


def separator_of(name: str, text: str) -> str:
    """The separator that the header line holds most of; InputError MS03 when it holds none."""
    header = header_line(text)
    found = likely_separator(text)
    if header and found not in outside_quotes(header):
        raise InputError(
            "MS03",
            f"{name}: the header line has one column, {header.strip()[:40]!r}.",
            "Separate columns by commas, semicolons or tabs: one of names and one for each benchmark.",
        )
    return found


def likely_separator(text: str) -> str:
    """The separator that the header line holds most of, outside quotes; the comma when it holds none."""
    return max(SEPARATORS, key=outside_quotes(header_line(text)).count)


def header_line(text: str) -> str:
    """The first line that is not empty."""
    return next((line for line in text.splitlines() if line.strip()), "")


def outside_quotes(line: str) -> str:
    """What stands outside quotes."""
    return "".join(line.split('"')[::2])


def parsed(name: str, text: str, separator: str) -> list[Row]:
    """Every line that is not empty, its cells stripped."""
    before = csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [Row(reader.line_num, tuple(cell.strip() for cell in cells)) for cells in reader]
    except csv.Error as error:
        raise InputError(
            "MS04",
            f"{name}, line {reader.line_num}: {error}.",
            'Close every quote, and write a quote inside a cell twice ("").',
        ) from None
    finally:
        csv.field_size_limit(before)
    return [row for row in rows if any(row.cells)]


def names_of(name: str, row: Row) -> list[str]:
    """The header's cells; MS07 when two are the same."""
    titles = [unicodedata.normalize("NFC", cell) for cell in row.cells]
    for index, title in enumerate(titles):
        if title and title in titles[:index]:
            raise InputError(
                "MS07",
                f"{name}: columns {titles.index(title) + 1} and {index + 1} are both named {title!r}.",
                "Give every column its own name.",
            )
    return titles


def fitted(name: str, row: Row, header: list[str]) -> Row:
    """The row with as many cells as the header; MS05 when it has others, for its scores could be shifted."""
    extra = row.cells[len(header) :]
    if len(row.cells) < len(header) or any(extra):
        raise InputError(
            "MS05",
            f"{name}, line {row.line} (row {row.cells[0]!r}): {len(row.cells)} cells under a header of "
            f"{len(header)}.",
            "Give every row one cell for each column; leave a cell empty where a score is missing.",
        )
    return Row(row.line, row.cells[: len(header)])


def named(name: str, header: list[str]) -> tuple[str, ...]:
    """The header with a name for each column; only the first may lack one, as tables with an index do."""
    for index, title in enumerate(header):
        if not title and index:
            raise InputError(
                "MS06", f"{name}: column {index + 1} holds cells but has no name.", "Name it in the header."
            )
    return tuple(title or INDEX for title in header)
