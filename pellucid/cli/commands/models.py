"""``pellucid models``: what a model is made of, and what the store knows of models."""

from __future__ import annotations

from typing import Annotated

import typer

from pellucid.cli.output import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    print_facts,
    print_json,
    print_table,
)

app = typer.Typer(no_args_is_help=True, help="Open models and list their sites.")
ModelArgument = Annotated[str, typer.Argument(help="organism:NAME or a model folder.")]


@app.command("list")
def list_models(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """List the models that the store has findings about.

    Python: pellucid.store.Store.models
    """
    from pellucid.store import open_store

    with open_store(store) as kept:
        records = kept.models()
    if as_json:
        print_json([record.to_dict() for record in records])
        return
    rows = [(record.sha256[:12], record.id, record.family, f"{record.parameters:,}") for record in records]
    print_table("Models", ("sha256", "id", "family", "parameters"), rows, "No model yet: run pellucid audit.")


@app.command("show")
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show a model's family, size, digest and shape.

    Python: pellucid.models.open_model
    """
    from dataclasses import asdict

    from pellucid.models import open_model

    opened = open_model(model)
    facts = {"id": opened.id, "sha256": opened.sha256, "family": opened.family, **asdict(opened.facts)}
    if as_json:
        print_json(facts)
    else:
        print_facts(opened.id, facts)


@app.command("sites")
def sites(
    model: ModelArgument,
    pattern: Annotated[str, typer.Option("--match", help="Only sites that match, as 'blocks.*.z'.")] = "*",
    as_json: JsonOption = False,
) -> None:
    """List the sites of a model that can be read and written, with their shapes.

    Python: pellucid.models.Sites.select
    """
    from pellucid.models import open_model

    opened = open_model(model)
    names = opened.sites.select(pattern)
    if as_json:
        print_json({name: list(opened.sites.shape(name)) for name in names})
        return
    rows = [(name, " ".join(str(size) for size in opened.sites.shape(name))) for name in names]
    print_table(f"Sites of {opened.id}", ("site", "shape"), rows, f"No site matches {pattern!r}.")
