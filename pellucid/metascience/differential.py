"""Items that work differently for two groups of equal ability: Mantel and Haenszel's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.metascience.response_checks import (
    Missing,
    complete,
    enough,
    grouping,
    thresholded,
    zeros_and_ones,
)
from pellucid.metascience.responses import Source, Values, responses

NEGLIGIBLE: Final = 1.0
LARGE: Final = 1.5
DELTA: Final = -2.35
COLUMNS: Final = ("alpha", "delta", "low", "high", "chi2", "p", "q", "size")

KIND = register(
    Kind(
        name="metascience.differential_items",
        title="Items that favour one of two groups of equal ability",
        statement="{large.value} of {items.value} items favour one of the groups to a large degree, "
        "{confirmed.value} of them also when corrected for many items; {moderate.value} do moderately, "
        "{undecided.value} are undecided; the largest |delta| is {largest.value}",
        supports="large.value < 1 and undecided.value < 1",
        refutes="confirmed.value >= 1",
        views=(
            View(form="interval", array="deltas", title="Delta of each item", x="item", y="delta"),
            View(form="table", array="items", title="Items"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class DifferentialConfig:
    """How items are compared between groups."""

    reference: str | None = None
    """The group to compare with; default the first by name."""
    focal: str | None = None
    """The group that is compared; default the other one."""
    strata: int | None = None
    """Bands of the total score; by default each total is one, or 5 when respondents are fewer than 100."""
    purify: bool = True
    """Whether items found large are left out of the matching total, and all items tested again."""
    significance: float = 0.05
    """Level of the test."""
    confidence: float = 0.95
    """Level of the intervals."""
    threshold: float | None = None
    """Score from which an answer counts as right; None when scores are 0 and 1 already."""
    missing: Missing = "refuse"
    """What to leave out where there are gaps."""


def differential_items(
    table: Source,
    groups: Mapping[str, str] | Sequence[Any],
    config: DifferentialConfig = DifferentialConfig(),
) -> Finding:
    """Find items on which two groups of equal total score do not do equally well.

    Over strata k of the total score, with A, C right and B, D wrong answers of the reference and focal group:
    ``alpha = sum A D / N / sum B C / N``, ``delta = -2.35 ln alpha`` (negative: harder for the focal group),
    ``chi2 = (|sum A - E A| - 1/2)^2 / sum var A``. |delta| below 1, or not significant, is negligible; above
    1.5 large; between, moderate.

    Arguments:
        table: respondents x items of 0 and 1, as an array, table, CSV file or logs.
        groups: one group a respondent, in their order, or a mapping by name.
        config: which groups, strata, purification.

    Returns:
        A Finding ``metascience.differential_items``; items whose interval reaches beyond 1.5 though they
        were not found large are undecided, as most are with few respondents; ``q`` is p corrected for many
        items (Benjamini and Hochberg).

    Errors:
        InputErrors MS40 to MS51 for a table or groups that cannot be used, MS66 (not two groups of two or
        more).

    Example:
        >>> table = [[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]] * 5
        >>> differential_items(table, ["a"] * 10 + ["b"] * 10).measures["large"].value
        0.0

    Source: Holland and Thayer (1988); Robins, Breslow and Greenland (1986) for the interval.
    """
    whole = responses(table)
    labels = grouping(whole, groups)
    reference, focal = two_groups(labels, config)
    chosen = np.isin(labels, (reference, focal))
    kept = complete(
        zeros_and_ones(thresholded(whole.of_respondents(chosen), config.threshold)), config.missing
    )
    kept = enough(kept, 4, 2)
    by_name = dict(zip(whole.respondents, labels, strict=True))
    is_focal = np.array([by_name[name] == focal for name in kept.respondents])
    parameters = {"config": config, "reference": reference, "focal": focal, "groups": sorted(by_name.items())}
    record = start(differential_items, parameters=parameters, data=kept.data)
    rows = screened(kept.scores, is_focal, config)
    return record.finding(
        KIND,
        measures=measures_of(rows, is_focal, config.significance),
        arrays=arrays_of(rows, list(kept.items)),
    )


def two_groups(labels: Values, config: DifferentialConfig) -> tuple[str, str]:
    """Reference and focal group; InputError MS66 unless there are two, of two respondents or more."""
    names = sorted(set(labels.tolist()))
    given = [name for name in (config.reference, config.focal) if name is not None]
    rest = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if unknown or len(names) < 2 or len(names) > 2 > len(given):
        raise InputError(
            "MS66",
            f"Two groups are compared; the respondents belong to: {', '.join(names)}"
            + (f"; there is no {unknown[0]!r}." if unknown else "."),
            "Name the reference and the focal group.",
        )
    reference = config.reference or rest[0]
    focal = config.focal or next(name for name in rest if name != reference)
    small = next((name for name in (reference, focal) if (labels == name).sum() < 2), None)
    if small is not None or reference == focal:
        raise InputError(
            "MS66",
            f"The group {small or focal!r} cannot be compared: it needs two respondents of its own.",
            "Name two different groups, each of two respondents or more.",
        )
    return reference, focal


def measures_of(rows: Values, is_focal: Values, significance: float) -> list[Measure]:
    """How many items differ, and by how much at most."""
    sizes, deltas = rows[:, -1], rows[:, 1]
    finite = np.abs(deltas[np.isfinite(deltas)])
    with np.errstate(invalid="ignore"):
        confirmed = (sizes == 2) & (rows[:, 6] < significance)
    return [
        Measure.of("large", float((sizes == 2).sum()), n=len(rows), better="lower"),
        Measure.of("moderate", float((sizes == 1).sum()), n=len(rows), better="lower"),
        Measure.of("confirmed", float(confirmed.sum()), n=len(rows), better="lower"),
        Measure.of("undecided", float(undecided(rows).sum()), n=len(rows), better="lower"),
        Measure.of("largest", float(finite.max()) if len(finite) else None, better="lower"),
        Measure.of("undefined", float((~np.isfinite(deltas)).sum())),
        Measure.of("items", float(len(rows))),
        Measure.of("reference_respondents", float((~is_focal).sum())),
        Measure.of("focal_respondents", float(is_focal.sum())),
    ]


def undecided(rows: Values) -> Values:
    """Mask of the items that were not found large, though their interval reaches a large difference."""
    reach = np.abs(rows[:, 2:4]).max(axis=1)
    return np.asarray((rows[:, -1] < 2) & ~(reach <= LARGE))


def arrays_of(rows: Values, items: list[str]) -> dict[str, Array]:
    """All numbers of each item, and delta with its interval."""
    ends = {"item": items, "end": ["value", "low", "high"]}
    return {
        "items": Array(rows, ("item", "number"), {"item": items, "number": list(COLUMNS)}),
        "deltas": Array(rows[:, 1:4], ("item", "end"), ends),
    }


def screened(scores: Values, is_focal: Values, config: DifferentialConfig) -> Values:
    """The numbers of each item (see COLUMNS); matched once more without the large ones when purified."""
    rows = compared(scores, is_focal, np.ones(scores.shape[1], dtype=bool), config)
    anchors = rows[:, -1] < 2
    if config.purify and not anchors.all() and anchors.sum() >= 2:
        rows = compared(scores, is_focal, anchors, config)
    return rows


def compared(scores: Values, is_focal: Values, anchors: Values, config: DifferentialConfig) -> Values:
    """Mantel and Haenszel's numbers of every item, matched on the anchors and the item itself."""
    totals = scores[:, anchors].sum(axis=1)
    found = []
    for item, answers in enumerate(scores.T):
        matching = totals if anchors[item] else totals + answers
        strata = bands(matching, strata_count(len(scores), config))
        found.append(mantel_haenszel(answers, is_focal, strata, config.confidence))
    rows = np.array(found)
    q = false_discovery(rows[:, 5])
    return np.column_stack([rows, q, sizes(rows, config.significance)])


