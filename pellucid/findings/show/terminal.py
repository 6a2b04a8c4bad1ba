"""A Finding in the terminal: kind, claim, number with its interval, table, provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.findings.numbers import format_interval
from pellucid.findings.show.source import source_line
from pellucid.findings.show.table import readable, table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from pellucid.findings.finding import Finding

MARKS = {"supports": "✓", "refutes": "✗", "inconclusive": "?", "failed": "!"}
COLOURS = {"supports": "green", "refutes": "red", "inconclusive": "yellow", "failed": "magenta"}


def print_finding(finding: Finding) -> None:
    """Print it on standard output."""
    from rich.console import Console

    Console(highlight=False).print(text(finding))


def text(finding: Finding) -> Group:
    """The Finding as a Rich renderable, in the order of a museum label."""
    from rich.console import Group
    from rich.text import Text

    header = finding.header
    state = Text(f"{MARKS[header.status]} {header.status}", style=COLOURS[header.status])
    notes = [Text(readable(f"note by {note.author}, {note.time}: {note.text}")) for note in header.notes]
    gone = (
        [Text(readable(f"retracted by {header.retracted.author}: {header.retracted.reason}"))]
        if header.retracted
        else []
    )
    return Group(
        Text(f"{header.kind} / {header.title}", style="dim"),
        Text(readable(header.statement), style="bold"),
        state,
        *gone,
        rich_table(["measure", "value"], [[n, format_interval(m)] for n, m in header.measures.items()]),
        *(rich_view(finding, index) for index in range(len(header.views))),
        *notes,
        Text(f"{header.id}\n{readable(source_line(finding))}", style="dim"),
    )


def rich_view(finding: Finding, index: int) -> Group:
    """One view: its sentence, and a table of at most thirty rows."""
    from rich.console import Group
    from rich.text import Text

    columns, rows = table(finding, index, limit=31)
    title = finding.header.views[index].title
    if len(rows) > 30:
        rows, title = rows[:30], f"{title} (first 30 rows; export it for all)"
    return Group(Text(f"\n{readable(title)}"), rich_table(columns, rows))


def rich_table(columns: list[str], rows: list[list[str]]) -> Table:
    """A plain table; model text in it is never read as markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False)
    for column in columns:
        made.add_column(Text(readable(column)), overflow="fold")
    for row in rows:
        made.add_row(*(Text(readable(cell)) for cell in row))
    return made
