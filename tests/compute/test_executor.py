"""Where jobs run: the same answers in this process and in others."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Executor

import pytest

from pellucid.compute import InProcess, executor, one_thread
from pellucid.findings import InputError


def where_am_i():
    return os.getpid()


def limits():
    return {
        name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    }


def interrupt_held():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def torch_threads():
    import torch

    return torch.get_num_threads()


def fail(text):
    raise ValueError(text)


def test_one_worker_is_this_process():
    with executor(1) as pool:
        assert isinstance(pool, InProcess)
        assert pool.submit(where_am_i).result() == os.getpid()


def test_in_process_carries_errors_in_the_future():
    with executor(1) as pool:
        future = pool.submit(fail, "broken")
    assert isinstance(future.exception(), ValueError)
    assert future.done()


def test_in_process_lets_an_interrupt_through():
    def interrupted():
        raise KeyboardInterrupt

    with executor(1) as pool, pytest.raises(KeyboardInterrupt):
        pool.submit(interrupted)


def test_two_workers_are_other_processes_of_one_thread_that_leave_interrupts_to_the_parent():
    with executor(2) as pool:
        assert isinstance(pool, Executor)
        assert pool.submit(where_am_i).result() != os.getpid()
        assert pool.submit(limits).result() == dict.fromkeys(limits(), "1")
        assert pool.submit(interrupt_held).result()
        assert not interrupt_held()


@pytest.mark.parametrize("workers", [0, -3])
def test_no_worker_is_refused(workers):
    with pytest.raises(
        InputError, match=rf"{workers} workers cannot run anything. Ask for 1 worker or more."
    ):
        executor(workers)


class FakeTorch:
    """A stand-in with torch's two functions, so that the law is tested without loading torch."""

    def __init__(self):
        self.threads = 4

    def get_num_threads(self):
        return self.threads

    def set_num_threads(self, n):
        self.threads = n


def test_a_job_in_this_process_has_one_thread_and_gives_the_others_back(monkeypatch):
    torch = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    with executor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(fail, "x").exception() is not None
    assert torch.threads == 4


def test_without_torch_one_thread_changes_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with one_thread():
        assert "torch" not in sys.modules


def test_torch_has_one_thread_in_a_worker():
    with executor(2) as pool:
        assert pool.submit(torch_threads).result() == 1
