"""``pellucid study``: run a paper's study and compare its claims with what we measure."""

from __future__ import annotations

from typing import Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Reproduce a paper's claims.")
KeyArgument = Annotated[str, typer.Argument(help="Key of the study, as `study list` shows it.")]


@app.command("list")
def list_studies(as_json: JsonOption = False) -> None:
    """List the studies that can be run.

    Python: pellucid.library.studies
    """
    from pellucid.library import studies

    found = studies()
    if as_json:
        print_json([study.to_dict() for study in found])
        return
    rows = [(study.key, study.paper, study.title) for study in found]
    print_table("Studies", ("key", "paper", "what it measures"), rows, "No study is built yet.")


@app.command("run")
def run(
    key: KeyArgument,
    profile: Annotated[
        str, typer.Option("--profile", help="quick (minutes on two cores) or full.")
    ] = "quick",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Run a study; its findings go to the store. Runs again where it was interrupted.

    Python: pellucid.library.run_study
    """
    from pellucid.cli.findings_table import print_findings
    from pellucid.cli.progress import Bars
    from pellucid.library import run_study
    from pellucid.store import open_store

    with open_store(store) as kept, Bars() as bars:
        found = run_study(key, profile=profile, store=kept, progress=bars)
    print_findings(f"Study {key}", [finding.header for finding in found], as_json)


@app.command("show")
def show(key: KeyArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show what the store holds of a study: the paper's claims beside our findings.

    Python: pellucid.library.study_findings
    """
    from pellucid.cli.findings_table import print_findings
    from pellucid.library import study_findings
    from pellucid.store import open_store

    with open_store(store) as kept:
        headers = study_findings(key, kept)
    print_findings(f"Study {key}", headers, as_json, f"Nothing yet: run pellucid study run {key}.")
