"""The table of scores: one row a model, one column a benchmark, and what is known of the models beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pellucid.findings import DataRef, InputError, MissingError, did_you_mean
from pellucid.metascience.families import family_of
from pellucid.metascience.ranks import Values
from pellucid.metascience.score_cells import column_of, is_text, number_of, numbers_of
from pellucid.metascience.score_file import INDEX, Row, ScoreFile, file_bytes, read_score_file

NAMES = ("model", "name", "model_name", "models", INDEX, "unnamed: 0", "index")
FAMILY = ("family", "families", "model_family")
TYPE = ("type", "model_type")
COMPUTE = ("flop", "flops", "training_flop", "training_flops", "compute")
SIZE = ("model_size", "params", "parameters", "n_params")
SHIPPED = Path(__file__).with_name("data") / "benchmarks_base_models.csv"


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of models on benchmarks; higher is better by convention, and a gap is NaN."""

    models: tuple[str, ...]
    """Names of the models, all different."""
    benchmarks: tuple[str, ...]
    """Names of the benchmarks."""
    scores: Values
    """``models x benchmarks``."""
    families: tuple[str, ...]
    """Family of each model: a column of the table, or read off its name."""
    types: tuple[str, ...] = ()
    """Type of each model, as base or chat; empty when the table does not say."""
    compute: Values | None = None
    """Training compute of each model in floating-point operations, where known."""
    size: Values | None = None
    """Parameters of each model, where known."""
    source: str = "table"
    """Name of the file."""
    sha256: str = ""
    """Digest of what was read."""
    empty: tuple[str, ...] = ()
    """Columns that were left out since they hold no score."""
    text: tuple[str, ...] = ()
    """Columns that were left out since they hold words."""

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        columns: Mapping[str, Sequence[float | None] | Values],
        *,
        families: Sequence[str] | None = None,
        types: Sequence[str] = (),
        compute: Sequence[float | None] | Values | None = None,
        size: Sequence[float | None] | Values | None = None,
        source: str = "table",
    ) -> ScoreTable:
        """A table from columns in memory; None and NaN are gaps.

        Errors:
            InputError MS11 (a column of another length), MS12 (a model twice or without a name).

        Example:
            >>> ScoreTable.of(["a", "b"], {"mmlu": [0.3, 0.5], "ifeval": [None, 0.2]}).scores.shape
            (2, 2)
        """
        names = tuple(str(model) for model in models)
        check_models(source, names, [""] * len(names))
        numeric = {name: vector(name, values, len(names)) for name, values in columns.items()}
        beside = [None if given is None else vector("beside", given, len(names)) for given in (compute, size)]
        table = cls(
            models=names,
            benchmarks=tuple(numeric),
            scores=np.stack(list(numeric.values()), axis=1) if numeric else np.empty((len(names), 0)),
            families=tuple(families or map(family_of, names)),
            types=tuple(types),
            compute=beside[0],
            size=beside[1],
            source=source,
        )
        for what, labels in (("families", table.families), ("types", table.types)):
            if labels and len(labels) != len(names):
                raise unequal(what, len(labels), len(names))
        return dataclasses.replace(table, sha256=digest(table))

    @property
    def data(self) -> DataRef:
        """The table as provenance names it."""
        return DataRef(id=self.source, sha256=self.sha256)

    def column(self, benchmark: str) -> Values:
        """The scores of one benchmark; MissingError MS13 when the table has none of that name."""
        if benchmark not in self.benchmarks:
            hint = did_you_mean(benchmark, self.benchmarks)
            few = ", ".join(self.benchmarks[:8])
            raise MissingError(
                "MS13",
                f"{self.source} has no benchmark {benchmark!r}.",
                hint or f"Its {len(self.benchmarks)} benchmarks begin with: {few}.",
            )
        return np.asarray(self.scores[:, self.benchmarks.index(benchmark)])

    def rows(self, kept: Values) -> ScoreTable:
        """The table of some of its models."""
        chosen = np.flatnonzero(kept)
        return dataclasses.replace(
            self,
            models=tuple(self.models[row] for row in chosen),
            scores=self.scores[chosen],
            families=tuple(self.families[row] for row in chosen),
            types=tuple(self.types[row] for row in chosen) if self.types else (),
            compute=None if self.compute is None else self.compute[chosen],
            size=None if self.size is None else self.size[chosen],
        )

    def with_benchmark(self, name: str, scores: Mapping[str, float | None]) -> ScoreTable:
        """The table with one more benchmark, whose scores are given by model; others have a gap.

        Errors:
            InputError MS14: the table has this benchmark. MissingError MS15: it lacks a model.
        """
        if name in self.benchmarks:
            raise InputError("MS14", f"{self.source} has a benchmark {name!r}.", "Choose another name.")
        for model in scores:
            if model not in self.models:
                hint = did_you_mean(model, self.models) or f"Its models: {', '.join(self.models[:8])}."
                raise MissingError("MS15", f"{self.source} has no model {model!r}.", hint)
        column = vector(name, [scores.get(model) for model in self.models], len(self.models))
        wider = dataclasses.replace(
            self,
            benchmarks=(*self.benchmarks, name),
            scores=np.concatenate([self.scores, column[:, None]], axis=1),
        )
        return dataclasses.replace(wider, sha256=digest(wider))

    def with_families(self, families: Mapping[str, str]) -> ScoreTable:
        """The table with the families of some models given; MissingError MS15 for a model that it lacks."""
        for model in families:
            if model not in self.models:
                hint = did_you_mean(model, self.models)
                raise MissingError("MS15", f"{self.source} has no model {model!r}.", hint)
        known = zip(self.models, self.families, strict=True)
        return dataclasses.replace(self, families=tuple(families.get(m, family) for m, family in known))


