"""The capabilities score: one number a model, from the benchmarks of general ability.

Source: Ren et al. 2024 (arXiv 2407.21792), section 3: the leading eigenvector of the rank correlation matrix
of the capability benchmarks, applied to their z-scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.findings import (
    Array,
    Finding,
    InputError,
    Kind,
    Measure,
    MissingError,
    View,
    did_you_mean,
    register,
    start,
)
from pellucid.metascience.ranks import Values, complete_rows, scaled, standardised
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import ScoreTable, as_table

CAPABILITIES = (
    "logiqa",
    "piqa",
    "hellaswag",
    "winogrande",
    "superglue_copa",
    "medqa_4options",
    "arc_challenge",
    "mmlu",
    "minerva_math",
    "lambada_openai",
    "gsm8k",
    "bbh",
)
"""The paper's twelve capability benchmarks, in its order."""
FEWEST_MODELS = 4
"""Models below which no correlation is given."""
ROUNDED = 12
"""Decimals of the score."""
SAME = 1e-9
"""Relative distance of the two largest eigenvalues below which the score is not unique."""

KIND = register(
    Kind(
        name="metascience.capability_score",
        title="Capabilities score of models",
        statement="One component explains {pc1_share.percent} of {capabilities.value} capability benchmarks "
        "over {pc1_share.n} models; on average they correlate at {mean_capability_correlation.value}",
        views=(
            View(form="bar", array="score", title="Capabilities score, most able model first", y="score"),
            View(form="bar", array="loading", title="Loading of each capability benchmark", y="loading"),
        ),
        evidence="correlational",
    )
)


@dataclass(frozen=True, eq=False)
class Selection:
    """What a score is made from: the models of one type and the capability benchmarks that can be used."""

    table: ScoreTable
    """The models, all of one type."""
    names: tuple[str, ...]
    """The capability benchmarks."""
    left_out: tuple[str, ...]
    """Sentences on what was left out, and why."""

    @property
    def columns(self) -> Values:
        """Scores on the capability benchmarks: ``models x capabilities``."""
        return np.stack([self.table.column(name) for name in self.names], axis=1)

    @property
    def complete(self) -> Values:
        """Whether each model has all of them: only such models have a score."""
        return complete_rows(self.columns)


@dataclass(frozen=True, eq=False)
class Fit:
    """The score in each of several resamples."""

    score: Values
    """``models x draws``; NaN for a model with a gap in a capability benchmark."""
    loading: Values
    """Unit eigenvector: ``draws x capabilities``."""
    eigenvalues: Values
    """Largest first: ``draws x capabilities``."""
    matrix: Values
    """Correlations of the capability benchmarks: ``draws x capabilities x capabilities``."""

    @property
    def share(self) -> Values:
        """``lambda_max / sum(lambda)`` of each draw."""
        return np.asarray(self.eigenvalues[:, 0] / self.eigenvalues.sum(axis=1))

    @property
    def pairs(self) -> Values:
        """The correlations above the diagonal: ``draws x pairs``."""
        above = np.triu_indices(self.matrix.shape[1], 1)
        return np.asarray(self.matrix[:, above[0], above[1]])


def select(
    table: ScoreTable | str | Path,
    capabilities: Sequence[str] | None = None,
    model_type: str | None = None,
) -> Selection:
    """The models and the capability benchmarks that a score is made from.

    Errors:
        InputError MS16 (base and chat models are mixed), MS17 (fewer than two capability benchmarks can be
        used), MS18 (fewer than four models have all of them), MS24 (one is named twice). MissingError MS13
        (no such benchmark), MS16 (no model of that type).
    """
    whole = one_type(as_table(table), model_type)
    names, gone = usable(whole, capabilities)
    chosen = Selection(whole, names, (*gone, *not_scores(whole)))
    count = int(chosen.complete.sum())
    if count < FEWEST_MODELS:
        raise InputError(
            "MS18",
            f"{whole.source}: {count} of {len(whole.models)} models have all {len(names)} capability "
            f"benchmarks; a score needs {FEWEST_MODELS} models.",
            "Fill the gaps, or name capability benchmarks without gaps (capabilities=...).",
        )
    return chosen


def one_type(table: ScoreTable, model_type: str | None) -> ScoreTable:
    """The models of one type: chat and base models follow different lines and are never mixed."""
    types = sorted({word.casefold() for word in table.types if word})
    if model_type is not None:
        if model_type.casefold() not in types:
            known = f"Its types: {', '.join(types)}." if types else "It has no column 'type'."
            raise MissingError("MS16", f"{table.source} has no models of type {model_type!r}.", known)
        return table.rows(np.array([word.casefold() == model_type.casefold() for word in table.types]))
    if len(types) > 1:
        counts = ", ".join(f"{sum(w.casefold() == t for w in table.types)} {t}" for t in types)
        raise InputError(
            "MS16",
            f"{table.source} mixes types of models: {counts}.",
            f"Analyse them apart: model_type={types[0]!r}, then model_type={types[1]!r}; where the column "
            "says something else, leave it out (read_table with exclude).",
        )
    return table


