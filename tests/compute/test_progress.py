"""The progress protocol."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

from pellucid.compute import SILENT, Progress, Task, executor, run_jobs


class Counter:
    """Progress that counts, as a terminal would."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextmanager
    def task(self, name, total=None):
        self.seen.append(f"open {name} {total}")
        yield self
        self.seen.append("close")

    def advance(self, n=1):
        self.seen.append(f"advance {n}")

    def note(self, text):
        self.seen.append(f"note {text}")


def test_silence_answers_the_whole_protocol(capsys):
    with SILENT.task("anything", total=None) as task:
        task.advance()
        task.advance(5)
        task.note("nobody reads this")
    assert capsys.readouterr() == ("", "")


def test_jobs_advance_the_task_once_each():
    counter = Counter()
    with executor() as pool:
        run_jobs(pow, {"a": (2, 2), "b": (2, 3)}, executor=pool, progress=counter, name="powers")
    assert counter.seen == ["open powers 2", "advance 1", "advance 1", "close"]


def test_jobs_are_named_after_their_function_by_default():
    counter = Counter()
    with executor() as pool:
        run_jobs(pow, {}, executor=pool, progress=counter)
    assert counter.seen[0] == "open pow 0"


def test_resumed_jobs_count_as_done(tmp_path):
    with executor() as pool:
        run_jobs(pow, {"a": (2, 2)}, executor=pool, journal=tmp_path)
        counter = Counter()
        run_jobs(pow, {"a": (2, 2), "b": (2, 3)}, executor=pool, journal=tmp_path, progress=counter)
    assert counter.seen.count("advance 1") == 2


def test_a_counter_is_a_progress():
    progress: Progress = Counter()
    with progress.task("x") as task:
        shown: Task = task
        shown.note("y")


def test_compute_never_loads_torch():
    code = "import pellucid.compute, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
