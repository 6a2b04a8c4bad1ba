"""A Finding's picture, drawn by Plotly from the view that its header carries.

One data colour, a grey outline for the second series; state colours are never used for data.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.findings.errors import MissingError
from pellucid.findings.header import View
from pellucid.findings.show.table import labels, table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from pellucid.findings.arrays import Array
    from pellucid.findings.finding import Finding

ACCENT, GREY, INK, RULE = "#1b4f9c", "#59616a", "#414850", "#b4babf"
FEW = 12
"""More names than this stand below each other, each on its own line, so that all can be read."""
LINE = 18
"""Height of such a line."""
TALLEST = 1_100
"""A matrix is not drawn taller: it is seen as a whole."""
DASHES = ("solid", "dash", "dot", "dashdot")
SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'
DIVERGING = [[0.0, "#59616a"], [0.5, "#ffffff"], [1.0, ACCENT]]
SEQUENTIAL = [[0.0, "#ffffff"], [1.0, ACCENT]]


def figure(finding: Finding, view: int = 0) -> Figure:
    """One view as a Plotly figure; MissingError FN50 when the Finding has no such view."""
    from plotly.graph_objects import Figure

    views = finding.header.views
    if not 0 <= view < len(views):
        raise MissingError(
            "FN50", f"{finding.kind} has {len(views)} views, not number {view}.", "Count views from 0."
        )
    spec = views[view]
    traces = DRAW[spec.form](finding, view)
    made = Figure(data=traces, layout=layout(spec, finding.arrays[spec.array]))
    return made


def layout(spec: View, array: Array) -> dict[str, Any]:
    """Fonts, axes and margins, the same for every picture."""
    matrix = spec.form == "heatmap"
    axis = {"linecolor": RULE, "gridcolor": "rgba(0,0,0,0)" if matrix else "#dadddf", "zeroline": False}
    x = spec.x or (named_axis(spec, array) if array.axes else "")
    y = spec.y or (array.axes[-2] if matrix and len(array.axes) > 1 else spec.unit)
    lies = stacked(spec, array)
    beside = {**axis, "title": {"text": y if lies else x}, **({"side": "top"} if lies > 2 * FEW else {})}
    upward = {**axis, "title": {"text": x if lies else y}}
    return {
        "font": {"family": SANS, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 16, "t": 16, "b": 48},
        "height": height(spec, array),
        "showlegend": array.values.ndim > 1 and not matrix,
        "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "xaxis": beside,
        "yaxis": {**upward, **downward(lies, matrix)},
    }


def downward(lies: int, matrix: bool) -> dict[str, Any]:
    """How an axis whose first name is the uppermost runs; close names leave no gap at its ends."""
    if lies:
        return {"range": [lies - 0.5, -0.5]}
    return {"autorange": "reversed"} if matrix else {}


def named_axis(spec: View, array: Array) -> str:
    """What the places of a picture are called: the axis along which values stand beside each other."""
    ends = spec.form == "interval" and len(array.axes) > 1
    return array.axes[-2] if ends else array.axes[-1]


def stacked(spec: View, array: Array) -> int:
    """How many names stand below each other; 0 for a picture whose names, or numbers, stand side by side."""
    if spec.form == "bar":
        names = across(array)
    elif spec.form == "interval" and array.values.ndim > 1 and array.values.shape[-1] == 3:
        names = places(array)
    else:
        return 0
    return len(names) if len(names) > FEW and isinstance(names[0], str) else 0


def height(spec: View, array: Array) -> int:
    """Height of a picture in pixels, so that every line of names can be read."""
    lies = stacked(spec, array)
    if lies:
        several = array.values.shape[0] if spec.form == "bar" and array.values.ndim > 1 else 1
        return 120 + lies * max(LINE, 8 * several)
    rows = array.values.shape[-2] if spec.form == "heatmap" and array.values.ndim > 1 else 0
    return max(340, min(TALLEST, 110 + LINE * rows))


def places(array: Array) -> list[str]:
    """What each interval is called: its coordinates along every axis but that of its ends."""
    return unique([" · ".join(place) for place in itertools.product(*along(array)[:-1])])


def series(array: Array) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """A vector as one series; a matrix as one for each entry of its first axis, named by its coordinate."""
    if array.values.ndim < 2:
        return [("", np.atleast_1d(array.values))]
    names = labels(array, array.axes[0])
    return [(name, row.ravel()) for name, row in zip(names, array.values, strict=True)]


def along(array: Array) -> list[list[str]]:
    """The coordinates of every axis, as text."""
    return [labels(array, axis) for axis in array.axes]


def across(array: Array) -> list[Any]:
    """The coordinates along the last axis, as numbers where they are numbers."""
    if not array.axes:
        return [""]
    found = array.coords.get(array.axes[-1])
    if not found:
        return list(range(array.values.shape[-1]))
    if not isinstance(found[0], str):
        return found
    return counted(found) or unique(labels(array, array.axes[-1]))


def counted(names: list[str]) -> list[int]:
    """Names that count upwards, as numbers, which an axis marks sparsely; nothing for other names.

    Example:
        >>> counted(["1", "2", "4"]), counted(["2", "2"]), counted(["a"])
        ([1, 2, 4], [], [])
    """
    if not all(name.isascii() and name.isdecimal() for name in names):
        return []
    numbers = [int(name) for name in names]
    return numbers if all(one < other for one, other in itertools.pairwise(numbers)) else []


def draw_lines(finding: Finding, view: int) -> list[Any]:
    """Lines: the first in the data colour, others grey and dashed."""
    from plotly.graph_objects import Scatter

    array = finding.arrays[finding.header.views[view].array]
    return [
        Scatter(
            x=across(array),
            y=row,
            name=name,
            mode="lines+markers" if len(row) <= 60 else "lines",
            line={"color": GREY if index else ACCENT, "dash": DASHES[index % 4], "width": 2},
        )
        for index, (name, row) in enumerate(series(array))
    ]


def draw_bars(finding: Finding, view: int) -> list[Any]:
    """Bars: the first series filled, others outlined."""
    from plotly.graph_objects import Bar

    spec = finding.header.views[view]
    array = finding.arrays[spec.array]
    fills = (ACCENT, "rgba(0,0,0,0)", "#a9c2e6", GREY)
    names, lies = across(array), bool(stacked(spec, array))
    return [
        Bar(
            x=row if lies else names,
            y=names if lies else row,
            orientation="h" if lies else "v",
            name=name,
            marker={"color": fills[index % 4], "line": {"color": GREY if index else ACCENT, "width": 1}},
        )
        for index, (name, row) in enumerate(series(array))
    ]


def draw_heatmap(finding: Finding, view: int) -> list[Any]:
    """A matrix: one hue where all have one sign, grey to blue through white where not."""
    from plotly.graph_objects import Heatmap

    spec = finding.header.views[view]
    array = finding.arrays[spec.array]
    values = matrix(array)
    signed = bool((values < 0).any())
    rows = labels(array, array.axes[-2]) if len(array.axes) > 1 else [""]
    scale = {"colorscale": DIVERGING, "zmid": 0} if signed else {"colorscale": SEQUENTIAL, "zmin": 0}
    columns = unique(labels(array, array.axes[-1])) if array.axes else [""]
    return [Heatmap(z=values, x=columns, y=rows, colorbar={"title": spec.unit, "outlinewidth": 0}, **scale)]


def matrix(array: Array) -> np.ndarray[Any, Any]:
    """The array as a matrix: the first one of a stack, a vector as its only row."""
    values = np.atleast_2d(array.values)
    first = (0,) * (values.ndim - 2)
    return values[first] if all(values.shape) else np.zeros((1, 0))


def unique(names: list[str]) -> list[str]:
    """Names made different where tokens repeat, so that no column hides another."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else name + "\u200b" * (seen[name] - 1))
    return made


