"""Dunefsky et al.: a pickle of a configuration object and a table of tensors, transcoders of an MLP.

W_enc is [d, F], W_dec [F, d_out]. The rules: a ReLU; b_dec is subtracted from the input, b_dec_out added to
the output; without b_dec_out it is an autoencoder that adds b_dec. The object's class is never imported: its
fields are read as inert data. The format is read only, because writing it would take that class.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import Account, Draft, dictionary_of, expect, only
from pellucid.dictionaries.formats.names import site_of_hook
from pellucid.dictionaries.formats.opcodes import Inert
from pellucid.dictionaries.formats.pickles import read_checkpoint
from pellucid.dictionaries.formats.places import (
    file_at,
    found_at,
    mentions,
    read_note,
    sizes,
    table,
    tensor,
)

NAME = "dunefsky"
CLASS = "LanguageModelSAERunnerConfig"
INERT = (*(f"{module}.config.{CLASS}" for module in ("sae_training", "transcoder_training")), "torch.device")
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")


def recognised(path: Path) -> bool:
    """Whether a file, or the only one of a folder, is of this format."""
    return mentions(file_at(path), "state_dict", "cfg", CLASS)


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The transcoder in a file.

    Arguments:
        path: the file, or a folder that holds no other.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle of other classes, DI82 for unknown contents.
    """
    file = found_at(path)
    held = table(read_checkpoint(file, INERT), "content", NAME)
    only("entry", NAME, held, ("state_dict",), ("cfg",))
    found, config = table(held["state_dict"], "state_dict", NAME), fields(held.get("cfg"))
    transcoder = "b_dec_out" in found
    only("tensor", NAME, found, TENSORS, ("b_dec_out",))
    tensors = placed(found, transcoder)
    latents, width = sizes(tensors, NAME)
    expect(tensors, int(config.get("d_in", width)), int(config.get("d_sae", latents)), NAME)
    account = Account(told)
    account.note("rule", gate="relu", subtract="b_pre" if transcoder else "b_dec", input_transform="none")
    account.note("rule", rank_score="h", code_units="h", decoder_unit_norm=True, skip="none", reshape="none")
    if account.values["subtract"] != "b_pre":
        tensors.pop("b_pre", None)
    site = site_of_hook(config.get("hook_point"))
    sites = site, site_of_hook(config.get("out_hook_point")) if transcoder else site
    site_in, site_out = read_note(file, account, sites)
    return dictionary_of(
        Draft(NAME, {"variant": "relu"}, tensors, account, site_in, site_out, config=plain(config))
    )


def placed(found: Mapping[str, Any], transcoder: bool) -> dict[str, Tensor]:
    """Weights by our names: b_pre is subtracted from the input, b_dec added to the output."""
    tensors = {name: tensor(found, name, NAME) for name in TENSORS}
    if transcoder:
        tensors |= {"b_pre": tensors["b_dec"], "b_dec": tensor(found, "b_dec_out", NAME)}
    sizes(tensors, NAME)
    return tensors | {"W_enc": tensors["W_enc"].T}


def fields(config: Any) -> dict[str, Any]:
    """The fields of the configuration object, or of a plain table; DI83 for anything else."""
    held = config.state if isinstance(config, Inert) else config
    return {} if held is None else table(held, "configuration", NAME)


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are plain numbers and texts."""
    return {key: value for key, value in config.items() if isinstance(value, (str, int, float, bool))}
