"""``pellucid case rerun``: measure again what is stale in a case, and derive its verdict anew."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

if TYPE_CHECKING:
    from pellucid.cases import Case, Verdict
    from pellucid.cases.rerun import Outcome, Plan, Rerun, Step
    from pellucid.findings import Finding, Header
    from pellucid.store import Store
    from pellucid.web.present import World

PROGRAM = "pellucid"
NOT_AGAIN = ("serve", "doctor", "library", "models")
"""Commands that measure nothing, or would run forever."""
MEASURING = {"findings": ("import", "compare"), "case": ("operational", "macrosystem")}
"""Of groups of commands that mostly show what is there, those that measure."""


def rerun_command(
    case: Annotated[str, typer.Argument(help="A YAML file, or the name of a case in the store.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Measure everything again, what is fresh too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="YAML file for the case bound to the new findings.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="File to which every run is appended, as JSON lines.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Commands at a time.", min=1)] = 1,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Measure again what is stale in a case, and derive its verdict anew.

    Each finding is measured by its own command in a store of its own, compared with the one it repeats, and
    kept; nothing old is changed. A case in the store gets a new version; a file is written only by --out.

    Status 0: the case stands now. 1: it does not. 2: used wrongly.

    Python: pellucid.cases.rerun.rerun
    """
    from pellucid.cli.commands.case_reading import read_case
    from pellucid.store import open_store
    from pellucid.web.present import world_of

    argument = read_case(case, store)
    with open_store(store) as kept:
        world = world_of(argument, kept)
        planned = plan_of(world, only_stale=not everything)
        before = world.verdict()
        if dry_run:
            show_plan(planned, before, as_json)
            raise typer.Exit(0 if before.stands else 1)
        done = run_plan(planned, kept, workers, record)
        after = world_of(done.case, kept).verdict() if done.outcomes else before
        written = write(done.case, argument, case, out, kept, after)
    show(done, before, after, written, as_json)
    raise typer.Exit(0 if after.stands else 1)


# Running --------------------------------------------------------------------------------------------


def plan_of(world: World, *, only_stale: bool) -> Plan:
    """What must be run."""
    from pellucid.cases.rerun import plan

    return plan(
        world.argument,
        world.findings,
        world.present,
        only_stale=only_stale,
        reruns=world.reruns,
        refuse=why_not,
    )


def why_not(command: str) -> str | None:
    """Why a command may not be run: only pellucid's own are, and of these only such as measure."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"its command `{command}` cannot be read ({error})"
    if not words or words[0] != PROGRAM:
        return f"its command `{command}` is not pellucid's own: run it by hand and cite the new finding"
    group, verb = (*words[1:3], "", "")[:2]
    shows = group in MEASURING and verb not in MEASURING[group]
    if not group or group in NOT_AGAIN or group.startswith("-") or shows:
        return f"its command `{command}` measures nothing"
    return None


def run_plan(planned: Plan, store: Store, workers: int, record: Path | None) -> Rerun:
    """Run a plan with progress bars; what is new goes to the store as soon as it is there."""
    from pellucid.cases.rerun import rerun
    from pellucid.cli.progress import Bars
    from pellucid.compute import SILENT

    with Bars() as bars, pool(workers) as runner:
        shown = bars if planned.steps else SILENT
        return rerun(
            planned, runner_of(store), executor=runner, progress=shown, keep=store.put, record=record
        )


def pool(workers: int) -> AbstractContextManager[Executor]:
    """Where commands are waited for: each is a process of its own, so threads are enough."""
    from pellucid.compute import executor

    return executor() if workers == 1 else ThreadPoolExecutor(workers)


def runner_of(store: Store) -> Callable[[Step], list[Finding]]:
    """What runs one step: its command, in an empty store but for what its Findings were made from.

    A store that knew the measurement would only give it back: nothing would be measured again.
    """

    def run(step: Step) -> list[Finding]:
        """The Findings that the command of a step makes."""
        from pellucid.store import open_store

        with tempfile.TemporaryDirectory(prefix="pellucid-rerun-") as folder:
            url = f"sqlite:///{Path(folder) / 'run.db'}"
            with open_store(url) as scratch:
                given = {scratch.put(finding) for finding in origin_of(step, store)}
            call(step.command, url, Path(folder))
            with open_store(url) as scratch:
                return [loaded(scratch, header.id) for header in scratch.find() if header.id not in given]

    return run


def loaded(store: Store, identity: str) -> Finding:
    """A Finding with its arrays read, as its file will be gone."""
    from pellucid.findings import from_bytes

    return from_bytes(store.get(identity).to_bytes())


def origin_of(step: Step, store: Store) -> Iterator[Finding]:
    """What the Findings of a step were made from and does not come from the step itself, as it counts now."""
    from pellucid.cases.evidence.repetition import Repetitions
    from pellucid.store.evidence import evidence_in, reruns_in

    find, repeated = evidence_in(store), Repetitions.of(reruns_in(store))
    own = {header.id for header in step.findings}
    seen: set[str] = set()
    waiting = [parent for header in step.findings for parent in header.provenance.parents]
    while waiting:
        parent = waiting.pop()
        newer = repeated.successors(parent)
        header = find(newer[0].provenance.parents[1] if newer else parent)
        if parent in seen or header is None:
            continue
        seen.add(parent)
        waiting.extend(header.provenance.parents)
        if header.id not in own and not header.retracted:
            yield store.get(header.id)


def call(command: str, store: str, folder: Path) -> None:
    """Run a command of ours as a process of its own that keeps its Findings in a store of its own.

    Errors:
        InputError CL45: the command failed; says what it said.
    """
    from pellucid.findings import InputError

    words = without_option(shlex.split(command)[1:], "--store")
    if words[0] == "audit":  # its report is no evidence, and the user's own must stay as it is
        words = [*without_option(words, "--out"), "--out", str(folder / "report")]
    done = subprocess.run(
        [sys.executable, "-m", "pellucid.cli.main", *words],
        env={**os.environ, "PELLUCID_STORE": store},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1) or "Traceback (most recent call last)" in done.stderr:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        problem = f"The command `{command}` failed: {said[0]}"
        raise InputError("CL45", problem, "Run it by hand to see why.")


def without_option(words: list[str], option: str) -> list[str]:
    """A command line without an option and its value."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        skip = word == option and not skip
    return kept


