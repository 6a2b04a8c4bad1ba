"""The command line that measures the same again, which a Finding keeps in its provenance."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import typer

ASIDE = ("store", "as_json")
"""Options that change no number."""


def again(context: typer.Context, command: str) -> str:
    """A command with its arguments and every option that is not as by default.

    Arguments:
        context: of the command under way.
        command: its words, as ``pellucid metascience check``.
    """
    words = [word for parameter in context.command.params for word in said(parameter, context.params)]
    return shlex.join([*command.split(), *words])


def said(parameter: Any, given: dict[str, Any]) -> Iterator[str]:
    """What one parameter adds to the command line."""
    value = given.get(parameter.name)
    if parameter.name in ASIDE or value in (None, parameter.default):
        return
    option = () if parameter.param_type_name == "argument" else (parameter.opts[0],)
    for item in value if isinstance(value, list | tuple) else (value,):
        yield from option if item is True else (*option, str(item))