def strata_count(respondents: int, config: DifferentialConfig) -> int | None:
    """Bands as asked; when nobody asked, five for fewer than 100 respondents, whose totals hardly repeat."""
    if config.strata is not None and config.strata < 1:
        raise InputError("MS67", f"{config.strata} strata were asked for.", "Ask for one or more.")
    return config.strata if config.strata is not None else (5 if respondents < 100 else None)


def bands(totals: Values, count: int | None) -> Values:
    """The band of each total: of equal shares of respondents, or each total its own without ``count``."""
    if count is None:
        return np.asarray(np.unique(totals, return_inverse=True)[1])
    edges = np.quantile(totals, np.arange(1, count) / count)
    return np.asarray(np.unique(np.searchsorted(edges, totals, side="right"), return_inverse=True)[1])


def mantel_haenszel(
    answers: Sequence[float] | Values,
    is_focal: Sequence[bool] | Values,
    strata: Sequence[int] | Values,
    level: float = 0.95,
) -> tuple[float, float, float, float, float, float]:
    """Common odds ratio over strata, delta with its interval, chi-square and p.

    Arguments:
        answers: 1 right, 0 wrong, one a respondent.
        is_focal: whether each belongs to the focal group.
        strata: the band of each, counted from 0.

    Returns:
        (alpha, delta, low, high, chi2, p); NaN where no stratum holds both groups and both answers.

    Example:
        >>> alpha, *_ = mantel_haenszel([1, 1, 0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1], [0] * 8)
        >>> alpha
        1.0
    """
    from scipy.stats import chi2 as chi_square

    a, b, c, d = tables(
        np.asarray(answers, dtype=float), np.asarray(is_focal, dtype=bool), np.asarray(strata)
    )
    n, right, reference = a + b + c + d, a + c, a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(n > 1, reference * (c + d) * right * (b + d) / (n**2 * (n - 1)), 0.0).sum()
        distance = max(abs(float((a - reference * right / n).sum())) - 0.5, 0.0)
        above, below = float((a * d / n).sum()), float((b * c / n).sum())
        statistic = float(distance**2 / variance) if variance > 0 else float("nan")
        alpha = above / below if below > 0 else (float("inf") if above > 0 else float("nan"))
        delta = DELTA * float(np.log(alpha))
    half = abs(DELTA) * half_width(a, b, c, d, level) if np.isfinite(delta) else float("nan")
    return alpha, delta, delta - half, delta + half, statistic, float(chi_square.sf(statistic, 1))


