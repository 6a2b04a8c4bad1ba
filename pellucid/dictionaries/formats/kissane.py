"""Kissane et al.: NAME.pt beside NAME_cfg.json, dictionaries of attention's z, all heads in one row.

W_enc is [d, F], W_dec [F, d]. The rules that no file says: a ReLU, and b_dec subtracted; a site whose name
holds hook_z is joined head by head.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    Draft,
    as_json,
    as_stored,
    aside,
    dictionary_of,
    expect,
    only,
    origin_of,
    read_aside,
    read_json,
)
from pellucid.dictionaries.formats.fitting import Holds, fitted, refuse_transform
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook
from pellucid.dictionaries.formats.pickles import read_tensors
from pellucid.dictionaries.formats.places import file_at, file_to_write, found_at, sizes
from pellucid.dictionaries.formats.whole import write_whole

NAME = "kissane"
FILE = "sae.pt"
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")
NEEDED = ("act_size", "dict_size")
# act_name says the site; the rest how it was trained, which changes nothing of what it computes
KNOWN = (
    *("act_name", "l1_coeff", "seed", "batch_size", "buffer_mult", "lr", "num_tokens", "beta1", "beta2"),
    *("dict_mult", "seq_len", "enc_dtype", "remove_rare_dir", "model_name", "site", "layer", "device"),
    *("reinit", "head", "concat_heads", "resample_scheme", "anthropic_neuron_resample_scale"),
    *("dead_direction_cutoff", "re_init_every", "anthropic_resample_last", "resample_factor"),
    *("num_resamples", "wandb_project_name", "wandb_entity", "save_state_dict_every", "b_dec_init"),
    *("sched_type", "sched_epochs", "sched_lr_factor", "sched_warmup_epochs", "sched_finish", "dtype"),
    *("model_batch_size", "buffer_size", "buffer_batches", "resample_mode", "mult_0", "version", ASIDE),
)
HOLDS = Holds(NAME, ("relu",), "b_dec")


def configuration_of(file: Path) -> Path:
    """The configuration beside a file of weights."""
    return file.with_name(f"{file.stem}_cfg.json")


def recognised(path: Path) -> bool:
    """Whether a file, or the only one of a folder, has the configuration of this format beside it."""
    file = file_at(path)
    return file is not None and configuration_of(file).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a file.

    Arguments:
        path: NAME.pt, or a folder that holds no other.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI80 for a pickle that is not data, DI82 for unknown contents.
    """
    file = found_at(path)
    config = read_json(configuration_of(file))
    only("setting", NAME, config, NEEDED, KNOWN)
    found = read_tensors(file)
    only("tensor", NAME, found, TENSORS)
    sizes(found, NAME)
    tensors = {name: value.T if name == "W_enc" else value for name, value in found.items()}
    expect(tensors, int(config["act_size"]), int(config["dict_size"]), NAME)
    hook = str(config.get("act_name", ""))
    account = Account(told)
    account.note("rule", gate="relu", subtract="b_dec", input_transform="none", rank_score="h")
    account.note("rule", code_units="h", decoder_unit_norm=True, skip="none")
    account.note("rule", reshape="heads" if "hook_z" in hook else "none")
    site = site_of_hook(hook)
    site_in, site_out = read_aside(config, account, (site, site))
    return dictionary_of(Draft(NAME, {"variant": "relu"}, tensors, account, site_in, site_out, config=config))


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a ReLU dictionary as Kissane et al. keep it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the file NAME.pt, or a folder for it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    refuse_transform(dictionary, NAME)
    fit, came = fitted(dictionary, HOLDS), origin_of(dictionary, NAME)
    stored = as_stored(fit, came)
    stored["W_enc"] = stored["W_enc"].T
    buffer = BytesIO()
    torch.save({name: stored[name].contiguous() for name in TENSORS}, buffer)
    file = file_to_write(path, FILE)
    write_whole(file, buffer.getvalue())
    write_whole(configuration_of(file), as_json(configuration(fit, came.get("config", {}))))


def configuration(fit: Dictionary, before: Mapping[str, Any]) -> dict[str, Any]:
    """NAME_cfg.json: what the file that it came from said, with what is ours to say."""
    new: dict[str, Any] = {"act_size": fit.d_in, "dict_size": fit.n_features}
    if site_of_hook(before.get("act_name")) != fit.site_in:
        new["act_name"] = hook_of_site(fit.site_in)
    config = {**{key: value for key, value in before.items() if key != ASIDE}, **new}
    heads = "heads" if "hook_z" in str(config.get("act_name", "")) else "none"
    site = site_of_hook(config.get("act_name"))
    return config | aside(fit, {"site_in": site, "site_out": site, "reshape": heads})
