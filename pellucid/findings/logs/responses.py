"""Logs as a table of responses: a row for each respondent (model or run), a column for each item (prompt)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from pellucid.findings.arrays import Values
from pellucid.findings.errors import InputError
from pellucid.findings.logs.reading import Log
from pellucid.findings.logs.scores import Label, Words, item_scores, number_of, only

Respondent = Literal["model", "epoch"]


class ResponseTable(NamedTuple):
    """The scores of every respondent on every item."""

    items: tuple[str, ...]
    """Names of the columns: sample ids, with the task before them when there are several tasks."""
    respondents: tuple[str, ...]
    """Names of the rows."""
    matrix: Values
    """Scores, shape (respondents, items); NaN where there is none."""


def response_table(
    logs: Sequence[Log],
    scorer: str | None = None,
    *,
    respondent: Respondent = "model",
    words: Words = None,
) -> ResponseTable:
    """The scores of several logs as one table, for the instruments of reliability and item response.

    Logs are taken as they are: leave out those that ``acceptance`` does not accept.

    Args:
        logs: of one task or of several; logs of one model on several tasks share a row.
        scorer: the score to read; it may be left out where each log has only one.
        respondent: ``"model"``: a row for each model, scores averaged over epochs; a model with two logs of
            one task has a row for each. ``"epoch"``: a row for each epoch of each log.
        words: numbers for scores that are texts, besides C, P, I and N.

    Errors:
        InputError FN80: there are no logs, or one of them twice. FN74, FN79 and MissingError FN73 as for
        ``log_findings``.
    """
    distinct(logs)
    several = len({log.header.task for log in logs}) > 1
    cells: dict[str, dict[str, float]] = {}
    names = respondent_names(logs)
    for log, name in zip(logs, names, strict=True):
        before = f"{log.header.task}/" if several else ""
        for row, item, score in responses(log, only(log, scorer), name, respondent, words):
            cells.setdefault(row, {})[before + item] = score
    return tabled(cells)


def distinct(logs: Sequence[Log]) -> None:
    """InputError FN80 unless there are logs, each once."""
    if not logs:
        raise InputError("FN80", "No logs were given.", "Read some with read_logs(folder).")
    digest, count = Counter(log.digest for log in logs).most_common(1)[0]
    if count > 1:
        name = next(log.path for log in logs if log.digest == digest)
        raise InputError(
            "FN80",
            f"The log {name!r} was given {count} times.",
            "Give each log once: a copy is no respondent.",
        )


def respondent_names(logs: Sequence[Log]) -> list[str]:
    """The model of each log, with the evaluation's id where one model has several logs of one task."""
    counts = Counter((log.header.model, log.header.task) for log in logs)
    return [
        log.header.model
        if counts[log.header.model, log.header.task] == 1
        else f"{log.header.model} ({log.header.eval_id})"
        for log in logs
    ]


def responses(
    log: Log, label: Label, name: str, respondent: Respondent, words: Words
) -> Iterator[tuple[str, str, float]]:
    """Respondent, item and score, one after another."""
    if respondent == "model":
        scores = item_scores(log, label, words)
        yield from (
            (name, item, value) for item, value in zip(scores.ids, scores.values.tolist(), strict=True)
        )
        return
    for sample in log.samples:
        number = number_of(sample, label, words, log.path)
        if number is not None:
            yield f"{name}, epoch {sample.epoch}", str(sample.id), number


def tabled(cells: dict[str, dict[str, float]]) -> ResponseTable:
    """Rows of cells as one matrix, items in order of first appearance."""
    items = tuple(dict.fromkeys(item for row in cells.values() for item in row))
    matrix = np.array([[row.get(item, np.nan) for item in items] for row in cells.values()], dtype=np.float64)
    return ResponseTable(items, tuple(cells), matrix.reshape(len(cells), len(items)))
