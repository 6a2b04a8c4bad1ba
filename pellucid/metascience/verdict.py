"""The verdict on a capability correlation: a word that follows from its interval."""

from __future__ import annotations

import numpy as np

from pellucid.findings import Array, Finding
from pellucid.metascience.ranks import Values
from pellucid.metascience.safetywashing_config import SafetywashingConfig

WORDS = ("correlated", "decorrelated", "undecided", "undefined")
"""Outside the band on one side; inside it; neither; no correlation exists."""


def verdict(value: float, low: float, high: float, config: SafetywashingConfig) -> str:
    """``correlated`` when the interval lies outside the band on one side, ``decorrelated`` when inside it.

    Everything else is ``undecided``: a small estimate with a wide interval is not a small correlation.
    Without an estimate it is ``undefined``.

    Example:
        >>> verdict(0.17, -0.26, 0.58, SafetywashingConfig())
        'undecided'
    """
    if np.isnan(value):
        return "undefined"
    if low > config.high or high < config.low:
        return "correlated"
    if config.low <= low and high <= config.high:
        return "decorrelated"
    return "undecided"


def verdict_array(words: list[str], benchmarks: list[str]) -> Array:
    """One row a benchmark, one column a word, 1 where the word holds."""
    held = np.array([[word == column for column in WORDS] for word in words], dtype=np.float64)
    coordinates = {"benchmark": benchmarks, "word": list(WORDS)}
    return Array(held.reshape(len(words), len(WORDS)), ("benchmark", "word"), coordinates)


def verdicts(finding: Finding, array: str = "verdict") -> dict[str, str]:
    """The verdict word of each benchmark of a safetywashing Finding.

    Example:
        >>> from pellucid.metascience.safetywashing import safetywashing
        >>> from pellucid.metascience.table import base_models
        >>> verdicts(safetywashing(base_models(), config=SafetywashingConfig(draws=200)))["ifeval"]
        'undecided'
    """
    held = finding.arrays[array]
    words = [held.coords["word"][place] for place in np.argmax(held.values, axis=1)]
    return dict(zip(held.coords["benchmark"], words, strict=True))


def words_of(values: Values, ends: Values, config: SafetywashingConfig) -> list[str]:
    """The word of each correlation; ``ends`` is ``columns x 2``."""
    return [
        verdict(value, low, high, config) for value, (low, high) in zip(values, ends.tolist(), strict=True)
    ]
