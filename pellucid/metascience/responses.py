"""The table of responses: a row for each respondent (model, seed, rater), a column for each item."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from pellucid.findings import DataRef, Diagnostic, InputError, MissingError
from pellucid.metascience.score_cells import number_of
from pellucid.metascience.score_file import likely_separator

if TYPE_CHECKING:
    from pellucid.findings.logs.reading import Logs

Values: TypeAlias = np.ndarray[Any, Any]
Rows = Literal["items", "respondents"]
ROWS: Final = ("items", "respondents")
OF_RESPONDENTS: Final = frozenset(
    {"model", "respondent", "seed", "rater", "judge", "grader", "annotator", "coder", "subject"}
    | {"participant", "person", "student", "examinee", "system", "agent", "epoch", "run"}
)
"""Words for respondents, as a header or numbered names have them."""
OF_ITEMS: Final = frozenset({"item", "prompt", "question", "sample", "task", "problem", "unit"})
"""Words for items."""
WEAKER: Final[Mapping[str, Rows]] = {"name": "respondents", "id": "items"}
"""What rows are by a first header cell that has none of those words."""

WORDS: Final[Mapping[str, float]] = {
    "true": 1.0,
    "false": 0.0,
    "yes": 1.0,
    "no": 0.0,
    "c": 1.0,
    "i": 0.0,
    "n": 0.0,
    "p": 0.5,
}
LARGEST: Final = 1e100
"""Size of a score from which squares and their sums no longer are numbers."""
TABLES: Final = (".csv", ".tsv")
"""Endings of tables."""


@dataclass(frozen=True, eq=False)
class Responses:
    """Scores of respondents on items, with the names of both."""

    scores: Values
    """Respondents x items, float; NaN is a gap."""
    respondents: tuple[str, ...]
    """Names of the rows."""
    items: tuple[str, ...]
    """Names of the columns."""
    name: str = "table"
    """What the table is called in the record of a measurement."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many respondents, items with gaps and constant items were left out on the way here."""
    rows: Rows | None = None
    """What a line of the file was taken for; None where the table is not from a file."""

    def __post_init__(self) -> None:
        check_shape(self)

    @property
    def data(self) -> DataRef:
        """Name and sha256 of the table, for the record of a measurement."""
        sha = hashlib.sha256("\0".join((*self.respondents, "", *self.items)).encode())
        # every gap is hashed alike, whatever the bits of its NaN
        sha.update(np.where(np.isnan(self.scores), np.inf, self.scores + 0.0).astype("<f8").tobytes())
        return DataRef(id=self.name, sha256=sha.hexdigest())

    @property
    def binary(self) -> bool:
        """Whether every score that is there is 0 or 1."""
        return bool(np.isin(self.scores[~np.isnan(self.scores)], (0.0, 1.0)).all())

    @property
    def gaps(self) -> int:
        """How many scores are missing."""
        return int(np.isnan(self.scores).sum())

    def of_respondents(self, rows: Values) -> Responses:
        """Only these rows, by number or by mask."""
        names = tuple(np.array(self.respondents, dtype=object)[rows])
        return replace(self, scores=self.scores[rows], respondents=names)

    def of_items(self, columns: Values) -> Responses:
        """Only these columns, by number or by mask."""
        names = tuple(np.array(self.items, dtype=object)[columns])
        return replace(self, scores=self.scores[:, columns], items=names)


Source: TypeAlias = "Responses | Logs | str | Path | Sequence[Any] | Values"


def responses(table: Source, *, rows: Rows | None = None, scorer: str | None = None) -> Responses:
    """The table of responses of an array, a CSV file, or Inspect logs.

    Arguments:
        table: a ``Responses``; an array of respondents x items; a ``.csv`` or ``.tsv`` file whose first line
            names the columns and whose first column names the rows; a folder or files of Inspect logs, or
            the logs themselves.
        rows: what a row of the file or array is, ``items`` or ``respondents``. Arrays have respondents unless
            told otherwise; of a file its header and names decide (see ``rows_of``).
        scorer: the scorer whose verdicts are read from logs; needed where a log has several.

    Errors:
        InputErrors MS40 to MS45: not a table, not a number, names twice, lines too short, no file. MS76: rows
        are neither. MS77: no log that can be used. MS80: nothing in the file says what its rows are.

    Example:
        >>> responses([[1, 0, 1], [1, 1, 1]]).items
        ('item 1', 'item 2', 'item 3')
    """
    if rows is not None and rows not in ROWS:
        raise InputError("MS76", f"rows is {rows!r}.", "Use items or respondents.")
    if isinstance(table, Responses):
        return table
    logs = logs_of(table)
    if logs is not None:
        return table_of_logs(logs, scorer)
    if isinstance(table, str | Path):
        return from_csv(Path(table), rows)
    return from_array(table, rows or "respondents")


def logs_of(table: Source) -> Logs | None:
    """The logs that may be used, when the source is a folder or files of logs, or logs; None for a table.

    Errors:
        as for ``log_paths`` and ``accepted_logs``.
    """
    from pellucid.findings.logs.reading import Logs

    if isinstance(table, Logs):
        return table
    paths = log_paths(table)
    return accepted_logs(paths) if paths else None


