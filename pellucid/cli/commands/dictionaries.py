"""``pellucid dictionaries``: train dictionaries and judge them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.dictionaries import Dictionary, TrainConfig
    from pellucid.dictionaries.config import Variant
    from pellucid.dictionaries.training.objectives import Objective
    from pellucid.findings import Finding
    from pellucid.models import Model

app = typer.Typer(no_args_is_help=True, help="Dictionaries of features: train, judge, look inside.")
DictionaryArgument = Annotated[Path, typer.Argument(help="A dictionary's folder or file, of any format.")]
ModelOption = Annotated[str, typer.Option("--model", help="organism:NAME or a model folder.")]
TextOption = Annotated[Path, typer.Option("--text", help="Text to run the model on (UTF-8).")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of all random choices.", min=0)]
OBJECTIVES = ("local", "functional", "e2e", "e2e+downstream", "fisher")
"""functional: local first, end to end for the last rows."""
OPTIONS = {
    "site": "--site",
    "site_out": "--site-out",
    "variant": "--variant",
    "objective": "--objective",
    "n_features": "--features",
    "k": "--k",
    "sparsity": "--sparsity",
    "skip": "--skip",
    "steps": "--steps",
    "seed": "--seed",
}
"""Settings of a training that have an option of their own."""


@app.command("train")
def train(
    model: Annotated[str, typer.Argument(help="organism:NAME or a model folder.")],
    text: TextOption,
    site: Annotated[str, typer.Option("--site", help="Where to read, as blocks.2.resid_post.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the dictionary.")],
    site_out: Annotated[
        str | None, typer.Option("--site-out", help="What to reconstruct; another site makes a transcoder.")
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="topk, batchtopk, matryoshka, relu, jumprelu or gated.")
    ] = "topk",
    objective: Annotated[
        str, typer.Option("--objective", help="local, functional, e2e, e2e+downstream or fisher.")
    ] = "local",
    features: Annotated[int, typer.Option("--features", help="Number of latents.", min=1)] = 1024,
    k: Annotated[int, typer.Option("--k", help="Active latents per token.", min=1)] = 16,
    sparsity: Annotated[
        float, typer.Option("--sparsity", help="Weight of the sparsity price (relu, jumprelu, gated).")
    ] = 0.0,
    skip: Annotated[bool, typer.Option("--skip", help="Add a linear path from input to output.")] = False,
    steps: Annotated[int, typer.Option("--steps", help="Training steps.", min=1)] = 1000,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of TrainConfig, as batch=2048; may be repeated."),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a dictionary on one site, or from one site to another; an interrupted run resumes.

    Python: pellucid.dictionaries.train
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars
    from pellucid.cli.settings import settings_of
    from pellucid.dictionaries.config import WITH_PRICE
    from pellucid.models import open_model

    check_folder(out)
    if variant in WITH_PRICE and sparsity == 0:
        typer.echo(f"note: without --sparsity nothing keeps the codes of {variant} sparse", err=True)
    opened = open_model(model)
    site, target = opened.sites.find(site), opened.sites.find(site_out or site)
    config = dictionaries.TrainConfig(
        site=site,
        site_out=target if site_out else None,
        variant=cast("Variant", variant),
        objective=objective_of(objective, opened, target),
        n_features=features,
        k=min(k, features),
        sparsity=sparsity,
        skip=skip,
        steps=steps,
        seed=seed,
        **settings_of(dictionaries.TrainConfig, settings or [], OPTIONS),
    )
    tokens, kept = windows_of(opened, text), out / "checkpoint"
    with Bars() as bars:
        if objective == "functional":
            trained = dictionaries.train_functional(opened, tokens, config, progress=bars, checkpoint=kept)
        else:
            source = source_of(opened, tokens, config, bars)
            trained = dictionaries.train(source, config, progress=bars, checkpoint=kept)
    dictionaries.save_dictionary(trained, out)
    if as_json:
        last = trained.training_record["log"][-1]
        sizes = {"features": trained.n_features, **trained.settings()}
        print_json({"dictionary": str(out), "site": site, **sizes, "last": last})
    else:
        words = ["evaluate", str(out), "--model", model, "--text", str(text)]
        typer.echo(f"Wrote {out}. Judge it: pellucid dictionaries {shlex.join(words)}")


def check_folder(out: Path) -> None:
    """CL24 before any work, for a place where no dictionary can be written."""
    from pellucid.findings import InputError

    near = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
        raise InputError(
            "CL24",
            f"No dictionary can be written to {str(out)!r}.",
            "Name a folder that is there or can be made, and in which you may write: --out FOLDER.",
        )


def objective_of(name: str, model: Model, site: str) -> Objective:
    """What is minimised, by name; with downstream terms at every later stream of the model."""
    from pellucid import dictionaries
    from pellucid.findings import InputError, did_you_mean

    if name not in OBJECTIVES:
        hint = f"{did_you_mean(name, OBJECTIVES)} There are: {', '.join(OBJECTIVES)}.".strip()
        raise InputError("CL19", f"There is no objective {name!r}.", hint)
    if name == "e2e+downstream":
        streams = model.sites.select("blocks.*.resid_post")
        later = [stream for stream in streams if model.sites.place(stream) > model.sites.place(site)]
        return dictionaries.EndToEnd(kl_weight=0.5, downstream=tuple(later))
    made = {
        "local": dictionaries.Local,
        "functional": dictionaries.Local,
        "e2e": dictionaries.EndToEnd,
        "fisher": dictionaries.Fisher,
    }
    return cast("Objective", made[name]())


def source_of(model: Model, tokens: Tensor, config: TrainConfig, progress: Any) -> Any:
    """Activations read once, or the model itself where the objective runs it or positions are left out."""
    from pellucid.models import harvest

    needs = config.objective.needs
    if needs.model or needs.scores or config.excluded_positions or config.excluded_tokens:
        return model, tokens
    return harvest(model, tokens, sorted(set(config.sites)), progress=progress)


@app.command("evaluate")
def evaluate(
    dictionary: DictionaryArgument,
    model: ModelOption,
    text: TextOption,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Judge a dictionary: sparsity, reconstruction, and what is lost when it replaces the activation.

    Python: pellucid.dictionaries.evaluate
    """
    from pellucid import dictionaries
    from pellucid.cli.progress import Bars

    opened, (loaded,) = opened_with(model, dictionary, store=store)
    with Bars() as bars:
        finding = dictionaries.evaluate(opened, loaded, windows_of(opened, text), progress=bars)
    keep_and_show([finding], store, as_json)


