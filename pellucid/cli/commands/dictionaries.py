"""``pellucid dictionaries``: train sparse autoencoders and judge them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.models import Model

app = typer.Typer(no_args_is_help=True, help="Sparse autoencoders: train, judge, look inside.")
ModelOption = Annotated[str, typer.Option("--model", help="organism:NAME or a model folder.")]
TextOption = Annotated[Path, typer.Option("--text", help="Text to run the model on (UTF-8).")]


@app.command("train")
def train(
    model: Annotated[str, typer.Argument(help="organism:NAME or a model folder.")],
    text: TextOption,
    site: Annotated[str, typer.Option("--site", help="Where to read, as blocks.2.resid_post.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the dictionary.")],
    features: Annotated[int, typer.Option("--features", help="Number of latents.", min=1)] = 1024,
    k: Annotated[int, typer.Option("--k", help="Active latents per token.", min=1)] = 16,
    steps: Annotated[int, typer.Option("--steps", help="Training steps.", min=1)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a TopK sparse autoencoder on one site; an interrupted run resumes.

    Python: pellucid.dictionaries.train
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.models import harvest, open_model

    opened = open_model(model)
    config = dictionaries.TrainConfig(site=site, n_features=features, k=k, steps=steps, seed=seed)
    with Bars() as bars:
        shards = harvest(opened, windows_of(opened, text), [site], progress=bars)
        trained = dictionaries.train(shards, config, progress=bars, checkpoint=out / "checkpoint")
    dictionaries.save_dictionary(trained, out)
    if as_json:
        print_json({"dictionary": str(out), "site": site, "features": features, "k": k})
    else:
        typer.echo(
            f"Wrote {out}. Judge it: pellucid dictionaries evaluate {out} --model {model} --text {text}"
        )


@app.command("evaluate")
def evaluate(
    dictionary: Annotated[Path, typer.Argument(help="Folder of a dictionary.")],
    model: ModelOption,
    text: TextOption,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Judge a dictionary: sparsity, reconstruction, and what is lost when it replaces the activation.

    Python: pellucid.dictionaries.evaluate
    """
    from pellucid import dictionaries
    from pellucid.findings import show
    from pellucid.models import open_model
    from pellucid.store import open_store

    opened = open_model(model)
    finding = dictionaries.evaluate(
        opened, dictionaries.load_dictionary(dictionary), windows_of(opened, text)
    )
    with open_store(store) as kept:
        kept.put(finding)
    if as_json:
        print_json(show.json(finding))
    else:
        finding.show()


def windows_of(model: Model, text: Path) -> Tensor:
    """The text as disjoint windows of the model's context."""
    from pellucid.models import read_text, windows

    tokens = read_text(text, model.tokenizer).tokens
    return windows(tokens, model.facts.context, model.facts.context)
