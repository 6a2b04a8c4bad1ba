"""Reliability of a set of items: how far its score would come out the same with other items of its kind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.factors import correlation_eigenvalues, eigenvalue_ratio, fit_table
from pellucid.metascience.resampling import defined, draws_of, percentile
from pellucid.metascience.response_checks import (
    Constant,
    Missing,
    complete,
    enough,
    one_scale,
    standardised,
    varied,
)
from pellucid.metascience.responses import Responses, Source, Values, responses

KIND = register(
    Kind(
        name="metascience.reliability",
        title="How reliable the score of a set of items is",
        statement="Cronbach's alpha of {items.value} items over {alpha.n} respondents is {alpha.interval}; "
        "omega is {omega.value}, the standard error of measurement {sem.value}, and the first eigenvalue "
        "{eigenvalue_ratio.value} times the second (alpha is no evidence of one dimension)",
        supports="alpha.low >= 0.7",
        refutes="alpha.high < 0.7",
        views=(
            View(form="bar", array="eigenvalues", title="Eigenvalues of the correlations", x="number"),
            View(form="bar", array="item_total", title="Correlation with the rest of the items", x="item"),
            View(form="bar", array="alpha_if_dropped", title="Alpha without the item", x="item"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class ReliabilityConfig:
    """How reliability is measured."""

    interval: Literal["feldt", "bootstrap"] = "feldt"
    """Of alpha: Feldt's F, or percentiles of a bootstrap over respondents."""
    confidence: float = 0.95
    """Level of the intervals."""
    resamples: int = 2000
    """Bootstrap draws over respondents."""
    missing: Missing = "refuse"
    """What to leave out where there are gaps: respondents or items; or refuse gaps."""
    constant: Constant = "refuse"
    """Whether items with one score for everybody are left out or refused."""
    standardise: bool = False
    """Whether items are brought to one scale first."""
    benchmark: str = ""
    """Name of the benchmark that the items belong to, by which a case finds this measurement."""
    seed: int = 0
    """Seed of the draws."""


def item_reliability(table: Source, config: ReliabilityConfig = ReliabilityConfig()) -> Finding:
    """Measure how reliable the summed score of a set of items is.

    ``alpha = k / (k - 1) (1 - sum var_i / var_total)`` with its interval, and beside it what alpha alone
    hides:
    omega, Guttman's lambda-2, split halves, the eigenvalues, each item's correlation with the rest.

    Arguments:
        table: respondents x items, as an array, table, CSV file or logs (prompt = item, model = respondent).
        config: interval, gaps, constant items, name of the benchmark.

    Returns:
        A Finding ``metascience.reliability`` whose measure ``alpha`` has n = respondents. ``kr20`` is unknown
        unless all scores are 0 or 1.

    Errors:
        InputErrors MS40 to MS49 for a table that cannot be used (too few respondents, gaps, constant items,
        mixed scales), each naming the row or column.

    Example:
        >>> table = [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
        >>> round(item_reliability(table).measures["alpha"].value, 4)
        0.8

    Source: Cronbach (1951); Feldt, Woodruff and Salih (1987); McDonald (1999); Guttman (1945).
    """
    kept = prepared(responses(table), config)
    record = start(item_reliability, parameters=parameters_of(config, kept), data=kept.data, seed=config.seed)
    return record.finding(KIND, measures=measures_of(kept, config), arrays=arrays_of(kept))


def prepared(table: Responses, config: ReliabilityConfig) -> Responses:
    """The table without gaps and constant items, on one scale."""
    kept = varied(enough(complete(table, config.missing), 3, 2), config.constant)
    kept = standardised(kept) if config.standardise else one_scale(kept)
    return enough(kept, 3, 2)


def parameters_of(config: ReliabilityConfig, table: Responses) -> dict[str, Any]:
    """The settings; the benchmark, and what the rows of a file were, only where they are known."""
    settings = asdict(config)
    if not config.benchmark:
        del settings["benchmark"]
    return settings | ({"rows": table.rows} if table.rows else {})


