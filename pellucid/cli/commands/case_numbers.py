"""``pellucid case confidence``, ``sensitivity``, ``experiments``: how sure, what it hangs on, what next."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.commands.case_reading import CaseArgument, opened
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

if TYPE_CHECKING:
    from pellucid.cases import Confidence, Sensitivity


def sensitivity(case: CaseArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """What the verdict hangs on: each leaf taken out and flipped, and its weight by the numbers.

    Python: pellucid.cases.Case.sensitivity
    """
    with opened(case, store) as world:
        rows = world.case.sensitivity(world.findings, world.present, reruns=world.reruns)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("leaf", "value", "top without", "if true", "if false", "Birnbaum", "Fussell-Vesely")
    print_table("Sensitivity", columns, [row_of(row) for row in rows], "No leaf.")


def row_of(row: Sensitivity) -> tuple[str, ...]:
    """One leaf as a line."""
    from pellucid.findings.numbers import format_number

    numbers = (format_number(row.birnbaum), format_number(row.fussell_vesely))
    return (row.leaf, row.value, row.without, row.if_true, row.if_false, *numbers)


def confidence(case: CaseArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """How sure one may be of every claim, in four calculi side by side, and where they disagree.

    Python: pellucid.cases.Case.confidence
    """
    from pellucid.cases.checks.confidence import check_confidence

    with opened(case, store) as world:
        found = world.case.confidence(world.findings, world.present, reruns=world.reruns)
        flags = list(check_confidence(world.case.modules, world.case.graph, found))
    if as_json:
        print_json(found.to_dict() | {"flags": [vars(flag) for flag in flags]})
        return
    columns = ("element", "verdict", "product rule", "at least", "at most", "exact")
    print_table("Confidence", columns, lines_of(found), "An empty case.")
    for flag in flags:
        typer.echo(str(flag))
    typer.echo(f"Top: {found.top}. {found.reason}".rstrip())
    for words, names in (("taken as certain", found.taken), ("judged, not measured", found.judged)):
        if names:
            typer.echo(f"Leaves {words}: {', '.join(names)}.")


def lines_of(found: Confidence) -> list[tuple[str, ...]]:
    """Each element with what the calculi say of it, cut and never rounded up."""
    from pellucid.cases.confidence.display import cut

    def told(probability: float | None) -> str:
        """A probability to three digits; nothing where none is defined."""
        return "" if probability is None else cut(probability, 3)

    return [
        (name, node.label, *map(told, (node.product, node.low, node.high, node.exact)))
        for name, node in found.nodes.items()
    ]


def experiments(
    case: CaseArgument,
    trials: Annotated[int, typer.Option("--trials", help="More trials on each leaf.", min=1)] = 100,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """What to measure next: more trials on each leaf, best first by what they teach about the top.

    Python: pellucid.cases.Case.experiments
    """
    from pellucid.findings.numbers import format_number

    with opened(case, store) as world:
        rows = world.case.experiments(world.findings, trials, present=world.present, reruns=world.reruns)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    lines = [
        (
            row.leaf,
            str(row.trials),
            format_number(row.fall),
            format_number(row.birnbaum),
            decided_of(row.decided),
        )
        for row in rows
    ]
    columns = ("leaf", "trials", "fall of the variance", "Birnbaum", "decided with probability")
    print_table("What to measure next", columns, lines, "No leaf with trials behind it.")


def decided_of(probability: float | None) -> str:
    """A probability in words; nothing where none is defined."""
    from pellucid.findings.numbers import format_number

    return "" if probability is None else format_number(probability)
