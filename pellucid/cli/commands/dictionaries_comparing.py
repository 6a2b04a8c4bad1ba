"""``pellucid dictionaries compare``: do two dictionaries hold the same latents?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.commands.dictionaries import (
    DictionaryArgument,
    ModelOption,
    SeedOption,
    TextOption,
    keep_and_show,
    opened_with,
    windows_of,
)
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption


def compare(
    dictionary: DictionaryArgument,
    other: Annotated[Path, typer.Argument(help="Another one at the same site, of any width.")],
    model: ModelOption,
    text: TextOption,
    weak: Annotated[
        float,
        typer.Option(
            "--weak", help="Codes below this share of a latent's largest do not count.", min=0, max=1
        ),
    ] = 0.0,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Match the latents of two dictionaries; where the second is wider, also say which ones split.

    Python: pellucid.dictionaries.match_latents
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.models import harvest

    opened, (first, second) = opened_with(model, dictionary, other, store=store)
    sites = sorted({first.site_in, second.site_in})
    with Bars() as bars:
        rows = harvest(opened, windows_of(opened, text), sites, progress=bars)
        findings = [dictionaries.match_latents(first, second, rows, seed=seed)]
        if second.n_features > first.n_features:
            findings.append(dictionaries.find_splits(first, second, rows, weak=weak))
    keep_and_show(findings, store, as_json)


def geometry(
    dictionary: DictionaryArgument,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """How close each latent's nearest neighbour stands, beside random directions.

    Python: pellucid.dictionaries.decoder_geometry
    """
    from pellucid import dictionaries

    loaded = dictionaries.load_dictionary(dictionary)
    keep_and_show([dictionaries.decoder_geometry(loaded, seed=seed)], store, as_json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("compare")(compare)
    app.command("geometry")(geometry)
