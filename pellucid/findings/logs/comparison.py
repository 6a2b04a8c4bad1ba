"""Two logs of one benchmark, compared sample by sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.findings.arrays import Array
from pellucid.findings.errors import InputError
from pellucid.findings.finding import Finding
from pellucid.findings.header import DataRef, View
from pellucid.findings.intervals import Interval
from pellucid.findings.kinds import Kind, register
from pellucid.findings.logs.acceptance import acceptance
from pellucid.findings.logs.paired_tests import mcnemar_p, sign_flip
from pellucid.findings.logs.pairs import Pairs, paired
from pellucid.findings.logs.reading import Log, read_log
from pellucid.findings.logs.report import Reading, bounds_of, command_of, log_findings, plain
from pellucid.findings.logs.scores import ItemScores, chosen, clusters_of, item_scores, labels, only
from pellucid.findings.logs.standard_error import mean_interval, standard_error
from pellucid.findings.measures import Measure
from pellucid.findings.record import Record, start
from pellucid.findings.statistics import bootstrap, paired_difference

COMPARISON = register(
    Kind(
        name="evaluation.comparison",
        title="Two models on the same samples",
        statement="The first model's score less the second's is {difference.interval}, over the same samples",
        supports="difference.low > 0",
        refutes="difference.high < 0",
        views=(
            View(form="histogram", array="difference", title="Differences by sample", x="first less second"),
        ),
        stance="observational",
        evidence="behavioural",
        room="findings",
    )
)


def compare_logs(
    a: Log | str | Path,
    b: Log | str | Path,
    scorer: str | None = None,
    *,
    reading: Reading | None = None,
    permutations: int = 10_000,
    resamples: int = 2_000,
    seed: int = 0,
    **options: Any,
) -> Finding:
    """How much more the first log scores than the second, over the samples that both have.

    Scores are averaged over the epochs of each sample, then paired by sample id. With d_i the difference of
    a pair, the estimate is mean(d) and its standard error sd(d)/√n, or the cluster-robust one; overlapping
    intervals of the two scores would be a weaker test. Beside it stand the sign-flip permutation test and
    the bootstrap, both over clusters where there are some, and the exact McNemar test where scores are 0
    or 1. It supports "the first scores higher" when the whole interval is above 0 and refutes it when below.

    Args:
        a, b: two logs of the same task and version, or their paths.
        scorer: the score to compare; it may be left out when the logs share only one.
        reading: how scores become numbers; or give its fields (words, cluster, level, allow) as arguments.
        permutations: relabellings at most; all of them when there are no more.
        resamples: of the bootstrap.
        seed: of both.

    Errors:
        InputError FN77: the logs are of different tasks or versions of one. FN78: they share no sample, or no
        scorer. FN79: several scorers are shared and none is named. FN83: there is nothing to draw. And those
        of ``log_findings``.

    Example:
        >>> compare_logs("logs/new.eval", "logs/old.eval", "match", cluster="passage")  # doctest: +SKIP
        <Finding 9b1e... evaluation.comparison: supports: new less old is 0.031, 95 % interval ...>

    Source: Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), on paired differences; McNemar (1947).
    """
    reading = replace(reading or Reading(), **options)
    a, b = (read_log(log) if isinstance(log, str | Path) else log for log in (a, b))
    same_task(a, b)
    chance = drawn(permutations, resamples, seed)
    reasons = tuple(refusals(a, b, reading))
    if reasons:
        return begun(a, b, scorer or "", reading, chance).finding(
            replace(COMPARISON, statement=f"The logs are not compared: {plain('; '.join(reasons))}"),
            measures=[Measure.of("difference", None)],
        )
    return compared(a, b, shared_scorer(a, b, scorer), reading, chance)


def compared(a: Log, b: Log, scorer: str, reading: Reading, chance: Chance) -> Finding:
    """The Finding of two accepted logs."""
    record = begun(a, b, scorer, reading, chance)
    first, second = (item_scores(log, only(log, scorer), reading.words) for log in (a, b))
    pairs = paired(first, second, a, b)
    clusters = reading.cluster and clusters_of(first, pairs.ids, reading.cluster, a.path)
    return record.finding(
        replace(COMPARISON, statement=sentence(a, b, scorer)),
        measures=[*measures(pairs, clusters or None, bounds_of(first, second), reading.level, chance)],
        arrays=arrays(pairs, first, second),
    )


def begun(a: Log, b: Log, scorer: str, reading: Reading, chance: Chance) -> Record:
    """The measurement of two logs, made from the Findings of both."""
    parents = [one for log in (a, b) for one in log_findings(log, scorer or None, reading=reading)]
    return start(
        compare_logs,
        given={"scorer": scorer, "permutations": chance.permutations, "resamples": chance.resamples},
        parameters={
            "benchmark": a.header.task,
            "scorer": scorer,
            "models": [a.header.model, b.header.model],
            "task_version": a.header.task_version,
            "reading": reading,
            "permutations": chance.permutations,
            "resamples": chance.resamples,
        },
        data=both(a, b),
        seed=chance.seed,
        parents=[finding.id for finding in parents],
        command=command_of("compare", (a, b), scorer, reading, {"seed": chance.seed or None}),
        started=min(a.header.created, b.header.created),
    )


def drawn(permutations: int, resamples: int, seed: int) -> Chance:
    """How chance is drawn; InputError FN83 without a draw of each, or for a seed that cannot be."""
    if min(permutations, resamples) < 1:
        raise InputError(
            "FN83",
            f"{permutations} permutations and {resamples} resamples were asked for.",
            "Give at least 1 of each; some thousands make p and the interval steady.",
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError("FN83", f"The seed cannot be {seed!r}.", "Give a whole number, 0 or more.")
    return Chance(permutations, resamples, seed)


def same_task(a: Log, b: Log) -> None:
    """InputError FN77 unless both logs are of one task in one version."""
    for what, first, second in (
        ("task", a.header.task, b.header.task),
        ("task version", a.header.task_version, b.header.task_version),
    ):
        if first != second:
            raise InputError(
                "FN77",
                f"The logs differ in their {what}: {first!r} in {a.path!r}, {second!r} in {b.path!r}.",
                "Compare two logs of the same task: other questions cannot be paired.",
            )


def refusals(a: Log, b: Log, reading: Reading) -> Iterator[str]:
    """Why one or the other log is no evidence."""
    for which, log in (("first", a), ("second", b)):
        for reason in acceptance(log, reading.allow).reasons:
            yield f"the {which}, of {log.header.model}, is refused as evidence, since {reason}"


def shared_scorer(a: Log, b: Log, scorer: str | None) -> str:
    """The score to compare, which both logs have.

    Errors:
        MissingError FN73: one of them has no such scorer. InputError FN78: they share none. FN79: the name
        stands for several.
    """
    if scorer is not None:
        chosen(b, scorer)
        return str(only(a, scorer))
    shared = [str(label) for label in labels(a) if label in labels(b)]
    if not shared:
        names = [", ".join(map(str, labels(log))) or "none" for log in (a, b)]
        raise InputError(
            "FN78",
            f"The logs share no scorer: {a.path!r} has {names[0]}; {b.path!r} has {names[1]}.",
            "Compare logs that were scored alike.",
        )
    if len(shared) > 1:
        raise InputError(
            "FN79",
            f"The logs share {len(shared)} scores, and one is needed.",
            f"Name one by scorer=: {', '.join(shared)}.",
        )
    return shared[0]


@dataclass(frozen=True)
class Chance:
    """How the tests by chance are drawn."""

    permutations: int
    """Relabellings at most."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of both."""


