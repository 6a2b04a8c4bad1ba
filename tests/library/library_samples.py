"""Synthetic findings about claims, and synthetic papers."""

from __future__ import annotations

from pathlib import Path

from pellucid.findings import Finding, Header, Kind, Measure, start
from pellucid.findings.statistics import wilson

KIND = Kind(
    name="tests.study",
    title="A study",
    statement="The study reached {score.value}",
    supports="score.low > 0.5",
    refutes="score.high < 0.5",
)
SPREAD = {"supports": (0.6, 0.8), "refutes": (0.1, 0.3), "inconclusive": (0.3, 0.7)}

PAPER = """
title = "A Paper on Mazes"
aliases = ["Mazes, an earlier title"]
authors = ["Ramón Guevara, Carlos", "unsearch"]
year = 2024
venue = "arXiv"
rooms = ["probes"]
needs = ["library.catalogue"]
tldr = "Says something about mazes."
summary = "More about mazes."
[ids]
arxiv = "2401.00001"
[tags]
use = ["control"]
[[claims]]
id = "C1"
text = "Mazes are solved."
kind = "quantitative"
evidence = "causal"
here = "The share of mazes solved."
"""


def finding(
    claim: str,
    status: str = "supports",
    *,
    seed: int = 0,
    part: str | None = None,
    predicate: str | None = None,
    repeat: int = 0,
) -> Finding:
    """A Finding about a claim with the status that its interval gives it."""
    parameters = {"claim": claim, "repeat": repeat}
    parameters |= {"part": part} if part else {}
    parameters |= {"predicate": predicate} if predicate else {}
    low, high = SPREAD.get(status, (0.0, 1.0))
    value = None if status == "failed" else (low + high) / 2
    measure = Measure(
        name="score", value=value, low=None if value is None else low, high=None if value is None else high
    )
    found = start(wilson, parameters=parameters, seed=seed).finding(KIND, measures=[measure])
    assert found.status == status
    return found


def header(claim: str, status: str = "supports", **more: object) -> Header:
    return finding(claim, status, **more).header


def write_paper(folder: Path, text: str = PAPER, key: str = "mazes") -> Path:
    file = folder / f"{key}.toml"
    file.write_text(text, encoding="utf-8")
    return file
