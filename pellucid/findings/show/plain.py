"""A Finding as plain data for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pellucid.findings.arrays import Array

if TYPE_CHECKING:
    from pellucid.findings.finding import Finding


def json(finding: Finding, arrays: bool = True) -> dict[str, Any]:
    """The header as JSON data, and its arrays as nested lists with axes and coordinates."""
    data = finding.header.to_dict()
    if arrays:
        data["arrays"] = {name: nested(array) for name, array in finding.arrays.items()}
    return data


def nested(array: Array) -> dict[str, Any]:
    """One array as lists; what is not a finite number becomes null."""
    return {"axes": list(array.axes), "coords": array.coords, "values": finite(array.values.tolist())}


def finite(values: Any) -> Any:
    """NaN and infinities as None, at any depth."""
    if isinstance(values, list):
        return [finite(value) for value in values]
    unknown = isinstance(values, float) and values not in (float("inf"), float("-inf")) and values == values
    return values if unknown or not isinstance(values, float) else None
