"""A suite trained by a Ray cluster has the bits of one trained here.

It needs a Python that has Ray beside our packages: the one named by PELLUCID_RAY_PYTHON, or the environment that
scripts/install-ray.sh makes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest
from suite_worlds import SMALL, SUITE, text_tokens, tiny_model

from pellucid.compute.cluster import Cluster
from pellucid.dictionaries.suites.training import train_suite_from
from pellucid.findings import InputError, MissingError

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / ".venv-peers" / "ray" / "bin" / "python"
PEER = Path(os.environ.get("PELLUCID_RAY_PYTHON", PLACE))


@pytest.mark.slow
@pytest.mark.skipif(not PEER.exists(), reason="no Python with Ray: run scripts/install-ray.sh")
def test_a_cluster_makes_the_same_bits_and_its_errors_come_back(tmp_path):
    train_suite_from(tiny_model(), text_tokens(), SUITE, tmp_path / "here", **SMALL)
    env = {**os.environ, "PYTHONPATH": str(HERE), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(PEER), str(HERE / "ray_suite.py"), str(tmp_path / "there")],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-2000:]
    result = json.loads(lines[0][7:])
    assert result["error"] == "InputError DI112 A shard is damaged."
    names = [f"dictionaries/{name}/weights.safetensors" for name in result["names"]]
    for name in ["index.json", *names]:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named():
    with pytest.raises(
        MissingError, match=r"Ray is not installed\. Install it: pip install 'pellucid\[cluster\]'"
    ) as caught:
        Cluster(2)
    assert caught.value.code == "CM06"


def test_a_cluster_needs_a_worker():
    with pytest.raises(InputError, match="0 workers cannot run anything") as caught:
        Cluster(0)
    assert caught.value.code == "CM01"