def measures_of(table: Responses, config: ReliabilityConfig) -> list[Measure]:
    """Every coefficient of the table."""
    scores = table.scores
    fitted = fit_table(scores) if scores.shape[1] > 2 else None
    alpha = alpha_interval(scores, config)
    return [
        Measure.of("alpha", alpha, better="higher"),
        Measure.of("omega", fitted.omega if fitted else None, better="higher"),
        Measure.of("kr20", kr20(scores) if table.binary else None, better="higher"),
        Measure.of("standardised_alpha", standardised_alpha(scores), better="higher"),
        Measure.of("split_half", defined(split_half(scores)), better="higher"),
        Measure.of("lambda2", guttman_lambda2(scores), better="higher"),
        Measure.of("sem", standard_error_of_measurement(scores), better="lower"),
        Measure.of("eigenvalue_ratio", eigenvalue_ratio(eigenvalues(scores)), better="higher"),
        Measure.of("heywood", float(len(fitted.heywood)) if fitted else None, better="lower"),
        Measure.of("items", float(len(table.items))),
        *(Measure.of(f"left_out_{what.replace(' ', '_')}", float(n)) for what, n in table.dropped.items()),
    ]


def arrays_of(table: Responses) -> dict[str, Array]:
    """Eigenvalues, and each item's correlation with the rest and alpha without it."""
    items = {"item": list(table.items)}
    arrays = {
        "eigenvalues": Array(eigenvalues(table.scores), ("number",)),
        "item_total": Array(item_total(table.scores), ("item",), items),
    }
    if len(table.items) > 2:
        arrays["alpha_if_dropped"] = Array(alpha_if_dropped(table.scores), ("item",), items)
    return arrays


def cronbach_alpha(
    matrix: Sequence[Any] | Values | None = None, *, covariance: Sequence[Any] | Values | None = None
) -> float:
    """Cronbach's alpha of respondents x items, ``k / (k - 1) (1 - sum var_i / var_total)``.

    Arguments:
        matrix: respondents x items.
        covariance: instead of it, the covariance of the items, items x items.

    Errors:
        InputError MS60: fewer than two items or respondents, gaps, or a total that is the same for everybody;
        no covariance matrix; both given or neither.

    Example:
        >>> cronbach_alpha([[1, 1], [2, 2], [5, 5]])
        1.0
        >>> round(cronbach_alpha(covariance=np.full((8, 8), 0.4) + 0.6 * np.eye(8)), 4)
        0.8421
    """
    return alpha_from_covariance(covariance_of(matrix, covariance))


def covariance_of(matrix: Sequence[Any] | Values | None, covariance: Sequence[Any] | Values | None) -> Values:
    """The covariance of items, as given or of respondents x items; InputError MS60 when it is neither."""
    if (matrix is None) == (covariance is None):
        raise InputError(
            "MS60",
            f"{'Neither' if matrix is None else 'Both'} scores and a covariance matrix were given.",
            "Give respondents x items, or covariance=, the one or the other.",
        )
    if matrix is not None:
        return np.asarray(np.cov(usable(matrix), rowvar=False))
    s = np.asarray(covariance, dtype=float)
    square = s.ndim == 2 and s.shape[0] == s.shape[1] >= 2 and bool(np.isfinite(s).all())
    if not square or not np.allclose(s, s.T) or (np.diag(s) < 0).any() or s.sum() <= 0:
        raise InputError(
            "MS60",
            f"What was given as covariance, of shape {s.shape}, is no covariance matrix of items whose sum "
            "varies.",
            "Give items x items, two or more: finite, symmetric, no negative variance, a sum above 0.",
        )
    return s


def usable(matrix: Sequence[Any] | Values) -> Values:
    """Respondents x items as numbers; InputError MS60 when no coefficient is defined on them."""
    scores = np.asarray(matrix, dtype=float)
    if scores.ndim != 2 or min(scores.shape) < 2 or not np.isfinite(scores).all():
        raise InputError(
            "MS60",
            f"Reliability of a table of shape {scores.shape} with {int((~np.isfinite(scores)).sum())} gaps "
            "is undefined.",
            "Give respondents x items, two of each or more, without gaps.",
        )
    if np.ptp(scores.sum(axis=1)) == 0:
        raise InputError(
            "MS60", "Every respondent has the same total.", "Add respondents that differ, or other items."
        )
    return scores


