"""``pellucid findings``: list, show, export and annotate what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.commands import findings_logs
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

app = typer.Typer(no_args_is_help=True, help="What was measured: list, show, export, annotate.")
IdArgument = Annotated[str, typer.Argument(help="Id of a finding, or its first characters.")]
app.command("import")(findings_logs.import_finding)
app.command("compare")(findings_logs.compare)
AuthorOption = Annotated[str, typer.Option("--author", help="Who says so.")]


@app.command("list")
def list_findings(
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only this kind, as audit.trigger_search.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", help="supports, refutes, inconclusive or failed.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Only statements with these words.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 50,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List findings, the newest first.

    Python: pellucid.store.Store.find
    """
    from pellucid.cli.findings_table import print_findings
    from pellucid.store import open_store

    with open_store(store) as kept:
        headers = kept.find(kind=kind, status=status, text=text, limit=limit)
    print_findings("Findings", headers, as_json, "No findings yet: run pellucid audit.")


@app.command("show")
def show(finding: IdArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show one finding: claim, number, interval, table, provenance.

    Python: pellucid.Finding.show
    """
    from pellucid.findings import show as showing
    from pellucid.store import open_store

    with open_store(store) as kept:
        found = kept.get(finding)
        if as_json:
            print_json(showing.json(found))
        else:
            found.show()


@app.command("export")
def export(
    finding: IdArgument,
    out: Annotated[Path, typer.Argument(help="File to write: .safetensors, .json, .md or .html.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Write one finding to a file, by the file's ending.

    Python: pellucid.Finding.save
    """
    from pellucid.cli.export import export_finding
    from pellucid.store import open_store

    with open_store(store) as kept:
        found = kept.get(finding)
        export_finding(found, out)
    if as_json:
        print_json({"id": found.id, "file": str(out)})
    else:
        typer.echo(f"Wrote {out}")


@app.command("note")
def note(
    finding: IdArgument,
    text: Annotated[str, typer.Argument(help="The note.")],
    author: AuthorOption,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Append a note to a finding; notes are never changed or removed.

    Python: pellucid.store.Store.note
    """
    from pellucid.store import open_store

    with open_store(store) as kept:
        identity = kept.get(finding).id
        kept.note(identity, text, author)
    if as_json:
        print_json({"id": identity, "note": text, "author": author})
    else:
        typer.echo(f"Noted on {identity[:12]}")


@app.command("retract")
def retract(
    finding: IdArgument,
    reason: Annotated[str, typer.Argument(help="Why it no longer counts.")],
    author: AuthorOption,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Retract a finding: it stays readable and no longer supports anything.

    Python: pellucid.store.Store.retract
    """
    from pellucid.store import open_store

    with open_store(store) as kept:
        identity = kept.get(finding).id
        kept.retract(identity, reason, author)
    if as_json:
        print_json({"id": identity, "retracted": reason, "author": author})
    else:
        typer.echo(f"Retracted {identity[:12]}")