def tables(answers: Values, is_focal: Values, strata: Values) -> tuple[Values, ...]:
    """Right and wrong answers of the reference, then of the focal group, in each stratum."""
    cells = 4 * strata + 2 * is_focal.astype(int) + (1 - answers.astype(int))
    counts = np.bincount(cells, minlength=4 * (int(strata.max()) + 1)).reshape(-1, 4).astype(float)
    kept = counts[counts.sum(axis=1) > 0]
    return tuple(kept.T)


def half_width(a: Values, b: Values, c: Values, d: Values, level: float) -> float:
    """Half the interval of ln alpha, by Robins, Breslow and Greenland's variance."""
    from scipy.stats import norm

    n = a + b + c + d
    p, q, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
    variance = (
        (p * r).sum() / (2 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2 * r.sum() * s.sum())
        + (q * s).sum() / (2 * s.sum() ** 2)
    )
    return float(norm.ppf(0.5 + level / 2) * np.sqrt(variance))


def sizes(rows: Values, significance: float) -> Values:
    """0 negligible, 1 moderate, 2 large; where delta is infinite, significance decides alone."""
    with np.errstate(invalid="ignore"):
        delta, significant = np.abs(rows[:, 1]), rows[:, 5] < significance
        return np.where(
            significant & (delta > LARGE), 2.0, np.where(significant & (delta >= NEGLIGIBLE), 1.0, 0.0)
        )


def false_discovery(p: Values) -> Values:
    """p corrected for the false discovery rate over all that are defined; NaN stays."""
    from scipy.stats import false_discovery_control

    found, there = np.full(len(p), np.nan), np.isfinite(p)
    if there.any():
        found[there] = false_discovery_control(p[there])
    return found
