"""Dictionaries on disk: the convention record as JSON beside the weights, bound to each other by a hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.variants.topk import TopK
from pellucid.findings import InputError, MissingError, did_you_mean

FORMATS = ("pellucid",)
SCHEMA = 1
RECORD, WEIGHTS = "dictionary.json", "weights.safetensors"
# Files by which other programs' dictionaries are recognised, so that the message can name them.
FOREIGN = {
    "sae_weights.safetensors": "SAELens",
    "ae.pt": "dictionary_learning",
    "sae.safetensors": "sparsify",
    "hyperparams.json": "Llama Scope",
    "params.npz": "Gemma Scope",
}


def save_dictionary(dictionary: Dictionary, path: str | Path, format: str = "pellucid") -> None:
    """Write a dictionary into a folder; a crash leaves the old one or a folder known to be torn.

    Arguments:
        dictionary: what to write.
        path: the folder, made when absent.
        format: "pellucid": dictionary.json (convention record, sites, training) and weights.safetensors.

    Raises:
        MissingError: DI20 for a format that is not built.

    Example: ``save_dictionary(sae, "my-sae")``.
    """
    check_format(format)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    data = save({name: value.detach().cpu().contiguous() for name, value in dictionary.state_dict().items()})
    record = {
        "format": "pellucid",
        "schema": SCHEMA,
        **dictionary.settings(),
        "site_in": dictionary.site_in,
        "site_out": dictionary.site_out,
        "convention": dictionary.convention.to_dict(),
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "training": dictionary.training_record,
    }
    write_whole(folder / WEIGHTS, data)
    write_whole(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, rename."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_dictionary(path: str | Path, format: str = "auto") -> TopK:
    """Read a dictionary back, bit for bit.

    Arguments:
        path: its folder.
        format: "auto" or "pellucid".

    Raises:
        MissingError: DI20 for a format that is not built, DI21 for a folder without a dictionary.
        InputError: DI22 for a damaged or torn one, DI23 for one of a newer version.

    Example: ``load_dictionary("my-sae").k``.
    """
    folder = Path(path)
    if format != "auto":
        check_format(format)
    if not (folder / RECORD).is_file():
        raise absent(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise damaged(folder, str(error)) from None
    if not isinstance(record, dict) or record.get("format") != "pellucid":
        raise damaged(folder, f"{RECORD} is no dictionary's record")
    if record.get("schema") != SCHEMA:
        raise InputError(
            "DI23",
            f"The dictionary in {folder.name} has schema {record.get('schema')}, not {SCHEMA}.",
            "Update pellucid.",
        )
    if hashlib.sha256(data).hexdigest() != record.get("weights_sha256"):
        raise damaged(folder, f"{WEIGHTS} is not the file that {RECORD} was written with")
    return built(folder, record, data)


def built(folder: Path, record: Mapping[str, Any], data: bytes) -> TopK:
    """The dictionary from its record and weights."""
    try:
        tensors = load(data)
        dictionary = TopK(
            tensors["W_enc"].shape[1],
            tensors["W_enc"].shape[0],
            record["k"],
            d_out=tensors["W_dec"].shape[1],
            site_in=record["site_in"],
            site_out=record["site_out"],
            convention=Convention.from_dict(record["convention"]),
        ).to(tensors["W_enc"].dtype)
        dictionary.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise damaged(folder, str(error)) from None
    dictionary.training_record = record.get("training", {})
    return dictionary.requires_grad_(False)


def check_format(format: str) -> None:
    """DI20 for a format that is not built."""
    if format not in FORMATS:
        raise MissingError(
            "DI20",
            f"No dictionary format {format!r} is built.",
            f"{did_you_mean(format, FORMATS)} This version reads and writes: {', '.join(FORMATS)}.".strip(),
        )


def absent(folder: Path) -> MissingError:
    """DI20 or DI21: a format not built yet, or no dictionary at all."""
    for name, program in FOREIGN.items():
        if (folder / name).exists():
            return MissingError(
                "DI20",
                f"{folder.name} holds {name}: a dictionary of {program}.",
                f"This version reads and writes: {', '.join(FORMATS)}.",
            )
    return MissingError(
        "DI21",
        f"No dictionary in {folder}: it has no {RECORD}.",
        "Give the folder that save_dictionary or `pellucid dictionaries train --out` wrote.",
    )


def damaged(folder: Path, reason: str) -> InputError:
    """DI22 with what is wrong."""
    return InputError(
        "DI22",
        f"The dictionary in {folder.name} cannot be read: {reason}.",
        "Write it again with save_dictionary, or restore the folder from a copy.",
    )
