"""One thread a job: what makes a result the same in one process and in eight."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread inside the block, when torch is loaded at all.

    The order of a sum depends on the number of threads, so a job that ran alone on four threads could
    differ in the last bit from the same job in a worker process. Torch is not imported for this.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def prepare_worker() -> None:
    """Keep a fresh worker process to one thread.

    The environment is set before any library is loaded; torch may have come with the main module.
    """
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back inside the block; it is answered when the block is left.

    A process that is started inside inherits this and never sees Ctrl-C, not even while it starts: what
    to do about it is the parent's business.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