def log_paths(table: Source) -> list[Path]:
    """The places of logs, when the source is a folder or files of logs; nothing for a table.

    Errors:
        MissingError MS41: there is no such file or folder.
    """
    if isinstance(table, str | Path):
        places = [Path(table)]
    elif isinstance(table, Sequence) and table and all(isinstance(entry, str | Path) for entry in table):
        places = [Path(str(entry)) for entry in table]
    else:
        return []
    gone = next((place for place in places if not place.exists()), None)
    if gone is not None:
        raise MissingError(
            "MS41",
            f"There is no file or folder {str(gone)!r}.",
            "Give a CSV table or a folder of Inspect logs.",
        )
    is_table = len(places) == 1 and places[0].is_file() and places[0].suffix.lower() in TABLES
    return [] if is_table else places


def from_array(table: Any, rows: Rows = "respondents") -> Responses:
    """A table without names; InputError MS40 when it is not a matrix of numbers."""
    try:
        matrix = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2:
        raise InputError(
            "MS40",
            "The table of responses is not a matrix of numbers.",
            "Give one row a respondent and one column an item, NaN for a gap.",
        )
    matrix = matrix if rows == "respondents" else matrix.T
    people = tuple(f"respondent {at + 1}" for at in range(matrix.shape[0]))
    return Responses(matrix, people, tuple(f"item {at + 1}" for at in range(matrix.shape[1])))


def accepted_logs(paths: Sequence[Path]) -> Logs:
    """The logs at some places that may be used, and a problem for each file or log that may not.

    A log must have ended with success and not be invalidated. Samples that failed or are missing are gaps of
    the table, so they do not count against a log; nor do changes of its code that were not committed.

    Errors:
        InputError MS77: no log can be used, with the reason for the first. MissingError FN60, FN81: nothing
        there.
    """
    from pellucid.findings.logs.acceptance import Allowance, acceptance
    from pellucid.findings.logs.reading import Logs, read_logs

    found = read_logs(paths)
    lenient = Allowance(missing=1 << 60, errors=1 << 60, dirty=True)
    judged = [(log, acceptance(log, lenient)) for log in found.logs]
    refused = [
        Diagnostic(
            "MS77", "warning", log.path, f"The log is left out: {verdict.reasons[0]}.", "Run it again."
        )
        for log, verdict in judged
        if not verdict.accepted
    ]
    kept = tuple(log for log, verdict in judged if verdict.accepted)
    problems = (*found.problems, *refused)
    if not kept:
        first = problems[0]
        raise InputError("MS77", f"No log can be used. {first.where}: {first.message}", first.remedy)
    return Logs(kept, problems)


def table_of_logs(
    found: Logs, scorer: str | None = None, respondent: Literal["model", "epoch"] = "model"
) -> Responses:
    """The table of logs, prompt = item: a row for each model, or for each epoch (seed) of each model."""
    from pellucid.findings.logs import response_table

    table = response_table(found.logs, scorer, respondent=respondent)
    names = ", ".join(sorted({log.header.task for log in found.logs}))
    made = Responses(table.matrix, table.respondents, table.items, names)
    return counted(made, "logs", len(found.problems)) if found.problems else made


def from_csv(path: Path, rows: Rows | None = None) -> Responses:
    """The table of a file with a header line and a first column of names.

    Cells are parted by whatever the header line holds most of: commas, semicolons, tabs or bars.

    Errors:
        InputErrors MS42 (no UTF-8 text), MS43 (a line of another length), MS44 (a cell that is no number),
        MS80 (rows are not said, and nothing tells).
    """
    separator, lines = cells_of(path)
    header, body = lines[0][1][1:], lines[1:]
    short = next((entry for entry in body if len(entry[1]) != len(header) + 1), None)
    if short is not None or not header or not body:
        raise InputError(
            "MS43",
            f"{path.name} line {short[0] if short else 1} has {len(short[1]) if short else len(lines[0][1])} "
            f"cells; expected {len(header) + 1} and at least one line below the header.",
            "Give a header line with the names of the columns, then a line for each row: name, scores.",
        )
    names = tuple(cells[0].strip() for _, cells in body)
    columns = tuple(name.strip() for name in header)
    scores = np.array(
        [
            [
                number(cell, separator, f"{path.name} line {at}, column {column!r}")
                for column, cell in zip(columns, cells[1:], strict=True)
            ]
            for at, cells in body
        ]
    )
    told = rows or rows_of(path.name, lines[0][1][0], columns, names)
    if told == "items":
        return Responses(scores.T, columns, names, path.name, rows=told)
    return Responses(scores, names, columns, path.name, rows=told)


