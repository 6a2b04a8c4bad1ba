"""The audit's result in the terminal: claim first, the number with its interval, then where to look next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.findings_table import MARKS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pellucid.audit import Report

COLOURS = {"stands": "green", "defeated": "red", "undecided": "yellow"}


def report_lines(report: Report, page: Path, store: str) -> list[RenderableType]:
    """What the audit prints: verdict, reason, table of findings, next steps."""
    from rich.text import Text

    colour = COLOURS[report.verdict.word]
    headline = Text(report.headline, style=f"bold {colour}")
    reason = Text("Reason: " + " → ".join(report.verdict.reason_path) if report.verdict.reason_path else "")
    return [
        Text(),
        headline,
        reason,
        *open_points(report),
        Text(),
        findings_table(report),
        next_steps(page, store),
    ]


def open_points(report: Report) -> list[RenderableType]:
    """The assumptions the verdict rests on, accepted or open."""
    from rich.text import Text

    return [Text(f"  {line}", style="dim") for line in report.assumptions]


def findings_table(report: Report) -> RenderableType:
    """One row a finding: mark, kind, claim."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "status", "finding"):
        table.add_column(column, overflow="fold")
    for finding in report.findings:
        mark = f"{MARKS[finding.status]} {finding.status}"
        table.add_row(finding.id[:12], mark, escape(finding.statement))
    return table


def next_steps(page: Path, store: str) -> RenderableType:
    """Where to look next."""
    from rich.text import Text

    option = "" if store == "sqlite:///pellucid.db" else f" --store {store}"
    return Text(
        f"\nReport: {page}\nBrowse: pellucid serve{option}\nOne finding: pellucid findings show ID{option}"
    )
