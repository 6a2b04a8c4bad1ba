"""``pellucid case``: check, evaluate and draw safety cases."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from pellucid.store import Store

app = typer.Typer(no_args_is_help=True, help="Safety cases: check, evaluate, draw.")
CaseArgument = Annotated[str, typer.Argument(help="A YAML file, or the name of a case in the store.")]


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
def check(case: CaseArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Check a case's form: numbered diagnostics. Status 1 when there is an error.

    Python: pellucid.cases.Case.check
    """
    found = read_case(case, store).check()
    if as_json:
        print_json([vars(diagnostic) for diagnostic in found])
    else:
        print_diagnostics(found)
        typer.echo(f"{len(found)} diagnostics" if found else "The case is well formed.")
    raise typer.Exit(1 if any(diagnostic.level == "error" for diagnostic in found) else 0)


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
    from pellucid.store import open_store

    argument = read_case(case, store)
    with open_store(store) as kept:
        verdict = argument.evaluate(headers_of(argument, kept), present_models(argument, model, against))
    if as_json:
        print_json(verdict.to_dict())
    else:
        print_verdict(argument, verdict)
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
    from pellucid.store import open_store

    argument = read_case(case, store)
    with open_store(store) as kept:
        verdict = argument.evaluate(headers_of(argument, kept))
    out.write_text(argument.render(verdict), encoding="utf-8")
    if as_json:
        print_json({"file": str(out), "verdict": verdict.to_dict()})
    else:
        typer.echo(f"Wrote {out}: the case {verdict.word}.")


@app.command("sensitivity")
def sensitivity(case: CaseArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Which leaf matters: the verdict without each piece of evidence.

    Python: pellucid.cases.Case.sensitivity
    """
    from pellucid.store import open_store

    argument = read_case(case, store)
    with open_store(store) as kept:
        rows = argument.sensitivity(headers_of(argument, kept))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    cells = [(row.leaf, row.value, row.without, row.if_true, row.if_false) for row in rows]
    columns = ("leaf", "value", "top without it", "top if true", "top if false")
    print_table("Sensitivity", columns, cells, "No leaf.")


def read_case(case: str, store: str) -> Case:
    """The case in a file, or the newest one of that name in the store."""
    from pellucid.cases import Case
    from pellucid.store import open_store

    if Path(case).suffix in {".yaml", ".yml"} or Path(case).exists():
        return Case.read(Path(case))
    with open_store(store) as kept:
        return Case.read(kept.case(case).yaml)


def headers_of(case: Case, store: Store) -> dict[str, Any]:
    """Every finding the case cites that the store holds, by the id cited."""
    from pellucid.findings import MissingError

    found = {}
    for identity in case.citations.values():
        try:
            found[identity] = store.header(identity)
        except MissingError:
            continue  # evaluation marks the leaf as missing: that is its answer, not an error
    return found


def present_models(case: Case, model: str | None, against: str | None) -> dict[str, str]:
    """The digests of the models as they are now, for those that were named."""
    if model is None:
        return {}
    from pellucid.audit import present
    from pellucid.models import open_model

    return present(case, open_model(model), open_model(against) if against else None)


def print_verdict(case: Case, verdict: Verdict) -> None:
    """The verdict in words, the reason path, and every node's state."""
    rows = [
        (node, state.value, state.now, " ".join(sorted(state.freshness)), state.reason)
        for node, state in verdict.states.items()
    ]
    print_table("Nodes", ("node", "verdict", "now", "evidence", "why"), rows, "An empty case.")
    typer.echo(f"The case {verdict.word}." if verdict.word != "undecided" else "The case is undecided.")
    if verdict.reason_path:
        typer.echo("Reason: " + " → ".join(verdict.reason_path))
