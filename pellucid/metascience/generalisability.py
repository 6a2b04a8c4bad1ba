"""Generalisability: where the variance of scores comes from, and how many prompts and seeds are enough."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.metascience.reliability import feldt_interval
from pellucid.metascience.resampling import resampled
from pellucid.metascience.response_checks import Missing, complete
from pellucid.metascience.responses import Responses, Values, responses

FACETS: Final = ("model", "prompt", "seed", "grader")
Effect = frozenset[int]
Components = Mapping[Effect, float]

KIND = register(
    Kind(
        name="metascience.generalisability",
        title="Whether a score would hold with other prompts, seeds and graders",
        statement="The generalisability coefficient is {g.interval}, for absolute levels {phi.value}; to "
        "reach {target.value}, {needed.value} of the first facet are needed ({present.value} are there)",
        supports="g.low >= 0.8",
        refutes="g.high < 0.8",
        views=(
            View(form="line", array="curve", title="Coefficient by number of conditions", x="conditions"),
            View(form="heatmap", array="components", title="Variance components", x="number", y="component"),
        ),
        stance="observational",
        evidence="correlational",
        room="metascience",
    )
)


@dataclass(frozen=True)
class GeneralisabilityConfig:
    """How variance is divided."""

    facets: tuple[str, ...] = FACETS
    """Names of the axes: what is measured first, then the conditions."""
    target: float = 0.8
    """Coefficient that the needed numbers are to reach."""
    most: int = 200
    """Largest number of conditions on the curve."""
    others: tuple[int, ...] = (1, 2, 5, 10)
    """Numbers of the second facet, one line of the curve each."""
    missing: Missing = "refuse"
    """What to leave out of a table with gaps; an array of more axes must have none."""
    resamples: int = 500
    """Bootstrap draws over what is measured, where there are two facets or more."""
    confidence: float = 0.95
    """Level of the interval."""
    seed: int = 0
    """Seed of the draws."""


def generalisability(scores: Any, config: GeneralisabilityConfig = GeneralisabilityConfig()) -> Finding:
    """Divide the variance of a balanced, fully crossed design and say how far scores generalise.

    ``G = s_p / (s_p + sum over effects with p of s / n)``, where p is what is measured and n the number of
    conditions in the effect; Phi has all effects in the denominator. With one facet G is Cronbach's alpha.

    Arguments:
        scores: an array of models x prompts [x seeds [x graders]], or a table, CSV file or logs (models x
        prompts).
        config: names of the axes, target, curve.

    Returns:
        A Finding ``metascience.generalisability``. A negative estimate of a component counts as 0 and stands
        as it came out in the array ``components``. ``needed`` is unknown where no number of conditions is
        enough.

    Errors:
        InputErrors MS40 to MS47 for a table that cannot be used, MS72 (not 2 to 4 axes, or an axis of one
        place), MS73 (gaps), MS74 (a target outside 0 to 1).

    Example:
        >>> random = np.random.default_rng(0)
        >>> scores = 2 * random.normal(size=(30, 1)) + random.normal(size=(30, 20))
        >>> generalisability(scores).measures["g"].value > 0.9
        True

    Source: Brennan (2001); Cornfield and Tukey (1956).
    """
    if not 0 < config.target < 1:
        raise InputError("MS74", f"A coefficient of {config.target} is no target.", "Give a share, as 0.8.")
    table = balanced(scores, config)
    array, names = table.array, config.facets[: table.array.ndim]
    record = start(generalisability, parameters=config, data=table.data, seed=config.seed)
    raw = variance_components(array)
    components = {effect: max(0.0, value) for effect, value in raw.items()}
    measures = measures_of(array, components, raw, names, config)
    return record.finding(
        KIND, measures=measures, arrays=arrays_of(array.shape, components, raw, names, config)
    )


@dataclass(frozen=True, eq=False)
class Balanced:
    """A design without gaps."""

    array: Values
    """One axis for what is measured, one for each facet."""
    data: Any
    """Name and sha256."""


def balanced(scores: Any, config: GeneralisabilityConfig) -> Balanced:
    """The design as an array; InputErrors MS72 and MS73 for what is not crossed or has gaps."""
    if isinstance(scores, np.ndarray) and scores.ndim != 2:
        array = scores.astype(float)
        data = flat(array).data if array.ndim in (3, 4) and array.size else None
    else:
        table = complete(responses(scores), config.missing)
        array, data = table.scores, table.data
    if array.ndim not in (2, 3, 4) or min(array.shape) < 2 or len(config.facets) < array.ndim:
        raise InputError(
            "MS72",
            f"A design of shape {array.shape} with facets {', '.join(config.facets)} cannot be divided.",
            "Give 2 to 4 axes with a name each: what is measured, then facets, two places or more on each.",
        )
    if not np.isfinite(array).all():
        place = tuple(int(at) + 1 for at in np.argwhere(~np.isfinite(array))[0])
        raise InputError(
            "MS73",
            f"The design has {int((~np.isfinite(array)).sum())} gaps, the first at place {place}.",
            "Leave out what was not measured under every condition.",
        )
    return Balanced(array, data)


def flat(array: Values) -> Responses:
    """The design as a table, for the record: conditions beside each other."""
    rows = array.reshape(len(array), -1)
    people = tuple(str(at + 1) for at in range(len(rows)))
    items = tuple("/".join(str(at + 1) for at in place) for place in np.ndindex(*array.shape[1:]))
    return Responses(rows, people, items, "x".join(map(str, array.shape)))


def effects(axes: int) -> list[Effect]:
    """All main effects and interactions, the smaller first."""
    return [frozenset(c) for size in range(1, axes + 1) for c in itertools.combinations(range(axes), size)]


def mean_squares(array: Values) -> dict[Effect, float]:
    """Mean square of each effect of a crossed design with one value a cell."""
    found = {}
    for effect in effects(array.ndim):
        part = effect_values(array, effect)
        repeats = array.size / part.size
        freedom = math.prod(array.shape[axis] - 1 for axis in effect)
        found[effect] = repeats * float((part**2).sum()) / freedom
    return found


def effect_values(array: Values, effect: Effect) -> Values:
    """What an effect adds: averaged over the other axes, centred along its own."""
    others = tuple(axis for axis in range(array.ndim) if axis not in effect)
    part = array.mean(axis=others, keepdims=True) if others else array
    for axis in effect:
        part = part - part.mean(axis=axis, keepdims=True)
    return np.asarray(part)


def variance_components(array: Values) -> dict[Effect, float]:
    """Variance components by the method of moments, negative where they come out so.

    Expected mean squares are ``E MS_S = sum over T containing S of s_T prod_{f not in T} n_f``, so
    ``s_S = sum over T containing S of (-1)^(|T| - |S|) MS_T / prod_{f not in S} n_f``.

    Example:
        >>> parts = variance_components(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> [round(parts[frozenset(effect)], 12) for effect in ((0,), (1,), (0, 1))]
        [2.0, 0.5, 0.0]
    """
    squares = mean_squares(array)
    found = {}
    for effect in squares:
        above = sum(
            (-1) ** (len(other) - len(effect)) * ms for other, ms in squares.items() if other >= effect
        )
        found[effect] = above / math.prod(n for axis, n in enumerate(array.shape) if axis not in effect)
    return found


def coefficient(components: Components, conditions: Sequence[int], *, absolute: bool = False) -> float:
    """G, or Phi when ``absolute``, with so many conditions of each facet; NaN without any variance.

    Example:
        >>> parts = {frozenset({0}): 1.0, frozenset({1}): 1.0, frozenset({0, 1}): 2.0}
        >>> coefficient(parts, [2]), coefficient(parts, [2], absolute=True)
        (0.5, 0.4)
    """
    true = components[frozenset({0})]
    error = sum(
        value / math.prod(conditions[axis - 1] for axis in effect if axis > 0)
        for effect, value in components.items()
        if effect != frozenset({0}) and (absolute or 0 in effect)
    )
    return true / (true + error) if true + error > 0 else float("nan")


def conditions_needed(
    components: Components, conditions: Sequence[int], target: float = 0.8, facet: int = 0
) -> int | None:
    """Least number of conditions of a facet for G to reach the target, the others as they are; None if none
    does.

    ``error = A / n + B``, so ``n >= A / (s_p (1 - t) / t - B)``.
    """
    axis = facet + 1
    one = [1 if at == facet else n for at, n in enumerate(conditions)]
    shares = {
        effect: value / math.prod(one[other - 1] for other in effect if other > 0)
        for effect, value in components.items()
        if 0 in effect and len(effect) > 1
    }
    falling = sum(value for effect, value in shares.items() if axis in effect)
    staying = sum(value for effect, value in shares.items() if axis not in effect)
    room = components[frozenset({0})] * (1 - target) / target - staying
    if room <= 0:
        return None
    # a hair less, so that rounding does not ask for one more where the target is met exactly
    return max(1, math.ceil(falling / room - 1e-9))


def g_interval(array: Values, g: float, config: GeneralisabilityConfig) -> Interval | None:
    """G with its interval: Feldt's for one facet, else a bootstrap over what is measured."""
    if not math.isfinite(g):
        return None
    if array.ndim == 2:
        raw = variance_components(array)
        alpha = coefficient(raw, array.shape[1:])
        if raw[frozenset({0})] <= 0:
            return Interval(
                g, 0.0, max(0.0, feldt_interval(alpha, *array.shape).high), len(array), config.confidence
            )
        return feldt_interval(alpha, array.shape[0], array.shape[1], config.confidence)

    def of_rows(rows: Values) -> float:
        """G of a resample."""
        parts = {effect: max(0.0, value) for effect, value in variance_components(rows).items()}
        return coefficient(parts, rows.shape[1:])

    return resampled(of_rows, array, resamples=config.resamples, seed=config.seed, level=config.confidence)


def measures_of(
    array: Values,
    components: Components,
    raw: Components,
    names: Sequence[str],
    config: GeneralisabilityConfig,
) -> list[Measure]:
    """Coefficients, numbers needed, and each component."""
    conditions = array.shape[1:]
    g = coefficient(components, conditions)
    phi = coefficient(components, conditions, absolute=True)
    needs = [conditions_needed(components, conditions, config.target, at) for at in range(len(conditions))]
    return [
        Measure.of("g", g_interval(array, g, config), better="higher"),
        Measure.of("phi", phi if math.isfinite(phi) else None, n=len(array), better="higher"),
        Measure.of("target", config.target),
        Measure.of("needed", None if needs[0] is None else float(needs[0]), better="lower"),
        Measure.of("present", float(conditions[0])),
        *(
            Measure.of(f"needed_{identifier(name)}", None if need is None else float(need), better="lower")
            for name, need in zip(names[1:], needs, strict=True)
        ),
        Measure.of("negative_components", float(sum(value < 0 for value in raw.values()))),
        *(Measure.of(f"variance_{identifier(label(e, names))}", v) for e, v in components.items()),
    ]


def arrays_of(
    shape: tuple[int, ...],
    components: Components,
    raw: Components,
    names: Sequence[str],
    config: GeneralisabilityConfig,
) -> dict[str, Array]:
    """Components as they came out, cut at 0, and as shares; and the curve of G over numbers of conditions."""
    total = sum(components.values()) or 1.0
    rows = np.array([[raw[effect], value, value / total] for effect, value in components.items()])
    labels = {
        "component": [label(effect, names) for effect in components],
        "number": ["raw", "estimate", "share"],
    }
    numbers = np.unique(np.geomspace(1, config.most, 60).round().astype(int))
    others = config.others if len(shape) > 2 else (1,)
    curve = [
        [coefficient(components, [n, m, *shape[3:]][: len(shape) - 1]) for n in numbers.tolist()]
        for m in others
    ]
    series = [f"{m} of {names[2]}" if len(shape) > 2 else names[1] for m in others]
    coords = {"series": series, "conditions": numbers.tolist()}
    return {
        "components": Array(rows, ("component", "number"), labels),
        "curve": Array(np.array(curve), ("series", "conditions"), coords),
    }


def label(effect: Effect, names: Sequence[str]) -> str:
    """Name of an effect, as ``model x prompt``."""
    return " x ".join(names[axis] for axis in sorted(effect))


def identifier(name: str) -> str:
    """A name that a predicate can read."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)
