"""Crosswalks: which elements and evidence of a case meet which clause of a standard, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cases.review.entries import entries_text, read_entries, write_entries
from pellucid.findings import Diagnostic, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case

_FIELDS = ("standard", "clause", "nodes", "evidence", "gap")


@dataclass(frozen=True)
class Mapped:
    """One clause of a standard, and what in the case answers it."""

    standard: str
    """The standard."""
    clause: str
    """The clause, as the standard numbers it."""
    nodes: tuple[str, ...] = ()
    """Elements of the case that answer it."""
    evidence: tuple[str, ...] = ()
    """Ids of Findings, or their beginnings, that answer it."""
    gap: str = ""
    """What is missing; empty when nothing is."""
    line: int = field(default=0, compare=False)
    """Line of the file; 0 when it came from none."""

    @property
    def where(self) -> str:
        """The clause as messages name it."""
        return f"{self.standard} {self.clause}" + (f" (line {self.line})" if self.line else "")


@dataclass(frozen=True)
class Crosswalk:
    """A case seen through the clauses of standards.

    Example:
        >>> walk = read_crosswalk("- standard: ISO 42001\\n  clause: '8.2'\\n  nodes: [G1]\\n")
        >>> walk.rows[0].nodes
        ('G1',)
    """

    rows: tuple[Mapped, ...]
    """The clauses in stated order."""

    @property
    def gaps(self) -> tuple[Mapped, ...]:
        """Clauses of which something is missing."""
        return tuple(row for row in self.rows if row.gap)

    @property
    def text(self) -> str:
        """The crosswalk as YAML."""
        return entries_text([_plain(row) for row in self.rows])

    def write(self, path: str | Path) -> Path:
        """Write it as YAML; either the whole new file is there afterwards or the old one is.

        Raises:
            InputError: Y103 when the place cannot be written.
        """
        return write_entries(path, [_plain(row) for row in self.rows])

    def check(self, case: Case) -> list[Diagnostic]:
        """Compare it with a case.

        R10 an element that the case has not, R11 a Finding that no leaf cites, R12 a clause with neither
        element nor gap, R13 a clause stated twice, R04 a clause or a standard without a name.
        """
        return [*self._doubled(), *(found for row in self.rows for found in _checked(row, case))]

    def _doubled(self) -> Iterator[Diagnostic]:
        seen: set[tuple[str, str]] = set()
        for row in self.rows:
            if (row.standard, row.clause) in seen:
                problem = f"Clause {row.clause} of {row.standard} is stated twice."
                yield Diagnostic("R13", "warning", row.where, problem, "Join the two entries.")
            seen.add((row.standard, row.clause))


def _plain(row: Mapped) -> dict[str, object]:
    values = asdict(row)
    return {name: values[name] for name in _FIELDS if values[name] or name in ("standard", "clause")}


def _checked(row: Mapped, case: Case) -> Iterator[Diagnostic]:
    if not row.standard or not row.clause:
        problem = f"An entry names no {'clause' if row.standard else 'standard'}."
        yield Diagnostic("R04", "error", row.where, problem, "State `standard` and `clause`.")
    for name in row.nodes:
        if name not in case.nodes:
            hint = did_you_mean(name, case.nodes) or "Name an element of the case."
            problem = f"Clause {row.clause} names '{name}', which the case has not."
            yield Diagnostic("R10", "error", row.where, problem, hint)
    cited = [finding for finding in case.citations.values() if finding]
    for finding in row.evidence:
        if not any(one.startswith(finding) or finding.startswith(one) for one in cited):
            problem = f"Clause {row.clause} rests on Finding {finding}, which no leaf of the case cites."
            yield Diagnostic(
                "R11", "warning", row.where, problem, "Bind a leaf to it, or name what the case cites."
            )
    if not row.nodes and not row.gap:
        problem = f"Clause {row.clause} of {row.standard} names neither elements nor a gap."
        yield Diagnostic(
            "R12", "warning", row.where, problem, "Name elements, or say in `gap` what is missing."
        )


def read_crosswalk(source: str | Path) -> Crosswalk:
    """Read a crosswalk from YAML: a list of {standard, clause, nodes, evidence, gap}.

    Args:
        source: a path, or the text itself.

    Raises:
        MissingError: Y103 when there is no such file.
        InputError: Y103 names file and line of what cannot be read.
    """
    entries = read_entries(source, _FIELDS, lists=("nodes", "evidence"))
    return Crosswalk(
        tuple(
            Mapped(
                one.text("standard"),
                one.text("clause"),
                one.texts("nodes"),
                one.texts("evidence"),
                one.text("gap"),
                one.line,
            )
            for one in entries
        )
    )
