"""Which heads are short-prefix and which long-prefix induction heads, and when the data cannot tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.attention.confidence import safe_interval
from pellucid.dictionaries.attention.prefix import (
    Head,
    PrefixConfig,
    draw_repeats,
    head_name,
    measure_curves,
    repeats_ref,
)
from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.models import Model

Verdict = Literal["short", "long", "other", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("short", "long", "other", "undecided")
COLUMNS = ("after 1", "low", "high", "after 3", "low 3", "high 3")
KIND = register(
    Kind(
        name="dictionaries.induction_heads",
        title="Short- and long-prefix induction heads",
        statement=(
            "Of {heads.value} heads, {short.value} are short-prefix induction heads, {long.value} are "
            "long-prefix ones, {other.value} are neither and {undecided.value} cannot be told from "
            "{examples.value} examples."
        ),
        supports="short.value >= 1 and long.value >= 1",
        refutes="short_possible.value == 0 or long_possible.value == 0",
        views=(
            View(
                form="table",
                array="scores",
                title="Attention to the token that followed the first copy, with its interval",
                x="score",
                y="head",
                unit="attention",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Cuts:
    """Where the classes part.

    Example:
        >>> Cuts().classes(0.7, 0.9)
        'short'
    """

    short: float = 0.6
    """Short-prefix: attention after one repeated token above this."""
    silent: float = 0.35
    """Long-prefix: attention after one repeated token below this,"""
    long: float = 0.65
    """and after three above this."""

    def __post_init__(self) -> None:
        if not 0 <= self.silent <= self.short <= 1 or not 0 <= self.long <= 1:
            problem = f"Cuts silent {self.silent}, short {self.short}, long {self.long}."
            raise InputError("DI41", problem, "Give 0 <= silent <= short <= 1 and long from 0 to 1.")

    def classes(self, one: float, three: float) -> Verdict:
        """The class of a head whose scores are known exactly."""
        if one > self.short:
            return "short"
        return "long" if one < self.silent and three > self.long else "other"

    def possible(self, one: tuple[float, float], three: tuple[float, float]) -> tuple[Verdict, ...]:
        """Every class that some scores within both intervals have.

        Arguments:
            one: low and high end of the attention after one repeated token.
            three: low and high end of the attention after three.
        """
        found: list[Verdict] = ["short"] if one[1] > self.short else []
        if one[0] < self.silent and three[1] > self.long:
            found.append("long")
        between = one[0] <= self.short and one[1] >= self.silent
        if between or (one[0] < self.silent and three[0] <= self.long):
            found.append("other")
        return tuple(found)


def adjudicate_induction(
    model: Model,
    config: PrefixConfig | None = None,
    *,
    cuts: Cuts | None = None,
    progress: Progress = SILENT,
) -> Finding:
    """Call every head short-prefix, long-prefix, neither, or undecided, from its attention alone.

    Short: score(1) > 0.6. Long: score(1) < 0.35 and score(3) > 0.65. Else other. A head is undecided when its
    intervals hold scores of more than one class. The intervals hold for all heads together with the chance
    ``level`` (Bonferroni), for any number of examples: each is the wider of a bootstrap's and a betting
    interval. The model specialised when a head was decided as short and one as long; it did not when no head
    can be one of the two; else the data do not suffice (`verdict_of`).

    Arguments:
        model: any transformer whose attention patterns can be read; what its heads are for is never asked.
        config: examples, tokens, level, seed; its prefixes are set to 1 and 3.
        cuts: where the classes part.
        progress: told after each forward pass.

    Returns:
        A Finding ``dictionaries.induction_heads`` with the arrays ``scores`` (head, score; the class stands
        beside the head's name) and ``classes`` (place of each head's class among short, long, other,
        undecided).

    Raises:
        InputError: DI41 examples or cuts, DI42 sequences that do not fit the model.
        MissingError: DI43, the model has no attention patterns.

    Example: ``adjudicate_induction(model).show()``.

    Source: Kissane et al. 2024, arXiv 2406.17759, section 4.3; its cuts are here explicit, its intervals
    ours.
    """
    config, cuts = dataclasses.replace(config or PrefixConfig(), prefixes=(1, 3)), cuts or Cuts()
    repeats = draw_repeats(model, config)
    record = start(
        adjudicate_induction,
        parameters={"config": config, "cuts": cuts},
        subject=model.subject,
        data=repeats_ref(repeats),
        seed=config.seed,
    )
    curves = measure_curves(model, repeats, config, progress=progress)
    scores = scored(curves.attention, config)
    possible = [cuts.possible((row[1], row[2]), (row[4], row[5])) for row in scores]
    arrays = arrays_of(curves.heads, scores, [decided(one) for one in possible])
    return record.finding(KIND, measures=measures_of(possible, config), arrays=arrays)


def scored(
    attention: Float[np.ndarray, "example prefix head"], config: PrefixConfig
) -> Float[np.ndarray, "head score"]:
    """Mean, low and high end of both scores of every head, the level shared among all intervals."""
    flat = attention.reshape(len(attention), -1)
    level = 1 - (1 - config.level) / flat.shape[1]
    low, high = safe_interval(flat, level, config.seed)
    parts = np.stack([flat.mean(0), low, high]).reshape(3, 2, -1)
    return parts.transpose(2, 1, 0).reshape(-1, 6)


def decided(possible: tuple[Verdict, ...]) -> Verdict:
    """The only possible class, or undecided."""
    return possible[0] if len(possible) == 1 else "undecided"


def measures_of(possible: list[tuple[Verdict, ...]], config: PrefixConfig) -> list[Measure]:
    """How many heads are of each class, and how many could be short or long."""
    verdicts = [decided(one) for one in possible]
    counts: dict[str, int] = {"heads": len(possible)}
    counts |= {name: verdicts.count(name) for name in VERDICTS}
    counts |= {f"{name}_possible": sum(name in one for one in possible) for name in ("short", "long")}
    measures = [Measure.of(name, count, n=config.examples) for name, count in counts.items()]
    return [*measures, Measure.of("examples", config.examples)]


def arrays_of(
    heads: tuple[Head, ...], scores: Float[np.ndarray, "head score"], verdicts: list[Verdict]
) -> dict[str, Array]:
    """The scores with the class beside each head's name, and the classes as numbers."""
    names = [head_name(head) for head in heads]
    labels = [f"{name} {verdict}" for name, verdict in zip(names, verdicts, strict=True)]
    numbers = np.array([VERDICTS.index(verdict) for verdict in verdicts])
    return {
        "scores": Array(scores, ("head", "score"), {"head": labels, "score": list(COLUMNS)}),
        "classes": Array(numbers, ("head",), {"head": names}),
    }


def classes_of(finding: Finding) -> Mapping[Head, Verdict]:
    """The class of each (layer, head) of a Finding of `adjudicate_induction`.

    Example: ``classes_of(adjudicate_induction(model))[1, 0]``.
    """
    array = finding.arrays["classes"]
    places = [(int(layer), int(head)) for layer, head in (name.split(".") for name in array.coords["head"])]
    return {place: VERDICTS[int(number)] for place, number in zip(places, array.values, strict=True)}


def verdict_of(finding: Finding) -> str:
    """What a Finding of `adjudicate_induction` says: specialised, did not specialise, or undecided."""
    words = {"supports": "specialised", "refutes": "did not specialise", "inconclusive": "undecided"}
    return words[finding.status]
