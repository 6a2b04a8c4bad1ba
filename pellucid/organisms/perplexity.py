"""The Finding organisms.perplexity: bits per byte on held-out text, beside counting."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from pellucid.findings import Array, Finding, Interval, Kind, Measure, View, bootstrap, register, start
from pellucid.models import Model
from pellucid.organisms.scoring import (
    counting_model,
    counting_nats,
    network_nats,
    scored_windows,
    window_bytes,
)
from pellucid.organisms.texts import held_out

SOURCES = ("plays", "epic")
ORDERS = {"bigram": 2, "fivegram": 5}
KIND = register(
    Kind(
        name="organisms.perplexity",
        title="Bits per byte on held-out text, beside counting",
        statement=(
            "The model needs {plays.value} on the plays and {epic.value} on the epic; a Kneser-Ney 5-gram "
            "needs {fivegram_plays.value} and {fivegram_epic.value}."
        ),
        supports="gain_plays.low > 0 and gain_epic.low > 0",
        refutes="gain_plays.high < 0 or gain_epic.high < 0",
        views=(
            View(
                form="table",
                array="bits",
                title="The network needs fewer bits per byte than counting",
                x="text",
                y="predictor",
                unit="bits per byte",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="organisms",
    )
)
Scores = dict[str, Float[np.ndarray, " window"]]


def perplexity(model: Model, *, limit: int | None = None, seed: int = 0) -> Finding:
    """Bits per byte of a model, a bigram and a 5-gram on the held-out plays and epic, over the same tokens.

    bits = -sum log2 p(token | at least 64 tokens before it) / bytes of the tokens; windows at stride 64.
    Intervals:
    bootstrap over windows; `gain` is the 5-gram's bits less the model's, paired by window.

    Arguments:
        model: a model over the organisms' tokens.
        limit: only so many windows of each text, evenly spread.
        seed: of the bootstrap.

    Source: interpolated Kneser-Ney as in Chen and Goodman 1999, section 2.7.
    """
    parameters = {"limit": limit, "seed": seed, "orders": list(ORDERS.values())}
    record = start(perplexity, parameters=parameters, subject=model.subject, data=held_out(), seed=seed)
    measures: list[Measure] = []
    table = np.zeros((1 + len(ORDERS), len(SOURCES)))
    counters = {name: counting_model(order) for name, order in ORDERS.items()}
    for column, source in enumerate(SOURCES):
        windows = scored_windows(source, limit)
        scores = {"model": network_nats(model.module, windows)}
        scores |= {name: counting_nats(counter, windows) for name, counter in counters.items()}
        intervals = _intervals(scores, window_bytes(windows), seed)
        measures += _measures(intervals, source)
        table[:, column] = [intervals[name].value for name in ("model", *ORDERS)]
    axes = {"predictor": ["model", *ORDERS], "text": list(SOURCES)}
    return record.finding(KIND, measures=measures, arrays={"bits": Array(table, ("predictor", "text"), axes)})


def _intervals(scores: Scores, sizes: np.ndarray, seed: int) -> dict[str, Interval]:
    rows = {name: np.stack([nats / math.log(2), sizes], axis=1) for name, nats in scores.items()}
    gain = scores["fivegram"] - scores["model"]
    rows["gain"] = np.stack([gain / math.log(2), sizes], axis=1)
    return {name: bootstrap(pairs, bits_per_byte, seed=seed) for name, pairs in rows.items()}


def bits_per_byte(rows: Float[np.ndarray, "window 2"]) -> float:
    """Sum of the bits over sum of the bytes."""
    bits, sizes = rows.sum(axis=0)
    return float(bits / sizes)


def _measures(intervals: Mapping[str, Interval], source: str) -> list[Measure]:
    names = {"model": source, "gain": f"gain_{source}"}
    return [
        Measure.of(
            names.get(name, f"{name}_{source}"),
            interval,
            unit="bits per byte",
            better="higher" if name == "gain" else "lower",
        )
        for name, interval in intervals.items()
    ]
