"""Many jobs: same results for any number of workers, nothing finished is lost, stops are clean."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid.compute import Codec, Interrupted, Journal, executor, run_jobs
from pellucid.findings import InputError, PellucidError


def walk(seed, steps):
    """A sum whose last bits depend on the order of its terms."""
    source = random.Random(seed)
    return {"seed": seed, "sum": math.fsum(source.gauss(0, 1) for _ in range(steps)), "last": source.random()}


def touch_and_square(folder, n):
    Path(folder, f"ran-{n}").touch()
    return n * n


def fail_on(bad, n):
    if n in bad:
        raise ValueError(f"cannot do {n}")
    return n


def interrupt_on(bad, n):
    if n == bad:
        raise KeyboardInterrupt
    return n


def die(n):
    os.kill(os.getpid(), signal.SIGKILL)


JOBS = {f"walk {seed}": (seed, 500) for seed in range(24)}


def test_results_do_not_depend_on_the_number_of_workers():
    found = {}
    for workers in (1, 2, 8):
        with executor(workers) as pool:
            found[workers] = json.dumps(run_jobs(walk, JOBS, executor=pool))
    assert found[1] == found[2] == found[8]
    assert list(json.loads(found[8])) == list(JOBS)


def test_results_do_not_depend_on_an_interruption(tmp_path):
    with executor() as pool:
        whole = run_jobs(walk, JOBS, executor=pool)
        part = dict(list(JOBS.items())[::3])
        run_jobs(walk, part, executor=pool, journal=tmp_path)
        resumed = run_jobs(walk, JOBS, executor=pool, journal=tmp_path)
    assert json.dumps(resumed) == json.dumps(whole)


def test_with_a_journal_a_result_is_what_the_journal_reads(tmp_path):
    with executor() as pool:
        first = run_jobs(divmod, {"a": (7, 2)}, executor=pool, journal=tmp_path)
        again = run_jobs(divmod, {"a": (7, 2)}, executor=pool, journal=tmp_path)
    assert first == again == {"a": [3, 1]}  # JSON has no tuples: a fresh run says so too


def test_finished_jobs_do_not_run_again(tmp_path):
    jobs = {str(n): (str(tmp_path), n) for n in range(4)}
    with executor() as pool:
        run_jobs(touch_and_square, dict(list(jobs.items())[:2]), executor=pool, journal=tmp_path / "journal")
        for mark in tmp_path.glob("ran-*"):
            mark.unlink()
        found = run_jobs(touch_and_square, jobs, executor=pool, journal=tmp_path / "journal")
    assert found == {"0": 0, "1": 1, "2": 4, "3": 9}
    assert sorted(path.name for path in tmp_path.glob("ran-*")) == ["ran-2", "ran-3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_its_job_and_keeps_the_others(tmp_path, workers):
    jobs = {f"number {n}": ({3}, n) for n in range(6)}
    with executor(workers) as pool, pytest.raises(ValueError, match="cannot do 3") as caught:
        run_jobs(fail_on, jobs, executor=pool, journal=tmp_path)
    assert caught.value.__notes__ == ["in job 'number 3'"]
    journal = Journal(tmp_path)
    assert [journal.read(f"number {n}") for n in range(3)] == [0, 1, 2]
    assert not journal.finished("number 3")


def test_of_two_errors_the_first_job_s_is_raised():
    with executor() as pool, pytest.raises(ValueError, match="cannot do 1"):
        run_jobs(fail_on, {str(n): ({1, 2}, n) for n in range(4)}, executor=pool)


def test_an_interrupt_says_what_is_kept_and_how_to_go_on(tmp_path):
    jobs = {str(n): (2, n) for n in range(5)}
    with executor() as pool, pytest.raises(Interrupted) as caught:
        run_jobs(interrupt_on, jobs, executor=pool, journal=tmp_path)
    assert str(caught.value) == (
        f"Interrupted after 2 of 5 jobs. The 2 finished jobs are kept in {tmp_path}; "
        "run the same command again to go on."
    )
    assert (caught.value.done, caught.value.total, caught.value.kept) == (2, 5, tmp_path)
    assert isinstance(caught.value, PellucidError)


def test_an_interrupt_without_a_journal_says_that_nothing_is_kept():
    with (
        executor() as pool,
        pytest.raises(Interrupted, match="Nothing was kept; run the same command again\\."),
    ):
        run_jobs(interrupt_on, {"0": (0, 0)}, executor=pool)


def test_a_dead_worker_is_a_message_with_a_remedy():
    with executor(2) as pool, pytest.raises(InputError) as caught:
        run_jobs(die, {"doomed": (0,)}, executor=pool)
    assert caught.value.code == "CM04"
    assert "'doomed'" in str(caught.value)
    assert "use fewer workers" in str(caught.value)


SCRIPT = """
import sys, time
from pathlib import Path
from pellucid.compute import Interrupted, executor, run_jobs

def slow(n):
    time.sleep(0.15)
    return n

if __name__ == "__main__":
    with executor(2) as pool:
        try:
            print("ready", flush=True)
            run_jobs(slow, {str(n): (n,) for n in range(200)}, executor=pool, journal=Path(sys.argv[1]))
        except Interrupted as stop:
            print(stop.done, str(stop))
            sys.exit(2)
"""


def heed_ctrl_c() -> None:
    """A suite that was started in the background of a shell has SIGINT ignored, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_on_worker_processes_keeps_what_is_finished(tmp_path):
    script, journal = tmp_path / "script.py", tmp_path / "journal"
    script.write_text(SCRIPT)
    run = subprocess.Popen(
        [sys.executable, str(script), str(journal)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that the signal reaches the workers too, as Ctrl-C in a terminal does
        preexec_fn=heed_ctrl_c,
    )
    deadline = time.monotonic() + 60
    while not (journal.exists() and len(list(journal.glob("*.job"))) >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=60)
    done = int(out.split("ready\n")[1].split()[0])
    assert run.returncode == 2, err
    assert "Traceback" not in err
    assert 3 <= done == len(list(journal.glob("*.job"))) < 200


def test_a_result_that_no_journal_can_hold_is_refused(tmp_path):
    with executor() as pool, pytest.raises(InputError) as caught:
        run_jobs(complex, {"z": (1, 2)}, executor=pool, journal=tmp_path)
    assert caught.value.code == "CM02"
    assert "job 'z'" in str(caught.value)
    assert "give a codec that fits" in str(caught.value)


def test_a_codec_carries_other_results(tmp_path):
    text = Codec(lambda z: repr(z).encode(), lambda b: complex(b.decode()))
    with executor() as pool:
        first = run_jobs(complex, {"z": (1, 2)}, executor=pool, journal=tmp_path, codec=text)
        assert run_jobs(fail_on, {"z": ({0}, 0)}, executor=pool, journal=tmp_path, codec=text) == first
    assert first == {"z": 1 + 2j}
