"""The check of one benchmark: is what it measures decided to be capability, decided not to be, or unknown?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.compute import SILENT, Progress
from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.bootstrap import percentile
from pellucid.metascience.capability import (
    FEWEST_MODELS,
    Fit,
    Selection,
    fit,
    parameters,
    uniqueness,
    warning_array,
)
from pellucid.metascience.correlation_analysis import NOTHING_KNOWN, Analysis, analyse, cautions, chance, span
from pellucid.metascience.disattenuation import (
    Reliability,
    beyond_one,
    disattenuated,
    reliability_in,
    score_reliability,
)
from pellucid.metascience.ranks import Values
from pellucid.metascience.resampling import defined
from pellucid.metascience.residual import FEWEST, Curve, residual_progress
from pellucid.metascience.safetywashing import adjusted, chosen_from, in_score
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import ScoreTable, as_table
from pellucid.metascience.verdict import verdict

KIND = register(
    Kind(
        name="metascience.capability_correlation",
        title="Capabilities correlation of one benchmark",
        statement="The benchmark's correlation with the capabilities score is {correlation.interval}",
        supports="correlation.low > band_high.value or correlation.high < band_low.value",
        refutes="correlation.low >= band_low.value and correlation.high <= band_high.value",
        views=(
            View(
                form="interval",
                array="intervals",
                title="Correlation with the capabilities score, by what is resampled",
                y="correlation",
            ),
            View(form="table", array="progress", title="Each model beside what the others predict for it"),
            View(form="table", array="without", title="Correlation with one part left out"),
            View(form="text", array="warnings", title="What to keep in mind"),
        ),
        evidence="correlational",
    )
)
SENTENCES = {
    "correlated": "decided as correlated with capability: {correlation}, and the whole interval lies {side} "
    "the band",
    "decorrelated": "decided as decorrelated from capability: {correlation}, and the whole interval lies "
    "inside the band",
    "undecided": "undecided: {correlation}, and the interval reaches across a limit of the band",
}


@dataclass(frozen=True, eq=False)
class Checked:
    """One benchmark with everything that its Finding says."""

    name: str
    """The benchmark."""
    chosen: Selection
    """Models and capability benchmarks."""
    values: Values
    """The benchmark's scores."""
    whole: Fit
    """The score over all models."""
    found: Analysis
    """The correlations."""
    config: SafetywashingConfig
    """The settings."""

    @property
    def kept(self) -> Values:
        """The models that have both the benchmark and a score."""
        return np.asarray(~np.isnan(self.values) & self.chosen.complete)

    @property
    def word(self) -> str:
        """The verdict."""
        low, high = self.found.ends[0].tolist()
        return verdict(float(self.found.correlation[0]), low, high, self.config)


