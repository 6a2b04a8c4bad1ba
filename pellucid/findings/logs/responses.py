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
        InputError FN80: there are no logs, or two of one evaluation. FN79: logs of one task are scored by
        different scorers and none is named, or a log by several. FN74 and MissingError FN73 as for
        ``log_findings``.
    """
    distinct(logs)
    several = len({log.header.task for log in logs}) > 1
    cells: dict[str, dict[str, float]] = {}
    names = respondent_names(logs)
    for log, name, label in zip(logs, names, alike(logs, scorer), strict=True):
        before = f"{log.header.task}/" if several else ""
        for row, item, score in responses(log, label, name, respondent, words):
            cells.setdefault(row, {})[before + item] = score
    return tabled(cells)


def distinct(logs: Sequence[Log]) -> None:
    """InputError FN80 unless there are logs, each of an evaluation of its own."""
    if not logs:
        raise InputError("FN80", "No logs were given.", "Read some with read_logs(folder).")
    row, count = Counter(map(evaluation, logs)).most_common(1)[0]
    if count > 1:
        copies = [log for log in logs if evaluation(log) == row]
        names = " and ".join(dict.fromkeys(repr(log.path) for log in copies))
        raise InputError(
            "FN80",
            f"The evaluation {copies[0].header.eval_id!r} was given {count} times: {names}.",
            "Give its log once: a copy, edited or in the other format, is no respondent.",
        )


def evaluation(log: Log) -> tuple[str, str, str]:
    """What no two logs may share: the evaluation, of which model and which task."""
    return log.header.eval_id, log.header.model, log.header.task


def alike(logs: Sequence[Log], scorer: str | None) -> list[Label]:
    """The score to read from each log; InputError FN79 when logs of one task differ in it."""
    labels = [only(log, scorer) for log in logs]
    first: dict[str, tuple[Log, Label]] = {}
    for log, label in zip(logs, labels, strict=True):
        before, expected = first.setdefault(log.header.task, (log, label))
        if label != expected:
            raise InputError(
                "FN79",
                f"Logs of the task {log.header.task!r} are scored differently: {before.path!r} by "
                f"{str(expected)!r}, {log.path!r} by {str(label)!r}.",
                "Give only logs with the same scorer: other scores are no answers to the same question.",
            )
    return labels


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
