"""``pellucid dictionaries explain``: what a language model says of latents, and how far that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.commands.dictionaries import (
    DictionaryArgument,
    ModelOption,
    TextOption,
    keep_and_show,
    opened_with,
    windows_of,
)
from pellucid.cli.commands.dictionaries_attention import LatentsOption
from pellucid.cli.commands.dictionaries_describe import numbers_of
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption


def explain(
    dictionary: DictionaryArgument,
    model: ModelOption,
    text: TextOption,
    latents: LatentsOption,
    url: Annotated[str, typer.Option("--url", help="An OpenAI-compatible server, up to /chat/completions.")],
    judge: Annotated[str, typer.Option("--judge", help="Name of the language model there.")],
    key_variable: Annotated[
        str, typer.Option("--key-variable", help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Folder that keeps answers, so that none is paid twice.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Ask a language model what latents stand for, and score the answers by detection on held-out text.

    The examples shown leave this machine for the server that --url names, and for no other.

    Python: pellucid.dictionaries.explain_latents
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars

    opened, (loaded,) = opened_with(model, dictionary, store=store)
    endpoint = dictionaries.Endpoint(url=url, model=judge, key_variable=key_variable)
    with Bars() as bars:
        finding = dictionaries.explain_latents(
            opened,
            loaded,
            windows_of(opened, text),
            numbers_of(latents) or [],
            endpoint,
            journal=journal,
            progress=bars,
        )
    keep_and_show([finding], store, as_json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("explain")(explain)
