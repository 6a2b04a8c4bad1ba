"""``pellucid dictionaries heads`` and its kin: by which head, from which token, and induction heads."""

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
from pellucid.cli.commands.dictionaries_describe import numbers_of
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

LatentsOption = Annotated[str, typer.Option("--latents", help="Latents by comma, as 3,14.")]


def heads(
    dictionary: DictionaryArgument,
    model: ModelOption,
    text: TextOption,
    sequences: Annotated[int, typer.Option("--sequences", help="Windows of the text to use.", min=2)] = 32,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Which head each latent of an attention dictionary belongs to: by weights, and by ablating heads.

    Python: pellucid.dictionaries.head_attribution
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars

    opened, (loaded,) = opened_with(model, dictionary, store=store)
    rows = windows_of(opened, text)[:sequences]
    with Bars() as bars:
        labels = dictionaries.source_relations(opened, loaded, rows, progress=bars).behaviours
        by_weights = dictionaries.head_attribution(loaded, opened.facts.n_heads, behaviours=labels, seed=seed)
        ablated = dictionaries.head_ablation(opened, loaded, rows, seed=seed, progress=bars)
    keep_and_show([by_weights, ablated], store, as_json)


def attribute(
    dictionary: DictionaryArgument,
    model: ModelOption,
    prompt: Annotated[str, typer.Option("--prompt", help="Text whose last token is explained.")],
    latents: LatentsOption,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Split latents' pre-activations over heads and source tokens, exactly.

    Python: pellucid.dictionaries.direct_feature_attribution
    """
    from pellucid import dictionaries

    opened, (loaded,) = opened_with(model, dictionary, store=store)
    tokens = opened.tokens(prompt)
    finding = dictionaries.direct_feature_attribution(
        opened, loaded, tokens, numbers_of(latents) or [], [tokens.shape[1] - 1]
    )
    keep_and_show([finding], store, as_json)


def trace(
    dictionary: DictionaryArgument,
    model: ModelOption,
    prompt: Annotated[str, typer.Option("--prompt", help="Text at whose last token the latent is traced.")],
    latent: Annotated[int, typer.Option("--latent", help="Which latent.", min=0)],
    upstream: Annotated[
        list[Path] | None,
        typer.Option("--upstream", help="A dictionary of an earlier site; may be repeated."),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", help="Attention layers to go through.", min=1)] = 2,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Follow a latent upstream, down to the tokens; at every level the terms sum to what they explain.

    Python: pellucid.dictionaries.recursive_attribution
    """
    from pellucid import dictionaries
    from pellucid.findings import show
    from pellucid.store import open_store

    opened, given = opened_with(model, dictionary, *(upstream or []), store=store)
    tokens = opened.tokens(prompt)
    tree = dictionaries.recursive_attribution(opened, given, tokens, latent, tokens.shape[1] - 1, depth=depth)
    finding = tree.finding()
    with open_store(store) as kept:
        kept.put(finding)
    if as_json:
        print_json(show.json(finding))
    else:
        typer.echo(finding.header.statement)
        typer.echo(tree.text())


def induction(
    model: Annotated[str, typer.Argument(help="organism:NAME or a model folder.")],
    examples: Annotated[
        int, typer.Option("--examples", help="Drawn sequences; more decide more heads.", min=1)
    ] = 400,
    text: Annotated[
        Path | None, typer.Option("--text", help="Corrupt pairs of this text (UTF-8), not drawn ones.")
    ] = None,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Which heads do induction, on short or on long prefixes: curves, corruption, and a verdict for each.

    Python: pellucid.dictionaries.adjudicate_induction
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.models import open_model

    opened = open_model(model)
    config = dictionaries.PrefixConfig(examples=examples, seed=seed)
    rows = None if text is None else windows_of(opened, text)
    with Bars() as bars:
        findings = [
            dictionaries.prefix_curves(opened, config, progress=bars),
            dictionaries.corruption_test(opened, rows, progress=bars),
            dictionaries.adjudicate_induction(opened, config, progress=bars),
        ]
    keep_and_show(findings, store, as_json)


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("heads")(heads)
    app.command("attribute")(attribute)
    app.command("trace")(trace)
    app.command("induction")(induction)
