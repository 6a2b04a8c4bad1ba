"""The types of a pattern's parameters: what a value must be, and how it is written into a text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from numbers import Real
from types import MappingProxyType
from typing import Any

from pellucid.cases.patterns.placeholders import placeholders
from pellucid.findings import did_you_mean

_DIGEST = re.compile(r"[0-9a-fA-F]{8,64}")
MODEL_FIELDS = ("id", "sha256")


@dataclass(frozen=True)
class ParameterType:
    """What a value must be."""

    word: str
    """text, number, integer, probability, date, model, finding, list, record, choice or optional."""
    item: ParameterType | None = None
    """Of a list: the type of its items."""
    fields: tuple[tuple[str, ParameterType], ...] = ()
    """Of a record: its fields."""

    @staticmethod
    def parse(text: str) -> ParameterType | None:
        """Read ``integer`` or ``list of integer``; None when no type is called so."""
        words = text.split()
        if words[:2] == ["list", "of"]:
            item = ParameterType.parse(" ".join(words[2:]))
            return item and ParameterType("list", item)
        return ParameterType(text) if text in READERS else None

    def __str__(self) -> str:
        if self.item is not None:
            return f"list of {self.item}"
        if self.fields:
            return f"record ({', '.join(f'{name}: {kind}' for name, kind in self.fields)})"
        return self.word


TEXT = ParameterType("text")


class Unfit(Exception):  # noqa: N818
    """A value is not of its type; raised and gathered within this room."""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Unfit("a text that is not empty")
    left = next(placeholders(value), None)
    if left is not None:
        raise Unfit(f"a text without blanks, not {left.text}")
    return value


def _number(value: Any) -> int | float:
    read = _numeral(value) if isinstance(value, str) else value
    if isinstance(read, bool) or not isinstance(read, Real) or not math.isfinite(read):
        raise Unfit("a number")
    return int(read) if isinstance(read, int) else float(read)


def _numeral(text: str) -> int | float | None:
    """A number as a file writes it: ``5``, ``0.5``, ``1e-6`` or ``1/200``."""
    above, _, below = text.partition("/")
    try:
        if below:
            return float(above) / float(below)
        return int(text) if re.fullmatch(r"\s*[-+]?\d+\s*", text) else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def _integer(value: Any) -> int:
    try:
        number = _number(value)
    except Unfit:
        raise Unfit("a whole number") from None
    if not isinstance(number, int):
        raise Unfit("a whole number")
    return number


def _probability(value: Any) -> int | float:
    try:
        number = _number(value)
    except Unfit:
        raise Unfit("a probability from 0 to 1") from None
    if not 0 <= number <= 1:
        raise Unfit("a probability from 0 to 1")
    return number


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Unfit("a day as YYYY-MM-DD") from None


def _model(value: Any) -> Mapping[str, str]:
    given = (
        value if isinstance(value, Mapping) else {name: getattr(value, name, None) for name in MODEL_FIELDS}
    )
    name, digest = given.get("id"), given.get("sha256")
    if set(given) != set(MODEL_FIELDS) or not isinstance(name, str) or not isinstance(digest, str):
        raise Unfit("a model with `id` and `sha256`")
    if not _DIGEST.fullmatch(digest):
        raise Unfit("a model whose `sha256` is a hexadecimal digest")
    return MappingProxyType({"id": _text(name), "sha256": digest.lower()})


def _finding(value: Any) -> str:
    found = value if isinstance(value, str) else getattr(value, "id", None)
    if not isinstance(found, str) or not re.fullmatch(r"\w{4,64}", found):
        raise Unfit("a Finding or its id")
    return found


READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "text": _text,
        "number": _number,
        "integer": _integer,
        "probability": _probability,
        "date": _date,
        "model": _model,
        "finding": _finding,
    }
)
"""How a value of each type is read; a string is read as a values file writes it."""


def fitted(kind: ParameterType, value: Any, path: str, faults: list[str]) -> Any:
    """The value as its type has it; what does not fit is added to ``faults`` with its path."""
    if kind.word == "list":
        return _fitted_list(kind, value, path, faults)
    if kind.word == "record":
        return _fitted_record(kind, value, path, faults)
    try:
        return READERS[kind.word](value)
    except Unfit as unfit:
        faults.append(f"'{path}' is {_shown(value)}; expected {unfit}")
        return None


def _fitted_list(kind: ParameterType, value: Any, path: str, faults: list[str]) -> Any:
    assert kind.item is not None
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        faults.append(f"'{path}' is {_shown(value)}; expected a {kind}")
        return ()
    return tuple(fitted(kind.item, item, f"{path}[{index}]", faults) for index, item in enumerate(value, 1))


def _fitted_record(kind: ParameterType, value: Any, path: str, faults: list[str]) -> Any:
    fields = dict(kind.fields)
    if not isinstance(value, Mapping):
        faults.append(f"'{path}' is {_shown(value)}; expected a {kind}")
        return {}
    # An `id` is always welcome: it names the copies that are made for this item.
    known = {"id": TEXT} | fields
    for name in value:
        if name not in known:
            hint = did_you_mean(str(name), known) or f"It has {', '.join(fields)}."
            faults.append(f"'{path}' has no field '{name}' ({hint})")
    for name, wanted in fields.items():
        if name not in value:
            faults.append(f"'{path}.{name}' is missing; expected {wanted}")
    given = {name: item for name, item in value.items() if name in known}
    return {name: fitted(known[name], item, f"{path}.{name}", faults) for name, item in given.items()}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text '{value[:40]}'"
    if value is None or isinstance(value, bool | int | float):
        return f"{value}"
    return f"a {'mapping' if isinstance(value, Mapping) else type(value).__name__}"


def written(value: Any) -> str:
    """A fitted value as texts carry it.

    Example:
        >>> written(("one", "two", "three"))
        'one, two and three'
    """
    if isinstance(value, tuple):
        parts = [written(item) for item in value]
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
    if isinstance(value, MappingProxyType):
        return f"{value['id']} (weights {value['sha256'][:12]})"
    if isinstance(value, Mapping):
        return str(value["name"]) if "name" in value else item_name(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def item_name(value: Any) -> str:
    """What one item is called: a record's ``id``, ``name`` or first text; otherwise the value itself."""
    if isinstance(value, Mapping):
        named = [value[key] for key in ("id", "name") if isinstance(value.get(key), str)]
        named += [text for text in value.values() if isinstance(text, str)]
        return named[0] if named else ""
    return written(value)
