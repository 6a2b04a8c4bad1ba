"""The digest of the weights in a folder of our own layout, without loading torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

OURS = "pellucid-transformer"


def quick_sha256(place: str) -> str | None:
    """The digest that ``open_model(place).sha256`` gives, in a fiftieth of the time.

    Our folders hold each parameter once and are opened as float32; a digest is taken over the sorted names,
    types, shapes and bytes. None for anything else: other layouts, types that NumPy lacks, damaged files.

    Arguments:
        place: ``organism:NAME`` or a folder.
    """
    folder = folder_of(place)
    if folder is None or not is_ours(folder):
        return None
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(folder / "model.safetensors")
    except (SafetensorError, OSError, TypeError, KeyError, AttributeError):
        return None  # opening the model says what is wrong
    sha = hashlib.sha256()
    for name, stored in sorted(weights.items()):
        values = np.ascontiguousarray(stored, dtype=np.float32)
        if not values.ndim:
            return None
        sha.update(f"{name}\0torch.float32\0{values.shape}\0".encode() + values.tobytes())
    return sha.hexdigest()


def folder_of(place: str) -> Path | None:
    """The folder that a name stands for; None when it is none of an organism shipped here, nor a folder."""
    scheme, colon, name = place.partition(":")
    if not (colon and scheme == "organism"):
        return Path(place) if Path(place).is_dir() else None
    room = importlib.util.find_spec("pellucid.organisms")
    assert room is not None
    assert room.origin is not None
    found = Path(room.origin).parent / "weights" / name
    return found if found.is_dir() else None


def is_ours(folder: Path) -> bool:
    """Whether a folder is in our own layout."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("format") == OURS
