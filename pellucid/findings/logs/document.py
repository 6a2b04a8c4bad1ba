"""JSON documents of a log, and their fields with the types they must have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from pellucid.findings.errors import InputError

Raw = Mapping[str, Any]
WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def parse(data: bytes, where: str) -> Any:
    """The document in these bytes; NaN, Infinity and -Infinity are numbers, as Python writes them.

    Errors:
        InputError FN70: it is not JSON, not UTF-8, or nested too deeply; with its line and column.
    """
    try:
        # several times as fast as json, and stricter: what it refuses json may still read
        return from_json(data, allow_inf_nan=True, cache_strings="keys")
    except ValueError:
        return plain_parse(data, where)


def plain_parse(data: bytes, where: str) -> Any:
    """The document by the standard library, which reads lone surrogates too and says where it stumbles."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        why, place = error.msg, f" at line {error.lineno}, column {error.colno}"
    except RecursionError:
        why, place = "it is nested too deeply", ""
    except ValueError as error:
        why, place = str(error), ""
    raise InputError(
        "FN70",
        f"{where} is not readable JSON{place}: {why}.",
        "Copy the log again from where the evaluation wrote it.",
    )


def mapping(raw: Any, where: str) -> dict[str, Any]:
    """The value as an object; InputError FN72 when it is something else."""
    if not isinstance(raw, dict):
        raise wrong(where, "an object", raw)
    return raw


def listing(raw: Any, where: str) -> list[Any]:
    """The value as a list; InputError FN72 when it is something else."""
    if not isinstance(raw, list):
        raise wrong(where, "a list", raw)
    return raw


def texts(raw: Raw, name: str, where: str) -> list[str]:
    """A field that is a list of texts, or absent; InputError FN72 when it is something else."""
    for item in field(raw, name, (list,), [], where):
        if not isinstance(item, str):
            raise wrong(f"{where}: an item of the field {name!r}", "text", item)
    return list(raw.get(name) or [])


def field(raw: Raw, name: str, kinds: tuple[type, ...], default: Any, where: str) -> Any:
    """A field that may be absent or null, else has one of these types; InputError FN72 for another type."""
    value = raw.get(name)
    if value is None:
        return default
    # a boolean is a number to Python, and is none to the reader of a log
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise wrong(f"{where}: the field {name!r}", " or ".join(WORDS[kind] for kind in kinds), value)
    return value


def required(raw: Raw, name: str, kinds: tuple[type, ...], where: str) -> Any:
    """A field that must be there; InputError FN72 when it is not."""
    if raw.get(name) is None:
        expected = " or ".join(WORDS[kind] for kind in kinds)
        raise wrong(f"{where}: the field {name!r}", expected, None)
    return field(raw, name, kinds, None, where)


def wrong(what: str, expected: str, value: Any) -> InputError:
    """The error for a field of another type."""
    text = "nothing" if value is None else json.dumps(value)
    return InputError(
        "FN72",
        f"{what} should be {expected} and is {text[:60]}{'...' if len(text) > 60 else ''}.",
        "This is no evaluation log, or it was altered: take it from where the evaluation wrote it.",
    )
