"""Cases on disk: read by what a file holds, replaced only when the whole new file is there."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pellucid.cases.formats.exchange import Modules
from pellucid.cases.formats.registry import Format, recognised
from pellucid.cases.nodes import Module
from pellucid.findings import InputError, MissingError, did_you_mean


def read_sources(sources: Iterable[str | Path]) -> Modules:
    """Read files, each with the modules that it uses, and texts, each by what it holds.

    Where nothing in a file tells its format, its ending does.

    Raises:
        MissingError: Y04 when a file does not exist.
        InputError: Y01 when a file cannot be read; else as the format says.
    """
    modules: dict[str, Module] = {}
    for source in _each(sources):
        if isinstance(source, str) and is_text(source):
            for module in _parsed(source, "text", recognised(source, "text"))[0]:
                modules[f"text {len(modules)}"] = module
        else:
            _read_file(Path(source), str(source), modules)
    return tuple(modules.values())


def _each(sources: Iterable[object]) -> Iterator[str | Path]:
    """Every source, those of lists too; InputError Y01 for what is neither a path nor a text."""
    for source in sources:
        if isinstance(source, list | tuple):
            yield from _each(source)
        elif isinstance(source, str | Path):
            yield source
        else:
            problem = f"A case was to be read from {type(source).__name__}."
            raise InputError("Y01", problem, "Give a path or a text, or several.")


def is_text(source: str) -> bool:
    """Whether a string is a document rather than the path of one."""
    begins = source.lstrip().startswith(("<", "{", "[", "- ", "* "))
    return "\n" in source or ": " in source or source.endswith(":") or not source.strip() or begins


def _parsed(text: str, shown: str, found: Format) -> tuple[Modules, tuple[str, ...]]:
    """The modules of a document, and the files of others that it uses and does not hold itself."""
    assert found.parse is not None  # only formats that are read are recognised
    modules = found.parse(text, shown)
    return modules, modules[0].uses if found.name == "gsn" else ()


def _read_file(path: Path, shown: str, modules: dict[str, Module]) -> None:
    waiting = [(path, shown, "")]
    while waiting:
        path, shown, user = waiting.pop(0)
        key = _resolved(path, shown)
        if key in modules:
            continue
        text = _decoded(path, shown, user)
        found, uses = _parsed(text, shown, recognised(text, shown, path.name))
        modules.update((f"{key} {number}" if number else key, module) for number, module in enumerate(found))
        user = f", which {found[0].where_block()} uses" if uses else ""
        waiting[:0] = [(path.parent / used, str(path.parent / used), user) for used in uses]


def _resolved(path: Path, shown: str) -> str:
    try:
        return str(path.resolve())
    except (ValueError, OSError) as error:
        problem = f"{shown[:60]!r} is no path: {error}."
        raise InputError("Y01", problem, "Give the path of a case file.") from None


def _decoded(path: Path, shown: str, user: str) -> str:
    content = b""
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, _neighbours(path))
        raise MissingError(
            "Y04", f"No case file {shown}{user}.", near or "Give the path of a case file."
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"{shown}:{line} is not text: byte {error.start} is not UTF-8."
        raise InputError("Y01", problem, "Give a case file in UTF-8.") from None
    except (OSError, ValueError) as error:
        problem = f"{shown}{user} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InputError("Y01", problem, "Give a readable case file.") from None


def _neighbours(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.glob("*.*")) if path.parent.is_dir() else []


def replace_file(path: Path, text: str) -> None:
    """Write a whole file or leave the one that is there; a link stays one, and what it names is replaced.

    Raises:
        InputError: Y06 when the place cannot be written.
    """
    place, temporary = Path(os.path.realpath(path)), None
    try:
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "It is read-only")
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, place.stat().st_mode & 0o777 if place.exists() else 0o644)
        os.replace(temporary, place)
    except UnicodeEncodeError as error:
        remedy = "Take the lone surrogate out of its texts; what was there before is unchanged."
        raise InputError("Y06", f"{path} cannot be written: {error}.", remedy) from None
    except OSError as error:
        remedy = "Free some space or choose another folder; what was there before is unchanged."
        reason = error.strerror or str(error)
        raise InputError("Y06", f"{path} cannot be written: {reason}.", remedy) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