def read_table(
    path: str | Path,
    *,
    names: str | None = None,
    family: str | None = None,
    model_type: str | None = None,
    compute: str | None = None,
    size: str | None = None,
    exclude: Sequence[str] = (),
) -> ScoreTable:
    """Read a table of models and benchmarks from a delimited text file.

    Separators are commas, semicolons, tabs or bars; the text UTF-8, with or without a mark, or UTF-16.
    Columns of words are left out, as are columns without any score. Beside the benchmarks these columns are
    known, in any case: ``model`` or ``name``, ``family``, ``type``, ``FLOP``, ``model_size``; another name
    can be given.

    Arguments:
        path: the file.
        names: column of the models' names.
        family: column of the models' families; without one they are read off the names (``family_of``).
        model_type: column that says base or chat.
        compute: column of the training compute.
        size: column of the parameters.
        exclude: columns to leave out.

    Errors:
        MissingError MS01 (no file), MS08 (no such column). InputError MS02 to MS07 (not a table), MS09 (no
        models or no benchmarks), MS10 (a cell is no number), MS12 (a model twice or without a name).

    Example:
        >>> table = read_table(SHIPPED)
        >>> len(table.models), len(table.benchmarks)
        (27, 176)
    """
    raw = file_bytes(path)
    file = read_score_file(path, raw)
    asked = {"names": names, "family": family, "type": model_type, "compute": compute, "size": size}
    return table_of_file(file, roles_of(file, asked, exclude), exclude, hashlib.sha256(raw).hexdigest())


def table_of_file(
    file: ScoreFile, roles: Mapping[str, str], exclude: Sequence[str] = (), sha256: str = ""
) -> ScoreTable:
    """The table in the cells of a file whose columns have these roles."""
    models = models_of(file, roles["names"])
    beside = {name for name in roles.values() if name} | {*exclude} | {*aliased(file, NAMES)}
    benchmarks, empty, text = benchmarks_of(file, beside)
    scores = [numbers_of(file, name, models) for name in benchmarks]
    if not models or not benchmarks:
        what = "no models" if not models else "no column of numbers"
        raise InputError("MS09", f"{file.name} has {what}.", "Give a row a model and a column a benchmark.")
    types = words(file, roles["type"])
    return ScoreTable(
        models=models,
        benchmarks=benchmarks,
        scores=np.stack(scores, axis=1),
        families=tuple(
            given or family_of(model)
            for given, model in zip(words(file, roles["family"]) or [""] * len(models), models, strict=True)
        ),
        types=types,
        compute=numbers_of(file, roles["compute"], models) if roles["compute"] else None,
        size=numbers_of(file, roles["size"], models) if roles["size"] else None,
        source=file.name,
        sha256=sha256,
        empty=empty,
        text=text,
    )


