"""A Finding as a self-contained piece of HTML, for notebooks and exports."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pellucid.findings.numbers import format_interval, format_number
from pellucid.findings.show.figure import figure
from pellucid.findings.show.source import source_line
from pellucid.findings.show.table import table

if TYPE_CHECKING:
    from pellucid.findings.finding import Finding

MARKS = {"supports": "✓", "refutes": "✗", "inconclusive": "◐", "failed": "!"}
DRAWN = {"line", "bar", "heatmap", "histogram", "interval"}


def html(finding: Finding, include_plotlyjs: bool | str = False) -> str:
    """The Finding in the order of a museum label: where from, claim, number, picture, provenance.

    ``include_plotlyjs`` goes to Plotly; without the script, each picture is still there as a table.
    """
    header = finding.header
    views = "".join(view_html(finding, index, include_plotlyjs) for index in range(len(header.views)))
    return (
        f'<article class="label finding" id="f-{header.id[:12]}">'
        f'<p class="kicker">{escape(header.room)} / {escape(header.title)}</p>'
        f"<h3>{escape(header.statement)}</h3>"
        f'<p><span class="v badge {header.status}">{MARKS[header.status]} {header.status}</span></p>'
        f"{headline(finding)}{measures(finding)}{views}"
        f'<p class="prov">{escape(header.id[:12])} · {escape(header.kind)}<br>'
        f"{escape(source_line(finding))}</p></article>"
    )


def headline(finding: Finding) -> str:
    """The first measure, large, with its interval."""
    first = next(iter(finding.measures.values()), None)
    if first is None:
        return ""
    rest = format_interval(first).partition(", ")[2]
    number = escape(format_number(first.value, first.unit))
    return f'<p class="num">{number} <small>{escape(first.name)}</small></p><p class="ci">{escape(rest)}</p>'


def measures(finding: Finding) -> str:
    """Every measure in a table."""
    rows = [[name, format_interval(measure)] for name, measure in finding.measures.items()]
    return rows_html(["measure", "value"], rows)


def rows_html(columns: list[str], rows: list[list[str]]) -> str:
    """A table with everything escaped."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def view_html(finding: Finding, index: int, include_plotlyjs: bool | str) -> str:
    """One view: its sentence, its picture, and the same as a table."""
    spec = finding.header.views[index]
    rows = rows_html(*table(finding, index))
    if spec.form not in DRAWN:
        return f'<figure class="fig"><p class="fig-title">{escape(spec.title)}</p>{rows}</figure>'
    # a name of our own: Plotly would invent another at every call, and the same Finding is the same page
    picture = figure(finding, index).to_html(
        full_html=False, include_plotlyjs=include_plotlyjs, div_id=f"plot-{finding.id[:12]}-{index}"
    )
    return (
        f'<figure class="fig" role="img" aria-label="{escape(spec.title)}">'
        f'<p class="fig-title">{escape(spec.title)}</p><div class="plot">{picture}</div>'
        f"<details><summary>The same as a table</summary>{rows}</details></figure>"
    )