def draw_histogram(finding: Finding, view: int) -> list[Any]:
    """Counts of values."""
    from plotly.graph_objects import Histogram

    array = finding.arrays[finding.header.views[view].array]
    values = array.values.ravel()
    return [Histogram(x=values[np.isfinite(values)], marker={"color": ACCENT}, nbinsx=40)]


def draw_intervals(finding: Finding, view: int) -> list[Any]:
    """Values with their ends: the last axis holds value, low and high."""
    from plotly.graph_objects import Scatter

    spec = finding.header.views[view]
    array = finding.arrays[spec.array]
    if array.values.ndim < 2 or array.values.shape[-1] != 3:
        return draw_table(finding, view)
    value, low, high = (known(array.values[..., end].ravel()) for end in range(3))
    names, lies = places(array), bool(stacked(spec, array))
    ends = {"type": "data", "array": high - value, "arrayminus": value - low, "color": ACCENT}
    marker = {"color": ACCENT, "size": 7 if lies else 9}
    if lies:
        return [Scatter(x=value, y=names, error_x={**ends, "width": 0}, mode="markers", marker=marker)]
    return [Scatter(x=names, y=value, error_y=ends, mode="markers", marker=marker)]


def known(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What is not a finite number as NaN, which is not drawn."""
    numbers = values.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def draw_table(finding: Finding, view: int) -> list[Any]:
    """The table itself, where there is nothing to plot."""
    from plotly.graph_objects import Table

    columns, rows = table(finding, view, limit=100)
    cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in columns]
    return [Table(header={"values": columns, "align": "left"}, cells={"values": cells, "align": "left"})]


DRAW: dict[str, Callable[[Finding, int], list[Any]]] = {
    "line": draw_lines,
    "bar": draw_bars,
    "heatmap": draw_heatmap,
    "histogram": draw_histogram,
    "interval": draw_intervals,
    "table": draw_table,
    "text": draw_table,
}
