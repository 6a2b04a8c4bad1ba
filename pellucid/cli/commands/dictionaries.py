"""``pellucid dictionaries``: train dictionaries and judge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.dictionaries import TrainConfig
    from pellucid.dictionaries.config import Variant
    from pellucid.dictionaries.training.objectives import Objective
    from pellucid.findings import Finding
    from pellucid.models import Model

app = typer.Typer(no_args_is_help=True, help="Dictionaries of features: train, judge, look inside.")
DictionaryArgument = Annotated[Path, typer.Argument(help="A dictionary's folder or file, of any format.")]
ModelOption = Annotated[str, typer.Option("--model", help="organism:NAME or a model folder.")]
TextOption = Annotated[Path, typer.Option("--text", help="Text to run the model on (UTF-8).")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of all random choices.", min=0)]
OBJECTIVES = ("local", "e2e", "e2e+downstream", "fisher")


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
        str, typer.Option("--objective", help="local, e2e, e2e+downstream or fisher.")
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
    from pellucid.models import open_model

    opened = open_model(model)
    config = dictionaries.TrainConfig(
        site=site,
        site_out=site_out,
        variant=cast("Variant", variant),
        objective=objective_of(objective, opened, site_out or site),
        n_features=features,
        k=min(k, features),
        sparsity=sparsity,
        skip=skip,
        steps=steps,
        seed=seed,
        **settings_of(dictionaries.TrainConfig, settings or []),
    )
    with Bars() as bars:
        source = source_of(opened, windows_of(opened, text), config, bars)
        trained = dictionaries.train(source, config, progress=bars, checkpoint=out / "checkpoint")
    dictionaries.save_dictionary(trained, out)
    if as_json:
        last = trained.training_record["log"][-1]
        sizes = {"features": trained.n_features, **trained.settings()}
        print_json({"dictionary": str(out), "site": site, **sizes, "last": last})
    else:
        typer.echo(
            f"Wrote {out}. Judge it: pellucid dictionaries evaluate {out} --model {model} --text {text}"
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
    made = {"local": dictionaries.Local, "e2e": dictionaries.EndToEnd, "fisher": dictionaries.Fisher}
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
    from pellucid.models import open_model

    opened = open_model(model)
    loaded = dictionaries.load_dictionary(dictionary)
    with Bars() as bars:
        finding = dictionaries.evaluate(opened, loaded, windows_of(opened, text), progress=bars)
    keep_and_show([finding], store, as_json)


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
