"""Correlation of every benchmark with the capabilities score, in any number of resamples at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from pellucid.metascience.capability import FEWEST_MODELS, Selection, fit
from pellucid.metascience.ranks import Values, correlation, scaled, standardised
from pellucid.metascience.safetywashing_config import SafetywashingConfig

BLOCK = 200_000
"""Numbers of one array that are worked on at a time; what fits the processor's cache is fastest."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The estimates in each of several resamples, the score refitted in every one."""

    correlation: Values
    """``draws x columns``; NaN where a column is constant or has fewer than four models."""
    partial: Values
    """The same given compute: ``draws x columns``; NaN throughout without compute."""
    share: Values
    """Share of the first component: ``draws``."""
    mean_pair: Values
    """Mean correlation of the capability benchmarks: ``draws``."""


def correlations(chosen: Selection, columns: Values, weights: Values, config: SafetywashingConfig) -> Sample:
    """Refit the score in each resample and correlate every column with it.

    Arguments:
        chosen: models and capability benchmarks.
        columns: ``models x columns``, NaN for a gap.
        weights: ``models x draws``, how often each model was drawn.
        config: the coefficient, and what the loadings come from.
    """
    parts = [one_block(chosen, columns, block, config) for block in blocks(weights)]
    return Sample(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sample))
    )


def blocks(weights: Values) -> Iterator[Values]:
    """The draws in blocks of a size that suits the processor."""
    width = max(1, BLOCK // max(1, weights.shape[0]))
    for begin in range(0, weights.shape[1], width):
        yield np.ascontiguousarray(weights[:, begin : begin + width])


def one_block(chosen: Selection, columns: Values, weights: Values, config: SafetywashingConfig) -> Sample:
    """The estimates in the resamples of one block."""
    whole = fit(chosen.columns, weights, config)
    score = np.where(chosen.complete[:, None], whole.score, 0.0)
    shape = (weights.shape[1], columns.shape[1])
    found, given = np.full(shape, np.nan), np.full(shape, np.nan)
    known = ~np.isnan(columns) & chosen.complete[:, None]
    compute = chosen.table.compute
    for rows, members in patterns(known):
        kept = np.flatnonzero(rows)
        part = weights[kept]
        found[:, members] = against(score[kept], columns[np.ix_(kept, members)], part, config)
        if compute is not None:
            both = kept[~np.isnan(compute[kept])]
            given[:, members] = partial(
                score[both], columns[np.ix_(both, members)], compute[both], weights[both]
            )
    return Sample(found, given, whole.share, whole.pairs.mean(axis=1))


def patterns(known: Values) -> Iterator[tuple[Values, Values]]:
    """The columns grouped by the models that they have, so that the score is ranked once for each group."""
    groups: dict[bytes, list[int]] = {}
    for index, column in enumerate(known.T):
        groups.setdefault(column.tobytes(), []).append(index)
    for members in groups.values():
        yield known[:, members[0]], np.array(members)


def against(score: Values, columns: Values, weights: Values, config: SafetywashingConfig) -> Values:
    """Correlation of each column with the score: ``draws x columns``; NaN for fewer than four models."""
    if len(score) < FEWEST_MODELS:
        return np.full((weights.shape[1], columns.shape[1]), np.nan)
    unit = standardised(scaled(score, weights, config.method), weights) * weights
    made = [
        (unit * standardised(scaled(column, weights, config.method), weights)).sum(axis=0)
        for column in columns.T
    ]
    return np.asarray(np.clip(np.stack(made, axis=1), -1.0, 1.0))


def partial(score: Values, columns: Values, given: Values, weights: Values) -> Values:
    """Partial Spearman correlation of each column with the score, given a third: ``draws x columns``.

    ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2))`` on ranks; its logarithm has the same ranks, so
    compute is taken as it is. NaN for fewer than five models, or where x or y is a function of z.
    """
    if len(score) < FEWEST_MODELS + 1:
        return np.full((weights.shape[1], columns.shape[1]), np.nan)
    spearman = SafetywashingConfig(draws=0)
    r_xy = against(score, columns, weights, spearman)
    r_yz = against(np.broadcast_to(given[:, None], weights.shape), columns, weights, spearman)
    x, z = scaled(score, weights, "spearman"), scaled(given, weights, "spearman")
    r_xz = correlation(x, z, weights)[:, None]
    left = (1 - r_xz**2) * (1 - r_yz**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(left > 1e-12, np.clip((r_xy - r_xz * r_yz) / np.sqrt(left), -1, 1), np.nan)


def without_each_capability(chosen: Selection, columns: Values, config: SafetywashingConfig) -> Values:
    """Correlations with the score of all capability benchmarks but one, for each of them.

    Returns:
        ``capabilities x columns``; empty when only two are there, of which one alone makes no score.
    """
    if len(chosen.names) < 3:
        return np.empty((0, columns.shape[1]))
    ones = np.ones((len(chosen.table.models), 1))
    made = []
    for name in chosen.names:
        fewer = Selection(chosen.table, tuple(n for n in chosen.names if n != name), ())
        made.append(correlations(fewer, columns, ones, config).correlation[0])
    return np.stack(made)


def left_out_weights(groups: list[list[int]], models: int) -> Values:
    """Weights that leave out one group of models at a time: ``models x groups``."""
    weights = np.ones((models, len(groups)))
    for draw, rows in enumerate(groups):
        weights[rows, draw] = 0.0
    return weights
