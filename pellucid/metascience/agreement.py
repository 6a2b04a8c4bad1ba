"""How far raters agree beyond chance: kappa, weighted kappa, Fleiss' kappa, Krippendorff's alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.metascience.resampling import defined, percentile, resampled, weights_of
from pellucid.metascience.response_checks import enough
from pellucid.metascience.responses import Responses, Source, Values, responses

Weights = Literal["linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: Final = ("nominal", "ordinal", "interval", "ratio")
PARADOX_AGREEMENT: Final = 0.8
PARADOX_KAPPA: Final = 0.4
MOST_CATEGORIES: Final = 50
MOST_RATERS: Final = 300
"""Beyond which the matrix of all pairs is not kept."""

KIND = register(
    Kind(
        name="metascience.agreement",
        title="How far the raters agree beyond chance",
        statement="Krippendorff's alpha of {raters.value} raters is {alpha.interval}; they agree in "
        "{agreement.percent} of pairs, mean kappa is {kappa.value}, the prevalence index {prevalence.value} "
        "and the bias index {bias.value}",
        supports="alpha.low >= 0.667",
        refutes="alpha.high < 0.667",
        views=(
            View(form="heatmap", array="pairwise_kappa", title="Kappa of each pair", x="rater", y="rater"),
            View(form="bar", array="unit_agreement", title="Share of agreeing pairs", x="unit", y="share"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class AgreementConfig:
    """How agreement is measured."""

    level: Level = "nominal"
    """Scale of the values: nominal, ordinal, interval or ratio."""
    weights: Weights | None = None
    """Of kappa: none, linear or quadratic in the distance of categories."""
    resamples: int = 1000
    """Bootstrap draws over units."""
    confidence: float = 0.95
    """Level of the interval."""
    seed: int = 0
    """Seed of the draws."""


def agreement(ratings: Source, config: AgreementConfig = AgreementConfig()) -> Finding:
    """Measure the agreement of raters on units; gaps are welcome.

    ``alpha = 1 - D_o / D_e``, kappa of every pair ``(p_o - p_e) / (1 - p_e)``, and beside them what makes
    kappa low though raters agree: skewed margins (prevalence index) and raters of other habits (bias index).

    Arguments:
        ratings: raters x units, as an array, table or logs (respondents are raters, items are units).
        config: scale of the values, weights of kappa, bootstrap.

    Returns:
        A Finding ``metascience.agreement``; ``paradox`` is 1 when raters agree in at least 80 % of pairs and
        mean kappa is below 0.4.

    Errors:
        InputErrors MS40 to MS46 for a table that cannot be used, MS52 (no such level), MS53 (no unit that two
        raters judged), MS54 (a ratio scale with negative values).

    Example:
        >>> agreement([[1, 0, 1, 1], [1, 0, 0, 1]]).measures["agreement"].value
        0.75

    Source: Cohen (1960, 1968); Fleiss (1971); Krippendorff (2011); Byrt, Bishop and Carlin (1993).
    """
    table = enough(responses(ratings), 2, 1)
    known_level(config.level)
    record = start(agreement, parameters=parameters_of(config, table), data=table.data, seed=config.seed)
    kappas = pairwise_kappa(table.scores, config.weights)
    return record.finding(KIND, measures=measures_of(table, kappas, config), arrays=arrays_of(table, kappas))


def parameters_of(config: AgreementConfig, table: Responses) -> dict[str, Any]:
    """The settings, and what the rows of a file were."""
    return asdict(config) | ({"rows": table.rows} if table.rows else {})


def measures_of(table: Responses, kappas: Values, config: AgreementConfig) -> list[Measure]:
    """Alpha with its interval, agreement, kappa and the indices that explain a low kappa."""
    scores = table.scores
    kappa = mean_of(kappas[np.triu_indices(len(scores), 1)])
    observed = percent_agreement(scores)
    counts, _ = value_counts(scores)
    paradox = kappa is not None and observed >= PARADOX_AGREEMENT and kappa < PARADOX_KAPPA
    whole = ~np.isnan(scores).any(axis=0)
    return [
        Measure.of("alpha", alpha_interval(scores, config), better="higher"),
        Measure.of("agreement", observed, n=int((counts.sum(1) >= 2).sum()), better="higher"),
        Measure.of("kappa", kappa, better="higher"),
        Measure.of("fleiss_kappa", defined(fleiss_kappa(counts[whole])) if whole.any() else None),
        Measure.of("prevalence", prevalence_index(scores)),
        Measure.of("bias", bias_index(scores)),
        Measure.of("paradox", float(paradox), better="lower"),
        Measure.of("raters", float(len(scores))),
    ]


def arrays_of(table: Responses, kappas: Values) -> dict[str, Array]:
    """Kappa of each pair of raters, and the agreement on each unit."""
    names, units = list(table.respondents), list(table.items)
    arrays = {"unit_agreement": Array(unit_agreement(table.scores), ("unit",), {"unit": units})}
    if len(names) <= MOST_RATERS:
        arrays["pairwise_kappa"] = Array(kappas, ("rater", "rater_2"), {"rater": names, "rater_2": names})
    return arrays


def cohen_kappa(
    a: Sequence[Any] | Values, b: Sequence[Any] | Values | None = None, weights: Weights | None = None
) -> float:
    """Cohen's kappa of two raters, ``(p_o - p_e) / (1 - p_e)``; NaN when chance alone makes them agree.

    Arguments:
        a, b: one label a unit, numbers or words; units that either left out (NaN, None) do not count. Without
            b, a is the contingency table: how often rater a said the row's category and b the column's.
        weights: None, ``linear`` or ``quadratic`` in the rank distance of the sorted categories.

    Errors:
        InputErrors MS52 (no such weights), MS53 (no unit in common), MS55 (unequal numbers of units, or no
        square table of counts).

    Example:
        >>> a, b = [1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
        >>> round(cohen_kappa(a, b), 12)
        0.4
        >>> round(cohen_kappa([[20, 5], [10, 15]]), 12)
        0.4
    """
    return kappa_of_table(contingency(a, b), weights)


def contingency(a: Sequence[Any] | Values, b: Sequence[Any] | Values | None) -> Values:
    """The table of two raters' counts, of their labels or, without b, as given.

    Errors:
        InputError MS55: unequal numbers of units, or no square table of counts.
    """
    if b is None:
        return square_counts(a)
    if len(a) != len(b):
        raise InputError(
            "MS55", f"Two raters judged {len(a)} and {len(b)} units.", "Give one label for each unit."
        )
    return confusion(a, b)


def square_counts(table: Sequence[Any] | Values) -> Values:
    """A table of counts as numbers; InputError MS55 when it is not square, negative, not finite or empty."""
    try:
        counts = np.asarray(table, dtype=float)
    except (TypeError, ValueError):
        counts = np.empty(0)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1]
    if not square or not np.isfinite(counts).all() or (counts < 0).any() or counts.sum() <= 0:
        raise InputError(
            "MS55",
            f"What was given without a second rater, of shape {np.shape(counts)}, is no contingency table.",
            "Give the labels of two raters, or one square table: how often the one said the row's category "
            "and the other the column's.",
        )
    return counts


def confusion(a: Sequence[Any] | Values, b: Sequence[Any] | Values) -> Values:
    """How often rater a said the row's category and rater b the column's."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if not (is_gap(x) or is_gap(y))]
    if not pairs:
        raise InputError("MS53", "The raters judged no unit together.", "Give units that both have judged.")
    _, codes = np.unique(np.array(pairs).ravel(), return_inverse=True)
    size = int(codes.max()) + 1
    cells = codes.reshape(-1, 2) @ np.array([size, 1])
    return np.bincount(cells, minlength=size * size).reshape(size, size).astype(float)


def is_gap(value: Any) -> bool:
    """Whether a label is missing: None, or NaN, which alone differs from itself."""
    return value is None or bool(value != value)


def kappa_of_table(table: Values, weights: Weights | None = None) -> float:
    """Weighted kappa ``1 - sum w O / sum w E`` of a table of two raters' counts."""
    shares = np.asarray(table, dtype=float) / np.sum(table)
    expected = np.outer(shares.sum(1), shares.sum(0))
    w = disagreement_weights(len(shares), weights)
    chance = float((w * expected).sum())
    return 1.0 - float((w * shares).sum()) / chance if chance > 0 else float("nan")


def disagreement_weights(size: int, weights: Weights | None) -> Values:
    """How grave each disagreement is: 1, or the distance of ranks, or its square."""
    if weights not in (None, "linear", "quadratic"):
        raise InputError("MS52", f"No weights {weights!r}.", "Use linear, quadratic, or none.")
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    if weights is None:
        return (distance > 0).astype(float)
    return distance if weights == "linear" else distance**2


def fleiss_kappa(counts: Sequence[Any] | Values) -> float:
    """Fleiss' kappa of a table units x categories, each row the ratings of one unit.

    ``P_i = (sum_j n_ij^2 - n) / (n (n - 1))``, ``P_e = sum_j p_j^2``, ``(mean P_i - P_e) / (1 - P_e)``.

    Errors:
        InputError MS56: units with unequal numbers of ratings, or fewer than two of them.

    Example:
        >>> round(fleiss_kappa([[2, 0], [0, 2], [2, 0]]), 12)
        1.0
    """
    table = np.asarray(counts, dtype=float)
    sizes = table.sum(axis=1) if table.ndim == 2 else np.zeros(0)
    if len(sizes) == 0 or (sizes != sizes[0]).any() or sizes[0] < 2:
        raise InputError(
            "MS56",
            "Fleiss' kappa needs a table of counts with as many ratings, two or more, for each unit.",
            "Leave out units that some raters skipped, or use Krippendorff's alpha, which allows gaps.",
        )
    n = sizes[0]
    agreed = ((table**2).sum(1) - n) / (n * (n - 1))
    chance = float(((table.sum(0) / table.sum()) ** 2).sum())
    return (float(agreed.mean()) - chance) / (1 - chance) if chance < 1 else float("nan")


def scott_pi(a: Sequence[Any] | Values, b: Sequence[Any] | Values | None = None) -> float:
    """Scott's pi of two raters: chance from the pooled margins, ``p_e = sum ((p_k + q_k) / 2)^2``.

    The arguments are those of ``cohen_kappa``: without b, a is the contingency table.
    """
    shares = contingency(a, b)
    shares = shares / shares.sum()
    chance = float((((shares.sum(0) + shares.sum(1)) / 2) ** 2).sum())
    return (float(np.trace(shares)) - chance) / (1 - chance) if chance < 1 else float("nan")


def krippendorff_alpha(ratings: Sequence[Any] | Values, level: Level = "nominal") -> float:
    """Krippendorff's alpha ``1 - D_o / D_e`` of raters x units with gaps; NaN when all values are equal.

    Every unit with m >= 2 values adds ``1 / (m - 1)`` for each ordered pair to the coincidences ``o_ck``;
    ``D_o = sum o_ck d_ck^2 / n``, ``D_e = sum n_c n_k d_ck^2 / (n (n - 1))``.

    Arguments:
        ratings: raters x units; NaN or None is a gap; words are allowed at the nominal level.
        level: nominal, ordinal, interval or ratio.

    Example:
        >>> nan = float("nan")
        >>> krippendorff_alpha([[1, 2, nan, 3], [1, 2, 3, 3]], "interval")
        1.0
    """
    known_level(level)
    counts, values = value_counts(numeric(ratings, level))
    return float(alpha_of(counts, values, level, np.ones((1, len(counts))))[0])


def numeric(ratings: Sequence[Any] | Values, level: Level) -> Values:
    """Ratings as numbers; words become codes, which only the nominal level can read."""
    array = np.array(ratings)
    if array.dtype.kind in "biuf":
        return np.atleast_2d(array).astype(float)
    rows = np.atleast_2d(np.array(ratings, dtype=object))
    gaps = np.array([[is_gap(value) for value in row] for row in rows])
    if level == "nominal":
        codes = np.full(rows.shape, np.nan)
        codes[~gaps] = np.unique(rows[~gaps].astype(str), return_inverse=True)[1]
        return codes
    try:
        return np.where(gaps, np.nan, rows).astype(float)
    except (TypeError, ValueError):
        raise InputError(
            "MS52", f"The {level} level needs numbers; words were given.", "Use the nominal level for words."
        ) from None


def value_counts(scores: Values) -> tuple[Values, Values]:
    """Units x values: how many raters gave each value; and the sorted values."""
    there = ~np.isnan(scores)
    values, codes = np.unique(scores[there], return_inverse=True)
    units = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)[there]
    cells = units * len(values) + codes
    size = scores.shape[1] * len(values)
    return np.bincount(cells, minlength=size).reshape(scores.shape[1], len(values)).astype(float), values


