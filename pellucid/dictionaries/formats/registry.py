"""Dictionaries on disk, in every format: which format a folder holds, and who reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats import dictionary_learning, own, saelens, sparsify
from pellucid.dictionaries.formats.draft import check_told
from pellucid.findings import MissingError, did_you_mean


@dataclass(frozen=True)
class Format:
    """One way of keeping dictionaries on disk."""

    name: str
    """As `load_dictionary` takes it."""
    program: str
    """Whose it is."""
    files: str
    """What there is on disk."""
    recognised: Callable[[Path], bool]
    """Whether a path holds it."""
    read: Callable[[Path, Mapping[str, Any]], Dictionary]
    """Reads a path, given what the caller knows of the convention."""
    write: Callable[[Dictionary, Path], None] | None = None
    """Writes to a path; None: it is only read."""


FORMATS: tuple[Format, ...] = (
    Format(
        own.NAME,
        "pellucid",
        "dictionary.json, weights.safetensors",
        own.recognised,
        own.read,
        own.write,
    ),
    Format(
        saelens.NAME,
        "SAELens 6 and earlier",
        "cfg.json, sae_weights.safetensors",
        saelens.recognised,
        saelens.read,
        saelens.write,
    ),
    Format(
        dictionary_learning.NAME,
        "dictionary_learning",
        "config.json, ae.pt",
        dictionary_learning.recognised,
        dictionary_learning.read,
        dictionary_learning.write,
    ),
    Format(
        sparsify.NAME,
        "sparsify",
        "cfg.json, sae.safetensors",
        sparsify.recognised,
        sparsify.read,
        sparsify.write,
    ),
)


def formats() -> tuple[Format, ...]:
    """Every format that is built.

    Example:
        >>> [format.name for format in formats()][:2]
        ['pellucid', 'saelens']
    """
    return FORMATS


def load_dictionary(
    path: str | Path, format: str = "auto", told: Mapping[str, Any] | None = None
) -> Dictionary:
    """Read a dictionary: our own bit for bit, another program's with the convention that its format implies.

    What the file says, what its format's rule is and what nobody said is kept in
    `training_record["origin"]["sources"]`; a guess is refused until it is confirmed.

    Arguments:
        path: its folder, or its file where the format has one.
        format: a name of `formats()`; "auto": by the files.
        told: fields of the convention record that the caller knows; they outrank the file.

    Raises:
        MissingError: DI20 for a format that is not built, DI21 for a place without a dictionary.
        InputError: DI22 for a damaged or torn one, DI23 for a newer version, DI80 and DI81 for a pickle that
            is not data, DI82 to DI89 for contents that cannot be taken as they are.

    Example: ``load_dictionary("my-sae").n_features``.
    """
    check_told(told or {})
    place = Path(path)
    found = format_at(place) if format == "auto" else format_named(format)
    return found.read(place, told or {})


def save_dictionary(dictionary: Dictionary, path: str | Path, format: str = "pellucid") -> None:
    """Write a dictionary into a folder; a crash leaves the old files or the new ones.

    Another program's format gets other weights of the same function where its convention asks for them, and
    refuses what it cannot hold.

    Arguments:
        dictionary: what to write.
        path: the folder, made when absent.
        format: a name of `formats()`.

    Raises:
        MissingError: DI20 for a format that is not built or only read.
        InputError: DI84 and DI28 for a dictionary that the format cannot hold.

    Example: ``save_dictionary(sae, "my-sae", format="saelens")``.
    """
    chosen = format_named(format)
    if chosen.write is None:
        raise MissingError(
            "DI20",
            f"Dictionaries of the format {format!r} are read, not written.",
            f"Written are: {', '.join(entry.name for entry in FORMATS if entry.write)}.",
        )
    chosen.write(dictionary, Path(path))


def format_named(name: str) -> Format:
    """The format of that name; DI20 without one."""
    names = [entry.name for entry in FORMATS]
    if name not in names:
        raise MissingError(
            "DI20",
            f"No dictionary format {name!r} is built.",
            f"{did_you_mean(name, names)} This version reads and writes: {', '.join(names)}.".strip(),
        )
    return FORMATS[names.index(name)]


def format_at(place: Path) -> Format:
    """The format that a place holds, by its files; DI21 for none."""
    for entry in FORMATS:
        if entry.recognised(place):
            return entry
    known = "; ".join(f"{entry.program}: {entry.files}" for entry in FORMATS)
    raise MissingError("DI21", f"No dictionary in {place}.", f"Files by which one is known: {known}.")
