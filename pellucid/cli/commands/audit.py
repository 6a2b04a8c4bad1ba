"""``pellucid audit``: open a model, compare it with its reference, and argue whether it is safe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from pellucid.audit import AuditConfig, Report
    from pellucid.audit.config import Profile
    from pellucid.store import Store


def audit(
    model: Annotated[str, typer.Argument(help="The suspect: organism:NAME or a model folder.")],
    against: Annotated[
        str | None, typer.Option("--against", help="The reference: the model it was made from.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="Ordinary held-out text (UTF-8); organisms bring theirs.")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="quick or full.")] = "quick",
    marker: Annotated[
        str | None, typer.Option("--marker", help="How the deployment announces that it is watched.")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option("--reviewer", help="Who accepts assumptions; default: you.")
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept",
            help="Assumptions the reviewer accepts, by comma; 'none' for none. Naming a reference accepts "
            "A0, that it is clean itself.",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    out: Annotated[Path, typer.Option("--out", help="Where the report goes.")] = Path("report"),
    workers: Annotated[int, typer.Option("--workers", help="Processes; 0: one a core.", min=0)] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Audit a model and argue from the measurements whether it hides a behaviour.

    Status 0: the case stands. 1: it is defeated or undecided. 2: used wrongly.

    Python: pellucid.audit.audit
    """
    config = configure(profile, marker, reviewer, accept, against, seed)
    command = again(model, against, config, text)
    report = run_audit(model, against, config, text, store, workers, command)
    page = write_report(report, out)
    if as_json:
        print_json({**report.to_dict(), "report": str(page), "store": store})
    else:
        print_report(report, page, store)
    raise typer.Exit(0 if report.verdict.stands else 1)


def configure(
    profile: str, marker: str | None, reviewer: str | None, accept: str | None, against: str | None, seed: int
) -> AuditConfig:
    """The audit's settings from the command line's options."""
    import getpass

    from pellucid.audit import AuditConfig

    accepted = ("A0",) if accept is None and against else split_names(accept)
    return AuditConfig(
        profile=cast("Profile", profile),
        marker=marker,
        reviewer=reviewer or getpass.getuser(),
        accept=accepted,
        seed=seed,
    )


def split_names(names: str | None) -> tuple[str, ...]:
    """Names given by comma; 'none' or nothing is the empty tuple."""
    if names is None or names.strip().lower() == "none":
        return ()
    return tuple(name.strip() for name in names.split(",") if name.strip())


def run_audit(
    model: str,
    against: str | None,
    config: AuditConfig,
    text: Path | None,
    store: str,
    workers: int,
    command: str,
) -> Report:
    """Open what was named and run the audit, with progress bars and a store to resume from."""
    from pellucid import audit as room
    from pellucid.cli.progress import Bars
    from pellucid.compute import executor
    from pellucid.models import open_model
    from pellucid.store import open_store

    source = text or ordinary_text(model, against)
    with open_store(store) as findings, Bars() as bars, executor(workers or cores()) as pool:
        suspect = open_model(model)
        reference = open_model(against) if against else None
        keep_shipped(findings)
        return room.audit(
            suspect,
            config,
            against=reference,
            text=source,
            store=findings,
            executor=pool,
            progress=bars,
            command=command,
        )


def again(model: str, against: str | None, config: AuditConfig, text: Path | None) -> str:
    """The command line that measures the same again."""
    options = [("--against", against), ("--text", text), ("--marker", config.marker)]
    given = [f"{name} {shlex.quote(str(value))}" for name, value in options if value is not None]
    own = [f"--profile {config.profile}"] if config.profile != "quick" else []
    seed = [f"--seed {config.seed}"] if config.seed else []
    return " ".join(["pellucid audit", shlex.quote(model), *given, *own, *seed])


def keep_shipped(store: Store) -> None:
    """Let the audit cite, and the shelf show, what was measured at length and shipped."""
    from pellucid.library import shipped_findings

    for finding in shipped_findings():
        store.put(finding)


def cores() -> int:
    """How many processors this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordinary_text(model: str, against: str | None) -> Path:
    """The held-out text that an organism brings; another model needs ``--text``."""
    from pellucid.findings import InputError

    if not any((ref or "").startswith("organism:") for ref in (model, against)):
        raise InputError(
            "CL04",
            f"The audit of {model!r} needs ordinary text that the model was not trained on.",
            "Name a UTF-8 file with --text FILE; some 200 000 characters are a good size.",
        )
    from pellucid.organisms import validation_text

    return validation_text()


def write_report(report: Report, out: Path) -> Path:
    """Write the self-contained page; its path."""
    from pellucid.web import report as pages

    return pages.write(report, out)


def print_report(report: Report, page: Path, store: str) -> None:
    """The verdict, the table of findings, and what to look at next."""
    from pellucid.cli.output import print_rich
    from pellucid.cli.report import report_lines

    print_rich(*report_lines(report, page, store))
