"""What to measure next: what is stale, what is missing, and where more trials would teach most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.cases.evidence.citations import citation
from pellucid.cases.nodes import NodeKind
from pellucid.findings.numbers import format_number
from pellucid.web.freshness import freshness_of
from pellucid.web.states import State
from pellucid.web.templating import with_code

if TYPE_CHECKING:
    from pellucid.cases import Case, Experiment, NodeState, Verdict
    from pellucid.cases.nodes import Node
    from pellucid.findings import Header

    Find = Callable[[str], Header | None]

MOST_LEAVES = 12
TELLS = 1e-6
"""An expected fall below this is nothing: it moves the top by less than a thousandth."""


@dataclass(frozen=True)
class Waiting:
    """A leaf whose evidence must be made, or made again."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is."""
    text: str
    """What it says."""
    states: tuple[State, ...]
    """Why it waits, the worst first."""
    needs: Markup
    """What must be measured and hold."""


@dataclass(frozen=True)
class Trial:
    """More trials on one leaf."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is."""
    text: str
    """What it says."""
    trials: str
    """How many more."""
    fall: str
    """By how much the variance of the top's probability is expected to fall."""
    bar: float
    """The same as hundredths of the best."""
    decided: str
    """Probability that its predicate is decided afterwards."""
    command: str
    """What measures it."""


@dataclass(frozen=True)
class Next:
    """The section of a page."""

    stale: tuple[Waiting, ...]
    """Leaves whose evidence speaks of something earlier."""
    missing: tuple[Waiting, ...]
    """Leaves without evidence."""
    more_stale: int
    """How many more are stale than are listed."""
    more_missing: int
    """How many more are missing than are listed."""
    trials: tuple[Trial, ...]
    """Experiments, best first."""
    again: str
    """The command that measures again what is stale."""
    weigh: str
    """The command that weighs other numbers of trials."""


def next_of(
    name: str,
    case: Case,
    verdict: Verdict,
    found: Iterable[Experiment],
    find: Find,
    anchors: Mapping[str, str],
) -> Next | None:
    """What to measure next, for a page; None when there is nothing to measure.

    Arguments:
        name: name of the case in the store.
        case: the argument.
        verdict: what the evidence says about it.
        found: more trials on each leaf, from ``case.experiments``.
        find: the header of a Finding by id.
        anchors: where the panel of each element is.
    """
    stale = list(waiting(case, verdict, anchors, lambda state: state.stale and state.finding is not None))
    lacking = waiting(case, verdict, anchors, lambda state: state.missing)
    missing = [one for one in lacking if measurable(case.nodes[one.id])]
    trials = tuple(told(case, verdict, found, find, anchors))
    if not (stale or missing or trials):
        return None
    return Next(
        stale=tuple(stale[:MOST_LEAVES]),
        missing=tuple(missing[:MOST_LEAVES]),
        more_stale=max(0, len(stale) - MOST_LEAVES),
        more_missing=max(0, len(missing) - MOST_LEAVES),
        trials=trials,
        again=f"pellucid case rerun {name}",
        weigh=f"pellucid case experiments {name} --trials 1000",
    )


def waiting(
    case: Case, verdict: Verdict, anchors: Mapping[str, str], waits: Callable[[NodeState], bool]
) -> Iterator[Waiting]:
    """The leaves that wait for a measurement."""
    for name, node in case.nodes.items():
        state = verdict.states[name]
        if waits(state):
            text = node.text or ""
            yield Waiting(name, anchors[name], text, freshness_of(state), with_code(needs(node)))


def measurable(node: Node) -> bool:
    """Whether a leaf waits for a measurement; an assumption that cites nothing waits for a person."""
    return node.kind is not NodeKind.ASSUMPTION or citation(node) is not None


def needs(node: Node) -> str:
    """What must be measured for a leaf, and what must hold of it."""
    slot = (node.layer("slot") or "").replace("_", " ")
    holds = f"must show `{node.predicate}`" if node.predicate else ""
    return ", ".join(part for part in (slot, holds) if part)


def told(
    case: Case,
    verdict: Verdict,
    found: Iterable[Experiment],
    find: Find,
    anchors: Mapping[str, str],
) -> Iterator[Trial]:
    """The experiments that teach anything about the top, best first."""
    telling = [row for row in found if row.fall >= TELLS and measurable(case.nodes[row.leaf])][:MOST_LEAVES]
    best = max((row.fall for row in telling), default=1.0)
    for row in telling:
        finding = verdict.states[row.leaf].finding
        header = find(finding) if finding else None
        yield Trial(
            id=row.leaf,
            anchor=anchors[row.leaf],
            text=case.nodes[row.leaf].text or "",
            trials=f"{row.trials}",
            fall=rough(row.fall),
            bar=round(100 * row.fall / best, 1),
            decided="" if row.decided is None else share(row.decided),
            command=header.provenance.command if header else "",
        )


def rough(number: float) -> str:
    """A number to two digits: an expectation over what nobody has seen yet supports no more.

    Example:
        >>> rough(0.01234), rough(0.0000234)
        ('0.012', '2.3 × 10⁻⁵')
    """
    rounded = float(f"{number:.1e}")
    return format_number(rounded) if rounded < 1e-4 else f"{rounded:.2g}"


def share(probability: float) -> str:
    """A probability in whole per cent that is never rounded up to certainty.

    Example:
        >>> share(0.999), share(0.5), share(0.0001)
        ('99 %', '50 %', '< 1 %')
    """
    whole = int(100 * probability + 1e-9)
    return "< 1 %" if whole == 0 and probability > 0 else f"{whole} %"
