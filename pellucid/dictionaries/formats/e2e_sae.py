"""e2e_sae: samples_N.pt, one table of tensors for the dictionaries of several sites, and final_config.yaml.

Keys are SITE.encoder.0.weight [F, d], SITE.encoder.0.bias, SITE.decoder.weight [d, F] and SITE.decoder.bias,
where SITE is a hook's name with dashes for dots. The rules that no file says: a ReLU, nothing subtracted, and
decoder columns brought to length 1 whenever they are used. They are read at length 1; their stored lengths
and last bits are kept aside, so that writing gives the file's numbers again.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import fold_lengths
from pellucid.dictionaries.formats.draft import (
    Account,
    Draft,
    as_stored,
    cannot_write,
    dictionary_of,
    expect,
    only,
    origin_of,
    unreadable,
)
from pellucid.dictionaries.formats.fitting import Holds, fitted, refuse_transform
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook
from pellucid.dictionaries.formats.pickles import read_tensors
from pellucid.dictionaries.formats.places import file_at, file_to_write, found_at, mentions, sizes
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.findings import InputError

NAME = "e2e_sae"
FILE, CONFIG = "samples_0.pt", "final_config.yaml"
OURS = {
    "W_enc": "encoder.0.weight",
    "b_enc": "encoder.0.bias",
    "W_dec": "decoder.weight",
    "b_dec": "decoder.bias",
}
KEY = re.compile(rf"(.+)\.({'|'.join(map(re.escape, OURS.values()))})")
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
HOLDS = Holds(NAME, ("relu",), "none")


def recognised(path: Path) -> bool:
    """Whether a file, or the only one of a folder, is of this format."""
    return mentions(file_at(path), ".encoder.0.weight", ".decoder.weight")


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a file that holds one.

    Arguments:
        path: the file, or a folder that holds no other.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents, DI121 for several.
    """
    found = read_all(path, told)
    if len(found) != 1:
        raise several(found_at(path).name, list(found))
    return next(iter(found.values()))


def several(name: str, sites: Sequence[str]) -> InputError:
    """DI121 for a place that holds more than one dictionary."""
    return InputError(
        "DI121",
        f"{name} holds {len(sites)} dictionaries: {', '.join(sites)}.",
        "Take one of load_dictionaries(path), by its site.",
    )


def read_all(path: Path, told: Mapping[str, Any]) -> dict[str, Dictionary]:
    """The dictionaries in a file, by site.

    Arguments:
        path: the file, or a folder that holds no other.
        told: convention fields that the caller knows, of all of them.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents.
    """
    file = found_at(path)
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, value in read_tensors(file).items():
        parts = KEY.fullmatch(key)
        only("tensor", NAME, [] if parts else [key], ())
        assert parts is not None
        grouped.setdefault(parts[1], {})[parts[2]] = value
    config = configuration_near(file)
    made = [one(name, found, config, told) for name, found in grouped.items()]
    return {dictionary.site_in: dictionary for dictionary in made}


def configuration_near(file: Path) -> dict[str, Any]:
    """final_config.yaml beside the weights; nothing where there is none, DI22 for a damaged one."""
    place = file.with_name(CONFIG)
    if not place.is_file():
        return {}
    try:
        held = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise unreadable(file.parent, f"{CONFIG}: {error}") from None
    if not isinstance(held, dict):
        raise unreadable(file.parent, f"{CONFIG} is no table")
    return held


def one(
    name: str, found: Mapping[str, Tensor], config: Mapping[str, Any], told: Mapping[str, Any]
) -> Dictionary:
    """The dictionary of a site."""
    only("tensor", f"{NAME} {name}", found, OURS.values())
    tensors = {ours: found[theirs] for ours, theirs in OURS.items()}
    latents, width = sizes(tensors, NAME)
    raw = tensors["W_dec"]
    tensors["W_dec"] = normalize(raw, dim=0).T
    expect(tensors, width, latents, NAME)
    account = Account(told)
    account.note("rule", gate="relu", subtract="none", input_transform="none", rank_score="h")
    account.note("rule", code_units="h", decoder_unit_norm=True, skip="none")
    site = site_of_hook(name.replace("-", "."))
    account.note("rule", reshape="heads" if site.endswith("attn.z") else "none")
    extra = {"key": name, **stored_lengths(raw.T, tensors["W_dec"])}
    return dictionary_of(
        Draft(NAME, {"variant": "relu"}, tensors, account, site, site, config=config, extra=extra)
    )