def opened_with(model: str, *paths: Path, store: str) -> tuple[Model, list[Dictionary]]:
    """A model and dictionaries that stand in it, with a note for each that was trained on another model.

    The store is looked at too, so that no long measurement ends before a closed door.

    Errors:
        MissingError DI17 for a site that the model does not have, InputError DI04 for another width, and
        those of opening and reading.
    """
    from pellucid import dictionaries
    from pellucid.dictionaries.splicing import check_fits
    from pellucid.models import open_model
    from pellucid.store import open_store

    opened = open_model(model)
    loaded = [dictionaries.load_dictionary(path) for path in paths]
    for path, one in zip(paths, loaded, strict=True):
        check_fits(opened, one)
        note_another_model(opened, one, path)
    with open_store(store):
        return opened, loaded


def note_another_model(model: Model, dictionary: Dictionary, path: Path) -> None:
    """One line on the error stream where the record of the training names other weights."""
    trained_on = dictionary.training_record.get("source", {}).get("model")
    if trained_on not in (None, model.sha256):
        typer.echo(
            f"note: {path.name} was trained on another model (weights {trained_on[:12]}) than {model.id} "
            f"(weights {model.sha256[:12]}): the numbers say how well it carries over.",
            err=True,
        )


def keep_and_show(findings: Sequence[Finding], store: str, as_json: bool) -> None:
    """Store what was measured, and show it: one JSON object for one Finding, a list for several."""
    from pellucid.findings import show
    from pellucid.store import open_store

    with open_store(store) as kept:
        for finding in findings:
            kept.put(finding)
    if as_json:
        data = [show.json(finding) for finding in findings]
        print_json(data[0] if len(data) == 1 else data)
    else:
        for finding in findings:
            finding.show()


def windows_of(model: Model, text: Path) -> Tensor:
    """The text as disjoint windows of the model's context."""
    from pellucid.models import read_text, windows

    tokens = read_text(text, model.tokenizer).tokens
    return windows(tokens, model.facts.context, model.facts.context)
