"""Goodfire: one pickled table of four tensors; a ReLU, and nothing subtracted.

encoder_linear.weight is [F, d], decoder_linear.weight [d, F].
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    Account,
    Draft,
    as_stored,
    dictionary_of,
    expect,
    only,
    origin_of,
)
from pellucid.dictionaries.formats.fitting import Holds, fitted, refuse_transform
from pellucid.dictionaries.formats.pickles import read_tensors
from pellucid.dictionaries.formats.places import (
    file_at,
    file_to_write,
    found_at,
    mentions,
    read_note,
    sizes,
    write_note,
)
from pellucid.dictionaries.formats.whole import write_whole

NAME = "goodfire"
FILE = "sae.pth"
OURS = {
    "W_enc": "encoder_linear.weight",
    "b_enc": "encoder_linear.bias",
    "W_dec": "decoder_linear.weight",
    "b_dec": "decoder_linear.bias",
}
HOLDS = Holds(NAME, ("relu",), "none")


def recognised(path: Path) -> bool:
    """Whether a file, or the only one of a folder, is of this format."""
    return mentions(file_at(path), "encoder_linear.weight", "decoder_linear.weight")


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a file.

    Arguments:
        path: the file, or a folder that holds no other.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents.
    """
    file = found_at(path)
    found = read_tensors(file)
    only("tensor", NAME, found, OURS.values())
    tensors = {ours: found[theirs] for ours, theirs in OURS.items()}
    latents, width = sizes(tensors, NAME)
    tensors["W_dec"] = tensors["W_dec"].T
    expect(tensors, width, latents, NAME)
    account = Account(told)
    account.note("rule", gate="relu", subtract="none", input_transform="none", rank_score="h")
    account.note("rule", code_units="h", decoder_unit_norm=False, skip="none", reshape="none")
    site_in, site_out = read_note(file, account, ("", ""))
    return dictionary_of(Draft(NAME, {"variant": "relu"}, tensors, account, site_in, site_out))


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a ReLU dictionary as Goodfire keeps it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the file, or a folder for it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    refuse_transform(dictionary, NAME)
    fit = fitted(dictionary, HOLDS)
    stored = as_stored(fit, origin_of(dictionary, NAME))
    stored["W_dec"] = stored["W_dec"].T.contiguous()
    buffer = BytesIO()
    torch.save({theirs: stored[ours] for ours, theirs in OURS.items()}, buffer)
    file = file_to_write(path, FILE)
    write_whole(file, buffer.getvalue())
    write_note(file, fit, {})