def measures(
    pairs: Pairs,
    clusters: list[str] | None,
    bounds: tuple[float, float] | None,
    level: float,
    chance: Chance,
) -> Iterator[Measure]:
    """The difference by its standard error, bootstrap and tests, and what could not be paired."""
    d = pairs.a - pairs.b
    yield Measure.of("difference", difference(pairs, clusters, bounds, level))
    yield Measure.of("stderr", standard_error(d, clusters), n=len(d))
    resampled = bootstrap(d, resamples=chance.resamples, level=level, seed=chance.seed, clusters=clusters)
    yield Measure.of("bootstrap", resampled)
    yield Measure.of("p_permutation", sign_flip(d, clusters, chance.permutations, chance.seed), n=len(d))
    yield from mcnemar(pairs)
    for name, scores in (("score_a", pairs.a), ("score_b", pairs.b)):
        yield Measure.of(name, mean_interval(scores, clusters, level=level, bounds=bounds))
    if clusters is not None:
        yield Measure.of("clusters", len(set(clusters)))
    yield Measure.of("pairs", len(pairs.ids))
    yield Measure.of("only_a", len(pairs.only_a))
    yield Measure.of("only_b", len(pairs.only_b))
    yield Measure.of("altered", pairs.altered)


def difference(
    pairs: Pairs, clusters: list[str] | None, bounds: tuple[float, float] | None, level: float
) -> Interval:
    """The mean difference with ``mean ± z · SE``.

    Where all differences are the same the standard error is zero and says nothing: of zeros and ones the
    interval is then Tango's, else Wilson's between the least and the greatest difference there could be.
    """
    d = pairs.a - pairs.b
    if clusters is None and binary(pairs) and np.ptp(d) == 0:
        return paired_difference(pairs.a == 1, pairs.b == 1, level=level)
    seen = np.concatenate([pairs.a, pairs.b])
    span = float(np.ptp(seen)) if bounds is None else bounds[1] - bounds[0]
    return mean_interval(d, clusters, level=level, bounds=(-span, span))


