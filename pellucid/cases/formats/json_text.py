"""Read JSON strictly: no name stated twice, bounded nesting, and every object knows its line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pellucid.findings import InputError

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_STRING = json.JSONDecoder()
_WORDS = {"true": True, "false": False, "null": None}
_DEPTH = 300
_DIGITS = 300


class JsonObject(dict[str, Any]):
    """An object of a JSON document that knows the line on which it begins."""

    line: int = 0


@dataclass
class _Scan:
    text: str
    file: str
    code: str

    def fail(self, at: int, what: str, remedy: str = "Correct that place.") -> InputError:
        """The InputError of a place in the file."""
        line = self.text.count("\n", 0, at) + 1
        return InputError(self.code, f"{self.file}:{line}: {what}.", remedy)

    def skip(self, at: int) -> int:
        """The next place that is no blank."""
        found = _SPACE.match(self.text, at)
        assert found is not None  # the pattern matches the empty text
        return found.end()


def read_json(text: str, *, file: str, code: str) -> Any:
    """Read a JSON document; its objects are JsonObjects.

    Args:
        text: the document.
        file: what messages call it.
        code: number of the InputError.

    Raises:
        InputError: with ``code`` when it is not JSON, states a name twice, or is nested deeper than 300.

    Example:
        >>> read_json('{"a": [1, "b"]}', file="a.json", code="Y30")
        {'a': [1, 'b']}
    """
    scan = _Scan(text, file, code)
    at = scan.skip(0)
    if at == len(text):
        raise InputError(code, f"{file} is empty.", "Give a JSON document.")
    value, at = _value(scan, at, 0)
    at = scan.skip(at)
    if at < len(text):
        raise scan.fail(at, "more text after the end of the document")
    _number_lines(value, text)
    return value


def _value(scan: _Scan, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH:
        raise scan.fail(at, f"nested deeper than {_DEPTH}", "No exported case is nested so deep.")
    first = scan.text[at : at + 1]
    if first == "{":
        return _object(scan, at, depth)
    if first == "[":
        return _array(scan, at, depth)
    if first == '"':
        return _string(scan, at)
    for word, value in _WORDS.items():
        if scan.text.startswith(word, at):
            return value, at + len(word)
    return _numeral(scan, at)


def _string(scan: _Scan, at: int) -> tuple[str, int]:
    try:
        value, end = _STRING.raw_decode(scan.text, at)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise scan.fail(error.pos, f"not JSON: {what[:1].lower()}{what[1:]}") from None
    return str(value), end


def _numeral(scan: _Scan, at: int) -> tuple[int | float, int]:
    found = _NUMBER.match(scan.text, at)
    if found is None or found.end() - at > _DIGITS:
        raise scan.fail(at, "not JSON: a value is expected here")
    number = float(found[0]) if found[1] or found[2] else int(found[0])
    return number, found.end()


def _object(scan: _Scan, start: int, depth: int) -> tuple[JsonObject, int]:
    items = JsonObject()
    items.line = start  # a position for now; all lines are counted in one pass at the end
    at = scan.skip(start + 1)
    if scan.text.startswith("}", at):
        return items, at + 1
    while True:
        if not scan.text.startswith('"', at):
            raise scan.fail(at, "not JSON: a name in double quotes is expected here")
        place = at
        name, at = _string(scan, at)
        if name in items:
            raise scan.fail(place, f"the name '{name}' is stated twice", "State each name once.")
        at = scan.skip(at)
        if not scan.text.startswith(":", at):
            raise scan.fail(at, "not JSON: a colon is expected here")
        items[name], at = _value(scan, scan.skip(at + 1), depth + 1)
        at, ended = _after(scan, at, "}")
        if ended:
            return items, at


def _array(scan: _Scan, start: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    at = scan.skip(start + 1)
    if scan.text.startswith("]", at):
        return items, at + 1
    while True:
        value, at = _value(scan, at, depth + 1)
        items.append(value)
        at, ended = _after(scan, at, "]")
        if ended:
            return items, at


def _after(scan: _Scan, at: int, closing: str) -> tuple[int, bool]:
    at = scan.skip(at)
    if scan.text.startswith(closing, at):
        return at + 1, True
    if not scan.text.startswith(",", at):
        raise scan.fail(at, f"not JSON: a comma or '{closing}' is expected here")
    return scan.skip(at + 1), False


def _number_lines(value: Any, text: str) -> None:
    """Turn the positions of objects, which are met in the order of the text, into lines."""
    line, counted = 1, 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, JsonObject):
            line += text.count("\n", counted, item.line)
            counted, item.line = item.line, line
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def json_text(value: Any) -> str:
    """Write a document: two blanks a level, names in stated order, one line end at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
