"""The published method again, by other means: the csv module, scipy's rank correlation, one draw at a time."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

TWELVE = [
    "logiqa",
    "piqa",
    "hellaswag",
    "winogrande",
    "superglue_copa",
    "medqa_4options",
    "arc_challenge",
    "mmlu",
    "minerva_math",
    "lambada_openai",
    "gsm8k",
    "bbh",
]
BESIDE = {"model", "name", "type", "model_size", "FLOP"}


def read(path):
    """Models, and the columns as lists with NaN for gaps."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        name: np.array([float(row[name]) if row[name] else np.nan for row in rows])
        for name in rows[0]
        if name not in BESIDE
    }
    beside = {
        name: np.array([float(row[name]) if row[name] else np.nan for row in rows])
        for name in ("model_size", "FLOP")
        if name in rows[0]
    }
    return [row["model"] for row in rows], columns, beside


def score(columns, names=TWELVE):
    """Steps 1 to 4, row by row; NaN for a model with a gap."""
    x = np.array([columns[name] for name in names]).T
    z = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    kept = np.isfinite(x).all(axis=1)
    matrix = np.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = spearmanr(x[kept, i], x[kept, j]).statistic
    values, vectors = np.linalg.eigh(matrix)
    v = vectors[:, -1]
    if v[np.argmax(np.abs(v))] < 0:
        v = -v
    s = np.full(len(x), np.nan)
    s[kept] = z[kept] @ v
    return s, v, values, matrix


def rank_correlation(a, b):
    """Spearman over the rows that have both; NaN when one is constant or fewer than four rows are left."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 4 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return np.nan
    return float(spearmanr(a[both], b[both]).statistic)


def partial(a, b, z):
    """Partial Spearman correlation as the correlation of the residuals of ranks."""
    both = np.isfinite(a) & np.isfinite(b) & np.isfinite(z)
    ranks = [rankdata(column[both]) for column in (a, b, z)]
    design = np.stack([np.ones(both.sum()), ranks[2]], axis=1)
    left = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in ranks[:2]]
    return float(np.corrcoef(*left)[0, 1])


def write(path: Path, models, columns, separator=",", encoding="utf-8", extra=None):
    """A table as a file; ``extra`` holds columns of words."""
    words = extra or {}
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file, delimiter=separator)
        out.writerow(["model", *words, *columns])
        for row, model in enumerate(models):
            cells = ["" if np.isnan(c[row]) else repr(float(c[row])) for c in columns.values()]
            out.writerow([model, *(words[name][row] for name in words), *cells])
    return path


def factor_table(seed, models=30, capabilities=6, noise=0.5, columns=()):
    """``x_i = g + e_i``: capability columns of one factor, and columns made by functions of (random, g)."""
    random = np.random.default_rng(seed)
    g = random.normal(size=models)
    made = {name: g + noise * random.normal(size=models) for name in TWELVE[:capabilities]}
    for name, make in columns:
        made[name] = make(random, g)
    return [f"family{row}-7b" for row in range(models)], made, g