# Answers --------------------------------------------------------------------------------------------


def write(
    new: Case, old: Case, name: str, out: Path | None, store: Store, verdict: Verdict
) -> dict[str, Any]:
    """Write the bound case where it was asked for; a changed case of the store becomes its next version."""
    written: dict[str, Any] = {}
    if out is not None:
        written["file"] = str(new.write(out))
    from_file = Path(name).suffix in {".yaml", ".yml"} or Path(name).exists()
    if not from_file and new != old:
        subject = store.case(name).subject_sha
        written["version"] = store.put_case(name, new.text, subject, verdict.to_dict())
    return written


def show_plan(planned: Plan, verdict: Verdict, as_json: bool) -> None:
    """Print what would be run."""
    if as_json:
        print_json({"steps": steps_of(planned), "refused": refused(planned), "verdict": verdict.to_dict()})
        return
    rows = [(", ".join(step.leaves) or "what evidence was made from", step.command) for step in planned.steps]
    print_table("To be measured again", ("leaf", "command"), rows, "Nothing is stale.")
    print_refused(planned)


def show(done: Rerun, before: Verdict, after: Verdict, written: dict[str, Any], as_json: bool) -> None:
    """Print each leaf's old and new Finding, and the verdict before and after."""
    if as_json:
        print_json(
            {
                "steps": steps_of(done.plan),
                "refused": refused(done.plan),
                "outcomes": [plain(outcome) for outcome in done.outcomes],
                "before": before.to_dict(),
                "after": after.to_dict(),
                **({"written": written} if written else {}),
            }
        )
        return
    rows = [
        (
            outcome.element or "(made from)",
            outcome.old[:12],
            new_of(outcome)[:12],
            outcome.result,
            outcome.reason,
        )
        for outcome in done.outcomes
    ]
    print_table("Measured again", ("leaf", "old", "new", "result", "why"), rows, "Nothing is stale.")
    print_refused(done.plan)
    typer.echo(f"Before: {before.word}. Now: {after.word}.{' ' + after.reason if after.reason else ''}")
    for what, where in written.items():
        typer.echo(f"Wrote {what} {where}.")


def print_refused(planned: Plan) -> None:
    """Print what cannot be measured again, and why."""
    rows = [(refusal.element, (refusal.finding or "")[:12], refusal.reason) for refusal in planned.refusals]
    if rows:
        print_table("Not measured again", ("leaf", "finding", "why"), rows, "")


def new_of(outcome: Outcome) -> str:
    """Id of the new Finding, or nothing."""
    return "" if outcome.new is None else outcome.new.id


def plain(outcome: Outcome) -> dict[str, Any]:
    """An outcome for JSON."""
    return {
        "element": outcome.element,
        "old": outcome.old,
        "new": new_of(outcome) or None,
        "result": outcome.result,
        "reason": outcome.reason,
    }


def steps_of(planned: Plan) -> list[dict[str, Any]]:
    """The steps of a plan for JSON."""
    return [
        {"command": step.command, "leaves": step.leaves, "findings": ids(step.findings)}
        for step in planned.steps
    ]


def refused(planned: Plan) -> list[dict[str, Any]]:
    """What cannot be measured again, for JSON."""
    return [vars(refusal) for refusal in planned.refusals]


def ids(headers: Iterable[Header]) -> list[str]:
    """Ids of Findings."""
    return [header.id for header in headers]
