"""Two logs' scores side by side, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.findings.arrays import Values
from pellucid.findings.errors import InputError
from pellucid.findings.logs.reading import Log
from pellucid.findings.logs.sample import Sample
from pellucid.findings.logs.scores import ItemScores


@dataclass(frozen=True)
class Pairs:
    """The scores of the samples that both logs have, side by side."""

    ids: tuple[str, ...]
    """The samples in both, in the order of the first log."""
    a: Values
    """Scores in the first log."""
    b: Values
    """Scores in the second log."""
    only_a: tuple[str, ...]
    """Samples scored only in the first."""
    only_b: tuple[str, ...]
    """Samples scored only in the second."""
    altered: int
    """Samples of both whose input or target is not the same in both."""


def paired(first: ItemScores, second: ItemScores, a: Log, b: Log) -> Pairs:
    """The scores side by side; InputError FN78 when no sample is scored in both."""
    rows_a, rows_b = (dict(zip(one.ids, one.values.tolist(), strict=True)) for one in (first, second))
    ids = tuple(name for name in first.ids if name in rows_b)
    if not ids:
        raise InputError(
            "FN78",
            f"No sample is scored in both logs: {len(rows_a)} in {a.path!r}, {len(rows_b)} in {b.path!r}.",
            "Compare logs of the same samples: they are paired by their ids.",
        )
    return Pairs(
        ids,
        np.array([rows_a[name] for name in ids]),
        np.array([rows_b[name] for name in ids]),
        tuple(name for name in first.ids if name not in rows_b),
        tuple(name for name in second.ids if name not in rows_a),
        sum(altered(first, second, name) for name in ids),
    )


def altered(first: ItemScores, second: ItemScores, name: str) -> bool:
    """Whether one sample asks something else in the other log."""
    x, y = first.items[name], second.items[name]
    return x.target != y.target or asked(x) != asked(y)


def asked(sample: Sample) -> Any:
    """The prompt; of messages only who says what, since their ids are new in each run."""
    if isinstance(sample.input, str):
        return sample.input
    said = [message for message in sample.input if isinstance(message, dict)]
    return [(message.get("role"), message.get("content")) for message in said]
