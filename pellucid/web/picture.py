"""The pictures of a Finding: Plotly figures as JSON for the page, each with its table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pellucid.findings import show
from pellucid.web.passages import passages_of
from pellucid.web.table import MOST_ROWS, Table, table_of

if TYPE_CHECKING:
    from pellucid.findings import Finding

# What could end a script element, or begin a comment in one, is written as an escape of JSON.
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
WORDED = {"text", "table"}
LONGEST_WORD = 22
MOST_TICKS = 40
TICK = 16
"""Height of one name beside an axis."""


@dataclass(frozen=True)
class Picture:
    """One view of a Finding, drawn."""

    anchor: str
    """Name of its place in the page."""
    title: str
    """A sentence that says what it shows."""
    caption: str
    """What is measured, along which axes."""
    short: str
    """The first signs of the Finding's id."""
    href: str
    """Where the Finding is shown."""
    json: Markup
    """The Plotly figure; empty for a view that is text or a table."""
    text: Markup
    """The lines of a view that is text."""
    table: Table | None
    """The same numbers as a table; None for a view that is text."""
    open: bool
    """Whether the table is the view itself."""


def pictures_of(finding: Finding, href: str) -> tuple[Picture, ...]:
    """Every view of a Finding whose array it holds, drawn."""
    views = finding.header.views
    return tuple(draw(finding, at, href) for at, view in enumerate(views) if view.array in finding.arrays)


def draw(finding: Finding, at: int, href: str) -> Picture:
    """View number ``at`` of a Finding."""
    view = finding.header.views[at]
    names, rows = show.table(finding, at, limit=MOST_ROWS)
    more = finding.arrays[view.array].values.size > len(rows) * max(1, len(names) - 1)
    return Picture(
        anchor=f"p-{finding.id[:12]}-{at}",
        title=view.title,
        caption=caption(view.x, view.y, view.unit),
        short=finding.id[:12],
        href=href,
        json=Markup("") if view.form in WORDED else embed_json(figure_json(finding, at)),
        text=passages_of(finding, view.array) if view.form == "text" else Markup(""),
        table=None if view.form == "text" else table_of(names, rows, more=more),
        open=view.form == "table",
    )


def figure_json(finding: Finding, at: int) -> str:
    """The Plotly figure as JSON, with words that Plotly cannot take for markup, and no dragging."""
    made = json.loads(show.figure(finding, at).to_json())
    made["data"] = [named(literal(trace)) for trace in made["data"]]
    made["layout"] = calm(made["layout"], traces=len(made["data"]))
    for axis, most in (("x", MOST_TICKS), ("y", max(MOST_TICKS // 4, made["layout"]["height"] // TICK))):
        made["layout"][f"{axis}axis"] |= short_ticks(made["data"], axis, most)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def calm(layout: dict[str, Any], traces: int) -> dict[str, Any]:
    """A layout for a page: its own colours, room for long labels, a legend only for several series."""
    kept = {name: value for name, value in layout.items() if name != "template"}
    for axis in ("xaxis", "yaxis"):
        title = {**kept.get(axis, {}).get("title", {}), "font": {"size": 12}, "standoff": 10}
        kept[axis] = {**kept.get(axis, {}), "automargin": True, "title": title, "tickfont": {"size": 12}}
    return {**kept, "dragmode": False, "showlegend": traces > 1}


def short_ticks(traces: list[dict[str, Any]], axis: str, most: int = MOST_TICKS) -> dict[str, Any]:
    """How an axis of words is marked: long words are cut, so that the picture keeps its room.

    The words themselves stay whole in the data, so that two with one beginning remain two. Of more than
    ``most`` words only some are marked, evenly.
    """
    found = [trace.get(axis) for trace in traces]
    words = [word for values in found if isinstance(values, list) for word in values]
    if not words or not all(isinstance(word, str) for word in words):
        return {}
    names = list(dict.fromkeys(words))
    shown = names[:: max(1, -(-len(names) // most))]
    return {
        "type": "category",
        "tickmode": "array",
        "tickvals": shown,
        "ticktext": [cut(name) for name in shown],
    }


def named(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace whose name fits the legend, and whose colour bar is narrow with its title along it."""
    kept = {**trace, "name": cut(trace["name"])} if trace.get("name") else trace
    bar = kept.get("colorbar")
    if bar is None:
        return kept
    title = {**(bar.get("title") or {}), "side": "right", "font": {"size": 12}}
    return {**kept, "colorbar": {**bar, "title": title, "thickness": 12, "tickfont": {"size": 12}}}


def cut(word: str) -> str:
    """A word of at most ``LONGEST_WORD`` signs; a space at its beginning is marked.

    Example:
        >>> cut(" dead")
        '·dead'
    """
    marked = "·" + word[1:] if word.startswith(" ") else word
    plain = unescape(marked)
    short = plain if len(plain) <= LONGEST_WORD else plain[: LONGEST_WORD - 1] + "…"
    return str(literal(short))


def literal(value: Any) -> Any:
    """Every text in a trace with its signs of markup as entities: Plotly reads ``<b>`` in labels otherwise.

    Example:
        >>> literal({"x": ["<b>"]})
        {'x': ['&lt;b&gt;']}
    """
    if isinstance(value, str):
        return "".join(ENTITIES.get(character, character) for character in value)
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    return [literal(item) for item in value] if isinstance(value, list) else value


def embed_json(text: str) -> Markup:
    """JSON that may stand inside a script element.

    Example:
        >>> print(embed_json('"</script>"'))
        "\\u003c/script\\u003e"
    """
    return Markup("".join(UNSAFE.get(character, character) for character in text))


def caption(x: str, y: str, unit: str) -> str:
    """The axes in words.

    Example:
        >>> caption("position", "effect", "nats")
        'effect by position (nats).'
    """
    axes = " by ".join(name for name in (y, x) if name)
    words = " ".join(part for part in (axes, f"({unit})" if unit else "") if part)
    return f"{words}." if words else ""
