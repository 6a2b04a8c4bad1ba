"""Placeholders in the texts of a pattern: ``{name}``, ``{name: type}``, ``{item.field}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pellucid.cases.nodes import Module, Node

_WORD = r"[A-Za-z_]\w*(?:[ -]\w+)*"
NAME = rf"{_WORD}(?:\.{_WORD})*"
_PLACEHOLDER = re.compile(rf"\{{\s*({NAME})\s*(?::\s*([A-Za-z]\w*(?: +\w+)*)\s*)?\}}")


@dataclass(frozen=True)
class Placeholder:
    """One blank in a text."""

    path: tuple[str, ...]
    """The parameter, and the field of it that is asked for."""
    type: str | None
    """The type as it is declared here; None when the blank only repeats a name."""
    text: str
    """The blank as it stands in the text, braces included."""

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)


def placeholders(text: str) -> Iterator[Placeholder]:
    """Every blank of a text, in order.

    Example:
        >>> [(blank.name, blank.type) for blank in placeholders("At most {limit: probability} of {what}")]
        [('limit', 'probability'), ('what', None)]
    """
    return (_placeholder(found) for found in _PLACEHOLDER.finditer(text))


def substitute(text: str, write: Callable[[Placeholder], str]) -> str:
    """The text with each blank written by ``write``."""
    return _PLACEHOLDER.sub(lambda found: write(_placeholder(found)), text)


def _placeholder(found: re.Match[str]) -> Placeholder:
    return Placeholder(tuple(found[1].split(".")), found[2], found[0])


def texts(node: Node) -> Iterator[str]:
    """Every text of an element in which a blank may stand: its own, its address, its string attributes."""
    stated = (node.text, node.url, *(value for _, value in node.layers))
    return (text for text in stated if text is not None)


def module_texts(module: Module) -> Iterator[str]:
    """Every text of a module itself in which a blank may stand."""
    stated = (module.stated_name, module.brief, *(value for _, value in module.layers))
    return (text for text in stated if text is not None)


def blanks(node: Node) -> Iterator[Placeholder]:
    """Every blank of an element."""
    return (blank for text in texts(node) for blank in placeholders(text))
