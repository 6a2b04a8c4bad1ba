"""A log as Findings: one for each number that it gives its samples, or the reason why it is refused."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pellucid.findings.arrays import Array
from pellucid.findings.finding import Finding
from pellucid.findings.header import DataRef, View
from pellucid.findings.kinds import Kind, register
from pellucid.findings.logs.acceptance import Allowance, acceptance, sample_counts, weights_of
from pellucid.findings.logs.document import field as field_of
from pellucid.findings.logs.document import mapping
from pellucid.findings.logs.reading import Log, read_log
from pellucid.findings.logs.sample import Sample, score_number
from pellucid.findings.logs.scores import (
    ItemScores,
    Label,
    chosen,
    clusters_of,
    item_scores,
    only,
    sample_set_digest,
)
from pellucid.findings.logs.standard_error import mean_interval, standard_error
from pellucid.findings.measures import Measure
from pellucid.findings.record import Record, start

LOG = register(
    Kind(
        name="evaluation.log",
        title="What a model scored in an evaluation",
        statement="The model scores {score.interval} over {samples.value} samples, by the evaluation's log",
        supports="score.n >= 1",
        views=(View(form="histogram", array="score", title="Scores of the samples", x="score", y="samples"),),
        stance="observational",
        evidence="behavioural",
        room="findings",
    )
)
REFUSED = register(
    Kind(
        name="evaluation.log_refused",
        title="An evaluation's log that is refused as evidence",
        statement="The log is refused as evidence; it holds {samples.value} samples",
        # it has no score, so that this can never be judged: the status is failed
        supports="score.n >= 1",
        stance="observational",
        evidence="behavioural",
        room="findings",
    )
)
UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Reading:
    """How the scores of a log are turned into one number."""

    words: Mapping[str, float] = field(default_factory=dict)
    """Numbers for scores that are texts, besides C, P, I and N."""
    cluster: str | None = None
    """Key of the samples' metadata whose equal values make a cluster; none: each sample is its own."""
    level: float = 0.95
    """Of the intervals."""
    allow: Allowance = field(default_factory=Allowance)
    """What is let pass in a log."""


def log_findings(
    log: Log | str | Path, scorer: str | None = None, *, reading: Reading | None = None, **options: Any
) -> list[Finding]:
    """What a log says, as one Finding for each scorer, or for each part of a scorer's object or list.

    The score is the mean over the samples of their means over the epochs; its interval is
    ``mean ± z · SE`` with the plain or the cluster-robust standard error. A log that ``acceptance`` does not
    accept, or a scorer that scored no sample, gives a Finding with status ``failed`` that states the reason.

    Args:
        log: a log, or the path of one.
        scorer: the name of one scorer, or ``scorer/key`` for one part of its value; all without it.
        reading: how scores become numbers; or give its fields (words, cluster, level, allow) as arguments.

    Errors:
        MissingError FN73: no such scorer. InputError FN74: a score has no number. FN75, FN76: the samples
        cannot be clustered so.

    Example:
        >>> log_findings("logs/arc.eval", cluster="passage")  # doctest: +SKIP
        [<Finding 1f0c... evaluation.log: supports: openai/gpt scores 0.512, 95 % interval ...>]

    Source: Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), on clustered standard errors.
    """
    reading = replace(reading or Reading(), **options)
    log = read_log(log) if isinstance(log, str | Path) else log
    judged = acceptance(log, reading.allow)
    if not judged.accepted:
        return [refused(log, name, judged.reasons, reading) for name in wanted(log, scorer)]
    return [scored(log, label, reading) for label in chosen(log, scorer)] or [
        refused(log, "", ("no sample has a score",), reading)
    ]


def log_finding(
    log: Log | str | Path, scorer: str | None = None, *, reading: Reading | None = None, **options: Any
) -> Finding:
    """The one Finding of a log with one scorer, or of the scorer named; as ``log_findings``.

    Errors:
        InputError FN79: there are several scorers and none is named.
    """
    log = read_log(log) if isinstance(log, str | Path) else log
    allow = replace(reading or Reading(), **options).allow
    if acceptance(log, allow).accepted and len(chosen(log, scorer)) > 1:
        scorer = str(only(log, scorer))
    return log_findings(log, scorer, reading=reading, **options)[0]


def wanted(log: Log, scorer: str | None) -> tuple[str, ...]:
    """The scorers of a refused log: the one asked for, else those of its header."""
    return (scorer,) if scorer is not None else log.header.scorers or ("",)


def scored(log: Log, label: Label, reading: Reading) -> Finding:
    """The Finding of one number of an accepted log."""
    record = begun(log, str(label), reading)
    scores = item_scores(log, label, reading.words)
    if not scores.ids:
        return refused(log, str(label), (f"no sample has a score by {label}",), reading)
    clusters = reading.cluster and clusters_of(scores, scores.ids, reading.cluster, log.path)
    statement = (
        f"{plain(log.header.model)} scores {{score.interval}} on {plain(log.header.task)}, "
        f"scored by {plain(str(label))}"
    )
    return record.finding(
        replace(LOG, statement=statement),
        measures=[
            *score_measures(scores, clusters or None, reading.level),
            *counts(log),
            Measure.of("unscored", scores.unscored),
            *reported(log, label),
        ],
        arrays={"score": Array(scores.values, ("sample",), {"sample": scores.ids})},
    )


