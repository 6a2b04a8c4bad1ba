"""Settings given as NAME=VALUE: read by the type of the configuration's field."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pellucid.findings import InputError, did_you_mean

REMEDY = "Give --set NAME=VALUE, as --set batch=2048."
TRUTHS = {"true": True, "false": False, "yes": True, "no": False}


def settings_of(
    config: type, given: Sequence[str], options: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The settings by name.

    Arguments:
        config: a frozen dataclass whose fields they set.
        given: each as NAME=VALUE; several numbers by comma, none for no value.
        options: settings that the command has an option for, and its name.

    Errors:
        InputError CL20 for what is no setting, CL21 for a value of another type, CL22 for a setting that has
        an option of its own, CL23 for one that is given twice.

    Example:
        >>> from pellucid.models.train import TrainingConfig
        >>> settings_of(TrainingConfig, ["steps=3", "betas=0.9,0.99"])
        {'steps': 3, 'betas': (0.9, 0.99)}
    """
    types = typing.get_type_hints(config)
    names = [field.name for field in dataclasses.fields(config)]
    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or name not in names:
            hint = did_you_mean(name, names)
            raise InputError("CL20", f"{item!r} sets nothing.", f"{hint} {REMEDY}".strip())
        if name in options:
            remedy = f"Give {options[name]} instead of --set {name}."
            raise InputError("CL22", f"{name} has an option of its own.", remedy)
        if name in found:
            raise InputError("CL23", f"{name} is set twice.", "Leave out all but one.")
        found[name] = read(name, value, types[name])
    return found


def read(name: str, value: str, kind: Any) -> Any:
    """One value as its field's type; CL21 when it cannot be."""
    choices = typing.get_args(kind) or (kind,)
    if value.lower() == "none" and type(None) in choices:
        return None
    try:
        return converted(value, kind)
    except ValueError:
        raise InputError("CL21", f"{name} cannot be {value!r}: it is {wanted(kind)}.", REMEDY) from None


def wanted(kind: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        return f"{wanted(parts[0])}, several by comma"
    if type(None) in parts:
        return f"{wanted(next(part for part in parts if part is not type(None)))}, or none"
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(kind, "not given by --set")


def converted(value: str, kind: Any) -> Any:
    """A text as a number, a truth value, a word or several of them."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(converted(part.strip(), parts[0]) for part in value.split(",") if part.strip())
    if origin is typing.Literal:
        if value not in parts:
            raise ValueError(value)
        return value
    plain = next((part for part in parts if part is not type(None)), None) if parts else kind
    if plain is bool:
        if value.lower() not in TRUTHS:
            raise ValueError(value)
        return TRUTHS[value.lower()]
    if plain in (int, float, str):
        return plain(value)
    raise ValueError(value)