TableSource: TypeAlias = "ScoreTable | str | Path | Sequence[Mapping[str, Any]] | Any"
"""What a table is taken from: itself, a path, rows as mappings, or a data frame (pandas, polars)."""


def as_table(table: TableSource) -> ScoreTable:
    """The table itself, the one in a file, or one of rows in memory: mappings, or a data frame.

    Errors:
        As ``read_table``; InputError MS81: it is none of these.

    Example:
        >>> as_table([{"model": "a", "mmlu": 0.3}, {"model": "b", "mmlu": 0.5}]).benchmarks
        ('mmlu',)
    """
    if isinstance(table, ScoreTable):
        return table
    if isinstance(table, str | Path):
        return read_table(table)
    file = file_of_rows(rows_in_memory(table))
    asked = dict.fromkeys(("names", "family", "type", "compute", "size"))
    made = table_of_file(file, roles_of(file, asked, ()))
    return dataclasses.replace(made, sha256=digest(made))


def rows_in_memory(table: Any) -> list[dict[str, Any]]:
    """The rows of a list of mappings or of a data frame, whose index of words names the models."""
    if hasattr(table, "columns") and hasattr(table, "to_dicts"):
        return list(table.to_dicts())
    if hasattr(table, "columns") and hasattr(table, "to_dict"):
        labels = list(table.index)
        named = bool(labels) and all(isinstance(label, str) for label in labels)
        records = table.to_dict("records")
        if not named:
            return list(records)
        return [{"index": label, **row} for label, row in zip(labels, records, strict=True)]
    if isinstance(table, Sequence) and table and all(isinstance(row, Mapping) for row in table):
        return [dict(row) for row in table]
    what = "None" if table is None else f"{'an empty ' if table == [] else ''}{type(table).__name__}"
    raise InputError(
        "MS81",
        f"The table of scores is {what}; expected a path, a ScoreTable, a data frame or a list of mappings.",
        "Give the path of a CSV file, rows as [{'model': 'a', 'mmlu': 0.3}, ...], or "
        "ScoreTable.of(models, {benchmark: scores}).",
    )


def file_of_rows(rows: Sequence[Mapping[str, Any]]) -> ScoreFile:
    """Rows in memory as cells of a file; what is None, NaN or not there is a gap."""
    header = tuple(dict.fromkeys(str(name) for row in rows for name in row))
    cells = [{str(name): cell_of(value) for name, value in row.items()} for row in rows]
    lines = [tuple(row.get(name, "") for name in header) for row in cells]
    return ScoreFile("table", ",", header, tuple(Row(at + 1, line) for at, line in enumerate(lines)))


