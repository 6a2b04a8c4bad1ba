"""Safetywashing of the table of base models: ours beside the plain way, one draw and one column at a time.

All 176 correlations once (target: under 1 s), and with 2,000 bootstrap draws in each of which the score is
refitted (target: under 60 s on two cores), over models and over families. The plain way is the published
method with scipy's rankdata in a loop; it is timed on a few draws and its time for all of them computed.

Run:   OMP_NUM_THREADS=1 .venv/bin/python benchmarks/bench_safetywashing.py [--draws 2000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from pellucid.metascience.bootstrap import draw
from pellucid.metascience.capability import Selection, select
from pellucid.metascience.capability_correlation import correlations
from pellucid.metascience.safetywashing import safetywashing
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import base_models

PLAIN_DRAWS = 10


def seconds(work: Callable[[], Any]) -> float:
    """The shortest of three runs."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def plain(chosen: Selection, rows: np.ndarray) -> list[float]:
    """The published method on the given rows, column by column."""
    x = chosen.columns[rows]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    v = np.linalg.eigh(np.corrcoef(rankdata(x, axis=0).T))[1][:, -1]
    # rounded: a matrix product gives a row that was drawn twice two scores that differ in the last bit
    s = np.round(z @ (v if v[np.abs(v).argmax()] > 0 else -v), 12)
    found = []
    for column in chosen.table.scores[rows].T:
        known = np.isfinite(column)
        found.append(float(np.corrcoef(rankdata(s[known]), rankdata(column[known]))[0, 1]))
    return found


def measure(draws: int) -> dict[str, float]:
    """Seconds of everything, and the largest gap between both ways."""
    chosen = select(base_models())
    config = SafetywashingConfig(draws=draws)
    ones = np.ones((len(chosen.table.models), 1))
    weights = draw(chosen.columns, [[row] for row in range(len(ones))], draws, 0).weights
    resamples = [np.repeat(np.arange(len(ones)), column.astype(int)) for column in weights.T[:PLAIN_DRAWS]]
    ours = correlations(chosen, chosen.table.scores, weights[:, :PLAIN_DRAWS], config).correlation
    theirs = np.array([plain(chosen, rows) for rows in resamples])
    per_draw = seconds(lambda: [plain(chosen, rows) for rows in resamples]) / PLAIN_DRAWS
    bootstrap = seconds(lambda: correlations(chosen, chosen.table.scores, weights, config))
    return {
        "all correlations, s": seconds(lambda: correlations(chosen, chosen.table.scores, ones, config)),
        f"{draws} refitted draws of all columns, s": bootstrap,
        "the whole Finding with both bootstraps, s": seconds(
            lambda: safetywashing(base_models(), config=config)
        ),
        f"{draws} draws the plain way, s (computed)": per_draw * draws,
        "ratio": per_draw * draws / bootstrap,
        "largest gap": float(np.nanmax(np.abs(ours - theirs))),
    }


def main() -> None:
    """Print the table, and keep it as JSON when asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.draws)
    for name, value in found.items():
        print(f"{name:50} {value:.4g}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
