"""``pellucid dictionaries describe``: what every latent fires on and writes, to browse."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pellucid.findings import Finding


def describe(
    dictionary: Annotated[Path, typer.Argument(help="Folder of a dictionary.")],
    model: Annotated[str, typer.Option("--model", help="organism:NAME or a model folder.")],
    text: Annotated[Path, typer.Option("--text", help="Text to run the model on (UTF-8).")],
    latents: Annotated[
        str | None, typer.Option("--latents", help="Latents by comma, as 3,14; default: all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write one page that opens anywhere, FILE.html.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random examples.", min=0)] = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Describe every latent from one pass over a text: examples, density, effects, neighbours, origin.

    The result is kept in the store, where `pellucid serve` shows it under Dictionaries.

    Python: pellucid.dictionaries.describe_latents
    """
    from pellucid.findings import show
    from pellucid.store import open_store
    from pellucid.web import feature_export

    chosen = numbers_of(latents)
    if out is not None:
        check_ending(out)
    finding = described(dictionary, model, text, chosen, seed, store)
    with open_store(store) as kept:
        kept.put(finding)
    page = None if out is None else feature_export.write(finding, out)
    if as_json:
        print_json({**show.json(finding, arrays=False), "page": None if page is None else str(page)})
    else:
        for line in next_steps(finding, page, store):
            typer.echo(line)


def numbers_of(latents: str | None) -> list[int] | None:
    """Latents given by comma; InputError CL17 for what is no whole number."""
    from pellucid.findings import InputError

    if latents is None:
        return None
    names = [name.strip() for name in latents.split(",") if name.strip()]
    wrong = [name for name in names if not name.isdecimal()]
    if wrong or not names:
        raise InputError(
            "CL17",
            f"{wrong[0] if wrong else latents!r} is no number of a latent.",
            "Give whole numbers by comma: --latents 3,14.",
        )
    return [int(name) for name in names]


def check_ending(out: Path) -> None:
    """CL18 before any work, for a page that no browser would open as one."""
    from pellucid.findings import InputError

    if out.suffix not in {".html", ".htm"}:
        raise InputError(
            "CL18",
            f"Cannot write a page to {out.name!r}.",
            "Name a file that ends in .html: --out latents.html.",
        )


def described(
    dictionary: Path, model: str, text: Path, latents: Sequence[int] | None, seed: int, store: str
) -> Finding:
    """Open what was named and describe it, with a progress bar."""
    from pellucid.cli.commands.dictionaries import opened_with, windows_of
    from pellucid.cli.progress import Bars
    from pellucid.dictionaries.reading.dashboard import DashboardConfig, describe_latents

    opened, (loaded,) = opened_with(model, dictionary, store=store)
    tokens = windows_of(opened, text)
    with Bars() as bars:
        return describe_latents(opened, loaded, tokens, latents, DashboardConfig(seed=seed), progress=bars)


def next_steps(finding: Finding, page: Path | None, store: str) -> list[str]:
    """The result, and where to look next."""
    option = "" if store == DEFAULT_STORE else f" --store {shlex.quote(store)}"
    written = [] if page is None else [f"Page: {page}"]
    browse = f"Browse: pellucid serve{option}, then /dictionaries/{finding.id[:12]}"
    return [finding.statement, *written, browse, f"Finding: pellucid findings show {finding.id[:12]}{option}"]


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("describe")(describe)