def binary(pairs: Pairs) -> bool:
    """Whether every score is 0 or 1."""
    return all(bool(np.isin(scores, (0.0, 1.0)).all()) for scores in (pairs.a, pairs.b))


def mcnemar(pairs: Pairs) -> Iterator[Measure]:
    """The samples that only one log gets right, where every score is 0 or 1, and the exact test of them."""
    if not binary(pairs):
        return
    better, worse = int((pairs.a > pairs.b).sum()), int((pairs.a < pairs.b).sum())
    yield Measure.of("right_only_a", better)
    yield Measure.of("right_only_b", worse)
    yield Measure.of("p_mcnemar", mcnemar_p(better, worse), n=better + worse)


def sentence(a: Log, b: Log, scorer: str) -> str:
    """What the comparison says."""
    return (
        f"On {plain(a.header.task)}, scored by {plain(scorer)}, {plain(a.header.model)} less "
        f"{plain(b.header.model)} is {{difference.interval}} over the same samples"
    )


def arrays(pairs: Pairs, first: ItemScores, second: ItemScores) -> dict[str, Array]:
    """Scores and differences by sample, and the scores that found no partner."""
    along = {"sample": pairs.ids}
    kept = {
        "difference": Array(pairs.a - pairs.b, ("sample",), along),
        "score": Array(np.stack([pairs.a, pairs.b]), ("log", "sample"), {"log": ["a", "b"], **along}),
    }
    for name, ids, scores in (("only_a", pairs.only_a, first), ("only_b", pairs.only_b, second)):
        if ids:
            rows = dict(zip(scores.ids, scores.values.tolist(), strict=True))
            kept[name] = Array(np.array([rows[one] for one in ids]), ("sample",), {"sample": ids})
    return kept


def both(a: Log, b: Log) -> DataRef:
    """The two logs as one piece of data."""
    joined = hashlib.sha256(f"{a.digest}\n{b.digest}".encode()).hexdigest()
    return DataRef(id=f"eval:{a.header.eval_id}+{b.header.eval_id}", sha256=joined)