def score_measures(scores: ItemScores, clusters: list[str] | None, level: float) -> Iterator[Measure]:
    """The score with its interval, its standard error, and the number of clusters."""
    interval = mean_interval(scores.values, clusters, level=level, bounds=bounds_of(scores))
    yield Measure.of("score", interval)
    yield Measure.of("stderr", standard_error(scores.values, clusters), n=len(scores.ids))
    if clusters is not None:
        yield Measure.of("clusters", len(set(clusters)))


def bounds_of(*scores: ItemScores) -> tuple[float, float] | None:
    """0 and 1 when every score lies between them; else nothing is known of the scale."""
    inside = all((one.values >= UNIT[0]).all() and (one.values <= UNIT[1]).all() for one in scores)
    return UNIT if inside else None


def counts(log: Log) -> Iterator[Measure]:
    """How much was run and what of it went wrong."""
    header = log.header
    yield Measure.of("samples", len({str(sample.id) for sample in log.samples}))
    total, completed = sample_counts(log)
    stated = {"total": total, "completed": completed, "epochs": header.epochs}
    for name, count in stated.items():
        yield Measure.of(name, score_number(count))
    yield Measure.of("errors", sum(sample.error is not None for sample in log.samples))
    yield Measure.of("edited", sum(edited(sample) for sample in log.samples))


def edited(sample: Sample) -> bool:
    """Whether a score of the sample was changed after it was given."""
    where = f"the sample {sample.id!r}"
    histories = (field_of(score.raw, "history", (list,), [], where) for score in sample.scores.values())
    return any(len(history) > 1 for history in histories)


def reported(log: Log, label: Label) -> Iterator[Measure]:
    """The metrics that the log itself reports for this number, as ``reported_<metric>``.

    Where several reducers of epochs give the same metric, the name of each is added.
    """
    where = repr(log.path)
    of_label = [score for score in results_of(log) if is_of(score, label)]
    seen: set[str] = set()
    for score in of_label:
        reducer = score.get("reducer") if len(of_label) > 1 else None
        for metric, body in field_of(score, "metrics", (dict,), {}, where).items():
            value = field_of(mapping(body, where), "value", (int, float), math.nan, where)
            name = identifier("reported", metric, reducer)
            while name in seen:
                name += "_"
            seen.add(name)
            yield Measure.of(name, score_number(value))


def results_of(log: Log) -> list[Mapping[str, Any]]:
    """The entries of the log's own results."""
    where = repr(log.path)
    scores = field_of(log.header.results or {}, "scores", (list,), [], where)
    return [mapping(score, where) for score in scores]


def is_of(score: Mapping[str, Any], label: Label) -> bool:
    """Whether an entry of the results speaks of this number."""
    if label.key is None:
        return score.get("name") == label.scorer
    return score.get("name") == label.key and score.get("scorer") == label.scorer


def identifier(*words: str | None) -> str:
    """A name that a predicate can read."""
    return re.sub(r"\W", "_", "_".join(word for word in words if word), flags=re.ASCII)


def refused(log: Log, scorer: str, reasons: tuple[str, ...], reading: Reading) -> Finding:
    """The Finding that says why a log is no evidence; its status is failed."""
    why = plain("; ".join(reasons))
    statement = (
        f"The log of {plain(log.header.model)} on {plain(log.header.task)} is refused as evidence: {why}"
    )
    return begun(log, scorer, reading).finding(
        replace(REFUSED, statement=statement),
        measures=[Measure.of("score", None), *counts(log)],
    )


def plain(text: str) -> str:
    """A name or a reason as a part of a statement, where braces would be blanks to fill."""
    return " ".join(text.replace("{", "(").replace("}", ")").split())


def begun(log: Log, scorer: str, reading: Reading) -> Record:
    """The measurement of a log: bound to the file's digest, the scorer and the set of its samples."""
    header = log.header
    return start(
        log_findings,
        given={"scorer": scorer},
        parameters={
            "benchmark": header.task,
            "scorer": scorer,
            "model": header.model,
            "task_version": header.task_version,
            "task_args": header.task_args,
            "sample_ids": sample_set_digest(log),
            "revision": header.revision,
            "epochs": header.epochs,
            "reading": reading,
        },
        subject=weights_of(header),
        data=data_of(log),
        command=command_of("import", (log,), scorer, reading),
        started=header.created,
    )


def command_of(
    verb: str, logs: Sequence[Log], scorer: str, reading: Reading, more: Mapping[str, object] | None = None
) -> str:
    """The command line that measures the same again."""
    allow, default = reading.allow, Reading()
    options = {
        "scorer": scorer or None,
        "cluster": reading.cluster,
        "level": reading.level if reading.level != default.level else None,
        "allow-missing": allow.missing or None,
        "allow-errors": allow.errors or None,
        **(more or {}),
    }
    words = ["pellucid", "findings", verb, *(log.source or log.path for log in logs)]
    words += [
        word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))
    ]
    words += [word for text, number in reading.words.items() for word in ("--word", f"{text}={number}")]
    return shlex.join(words + ["--allow-dirty"] * allow.dirty)


def data_of(log: Log) -> DataRef:
    """The log as data: its evaluation and the digest of its file."""
    return DataRef(id=f"eval:{log.header.eval_id}", sha256=log.digest)
