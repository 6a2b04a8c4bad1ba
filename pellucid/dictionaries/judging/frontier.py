"""Architectures beside one another at equal sparsity: frontiers interpolated in log L0, and hypervolume."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.stats import t as student

from pellucid.dictionaries.judging.reseed import LEVEL, detectable, has, mean_interval, refuse_few, value_of
from pellucid.findings import (
    Array,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    did_you_mean,
    register,
    start,
)

EQUAL = 0.02  # relative: numbers of active latents this close are compared as they are
GRID = 33  # places at which the frontiers are drawn

KIND = register(
    Kind(
        name="dictionaries.frontier",
        title="Architectures at equal sparsity",
        statement="At {l0.value} the first architecture is ahead of the best other by {advantage.interval}; "
        "{trainings.value} of each could tell {detectable.value} apart.",
        supports="advantage.low > 0 and advantage.value >= detectable.value",
        refutes="advantage.high < 0",
        views=(
            View(
                form="line",
                array="frontier",
                title="What each architecture reaches with so many active latents",
                x="log10 of active latents",
            ),
        ),
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Frontier:
    """The best that one training seed reaches with so many active latents, or fewer."""

    log_l0: Float[np.ndarray, " point"]
    """log of the active latents, rising."""
    best: Float[np.ndarray, " point"]
    """The measure, lower is better."""

    def at(self, log_l0: Float[np.ndarray, " place"]) -> Float[np.ndarray, " place"]:
        """Monotone cubic interpolation in log L0; a single point is the same everywhere.

        Arguments:
            log_l0: places between the first and the last point.
        """
        if len(self.log_l0) == 1:
            return np.full_like(log_l0, self.best[0])
        inside = np.clip(log_l0, self.log_l0[0], self.log_l0[-1])  # rounding of the ends
        return np.asarray(PchipInterpolator(self.log_l0, self.best)(inside))

    def hypervolume(self, log_l0: float, worst: float) -> float:
        """The area that the points dominate, up to a corner of most latents and the worst measure.

        Arguments:
            log_l0: the corner's log L0, at least that of every point.
            worst: the corner's measure, at least that of every point.
        """
        ends = np.append(self.log_l0[1:], log_l0)
        return float(((ends - self.log_l0) * (worst - self.best)).sum())


def compare(
    architectures: Mapping[str, Sequence[Sequence[Finding]]],
    measure: str = "fvu",
    *,
    l0: float | None = None,
) -> Finding:
    """Compare architectures where they have equally many active latents.

        frontier(L0) = best value with at most L0 active, through its points a monotone cubic in log L0
        advantage = of the first over the best other, in the measure's better direction
        detectable = 2.8 s sqrt(2 / n),   s^2 the mean variance over the trainings of these two
        hypervolume = area dominated in (log L0, measure), from the corner of most latents and worst value

    At different L0 there is no comparison: the number of active latents decides most measures. So either all
    dictionaries have the same L0 (to 2 %), or each training seed gives several that span a common range.

    Arguments:
        architectures: by name, the first being the one that is claimed to be better; of each, for every
            training seed the evaluations of its dictionaries, one or several sparsities.
        measure: what is compared; it must have a better direction.
        l0: where to compare; None: the geometric middle of the common range.

    Returns:
        A Finding ``dictionaries.frontier`` with the measures l0, advantage (Welch's interval), detectable,
        trainings (fewest of any architecture), ``<measure>@<name>`` and ``hypervolume@<name>`` (Student's
        intervals over trainings; hypervolume only with several sparsities), and the array ``frontier``
        [architecture, place] of means.

    Raises:
        InputError: DI52 fewer than 3 trainings of one, DI53 fewer than 2 architectures, DI54 no common L0,
            DI59 a measure without value or direction.

    Example: ``compare({"batchtopk": [[f], [g], [h]], "topk": [[p], [q], [r]]}).status``.

    Source: hypervolume: Zitzler and Thiele 1999, IEEE Transactions on Evolutionary Computation 3, 257.
    """
    findings = [finding for seeds in architectures.values() for points in seeds for finding in points]
    refuse_no_contest(architectures)
    sign = refuse_no_direction(findings, measure)
    lines = {
        name: [frontier_of(points, measure, sign) for points in seeds]
        for name, seeds in architectures.items()
    }
    low, high = common_range([line for many in lines.values() for line in many])
    place = middle(low, high, l0)
    record = start(
        compare,
        parameters={"architectures": list(architectures), "measure": measure, "l0": float(np.exp(place))},
        parents=[finding.id for finding in findings],
    )
    return record.finding(
        KIND,
        measures=measures_of(lines, place, sign, findings[0].measures[measure]),
        arrays=arrays_of(lines, low, high, sign),
    )


def refuse_no_contest(architectures: Mapping[str, Sequence[Sequence[Finding]]]) -> None:
    """DI53 below two architectures, DI52 below three trainings of one."""
    if len(architectures) < 2:
        raise InputError(
            "DI53", f"{len(architectures)} architectures make no comparison.", "Give at least two by name."
        )
    for seeds in architectures.values():
        refuse_few([points[0] for points in seeds if points])


def refuse_no_direction(findings: Sequence[Finding], measure: str) -> int:
    """1 where lower is better, -1 where higher is; DI59 for a measure without value or direction."""
    for finding in findings:
        for name in ("l0", measure):
            if not has(finding, name):
                raise InputError(
                    "DI59",
                    f"The finding {finding.id[:12]} has no value of {name!r}.",
                    f"{did_you_mean(name, finding.measures)} Give evaluations that have it.",
                )
    better = findings[0].measures[measure].better
    if better == "none":
        raise InputError(
            "DI59",
            f"Of {measure!r} neither more nor less is better.",
            "Compare a measure that has a direction, as fvu or ce_recovered.",
        )
    return 1 if better == "lower" else -1


def frontier_of(points: Sequence[Finding], measure: str, sign: int) -> Frontier:
    """The frontier through one seed's dictionaries; what more latents make worse does not count."""
    l0 = np.array([value_of(finding, "l0") for finding in points])
    values = sign * np.array([value_of(finding, measure) for finding in points])
    if (l0 <= 0).any():
        raise InputError(
            "DI54", "A dictionary has no active latents at all.", "Leave out those that never fire."
        )
    order = np.lexsort((values, l0))
    log_l0, best = np.log(l0[order]), np.minimum.accumulate(values[order])
    first = np.append(True, np.diff(log_l0) > 0)
    return Frontier(log_l0[first], best[first])


def common_range(lines: Sequence[Frontier]) -> tuple[float, float]:
    """The L0 that all frontiers span, in logs; DI54 when there is none."""
    lows, highs = [line.log_l0[0] for line in lines], [line.log_l0[-1] for line in lines]
    low, high = float(max(lows)), float(min(highs))
    if low <= high:
        return low, high
    if max(highs) - min(lows) <= np.log1p(EQUAL):
        return (low + high) / 2, (low + high) / 2
    raise InputError(
        "DI54",
        f"The dictionaries have between {np.exp(min(lows)):.3g} and {np.exp(max(highs)):.3g} active latents, "
        "and no number of them is spanned by all: at different L0 a comparison means nothing.",
        "Train each architecture at several sparsities whose ranges overlap, or all at the same L0.",
    )


def middle(low: float, high: float, l0: float | None) -> float:
    """Where to compare, in logs; DI54 outside the common range."""
    if l0 is None:
        return (low + high) / 2
    if not low - 1e-9 <= np.log(max(l0, 1e-300)) <= high + 1e-9:
        raise InputError(
            "DI54",
            f"Not all frontiers reach {l0:g} active latents.",
            f"Compare between {np.exp(low):.3g} and {np.exp(high):.3g}.",
        )
    return float(np.log(l0))


def measures_of(
    lines: Mapping[str, Sequence[Frontier]], place: float, sign: int, measure: Measure
) -> list[Measure]:
    """The advantage, and each architecture at the place of comparison."""
    reached = {
        name: np.array([line.at(np.array([place]))[0] for line in many]) for name, many in lines.items()
    }
    names = list(reached)
    first, rival = reached[names[0]], min((reached[name] for name in names[1:]), key=np.mean)
    fewest = min(len(values) for values in reached.values())
    sd = float(np.sqrt((first.var(ddof=1) + rival.var(ddof=1)) / 2))
    each = [
        Measure.of(
            named(measure.name, name), mean_interval(sign * values), unit=measure.unit, better=measure.better
        )
        for name, values in reached.items()
    ]
    return [
        Measure.of("l0", float(np.exp(place)), unit="active latents"),
        Measure.of("advantage", welch(rival, first), unit=measure.unit, better="higher"),
        Measure.of("detectable", detectable(sd, fewest), unit=measure.unit, n=fewest),
        Measure.of("trainings", float(fewest), unit="trainings"),
        *each,
        *hypervolumes(lines),
    ]


def hypervolumes(lines: Mapping[str, Sequence[Frontier]]) -> list[Measure]:
    """The area each architecture dominates; nothing where each seed has one dictionary."""
    every = [line for many in lines.values() for line in many]
    if all(len(line.best) == 1 for line in every):
        return []
    corner = max(float(line.log_l0[-1]) for line in every), max(float(line.best.max()) for line in every)
    areas = {name: np.array([line.hypervolume(*corner) for line in many]) for name, many in lines.items()}
    return [
        Measure.of(named("hypervolume", name), mean_interval(values), better="higher")
        for name, values in areas.items()
    ]


def named(measure: str, architecture: str) -> str:
    """A measure's name with the architecture's in it."""
    return f"{measure}@{re.sub(r'[^A-Za-z0-9_-]', '_', architecture)}"


def welch(a: Float[np.ndarray, " training"], b: Float[np.ndarray, " training"]) -> Interval:
    """mean(a) - mean(b) with Welch's interval over trainings."""
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    difference, n = float(a.mean() - b.mean()), len(a) + len(b)
    if parts.sum() == 0:
        return Interval(difference, difference, difference, n, LEVEL, "Welch's t over trainings")
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    half = float(student.ppf((1 + LEVEL) / 2, freedom) * parts.sum() ** 0.5)
    return Interval(difference, difference - half, difference + half, n, LEVEL, "Welch's t over trainings")


def arrays_of(
    lines: Mapping[str, Sequence[Frontier]], low: float, high: float, sign: int
) -> dict[str, Array]:
    """The mean frontier of each architecture over the common range; nothing where it is one point."""
    if low == high:
        return {}
    grid = np.linspace(low, high, GRID)
    means = np.array([sign * np.mean([line.at(grid) for line in many], 0) for many in lines.values()])
    coords = {"architecture": list(lines), "log10_l0": (grid / np.log(10)).tolist()}
    return {"frontier": Array(means, ("architecture", "log10_l0"), coords)}