def alpha_from_covariance(covariance: Sequence[Any] | Values) -> float:
    """Alpha of a covariance matrix of items.

    Example:
        >>> equal = np.full((8, 8), 0.4) + 0.6 * np.eye(8)
        >>> round(alpha_from_covariance(equal), 4)
        0.8421
    """
    s = np.asarray(covariance, dtype=float)
    return len(s) / (len(s) - 1) * (1 - float(np.trace(s)) / float(s.sum()))


def standardised_alpha(
    matrix: Sequence[Any] | Values | None = None, *, covariance: Sequence[Any] | Values | None = None
) -> float:
    """Alpha of standardised items, ``k r / (1 + (k - 1) r)`` with the mean correlation r.

    The arguments are those of ``cronbach_alpha``.
    """
    if covariance is None and matrix is not None:
        return alpha_from_covariance(np.corrcoef(usable(matrix), rowvar=False))
    s = covariance_of(matrix, covariance)
    if not np.diag(s).all():
        raise InputError("MS60", "An item has the variance 0.", "Leave it out: it has no correlation.")
    spread = np.sqrt(np.diag(s))
    return alpha_from_covariance(s / np.outer(spread, spread))


def kr20(matrix: Sequence[Any] | Values) -> float:
    """Kuder and Richardson's formula 20 of right and wrong answers, ``k / (k - 1) (1 - sum p q /
    var_total)``.

    Errors:
        InputError MS60 as for alpha; MS61 when a score is neither 0 nor 1.
    """
    scores = usable(matrix)
    if not np.isin(scores, (0.0, 1.0)).all():
        raise InputError("MS61", "KR-20 needs scores of 0 or 1.", "Use alpha, or give a threshold first.")
    p, k = scores.mean(axis=0), scores.shape[1]
    return float(k / (k - 1) * (1 - (p * (1 - p)).sum() / scores.sum(axis=1).var()))


def spearman_brown(r: float, times: float = 2.0) -> float:
    """Reliability of a test made ``times`` as long, ``m r / (1 + (m - 1) r)``.

    Example:
        >>> spearman_brown(0.5)
        0.6666666666666666
    """
    return times * r / (1 + (times - 1) * r)


def length_needed(r: float, target: float) -> float:
    """How many times as long a test must be for a reliability, ``t (1 - r) / (r (1 - t))``."""
    return target * (1 - r) / (r * (1 - target)) if r > 0 else math.inf


def split_half(matrix: Sequence[Any] | Values, first: Sequence[int] | None = None) -> float:
    """Correlation of two halves, stepped up by Spearman-Brown; NaN when a half is the same for everybody.

    ``first`` are the items of one half; default every other item.
    """
    scores = usable(matrix)
    chosen = np.zeros(scores.shape[1], dtype=bool)
    chosen[list(range(0, scores.shape[1], 2) if first is None else first)] = True
    halves = scores[:, chosen].sum(axis=1), scores[:, ~chosen].sum(axis=1)
    if min(np.ptp(half) for half in halves) == 0:
        return float("nan")
    return spearman_brown(float(np.corrcoef(*halves)[0, 1]))


def flanagan_rulon(covariance: Sequence[Any] | Values, first: Sequence[int]) -> float:
    """Reliability of two halves, ``4 cov(A, B) / var(A + B)``, from the covariance of items."""
    s = np.asarray(covariance, dtype=float)
    rest = [at for at in range(len(s)) if at not in set(first)]
    return float(4 * s[np.ix_(list(first), rest)].sum() / s.sum())


