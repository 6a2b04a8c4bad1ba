"""Where jobs run: in this process or in several, behind ``concurrent.futures.Executor``."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from pellucid.compute.threads import interrupts_held, one_thread, prepare_worker
from pellucid.findings import InputError

P = ParamSpec("P")
T = TypeVar("T")


class InProcess(Executor):
    """Runs every job at once, where it is submitted, on one thread.

    Example:
        >>> with InProcess() as here:
        ...     here.submit(pow, 2, 5).result()
        32
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` now; the future is already done. Ctrl-C is not caught."""
        future: Future[T] = Future()
        try:
            with one_thread():
                future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future carries it, as with every other executor
            future.set_exception(error)
        return future


class Processes(ProcessPoolExecutor):
    """Runs jobs in fresh processes of one thread each, which leave Ctrl-C to this one."""

    def __init__(self, workers: int) -> None:
        # spawned, not forked: forking a process that runs threads (torch, numba) can hang
        super().__init__(workers, multiprocessing.get_context("spawn"), prepare_worker)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand ``fn`` to a worker; workers are started here, one at a time, as they are needed."""
        with interrupts_held():
            return super().submit(fn, *args, **kwargs)


def executor(workers: int = 1) -> Executor:
    """Where jobs run: one worker is this process, more are fresh processes of one thread each.

    Arguments:
        workers: how many jobs run at the same time, at least 1.

    Errors:
        InputError CM01: fewer than one worker.

    Example:
        >>> with executor(1) as pool:
        ...     pool.submit(max, 3, 7).result()
        7
    """
    if workers < 1:
        raise InputError("CM01", f"{workers} workers cannot run anything.", "Ask for 1 worker or more.")
    return InProcess() if workers == 1 else Processes(workers)
