"""Take attributes out of YAML values, each by its type; a wrong type is a fault with its line."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pellucid.cases.formats.yaml_values import Mapping, Reading, Scalar, Sequence, Yaml, called

OURS = frozenset(
    [
        "accepted",
        "argument",
        "argumentType",
        "away",
        "block",
        "choice",
        "defeater",
        "finding",
        "multiplicity",
        "need",
        "optional",
        "predicate",
        "refutedBy",
        "sha256",
        "subject",
        "symbol",
        "uninstantiated",
    ]
)
"""Attributes to which we give a meaning: they must be texts."""


@dataclass(frozen=True)
class Fields:
    """The attributes of one element (or of the module block), each read by the type it must have."""

    reading: Reading
    """The pass over the file, which collects the faults."""
    owner: str
    """What messages call the element."""
    values: Mapping
    """Its attributes."""

    def wrong(self, name: str, wanted: str) -> None:
        """Note that an attribute has the wrong type."""
        value = self.values.items[name]
        given = f"'{value.text}'" if isinstance(value, Scalar) else f"a {called(value)}"
        self.reading.fault(value.line, f"{self.owner} {name} is {given}; expected {wanted}")

    def string(self, name: str) -> str | None:
        """An attribute as text; None if it is absent, empty or not a single value."""
        value = self.values.items.get(name)
        if value is None or (isinstance(value, Scalar) and value.empty):
            return None
        if isinstance(value, Scalar):
            return value.text
        self.wrong(name, "a text")
        return None

    def flag(self, name: str) -> bool:
        """An attribute as true or false; False if it is absent or neither."""
        text = self.string(name)
        if text is None or text.lower() in ("true", "false"):
            return text is not None and text.lower() == "true"
        self.wrong(name, "true or false")
        return False

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """An attribute as a whole number of at least ``least``; None if it is absent or not one."""
        text = self.string(name)
        number = None if text is None else whole_number(text)
        if text is not None and (number is None or (least is not None and number < least)):
            self.wrong(name, "a whole number" + ("" if least is None else f" of at least {least}"))
            return None
        return number

    def names(self, name: str) -> tuple[str, ...]:
        """An attribute as a tuple of names, from a single one or a list."""
        value = self.values.items.get(name)
        if value is None or (isinstance(value, Scalar) and value.empty):
            return ()
        items = value.items if isinstance(value, Sequence) else [value]
        if all(isinstance(item, Scalar) for item in items):
            return tuple(item.text for item in items if isinstance(item, Scalar))
        self.wrong(name, "an id or a list of ids")
        return ()

    def groups(self, name: str, wanted: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """An attribute that maps each key to a name or a list of names."""
        value = self.values.items.get(name)
        if value is None:
            return ()
        if not isinstance(value, Mapping):
            self.wrong(name, wanted)
            return ()
        inner = Fields(self.reading, f"{self.owner} {name}", value)
        return tuple((key, inner.names(key)) for key in value.items)

    def others(self, known: frozenset[str]) -> tuple[tuple[str, str], ...]:
        """The attributes that are not among the known ones, as texts; a list becomes one, as in gsn2x."""
        names = [name for name in self.values.items if name not in known]
        texts = [(name, self.string(name) if name in OURS else self._told(name)) for name in names]
        return tuple((name, text) for name, text in texts if text is not None)

    def _told(self, name: str) -> str | None:
        value = self.values.items[name]
        if isinstance(value, Scalar):
            return self.string(name)
        return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Yaml) -> object:
    if isinstance(value, Scalar):
        return None if value.empty else value.text
    if isinstance(value, Sequence):
        return [_plain(item) for item in value.items]
    return {name: _plain(item) for name, item in value.items.items()}


def whole_number(text: str) -> int | None:
    """A text as a whole number of at most nine digits; None when it is not one."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
