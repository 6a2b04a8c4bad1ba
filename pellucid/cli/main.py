"""The ``pellucid`` command: one table of commands, one place where errors become messages.

Exit status: 0 fine, 1 the answer is no, 2 used wrongly or interrupted.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from pellucid.cli.commands import (
    audit,
    case,
    circuits,
    dictionaries,
    dictionaries_attention,
    dictionaries_comparing,
    dictionaries_describe,
    dictionaries_explaining,
    dictionaries_files,
    dictionaries_suite,
    doctor,
    findings,
    library,
    metascience,
    models,
    organisms,
    serve,
    study,
)
from pellucid.cli.output import complain

if TYPE_CHECKING:
    from pellucid.findings import InputError


class Commands(TyperGroup):
    """The commands, whose interruption is one message with the remedy like any other refusal."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C becomes InputError CL01 before Typer turns it into a bare abort."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise interrupted() from None


app = typer.Typer(
    name="pellucid",
    cls=Commands,
    help="Open a neural network, see what it does, and argue from the measured evidence whether it is safe.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("audit")(audit.audit)
app.add_typer(models.app, name="models")
app.add_typer(organisms.app, name="organisms")
app.add_typer(dictionaries.app, name="dictionaries")
dictionaries_comparing.add_to(dictionaries.app)
dictionaries_attention.add_to(dictionaries.app)
dictionaries_describe.add_to(dictionaries.app)
dictionaries_explaining.add_to(dictionaries.app)
dictionaries_files.add_to(dictionaries.app)
dictionaries_suite.add_to(dictionaries.app)
app.add_typer(circuits.app, name="circuits")
app.add_typer(metascience.app, name="metascience")
app.add_typer(library.app, name="library")
app.add_typer(study.app, name="study")
app.add_typer(findings.app, name="findings")
app.add_typer(case.app, name="case")
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


def print_version(wanted: bool) -> None:
    """Print the version and leave, when asked."""
    if wanted:
        from pellucid import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and leave.", is_eager=True, callback=print_version
    ),
) -> None:
    """Open a neural network, see what it does, and argue from the measured evidence whether it is safe."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """The exit status of one command line; user errors become one message, bugs keep their traceback."""
    as_json = "--json" in arguments
    try:
        result = app(list(arguments), prog_name="pellucid", standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return complain(interrupted(), as_json)
    except Exception as error:
        return explain(error, as_json)
    return result if isinstance(result, int) else 0


def explain(error: Exception, as_json: bool) -> int:
    """Turn a user's error into one message; anything else is a bug and keeps its traceback."""
    from pellucid.findings import PellucidError

    if isinstance(error, PellucidError):
        return complain(error, as_json)
    if isinstance(error, OSError):
        return complain_system(error, as_json)
    raise error


def interrupted() -> InputError:
    """The error that says that the run was interrupted and how it goes on."""
    from pellucid.findings import InputError

    remedy = "Everything stored so far is kept; run the same command again to go on."
    return InputError("CL01", "The run was interrupted.", remedy)


def complain_system(error: OSError, as_json: bool) -> int:
    """Turn what the operating system refused into a message with a remedy."""
    from pellucid.findings import InputError

    if error.errno == errno.ENOSPC:
        problem = InputError(
            "CL02", "The disk is full.", "Free some space and run the same command again; it goes on."
        )
    else:
        where = f" ({error.filename})" if error.filename else ""
        problem = InputError(
            "CL03",
            f"The system refused: {error.strerror or error}{where}.",
            "Check that the path exists and that you may read and write it.",
        )
    return complain(problem, as_json)


if __name__ == "__main__":
    main()
