"""Everything that is known of capability correlations: intervals, what they lean on, and chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.compute import SILENT, Progress, Task
from pellucid.metascience.bootstrap import (
    FEWEST_FAMILIES,
    FEWEST_MODELS,
    Draws,
    bca,
    draw,
    percentile,
    wider,
)
from pellucid.metascience.capability import Selection, fit
from pellucid.metascience.capability_correlation import (
    Sample,
    correlations,
    left_out_weights,
    without_each_capability,
)
from pellucid.metascience.families import clusters
from pellucid.metascience.permutation import permutation_p
from pellucid.metascience.ranks import Values
from pellucid.metascience.safetywashing_config import SafetywashingConfig

NOTHING_KNOWN = (-1.0, 1.0)
"""The interval of a correlation of which resamples say nothing: too few models or families, or no draws."""
FEW_MODELS, FEW_FAMILIES = 15, 20
"""Below these an interval is given with a warning."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """The correlations of several columns with the score; every end is ``columns x 2``."""

    correlation: Values
    """Of each column; NaN where undefined."""
    partial: Values
    """Given compute."""
    n: Values
    """Models that have the column and a score."""
    n_partial: Values
    """Models that have compute as well."""
    ends: Values
    """Percentile interval over models, the score refitted."""
    bca: Values
    """The bias-corrected and accelerated interval."""
    cluster: Values
    """Percentile interval over families."""
    partial_ends: Values
    """Interval of the partial correlation, over models."""
    p: Values
    """Of the permutation test."""
    without_model: Values
    """Correlation without each model: ``models x columns``."""
    without_family: Values
    """Correlation without each family: ``families x columns``."""
    without_capability: Values
    """Correlation with the score of all capability benchmarks but one: ``capabilities x columns``."""
    families: tuple[str, ...]
    """The families, in order."""
    draws: Draws | None
    """The resamples of models."""
    sample: Sample | None
    """The estimates in them."""
    redrawn: int
    """Resamples of models and of families that were drawn again."""

    @property
    def wider(self) -> Values:
        """The larger of the intervals over models and over families."""
        pairs = zip(self.ends.tolist(), self.cluster.tolist(), strict=True)
        return np.array([wider((a[0], a[1]), (b[0], b[1])) for a, b in pairs]).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Passes:
    """The estimates in every set of resamples that the analysis needs."""

    whole: Sample
    """All models."""
    by_model: Sample
    """Without each model."""
    by_family: Sample
    """Without each family."""
    without_capability: Values
    """With the score of all capability benchmarks but one."""
    draws: Draws | None
    """Resamples of models."""
    sample: Sample | None
    """The estimates in them."""
    cluster_draws: Draws | None
    """Resamples of families."""
    cluster_sample: Sample | None
    """The estimates in them."""


def analyse(
    chosen: Selection,
    columns: Values,
    config: SafetywashingConfig,
    seed: int,
    progress: Progress = SILENT,
) -> Analysis:
    """Correlate columns with the score, the score refitted in every resample.

    Arguments:
        chosen: models and capability benchmarks.
        columns: ``models x columns``, NaN for a gap.
        config: coefficient, draws, permutations and level.
        seed: of draws and permutations.
        progress: who shows how far it is.
    """
    families = clusters(chosen.table.families)
    with progress.task("capability correlations", total=4) as task:
        passes = all_passes(chosen, columns, families, config, seed, task)
        p = chance(chosen, columns, config, seed)
        task.advance()
    known = ~np.isnan(columns) & chosen.complete[:, None]
    compute = chosen.table.compute
    n = known.sum(axis=0)
    return Analysis(
        correlation=passes.whole.correlation[0],
        partial=passes.whole.partial[0],
        n=n,
        n_partial=np.zeros_like(n) if compute is None else known[~np.isnan(compute)].sum(axis=0),
        **intervals(passes, known, config),
        p=p,
        without_model=passes.by_model.correlation,
        without_family=passes.by_family.correlation,
        without_capability=passes.without_capability,
        families=tuple(chosen.table.families[rows[0]] for rows in families),
        draws=passes.draws,
        sample=passes.sample,
        redrawn=sum(part.redrawn for part in (passes.draws, passes.cluster_draws) if part),
    )


def all_passes(
    chosen: Selection,
    columns: Values,
    families: list[list[int]],
    config: SafetywashingConfig,
    seed: int,
    task: Task,
) -> Passes:
    """The estimates over all models, with parts left out, and in the draws."""
    models = len(chosen.table.models)
    singles = [[row] for row in range(models)]
    whole = correlations(chosen, columns, np.ones((models, 1)), config)
    by_model = correlations(chosen, columns, left_out_weights(singles, models), config)
    by_family = correlations(chosen, columns, left_out_weights(families, models), config)
    lean = without_each_capability(chosen, columns, config)
    task.advance()
    enough = bool(chosen.complete.sum() >= FEWEST_MODELS)
    plain = resampled(chosen, columns, singles, config, (seed, 0), enough)
    task.advance()
    if len(families) == models:  # each model is its own family: the resamples are the same
        task.advance()
        return Passes(whole, by_model, by_family, lean, *plain, None, plain[1])
    scored = sum(bool(chosen.complete[rows].any()) for rows in families)
    kin = resampled(chosen, columns, families, config, (seed, 1), enough and scored >= FEWEST_FAMILIES)
    task.advance()
    return Passes(whole, by_model, by_family, lean, *plain, *kin)


def intervals(passes: Passes, known: Values, config: SafetywashingConfig) -> dict[str, Values]:
    """All intervals of all columns."""
    value, partial = passes.whole.correlation[0], passes.whole.partial[0]
    n = known.sum(axis=0)
    plain = passes.sample.correlation if passes.sample else None
    given = passes.sample.partial if passes.sample else None
    kin = passes.cluster_sample.correlation if passes.cluster_sample else None

    def simple(column: int, sample: Values) -> tuple[float, float]:
        """Percentiles of the draws."""
        return percentile(sample, config.level)

    def corrected(column: int, sample: Values) -> tuple[float, float]:
        """BCa, with the correlations without each model that has the column."""
        left = passes.by_model.correlation[known[:, column], column]
        return bca(float(value[column]), sample, left, config.level)

    return {
        "ends": ends_of(value, n, plain, simple),
        "bca": ends_of(value, n, plain, corrected),
        "cluster": ends_of(value, n, kin, simple),
        "partial_ends": ends_of(partial, n, given, simple),
    }


def resampled(
    chosen: Selection,
    columns: Values,
    groups: list[list[int]],
    config: SafetywashingConfig,
    seed: tuple[int, int],
    possible: bool,
) -> tuple[Draws | None, Sample | None]:
    """Resamples of groups of models and the estimates in them; nothing where they would say nothing."""
    if not possible or not config.draws:
        return None, None
    draws = draw(chosen.columns, groups, config.draws, seed)
    return draws, correlations(chosen, columns, draws.weights, config)


def ends_of(
    values: Values,
    n: Values,
    sample: Values | None,
    interval: Callable[[int, Values], tuple[float, float]],
) -> Values:
    """The interval of each column; ``NOTHING_KNOWN`` where the estimate exists and its interval does not."""
    ends = np.full((len(values), 2), np.nan)
    for column in np.flatnonzero(np.isfinite(values)):
        usable = sample is not None and n[column] >= FEWEST_MODELS
        found = interval(int(column), sample[:, column]) if usable and sample is not None else NOTHING_KNOWN
        ends[column] = found if np.isfinite(found).all() else NOTHING_KNOWN
    return ends


def chance(chosen: Selection, columns: Values, config: SafetywashingConfig, seed: int) -> Values:
    """Permutation p of each column, the score fixed."""
    whole = fit(chosen.columns, np.ones((len(chosen.table.models), 1)), config)
    kept = chosen.complete
    return permutation_p(whole.score[kept, 0], columns[kept], config, seed)


def span(values: Values) -> Values:
    """Smallest and largest of each column, NaN where there is none: ``columns x 2``."""
    defined = np.isfinite(values)
    low = np.where(defined, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(defined, values, -np.inf).max(axis=0, initial=-np.inf)
    made = np.stack([low, high], axis=1)
    return np.where(np.isfinite(made), made, np.nan)


def cautions(chosen: Selection, n: Values, names: list[str]) -> list[str]:
    """Sentences on what makes the intervals rough."""
    found = []
    few = [name for name, count in zip(names, n, strict=True) if count < FEW_MODELS]
    if len(few) == len(names) > 1:
        found.append(f"Fewer than {FEW_MODELS} models: all intervals are rough")
    elif few:
        listed = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        found.append(f"Fewer than {FEW_MODELS} models have {listed}: the intervals are rough")
    families = len(set(chosen.table.families))
    if families < FEW_FAMILIES:
        word = "family is" if families == 1 else "families are"
        found.append(f"{families} {word} too few to trust an interval over families")
    return found
