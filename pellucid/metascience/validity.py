"""Validity: whether an evaluation measures the trait that it is named after, and no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.resampling import defined, resampled
from pellucid.metascience.response_checks import Missing, complete, enough, varied
from pellucid.metascience.responses import Responses, Source, Values, responses

HTMT_BOUND: Final = 0.85

MATRIX = register(
    Kind(
        name="metascience.multitrait_multimethod",
        title="Whether measures of one trait agree, and measures of others do not",
        statement="Measures of one trait by several methods correlate {convergent.value} on average; "
        "{violations.value} of {violations.n} comparisons with other traits are violated; the largest "
        "heterotrait-monotrait ratio is {htmt.interval}",
        supports="violations.value < 1 and htmt.high < 0.85",
        refutes="htmt.low >= 0.85 or convergent.high <= 0",
        views=(
            View(form="heatmap", array="correlations", title="Trait by method", x="measure", y="measure"),
            View(form="heatmap", array="htmt", title="Heterotrait-monotrait ratios", x="trait", y="trait"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)
CRITERION = register(
    Kind(
        name="metascience.criterion",
        title="How well a score tells a known truth",
        statement="Against the known truth of {correlation.n} respondents the score has the correlation "
        "{correlation.interval} and the area under the curve {auc.value}",
        supports="correlation.low > 0",
        refutes="correlation.high <= 0",
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)
INCREMENT = register(
    Kind(
        name="metascience.incremental",
        title="What a score tells beyond another",
        statement="The score adds {gain.interval} to the explained variance {base.value} (p = {p.value})",
        supports="p.value < 0.05 and gain.low > 0",
        refutes="gain.high < 0.02",
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class ValidityConfig:
    """How validity is measured."""

    resamples: int = 1000
    """Bootstrap draws over respondents."""
    confidence: float = 0.95
    """Level of the intervals."""
    missing: Missing = "refuse"
    """What to leave out where there are gaps."""
    seed: int = 0
    """Seed of the draws."""


class Discriminant(NamedTuple):
    """How often a correlation within a trait fails to exceed those with other traits."""

    across: int
    """Of comparisons with other traits by the other method, in its row and column."""
    across_of: int
    """Such comparisons."""
    within: int
    """Of comparisons with other traits by the same method."""
    within_of: int
    """Such comparisons."""


def multitrait_multimethod(
    table: Source,
    traits: Sequence[str] | Mapping[str, str],
    methods: Sequence[str] | Mapping[str, str],
    config: ValidityConfig = ValidityConfig(),
) -> Finding:
    """Judge convergent and discriminant validity of measures, each of one trait by one method.

    Convergent: correlations of one trait over methods. Discriminant: each of them must exceed the
    correlations with other traits in its row and column (``violations``); with other traits by the same
    method (``method_violations``); and the heterotrait-monotrait ratio, mean correlation between two traits
    over the geometric mean of those within, must stay under 0.85.

    Arguments:
        table: respondents x measures.
        traits: the trait of each measure, in their order or by name.
        methods: the method of each measure, in their order or by name.
        config: bootstrap, gaps.

    Errors:
        InputErrors MS40 to MS48 for a table that cannot be used, MS68 (labels that do not fit), MS69 (no
        trait that two methods measure, or one trait alone).

    Example:
        >>> random = np.random.default_rng(0)
        >>> traits = np.repeat(random.normal(size=(200, 2)), 2, axis=1)
        >>> table = traits + 0.5 * random.normal(size=(200, 4))
        >>> multitrait_multimethod(table, list("ttuu"), list("mnmn")).measures["violations"].value
        0.0

    Source: Campbell and Fiske (1959); Henseler, Ringle and Sarstedt (2015).
    """
    kept = enough(varied(complete(responses(table), config.missing)), 4, 4)
    trait, method = labels_of(kept, traits, "trait"), labels_of(kept, methods, "method")
    refuse_design(trait, method)
    record = start(
        multitrait_multimethod,
        parameters={"config": config, "traits": trait.tolist(), "methods": method.tolist()},
        data=kept.data,
        seed=config.seed,
    )
    measures = matrix_measures(kept.scores, trait, method, config)
    return record.finding(MATRIX, measures=measures, arrays=matrix_arrays(kept, trait))


def labels_of(table: Responses, given: Sequence[str] | Mapping[str, str], what: str) -> Values:
    """One label a measure; InputError MS68 when they do not fit."""
    if isinstance(given, Mapping):
        lacking = next((name for name in table.items if name not in given), None)
        labels = [given.get(name, "") for name in table.items]
    else:
        lacking = (
            f"{len(given)} labels for {len(table.items)} measures" if len(given) != len(table.items) else None
        )
        labels = list(given)
    if lacking is not None:
        raise InputError(
            "MS68", f"The {what}s do not fit the measures: {lacking!r}.", f"Give each measure its {what}."
        )
    return np.array([str(label) for label in labels])


def refuse_design(trait: Values, method: Values) -> None:
    """InputError MS69 unless there are two traits, one of them measured by two methods."""
    if len(set(trait)) < 2 or not pairs_of(trait, method, same_trait=True, same_method=False):
        raise InputError(
            "MS69",
            f"There are {len(set(trait))} traits and {len(set(method))} methods, and no trait that two "
            "methods measure beside another trait.",
            "Give two traits or more, each measured by two methods or more.",
        )


def matrix_measures(scores: Values, trait: Values, method: Values, config: ValidityConfig) -> list[Measure]:
    """Convergent and discriminant validity, with intervals where they are estimates."""
    r = np.corrcoef(scores, rowvar=False)

    def convergent(rows: Values) -> float:
        """Mean correlation of one trait over methods."""
        return mean_over(np.corrcoef(rows, rowvar=False), trait, method, same_trait=True, same_method=False)

    def ratio(rows: Values) -> float:
        """Largest heterotrait-monotrait ratio."""
        found = heterotrait_monotrait(np.corrcoef(rows, rowvar=False), trait)
        return float(np.nanmax(found)) if np.isfinite(found).any() else float("nan")

    counts = discriminant(r, trait, method)
    close, apart = interval(convergent, scores, config), interval(ratio, scores, config)
    same = mean_over(r, trait, method, same_trait=False, same_method=True)
    other = mean_over(r, trait, method, same_trait=False, same_method=False)
    return [
        Measure.of("convergent", close, better="higher"),
        Measure.of("violations", float(counts.across), n=counts.across_of, better="lower"),
        Measure.of("method_violations", float(counts.within), n=counts.within_of, better="lower"),
        Measure.of("htmt", apart, better="lower"),
        Measure.of("method_effect", defined(same - other), better="lower"),
        Measure.of("traits", float(len(set(trait)))),
        Measure.of("methods", float(len(set(method)))),
    ]


def matrix_arrays(table: Responses, trait: Values) -> dict[str, Array]:
    """The correlations of all measures, and the ratio of each pair of traits."""
    r = np.corrcoef(table.scores, rowvar=False)
    names, traits = list(table.items), sorted(set(trait.tolist()))
    return {
        "correlations": Array(r, ("measure", "measure_2"), {"measure": names, "measure_2": names}),
        "htmt": Array(
            heterotrait_monotrait(r, trait), ("trait", "trait_2"), {"trait": traits, "trait_2": traits}
        ),
    }


def interval(statistic: Callable[[Values], float], rows: Values, config: ValidityConfig) -> Interval | None:
    """A statistic of respondents with its bootstrap interval; None where it is undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return resampled(
            statistic, rows, resamples=config.resamples, seed=config.seed, level=config.confidence
        )


