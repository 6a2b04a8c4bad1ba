"""Which methods exist in this release, found by reading the rooms' public names, not by importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def missing_methods(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``room.name`` that no room exports.

    Example:
        >>> missing_methods(["library.catalogue", "library.oracle"])
        ('library.oracle',)
    """
    return tuple(name for name in names if not exists(name))


def exists(name: str) -> bool:
    """Whether a room exports this public name; ``name`` is ``room.name``."""
    room, _, public = name.partition(".")
    return public in exports(room)


@cache
def exports(room: str) -> frozenset[str]:
    """The public names of a room; none when the room does not exist.

    Rooms re-export by explicit ``from ... import Name as Name``, so their first page says it all, and torch
    is not loaded for the question.
    """
    page = PACKAGE / room / "__init__.py"
    if not page.is_file():
        return frozenset()
    tree = ast.parse(page.read_text(encoding="utf-8"))
    names = [alias.asname for node in tree.body for alias in _imported(node)]
    return frozenset(name for name in names if name) | _listed(tree)


def _imported(node: ast.stmt) -> list[ast.alias]:
    return node.names if isinstance(node, ast.ImportFrom) else []


def _listed(tree: ast.Module) -> frozenset[str]:
    """Names of a lazy room: those that stand under ``if TYPE_CHECKING``."""
    found = [
        alias.asname
        for node in tree.body
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in node.body
        for alias in _imported(inner)
    ]
    return frozenset(name for name in found if name)
