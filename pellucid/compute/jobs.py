"""Run many jobs, keep what is finished, stop cleanly, go on later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pellucid.compute.journal import JSON, Codec, Journal
from pellucid.compute.progress import SILENT, Progress, Task
from pellucid.findings import InputError, PellucidError


class Interrupted(PellucidError):  # noqa: N818  (nobody erred)
    """The user stopped the work; what was finished is kept when there is a journal."""

    def __init__(self, done: int, total: int, kept: Path | None) -> None:
        where = f"The {done} finished jobs are kept in {kept}; run" if kept else "Nothing was kept; run"
        remedy = f"{where} the same command again{' to go on' if kept else ''}."
        super().__init__("CM05", f"Interrupted after {done} of {total} jobs.", remedy)
        self.done, self.total, self.kept = done, total, kept


class _Run:
    """The state of one call of ``run_jobs``."""

    def __init__(self, jobs: Mapping[str, tuple[Any, ...]], journal: Journal | None, task: Task) -> None:
        self.jobs, self.journal, self.task = jobs, journal, task
        self.results: dict[str, Any] = {}
        self.errors: dict[str, Exception] = {}
        self.names: dict[Future[Any], str] = {}

    def resume(self) -> None:
        """Take over what an earlier run finished."""
        for name in self.jobs:
            if self.journal is not None and self.journal.finished(name):
                self.results[name] = self.journal.read(name)
                self.task.advance()

    def submit(self, function: Callable[..., Any], executor: Executor) -> None:
        """Submit what is left; collect at once what an executor without workers has done already."""
        for name, arguments in self.jobs.items():
            if name in self.results:
                continue
            future = executor.submit(function, *arguments)
            self.names[future] = name
            if future.done():
                self.collect({future})
            if self.errors:
                return

    def drain(self) -> None:
        """Collect jobs as they finish; after the first error the rest is cancelled."""
        while self.names:
            self.collect(wait(self.names, return_when=FIRST_COMPLETED).done)
            if self.errors:
                self.cancel()

    def collect(self, done: set[Future[Any]]) -> None:
        """Keep the results of finished futures."""
        for future in done:
            name = self.names.pop(future)
            try:
                self.keep(name, future.result())
            except Exception as error:  # raised with the job's name once the others have come to rest
                self.errors[name] = error

    def keep(self, name: str, result: Any) -> None:
        """Remember one result, in the journal first."""
        self.results[name] = result if self.journal is None else self.journal.keep(name, result)
        self.task.advance()

    def cancel(self) -> None:
        """Stop what has not begun; what runs is waited for, so that it is not lost."""
        self.names = {future: name for future, name in self.names.items() if not future.cancel()}

    def first_error(self) -> Exception:
        """The error of the first failed job in the order given, with the job's name."""
        name = next(name for name in self.jobs if name in self.errors)
        error = self.errors[name]
        if isinstance(error, BrokenProcessPool):
            return InputError(
                "CM04",
                f"A worker process died while job {name!r} was waiting or running.",
                "Most often memory ran out: use fewer workers.",
            )
        error.add_note(f"in job {name!r}")
        return error


def run_jobs(
    function: Callable[..., Any],
    jobs: Mapping[str, tuple[Any, ...]],
    *,
    executor: Executor,
    progress: Progress = SILENT,
    journal: Path | None = None,
    codec: Codec = JSON,
    name: str = "",
) -> dict[str, Any]:
    """Run ``function(*arguments)`` for every job and return the results by name, in the order given.

    With a journal every finished job is on disk before the next is waited for, and a later call with the
    same journal runs only what is left. Results do not depend on the executor nor on an interruption: with
    a journal, they are always what the journal reads back.

    Arguments:
        function: what every job runs; importable by name when the executor has worker processes.
        jobs: the arguments by the job's name.
        executor: where the jobs run, see ``executor``.
        progress: who shows the advance.
        journal: a folder that belongs to this piece of work alone; None keeps nothing.
        codec: how results are written to the journal.
        name: what the progress is called; default the function's name.

    Errors:
        What a job raised, with a note that names the job; the jobs that had begun are kept.
        Interrupted CM05: Ctrl-C; says what is kept and how to go on.
        InputError CM02 to CM04: a result no journal can hold, a damaged journal, a dead worker.

    Example:
        >>> from pellucid.compute import executor
        >>> with executor() as pool:
        ...     run_jobs(pow, {"square": (3, 2), "cube": (3, 3)}, executor=pool)
        {'square': 9, 'cube': 27}
    """
    kept = None if journal is None else Journal(journal, codec)
    with progress.task(name or getattr(function, "__name__", "jobs"), total=len(jobs)) as task:
        run = _Run(jobs, kept, task)
        try:
            run.resume()
            run.submit(function, executor)
            run.drain()
        except KeyboardInterrupt:
            run.cancel()
            run.drain()
            raise Interrupted(len(run.results), len(jobs), journal) from None
    if run.errors:
        raise run.first_error()
    return {name: run.results[name] for name in jobs}