def mean_split_half(matrix: Sequence[Any] | Values) -> float:
    """Mean Flanagan-Rulon reliability over all halves; equals alpha when the number of items is even.

    Errors:
        InputError MS62: an odd number of items, or more than 16.
    """
    s = np.cov(usable(matrix), rowvar=False)
    if len(s) % 2 or len(s) > 16:
        raise InputError(
            "MS62", f"{len(s)} items were given.", "All halves are counted for an even number up to 16."
        )
    halves = [half for half in itertools.combinations(range(len(s)), len(s) // 2) if half[0] == 0]
    return float(np.mean([flanagan_rulon(s, half) for half in halves]))


def guttman_lambda2(
    matrix: Sequence[Any] | Values | None = None, *, covariance: Sequence[Any] | Values | None = None
) -> float:
    """Guttman's lambda-2, ``(sum c_ij + sqrt(k/(k-1) sum c_ij^2)) / var_total`` over i != j.

    The arguments are those of ``cronbach_alpha``.
    """
    s = covariance_of(matrix, covariance)
    apart = s - np.diag(np.diag(s))
    k = len(s)
    return float((apart.sum() + math.sqrt(k / (k - 1) * (apart**2).sum())) / s.sum())


def item_total(matrix: Sequence[Any] | Values) -> Values:
    """Correlation of each item with the sum of the others; NaN where one of the two is constant."""
    scores = usable(matrix)
    rest = scores.sum(axis=1, keepdims=True) - scores
    x, y = scores - scores.mean(axis=0), rest - rest.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)))


def alpha_if_dropped(matrix: Sequence[Any] | Values) -> Values:
    """Alpha of the other items, for each item; needs three."""
    s = np.cov(usable(matrix), rowvar=False)
    k = len(s) - 1
    total = s.sum() - 2 * s.sum(axis=0) + np.diag(s)
    traces = np.trace(s) - np.diag(s)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, k / (k - 1) * (1 - traces / total), np.nan))


def standard_error_of_measurement(matrix: Sequence[Any] | Values) -> float:
    """``s_x sqrt(1 - alpha)`` of the summed score, in its units."""
    scores = usable(matrix)
    return float(scores.sum(axis=1).std(ddof=1) * math.sqrt(max(0.0, 1 - cronbach_alpha(scores))))


def eigenvalues(matrix: Sequence[Any] | Values) -> Values:
    """Eigenvalues of the correlations of items, largest first."""
    return correlation_eigenvalues(usable(matrix))


def alpha_interval(scores: Values, config: ReliabilityConfig) -> Interval:
    """Alpha with the interval that the settings ask for."""
    alpha = cronbach_alpha(scores)
    if config.interval == "feldt":
        return feldt_interval(alpha, scores.shape[0], scores.shape[1], config.confidence)
    drawn = draws_of(len(scores), config.resamples, config.seed)
    found = percentile(alpha, bootstrapped_alpha(scores, drawn), len(scores), config.confidence)
    assert found is not None
    return found


def feldt_interval(alpha: float, respondents: int, items: int, level: float = 0.95) -> Interval:
    """Feldt's interval: ``(1 - rho) / (1 - alpha)`` has an F distribution with n - 1 and (n - 1)(k - 1)
    degrees.

    Example:
        >>> feldt_interval(1.0, 30, 8).low
        1.0
    """
    from scipy.stats import f

    freedom = respondents - 1, (respondents - 1) * (items - 1)
    upper, lower = f.ppf(0.5 + level / 2, *freedom), f.ppf(0.5 - level / 2, *freedom)
    low, high = 1 - (1 - alpha) * upper, 1 - (1 - alpha) * lower
    return Interval(alpha, float(low), float(high), respondents, level, "Feldt")


def bootstrapped_alpha(scores: Values, drawn: Values) -> Values:
    """Alpha of each draw of respondents; NaN where their totals are equal."""
    counts = np.stack([np.bincount(rows, minlength=len(scores)) for rows in drawn]).astype(float)
    n, k = drawn.shape[1], scores.shape[1]
    centred = scores - scores.mean(axis=0)
    total = centred.sum(axis=1)
    items = counts @ (centred**2) - (counts @ centred) ** 2 / n
    totals = counts @ (total**2) - (counts @ total) ** 2 / n
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(totals > 1e-12, k / (k - 1) * (1 - items.sum(axis=1) / totals), np.nan)


def retest(first: Sequence[Any] | Values, second: Sequence[Any] | Values) -> float:
    """Correlation of the totals of two runs (seeds, epochs) of the same respondents on the same items.

    Errors:
        InputError MS63: the two tables differ in shape.
    """
    one, two = usable(first), usable(second)
    if one.shape != two.shape:
        raise InputError(
            "MS63",
            f"Two runs have the shapes {one.shape} and {two.shape}.",
            "Give the same respondents and items.",
        )
    return float(np.corrcoef(one.sum(axis=1), two.sum(axis=1))[0, 1])
