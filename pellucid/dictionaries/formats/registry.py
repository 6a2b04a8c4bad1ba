"""Dictionaries on disk, in every format: which format a folder holds, and who reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats import (
    circuit_tracer,
    dictionary_learning,
    doctor,
    dunefsky,
    e2e_sae,
    gemma_scope,
    goodfire,
    kissane,
    llama_scope,
    openai,
    own,
    saelens,
    sparsify,
)
from pellucid.dictionaries.formats.doctor import Check
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
    read_all: Callable[[Path, Mapping[str, Any]], dict[str, Dictionary]] | None = None
    """Reads every dictionary of a path, by site; None: a path holds one."""


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
    Format(
        llama_scope.NAME,
        "Llama Scope",
        "hyperparams.json, checkpoints/final.safetensors",
        llama_scope.recognised,
        llama_scope.read,
        llama_scope.write,
    ),
    Format(
        gemma_scope.NAME,
        "Gemma Scope",
        "params.npz",
        gemma_scope.recognised,
        gemma_scope.read,
        gemma_scope.write,
    ),
    Format(
        gemma_scope.SECOND,
        "Gemma Scope 2",
        "config.json, params.safetensors",
        gemma_scope.recognised_second,
        gemma_scope.read_second,
        gemma_scope.write_second,
    ),
    Format(
        circuit_tracer.NAME,
        "circuit-tracer",
        "layer_L.safetensors, config.yaml",
        circuit_tracer.recognised,
        circuit_tracer.read,
        circuit_tracer.write,
        circuit_tracer.read_all,
    ),
    Format(
        kissane.NAME,
        "Kissane et al.",
        "NAME.pt, NAME_cfg.json",
        kissane.recognised,
        kissane.read,
        kissane.write,
    ),
    Format(
        openai.NAME,
        "OpenAI sparse_autoencoder",
        "one .pt file",
        openai.recognised,
        openai.read,
        openai.write,
    ),
    Format(
        e2e_sae.NAME,
        "e2e_sae",
        "samples_N.pt, final_config.yaml",
        e2e_sae.recognised,
        e2e_sae.read,
        e2e_sae.write,
        e2e_sae.read_all,
    ),
    Format(
        goodfire.NAME,
        "Goodfire",
        "one .pth file",
        goodfire.recognised,
        goodfire.read,
        goodfire.write,
    ),
    Format(
        dunefsky.NAME,
        "Dunefsky et al., transcoder_circuits",
        "one .pt file",
        dunefsky.recognised,
        dunefsky.read,
    ),
)


def dictionary_formats() -> tuple[Format, ...]:
    """Every format that is built.

    Example:
        >>> [format.name for format in dictionary_formats()][:2]
        ['pellucid', 'saelens']
    """
    return FORMATS


def load_dictionary(
    path: str | Path,
    format: str = "auto",
    told: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> Dictionary:
    """Read a dictionary: our own bit for bit, another program's with the convention that its format implies.

    What the file says, what its format's rule is and what nobody said is kept in
    `training_record["origin"]["sources"]`; a guess is refused until it is confirmed.

    Arguments:
        path: its folder, or its file where the format has one.
        format: a name of `dictionary_formats()`; "auto": by the files.
        told: fields of the convention record that the caller knows; they outrank the file.
        check: activations of its site (of a transcoder, inputs and targets), or a model and tokens, on which
            the gate doctor tries whether the record is the right one.

    Raises:
        MissingError: DI20 for a format that is not built, DI21 for a place without a dictionary.
        InputError: DI22 for a damaged or torn one, DI23 for a newer version, DI80 and DI81 for a pickle that
            is not data, DI82 to DI89 for contents that cannot be taken as they are, DI120 for a cross-layer
            transcoder, DI121 for several dictionaries, DI125 for a record that `check` contradicts.

    Example: ``load_dictionary("my-sae").n_features``.
    """
    check_told(told or {})
    place = Path(path)
    found = format_at(place) if format == "auto" else format_named(format)
    made = found.read(place, told or {})
    if check is not None:
        doctor.check(made, check)
    return made


def load_dictionaries(
    path: str | Path, format: str = "auto", told: Mapping[str, Any] | None = None
) -> dict[str, Dictionary]:
    """Read every dictionary of a file or folder, by the site that it reads; most formats hold one.

    Arguments:
        path: a folder, or a file where the format has one.
        format: a name of `dictionary_formats()`; "auto": by the files.
        told: fields of the convention record that the caller knows, of all of them.

    Raises:
        MissingError: DI20 for a format that is not built, DI21 for a place without a dictionary.
        InputError: as `load_dictionary`.

    Example: ``load_dictionaries("samples_400000.pt")["blocks.6.resid_pre"]``.
    """
    check_told(told or {})
    place = Path(path)
    found = format_at(place) if format == "auto" else format_named(format)
    if found.read_all is not None:
        return found.read_all(place, told or {})
    made = found.read(place, told or {})
    return {made.site_in: made}


def save_dictionary(dictionary: Dictionary, path: str | Path, format: str = "pellucid") -> None:
    """Write a dictionary into a folder; a crash leaves the old files or the new ones.

    Another program's format gets other weights of the same function where its convention asks for them, and
    refuses what it cannot hold.

    Arguments:
        dictionary: what to write.
        path: the folder, made when absent.
        format: a name of `dictionary_formats()`.

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