def stored_lengths(
    raw: Float[Tensor, "feature d_out"], rows: Float[Tensor, "feature d_out"]
) -> dict[str, Any]:
    """What it takes to make the stored decoder from rows of length 1: lengths, and differences of bits."""
    lengths = torch.linalg.vector_norm(raw.double(), dim=1)
    off = bits(raw) - bits(lengthened(rows, lengths))
    packed = zlib.compress(off.numpy().tobytes())
    return {"lengths": lengths.tolist(), "last_bits": base64.b64encode(packed).decode()}


def lengthened(rows: Tensor, lengths: Tensor) -> Tensor:
    """Rows of these lengths, to the last bits or nearly so."""
    return (rows.double() * lengths[:, None]).to(rows.dtype)


def bits(rows: Tensor) -> Tensor:
    """Numbers as the whole numbers that have their bits."""
    return rows.contiguous().view(INTEGERS[rows.element_size()])


def stored_decoder(rows: Float[Tensor, "feature d_out"], extra: Mapping[str, Any]) -> Tensor:
    """The decoder as the file had it where the rows are still those that were read; else the rows."""
    lengths = torch.tensor(extra.get("lengths", ()), dtype=torch.float64)
    if len(lengths) != len(rows):
        return rows
    near = bits(lengthened(rows, lengths))
    kind = torch.empty(0, dtype=near.dtype).numpy().dtype
    held = np.frombuffer(zlib.decompress(base64.b64decode(extra["last_bits"])), kind)
    if held.size != near.numel():
        return rows
    made = (near + torch.from_numpy(held.copy()).view(near.shape)).view(rows.dtype)
    return made if torch.equal(normalize(made.T, dim=0).T, rows) else rows


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a ReLU dictionary as e2e_sae keeps it.

    Arguments:
        dictionary: what to write; decoder rows are brought to length 1 unless it came from this format.
        path: the file, or a folder for it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    write_all([dictionary], path)


def write_all(dictionaries: Sequence[Dictionary], path: Path) -> None:
    """Write the dictionaries of several sites into one file.

    Arguments:
        dictionaries: ReLU dictionaries, each of a site of its own.
        path: the file, or a folder for it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    table: dict[str, Tensor] = {}
    for dictionary in dictionaries:
        table |= entries(dictionary)
    buffer = BytesIO()
    torch.save(table, buffer)
    file = file_to_write(path, FILE)
    write_whole(file, buffer.getvalue())
    config = origin_of(dictionaries[0], NAME).get("config", {})
    if config:
        text = yaml.safe_dump(dict(config), sort_keys=False)
        write_whole(file.with_name(CONFIG), text.encode())


def entries(dictionary: Dictionary) -> dict[str, Tensor]:
    """The four tensors of one site, by their keys."""
    refuse_transform(dictionary, NAME)
    came = origin_of(dictionary, NAME)
    fit = fold_lengths(fitted(dictionary, HOLDS))
    stored = as_stored(fit, came)
    stored["W_dec"] = stored_decoder(stored["W_dec"], came.get("extra", {})).T.contiguous()
    name = came.get("extra", {}).get("key", "")
    if site_of_hook(name.replace("-", ".")) != fit.site_in:
        name = hook_of_site(fit.site_in).replace(".", "-")
    if not name:
        raise cannot_write(NAME, "a dictionary without a site", "Set its site_in and site_out first.")
    return {f"{name}.{theirs}": stored[ours] for ours, theirs in OURS.items()}
