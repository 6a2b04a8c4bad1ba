"""Intraclass correlations: how far raters' numbers agree, in the six forms of Shrout and Fleiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.response_checks import Missing, complete, enough
from pellucid.metascience.responses import Source, Values, responses

FORMS: Final = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")

KIND = register(
    Kind(
        name="metascience.intraclass",
        title="How far the numbers of raters agree",
        statement="One rater of {raters.value} has the intraclass correlation {icc2.interval}; their mean "
        "has {icc2k.value}",
        supports="icc2.low >= 0.5",
        refutes="icc2.high < 0.5",
        views=(View(form="interval", array="icc", title="The six forms", x="form", y="correlation"),),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class IntraclassConfig:
    """How the intraclass correlation is measured."""

    missing: Missing = "items"
    """What to leave out where there are gaps: items (units), respondents (raters), or refuse them."""
    confidence: float = 0.95
    """Level of the intervals."""


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of a table of targets x raters."""

    rows: float
    """Between targets, n - 1 degrees of freedom."""
    columns: float
    """Between raters, k - 1."""
    error: float
    """What is left, (n - 1)(k - 1)."""
    within: float
    """Within targets, n (k - 1)."""
    n: int
    """Targets."""
    k: int
    """Raters."""


def intraclass(ratings: Source, config: IntraclassConfig = IntraclassConfig()) -> Finding:
    """Measure the six intraclass correlations of raters on units.

    Arguments:
        ratings: raters x units, as an array, table or logs (respondents are raters, items are units).
        config: gaps and level.

    Errors:
        InputErrors MS40 to MS47 for a table that cannot be used; MS57 when all ratings are equal.

    Example:
        >>> intraclass([[9, 6, 8], [9, 6, 8]]).measures["icc2"].value
        1.0

    Source: Shrout and Fleiss (1979); intervals of McGraw and Wong (1996), table 7.
    """
    table = enough(complete(responses(ratings), config.missing), 2, 2)
    record = start(intraclass, parameters=config, data=table.data)
    forms = icc(table.scores.T, config.confidence)
    names = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
    measures = [
        Measure.of(name, forms[form], better="higher") for name, form in zip(names, FORMS, strict=True)
    ]
    rows = np.array([[form.value, form.low, form.high] for form in forms.values()])
    array = Array(rows, ("form", "end"), {"form": list(FORMS), "end": ["value", "low", "high"]})
    raters = Measure.of("raters", float(len(table.respondents)))
    return record.finding(KIND, measures=[*measures, raters], arrays={"icc": array})


def icc(matrix: Sequence[Any] | Values, level: float = 0.95) -> dict[str, Interval]:
    """The six intraclass correlations of a table of n targets x k raters, with F intervals.

    ``ICC(1,1) = (MSR - MSW) / (MSR + (k-1) MSW)``, ``ICC(2,1) = (MSR - MSE) / (MSR + (k-1) MSE +
    k (MSC - MSE) / n)``, ``ICC(3,1) = (MSR - MSE) / (MSR + (k-1) MSE)``; of the mean of k raters
    ``(MSR - MSW) / MSR``, ``(MSR - MSE) / (MSR + (MSC - MSE) / n)``, ``(MSR - MSE) / MSR``.

    Errors:
        InputError MS57: fewer than two targets or raters, gaps, or no variation at all.

    Example:
        >>> table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> [round(form.value, 3) for form in icc(table).values()]
        [0.166, 0.29, 0.715, 0.443, 0.62, 0.909]
    """
    squares = mean_squares(matrix)
    values = estimates(squares)
    ends = {
        **one_way(squares, level),
        **two_way_fixed(squares, level),
        **two_way_random(squares, values, level),
    }
    return {
        form: Interval(values[form], *ends[form], squares.n, level, "F, McGraw and Wong") for form in FORMS
    }


