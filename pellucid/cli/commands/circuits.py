"""``pellucid circuits``: where in the network an answer is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from pellucid.circuits.patching import Direction

app = typer.Typer(no_args_is_help=True, help="Where in the network an answer is decided.")


@app.callback()
def group() -> None:
    """Where in the network an answer is decided."""


@app.command("patch")
def patch(
    model: Annotated[str, typer.Argument(help="organism:NAME or a model folder.")],
    clean: Annotated[str, typer.Option("--clean", help="Prompt with the behaviour.")],
    corrupt: Annotated[str, typer.Option("--corrupt", help="Prompt of as many tokens, without it.")],
    answer: Annotated[str, typer.Option("--answer", help="The next token that the clean prompt gets.")],
    wrong: Annotated[
        str | None, typer.Option("--wrong", help="The token to compare with, for logit differences.")
    ] = None,
    sites: Annotated[
        str, typer.Option("--sites", help="Sites, by comma; stars allowed.")
    ] = "blocks.*.resid_pre,blocks.*.attn_out,blocks.*.mlp_out",
    direction: Annotated[str, typer.Option("--direction", help="denoise, noise or both.")] = "both",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Patch every site and position from one run into another and measure the answer.

    Python: pellucid.circuits.patch_sweep
    """
    from pellucid.circuits import Answer, patch_sweep
    from pellucid.cli.progress import Bars
    from pellucid.findings import show
    from pellucid.models import open_model
    from pellucid.store import open_store

    opened = open_model(model)
    metric = Answer.of(opened, answer, wrong)
    with Bars() as bars:
        finding = patch_sweep(
            opened,
            opened.tokens(clean),
            opened.tokens(corrupt),
            metric,
            [name.strip() for name in sites.split(",")],
            direction=cast("Direction", direction),
            progress=bars,
        )
    with open_store(store) as kept:
        kept.put(finding)
    if as_json:
        print_json(show.json(finding))
    else:
        finding.show()
