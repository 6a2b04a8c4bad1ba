"""Metrics judged: how far a metric ranks dictionaries as the truth ranks them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from pellucid.dictionaries.judging.resampling import interval, share
from pellucid.dictionaries.judging.reseed import has, value_of
from pellucid.findings import (
    Array,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    did_you_mean,
    register,
    start,
)

FEWEST = 5  # dictionaries: fewer are easily ranked alike by chance

KIND = register(
    Kind(
        name="dictionaries.meta_metric",
        title="Whether a metric ranks dictionaries as the truth does",
        statement="Over {dictionaries.value} the metric's rank correlation with the truth is "
        "{correlation.interval}; from 0.9 a claim may rest on it.",
        supports="correlation.value >= 0.9",
        refutes="correlation.high < 0.9",
        views=(
            View(
                form="table",
                array="values",
                title="Metric and truth of each dictionary, both so that more is better",
            ),
        ),
        evidence="correlational",
        room="dictionaries",
    )
)


def meta_metric(
    metrics: Sequence[Finding],
    truths: Sequence[Finding],
    metric: str,
    truth: str = "mcc",
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Finding:
    """Rank correlation of a metric with the truth over some dictionaries.

        correlation = Spearman's rho of metric and truth, each turned so that more is better

    Arguments:
        metrics: one Finding for each dictionary, as of `sparse_probing` or `evaluate`.
        truths: of the same dictionaries, as of `truth_metrics`; in any order.
        metric: name of the measure that is judged.
        truth: name of the measure that it is judged by.
        resamples: of dictionaries, for the interval.
        seed: of the resampling.

    Returns:
        A Finding ``dictionaries.meta_metric`` with the measures correlation and dictionaries, and the array
        ``values`` [dictionary, quantity]. It supports from a correlation of 0.9: only then may a claim rest
        on the metric alone.

    Raises:
        InputError: DI57 fewer than 5 dictionaries, DI58 dictionaries without their counterpart, DI59 a
            measure without value or direction.

    Example: ``meta_metric(probings, truths, "auc", "firing_f1").status``.

    Source: the question: Chanin 2026, arXiv 2605.18229.
    """
    pairs = paired(metrics, truths)
    values = np.stack(
        [oriented([m for m, _ in pairs], metric), oriented([t for _, t in pairs], truth)], axis=1
    )
    record = start(
        meta_metric,
        parameters={
            "metric": f"{metrics[0].kind}:{metric}",
            "truth": f"{truths[0].kind}:{truth}",
            "resamples": resamples,
        },
        seed=seed,
        parents=[finding.id for pair in pairs for finding in pair],
    )
    measures = [
        Measure.of("correlation", correlation(values, resamples, seed), better="higher"),
        Measure.of("dictionaries", float(len(pairs)), unit="dictionaries"),
    ]
    names = [str(m.provenance.parameters["dictionary"])[:12] for m, _ in pairs]
    coords = {"dictionary": names, "quantity": [metric, truth]}
    arrays = {"values": Array(values, ("dictionary", "quantity"), coords)}
    return record.finding(KIND, measures=measures, arrays=arrays)


def paired(metrics: Sequence[Finding], truths: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    """The two findings of each dictionary; DI57 for too few, DI58 where one lacks its counterpart."""
    known = {finding.provenance.parameters.get("dictionary"): finding for finding in truths}
    alone = [f.id[:12] for f in metrics if f.provenance.parameters.get("dictionary") not in known]
    if alone or len(metrics) != len(truths) or len(known) != len(truths):
        raise InputError(
            "DI58",
            f"{len(metrics)} metrics and {len(truths)} truths are not of the same dictionaries: "
            f"{alone[0] if alone else 'some truth'} has no counterpart of its own.",
            "Give one finding of either sort for each dictionary.",
        )
    if len(metrics) < FEWEST:
        raise InputError(
            "DI57",
            f"{len(metrics)} dictionaries are easily ranked alike by chance.",
            f"Judge at least {FEWEST}, better 20, of different quality.",
        )
    return [(finding, known[finding.provenance.parameters["dictionary"]]) for finding in metrics]


def oriented(findings: Sequence[Finding], name: str) -> Float[np.ndarray, " dictionary"]:
    """A measure of each finding, turned so that more is better; DI59 where that has no meaning."""
    for finding in findings:
        if not has(finding, name) or finding.measures[name].better == "none":
            raise InputError(
                "DI59",
                f"The finding {finding.id[:12]} has no value of {name!r} of which more or less is better.",
                did_you_mean(name, finding.measures) or "Choose another measure.",
            )
    sign = 1 if findings[0].measures[name].better == "higher" else -1
    return sign * np.array([value_of(finding, name) for finding in findings])


def correlation(values: Float[np.ndarray, "dictionary two"], resamples: int, seed: int) -> Interval | None:
    """Spearman's correlation with its percentile bootstrap over dictionaries; None where one is constant."""
    random, n = np.random.default_rng(seed), len(values)
    rows = np.concatenate([np.arange(n)[None], random.integers(0, n, (resamples, n))])
    return interval(spearman(values[rows, 0], values[rows, 1]), n)


def spearman(
    a: Float[np.ndarray, "panel dictionary"], b: Float[np.ndarray, "panel dictionary"]
) -> Float[np.ndarray, " panel"]:
    """The correlation of ranks in each panel, ties sharing theirs; NaN where one side is constant.

    Arguments:
        a: one side.
        b: the other.
    """
    middle = (a.shape[1] + 1) / 2
    x, y = rankdata(a, axis=1) - middle, rankdata(b, axis=1) - middle
    return share((x * y).sum(1), np.sqrt((x * x).sum(1) * (y * y).sum(1)))