def pairs_of(trait: Values, method: Values, *, same_trait: bool, same_method: bool) -> list[tuple[int, int]]:
    """Pairs of measures that share, or do not share, their trait and their method."""
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(trait)), 2)
        if (trait[i] == trait[j]) == same_trait and (method[i] == method[j]) == same_method
    ]


def mean_over(r: Values, trait: Values, method: Values, *, same_trait: bool, same_method: bool) -> float:
    """Mean correlation of such pairs; NaN without any."""
    found = [r[i, j] for i, j in pairs_of(trait, method, same_trait=same_trait, same_method=same_method)]
    return float(np.mean(found)) if found else float("nan")


def discriminant(r: Values, trait: Values, method: Values) -> Discriminant:
    """Campbell and Fiske's second and third criterion, counted over all correlations within a trait."""
    across, within = [], []
    for i, j in pairs_of(trait, method, same_trait=True, same_method=False):
        for one, other in ((i, j), (j, i)):
            strange = trait != trait[one]
            across += (r[one, strange & (method == method[other])] >= r[i, j]).tolist()
            within += (r[one, strange & (method == method[one])] >= r[i, j]).tolist()
    return Discriminant(sum(across), len(across), sum(within), len(within))


def heterotrait_monotrait(r: Values, trait: Sequence[str] | Values) -> Values:
    """Ratios of every two traits, in the order of their names; NaN on the diagonal and for traits measured
    once.

    ``mean |r_ij| between the traits / sqrt(mean |r| within one * mean |r| within the other)``.

    Example:
        >>> r = np.array([[1, 0.8, 0.4, 0.4], [0.8, 1, 0.4, 0.4], [0.4, 0.4, 1, 0.8], [0.4, 0.4, 0.8, 1]])
        >>> round(float(heterotrait_monotrait(r, list("aabb"))[0, 1]), 12)
        0.5
    """
    labels = np.asarray(trait)
    names = sorted(set(labels.tolist()))
    sizes = np.abs(r)
    groups = [np.flatnonzero(labels == name) for name in names]
    within = [
        sizes[np.ix_(g, g)][np.triu_indices(len(g), 1)].mean() if len(g) > 1 else np.nan for g in groups
    ]
    found = np.full((len(names), len(names)), np.nan)
    for i, j in itertools.combinations(range(len(names)), 2):
        between = float(sizes[np.ix_(groups[i], groups[j])].mean())
        found[i, j] = found[j, i] = between / np.sqrt(within[i] * within[j])
    return found


