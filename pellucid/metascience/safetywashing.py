"""Is a safety benchmark only capability? The correlation of every benchmark with the capabilities score.

Source: Ren et al. 2024, "Safetywashing" (arXiv 2407.21792). The intervals, the clustering by family, the
partial correlation given compute, the tests and the verdicts are additions of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.compute import SILENT, Progress
from pellucid.findings import Array, Finding, Interval, Kind, Measure, View, register, start
from pellucid.metascience.bootstrap import percentile
from pellucid.metascience.capability import (
    Selection,
    fit,
    parameters,
    score_arrays,
    score_measures,
    select,
    uniqueness,
    warning_array,
)
from pellucid.metascience.correlation_analysis import Analysis, analyse, cautions, span
from pellucid.metascience.permutation import benjamini_hochberg
from pellucid.metascience.ranks import Values
from pellucid.metascience.resampling import checked_seed
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import ScoreTable, TableSource, as_table
from pellucid.metascience.verdict import WORDS, verdict_array, words_of

SUMMARY = ("correlation", "low", "high", "cluster low", "cluster high", "partial", "p adjusted", "n")
"""Columns of the array ``summary``."""

KIND = register(
    Kind(
        name="metascience.safetywashing",
        title="Safety benchmarks beside general capability",
        statement="Of {benchmarks.value} benchmarks outside the score, {correlated.value} are decided as "
        "correlated with capability and {decorrelated.value} as decorrelated, {undecided.value} are "
        "undecided, {undefined.value} undefined. One component explains {pc1_share.percent} of "
        "{capabilities.value} capability benchmarks over {pc1_share.n} models",
        views=(
            View(
                form="interval",
                array="intervals",
                title="Correlation of each benchmark with the capabilities score",
                y="correlation",
            ),
            View(form="table", array="summary", title="Correlations, largest first"),
            View(form="text", array="warnings", title="What to keep in mind"),
        ),
        evidence="correlational",
    )
)


def safetywashing(
    csv_path: TableSource,
    *,
    capabilities: Sequence[str] | None = None,
    model_type: str | None = None,
    families: Mapping[str, str] | None = None,
    config: SafetywashingConfig | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    command: str = "",
) -> Finding:
    """Correlate every benchmark of a table with the capabilities score, and say what is decided.

    ``s_m = z_m . v`` (see ``capability_score``); the capabilities correlation of a benchmark is
    ``Spearman(s, benchmark)`` over the models that have both. Intervals are percentiles of a bootstrap over
    models in which the score is refitted. A benchmark is *correlated* when its interval lies outside
    [-0.4, 0.4] on one side, *decorrelated* when inside, else *undecided*. Over a few dozen models a
    correlation says nothing of causes.

    Arguments:
        csv_path: path of a CSV file (see ``read_table``), a table, a data frame with a row a model, or a list
            of such rows as mappings.
        capabilities: names of the capability benchmarks; default the paper's twelve, as far as the table has
            them.
        model_type: ``base`` or ``chat`` where the table holds both; they are never mixed.
        families: families of models by name, where the default (a column ``family``, else ``family_of``) is
            not right.
        config: coefficient, draws, permutations, level and the band of the verdict.
        seed: of draws and permutations.
        progress: who shows how far it is.
        command: the command line that runs it again.

    Returns:
        Finding with, over the axis ``benchmark`` (coordinates: names of the columns, in the table's order),
        the arrays ``correlation``, ``low``, ``high``, ``n``; ``bca_low``, ``bca_high``; ``cluster_low``,
        ``cluster_high`` (families resampled whole); ``wider_low``, ``wider_high`` (the larger of both);
        ``partial``, ``partial_low``, ``partial_high``, ``n_partial`` (given training compute, where the table
        has it); ``p``, ``p_adjusted`` (permutation; Benjamini-Hochberg over all benchmarks outside the
        score); the extremes of the correlation with one model, family or capability benchmark left out
        (``without_model_low`` ...); ``in_score`` (1 where the benchmark is a part of the score, so that its
        correlation is with itself too); ``verdict`` and ``cluster_verdict`` (``benchmark x word``). A
        constant benchmark, or one with fewer than four models, has NaN, not 0; where resamples say nothing
        the interval is -1 to 1. Further arrays: ``score`` over ``model``, ``loading``, ``intervals`` and
        ``summary`` for showing, ``warnings``. Measures: ``pc1_share``, ``mean_capability_correlation``, the
        counts of verdicts, ``compute_correlation`` and ``size_correlation``.

    Errors:
        MissingError MS01, MS08, MS13, MS15, MS16 and InputError MS02 to MS12 (the table), MS16 to MS19, MS24
        (no score can be made), MS20 (a setting), MS81 (no table).

    Example:
        >>> from pellucid.metascience.table import base_models
        >>> found = safetywashing(base_models(), config=SafetywashingConfig(draws=200))
        >>> places = found.arrays["correlation"].coords["benchmark"]
        >>> round(float(found.arrays["correlation"].values[places.index("wmdp")]), 4)
        -0.9064

    Source: Ren et al. 2024, section 3 and appendix.
    """
    settings = config or SafetywashingConfig()
    chosen = chosen_from(csv_path, capabilities, model_type, families, seed)
    table = chosen.table
    record = start(
        safetywashing,
        given={
            "table": table.source,
            "capabilities": capabilities,
            "model_type": model_type,
            "families": families,
        },
        parameters={**parameters(chosen), **settings.to_dict(), "families": sorted(set(table.families))},
        data=table.data,
        seed=seed,
        dtype="float64",
        command=command or f"pellucid metascience safetywashing {table.source} --seed {seed}",
    )
    found = analyse(chosen, with_beside(table), settings, seed, progress)
    return record.finding(
        KIND,
        measures=measures_of(chosen, found, settings),
        arrays=arrays_of(chosen, found, settings),
    )


def chosen_from(
    source: TableSource,
    capabilities: Sequence[str] | None,
    model_type: str | None,
    families: Mapping[str, str] | None,
    seed: int,
) -> Selection:
    """The models and capability benchmarks to analyse, with families as given."""
    checked_seed(seed)
    table = as_table(source)
    return select(table.with_families(families) if families else table, capabilities, model_type)


def with_beside(table: ScoreTable) -> Values:
    """The benchmarks' columns, then compute and size (all gaps where the table has none)."""
    gaps = np.full(len(table.models), np.nan)
    beside = [gaps if column is None else column for column in (table.compute, table.size)]
    return np.concatenate([table.scores, np.stack(beside, axis=1)], axis=1)


def in_score(chosen: Selection) -> Values:
    """Whether each benchmark is a part of the score."""
    return np.array([name in chosen.names for name in chosen.table.benchmarks])


def adjusted(p: Values, part: Values) -> Values:
    """p adjusted over the benchmarks outside the score; NaN for its parts."""
    return benjamini_hochberg(np.where(part, np.nan, p))


def measures_of(chosen: Selection, found: Analysis, config: SafetywashingConfig) -> list[Measure]:
    """What the score explains, how many benchmarks are decided, and how it follows compute and size."""
    outside = ~in_score(chosen)
    size = len(outside)
    words = np.array(words_of(found.correlation[:size], found.ends[:size], config), dtype=object)[outside]
    p = adjusted(found.p[:size], ~outside)
    return [
        *with_intervals(chosen, found, config),
        Measure.of("benchmarks", float(outside.sum())),
        *(Measure.of(word, float((words == word).sum()), n=int(outside.sum())) for word in WORDS),
        Measure.of("significant", float((p <= config.fdr).sum()), n=int(np.isfinite(p).sum())),
        beside_measure("compute_correlation", found, size, config),
        beside_measure("size_correlation", found, size + 1, config),
        Measure.of("families", float(len(found.families))),
        Measure.of("redrawn", float(found.redrawn)),
    ]


def with_intervals(chosen: Selection, found: Analysis, config: SafetywashingConfig) -> list[Measure]:
    """The measures of the score, the first two with their bootstrap interval."""
    whole = fit(chosen.columns, np.ones((len(chosen.table.models), 1)), config)
    measures = score_measures(chosen, whole)
    if found.sample is None:
        return measures
    samples = (found.sample.share, found.sample.mean_pair)
    ends = [percentile(sample, config.level) for sample in samples]
    level = {"level": config.level}
    first = [
        measure.model_copy(update={"low": low, "high": high, **level})
        for measure, (low, high) in zip(measures, ends, strict=False)
    ]
    return [*first, *measures[2:]]


def beside_measure(name: str, found: Analysis, column: int, config: SafetywashingConfig) -> Measure:
    """The correlation of the score with compute or size."""
    value = float(found.correlation[column])
    if np.isnan(value):
        return Measure.of(name, None)
    low, high = found.ends[column].tolist()
    return Measure.of(name, Interval(value, low, high, int(found.n[column]), config.level, "bootstrap"))


def arrays_of(chosen: Selection, found: Analysis, config: SafetywashingConfig) -> dict[str, Array]:
    """Everything over the axis ``benchmark``, the score and its loadings, and what is shown."""
    names = list(chosen.table.benchmarks)
    columns = columns_of(chosen, found)
    over = {name: Array(values, ("benchmark",), {"benchmark": names}) for name, values in columns.items()}
    size = len(names)
    whole = fit(chosen.columns, np.ones((len(chosen.table.models), 1)), config)
    return {
        **over,
        "verdict": verdict_array(words_of(found.correlation[:size], found.ends[:size], config), names),
        "cluster_verdict": verdict_array(
            words_of(found.correlation[:size], found.cluster[:size], config), names
        ),
        **score_arrays(chosen, whole),
        **shown(columns, names),
        **warning_array([*chosen.left_out, *uniqueness(whole), *cautions(chosen, found.n[:size], names)]),
    }


def columns_of(chosen: Selection, found: Analysis) -> dict[str, Values]:
    """One number a benchmark, by name."""
    size = len(chosen.table.benchmarks)
    part = in_score(chosen)
    made = {
        "correlation": found.correlation[:size],
        "n": found.n[:size],
        "p": found.p[:size],
        "p_adjusted": adjusted(found.p[:size], part),
        "in_score": part.astype(np.float64),
    }
    ends = {
        "": found.ends,
        "bca_": found.bca,
        "cluster_": found.cluster,
        "wider_": found.wider,
        "without_model_": span(found.without_model),
        "without_family_": span(found.without_family),
        "without_capability_": span(found.without_capability),
    }
    if chosen.table.compute is not None:
        made |= {"partial": found.partial[:size], "n_partial": found.n_partial[:size]}
        ends["partial_"] = found.partial_ends
    for prefix, pair in ends.items():
        made[f"{prefix}low"], made[f"{prefix}high"] = pair[:size, 0], pair[:size, 1]
    return made


def shown(columns: Mapping[str, Values], names: list[str]) -> dict[str, Array]:
    """The intervals and the summary, the largest correlation first, undefined ones last."""
    order = np.argsort(-columns["correlation"], kind="stable")
    gaps = np.full(len(names), np.nan)
    along = [names[place] for place in order]
    interval = np.stack([columns[name] for name in ("correlation", "low", "high")], axis=1)[order]
    keys = [column.replace(" ", "_") for column in SUMMARY]
    summary = np.stack([columns.get(key, gaps) for key in keys], axis=1)[order]
    return {
        "intervals": Array(
            interval, ("benchmark", "end"), {"benchmark": along, "end": ["value", "low", "high"]}
        ),
        "summary": Array(summary, ("benchmark", "column"), {"benchmark": along, "column": list(SUMMARY)}),
    }
