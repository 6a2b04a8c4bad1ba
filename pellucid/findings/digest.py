"""Digest of the source files that a method uses: when they change, its evidence is of earlier code."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pellucid.findings.errors import MissingError

# Showing, storing or scheduling differently changes no measurement: were these rooms part of a method's
# code, a new label on a plot would make all evidence stale. The exceptions make numbers: the estimators, and
# the reader of evaluation logs.
NOT_CODE = (
    "pellucid.findings",
    "pellucid.store",
    "pellucid.compute",
    "pellucid.cases.drawing",
    "pellucid.web",
    "pellucid.cli",
)
ESTIMATORS = "pellucid.findings.statistics"
MAKING_NUMBERS = (ESTIMATORS, "pellucid.findings.logs")
ROOT = Path(__file__).resolve().parents[1]


def digest_of(method: Callable[..., Any]) -> str:
    """The code digest of a function; of its own text alone when it lives in a notebook or a prompt."""
    path = f"{method.__module__}.{method.__qualname__}"
    try:
        return code_digest(path)
    except MissingError:
        try:
            text = inspect.getsource(method)
        except (OSError, TypeError):
            raise MissingError(
                "FN30", f"The source of the method {path!r} cannot be read.", "Put it into a file."
            ) from None
        return hashlib.sha256(text.encode()).hexdigest()


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
    """The source file of a module, without importing it; pellucid's own are found without their packages."""
    if module.split(".")[0] == "pellucid":
        return own(ROOT.joinpath(*module.split(".")[1:]))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def own(place: Path) -> Path | None:
    """The file of a module or a package at this place."""
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def sources(module: str) -> dict[str, Path]:
    """The module and every pellucid module below it, with their files."""
    found: dict[str, Path] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        path = locate(name)
        if name in found or path is None or not makes_numbers(name, module):
            continue
        found[name] = path
        queue.extend(imports(name, path, path.stat().st_mtime_ns))
    return found


def makes_numbers(name: str, method: str) -> bool:
    """Whether a module belongs to the code of a measurement."""
    return name == method or name.startswith(MAKING_NUMBERS) or not name.startswith(NOT_CODE)


@cache
def imports(module: str, path: Path, mtime: int) -> tuple[str, ...]:
    """The pellucid modules that a file imports, anywhere in it but for type checking only."""
    tree = ast.parse(path.read_bytes())
    found = [name for node in running(tree) for name in named(node)]
    estimates = any(name.startswith("pellucid.findings") for name in found)
    return (*found, ESTIMATORS) if estimates else tuple(found)


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from running(child)


def named(node: ast.AST) -> list[str]:
    """The pellucid modules that an import statement makes its file use."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.startswith("pellucid.")]
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pellucid"):
        return [module_of(node.module, alias.name) for alias in node.names]
    return []


def module_of(package: str, name: str) -> str:
    """The module that defines what ``from package import name`` gives.

    A package re-exports names of many modules; a method uses the one behind its name, not its neighbours.
    """
    if locate(f"{package}.{name}"):
        return f"{package}.{name}"
    path = locate(package)
    if path is None or path.name != "__init__.py":
        return package
    origin = reexports(path, path.stat().st_mtime_ns).get(name)
    return package if origin is None else module_of(*origin)


@cache
def reexports(path: Path, mtime: int) -> dict[str, tuple[str, str]]:
    """For each name that a package imports from a pellucid module: that module, and its name there."""
    lines = (node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name: (line.module, alias.name)
        for line in lines
        if line.module and line.module.startswith("pellucid")
        for alias in line.names
    }
