"""Dictionaries on disk: the convention record as JSON beside the weights, bound to each other by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.dictionaries.variants.table import build
from pellucid.findings import InputError, MissingError

NAME = "pellucid"
SCHEMA = 2
RECORD, WEIGHTS = "dictionary.json", "weights.safetensors"


def recognised(path: Path) -> bool:
    """Whether a folder holds files of this format."""
    return (path / RECORD).is_file()


def write(dictionary: Dictionary, path: Path) -> None:
    """Write dictionary.json (convention record, sites, training) and weights.safetensors.

    A crash leaves the old dictionary, or a folder that is known to be torn.

    Arguments:
        dictionary: what to write.
        path: the folder, made when absent.
    """
    path.mkdir(parents=True, exist_ok=True)
    data = save({name: value.detach().cpu().contiguous() for name, value in dictionary.state_dict().items()})
    record = {
        "format": "pellucid",
        "schema": SCHEMA,
        "settings": dictionary.settings(),
        "site_in": dictionary.site_in,
        "site_out": dictionary.site_out,
        "convention": dictionary.convention.to_dict(),
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "training": dictionary.training_record,
    }
    write_whole(path / WEIGHTS, data)
    write_whole(path / RECORD, (json.dumps(record, indent=1) + "\n").encode())


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """Read a dictionary back, bit for bit.

    Arguments:
        path: its folder.
        told: must be empty, because the record says everything.

    Raises:
        MissingError: DI21 for a folder without a dictionary.
        InputError: DI22 for a damaged or torn one, DI23 for a newer version, DI85 for a told convention.
    """
    if told:
        raise InputError(
            "DI85",
            f"A pellucid dictionary says its whole convention; {', '.join(told)} cannot be told.",
            "Leave `told` out, or change the record of the dictionary once it is read.",
        )
    if not recognised(path):
        raise MissingError(
            "DI21",
            f"No dictionary in {path}: it has no {RECORD}.",
            "Give the folder that save_dictionary or `pellucid dictionaries train --out` wrote.",
        )
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        data = (path / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from None
    if not isinstance(record, dict) or record.get("format") != "pellucid":
        raise damaged(path, f"{RECORD} is no dictionary's record")
    if record.get("schema") not in (1, SCHEMA):
        raise InputError(
            "DI23",
            f"The dictionary in {path.name} has schema {record.get('schema')}, not {SCHEMA}.",
            "Update pellucid.",
        )
    if hashlib.sha256(data).hexdigest() != record.get("weights_sha256"):
        raise damaged(path, f"{WEIGHTS} is not the file that {RECORD} was written with")
    return built(path, record, data)


def built(folder: Path, record: Mapping[str, Any], data: bytes) -> Dictionary:
    """The dictionary from its record and weights."""
    try:
        tensors = load(data)
        first = {"variant": "topk", "k": record.get("k")}  # what schema 1 could hold
        dictionary = build(
            first if record["schema"] == 1 else record["settings"],
            tensors["W_enc"].shape[1],
            tensors["W_enc"].shape[0],
            d_out=tensors["W_dec"].shape[1],
            site_in=record["site_in"],
            site_out=record["site_out"],
            convention=Convention.from_dict(record["convention"]),
        ).to(tensors["W_enc"].dtype)
        dictionary.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise damaged(folder, str(error)) from None
    training = record.get("training", {})
    if not isinstance(training, dict):
        raise damaged(folder, "its record of the training is none")
    dictionary.training_record = training
    return dictionary.requires_grad_(False)


def damaged(folder: Path, reason: str) -> InputError:
    """DI22 with what is wrong."""
    return InputError(
        "DI22",
        f"The dictionary in {folder.name} cannot be read: {reason}.",
        "Write it again with save_dictionary, or restore the folder from a copy.",
    )
