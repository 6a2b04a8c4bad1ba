"""One meaning per state: the word and the class that carries its mark and colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A state as it is shown."""

    name: str
    """Class of the stylesheet: it gives the mark and the colour."""
    word: str
    """The word beside the mark."""


FINDINGS = {
    "supports": State("supports", "supports"),
    "refutes": State("refutes", "refutes"),
    "inconclusive": State("inconclusive", "inconclusive"),
    "failed": State("missing", "failed"),
}
CLAIMS = {
    "reproduced": State("supports", "reproduced"),
    "partly": State("partly", "partly reproduced"),
    "contradicted": State("refutes", "contradicted"),
    "inconclusive": State("inconclusive", "inconclusive"),
    "illustrated": State("illustrated", "illustrated"),
    "stale": State("stale", "stale"),
    "not attempted": State("missing", "not attempted"),
}
VALUES = {
    "T": State("supports", "supports"),
    "F": State("refutes", "refutes"),
    "U": State("inconclusive", "open"),
}
VERDICTS = {
    "stands": State("supports", "stands"),
    "defeated": State("refutes", "defeated"),
    "undecided": State("inconclusive", "undecided"),
}
DOUBTS = {
    "T": State("refutes", "defeats"),
    "F": State("answered", "answered"),
    "U": State("inconclusive", "open"),
}
"""The value of a counter element, in the words of the drawing."""
REPLIES = {
    "T": State("supports", "holds"),
    "F": State("refutes", "fails"),
    "U": State("inconclusive", "open"),
}
"""The value of a reply to a doubt: it speaks for the argument."""
OUTCOMES = {
    "holds": State("refutes", "holds"),
    "open": State("inconclusive", "open"),
    "residual": State("inconclusive", "accepted as residual"),
    "answered": State("answered", "answered"),
}
"""What became of a doubt, the worst first."""
WATCHED = {
    "normal": State("supports", "within its levels"),
    "warning": State("inconclusive", "warns"),
    "revoked": State("refutes", "revoked"),
    "unknown": State("missing", "cannot be read"),
}
"""Where an indicator stands."""
MISSING = State("missing", "missing")
STALE = State("stale", "stale")


def tally(states: Iterable[State], order: Iterable[State]) -> list[tuple[State, int]]:
    """How often each state occurs, in a fixed order, without those that do not occur.

    Example:
        >>> tally([MISSING, MISSING], [STALE, MISSING])
        [(State(name='missing', word='missing'), 2)]
    """
    counts = Counter(states)
    return [(state, counts[state]) for state in order if counts[state]]
