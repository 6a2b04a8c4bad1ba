"""A Finding as a museum label: claim, number with its interval, pictures, provenance."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.findings.numbers import THIN, format_interval, format_number
from pellucid.web.interval import interval_rule, round_number
from pellucid.web.states import FINDINGS, State
from pellucid.web.table import Column, Table
from pellucid.web.templating import day, duration

if TYPE_CHECKING:
    from pellucid.findings import Finding, Header, Measure
    from pellucid.web.picture import Picture

LIMIT = re.compile(
    r"([A-Za-z_][\w@\-]*)(?:\.(value|low|high|n))?\s*(<=|>=|<|>)\s*(-?[\d.]+(?:[eE][-+]?\d+)?)"
)
NARROW = "\u202f"
"""A thin space at which no line is broken."""
COMPARISON = {"<=": "at most", "<": "below", ">=": "at least", ">": "above"}
ENDS = {"value": "", "low": "the lower end is ", "high": "the upper end is ", "n": "n is "}
Href = Callable[[str], str]


@dataclass(frozen=True)
class Limit:
    """The first comparison of a predicate: the number that decides."""

    measure: str
    """Name of the measure that is compared."""
    end: str
    """Which of its numbers: value, low, high or n."""
    comparison: str
    """The sign: <=, >=, < or >."""
    number: float
    """The limit itself."""


def limits(predicate: str) -> list[Limit]:
    """The comparisons of a predicate, in order.

    Example:
        >>> limits("score.high <= 1 and n >= 10")[0]
        Limit(measure='score', end='high', comparison='<=', number=1.0)
    """
    return [
        Limit(name, end or "value", sign, float(number))
        for name, end, sign, number in LIMIT.findall(predicate)
    ]


@dataclass(frozen=True)
class Label:
    """What is shown of a Finding; made from its header, with pictures only where arrays were read."""

    header: Header
    """The Finding's header."""
    href: str
    """Where the Finding is shown in full."""
    pictures: tuple[Picture, ...] = ()
    """Its views, drawn."""
    downloads: tuple[tuple[str, str], ...] = ()
    """Addresses and names of its files."""
    subject_href: str = ""
    """Where its model is shown; empty when that is not known."""
    predicate: str = ""
    """What an argument asks of it; empty: the predicate of its kind decides."""
    judged: State | None = None
    """What that argument makes of it; None: its own status."""

    @property
    def short(self) -> str:
        """The first twelve signs of the id."""
        return self.header.id[:12]

    @property
    def kind(self) -> str:
        """The registered kind."""
        return self.header.kind

    @property
    def room(self) -> str:
        """The room that measured it."""
        return self.header.kind.partition(".")[0].capitalize()

    @property
    def title(self) -> str:
        """The kind in words."""
        return self.header.title

    @property
    def claim(self) -> str:
        """The statement, which its measures filled; no number is parted from its unit."""
        return self.header.statement.replace(THIN, NARROW)

    @property
    def state(self) -> State:
        """The status as it is shown."""
        return FINDINGS[self.header.status]

    @property
    def retracted(self) -> str:
        """Why it was withdrawn, empty when it was not."""
        retraction = self.header.retracted
        return f"{retraction.reason} ({retraction.author}, {day(retraction.time)})" if retraction else ""

    @property
    def notes(self) -> list[str]:
        """The notes, oldest first."""
        return [f"{note.text} ({note.author}, {day(note.time)})" for note in self.header.notes]

    @cached_property
    def limit_found(self) -> Limit | None:
        """The limit of the headline's measure, None when the kind sets none."""
        found = limits(self.predicate or self.header.supports)
        named = [limit for limit in found if limit.end != "n" and limit.measure in self.header.measures]
        return named[0] if named else None

    @cached_property
    def measure(self) -> Measure | None:
        """The measure in the headline: the one that decides, else the first."""
        measures = self.header.measures
        if self.limit_found is not None:
            return measures[self.limit_found.measure]
        return next(iter(measures.values()), None)

    @property
    def value(self) -> str:
        """The headline's number without its unit; empty without a number."""
        measure = self.measure
        return "" if measure is None or measure.value is None else format_number(measure.value)

    @property
    def unit(self) -> str:
        """The unit and name of the headline's number."""
        measure = self.measure
        if measure is None:
            return ""
        parts = (measure.unit, measure.name.replace("_", " "))
        return (" " if measure.unit == "%" else ", ").join(part for part in parts if part)

    @property
    def interval(self) -> str:
        """The interval, n and the limit in one line."""
        measure = self.measure
        if measure is None:
            return ""
        text = format_interval(measure).partition(", ")[2]
        return "; ".join(part for part in (text, self.limit) if part)

    @property
    def limit(self) -> str:
        """The limit in words."""
        limit = self.limit_found
        if limit is None or self.measure is None:
            return ""
        number = round_number(limit.number, self.measure.unit)
        return f"supports if {ENDS[limit.end]}{COMPARISON[limit.comparison]} {number}"

    @property
    def rule(self) -> Markup:
        """The interval rule; empty for a number without interval or limit."""
        measure, limit = self.measure, self.limit_found
        if measure is None or (measure.low is None and limit is None):
            return Markup("")
        number = limit.number if limit else None
        state = (self.judged or self.state).name
        return interval_rule(measure.value, measure.low, measure.high, number, state=state, unit=measure.unit)

    @property
    def measured(self) -> list[tuple[str, str]]:
        """Every measure with its interval."""
        return [(m.name.replace("_", " "), format_interval(m)) for m in self.header.measures.values()]

    @property
    def measures(self) -> Table:
        """The measures as a table."""
        return Table((Column("Measure"), Column("Value, 95 % interval, n")), tuple(self.measured))

    @property
    def subject(self) -> str | Markup:
        """The model that was measured, by name and digest, linked where its page is known."""
        subject = self.header.provenance.subject
        if subject is None:
            return ""
        short = subject.sha256[:12]
        words = subject.id if short in subject.id else f"{subject.id} {short}"
        return Markup('<a href="{}">{}</a>').format(self.subject_href, words) if self.subject_href else words

    @property
    def facts(self) -> list[tuple[str, str | Markup]]:
        """The provenance, one fact a line."""
        made = self.header.provenance
        rows = [
            ("finding", self.header.id),
            ("method", made.method),
            ("model", self.subject),
            ("data", f"{made.data.id} {made.data.sha256[:12]}" if made.data else ""),
            ("code", made.code.digest[:12]),
            ("commit", made.commit[:12]),
            ("where", f"{made.device} {made.dtype}"),
            ("seed", "" if made.seed is None else str(made.seed)),
            ("measured", f"{day(made.started)}, {duration(made.seconds)}"),
            ("evidence", f"{self.header.evidence}"),
            ("parents", ", ".join(parent[:12] for parent in made.parents)),
        ]
        return [(name, value) for name, value in rows if value.strip()]

    @property
    def provenance(self) -> Markup:
        """The provenance in two short lines."""
        made = self.header.provenance
        first = f"f:{self.short} · {self.kind}"
        second = f"{made.device} {made.dtype}, {duration(made.seconds)} · {day(made.started)}"
        return Markup("{}<br>{}").format(first, second)

    @property
    def command(self) -> str:
        """The command that measures again."""
        return self.header.provenance.command


def label_of(header: Header, href: Href, predicate: str = "", judged: State | None = None) -> Label:
    """The label of a header, without pictures; ``predicate`` and ``judged`` by an argument that cites it."""
    return Label(header, href(f"/findings/{header.id}"), predicate=predicate, judged=judged)


def label_in_full(finding: Finding, href: Href, subject_href: str = "") -> Label:
    """The label of a Finding with its pictures and files."""
    from pellucid.web.picture import pictures_of

    address = href(f"/findings/{finding.id}")
    files = (
        (href(f"/api/findings/{finding.id}"), "JSON"),
        (href(f"/api/findings/{finding.id}.safetensors"), "safetensors"),
    )
    return Label(finding.header, address, pictures_of(finding, address), files, subject_href)
