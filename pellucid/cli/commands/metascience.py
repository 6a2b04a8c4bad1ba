"""``pellucid metascience``: does a safety benchmark measure safety, or general capability?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.again import again
from pellucid.cli.commands import metascience_instruments
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from pellucid.findings import Finding
    from pellucid.metascience.safetywashing_config import SafetywashingConfig
    from pellucid.metascience.table import ScoreTable

app = typer.Typer(no_args_is_help=True, help="Does a benchmark measure safety, or general capability?")

CsvArgument = Annotated[
    str,
    typer.Argument(
        metavar="CSV", help="Table with one row a model, one column a benchmark; base-models is shipped."
    ),
]
CapabilityOption = Annotated[
    str | None,
    typer.Option("--capabilities", help="Capability columns, by comma; default the paper's twelve."),
]
TypeOption = Annotated[str | None, typer.Option("--type", help="base or chat, where the table holds both.")]
NamesOption = Annotated[str | None, typer.Option("--names", help="Column of the models' names.")]
FamilyOption = Annotated[str | None, typer.Option("--family", help="Column of the models' families.")]
ComputeOption = Annotated[str | None, typer.Option("--compute", help="Column of the training compute.")]
ExcludeOption = Annotated[str | None, typer.Option("--exclude", help="Columns to leave out, by comma.")]
MethodOption = Annotated[str, typer.Option("--method", help="spearman or pearson.")]
DrawsOption = Annotated[int, typer.Option("--draws", help="Bootstrap draws; 0 for no intervals.")]
ThresholdOption = Annotated[
    float, typer.Option("--threshold", help="Size of a correlation up to which it counts as none.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of draws and permutations.")]


@app.callback()
def group() -> None:
    """Does a benchmark measure safety, or general capability?"""


@app.command("safetywashing")
def safetywashing(
    context: typer.Context,
    csv: CsvArgument,
    capabilities: CapabilityOption = None,
    model_type: TypeOption = None,
    names: NamesOption = None,
    family: FamilyOption = None,
    compute: ComputeOption = None,
    exclude: ExcludeOption = None,
    method: MethodOption = "spearman",
    draws: DrawsOption = 2000,
    threshold: ThresholdOption = 0.4,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Correlate every benchmark with the capabilities score, and say which are decided.

    Python: pellucid.metascience.safetywashing
    """
    from pellucid.cli.progress import Bars
    from pellucid.metascience.safetywashing import safetywashing

    table = read(csv, names, family, compute, exclude)
    with Bars() as bars:
        finding = safetywashing(
            table,
            capabilities=listed(capabilities),
            model_type=model_type,
            config=settings(method, draws, threshold),
            seed=seed,
            progress=bars,
            command=again(context, "pellucid metascience safetywashing"),
        )
    keep(finding, store, as_json)


@app.command("check")
def check(
    context: typer.Context,
    csv: CsvArgument,
    benchmark: Annotated[str, typer.Option("--benchmark", help="The column to check.")],
    capabilities: CapabilityOption = None,
    model_type: TypeOption = None,
    names: NamesOption = None,
    family: FamilyOption = None,
    compute: ComputeOption = None,
    exclude: ExcludeOption = None,
    reliability: Annotated[
        float | None, typer.Option("--reliability", help="Of the benchmark, to correct its correlation.")
    ] = None,
    isotonic: Annotated[
        bool, typer.Option("--isotonic", help="Predict by a monotone curve instead of a line.")
    ] = False,
    method: MethodOption = "spearman",
    draws: DrawsOption = 2000,
    threshold: ThresholdOption = 0.4,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Check one benchmark: correlated with capability, decorrelated from it, or undecided.

    Python: pellucid.metascience.check
    """
    from pellucid.cli.progress import Bars
    from pellucid.metascience.benchmark import check

    table = read(csv, names, family, compute, exclude)
    with Bars() as bars:
        finding = check(
            benchmark,
            table,
            capabilities=listed(capabilities),
            model_type=model_type,
            reliability=reliability,
            curve="isotonic" if isotonic else "linear",
            config=settings(method, draws, threshold),
            seed=seed,
            progress=bars,
            command=again(context, "pellucid metascience check"),
        )
    keep(finding, store, as_json)


def read(
    csv: str, names: str | None, family: str | None, compute: str | None, exclude: str | None
) -> ScoreTable:
    """The table of a file, or the shipped one where ``base-models`` is not a file."""
    from pathlib import Path

    from pellucid.metascience.table import SHIPPED, read_table

    path = SHIPPED if csv == "base-models" and not Path(csv).exists() else Path(csv)
    return read_table(path, names=names, family=family, compute=compute, exclude=listed(exclude) or ())


def listed(text: str | None) -> list[str] | None:
    """Names that stand between commas; None when there was no text."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def settings(method: str, draws: int, threshold: float) -> SafetywashingConfig:
    """The settings of the analysis."""
    from typing import Literal, cast

    from pellucid.metascience.safetywashing_config import SafetywashingConfig

    coefficient = cast("Literal['spearman', 'pearson']", method)
    return SafetywashingConfig(method=coefficient, draws=draws, low=-threshold, high=threshold)


def keep(finding: Finding, store: str, as_json: bool) -> None:
    """Store a Finding and print it."""
    from pellucid.findings import show
    from pellucid.store import open_store

    with open_store(store) as kept:
        kept.put(finding)
    if as_json:
        print_json(show.json(finding))
    else:
        finding.show()


app.command("instruments")(metascience_instruments.instruments)