def alpha_of(counts: Values, values: Values, level: Level, weights: Values) -> Values:
    """Alpha of each weighting of the units (draws x units); NaN where no disagreement is possible.

    The coincidence matrix is never formed: at the interval level both sums are moments, and ordinal distances
    are interval distances of the mid-ranks.
    """
    pairable = counts.sum(1) >= 2
    if not pairable.any():
        raise InputError("MS53", "No unit was judged by two raters.", "Give units that several have judged.")
    counts, weights = counts[pairable], weights[:, pairable]
    if level == "ratio" and values.min() < 0:
        raise InputError("MS54", "A ratio scale has no negative values.", "Use the interval level.")
    margins = weights @ counts
    n = margins.sum(1)
    observed, expected = disagreements(counts, values, level, weights, margins)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan)


def disagreements(
    counts: Values, values: Values, level: Level, weights: Values, margins: Values
) -> tuple[Values, Values]:
    """``sum o_ck d_ck^2`` and ``sum n_c n_k d_ck^2`` of each weighting."""
    per_unit = weights / (counts.sum(1) - 1)
    if level == "nominal":
        within = counts.sum(1) ** 2 - (counts**2).sum(1)
        return per_unit @ within, margins.sum(1) ** 2 - (margins**2).sum(1)
    if level == "ratio":
        total = np.add.outer(values, values)
        squares = (np.subtract.outer(values, values) / np.where(total > 0, total, 1.0)) ** 2
        within = ((counts @ squares) * counts).sum(1)
        return per_unit @ within, ((margins @ squares) * margins).sum(1)
    # centred, so that large values lose no digits
    places = values[None] - values.mean() if level == "interval" else np.cumsum(margins, axis=1) - margins / 2
    first, second = places @ counts.T, places**2 @ counts.T
    within = 2 * (counts.sum(1) * second - first**2)
    chance = 2 * (margins.sum(1) * (margins * places**2).sum(1) - (margins * places).sum(1) ** 2)
    return (per_unit * within).sum(1), chance