def check(
    column: str | Mapping[str, float | None],
    table: ScoreTable | str | Path,
    *,
    name: str = "benchmark",
    capabilities: Sequence[str] | None = None,
    model_type: str | None = None,
    families: Mapping[str, str] | None = None,
    reliability: Reliability | None = None,
    capability_reliability: Reliability | None = None,
    curve: Curve = "linear",
    config: SafetywashingConfig | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    command: str = "",
) -> Finding:
    """Whether a benchmark measures something other than general capability, with all that speaks for it.

    The correlation and its interval are those of ``safetywashing``; beside them stand the interval over
    families, the partial correlation given compute, what happens without each model, family and capability
    benchmark, the permutation p, residual progress and, with a reliability, the correlation corrected for it,
    ``r / sqrt(a_x a_y)`` (with ranks an approximation). Status: supports when *correlated*, refutes when
    *decorrelated*, inconclusive when *undecided*, failed when *undefined*.

    Arguments:
        column: a benchmark of the table, or a new one's scores by model.
        table: the table, or the path of a CSV file.
        name: what to call a new benchmark.
        capabilities: names of the capability benchmarks.
        model_type: ``base`` or ``chat`` where the table holds both.
        families: families of models by name.
        reliability: of the benchmark, a share or item scores (``models x items``, in the table's order).
        capability_reliability: of the score; default alpha of the capability benchmarks, in every draw anew.
        curve: ``linear`` or ``isotonic`` prediction for residual progress.
        config: coefficient, draws, permutations, level and the band of the verdict.
        seed: of draws and permutations.
        progress: who shows how far it is.
        command: the command line that runs it again.

    Returns:
        Finding whose measure ``correlation`` carries interval and n, and whose parameter ``benchmark`` names
        the column. Arrays: ``intervals``, ``without`` (``part x [value]``), ``progress`` and ``residual``
        over ``model``, ``warnings``.

    Errors:
        As ``safetywashing``; InputError MS23 (fewer than four models have the benchmark and a score), MS22
        (a reliability), MS21 (a curve), MS14, MissingError MS13 and MS15 (the benchmark or a model).

    Example:
        >>> from pellucid.metascience.table import base_models
        >>> found = check("ifeval", base_models(), config=SafetywashingConfig(draws=200))
        >>> found.status, round(found.measures["correlation"].value, 4)
        ('inconclusive', 0.1655)

    Source: Ren et al. 2024, section 3; the verdict and the intervals are ours.
    """
    settings = config or SafetywashingConfig()
    whole_table = as_table(table)
    if not isinstance(column, str):
        whole_table, column = whole_table.with_benchmark(name, column), name
    chosen = chosen_from(whole_table, capabilities, model_type, families, seed)
    record = start(
        check,
        given={
            "table": chosen.table.source,
            "benchmark": column,
            "capabilities": capabilities,
            "model_type": model_type,
            "families": families,
        },
        parameters={
            "benchmark": column,
            **parameters(chosen),
            **settings.to_dict(),
            "families": sorted(set(chosen.table.families)),
            "curve": curve,
            "reliability": described(reliability),
            "capability_reliability": described(capability_reliability),
        },
        data=chosen.table.data,
        seed=seed,
        dtype="float64",
        command=command
        or f"pellucid metascience check {chosen.table.source} --benchmark {column!r} --seed {seed}",
    )
    done = checked(column, chosen, settings, seed, progress)
    corrected = correction(done, reliability, capability_reliability)
    return record.finding(
        dataclasses.replace(KIND, statement=sentence(done)),
        measures=[*measures_of(done, seed), *corrected, *progress_measures(done, curve)],
        arrays=arrays_of(done, curve),
    )


def described(reliability: Reliability | None) -> float | str | None:
    """A reliability as provenance keeps it: a number, or how many items it comes from."""
    if reliability is None or isinstance(reliability, int | float):
        return reliability
    return f"alpha of items of shape {np.shape(reliability)}"


def checked(
    name: str, chosen: Selection, config: SafetywashingConfig, seed: int, progress: Progress
) -> Checked:
    """The analysis of one column; InputError MS23 when fewer than four models have it."""
    values = chosen.table.column(name)
    count = int((~np.isnan(values) & chosen.complete).sum())
    if count < FEWEST_MODELS:
        raise InputError(
            "MS23",
            f"{count} models of {chosen.table.source} have scores on {name!r} and on all capability "
            "benchmarks.",
            f"Give {FEWEST_MODELS} models or more; with fewer than 15 an interval is rough.",
        )
    whole = fit(chosen.columns, np.ones((len(chosen.table.models), 1)), config)
    found = analyse(chosen, values[:, None], config, seed, progress)
    return Checked(name, chosen, values, whole, found, config)


def sentence(done: Checked) -> str:
    """The template of the statement; its words are chosen by the numbers that fill it."""
    name = done.name.replace("{", "(").replace("}", ")")
    if done.word == "undefined":
        return f"{name} has no correlation with capability: its scores are the same for all models"
    above = done.found.ends[0, 0] > done.config.high
    said = SENTENCES[done.word].format(
        correlation="its correlation with the capabilities score is {correlation.interval}",
        side="above" if above else "below",
    )
    own = "; the benchmark is a part of the score" if done.name in done.chosen.names else ""
    return f"{name} is {said} {{band_low.value}} to {{band_high.value}}{with_families(done)}{own}"


