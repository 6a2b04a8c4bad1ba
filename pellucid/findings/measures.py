"""A named number with its interval, count, unit and published reference."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pellucid.findings.intervals import Interval

Better = Literal["higher", "lower", "none"]


class Reference(BaseModel):
    """A published value to stand beside ours, with its source."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    value: float
    low: float | None = None
    high: float | None = None
    source: str


class Measure(BaseModel):
    """One number of a Finding."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    level: float = 0.95
    unit: str = ""
    better: Better = "none"
    reference: Reference | None = None

    @classmethod
    def of(
        cls,
        name: str,
        estimate: Interval | float | None,
        *,
        unit: str = "",
        better: Better = "none",
        n: int | None = None,
        reference: Reference | None = None,
    ) -> Measure:
        """A measure from an interval, a bare number, or None when it could not be measured."""
        ends: dict[str, float | int | None]
        if isinstance(estimate, Interval):
            ends = {end: getattr(estimate, end) for end in ("value", "low", "high", "n", "level")}
        else:
            ends = {"value": None if estimate is None else float(estimate), "n": n}
        return cls.model_validate(
            {"name": name, "unit": unit, "better": better, "reference": reference, **ends}
        )
