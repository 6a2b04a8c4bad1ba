"""``pellucid organisms``: small trained networks whose insides are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.output import JsonOption, print_facts, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Small trained networks whose insides are known.")
NameArgument = Annotated[str, typer.Argument(help="Name of the organism, as `organisms list` shows it.")]


@app.command("list")
def list_organisms(as_json: JsonOption = False) -> None:
    """List the organisms and what each is for.

    Python: pellucid.organisms.names
    """
    from pellucid.organisms import describe, names

    manifests = {name: describe(name) for name in names()}
    if as_json:
        print_json({name: manifest.to_dict() for name, manifest in manifests.items()})
        return
    rows = [(name, manifest.summary) for name, manifest in manifests.items()]
    print_table("Organisms", ("name", "what it is"), rows, "No organism is installed.")


@app.command("show")
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show an organism's recipe, truth and measured rates.

    Python: pellucid.organisms.describe
    """
    from pellucid.organisms import describe

    manifest = describe(name).to_dict()
    if as_json:
        print_json(manifest)
    else:
        print_facts(name, manifest)


@app.command("train")
def train(
    name: NameArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the new weights.")],
    as_json: JsonOption = False,
) -> None:
    """Train an organism again from its recipe; resumes from its last checkpoint.

    Python: pellucid.organisms.train
    """
    from pellucid.cli.progress import Bars
    from pellucid.organisms import train as train_organism

    with Bars() as bars:
        manifest = train_organism(name, out, progress=bars)
    if as_json:
        print_json(manifest.to_dict())
    else:
        typer.echo(f"Trained {name} into {out}. Open it: pellucid models show {out}")
