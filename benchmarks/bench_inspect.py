"""Reading an Inspect log of 500 samples: ours beside inspect_ai's own reader, in turn in one process.

Both read the same file, written here by the real package. Full read: header and every sample. Header: the
header only. The best of some rounds counts for each, since whatever else the machine does can only slow a
round down. Importing either is not counted.

Usage: bench_inspect.py [LOG], a log of 500 samples; without it one is written first. It runs in the
environment of Inspect (scripts/install-inspect.sh, or PELLUCID_INSPECT_PYTHON), which holds all that our
reader needs; our package is taken from this checkout.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER = Path(os.environ.get("PELLUCID_INSPECT_PYTHON", ROOT / ".venv-peers" / "inspect" / "bin" / "python"))
SAMPLES = 500
ROUNDS = 5


def seconds(read: Callable[[], object]) -> float:
    """How long one reading takes."""
    start = time.perf_counter()
    read()
    return time.perf_counter() - start


def best_of(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """The best time of each, after one round for warming up, taken in turn."""
    rounds = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS + 1)][1:]
    return min(a for a, _ in rounds), min(b for _, b in rounds)


def compare(path: str) -> None:
    """Print the times and the ratio of both ways."""
    from inspect_ai.log import read_eval_log

    from pellucid.findings.logs import read_header, read_log

    ways = {
        "full read": (lambda: read_log(path), lambda: read_eval_log(path)),
        "header": (lambda: read_header(path), lambda: read_eval_log(path, header_only=True)),
    }
    assert len(read_log(path).samples) == len(read_eval_log(path).samples or []) == SAMPLES
    for name, (ours, theirs) in ways.items():
        mine, peer = best_of(ours, theirs)
        print(
            f"Inspect log, {SAMPLES} samples, {name}: ours {1e3 * mine:.1f} ms, "
            f"inspect_ai {1e3 * peer:.1f} ms, ratio {peer / mine:.1f}"
        )


def main() -> None:
    """Go over into the peer's environment, write the log there, and read it both ways."""
    if importlib.util.find_spec("inspect_ai") is None:
        if not PEER.exists():
            subprocess.run(["sh", str(ROOT / "scripts" / "install-inspect.sh")], check=True)
        place = {**os.environ, "PYTHONPATH": str(ROOT)}
        again = [str(PEER), __file__, *sys.argv[1:]]
        raise SystemExit(subprocess.run(again, env=place, check=False).returncode)
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:]:
        compare(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        writer = [sys.executable, str(ROOT / "scripts" / "write_golden_logs.py"), "live", folder]
        subprocess.run([*writer, "--samples", str(SAMPLES)], check=True, capture_output=True)
        compare(str(Path(folder) / "live.eval"))


if __name__ == "__main__":
    main()