def with_families(done: Checked) -> str:
    """What becomes of the verdict when families are resampled, where they are more than single models."""
    if len(done.found.families) == len(done.chosen.table.models):
        return ""
    low, high = done.found.cluster[0].tolist()
    word = verdict(float(done.found.correlation[0]), low, high, done.config)
    ends = "{cluster_correlation.low} to {cluster_correlation.high}"
    return f"; with families resampled ({ends}) it is {word}{' too' if word == done.word else ' then'}"


def measures_of(done: Checked, seed: int) -> list[Measure]:
    """The correlation in all its forms."""
    found, level = done.found, done.config.level
    value, n = float(found.correlation[0]), int(found.n[0])
    p, p_adjusted = chances(done, seed)
    return [
        estimate("correlation", value, found.ends[0], n, level),
        Measure.of("band_low", done.config.low),
        Measure.of("band_high", done.config.high),
        estimate("bca_correlation", value, found.bca[0], n, level),
        estimate("cluster_correlation", value, found.cluster[0], len(found.families), level),
        estimate("wider_correlation", value, found.wider[0], n, level),
        *partial_measures(done),
        Measure.of("p", p, n=n, better="lower"),
        Measure.of("p_adjusted", p_adjusted, n=n, better="lower"),
        *left_out_measures(done),
        Measure.of("pc1_share", float(done.whole.share[0]), n=int(done.chosen.complete.sum())),
        Measure.of("redrawn", float(found.redrawn)),
    ]


def estimate(name: str, value: float, ends: Values, n: int, level: float) -> Measure:
    """A measure with its interval; without a number where it is undefined."""
    if np.isnan(value):
        return Measure.of(name, None, n=n)
    low, high = ends.tolist()
    return Measure.of(name, Interval(value, low, high, n, level, "bootstrap"))


def chances(done: Checked, seed: int) -> tuple[float | None, float | None]:
    """Permutation p of the benchmark, and adjusted over all benchmarks of the table outside the score."""
    p = chance(done.chosen, done.chosen.table.scores, done.config, seed)
    place = done.chosen.table.benchmarks.index(done.name)
    both = (float(p[place]), float(adjusted(p, in_score(done.chosen))[place]))
    first, second = map(defined, both)
    return first, second


def partial_measures(done: Checked) -> list[Measure]:
    """The partial correlation given compute, where the table has it."""
    if done.chosen.table.compute is None:
        return []
    found = done.found
    n = int(found.n_partial[0])
    return [
        estimate("partial_correlation", float(found.partial[0]), found.partial_ends[0], n, done.config.level)
    ]


def left_out_measures(done: Checked) -> list[Measure]:
    """Extremes of the correlation with one part left out, and a part of the score beside the rest of it."""
    made = []
    parts = {
        "model": done.found.without_model[done.kept],
        "family": done.found.without_family,
        "capability": done.found.without_capability,
    }
    for part, values in parts.items():
        for end, number in zip(("min", "max"), span(values)[0].tolist(), strict=True):
            made.append(Measure.of(f"without_{part}_{end}", defined(number)))
    if done.name in done.chosen.names and len(done.found.without_capability):
        own = float(done.found.without_capability[done.chosen.names.index(done.name), 0])
        made.append(Measure.of("correlation_without_itself", defined(own)))
    return made


