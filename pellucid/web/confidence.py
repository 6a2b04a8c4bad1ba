"""How sure one may be of a case: four calculi side by side, and what their numbers rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.cases.confidence.display import cut, shown, shown_bounds
from pellucid.web.hanging import BY_VALUE
from pellucid.web.interval import interval_rule, range_rule
from pellucid.web.states import VALUES, State
from pellucid.web.templating import with_code

if TYPE_CHECKING:
    from pellucid.cases import Case, Confidence
    from pellucid.cases.confidence import NodeConfidence
    from pellucid.findings import Diagnostic

WHOLE = (0.0, 1.0)
"""Every probability is drawn on the whole scale, so that all of them can be compared by eye."""
MOST_ROWS = 300
MOST_NAMED = 8
MOST_FLAGS = 4


@dataclass(frozen=True)
class Calculus:
    """What one calculus says of the top."""

    name: str
    """Its name."""
    assumes: str
    """What it takes for granted."""
    says: str
    """Its number in words; empty where it gives a verdict."""
    more: str
    """What stands behind the number."""
    state: State | None
    """The verdict, for the calculus that gives no number."""
    rule: Markup
    """The interval rule."""


@dataclass(frozen=True)
class Ground:
    """Leaves whose numbers are of one sort."""

    title: str
    """Which sort."""
    leaves: tuple[tuple[str, str, Markup], ...]
    """Name, panel and source of the number of each."""
    more: int
    """How many are not named."""


@dataclass(frozen=True)
class ElementNumbers:
    """One element in the table of all."""

    id: str
    """Its name in the case."""
    anchor: str
    """Where its panel is."""
    label: State
    """Its grounded label."""
    product: str
    """The product rule."""
    low: str
    """What may be relied on whatever depends on what."""
    high: str
    """At most."""
    exact: str
    """The exact number."""


@dataclass(frozen=True)
class Sure:
    """The section of a page."""

    number: str
    """How probable the top is, with as many digits as its interval supports; empty without one."""
    between: str
    """Its bounds in words."""
    rule: Markup
    """The interval rule of the top: the bounds as the bar, the exact number as the ring."""
    undefined: str
    """Why there is no exact number; empty when there is one."""
    calculi: tuple[Calculus, ...]
    """The four, side by side."""
    flags: tuple[Markup, ...]
    """Where the numbers need an explanation."""
    more_flags: tuple[Markup, ...]
    """The same, after the first few."""
    grounds: tuple[Ground, ...]
    """Leaves that are taken as certain, judged, or of which nothing is known."""
    elements: tuple[ElementNumbers, ...]
    """What the calculi say of each element."""
    left_out: str
    """How many elements are not in the table; empty when all are."""


def sure_of(
    case: Case, found: Confidence, flags: Iterable[Diagnostic], anchors: Mapping[str, str]
) -> Sure | None:
    """How sure one may be of a case, for a page; None for a case without elements.

    Arguments:
        case: the argument.
        found: what the calculi say, from ``case.confidence``.
        flags: where they need an explanation, checks Q01 to Q03.
        anchors: where the panel of each element is.
    """
    if not found.nodes:
        return None
    top = found.top
    names = [name for name in case.nodes if name in found.nodes]
    said = tuple(with_code(f"{flag.code} {flag.message} {flag.remedy}") for flag in flags)
    undefined = why_undefined(found)
    return Sure(
        number="" if undefined else exact_of(top),
        between=between_of(top),
        rule=interval_rule(None if undefined else top.exact, top.low, top.high, width=420, ends=WHOLE),
        undefined=undefined,
        calculi=tuple(calculi(top)),
        flags=said[:MOST_FLAGS],
        more_flags=said[MOST_FLAGS:],
        grounds=tuple(grounds(found, anchors)),
        elements=tuple(numbers(name, found.nodes[name], anchors) for name in names[:MOST_ROWS]),
        left_out=left_out(len(names)),
    )


def left_out(count: int) -> str:
    """What is said of elements that are not in the table."""
    return f"The first {MOST_ROWS} of {count} elements; all are in the JSON." if count > MOST_ROWS else ""


def exact_of(node: NodeConfidence) -> str:
    """The exact number with the digits that the bounds support; empty where it is not defined."""
    if node.exact is None or node.low is None or node.high is None:
        return ""
    return shown(node.exact, node.low, node.high)


def between_of(node: NodeConfidence) -> str:
    """The bounds in words; empty where they are not defined."""
    if node.low is None or node.high is None:
        return ""
    return f"between {shown_bounds(node.low, node.high)}, whatever depends on what"


def why_undefined(found: Confidence) -> str:
    """Why there is no exact number for the top, or none that says anything; empty when there is one."""
    if len(found.unknown) == len(found.leaves):
        return "Nothing is known of any leaf yet, so no number says anything of the top."
    if found.top.exact is not None:
        return ""
    if found.reason:
        return found.reason
    if found.circular:
        names = ", ".join(sorted(found.circular)[:MOST_NAMED])
        return f"No number is defined: {names} rest on a circle, which only the verdict resolves."
    return "No number is defined: nothing supports the top yet."


def calculi(top: NodeConfidence) -> Iterator[Calculus]:
    """The four calculi, from the one that needs no numbers to the one that is exact."""
    yield Calculus(
        "Grounded argument",
        "no probabilities: what is open stays open",
        "",
        "",
        BY_VALUE[top.label],
        Markup(""),
    )
    yield product_rule(top)
    yield dependence_free(top)
    yield Calculus(
        "Exact, as a Bayes net",
        "leaves are independent unless they name a common cause",
        exact_of(top) or "not defined",
        "",
        None,
        interval_rule(top.exact, top.low, top.high, ends=WHOLE),
    )


def product_rule(top: NodeConfidence) -> Calculus:
    """Subjective logic, whose expectation is the product leg by leg."""
    name, assumes = "Subjective logic, the product rule", "legs are independent and share no leaf"
    opinion, product = top.opinion, top.product
    if opinion is None or product is None:
        return Calculus(name, assumes, "not defined", "", None, Markup(""))
    parts = (opinion.belief, opinion.disbelief, opinion.uncertainty)
    more = "belief {}, disbelief {}, uncertainty {}".format(*(cut(part, 2) for part in parts))
    # what is uncertain may turn out either way: from belief to belief and uncertainty
    low, high = opinion.belief, 1 - opinion.disbelief
    says = shown(product, low, high)
    return Calculus(name, assumes, says, more, None, interval_rule(product, low, high, ends=WHOLE))


def dependence_free(top: NodeConfidence) -> Calculus:
    """Bounds that assume nothing about dependence."""
    name, assumes = "Bounds without independence", "nothing about what depends on what"
    if top.low is None or top.high is None:
        return Calculus(name, assumes, "not defined", "", None, Markup(""))
    says = shown_bounds(top.low, top.high).replace(" and ", " to ")
    more = "" if top.doubts is None else f"1 − sum of doubts: {cut(max(0.0, 1 - top.doubts), 2)}"
    return Calculus(name, assumes, says, more, None, range_rule(top.low, top.high, ends=WHOLE))


def grounds(found: Confidence, anchors: Mapping[str, str]) -> Iterator[Ground]:
    """Leaves of which the numbers are conditional, by why."""
    for title, names in (
        ("Taken as certain, without an interval", found.taken),
        ("Judged, not measured", found.judged),
        ("Nothing is known of", found.unknown),
    ):
        own = [name for name in names if name in anchors]
        if own:
            sources = {name: said_of(found.leaves[name].source) for name in own[:MOST_NAMED]}
            named = tuple((name, anchors[name], source) for name, source in sources.items())
            yield Ground(title, named, len(own) - len(named))


def said_of(source: str) -> Markup:
    """Where a number comes from, without what the heading says already."""
    return with_code(source.removeprefix("nothing is known: ").removeprefix("taken as true: "))


def numbers(name: str, node: NodeConfidence, anchors: Mapping[str, str]) -> ElementNumbers:
    """One line of the table of all elements."""
    low, high = node.low, node.high
    if low is None or high is None:
        return ElementNumbers(name, anchors[name], VALUES[node.label], "", "", "", "")
    least, _, most = shown_bounds(low, high).partition(" and ")
    product = "" if node.product is None else shown(node.product, low, high)
    return ElementNumbers(name, anchors[name], VALUES[node.label], product, least, most, exact_of(node))
