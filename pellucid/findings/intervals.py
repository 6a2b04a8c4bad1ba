"""An estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value between two ends, from ``n`` observations at a level of confidence."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    method: str = ""
