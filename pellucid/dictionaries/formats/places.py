"""Where the one file of a format is, and what lies beside it for what the format has no word for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    as_json,
    aside,
    cannot_run,
    read_aside,
    read_json,
)
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.findings import InputError, MissingError

HEAD = 1 << 20  # bytes in which a checkpoint names its tensors: torch.save writes the table first
PICKLED = (".pt", ".pth", ".pkl")


def file_at(path: Path, suffixes: tuple[str, ...] = PICKLED) -> Path | None:
    """The file that a path means: itself, or the only one with such an ending in a folder; else None.

    Arguments:
        path: a file or a folder.
        suffixes: endings of the format's file.
    """
    if path.is_file():
        return path if path.suffix in suffixes else None
    found = sorted(file for file in path.glob("*") if file.suffix in suffixes) if path.is_dir() else []
    return found[0] if len(found) == 1 else None


def found_at(path: Path, suffixes: tuple[str, ...] = PICKLED) -> Path:
    """The file that a path means; DI21 where there is none, or more than one."""
    file = file_at(path, suffixes)
    if file is None:
        raise MissingError(
            "DI21",
            f"No dictionary in {path}: it is not, and does not hold, one file that ends in "
            f"{' or '.join(suffixes)}.",
            "Give the file itself.",
        )
    return file


def mentions(file: Path | None, *names: str) -> bool:
    """Whether a checkpoint names all these tensors; it is not unpickled for that.

    Arguments:
        file: the checkpoint; None: there is none.
        names: of tensors or entries.
    """
    if file is None:
        return False
    with file.open("rb") as held:
        head = held.read(HEAD)
    return all(name.encode() in head for name in names)


def file_to_write(path: Path, default: str) -> Path:
    """Where to write: the path itself when it names a file, else a file of the default name in it.

    Arguments:
        path: a file with an ending, or a folder.
        default: name of the file in a folder.
    """
    file = path if path.suffix == Path(default).suffix else path / default
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def note_of(file: Path) -> Path:
    """The file beside another that holds what its format has no word for."""
    return file.with_suffix(f".{ASIDE}.json")


def write_note(file: Path, dictionary: Dictionary, said: Mapping[str, Any]) -> None:
    """Keep beside a file what its format has no word for; nothing where it has them all.

    Arguments:
        file: what was written.
        dictionary: what it holds.
        said: what reading the file gives without a note.
    """
    left = aside(dictionary, said)
    if left:
        write_whole(note_of(file), as_json(left))
    else:
        note_of(file).unlink(missing_ok=True)


def read_note(file: Path, account: Account, sites: tuple[str, str]) -> tuple[str, str]:
    """Note what lies beside a file; the sites.

    Arguments:
        file: what is read.
        account: the record so far.
        sites: what the file itself says.
    """
    held = read_json(note_of(file)) if note_of(file).is_file() else {}
    return read_aside(held, account, sites)


def table(held: Any, what: str, format: str) -> dict[str, Any]:
    """A part of a checkpoint that must be a table; DI83 otherwise.

    Arguments:
        held: what was unpickled.
        what: the part, for the message.
        format: name of the format.
    """
    if not isinstance(held, Mapping):
        raise cannot_run(format, f"has a {what} that is a {type(held).__name__}", "It must be a table.")
    return {str(name): value for name, value in held.items()}


def tensor(held: Mapping[str, Any], name: str, format: str) -> Tensor:
    """A tensor of a table; DI83 for anything else under its name."""
    value = held[name]
    if not torch.is_tensor(value):
        raise cannot_run(format, f"has a {type(value).__name__} as {name}", "It must be a tensor.")
    found: Tensor = value
    return found


def sizes(tensors: Mapping[str, Tensor], format: str) -> tuple[int, int]:
    """(latents, width) by W_enc in our layout; DI89 unless encoder and decoder have two axes.

    Arguments:
        tensors: by our names.
        format: name of the format.
    """
    for name in ("W_enc", "W_dec"):
        if tensors[name].ndim != 2:
            raise InputError(
                "DI89",
                f"The {format} weights of {name} have {tensors[name].ndim} axes, not 2.",
                "A dictionary has one row for each latent: another format may be meant.",
            )
    return tensors["W_enc"].shape[0], tensors["W_enc"].shape[1]
