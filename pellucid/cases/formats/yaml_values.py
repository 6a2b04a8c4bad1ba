"""Read YAML into values that know their line, with every text as a string.

The reader walks YAML events itself: ids and texts stay strings (YAML 1.1 would make booleans and numbers of
``No``, ``on`` and ``1_000``), a duplicate key is an error instead of a lost element, nesting is bounded,
aliases cannot multiply without end, and every fault knows its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pellucid.findings import InputError

_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEPTH = 12
_ALIASED = 1_000_000
_TAGS = (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")


@dataclass(frozen=True)
class Scalar:
    """A single value, as it is written."""

    text: str
    """Its characters, after quotes and folding."""
    line: int
    """Line on which it begins."""
    empty: bool
    """Whether nothing stands there at all (``text:``), as opposed to an empty string."""
    size: int = 1
    """How many single values it holds, aliases followed."""


@dataclass(frozen=True)
class Sequence:
    """A list of values."""

    items: list[Yaml]
    """Its values in order."""
    line: int
    """Line on which it begins."""
    size: int = 1
    """How many single values it holds, aliases followed."""


@dataclass(frozen=True)
class Mapping:
    """Values by name, each name once."""

    items: dict[str, Yaml]
    """The values."""
    lines: dict[str, int]
    """Line of each name."""
    line: int
    """Line on which it begins."""
    size: int = 1
    """How many single values it holds, aliases followed."""


Yaml = Scalar | Sequence | Mapping


@dataclass
class Reading:
    """One pass over a file: the events, the anchors seen, and the faults found so far."""

    file: str
    """What messages call the document."""
    events: Iterator[yaml.Event] = field(default_factory=lambda: iter(()))
    """What is still to be read."""
    anchors: dict[str, Yaml] = field(default_factory=dict)
    """Values that an alias may name."""
    duplicates: list[str] = field(default_factory=list)
    """Names stated twice."""
    faults: list[str] = field(default_factory=list)
    """Values of the wrong type."""
    aliased: int = 0
    """How many single values aliases stand for so far."""

    def at(self, line: int) -> str:
        """A line as messages name it."""
        return f"{self.file}:{line}"

    def fault(self, line: int, what: str) -> None:
        """Note a fault with its line."""
        self.faults.append(f"{self.at(line)}: {what}")

    def refuse_faults(self) -> None:
        """Raise Y03 with every value of the wrong type, if there is one."""
        refuse(self.faults, "Y03", "of the wrong type", "Correct the lines named.")


def refuse(faults: list[str], code: str, what: str, remedy: str) -> None:
    """Raise one InputError that lists the first ten faults; nothing when there are none."""
    if not faults:
        return
    shown = "; ".join(faults[:10])
    more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
    raise InputError(code, f"{shown}{more}: {what}.", remedy)


def read_document(reading: Reading, text: str) -> Mapping:
    """Read a document that maps names to values; an empty one is an empty Mapping.

    Raises:
        InputError: Y01 not readable as YAML, Y02 a name stated twice, Y03 the document is no mapping.
    """
    document = _document(reading, text)
    refuse(reading.duplicates, "Y02", "stated twice", "Give each element its own id and each attribute once.")
    return document


def _document(reading: Reading, text: str) -> Mapping:
    try:
        reading.events = iter(yaml.parse(text, Loader=_EVENTS))
        value = _first(reading)
    except yaml.YAMLError as error:
        place = reading.at(line_of(error, text))
        raise InputError("Y01", f"{place} is not YAML: {plain(error)}.", "Correct that line.") from None
    if value is None:
        return Mapping({}, {}, 1)
    if not isinstance(value, Mapping):
        problem = f"{reading.at(value.line)}: the document is a {called(value)}, not elements by id."
        raise InputError("Y03", problem, "Write each element as `G1:` with its attributes indented below it.")
    return value


def plain(error: yaml.YAMLError) -> str:
    """What the YAML reader found wrong, in its words."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return f"{what} (column {mark.column + 1})" if mark else what


def line_at(event: Any) -> int:
    """The line on which an event of the YAML reader begins."""
    return int(event.start_mark.line) + 1


def line_of(error: yaml.YAMLError, text: str) -> int:
    """The line on which the YAML reader gave up."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    # a character that YAML forbids is refused without a place
    forbidden = _FORBIDDEN.search(text)
    return text.count("\n", 0, forbidden.start()) + 1 if forbidden else 1


def _first(reading: Reading) -> Yaml | None:
    value: Yaml | None = None
    for event in reading.events:
        if isinstance(event, yaml.DocumentStartEvent):
            if value is not None:
                place = reading.at(line_at(event))
                raise InputError("Y01", f"{place} begins a second document.", "Keep one document in a file.")
            value = _value(reading, next(reading.events), 0)
    return None if isinstance(value, Scalar) and value.empty else value


def _value(reading: Reading, event: Any, depth: int) -> Yaml:
    line = line_at(event)
    if depth > _DEPTH:
        raise InputError(
            "Y01", f"{reading.at(line)}: nested deeper than {_DEPTH}.", "An element is two levels deep."
        )
    if isinstance(event, yaml.AliasEvent):
        return _alias(reading, str(event.anchor), line)
    if event.tag not in _TAGS:
        reading.fault(line, f"the tag {event.tag} is not understood")
    if isinstance(event, yaml.ScalarEvent):
        value: Yaml = Scalar(event.value, line, event.value == "" and not event.style)
    elif isinstance(event, yaml.SequenceStartEvent):
        value = _sequence(reading, line, depth)
    else:
        value = _mapping(reading, line, depth)
    if event.anchor:
        reading.anchors[event.anchor] = value
    return value


def _alias(reading: Reading, anchor: str, line: int) -> Yaml:
    if anchor not in reading.anchors:
        raise InputError("Y01", f"{reading.at(line)}: no anchor '{anchor}' above.", "Write the value out.")
    value = reading.anchors[anchor]
    reading.aliased += value.size
    if reading.aliased > _ALIASED:
        problem = f"{reading.at(line)}: aliases stand for more than {_ALIASED:,} values."
        raise InputError("Y01", problem, "Write the values out where they are needed.")
    return value


def _sequence(reading: Reading, line: int, depth: int) -> Sequence:
    items: list[Yaml] = []
    for event in reading.events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        items.append(_value(reading, event, depth + 1))
    return Sequence(items, line, sum(item.size for item in items) + 1)


def _mapping(reading: Reading, line: int, depth: int) -> Mapping:
    items: dict[str, Yaml] = {}
    lines: dict[str, int] = {}
    for event in reading.events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _value(reading, event, depth + 1)
        value = _value(reading, next(reading.events), depth + 1)
        if not isinstance(key, Scalar):
            reading.fault(key.line, f"a {called(key)} where a name belongs")
        elif key.text in items:
            reading.duplicates.append(
                f"{reading.at(key.line)}: '{key.text}' (first on line {lines[key.text]})"
            )
        else:
            items[key.text], lines[key.text] = value, key.line
    return Mapping(items, lines, line, sum(item.size for item in items.values()) + 1)


def called(value: Yaml) -> str:
    """What messages call a value: a single value, list or mapping."""
    return {Scalar: "single value", Sequence: "list", Mapping: "mapping"}[type(value)]