def correction(
    done: Checked, reliability: Reliability | None, capability_reliability: Reliability | None
) -> list[Measure]:
    """The correlation corrected for both reliabilities, r and both of them taken from the same draws."""
    if reliability is None:
        return []
    level = done.config.level
    ones = np.ones((len(done.values), 1))
    alphas = both_reliabilities(done, reliability, capability_reliability, ones)
    value = float(disattenuated(done.found.correlation, *alphas)[0])
    ends = NOTHING_KNOWN
    if done.found.draws is not None and done.found.sample is not None:
        drawn = both_reliabilities(done, reliability, capability_reliability, done.found.draws.weights)
        ends = percentile(disattenuated(done.found.sample.correlation[:, 0], *drawn), level)
    n = int(done.found.n[0])
    return [
        estimate("disattenuated_correlation", value, np.array(ends), n, level),
        Measure.of("reliability", float(alphas[0][0])),
        Measure.of("capability_reliability", float(alphas[1][0])),
        Measure.of("beyond_one", float(beyond_one(value))),
    ]


def both_reliabilities(
    done: Checked, reliability: Reliability, of_score: Reliability | None, weights: Values
) -> tuple[Values, Values]:
    """The reliabilities of the benchmark and of the score in each resample."""
    first = reliability_in(reliability, weights, done.name)
    if of_score is None:
        return first, score_reliability(done.chosen.columns, weights)
    return first, reliability_in(of_score, weights, "the score")


def progress_measures(done: Checked, curve: Curve) -> list[Measure]:
    """How many models do better or worse than their capability predicts."""
    n = int(done.kept.sum())
    if n < FEWEST:
        return []
    made = residual_progress(done.whole.score[done.kept, 0], done.values[done.kept], curve, done.config.level)
    return [
        Measure.of("better_than_predicted", float(made.better.sum()), n=n),
        Measure.of("worse_than_predicted", float(made.worse.sum()), n=n),
    ]


def arrays_of(done: Checked, curve: Curve) -> dict[str, Array]:
    """Intervals, residual progress, what is left when a part is left out, and warnings."""
    warned = [
        *done.chosen.left_out,
        *uniqueness(done.whole),
        *cautions(done.chosen, done.found.n, [done.name]),
    ]
    if done.found.bca[0].tolist() == list(NOTHING_KNOWN):
        warned.append("No resample lies on one side of the estimate: there is no BCa interval")
    return {
        "intervals": interval_array(done.found),
        **progress_arrays(done, curve),
        "without": without_array(done),
        **warning_array(warned),
    }


def interval_array(found: Analysis) -> Array:
    """The correlation with each of its intervals."""
    rows = {"models": found.ends, "models, BCa": found.bca, "families": found.cluster, "wider": found.wider}
    values = [[found.correlation[0], *ends[0]] for ends in rows.values()]
    coordinates = {"resampled": list(rows), "end": ["value", "low", "high"]}
    return Array(np.array(values), ("resampled", "end"), coordinates)


def progress_arrays(done: Checked, curve: Curve) -> dict[str, Array]:
    """Each model's score, what the others predict for it, and the difference."""
    if done.kept.sum() < FEWEST:
        return {}
    made = residual_progress(done.whole.score[done.kept, 0], done.values[done.kept], curve, done.config.level)
    models = [done.chosen.table.models[row] for row in np.flatnonzero(done.kept)]
    values = np.stack([made.observed, made.predicted, made.low, made.high], axis=1)
    columns = ["observed", "predicted", "low", "high"]
    return {
        "progress": Array(values, ("model", "column"), {"model": models, "column": columns}),
        "residual": Array(made.residual, ("model",), {"model": models}),
    }


def without_array(done: Checked) -> Array:
    """The correlation without each capability benchmark, family and model."""
    found, chosen = done.found, done.chosen
    parts = [f"capability {name}" for name in chosen.names[: len(found.without_capability)]]
    parts += [f"family {name}" for name in found.families]
    parts += [f"model {name}" for name in chosen.table.models]
    values = np.concatenate(
        [found.without_capability[:, 0], found.without_family[:, 0], found.without_model[:, 0]]
    )
    return Array(values, ("without",), {"without": parts})
