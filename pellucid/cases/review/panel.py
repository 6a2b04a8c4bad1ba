"""A review panel: reviewers with their disciplines, what they cover together, and what they would find.

A flaw that shows to one discipline is found by each reviewer of that discipline with some probability and
by any other with a smaller one, independently:

    P(found) = 1 - product over reviewers of (1 - p_i)
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pellucid.findings import InputError


@dataclass(frozen=True)
class Reviewer:
    """One person on a panel."""

    name: str
    """Who it is."""
    disciplines: tuple[str, ...]
    """What they are trained in."""


@dataclass(frozen=True)
class Flaw:
    """A planted flaw, and how easily it is seen."""

    id: str
    """Its id."""
    discipline: str
    """The discipline to which it shows."""
    seen: float = 0.6
    """Probability that one reviewer of that discipline finds it."""
    seen_outside: float = 0.05
    """Probability that one reviewer of another discipline finds it."""


@dataclass(frozen=True)
class Detection:
    """What a panel found of a set of planted flaws."""

    found: tuple[str, ...]
    """Ids of the flaws that somebody found."""
    share: float
    """The share of flaws found."""
    expected: float
    """The mean of that share over all draws, from the closed form."""
    by_discipline: Mapping[str, float]
    """The share found of the flaws of each discipline."""


@dataclass(frozen=True)
class ReviewPanel:
    """Reviewers who look at one case together.

    Example:
        >>> panel = ReviewPanel((Reviewer("A", ("statistics",)), Reviewer("B", ("law", "statistics"))))
        >>> panel.coverage(["statistics", "law", "medicine"])
        0.6666666666666666
    """

    reviewers: tuple[Reviewer, ...]
    """The reviewers, each name once."""

    def __post_init__(self) -> None:
        names = [reviewer.name for reviewer in self.reviewers]
        if not all(name.strip() for name in names) or len(set(names)) < len(names):
            raise InputError(
                "Y104", f"A panel of {', '.join(names) or 'nobody'}.", "Name each reviewer once."
            )

    @property
    def disciplines(self) -> Mapping[str, tuple[str, ...]]:
        """The reviewers of each discipline."""
        known = dict.fromkeys(word for reviewer in self.reviewers for word in reviewer.disciplines)
        return {word: tuple(one.name for one in self.reviewers if word in one.disciplines) for word in known}

    def coverage(self, needed: Collection[str]) -> float:
        """The share of the needed disciplines that at least one reviewer has; 1 when none is needed."""
        wanted = set(needed)
        return len(wanted & self.disciplines.keys()) / len(wanted) if wanted else 1.0

    def gaps(self, needed: Collection[str]) -> tuple[str, ...]:
        """Needed disciplines that no reviewer has, in order."""
        return tuple(sorted(set(needed) - self.disciplines.keys()))

    def chance(self, flaw: Flaw) -> float:
        """The probability that at least one reviewer finds a flaw."""
        return 1.0 - math.prod(1.0 - _seen(reviewer, flaw) for reviewer in self.reviewers)


def _seen(reviewer: Reviewer, flaw: Flaw) -> float:
    return flaw.seen if flaw.discipline in reviewer.disciplines else flaw.seen_outside


def simulate_detection(panel: ReviewPanel, flaws: Iterable[Flaw], seed: int) -> Detection:
    """Let a panel look for planted flaws once.

    Args:
        panel: who looks.
        flaws: what there is to find; at least one.
        seed: of the draws; each flaw and reviewer has its own, so that adding a reviewer to a panel never
            loses a flaw that the smaller panel found.

    Raises:
        InputError: Y104 without flaws, with one id twice, or with a probability outside 0 to 1.

    Example:
        >>> panel = ReviewPanel((Reviewer("A", ("law",)),))
        >>> simulate_detection(panel, [Flaw("f1", "law", seen=1.0)], seed=0).found
        ('f1',)
    """
    planted = tuple(flaws)
    _admit(planted)
    found = tuple(flaw.id for flaw in planted if any(_draw(seed, flaw, one) for one in panel.reviewers))
    return Detection(
        found,
        len(found) / len(planted),
        math.fsum(map(panel.chance, planted)) / len(planted),
        {word: _share(planted, found, word) for word in dict.fromkeys(flaw.discipline for flaw in planted)},
    )


def _admit(planted: tuple[Flaw, ...]) -> None:
    if not planted or len({flaw.id for flaw in planted}) < len(planted):
        problem = "No flaw is planted." if not planted else "Two planted flaws have one id."
        raise InputError("Y104", problem, "Give each planted flaw once, and at least one.")
    for flaw in planted:
        if not all(0.0 <= chance <= 1.0 for chance in (flaw.seen, flaw.seen_outside)):
            problem = f"The flaw '{flaw.id}' is seen with a probability outside 0 to 1."
            raise InputError("Y104", problem, "Give probabilities.")


def _draw(seed: int, flaw: Flaw, reviewer: Reviewer) -> bool:
    return random.Random(f"{seed}/{flaw.id}/{reviewer.name}").random() < _seen(reviewer, flaw)


def _share(planted: tuple[Flaw, ...], found: tuple[str, ...], discipline: str) -> float:
    ids = [flaw.id for flaw in planted if flaw.discipline == discipline]
    return sum(name in found for name in ids) / len(ids)
