"""Digest of the source files that a method uses: when they change, its evidence is of earlier code."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pellucid.findings.errors import MissingError

# Showing and storing differently changes no measurement, so these rooms are not part of a method's code.
NOT_CODE = ("pellucid.findings", "pellucid.store", "pellucid.compute", "pellucid.web", "pellucid.cli")


def code_digest(method: str) -> str:
    """sha256 over the method's module and the pellucid modules that it imports, directly or not.

    ``method`` is a dotted path such as ``pellucid.circuits.patching.patch_sweep``.
    """
    module = home(method)
    sha = hashlib.sha256()
    for name, path in sorted(sources(module).items()):
        sha.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def home(method: str) -> str:
    """The module that a dotted path lives in; MissingError FN30 when there is none."""
    parts = method.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if locate(name) is not None:
            return name
    raise MissingError(
        "FN30", f"No module holds the method {method!r}.", "Give a dotted path that can be imported."
    )


@cache
def locate(module: str) -> Path | None:
    """The source file of a module, without importing the module itself."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def sources(module: str) -> dict[str, Path]:
    """The module and every pellucid module below it, with their files."""
    found: dict[str, Path] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        path = locate(name)
        if name in found or path is None or (name != module and name.startswith(NOT_CODE)):
            continue
        found[name] = path
        queue.extend(imports(name, path, path.stat().st_mtime_ns))
    return found


@cache
def imports(module: str, path: Path, mtime: int) -> tuple[str, ...]:
    """The pellucid modules that a file imports, anywhere in it but for type checking only."""
    tree = ast.parse(path.read_bytes())
    return tuple(name for node in running(tree) for name in named(node) if name.startswith("pellucid."))


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from running(child)


def named(node: ast.AST) -> list[str]:
    """The modules that an import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module, *(name for name in inner if locate(name))]
    return []
