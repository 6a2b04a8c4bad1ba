"""Symbols of modules and patterns: away elements, modules, contracts, and what a pattern leaves open.

    away      a band below the text that names the module in which the element is argued
    module    a tab on the upper edge; a contract has one on the lower edge too
    pattern   triangle: still to be instantiated, or a bar across the diamond of what is undeveloped too;
              filled ball on a line: once per item; open ball: optional; diamond below a parent: a choice
              among its legs

Source: Goal Structuring Notation Community Standard, version 3, modular and pattern extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from pellucid.cases.drawing.lettering import safe
from pellucid.cases.drawing.places import Place
from pellucid.cases.drawing.routes import Point, Route
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Node

_BALL = 4.0
_ALONG = (0.72, 0.52)
"""How far along the last bend of a line its balls sit: clear of the arrow's head."""


def band(node: Node) -> str:
    """What the band of an away element says; empty for an element of its own module."""
    away = node.layer("away")
    return f"in {away.partition('/')[0]}" if away else ""


def adornments(place: Place, node: Node) -> Iterator[str]:
    """The symbols that an element carries itself."""
    if node.layer("away") and not place.box.round:
        y = place.bottom - 18
        yield f'<path class="edge" d="M{place.left:.1f} {y:.1f}H{place.right:.1f}"/>'
        yield _label(band(node), place.left + 11, place.bottom - 5)
    if node.symbol is not None:
        yield _tab(place.left, place.top, -9)
    if node.symbol == "contract":
        yield _tab(place.left, place.bottom, 9)
    if node.uninstantiated and node.undeveloped:
        yield f'<path class="edge" d="M{place.x - 8:.1f} {place.bottom + 8:.1f}h16"/>'
    elif node.uninstantiated:
        yield f'<path class="shape" d="M{place.x:.1f} {place.bottom:.1f}l9 14h-18z"/>'
    if node.layer("choice"):
        x, y = place.x, place.bottom + 3
        yield f'<path class="knot" d="M{x:.1f} {y:.1f}l7 7-7 7-7-7z"/>'
        yield _label(node.layer("choice") or "", x + 11, y + 11)


def line_marks(routes: Iterable[Route], graph: Graph) -> Iterator[str]:
    """Balls on the lines of support: filled for once per item, open for optional."""
    for route in routes:
        if route.link.kind != "support":
            continue
        node, places = graph.nodes[route.link.other], iter(_ALONG)
        if node.multiplicity:
            x, y = _along(route.points, next(places))
            yield _ball("knot", x, y)
            yield _label(f"each of {node.multiplicity}", x + 9, y + 4)
        if node.optional:
            yield _ball("knot open", *_along(route.points, next(places)))


def _along(points: tuple[Point, ...], t: float) -> Point:
    """A point of the last bend: a cubic that leaves and arrives upright, with both controls half-way down."""
    (x, y), (to_x, to_y) = points[-2:]
    turn, rise = t * t * (3 - 2 * t), 1.5 * t * (1 - t) + t**3
    return x + (to_x - x) * turn, y + (to_y - y) * rise


def _tab(x: float, y: float, height: float) -> str:
    top = min(y, y + height)
    return f'<rect class="shape" x="{x:.1f}" y="{top:.1f}" width="44" height="{abs(height):.1f}"/>'


def _ball(css: str, x: float, y: float) -> str:
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{_BALL:.0f}"/>'


def _label(text: str, x: float, y: float) -> str:
    return f'<text class="id" x="{x:.1f}" y="{y:.1f}">{safe(escape(text, quote=False))}</text>'