def alpha_interval(scores: Values, config: AgreementConfig) -> Any:
    """Alpha with its bootstrap interval over units; None when it is undefined."""
    counts, values = value_counts(scores)
    weights = weights_of(len(counts), config.resamples, config.seed)
    value = alpha_of(counts, values, config.level, np.ones((1, len(counts))))[0]
    draws = alpha_of(counts, values, config.level, weights)
    return percentile(value, draws, int((counts.sum(1) >= 2).sum()), config.confidence)


def kappa_interval(
    a: Sequence[Any] | Values,
    b: Sequence[Any] | Values,
    config: AgreementConfig = AgreementConfig(),
) -> Any:
    """Kappa of two raters with its bootstrap interval over units; None when it is undefined."""
    pairs = np.array([a, b]).T

    def kappa(rows: Values) -> float:
        """Kappa of some units."""
        return cohen_kappa(rows[:, 0], rows[:, 1], config.weights)

    return resampled(kappa, pairs, resamples=config.resamples, seed=config.seed, level=config.confidence)


def pairwise_kappa(scores: Values, weights: Weights | None = None) -> Values:
    """Kappa of every pair of raters over the units that both judged, with the categories of all raters.

    NaN where a pair shares no unit or chance alone makes it agree, and everywhere when there are more than 50
    values, which are no categories; 1 with oneself.
    """
    there = ~np.isnan(scores)
    values = np.unique(scores[there])
    if len(values) > MOST_CATEGORIES:
        return np.full((len(scores), len(scores)), np.nan)
    said = (scores[:, :, None] == values).astype(float)
    w = disagreement_weights(len(values), weights)
    observed = np.tensordot(said @ w, said, axes=([1, 2], [1, 2]))
    margins = np.einsum("iuc,ju->ijc", said, there.astype(float))
    shared = there.astype(float) @ there.T
    chance = ((margins @ w) * margins.transpose(1, 0, 2)).sum(2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(chance > 0, 1 - shared * observed / chance, np.nan)
    np.fill_diagonal(found, 1.0)
    return found


def unit_agreement(scores: Values) -> Values:
    """Share of pairs of raters that agree on each unit; NaN where fewer than two judged it."""
    counts, _ = value_counts(scores)
    m = counts.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(m >= 2, ((counts**2).sum(1) - m) / (m * (m - 1)), np.nan))


