"""The record of runs: a JSON line a run, with its digest and that of the line before it, only appended."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.findings import InputError, MissingError

FIRST = ""
"""What the first record names as the digest before it."""


def begin_record(path: str | Path) -> None:
    """See that a record can be written, before the work that it shall record.

    Raises:
        InputError: Y84 when it cannot.
    """
    try:
        Path(path).open("ab").close()
    except OSError as error:
        raise _unwritable(path, error) from None


def append_record(path: str | Path, entry: Mapping[str, Any]) -> str:
    """Append one run to a record and flush it to disk; the digest of the new line.

    A line that a crash cut short stays as it is; the next record closes it, names its digest and says that it
    is torn.

    Args:
        path: the file; made when absent.
        entry: what is recorded, as plain values.

    Raises:
        InputError: Y84 when the file cannot be written.
    """
    try:
        with Path(path).open("a+b") as file:
            last, torn = _last_line(file)
            before = FIRST if last is None else _named(last)
            chained = {**entry, "previous": before} | ({"torn": True} if torn else {})
            digest = _digest(_line(chained))
            file.write((b"\n" if torn else b"") + _line(chained | {"digest": digest}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from None
    return digest


def verify_record(path: str | Path) -> int:
    """The number of runs in a record, once every line is seen to follow from the one before it.

    That lines were cut off at the end cannot be seen from the file alone: keep the last digest elsewhere.

    Raises:
        MissingError: Y84 when there is no such file.
        InputError: Y83 names the first line that is broken.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        problem = f"The record {path} cannot be read: {error.strerror or error}."
        raise MissingError("Y84", problem, "Give the file of an earlier --record.") from None
    *lines, rest = data.split(b"\n")
    before, count = FIRST, 0
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is not None and entry["previous"] == before:
            count += 1
        elif entry is not None or not _closes(lines[number : number + 1], line):
            raise _broken(path, number)
        before = _named(line)
    if rest:
        raise _broken(path, len(lines) + 1)
    return count


def _closes(following: list[bytes], torn: bytes) -> bool:
    """Whether the next line says that the one before it was cut short, and names it."""
    entry = _entry(following[0]) if following else None
    return entry is not None and entry.get("torn") is True and entry["previous"] == _digest(torn)


def _named(line: bytes) -> str:
    """What the next record calls a line: its own digest, or that of its bytes when it was cut short."""
    entry = _entry(line)
    return _digest(line) if entry is None else str(entry["digest"])


def _last_line(file: Any) -> tuple[bytes | None, bool]:
    """The last line, None in an empty file, and whether it was cut short."""
    file.seek(0)
    data = file.read()
    if not data:
        return None, False
    return data.removesuffix(b"\n").rsplit(b"\n", 1)[-1], not data.endswith(b"\n")


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _entry(line: bytes) -> dict[str, Any] | None:
    """A record as it was written; None when the line is none or its content does not fit its digest."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or "previous" not in entry:
        return None
    content = {key: value for key, value in entry.items() if key != "digest"}
    return entry if entry.get("digest") == _digest(_line(content)) else None


def _unwritable(path: str | Path, error: OSError) -> InputError:
    problem = f"The record {path} cannot be written: {error.strerror or error}."
    return InputError("Y84", problem, "Free some space, or give another place by --record.")


def _broken(path: str | Path, number: int) -> InputError:
    problem = f"Line {number} of the record {path} is altered, or does not follow from the line before it."
    return InputError("Y83", problem, "Take the file from a copy; what follows this line proves nothing.")
