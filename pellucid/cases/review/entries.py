"""Lists of entries in YAML, every value a text or a list of texts, every fault with its line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pellucid.findings import InputError, MissingError, did_you_mean

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST = 10_000
"""Entries up to which a document is read."""


@dataclass(frozen=True)
class Fields:
    """The values of one entry."""

    line: int
    """Line on which it begins."""
    values: Mapping[str, str | tuple[str, ...]]
    """Its values by name; an empty one is left out."""

    def text(self, name: str) -> str:
        """A value as text; a list is joined by commas, an absent one is empty."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ", ".join(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A value as a list of texts."""
        value = self.values.get(name, ())
        return (value,) if isinstance(value, str) else value


def source_text(source: str | Path) -> tuple[str, str]:
    """The text of a source and what messages call it: a path, or a text with a line break.

    Raises:
        MissingError: Y103 when there is no such file.
        InputError: Y103 when it cannot be read.
    """
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        return source, "text"
    path = Path(source)
    try:
        return path.read_bytes().decode("utf-8-sig"), str(source)
    except FileNotFoundError:
        raise MissingError("Y103", f"No file {source}.", "Give the path of a YAML file.") from None
    except UnicodeDecodeError as error:
        problem = f"{source} is not text: byte {error.start} is not UTF-8."
        raise InputError("Y103", problem, "Give a YAML file in UTF-8.") from None
    except OSError as error:
        raise InputError(
            "Y103", f"{source} cannot be read: {error.strerror}.", "Give a readable file."
        ) from None


def read_entries(source: str | Path, known: Sequence[str], lists: Sequence[str] = ()) -> list[Fields]:
    """Read a YAML list of entries, or one entry.

    Args:
        source: a path, or the text itself.
        known: names of values that an entry may have.
        lists: those of them that may be lists.

    Raises:
        MissingError: Y103 when there is no such file.
        InputError: Y103 names file and line of what cannot be read.
    """
    text, shown = source_text(source)
    try:
        # An alias is refused before anything is built: a few of them can stand for a document of any size.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_LOADER)):
            raise _fault(shown, 1, "an alias (*name) stands in it", "Write each value out.")
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "nested too deeply"
        raise _fault(shown, mark.line + 1 if mark else 1, f"not YAML: {what}", "Correct that line.") from None
    items = [] if root is None else root.value if isinstance(root, yaml.SequenceNode) else [root]
    if len(items) > MOST:
        raise _fault(
            shown, 1, f"{len(items)} entries; at most {MOST} are read", "Part it into several files."
        )
    return [_entry(item, shown, known, lists) for item in items if not _is_null(item)]


def _fault(shown: str, line: int, problem: str, remedy: str) -> InputError:
    return InputError("Y103", f"{shown}:{line}: {problem}.", remedy)


def _is_null(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style


def _entry(node: Any, shown: str, known: Sequence[str], lists: Sequence[str]) -> Fields:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise _fault(shown, line, "an entry is no mapping", f"Write `- {known[0]}: ...`.")
    values: dict[str, str | tuple[str, ...]] = {}
    seen: set[str] = set()
    for key, value in node.value:
        name, at = str(key.value), key.start_mark.line + 1
        if name not in known:
            hint = did_you_mean(name, known) or f"An entry has {', '.join(known)}."
            raise _fault(shown, at, f"an entry has no '{name}'", hint)
        if name in seen:
            raise _fault(shown, at, f"'{name}' is stated twice", "State it once.")
        seen.add(name)
        if not _is_null(value):
            values[name] = _value(value, shown, name, name in lists)
    return Fields(line, values)


def _value(node: Any, shown: str, name: str, may_be_list: bool) -> str | tuple[str, ...]:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value).strip()
    scalars = isinstance(node, yaml.SequenceNode) and all(
        isinstance(item, yaml.ScalarNode) for item in node.value
    )
    if may_be_list and scalars:
        return tuple(str(item.value).strip() for item in node.value)
    wanted = "a text or a list of texts" if may_be_list else "a text"
    raise _fault(shown, node.start_mark.line + 1, f"'{name}' is not {wanted}", "Write plain values.")


def write_entries(path: str | Path, entries: Sequence[Mapping[str, Any]]) -> Path:
    """Write a list of entries as YAML; either the whole new file is there afterwards or the old one is.

    Raises:
        InputError: Y103 when the place cannot be written.
    """
    target = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(entries_text(entries))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        problem = f"{target} cannot be written: {error.strerror or error}."
        raise InputError(
            "Y103", problem, "Choose another folder; what was there before is unchanged."
        ) from None
    return target


def entries_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """A list of entries as YAML text."""
    plain = [{name: list(v) if isinstance(v, tuple) else v for name, v in one.items()} for one in entries]
    if not plain:
        return ""
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))
