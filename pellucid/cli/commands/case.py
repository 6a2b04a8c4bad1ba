"""``pellucid case``: check, evaluate and draw safety cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.commands import (
    case_debate,
    case_measuring,
    case_numbers,
    case_rerun,
    case_review,
    case_writing,
)
from pellucid.cli.commands.case_reading import CaseArgument, opened, read_case, words_of
from pellucid.cli.output import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    print_diagnostics,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from pellucid.cases import Case, Verdict
    from pellucid.findings import Diagnostic

app = typer.Typer(
    no_args_is_help=True, help="Safety cases: write, check, evaluate, weigh, dispute, review, draw."
)


@app.command("list")
def list_cases(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """List the cases in the store with their last verdict.

    Python: pellucid.store.Store.cases
    """
    from pellucid.store import open_store

    with open_store(store) as kept:
        records = kept.cases()
    if as_json:
        print_json([record.to_dict() for record in records])
        return
    rows = [(record.name, record.verdict.get("word", ""), record.subject_sha[:12]) for record in records]
    print_table("Cases", ("name", "verdict", "subject"), rows, "No case yet: run pellucid audit.")


@app.command("check")
def check(
    case: CaseArgument,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Check the evidence in the store too: missing, stale, weak.")
    ] = False,
    strict_peer: Annotated[
        bool, typer.Option("--strict-peer", help="Only what gsn2x checks, up to its first stage of errors.")
    ] = False,
    also: Annotated[str, typer.Option("--also", help="Optional checks to run: V08, V11.")] = "",
    masked: Annotated[
        str, typer.Option("--mask", help="Modules whose references are left unchecked, separated by commas.")
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Check a case: numbered diagnostics of its form, and of its evidence if asked. Status 1 on an error.

    Python: pellucid.cases.Case.check
    """
    options: dict[str, Any] = {
        "strict_peer": strict_peer,
        "also": words_of(also),
        "masked": words_of(masked),
    }
    found = checked(case, store, options) if evidence else read_case(case, store).check(**options)
    if as_json:
        print_json([vars(diagnostic) for diagnostic in found])
    else:
        print_diagnostics(found)
        typer.echo(f"{len(found)} diagnostics" if found else "The case is well formed.")
    raise typer.Exit(1 if any(diagnostic.level == "error" for diagnostic in found) else 0)


def checked(case: str, store: str, options: Mapping[str, Any]) -> list[Diagnostic]:
    """Every fault of a case and of its evidence."""
    with opened(case, store) as world:
        return world.argument.check(world.findings, world.present, reruns=world.reruns, **options)


@app.command("evaluate")
def evaluate(
    case: CaseArgument,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The suspect as it is now: evidence of other weights is stale."),
    ] = None,
    against: Annotated[str | None, typer.Option("--against", help="The reference as it is now.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a case against the store's findings. Status 0 when it stands, 1 when not.

    Python: pellucid.cases.Case.evaluate
    """
    with opened(case, store) as world:
        world.present.update(present_models(world.argument, model, against))
        verdict = world.verdict()
    if as_json:
        print_json(verdict.to_dict())
    else:
        print_verdict(verdict)
    raise typer.Exit(0 if verdict.stands else 1)


@app.command("render")
def render(
    case: CaseArgument,
    out: Annotated[Path, typer.Option("--out", help="SVG file to write.")] = Path("case.svg"),
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Draw a case as SVG, with the verdict on every node.

    Python: pellucid.cases.Case.render
    """
    from pellucid.cases.formats.files import replace_file

    with opened(case, store) as world:
        verdict = world.verdict()
        drawing = world.case.render(verdict)
    replace_file(out, drawing)
    if as_json:
        print_json({"file": str(out), "verdict": verdict.to_dict()})
    else:
        typer.echo(f"Wrote {out}: the case {spoken(verdict)}.")


def present_models(case: Case, model: str | None, against: str | None) -> dict[str, str]:
    """The digests of the models as they are now, for those that were named."""
    if model is None:
        return {}
    from pellucid.audit import present
    from pellucid.models import open_model

    return present(case, open_model(model), open_model(against) if against else None)


def spoken(verdict: Verdict) -> str:
    """The verdict as the end of a sentence: ``stands``, ``is defeated``, ``is undecided``."""
    return verdict.word if verdict.stands else f"is {verdict.word}"


def print_verdict(verdict: Verdict) -> None:
    """The verdict in words, the reason path with what its end says, and every node's state."""
    rows = [
        (node, state.value, state.now, " ".join(sorted(state.freshness)), state.reason)
        for node, state in verdict.states.items()
    ]
    print_table("Nodes", ("node", "verdict", "now", "evidence", "why"), rows, "An empty case.")
    typer.echo(f"The case {spoken(verdict)}.")
    if verdict.reason_path:
        typer.echo("Reason: " + " → ".join(verdict.reason_path))
    if verdict.reason:
        typer.echo(verdict.reason)


app.command("sensitivity")(case_numbers.sensitivity)
app.command("confidence")(case_numbers.confidence)
app.command("experiments")(case_numbers.experiments)
app.command("debate")(case_debate.debate_command)
app.command("rerun")(case_rerun.rerun_command)
app.command("macrosystem")(case_measuring.macrosystem)
app.command("operational")(case_measuring.operational)
app.command("evidence")(case_measuring.evidence)
app.command("templates")(case_writing.templates)
app.command("new")(case_writing.new)
app.command("bind")(case_writing.bind)
app.command("keep")(case_writing.keep)
app.command("blocks")(case_writing.blocks)
app.command("risk")(case_writing.risk)
app.command("backfire")(case_writing.backfire)
app.command("convert")(case_writing.convert)
app.add_typer(case_review.app, name="review")
