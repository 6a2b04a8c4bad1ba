"""A macrosystem from a YAML file, so that its risk can be composed without writing Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pellucid.cases.macrosystem.system import (
    Infraction,
    Interaction,
    Macrosystem,
    Outcome,
    Subsystem,
    ThreatModel,
)
from pellucid.cases.patterns.values import read_values
from pellucid.findings import InputError, did_you_mean

_PARTS: Mapping[str, type] = {
    "subsystems": Subsystem,
    "outcomes": Outcome,
    "infractions": Infraction,
    "threat_models": ThreatModel,
    "interactions": Interaction,
}


def read_macrosystem(path: str | Path) -> Macrosystem:
    """Read a macrosystem: the fields of ``Macrosystem``, with lists of mappings for what it holds.

    Arguments:
        path: YAML, as ``{decision: ..., window: ..., subsystems: [{id: agent}], outcomes: [{id: leak, text:
            ..., tolerated_probability: 0.01}], infractions: [...], threat_models: [...]}``.

    Errors:
        MissingError Y53: no such file. InputError Y54: no YAML. InputError Y76: a field is missing, unknown
        or of the wrong type; every fault is named. InputError Y70 and MissingError Y76 as for
        ``Macrosystem``.
    """
    from pydantic import TypeAdapter, ValidationError

    values = read_values(path)
    _refuse(path, list(_unknown(values)))
    try:
        return TypeAdapter(Macrosystem).validate_python(values)
    except ValidationError as error:
        # a probability may be a decimal or a fraction: one of the two complaints is enough
        faults = [fault for fault in error.errors() if fault["loc"][-1] != "fraction"]
        _refuse(path, [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults])
        raise


def _unknown(values: Mapping[str, Any]) -> Iterator[str]:
    yield from _strange("", values, Macrosystem)
    for name, part in _PARTS.items():
        items = values.get(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield from _strange(f"{name}.{index}.", item, part)


def _strange(place: str, values: Mapping[str, Any], part: Any) -> Iterator[str]:
    fields = part.__dataclass_fields__
    for name in values:
        if name not in fields:
            yield f"{place}{name}: no such field. {did_you_mean(name, fields) or 'Use ' + ', '.join(fields)}"


def _refuse(path: str | Path, faults: list[str]) -> None:
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        problem = f"{path}: {'; '.join(faults[:10])}{more}."
        raise InputError("Y76", problem.replace("..", "."), "Correct the fields named.")
