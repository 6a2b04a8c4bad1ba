"""A Finding as one safetensors file: the arrays as tensors, the header as its metadata."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.findings.arrays import Array, Values
from pellucid.findings.errors import InputError, MissingError
from pellucid.findings.header import SCHEMA, Header, canonical

METADATA = "pellucid"
Tensors = dict[str, Values]


def flatten(arrays: Mapping[str, Array]) -> Tensors:
    """Values under ``name``, coordinates under ``name@axis``, words as UTF-8 bytes with their ends."""
    tensors: Tensors = {}
    for name, array in arrays.items():
        if "@" in name:
            raise InputError("FN05", f"An array is named {name!r}.", "Leave out '@': it names coordinates.")
        tensors[name] = array.values
        for axis, along in array.coords.items():
            tensors |= coordinate_tensors(f"{name}@{axis}", along)
    return tensors


def coordinate_tensors(key: str, along: list[Any]) -> Tensors:
    """One axis' coordinates: numbers as they are, words as bytes and ends."""
    if all(isinstance(item, str) for item in along) and along:
        encoded = [item.encode("utf-8", "surrogatepass") for item in along]
        joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return {
            f"{key}@bytes": joined,
            f"{key}@ends": np.cumsum([len(item) for item in encoded]).astype(np.int64),
        }
    return {key: np.asarray(along, dtype=None if along else np.float64)}


def words(joined: Values, ends: Values) -> list[str]:
    """Words back from bytes and ends."""
    starts = [0, *ends.tolist()[:-1]]
    raw = joined.tobytes()
    return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends.tolist(), strict=True)]


def digest(tensors: Tensors) -> str:
    """sha256 over sorted (name, type, shape, bytes)."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        sha.update(canonical([name, str(values.dtype), list(values.shape)]))
        sha.update(np.ascontiguousarray(values).tobytes())
    return sha.hexdigest()


def encode(header: Header, arrays: Mapping[str, Array]) -> bytes:
    """The file's bytes; the same Finding always gives the same bytes."""
    from safetensors.numpy import save

    data: bytes = save(flatten(arrays), metadata={METADATA: canonical(header.to_dict()).decode()})
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name, flush to disk, rename: the path holds the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_header(text: str, where: str) -> Header:
    """The header from its JSON; InputErrors FN20 and FN21 for what cannot be read."""
    try:
        data = json.loads(text)
        version = int(data.get("schema", 0))
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(where, str(error)) from None
    if version > SCHEMA:
        raise InputError(
            "FN21",
            f"{where} was written by a newer pellucid (schema {version}; this one reads up to {SCHEMA}).",
            "Update pellucid: pip install -U pellucid.",
        )
    try:
        return Header.model_validate(data)
    except ValueError as error:
        raise damaged(where, str(error).splitlines()[0]) from None


def damaged(where: str, why: str) -> InputError:
    """The error for a file that is no Finding."""
    return InputError(
        "FN20", f"{where} is not a readable Finding ({why}).", "Take it from a backup, or measure it again."
    )


def decode(data: bytes, where: str = "The data") -> tuple[Header, dict[str, Array]]:
    """Header and arrays from a file's bytes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(where, type(error).__name__) from None
    header = read_header(metadata.get(METADATA, ""), where)
    return header, assemble(header, list(tensors), tensors.__getitem__)


def open_file(path: Path) -> tuple[Header, dict[str, Array]]:
    """Header and lazy arrays of a file; MissingError FN22 when it does not exist."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingError(
            "FN22", f"There is no Finding at {str(path)!r}.", "Give the path of a .safetensors file."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise damaged(f"{str(path)!r}", type(error).__name__) from None
    header = read_header(metadata.get(METADATA, ""), f"{str(path)!r}")
    return header, assemble(header, names, partial(read_tensor, path))


def read_tensor(path: Path, name: str) -> Values:
    """One tensor of a file; InputError FN20 when the file was lost or spoilt since it was opened."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            values: Values = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise damaged(f"{str(path)!r}", type(error).__name__) from None
    return values


def assemble(header: Header, names: list[str], read: Callable[[str], Values]) -> dict[str, Array]:
    """Lazy arrays from tensor names and a reader; InputError FN20 when the header names an absent one."""
    absent = [name for name in header.arrays if name not in names]
    if absent:
        raise damaged("The file", f"no array {absent[0]!r}")
    return {
        name: Array(partial(read, name), axes, coordinates(name, axes, names, read))
        for name, axes in header.arrays.items()
    }


def coordinates(
    name: str, axes: tuple[str, ...], names: list[str], read: Callable[[str], Values]
) -> dict[str, Callable[[], list[Any]]]:
    """Lazy coordinates of one array."""
    found: dict[str, Callable[[], list[Any]]] = {}
    for axis in axes:
        key = f"{name}@{axis}"
        if f"{key}@ends" in names and f"{key}@bytes" in names:
            found[axis] = partial(read_words, key, read)
        elif key in names:
            found[axis] = partial(read_numbers, key, read)
    return found


def read_words(key: str, read: Callable[[str], Values]) -> list[Any]:
    """Coordinates that are words; InputError FN20 when their bytes are none."""
    try:
        return list(words(read(f"{key}@bytes"), read(f"{key}@ends")))
    except (ValueError, TypeError) as error:
        raise damaged("The file", type(error).__name__) from None


def read_numbers(key: str, read: Callable[[str], Values]) -> list[Any]:
    """Coordinates that are numbers."""
    return list(read(key).tolist())
