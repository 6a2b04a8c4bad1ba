"""What `pellucid --help` and `import pellucid` cost, beside a bare Python and `import torch`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "python -c pass": ["-c", "pass"],
    "import pellucid": ["-c", "import pellucid"],
    "pellucid --help": ["-m", "pellucid.cli.main", "--help"],
    "pellucid library list": ["-m", "pellucid.cli.main", "library", "list"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str], runs: int = 7) -> float:
    measured = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured)


def main() -> None:
    bare = seconds(CASES["python -c pass"])
    for name, arguments in CASES.items():
        taken = seconds(arguments)
        print(f"{name:24s} {taken:6.3f} s   {taken / bare:6.1f} x a bare Python")


if __name__ == "__main__":
    main()
