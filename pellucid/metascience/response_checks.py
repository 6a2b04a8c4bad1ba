"""What must hold of a table of responses before it is measured, and what is left out so that it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from pellucid.findings import InputError
from pellucid.metascience.responses import Responses, Values, counted

SCALES_APART: Final = 10.0
"""Items whose widths differ by more than this are on different scales."""


Constant = Literal["drop", "refuse"]


Missing = Literal["respondents", "items", "refuse"]


def enough(table: Responses, respondents: int, items: int) -> Responses:
    """The table itself; InputError MS46 when it has too few respondents or items for the instrument."""
    have = table.scores.shape
    if have[0] < respondents or have[1] < items:
        left_out = "".join(
            f"; {count} {what} were left out" for what, count in table.dropped.items() if count
        )
        raise InputError(
            "MS46",
            f"The table {table.name!r} has {have[0]} respondents and {have[1]} items; this needs at least "
            f"{respondents} respondents and {items} items{left_out}.",
            "Add models or seeds as respondents, or prompts as items.",
        )
    return table


def complete(table: Responses, missing: Missing = "refuse") -> Responses:
    """The table without gaps; InputError MS47 names the first gap when they are refused."""
    gap = np.isnan(table.scores)
    if not gap.any():
        return table
    row, column = np.argwhere(gap)[0]
    if missing == "refuse":
        raise InputError(
            "MS47",
            f"{table.respondents[row]!r} has no score on {table.items[column]!r} "
            f"({int(gap.sum())} gaps in all).",
            "Fill the gaps, or leave out what has them: missing='respondents' or missing='items'.",
        )
    axis = 1 if missing == "respondents" else 0
    keep: Values = ~np.asarray(gap.any(axis=axis))
    if not keep.any():
        raise InputError(
            "MS47",
            f"All {missing} have gaps: none is left when those with gaps are left out.",
            f"Leave out {'items' if missing == 'respondents' else 'respondents'} instead, or fill the gaps.",
        )
    kept = table.of_respondents(keep) if missing == "respondents" else table.of_items(keep)
    return counted(kept, f"{missing} with gaps", int((~keep).sum()))


def varied(table: Responses, constant: Constant = "refuse") -> Responses:
    """The table without constant items; InputError MS48 names them when they are refused."""
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(table.scores), np.fmax.reduce(table.scores)
    still = ~(high > low)
    if not still.any():
        return table
    names = ", ".join(repr(table.items[at]) for at in np.flatnonzero(still)[:5])
    if constant == "refuse" or still.all():
        raise InputError(
            "MS48",
            f"{int(still.sum())} of {len(still)} items have the same score for every respondent: {names}.",
            "Such items measure nothing: leave them out (constant='drop'), or add respondents that differ.",
        )
    return counted(table.of_items(~still), "constant items", int(still.sum()))


def one_scale(table: Responses) -> Responses:
    """The table itself; InputError MS49 when items are on scales so different that one drowns the rest."""
    spread = np.nanmax(table.scores, axis=0) - np.nanmin(table.scores, axis=0)
    widest, narrowest = int(spread.argmax()), int(np.where(spread > 0, spread, np.inf).argmin())
    if spread[widest] > SCALES_APART * spread[narrowest] > 0:
        raise InputError(
            "MS49",
            f"Items are on mixed scales: {table.items[narrowest]!r} spans {spread[narrowest]:g}, "
            f"{table.items[widest]!r} spans {spread[widest]:g}.",
            "Bring them to one scale, or ask for standardised scores (standardise=True).",
        )
    return table


def zeros_and_ones(table: Responses) -> Responses:
    """The table itself; InputError MS50 names the first score that is neither 0 nor 1."""
    wrong = ~np.isnan(table.scores) & ~np.isin(table.scores, (0.0, 1.0))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            "MS50",
            f"{table.respondents[row]!r} has {table.scores[row, column]:g} on {table.items[column]!r}; this "
            "needs right or wrong (1 or 0).",
            "Give a threshold at which a score counts as right (threshold=0.5).",
        )
    return table


def thresholded(table: Responses, threshold: float | None) -> Responses:
    """Scores at or above the threshold as 1, others as 0; gaps stay. InputError MS79: it is not finite."""
    if threshold is None:
        return table
    if not np.isfinite(threshold):
        raise InputError(
            "MS79", f"The threshold is {threshold}.", "Give the score from which an answer counts as right."
        )
    scores = np.where(np.isnan(table.scores), np.nan, (table.scores >= threshold).astype(float))
    return replace(table, scores=scores)


def standardised(table: Responses) -> Responses:
    """Every item minus its mean, over its standard deviation."""
    spread = np.nanstd(table.scores, axis=0, ddof=1)
    scores = (table.scores - np.nanmean(table.scores, axis=0)) / np.where(spread > 0, spread, 1.0)
    return replace(table, scores=scores)


def grouping(table: Responses, groups: Mapping[str, str] | Sequence[Any]) -> Values:
    """One label a respondent, from a list in their order or a mapping by name; InputError MS51 otherwise."""
    if isinstance(groups, Mapping):
        lacking = [name for name in table.respondents if name not in groups]
        if lacking:
            turned = not set(groups).isdisjoint(table.items)
            raise InputError(
                "MS51",
                f"No group was given for the respondent {lacking[0]!r}.",
                "The groups name items: rows and columns are the other way round (rows='respondents')."
                if turned
                else "Give each one its group.",
            )
        return np.array([str(groups[name]) for name in table.respondents])
    if len(groups) != len(table.respondents):
        raise InputError(
            "MS51",
            f"{len(groups)} groups were given for {len(table.respondents)} respondents.",
            "Give one group for each respondent, in their order.",
        )
    return np.array([str(group) for group in groups])