def rows_of(source: str, corner: str, columns: Sequence[str], names: Sequence[str]) -> Rows:
    """What the rows of a file are, by its first header cell and by numbered names such as ``item 3``.

    Arguments:
        source: name of the file, for the error.
        corner: the first cell of the header.
        columns: the other cells of the header.
        names: the first cells of the rows.

    Errors:
        InputError MS80: nothing tells, or one thing says items and another respondents.

    Example:
        >>> rows_of("t.csv", "Model", ["q0", "q1"], ["gpt", "claude"])
        'respondents'
        >>> rows_of("t.csv", "", ["seed 1", "seed 2"], ["a", "b"])
        'items'
    """
    across = numbered(columns)
    turned: dict[Rows, Rows] = {"items": "respondents", "respondents": "items"}
    told = {word_of(corner), numbered(names), turned[across] if across else None} - {None}
    if len(told) == 1:
        return "items" if "items" in told else "respondents"
    why = "its names and its header contradict each other" if told else "nothing in it tells"
    raise InputError(
        "MS80",
        f"{source}: is a row an item or a respondent (model, seed, rater)? Its first cell is {corner!r}, and "
        f"{why}.",
        "Say rows='respondents' or rows='items' (on the command line --rows), or let the header begin with "
        "'model' or 'item'.",
    )


def word_of(corner: str) -> Rows | None:
    """What rows are by the first cell of the header, as ``Model name`` or ``item_id``, or None."""
    found = [word.removesuffix("s") for word in re.split(r"[^a-z]+", corner.casefold())]
    items, respondents = not OF_ITEMS.isdisjoint(found), not OF_RESPONDENTS.isdisjoint(found)
    if items != respondents:
        return "items" if items else "respondents"
    return None if items else next((WEAKER[word] for word in found if word in WEAKER), None)


def numbered(names: Sequence[str]) -> Rows | None:
    """What names are when each is a word for it and a number, as ``q7`` or ``Rater 2``; None otherwise."""
    parts = [re.fullmatch(r"([a-z]+?)s?[\s_.#-]*\d+", name.casefold()) for name in names]
    words = {part[1] if part else "" for part in parts}
    if words <= {*OF_ITEMS, "q"}:
        return "items"
    return "respondents" if words <= {*OF_RESPONDENTS} else None


def cells_of(path: Path) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator, and line number and cells of every line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "MS42", f"{path.name} is not UTF-8 text (byte {error.start}).", "Save the table as UTF-8 CSV."
        ) from None
    separator = likely_separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise InputError("MS42", f"{path.name} is not a CSV table: {error}.", "Mend that line.") from None
    if not lines:
        raise InputError("MS43", f"{path.name} is empty.", "Give a header line and one line a row.")
    return separator, lines


def number(cell: str, separator: str, where: str) -> float:
    """One cell as a number, NaN for a gap; InputError MS44 names the place of one that is neither."""
    text = cell.strip()
    word = WORDS.get(text.casefold())
    value = number_of(text, separator) if word is None else word
    if value is None:
        raise InputError(
            "MS44",
            f"{where}: {cell!r} is not a finite number.",
            "Write a number, C or I, true or false, or leave the cell empty for a gap.",
        )
    return value


def check_shape(table: Responses) -> None:
    """InputError MS40 for an empty table or infinities, MS45 for a name that stands twice."""
    if table.scores.size == 0 or table.scores.ndim != 2:
        raise InputError(
            "MS40", "The table of responses is empty.", "Give at least one respondent and one item."
        )
    beyond = np.abs(table.scores) > LARGEST
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        size = "infinite" if np.isinf(table.scores[row, column]) else f"beyond {LARGEST:g}"
        raise InputError(
            "MS40",
            f"The score of {table.respondents[row]!r} on {table.items[column]!r} is {size}.",
            "Give a finite number of a size that can be squared, or NaN for a gap.",
        )
    for what, names in (("respondent", table.respondents), ("item", table.items)):
        twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
        if len(set(names)) < len(names):
            raise InputError("MS45", f"Two {what}s are named {twice!r}.", f"Give each {what} its own name.")


def counted(table: Responses, what: str, count: int) -> Responses:
    """The table, with one more sort of thing that was left out."""
    return replace(table, dropped={**table.dropped, what: count})


def read_groups(path: str | Path) -> dict[str, str]:
    """Groups by respondent from a CSV or TSV file of two columns: respondent, group.

    A first line that says so is passed over.

    Errors:
        MissingError MS41: no such file. InputError MS75: a line without exactly two cells, or a name twice.
    """
    place = Path(path)
    if not place.is_file() or place.suffix.lower() not in TABLES:
        raise MissingError(
            "MS41",
            f"There is no CSV file of groups {str(path)!r}.",
            "Give one line a respondent: name,group.",
        )
    found: dict[str, str] = {}
    for at, cells in cells_of(place)[1]:
        words = [cell.strip() for cell in cells]
        if len(words) != 2 or words[0] in found:
            raise InputError(
                "MS75",
                f"{place.name} line {at} is {','.join(words)!r}; expected a respondent, each once, "
                "and a group.",
                "Write one line a respondent: name,group.",
            )
        found[words[0]] = words[1]
    return {name: group for name, group in found.items() if (name, group) != ("respondent", "group")}
