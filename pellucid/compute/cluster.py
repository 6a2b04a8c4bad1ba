"""Run jobs on the machines of a Ray cluster, behind the same protocol as in processes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from pellucid.compute.threads import one_thread, prepare_worker
from pellucid.findings import InputError, MissingError

P = ParamSpec("P")
T = TypeVar("T")


class Cluster(ThreadPoolExecutor):
    """Hands every job to Ray, which runs it somewhere, on one thread.

    A thread here waits for each job that runs there: so what has not begun can be cancelled, and what runs is
    waited for, as with processes. The machines must see the folders that jobs read and write.

    Arguments:
        workers: how many jobs run at the same time, at least 1.
        address: of a running cluster; None starts one on this machine, which ends with this object.

    Errors:
        InputError CM01: fewer than one worker. MissingError CM06: Ray is not installed.

    Example:
        >>> with Cluster(2) as pool:  # doctest: +SKIP
        ...     pool.submit(pow, 2, 5).result()
        32
    """

    def __init__(self, workers: int, address: str | None = None) -> None:
        if workers < 1:
            raise InputError("CM01", f"{workers} workers cannot run anything.", "Ask for 1 worker or more.")
        self.ray = load_ray()
        own = {"num_cpus": workers} if address is None else {}
        self.ray.init(address=address, include_dashboard=False, log_to_driver=False, **own)
        self.there = self.ray.remote(outcome)
        super().__init__(workers, thread_name_prefix="ray")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in the cluster; it must be importable by name there."""
        return super().submit(self._wait, fn, args, kwargs)

    def _wait(self, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        result, error = self.ray.get(self.there.remote(fn, args, kwargs))
        if error is not None:
            raise error
        answer: T = result
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs and leave the cluster."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self.ray.shutdown()


def outcome(fn: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
    """What a job returns, or the error it raises, as it is: Ray would wrap it in one of its own.

    Arguments:
        fn: the job.
        args: its arguments.
        kwargs: its arguments by name.
    """
    prepare_worker()
    try:
        with one_thread():
            return fn(*args, **kwargs), None
    except Exception as error:  # the caller raises it again
        return None, error


def load_ray() -> Any:
    """The library, loaded only now."""
    if importlib.util.find_spec("ray") is None:
        raise MissingError("CM06", "Ray is not installed.", "Install it: pip install 'pellucid[cluster]'.")
    return importlib.import_module("ray")
