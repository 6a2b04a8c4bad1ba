"""Checks of what is known about a case and when it is looked at again: K01, R14 to R16."""

from __future__ import annotations

from datetime import date

from pellucid.cases.graph import Graph
from pellucid.cases.review.register import of_graph
from pellucid.findings import Diagnostic


def check_register(graph: Graph, today: date, *, required: bool = False) -> list[Diagnostic]:
    """The register that the contexts of the top goals state, on a day.

    Args:
        graph: the argument.
        today: the day of the check; entries to be reviewed before it are overdue.
        required: whether an aim and a register must be there.
    """
    return of_graph(graph).check(today, required=required)