def criterion_validity(
    scores: Sequence[float] | Values,
    truth: Sequence[float] | Values,
    config: ValidityConfig = ValidityConfig(),
) -> Finding:
    """Measure how well a score tells what is known to be true of each respondent, as of an organism.

    Arguments:
        scores: one a respondent.
        truth: one a respondent: 0 and 1, or a number.
        config: bootstrap.

    Returns:
        A Finding ``metascience.criterion`` with Pearson's correlation, and the area under the curve where
        the truth is 0 or 1.

    Errors:
        InputError MS70: numbers that do not pair up, fewer than four, gaps, or no variation.

    Example:
        >>> criterion_validity([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]).measures["auc"].value
        1.0
    """
    x, y = paired(scores, truth)
    record = start(criterion_validity, parameters=config, data=as_table(x, y).data, seed=config.seed)
    pairs = np.stack([x, y], axis=1)
    binary = bool(np.isin(y, (0, 1)).all())
    r = interval(lambda rows: correlation(rows[:, 0], rows[:, 1]), pairs, config)
    area = interval(lambda rows: auc(rows[:, 0], rows[:, 1]), pairs, config) if binary else None
    return record.finding(
        CRITERION,
        measures=[Measure.of("correlation", r, better="higher"), Measure.of("auc", area, better="higher")],
    )


def as_table(*columns: Values) -> Responses:
    """Columns of numbers as a table, for the record."""
    count = len(columns[0])
    people = tuple(str(at + 1) for at in range(count))
    return Responses(
        np.stack(columns, axis=1), people, tuple(str(at) for at in range(len(columns))), "scores"
    )


def paired(*columns: Sequence[float] | Values) -> tuple[Values, ...]:
    """The columns as numbers; InputError MS70 when they do not pair up or do not vary."""
    found = tuple(np.asarray(column, dtype=float) for column in columns)
    sizes = [len(column) for column in found]
    if len(set(sizes)) > 1 or sizes[0] < 4 or not all(np.isfinite(column).all() for column in found):
        raise InputError(
            "MS70",
            f"Columns of {' and '.join(map(str, sizes))} numbers were given.",
            "Give one number for each respondent in each column, four respondents or more, without gaps.",
        )
    if any(np.ptp(column) == 0 for column in found):
        raise InputError("MS70", "A column has the same number throughout.", "Give respondents that differ.")
    return found


def correlation(x: Values, y: Values) -> float:
    """Pearson's correlation; NaN where one does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def auc(scores: Sequence[float] | Values, truth: Sequence[float] | Values) -> float:
    """Chance that a true case scores above a false one, ties counting half; NaN without one of either.

    Example:
        >>> auc([1, 2, 3], [0, 1, 0])
        0.5
    """
    from scipy.stats import rankdata

    positive = np.asarray(truth, dtype=float) > 0
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


def incremental_validity(
    score: Sequence[float] | Values,
    base: Sequence[float] | Values,
    outcome: Sequence[float] | Values,
    config: ValidityConfig = ValidityConfig(),
) -> Finding:
    """Measure what a score tells of an outcome beyond another score, such as general capability.

    ``gain = R^2(base, score) - R^2(base)``, tested by ``F = gain (n - 3) / (1 - R^2(base, score))``.

    Errors:
        InputError MS70: columns that do not pair up.

    Example:
        >>> random = np.random.default_rng(0)
        >>> base, score = random.normal(size=(2, 100))
        >>> incremental_validity(score, base, base + score).status
        'supports'
    """
    from scipy.stats import f

    x, b, y = paired(score, base, outcome)
    columns = np.stack([x, b, y], axis=1)
    record = start(incremental_validity, parameters=config, data=as_table(x, b, y).data, seed=config.seed)
    gain = interval(gain_of, columns, config)
    small, large = explained(columns[:, 1:2], y), explained(columns[:, :2], y)
    statistic = (large - small) * (len(y) - 3) / (1 - large) if large < 1 else float("inf")
    return record.finding(
        INCREMENT,
        measures=[
            Measure.of("gain", gain, better="higher"),
            Measure.of("base", small),
            Measure.of("total", large),
            Measure.of("p", float(f.sf(statistic, 1, len(y) - 3)), better="lower"),
        ],
    )


def gain_of(columns: Values) -> float:
    """Explained variance of the last column by the first two, less that by the second alone."""
    if np.ptp(columns[:, 2]) == 0:
        return float("nan")
    return explained(columns[:, :2], columns[:, 2]) - explained(columns[:, 1:2], columns[:, 2])


def explained(predictors: Values, outcome: Values) -> float:
    """R squared of a linear fit with intercept."""
    design = np.column_stack([np.ones(len(outcome)), predictors])
    fitted = design @ np.linalg.lstsq(design, outcome, rcond=None)[0]
    centred = outcome - outcome.mean()
    return 1.0 - float(((outcome - fitted) ** 2).sum() / (centred**2).sum())
