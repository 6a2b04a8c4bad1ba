"""``pellucid case debate``: every doubt of a case beside its reply, and the risk case beside the case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

if TYPE_CHECKING:
    from pellucid.cases import Case
    from pellucid.cases.dialectic import Debate, DecisionRecord
    from pellucid.web.present import World


def debate_command(
    case: Annotated[str, typer.Argument(help="A YAML file, or the name of a case in the store.")],
    risk: Annotated[Path | None, typer.Option("--risk", help="YAML file of the risk case.")] = None,
    automatic: Annotated[
        bool,
        typer.Option(
            "--automatic/--no-automatic",
            help="Raise the doubts that the store's findings about benchmarks bring up.",
        ),
    ] = True,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show every doubt beside its reply, with their present values.

    Status 0: nothing is unanswered, and with --risk the case is accepted. 1: something is open.

    Python: pellucid.cases.dialectic.debate
    """
    from contextlib import nullcontext

    from pellucid.cli.commands.case_reading import opened

    with opened(case, store) as world, nullcontext() if risk is None else opened(str(risk), store) as other:
        found, record = debate_of(world.case if automatic else world.argument, world, other)
    if as_json:
        print_json(found.to_dict() | {"decision": record.to_dict() if record else None})
    else:
        print_debate(found, record)
    open_still = found.unanswered or (record is not None and record.outcome != "accepted")
    raise typer.Exit(1 if open_still else 0)


def debate_of(case: Case, world: World, risk: World | None) -> tuple[Debate, DecisionRecord | None]:
    """The debate about a case as its world is now, and with a risk case the record of both."""
    from pellucid.cases.dialectic import debate, decision_record
    from pellucid.cases.evaluation.verdict import judge, read_leaves

    evidence = case.evidence(world.findings, world.present, reruns=world.reruns)
    leaves = {name: state.now for name, state in read_leaves(case.graph, evidence).items()}
    verdict = judge(case.graph, evidence)
    found = debate(case, verdict, risk.argument if risk else None, leaves=leaves)
    record = decision_record(case, risk.argument, verdict, risk.verdict()) if risk else None
    return found, record


def print_debate(found: Debate, record: DecisionRecord | None) -> None:
    """The exchanges, then what is waived, could be read otherwise, or is raised elsewhere."""
    rows = [_cells(row) for row in found.rows]
    columns = ("doubt", "about", "now", "it says", "reply", "now", "it says", "comes to")
    print_table("Debate", columns, rows, "Nobody has raised a doubt.")
    typer.echo(
        f"{found.considered} of {found.leaves} leaves had a doubt considered ({found.completeness:.0%})."
    )
    for waiver in found.waived:
        typer.echo(f"Waived: {waiver}.")
    for one in found.otherwise:
        typer.echo(
            f"Could be read otherwise: {one.element} holds in {one.readings} of {one.of} preferred readings."
        )
    for raised in found.unlinked:
        typer.echo(f"Raised in the risk case, taken up nowhere: {raised.element}: {raised.text}")
    if record is not None:
        typer.echo(f"Safety case: {record.safety}. Risk case: {record.risk}. Together: {record.outcome}.")


def _cells(row: Any) -> tuple[object, ...]:
    outcome = f"residual: {row.residual}" if row.outcome == "residual" else row.outcome
    reply = (row.reply or "none", row.reply_now or "", row.reply_text)
    doubt = (f"{'  ' * min(row.depth - 1, 20)}{row.defeater}", " → ".join(row.target), row.now, row.text)
    return (*doubt, *reply, outcome)
