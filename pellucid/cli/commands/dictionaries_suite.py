"""``pellucid dictionaries suite`` and its kin: many from one pass, and how they fare elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pellucid.cli.commands.dictionaries import (
    DictionaryArgument,
    ModelOption,
    SeedOption,
    TextOption,
    keep_and_show,
    windows_of,
)
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

if TYPE_CHECKING:
    from pellucid.dictionaries import Suite
    from pellucid.dictionaries.config import Variant
    from pellucid.dictionaries.suites.plan import Place


def suite(
    model: Annotated[str, typer.Argument(help="organism:NAME or a model folder.")],
    text: TextOption,
    out: Annotated[Path, typer.Option("--out", help="Folder of the suite.")],
    sites: Annotated[
        str | None,
        typer.Option("--sites", help="Sites by comma, stars allowed, IN:OUT for transcoders; default: all."),
    ] = None,
    expansions: Annotated[
        str, typer.Option("--expansions", help="Latents by comma, as multiples of a site's width.")
    ] = "8,32",
    k: Annotated[int, typer.Option("--k", help="Active latents per token.", min=1)] = 16,
    variant: Annotated[str, typer.Option("--variant", help="As for dictionaries train.")] = "topk",
    steps: Annotated[int, typer.Option("--steps", help="Training steps of each.", min=1)] = 500,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of TrainConfig, as batch=2048; may be repeated."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that train.", min=1)] = 2,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train dictionaries of many sites and widths from one pass of the model; an interrupted suite resumes.

    Python: pellucid.dictionaries.train_suite_from
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.cli.settings import settings_of
    from pellucid.compute import executor
    from pellucid.models import open_model

    opened = open_model(model)
    widths = numbers(expansions)
    given = settings_of(dictionaries.TrainConfig, settings or [])
    base = dictionaries.TrainConfig(
        n_features=max(k, 64), k=k, variant=cast("Variant", variant), steps=steps, seed=seed, **given
    )
    plan = dictionaries.SuiteConfig(base, expansions=widths)
    if sites is not None:
        plan = dataclasses.replace(plan, sites=places(sites))
    with Bars() as bars, executor(workers) as pool:
        made = dictionaries.train_suite_from(
            opened, windows_of(opened, text), plan, out, executor=pool, progress=bars
        )
    show_suite(made, as_json)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers by comma; InputError CL25 for anything else."""
    from pellucid.findings import InputError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError("CL25", f"{text!r} names no widths.", "Give multiples by comma: --expansions 8,32.")
    return tuple(int(part) for part in parts)


def places(text: str) -> tuple[Place, ...]:
    """Sites by comma; IN:OUT is a transcoder's pair."""
    found: list[Place] = []
    for part in (part.strip() for part in text.split(",")):
        first, colon, second = part.partition(":")
        found.append((first.strip(), second.strip()) if colon else first)
    return tuple(found)


def show_suite(made: Suite, as_json: bool) -> None:
    """What was trained, one line each."""
    rows = [
        (
            name,
            entry.folder,
            *(f"{entry.metrics.get(part, float('nan')):.3g}" for part in ("l0", "fvu", "dead")),
        )
        for name, entry in made.entries.items()
    ]
    if as_json:
        columns = ("name", "folder", "l0", "fvu", "dead")
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"suite": str(made.folder), "dictionaries": listed})
        return
    print_table(
        f"{len(rows)} dictionaries in {made.folder}",
        ("name", "folder", "l0", "fvu", "dead"),
        rows,
        "Nothing was trained.",
    )


def fares(
    dictionary: DictionaryArgument,
    model: ModelOption,
    text: TextOption,
    other: Annotated[
        str | None, typer.Option("--other", help="Another model of the same shape, as a fine-tuned copy.")
    ] = None,
    trained: Annotated[
        int | None, typer.Option("--trained", help="Length of the sequences it was trained on.", min=1)
    ] = None,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """How a dictionary fares beyond its training: on another model, or in longer context.

    Python: pellucid.dictionaries.fine_tuned
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.findings import InputError
    from pellucid.models import open_model

    if other is None and trained is None:
        raise InputError(
            "CL26", "Nothing was named to fare in.", "Give --other MODEL, --trained LENGTH, or both."
        )
    opened, loaded = open_model(model), dictionaries.load_dictionary(dictionary)
    tokens = windows_of(opened, text)
    findings = []
    with Bars() as bars:
        if other is not None:
            second = open_model(other)
            findings.append(dictionaries.fine_tuned(opened, second, loaded, tokens, seed=seed, progress=bars))
        if trained is not None:
            findings.append(
                dictionaries.long_context(opened, loaded, tokens, trained, seed=seed, progress=bars)
            )
    keep_and_show(findings, store, as_json)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a suite.")],
    model: ModelOption,
    text: TextOption,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="A dictionary of it; may be repeated; default: all.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that measure.", min=1)] = 2,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Sparsity, reconstruction and loss of every dictionary of a suite, side by side.

    Python: pellucid.dictionaries.suite_report
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.compute import executor
    from pellucid.models import open_model

    opened = open_model(model)
    made = dictionaries.open_suite(folder)
    with Bars() as bars, executor(workers) as pool:
        finding = dictionaries.suite_report(
            opened,
            made,
            windows_of(opened, text),
            names=names or (),
            seed=seed,
            executor=pool,
            progress=bars,
        )
    keep_and_show([finding], store, as_json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("suite")(suite)
    app.command("suite-report")(report)
    app.command("fares")(fares)
