"""Independent judgements of leaves: who rated what, and how far the raters agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from pellucid.cases.nodes import Node
from pellucid.cases.review.replay import State
from pellucid.findings import Diagnostic

if TYPE_CHECKING:
    from pellucid.cases.case import Case


@dataclass(frozen=True)
class RatingsTable:
    """Judgements by leaf and rater: the table that agreement statistics take."""

    leaves: tuple[str, ...]
    """The rows."""
    raters: tuple[str, ...]
    """The columns."""
    values: tuple[tuple[str | None, ...], ...]
    """The judgement of each rater about each leaf; None where there is none."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Every judgement that occurs, in order."""
        return tuple(sorted({value for row in self.values for value in row if value is not None}))

    @property
    def counts(self) -> tuple[tuple[int, ...], ...]:
        """How many raters gave each category to each leaf: the form that Fleiss' kappa takes."""
        return tuple(tuple(row.count(category) for category in self.categories) for row in self.values)


def ratings_table(state: State) -> RatingsTable:
    """The judgements in a log as a table.

    Example:
        >>> ratings_table(State()).values
        ()
    """
    leaves = tuple(dict.fromkeys(rating.leaf for rating in state.ratings))
    raters = tuple(dict.fromkeys(rating.by for rating in state.ratings))
    given = {(rating.leaf, rating.by): rating.value for rating in state.ratings}
    values = tuple(tuple(given.get((leaf, rater)) for rater in raters) for leaf in leaves)
    return RatingsTable(leaves, raters, values)


def agreement(table: RatingsTable) -> float | None:
    """The share of pairs of raters who judge the same leaf alike; None when no leaf has two judgements.

    Pairs over all leaves, ``sum of agreeing pairs / sum of pairs``. It does not take chance into account:
    for that give the table to Cohen's or Fleiss' kappa.

    Example:
        >>> agreement(RatingsTable(("Sn1",), ("a", "b", "c"), (("good", "good", "bad"),)))
        0.3333333333333333
    """
    pairs = [pair for row in table.values for pair in combinations([v for v in row if v is not None], 2)]
    return sum(one == other for one, other in pairs) / len(pairs) if pairs else None


def is_judged(node: Node) -> bool:
    """Whether a leaf rests on a judgement: it says ``judged``, or its family of evidence is expert."""
    stated = (node.layer("judged") or "").strip().lower() not in ("", "no", "false")
    return stated or (node.layer("family") or "").strip().lower() == "expert"


def check_ratings(case: Case, state: State) -> list[Diagnostic]:
    """R07: judged leaves with fewer than two independent ratings."""
    return list(_unrated(case, state))


def _unrated(case: Case, state: State) -> Iterator[Diagnostic]:
    for module in case.modules:
        for node in module.nodes:
            raters = {rating.by for rating in state.ratings if rating.leaf == node.id}
            if is_judged(node) and len(raters) < 2:
                given = "nobody" if not raters else f"only {min(raters)}"
                problem = f"The judged leaf '{node.id}' was rated by {given}."
                yield Diagnostic(
                    "R07", "warning", module.where(node), problem, "Let two people rate it independently."
                )