def cell_of(value: Any) -> str:
    """A value as the cell of a file, numbers to their last digit."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    try:
        number = float(value)
    except (TypeError, ValueError):
        # pandas has a gap of its own, which is no number and prints like this
        return "" if str(value) == "<NA>" else str(value)
    return "" if np.isnan(number) else repr(number)


def base_models() -> ScoreTable:
    """The table of 27 base models and 176 benchmarks that was published with the safetywashing paper.

    Example:
        >>> base_models().models[0]
        'Mixtral-8x22B-v0.1'
    """
    return read_table(SHIPPED)


def roles_of(file: ScoreFile, asked: Mapping[str, str | None], exclude: Sequence[str]) -> dict[str, str]:
    """The column of each role; empty where the file has none."""
    for column in (*filter(None, asked.values()), *exclude):
        if column not in file.header:
            hint = did_you_mean(column, file.header) or f"Columns begin with: {', '.join(file.header[:8])}."
            raise MissingError("MS08", f"{file.name} has no column {column!r}.", hint)
    aliases = {"names": NAMES, "family": FAMILY, "type": TYPE, "compute": COMPUTE, "size": SIZE}
    found = {}
    for role, known in aliases.items():
        candidates = [name for name in aliased(file, known) if name not in exclude]
        found[role] = asked[role] or next(iter(candidates), "")
    found["names"] = found["names"] or first_text(file)
    return found


def aliased(file: ScoreFile, known: Sequence[str]) -> list[str]:
    """The columns that go by one of these names, in the order of the names."""
    folded = {name.casefold(): name for name in reversed(file.header)}
    return [folded[alias] for alias in known if alias in folded]


def first_text(file: ScoreFile) -> str:
    """The first column of words; InputError MS09 when there is none to name the models."""
    for name in file.header:
        if is_text(column_of(file, name), file.separator):
            return name
    raise InputError(
        "MS09",
        f"{file.name} has no column of model names.",
        "Add a column 'model', or say which column holds the names (names=...).",
    )


def models_of(file: ScoreFile, column: str) -> tuple[str, ...]:
    """The models' names, all different."""
    models = tuple(column_of(file, column))
    check_models(file.name, models, [f", line {row.line}" for row in file.rows])
    return models


def check_models(source: str, models: Sequence[str], places: Sequence[str]) -> None:
    """InputError MS12 for a model without a name or named twice: scores are matched by name."""
    first: dict[str, str] = {}
    for model, place in zip(models, places, strict=True):
        if not model:
            raise InputError(
                "MS12", f"{source}{place}: the row has no model name.", "Name the model, or delete the row."
            )
        if model in first:
            raise InputError(
                "MS12",
                f"{source}{place}: the model {model!r} was named before{first[model].replace(',', ' in')}.",
                "Keep one row for each model.",
            )
        first[model] = place


def benchmarks_of(file: ScoreFile, beside: set[str]) -> tuple[tuple[str, ...], ...]:
    """The columns of scores, those that hold none, and those of words."""
    sorts: dict[str, list[str]] = {"scores": [], "empty": [], "words": []}
    for name in file.header:
        if name not in beside:
            sorts[sort_of(column_of(file, name), file.separator)].append(name)
    return tuple(sorts["scores"]), tuple(sorts["empty"]), tuple(sorts["words"])


def sort_of(cells: Sequence[str], separator: str) -> str:
    """Whether a column holds scores, words, or nothing (empty)."""
    if is_text(cells, separator):
        return "words"
    return "empty" if all_gaps(cells, separator) else "scores"


def all_gaps(cells: Sequence[str], separator: str) -> bool:
    """Whether no cell holds a number or a word."""
    return all((number := number_of(cell, separator)) is not None and np.isnan(number) for cell in cells)


def words(file: ScoreFile, column: str) -> tuple[str, ...]:
    """The cells of a column of words; nothing when there is no such column."""
    return tuple(column_of(file, column)) if column else ()


def vector(name: str, values: Sequence[float | None] | Values, size: int) -> Values:
    """One column as float64 with NaN for gaps; MS11 when it is of another length, MS10 when not finite."""
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if len(column) != size:
        raise unequal(f"The column {name!r}", len(column), size)
    if np.isinf(column).any():
        raise InputError("MS10", f"The column {name!r} holds an infinite score.", "Give numbers or gaps.")
    return column


def unequal(what: str, got: int, wanted: int) -> InputError:
    """The error for a column of another length than the models."""
    return InputError("MS11", f"{what}: {got} values for {wanted} models.", "Give one for each model.")


def digest(table: ScoreTable) -> str:
    """sha256 over everything that a result depends on."""
    words_only = [table.models, table.benchmarks, table.families, table.types]
    sha = hashlib.sha256(json.dumps(words_only, ensure_ascii=False).encode())
    for numbers in (table.scores, table.compute, table.size):
        sha.update(b"" if numbers is None else np.ascontiguousarray(numbers).tobytes())
    return sha.hexdigest()
