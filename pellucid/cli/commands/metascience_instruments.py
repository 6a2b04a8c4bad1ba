"""``pellucid metascience instruments``: how well an evaluation measures anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from pellucid.cli.again import again
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_diagnostics

if TYPE_CHECKING:
    from typing import Literal

SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        help="Folder or files of Inspect logs, or one CSV of items and respondents whose header begins with "
        "'item' or 'model', whichever its lines are."
    ),
]


def instruments(
    context: typer.Context,
    sources: SourcesArgument,
    groups: Annotated[
        str | None, typer.Option("--groups", help="CSV of respondent,group: compare the groups too.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The group that others are compared with.")
    ] = None,
    benchmark: Annotated[
        str,
        typer.Option(
            "--benchmark",
            help="Name of the benchmark, by which a case finds its reliability; default each log's task.",
        ),
    ] = "",
    rows: Annotated[
        str | None,
        typer.Option("--rows", help="What a line of a CSV is: items or respondents; default by its header."),
    ] = None,
    scorer: Annotated[str | None, typer.Option("--scorer", help="The scorer to read from logs.")] = None,
    model: Annotated[
        str, typer.Option("--model", help="Item response model: auto, 1PL, 2PL or 3PL.")
    ] = "auto",
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Score from which an answer counts as right.")
    ] = None,
    standardise: Annotated[
        bool, typer.Option("--standardise", help="Bring items on different scales to one.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Measure reliability, item response, agreement, generalisability and fairness of an evaluation.

    Python: pellucid.metascience.instruments
    """
    from pellucid.cli.findings_table import print_findings
    from pellucid.metascience.instruments import InstrumentsConfig
    from pellucid.metascience.instruments import instruments as measure
    from pellucid.metascience.responses import logs_of, read_groups
    from pellucid.store import open_store

    config = InstrumentsConfig(
        benchmark=benchmark,
        rows=cast(
            "Literal['items', 'respondents'] | None", rows and one_of("rows", rows, ("items", "respondents"))
        ),
        scorer=scorer,
        model=cast("Literal['auto', '1PL', '2PL', '3PL']", model),
        threshold=threshold,
        standardise=standardise,
        reference=reference,
        seed=seed,
    )
    table = sources[0] if len(sources) == 1 else sources
    logs = logs_of(table)
    if logs is not None:
        print_diagnostics(logs.problems)
    command = again(context, "pellucid metascience instruments")
    found = measure(logs or table, read_groups(groups) if groups else None, config, command=command)
    with open_store(store) as kept:
        for finding in found:
            kept.put(finding)
    print_findings("Instruments", [finding.header for finding in found], as_json)


def one_of(option: str, given: str, allowed: tuple[str, ...]) -> str:
    """The word that was given; InputError MS76 when it is none of those allowed."""
    from pellucid.findings import InputError

    if given not in allowed:
        raise InputError("MS76", f"--{option} is {given!r}.", f"Use {' or '.join(allowed)}.")
    return given
