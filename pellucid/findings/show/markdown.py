"""A Finding as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.findings.numbers import format_interval
from pellucid.findings.show.source import source_line
from pellucid.findings.show.table import readable, table

if TYPE_CHECKING:
    from pellucid.findings.finding import Finding


def markdown(finding: Finding) -> str:
    """Claim, status, measures, the views as tables, provenance."""
    header = finding.header
    parts = [
        f"## {escape(header.statement)}",
        f"**{header.status}** · {header.kind} · `{header.id}`",
        rows_of(["measure", "value"], [[name, format_interval(m)] for name, m in header.measures.items()]),
        *(part for index in range(len(header.views)) for part in view_part(finding, index)),
        f"*{escape(source_line(finding))}*",
    ]
    return "\n\n".join(parts) + "\n"


def view_part(finding: Finding, index: int) -> list[str]:
    """One view: its sentence and its table."""
    return [f"### {escape(finding.header.views[index].title)}", rows_of(*table(finding, index, limit=60))]


def rows_of(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(escape(cell) for cell in line)} |" for line in lines)


def escape(text: str) -> str:
    """Text that cannot become markup."""
    text = readable(text)
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return text