def mean_squares(matrix: Sequence[Any] | Values) -> MeanSquares:
    """Two-way analysis of variance of targets x raters, one value a cell."""
    table = np.asarray(matrix, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all() or np.ptp(table) == 0:
        raise InputError(
            "MS57",
            f"An intraclass correlation of a table of shape {table.shape} is undefined.",
            "Give two targets and two raters or more, without gaps, and not all ratings equal.",
        )
    n, k = table.shape
    grand, rows, columns = table.mean(), table.mean(1), table.mean(0)
    between = k * float(((rows - grand) ** 2).sum())
    raters = n * float(((columns - grand) ** 2).sum())
    rest = float(((table - rows[:, None] - columns + grand) ** 2).sum())
    return MeanSquares(
        rows=between / (n - 1),
        columns=raters / (k - 1),
        error=rest / ((n - 1) * (k - 1)),
        within=(raters + rest) / (n * (k - 1)),
        n=n,
        k=k,
    )


def estimates(ms: MeanSquares) -> dict[str, float]:
    """The six forms without intervals."""
    n, k = ms.n, ms.k
    return {
        "ICC(1,1)": ratio(ms.rows - ms.within, ms.rows + (k - 1) * ms.within),
        "ICC(2,1)": ratio(ms.rows - ms.error, ms.rows + (k - 1) * ms.error + k * (ms.columns - ms.error) / n),
        "ICC(3,1)": ratio(ms.rows - ms.error, ms.rows + (k - 1) * ms.error),
        "ICC(1,k)": ratio(ms.rows - ms.within, ms.rows),
        "ICC(2,k)": ratio(ms.rows - ms.error, ms.rows + (ms.columns - ms.error) / n),
        "ICC(3,k)": ratio(ms.rows - ms.error, ms.rows),
    }


def ratio(above: float, below: float) -> float:
    """A quotient, minus infinity where targets do not differ at all."""
    return above / below if below != 0 else float("-inf")


def quantiles(first: float, second: float, level: float) -> tuple[float, float]:
    """Upper F quantiles of (first, second) and of (second, first) degrees of freedom."""
    from scipy.stats import f

    upper = 0.5 + level / 2
    return float(f.ppf(upper, first, second)), float(f.ppf(upper, second, first))


def ends_from(low: float, high: float, k: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends for one rater and for the mean of k, from the ends of the F ratio."""
    return (ratio(low - 1, low + k - 1), 1.0 if np.isinf(high) else ratio(high - 1, high + k - 1)), (
        1 - 1 / low if low > 0 else float("-inf"),
        1 - 1 / high if high > 0 else float("-inf"),
    )


def one_way(ms: MeanSquares, level: float) -> dict[str, tuple[float, float]]:
    """Ends of the forms in which each target has raters of its own."""
    down, up = quantiles(ms.n - 1, ms.n * (ms.k - 1), level)
    f = ms.rows / ms.within if ms.within > 0 else float("inf")
    single, average = ends_from(f / down if np.isfinite(f) else f, f * up, ms.k)
    return {"ICC(1,1)": ones(single), "ICC(1,k)": average}


def two_way_fixed(ms: MeanSquares, level: float) -> dict[str, tuple[float, float]]:
    """Ends of the forms in which these raters are all that matter."""
    down, up = quantiles(ms.n - 1, (ms.n - 1) * (ms.k - 1), level)
    f = ms.rows / ms.error if ms.error > 0 else float("inf")
    single, average = ends_from(f / down if np.isfinite(f) else f, f * up, ms.k)
    return {"ICC(3,1)": ones(single), "ICC(3,k)": average}


def ones(ends: tuple[float, float]) -> tuple[float, float]:
    """The ends, 1 in place of the quotient of infinities of perfect agreement."""
    low, high = (1.0 if np.isnan(end) else end for end in ends)
    return low, high


def two_way_random(ms: MeanSquares, values: dict[str, float], level: float) -> dict[str, tuple[float, float]]:
    """Ends of the forms in which raters are a sample, with Satterthwaite's degrees of freedom."""
    n, k, rho = ms.n, ms.k, values["ICC(2,1)"]
    if rho >= 1 or ms.error == ms.columns == 0:
        return {"ICC(2,1)": (1.0, 1.0), "ICC(2,k)": (1.0, 1.0)}
    a = k * rho / (n * (1 - rho))
    b = 1 + k * rho * (n - 1) / (n * (1 - rho))
    top = (a * ms.columns + b * ms.error) ** 2
    bottom = (a * ms.columns) ** 2 / (k - 1) + (b * ms.error) ** 2 / ((n - 1) * (k - 1))
    down, up = quantiles(n - 1, top / bottom, level)
    rest = k * ms.columns + (k * n - k - n) * ms.error
    low = ratio(n * (ms.rows - down * ms.error), down * rest + n * ms.rows)
    high = ratio(n * (up * ms.rows - ms.error), rest + n * up * ms.rows)
    return {"ICC(2,1)": (low, high), "ICC(2,k)": (stepped(low, k), stepped(high, k))}


def stepped(value: float, k: int) -> float:
    """An end for the mean of k raters, by Spearman-Brown."""
    return ratio(k * value, 1 + (k - 1) * value)
