"""How every command prints: JSON for programs, tables for people, errors on the error stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pellucid.findings import Diagnostic, PellucidError

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
StoreOption = Annotated[str, typer.Option("--store", help="URL of the store.", envvar="PELLUCID_STORE")]
DEFAULT_STORE = "sqlite:///pellucid.db"


def print_json(data: Any) -> None:
    """Print ``data`` as indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False, default=str))


def print_rich(*renderables: RenderableType) -> None:
    """Print tables and text for people on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    for renderable in renderables:
        console.print(renderable)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print one table, or the ``empty`` sentence that says what to run when there are no rows."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    print_rich(table if table.row_count else escape(empty))


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print name and value pairs, one a line, under a title."""
    print_table(title, ("what", "value"), facts.items(), "Nothing to show.")


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print numbered diagnostics, one a line, on the error stream."""
    for diagnostic in diagnostics:
        typer.echo(str(diagnostic), err=True)


def complain(error: PellucidError, as_json: bool) -> int:
    """Print a user's error once, with its remedy, and return the exit status 2."""
    code = getattr(error, "code", "CL00")
    if as_json:
        problem = getattr(error, "problem", str(error))
        print_json({"error": {"code": code, "problem": problem, "remedy": getattr(error, "remedy", "")}})
    sys.stderr.write(f"error ({code}): {error}\n")
    return 2
