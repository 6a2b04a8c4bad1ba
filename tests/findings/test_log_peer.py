"""Beside the real Inspect: a log of 500 samples that it writes now reads as its own reader reads it.

It needs a Python that has inspect_ai: ours, the one named by PELLUCID_INSPECT_PYTHON, or the environment that
scripts/install-inspect.sh makes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from log_files import describe, same

from pellucid.findings.logs import acceptance, log_finding, log_findings, read_log

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 500


def peer() -> str:
    """A Python that has the real package, or the empty string."""
    if importlib.util.find_spec("inspect_ai") is not None:
        return sys.executable
    place = Path(
        os.environ.get("PELLUCID_INSPECT_PYTHON", ROOT / ".venv-peers" / "inspect" / "bin" / "python")
    )
    return str(place) if place.exists() else ""


pytestmark = pytest.mark.skipif(
    not peer(), reason="no Python with inspect_ai: run scripts/install-inspect.sh"
)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A fresh log, and what the real package's reader says of it."""
    folder = tmp_path_factory.mktemp("live")
    writer = [
        peer(),
        str(ROOT / "scripts" / "write_golden_logs.py"),
        "live",
        str(folder),
        "--samples",
        str(SAMPLES),
    ]
    subprocess.run(writer, check=True, capture_output=True, cwd=folder)
    return folder / "live.eval", json.loads((folder / "live.expected.json").read_text(encoding="utf-8"))


def test_every_field_is_as_their_reader_reads_it(live):
    file, expected = live
    found = describe(file)
    assert len(found["samples"]) == SAMPLES
    for side in (expected, found):
        side["summaries"] = sorted(side["summaries"], key=str)
    for name, theirs in expected.items():
        assert same(found[name], 1 if name == "epochs" and theirs is None else theirs), name


def test_its_scores_are_those_that_inspect_reports(live):
    file, expected = live
    log = read_log(file)
    assert acceptance(log).accepted or log.header.revision
    for label, metric in (("match", "match/match/accuracy"), ("distance", "distance/distance/mean")):
        assert log_finding(log, label).measures["score"].value == pytest.approx(
            expected["metrics"][metric], abs=1e-12
        )
    assert [finding.measures["samples"].value for finding in log_findings(log)] == [SAMPLES] * 4


def test_the_ratio_of_the_reading_times_is_printed(live):
    place = {**os.environ, "PELLUCID_INSPECT_PYTHON": peer()}
    bench = [sys.executable, str(ROOT / "benchmarks" / "bench_inspect.py"), str(live[0])]
    done = subprocess.run(bench, check=True, capture_output=True, text=True, env=place)
    print(done.stdout)
    assert done.stdout.count("ratio") == 2
