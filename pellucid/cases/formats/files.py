"""Cases on disk: read by what a file holds, replaced only when the whole new file is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pellucid.cases.formats.exchange import Modules
from pellucid.cases.formats.registry import recognised
from pellucid.cases.nodes import Module
from pellucid.findings import InputError, MissingError, did_you_mean


def read_sources(sources: Iterable[str | Path]) -> Modules:
    """Read files, each with the modules that it uses, and texts, each by what it holds.

    Raises:
        MissingError: Y04 when a file does not exist.
        InputError: Y01 when a file cannot be read; else as the format says.
    """
    modules: dict[str, Module] = {}
    for source in sources:
        if isinstance(source, str) and is_text(source):
            for module in _parsed(source, "text")[0]:
                modules[f"text {len(modules)}"] = module
        else:
            _read_file(Path(source), str(source), modules)
    return tuple(modules.values())


def is_text(source: str) -> bool:
    """Whether a string is a document rather than the path of one."""
    begins = source.lstrip().startswith(("<", "{", "[", "- ", "* "))
    return "\n" in source or ": " in source or source.endswith(":") or not source.strip() or begins


def _parsed(text: str, shown: str) -> tuple[Modules, tuple[str, ...]]:
    """The modules of a document, and the files of others that it uses and does not hold itself."""
    found = recognised(text, shown)
    assert found.parse is not None  # only formats that are read are recognised
    modules = found.parse(text, shown)
    return modules, modules[0].uses if found.name == "gsn" else ()


def _read_file(path: Path, shown: str, modules: dict[str, Module]) -> None:
    waiting = [(path, shown)]
    while waiting:
        path, shown = waiting.pop(0)
        key = _resolved(path, shown)
        if key in modules:
            continue
        found, uses = _parsed(_decoded(path, shown), shown)
        modules.update((f"{key} {number}" if number else key, module) for number, module in enumerate(found))
        waiting[:0] = [(path.parent / used, str(path.parent / used)) for used in uses]


def _resolved(path: Path, shown: str) -> str:
    try:
        return str(path.resolve())
    except (ValueError, OSError) as error:
        problem = f"{shown[:60]!r} is no path: {error}."
        raise InputError("Y01", problem, "Give the path of a case file.") from None


def _decoded(path: Path, shown: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, _neighbours(path))
        raise MissingError("Y04", f"No case file {shown}.", near or "Give the path of a case file.") from None
    except UnicodeDecodeError as error:
        problem = f"{shown} is not text: byte {error.start} is not UTF-8."
        raise InputError("Y01", problem, "Give a case file in UTF-8.") from None
    except (OSError, ValueError) as error:
        problem = f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InputError("Y01", problem, "Give a readable case file.") from None


def _neighbours(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.glob("*.*")) if path.parent.is_dir() else []


def replace_file(path: Path, text: str) -> None:
    """Write a whole file or leave the one that is there.

    Raises:
        InputError: Y06 when the place cannot be written.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except (OSError, UnicodeEncodeError) as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        remedy = "Free some space or choose another folder; what was there before is unchanged."
        if isinstance(error, UnicodeEncodeError):
            remedy = "Take the lone surrogate out of its texts; what was there before is unchanged."
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("Y06", f"{path} cannot be written: {reason}.", remedy) from None