def percent_agreement(
    scores: Sequence[Any] | Values | None = None, *, table: Sequence[Any] | Values | None = None
) -> float:
    """Share of agreeing pairs, over all pairs of ratings of the same unit.

    Arguments:
        scores: raters x units.
        table: instead of them, two raters' contingency table, as ``cohen_kappa`` takes it.

    Errors:
        InputErrors MS53 (no unit that two judged), MS55 (no square table of counts; both given).

    Example:
        >>> percent_agreement(table=[[20, 5], [10, 15]])
        0.7
    """
    if (scores is None) == (table is None):
        raise InputError(
            "MS55", "Either ratings or a contingency table is needed.", "Give raters x units, or table=."
        )
    if table is not None:
        square = square_counts(table)
        return float(np.trace(square) / square.sum())
    counts, _ = value_counts(np.asarray(scores, dtype=float))
    m = counts.sum(1)
    pairs = float((m * (m - 1)).sum())
    if not pairs:
        raise InputError("MS53", "No unit was judged by two raters.", "Give units that several have judged.")
    return float(((counts**2).sum(1) - m).sum()) / pairs


def shares_of(scores: Values) -> Values:
    """Raters x values: the share of each value among a rater's ratings."""
    values = np.unique(scores[~np.isnan(scores)])
    counts = (scores[:, :, None] == values).sum(1).astype(float)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1))


def prevalence_index(scores: Values) -> float:
    """Commonest share minus rarest, averaged over raters; for two raters and two values ``|a - d| / n``."""
    shares = shares_of(np.asarray(scores, dtype=float)).mean(0)
    return float(shares.max() - shares.min()) if len(shares) > 1 else 1.0


def bias_index(scores: Values) -> float:
    """Mean distance of two raters' shares; for two raters and two values ``|b - c| / n``."""
    shares = np.sort(shares_of(np.asarray(scores, dtype=float)), axis=0)
    n = len(shares)
    # over all pairs, sum |x_i - x_j| = sum (2 i - n + 1) x_(i) of the sorted shares
    distances = ((2 * np.arange(n) - n + 1)[:, None] * shares).sum()
    return float(distances / 2 / (n * (n - 1) / 2))


def mean_of(values: Values) -> float | None:
    """The mean of what is defined; None when nothing is."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else None


def known_level(level: str) -> None:
    """InputError MS52 for a level of measurement that does not exist."""
    if level not in LEVELS:
        raise InputError("MS52", f"No level of measurement {level!r}.", f"Use one of: {', '.join(LEVELS)}.")
