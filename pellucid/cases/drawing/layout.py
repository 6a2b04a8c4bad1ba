"""The geometry of a drawing: every element with its place, every line with its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.cases.drawing.places import MARGIN, Arrangement, Place
from pellucid.cases.drawing.routes import Route, Routing
from pellucid.cases.graph import Graph


@dataclass(frozen=True)
class Layout:
    """A drawing's geometry."""

    places: Mapping[str, Place]
    """Every element, in the order of the file."""
    routes: tuple[Route, ...]
    """Every line."""
    width: float
    """Width of the drawing."""
    height: float
    """Height of the drawing."""


def arrange(graph: Graph) -> Layout:
    """Lay out an argument: no two elements overlap, and no line of support or challenge runs through one.

    Source: the layered method of Sugiyama, Tagawa and Toda 1981, with owners and contexts as one block.
    """
    arrangement = Arrangement(graph)
    routes = Routing(arrangement).routes()
    places = arrangement.places
    points = [point for route in routes for point in route.points]
    right = max([0.0, *(place.right for place in places.values()), *(x for x, _ in points)])
    bottom = max([arrangement.depth, *(y for _, y in points)])
    return Layout(places, routes, right + MARGIN, bottom + MARGIN)
