"""The outline of each element in a drawing: its shape, its lines of text, and the room it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pellucid.cases.drawing.lettering import LINE, text_width, wrap
from pellucid.cases.nodes import CITING, COUNTERS, Node, NodeKind

Shape = Literal["rectangle", "parallelogram", "ellipse", "rounded", "clipped"]

SHAPES: dict[NodeKind, Shape] = {
    NodeKind.GOAL: "rectangle",
    NodeKind.STRATEGY: "parallelogram",
    NodeKind.SOLUTION: "ellipse",
    NodeKind.CONTEXT: "rounded",
    NodeKind.ASSUMPTION: "ellipse",
    NodeKind.JUSTIFICATION: "ellipse",
    NodeKind.COUNTER_GOAL: "clipped",
    NodeKind.COUNTER_SOLUTION: "clipped",
}
LETTERS = {NodeKind.ASSUMPTION: "A", NodeKind.JUSTIFICATION: "J"}

ID_SIZE = 11.0
HEAD = 18.0
"""Height of the row with id, word and marks."""
BAND = 18.0
"""Height of the band that names the module of an away element."""
SLANT = 18.0
MARKS = 40.0
"""Width kept free for two marks."""
_WORD = 58.0
"""Width kept free for the longest word of state: a drawing keeps its layout when the verdict changes."""
_PAD = 11.0
_LIMITS = (180.0, 240.0, 320.0, 420.0)
_ROUND_LIMITS = (104.0, 136.0, 190.0, 260.0)


@dataclass(frozen=True)
class Box:
    """One element as it will be drawn."""

    id: str
    """Id of the element."""
    shape: Shape
    """Its outline."""
    lines: tuple[str, ...]
    """Its text, broken into lines."""
    width: float
    """Width in pixels."""
    height: float
    """Height in pixels."""

    @property
    def round(self) -> bool:
        """Whether its text is centred in an ellipse."""
        return self.shape == "ellipse"


def box(node: Node) -> Box:
    """Measure an element: break its text and choose the smallest outline that holds it."""
    shape = SHAPES[node.kind] if node.kind else "rectangle"
    if shape == "ellipse":
        return _ellipse(node)
    lines = _lines(node, _LIMITS)
    head = text_width(node.id, size=ID_SIZE, bold=True)
    if node.kind is not NodeKind.CONTEXT:
        head += 12 + _WORD + (MARKS if node.kind not in COUNTERS else MARKS / 2)
    band = text_width(node.layer("away") or "", size=ID_SIZE) + 14
    width = (
        max([head, band, *map(text_width, lines)])
        + 2 * _PAD
        + (2 * SLANT - 8 if shape == "parallelogram" else 0)
    )
    height = HEAD + LINE * len(lines) + (16 if lines else 12) + (BAND if node.layer("away") else 0)
    return Box(node.id, shape, tuple(lines), math.ceil(width), math.ceil(height))


def _lines(node: Node, limits: tuple[float, ...]) -> list[str]:
    """Lines no wider than needed to keep a text to a modest height."""
    for rows, limit in zip((5, 8, 12), limits, strict=False):
        lines = wrap(node.text or "", limit, characters=node.char_wrap)
        if len(lines) <= rows:
            return lines
    return wrap(node.text or "", limits[-1], characters=node.char_wrap)


def _ellipse(node: Node) -> Box:
    lines = _lines(node, _ROUND_LIMITS)
    away = (node.layer("away") or "").partition("/")[0]
    lines = [*lines, f"in {away}"] if away else lines
    ratio = 1.18 if node.kind is NodeKind.SOLUTION else 1.4
    widths = [text_width(node.id, size=ID_SIZE, bold=True), *map(text_width, lines)]
    if node.kind in CITING:
        widths = [MARKS, *widths, _WORD]
    # Smallest ellipse of this ratio that contains both ends of every row.
    half = len(widths) * LINE / 2
    rows = [
        (width / 2 + 5, abs(row * LINE - half), abs((row + 1) * LINE - half))
        for row, width in enumerate(widths)
    ]
    ry = max(math.hypot(width / ratio, max(top, bottom)) for width, top, bottom in rows) + 2
    return Box(node.id, "ellipse", tuple(lines), math.ceil(2 * ratio * ry), math.ceil(2 * ry))