def usable(table: ScoreTable, capabilities: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """The capability benchmarks that vary, and what was left out of those asked for."""
    asked = tuple(CAPABILITIES if capabilities is None else capabilities)
    twice = sorted({name for name in asked if asked.count(name) > 1})
    if twice:
        raise InputError("MS24", f"The capability benchmark {twice[0]!r} is named twice.", "Name it once.")
    for name in asked:
        if capabilities is not None and name not in table.empty:
            table.column(name)  # refuses a name that the table does not have
    present = [name for name in asked if name in table.benchmarks]
    names = [name for name in present if not is_constant(table.column(name))]
    if len(names) < 2:
        raise none_usable(table, asked, names)
    reasons = {
        "without scores": [name for name in asked if name not in present],
        "the same for all models": [name for name in present if name not in names],
    }
    return tuple(names), [
        left_out(f"Capability benchmarks {why}", gone) for why, gone in reasons.items() if gone
    ]


def not_scores(table: ScoreTable) -> list[str]:
    """Sentences on the columns that are no benchmarks."""
    reasons = {"Columns of words": table.text, "Columns without a score": table.empty}
    return [left_out(what, gone) for what, gone in reasons.items() if gone]


def left_out(what: str, names: Sequence[str]) -> str:
    """The sentence on what was left out."""
    return f"{what} are left out: {', '.join(names)}"


def is_constant(column: Values) -> bool:
    """Whether all scores that are known are equal."""
    known = column[~np.isnan(column)]
    return len(known) == 0 or bool(known.max() == known.min())


def none_usable(table: ScoreTable, asked: Sequence[str], names: Sequence[str]) -> InputError:
    """The error for a table without capability benchmarks."""
    others = [name for name in table.benchmarks if name not in asked]
    near = [hint for name in asked if name not in table.benchmarks and (hint := did_you_mean(name, others))]
    return InputError(
        "MS17",
        f"{table.source}: of the capability benchmarks {', '.join(asked)} it has "
        f"{', '.join(names) or 'none'} with scores that differ; a score needs two.",
        f"Name the table's own capability benchmarks (capabilities=...). {near[0] if near else ''}".strip(),
    )


def fit(columns: Values, weights: Values, config: SafetywashingConfig) -> Fit:
    """The score in each resample.

    ``z = (x - mean) / deviation`` with the population deviation over all rows that have the column;
    ``C`` the rank correlation matrix over the rows that have all columns; ``v`` its leading eigenvector, its
    entry of largest size positive; ``s = z . v``.

    Arguments:
        columns: ``rows x capabilities``, NaN for a gap.
        weights: ``rows x draws``, how often each row was drawn.
        config: the coefficient, and what the loadings come from.
    """
    known = ~np.isnan(columns)
    whole = complete_rows(columns)
    complete = weights * whole[:, None]
    z = np.stack(
        [z_scores(column, weights * k[:, None]) for column, k in zip(columns.T, known.T, strict=True)]
    )
    unit = np.stack(
        [
            standardised(scaled(np.nan_to_num(column), complete, config.method), complete)
            for column in columns.T
        ]
    )
    matrix = gram(unit, complete)
    eigenvalues, vectors = spectrum(matrix)
    loading = vectors[:, :, 0]
    if config.loadings == "svd":
        loading = spectrum(gram(z, complete))[1][:, :, 0]
    loading = towards_positive(loading)
    # rounded, so that models with the same scores tie exactly, whatever order their products are summed in
    score = np.round(np.einsum("kid,dk->id", z, loading), ROUNDED)
    score[~whole] = np.nan
    return Fit(score, loading, eigenvalues, matrix)


def z_scores(column: Values, weights: Values) -> Values:
    """``(x - mean) / deviation`` under weights, population deviation; 0 where a row has no weight."""
    return np.asarray(standardised(np.nan_to_num(column), weights) * np.sqrt(weights.sum(axis=0)))


def gram(unit: Values, weights: Values) -> Values:
    """``sum_i w_i a_i b_i`` of every pair of columns: ``draws x columns x columns``."""
    return np.asarray(np.einsum("kid,lid->dkl", unit * weights, unit, optimize=True))


def spectrum(matrix: Values) -> tuple[Values, Values]:
    """Eigenvalues, largest first, and eigenvectors in columns; NaN where a column was constant."""
    sound = np.isfinite(matrix).all(axis=(1, 2))
    values = np.full(matrix.shape[:2], np.nan)
    vectors = np.full(matrix.shape, np.nan)
    ascending, columns = np.linalg.eigh(matrix[sound])
    values[sound], vectors[sound] = ascending[:, ::-1], columns[:, :, ::-1]
    return values, vectors


def towards_positive(loading: Values) -> Values:
    """The vectors with the sign that makes their entry of largest size positive."""
    largest = np.take_along_axis(loading, np.abs(loading).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -loading, loading)


def capability_score(
    table: ScoreTable | str | Path,
    *,
    capabilities: Sequence[str] | None = None,
    model_type: str | None = None,
    config: SafetywashingConfig | None = None,
) -> Finding:
    """The capabilities score of every model: ``s_m = z_m . v``.

    ``v`` is the unit eigenvector of the largest eigenvalue of the Spearman matrix of the capability
    benchmarks, ``z_m`` the model's z-scores on them (population deviation). Models with a gap in one of them
    get no score.

    Arguments:
        table: a table, or the path of a CSV file (see ``read_table``).
        capabilities: names of the capability benchmarks; default the paper's twelve, as far as the table has
            them.
        model_type: ``base`` or ``chat`` where the table holds both.
        config: coefficient and source of the loadings.

    Returns:
        Finding with arrays ``score`` over ``model`` (most able first) and ``loading`` over ``benchmark``, and
        measures ``pc1_share``, ``mean_capability_correlation``, ``capability_correlation_deviation``,
        ``capabilities`` and ``eigenvalue_ratio`` (second over first: near 1 the score is not unique).

    Errors:
        InputError MS16 (types mixed), MS17 (no capability benchmarks), MS18 (too few models).

    Example:
        >>> from pellucid.metascience.table import base_models
        >>> found = capability_score(base_models())
        >>> round(found.measures["pc1_share"].value, 4), found.arrays["score"].coords["model"][0]
        (0.7826, 'Meta-Llama-3-70B')

    Source: Ren et al. 2024, section 3.
    """
    chosen = select(table, capabilities, model_type)
    settings = config or SafetywashingConfig()
    record = start(
        capability_score,
        given={"table": chosen.table.source, "capabilities": capabilities, "model_type": model_type},
        parameters={**parameters(chosen), "method": settings.method, "loadings": settings.loadings},
        data=chosen.table.data,
        dtype="float64",
        command=f"pellucid metascience safetywashing {chosen.table.source}",
    )
    whole = fit(chosen.columns, np.ones((len(chosen.table.models), 1)), settings)
    return record.finding(
        KIND,
        measures=score_measures(chosen, whole),
        arrays={
            **score_arrays(chosen, whole),
            **warning_array([*chosen.left_out, *uniqueness(whole)]),
        },
    )


def parameters(chosen: Selection) -> dict[str, object]:
    """What a score was made from, for the provenance."""
    types = sorted({word for word in chosen.table.types if word})
    return {"capabilities": list(chosen.names), "types": types}


def score_measures(chosen: Selection, whole: Fit) -> list[Measure]:
    """The share of the first component and how the capability benchmarks correlate."""
    count = int(chosen.complete.sum())
    pairs = whole.pairs[0]
    return [
        Measure.of("pc1_share", float(whole.share[0]), n=count),
        Measure.of("mean_capability_correlation", float(pairs.mean()), n=count),
        Measure.of("capability_correlation_deviation", float(pairs.std()), n=len(pairs)),
        Measure.of("capabilities", float(len(chosen.names))),
        Measure.of("eigenvalue_ratio", float(whole.eigenvalues[0, 1] / whole.eigenvalues[0, 0])),
    ]


def score_arrays(chosen: Selection, whole: Fit) -> dict[str, Array]:
    """Scores, the most able model first, and loadings."""
    score = whole.score[:, 0]
    order = np.argsort(-score, kind="stable")[: int(chosen.complete.sum())]
    models = [chosen.table.models[row] for row in order]
    return {
        "score": Array(score[order], ("model",), {"model": models}),
        "loading": Array(whole.loading[0], ("benchmark",), {"benchmark": list(chosen.names)}),
    }


def uniqueness(whole: Fit) -> list[str]:
    """A sentence when the two largest eigenvalues are equal."""
    first, second = whole.eigenvalues[0, :2]
    if first - second > SAME * first:
        return []
    return ["The two largest eigenvalues are equal: the score is not unique"]


def warning_array(sentences: Sequence[str]) -> dict[str, Array]:
    """The sentences as coordinates of an array, which any surface can show; nothing without any."""
    if not sentences:
        return {}
    return {"warnings": Array(np.ones(len(sentences)), ("warning",), {"warning": list(sentences)})}
