"""circuit-tracer: layer_L.safetensors beside one config.yaml, transcoders of every layer of a model.

W_enc is [F, d], W_dec [F, d_out], W_skip [d_out, d_in]. The rules that no file says: a ReLU, or a JumpReLU
where there are thresholds; nothing subtracted; a model whose norms are not folded. Cross-layer transcoders,
whose files are W_enc_L.safetensors, are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    Draft,
    as_stored,
    aside,
    dictionary_of,
    expect,
    only,
    origin_of,
    read_aside,
    read_safetensors,
    unreadable,
)
from pellucid.dictionaries.formats.e2e_sae import several
from pellucid.dictionaries.formats.fitting import Holds, fitted, refuse_transform
from pellucid.dictionaries.formats.gemma_scope import across_layers
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook
from pellucid.dictionaries.formats.places import sizes
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.findings import InputError, MissingError

NAME = "circuit_tracer"
CONFIG = "config.yaml"
LAYER = re.compile(r"layer_(\d+)\.safetensors")
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")
THRESHOLD, SKIP = "activation_function.threshold", "W_skip"
HOOKS = ("feature_input_hook", "feature_output_hook")
KNOWN = ("model_name", "model_kind", "scan", "transcoders", "repo_id", "subfolder", "revision", ASIDE)
HOLDS = Holds(NAME, ("relu", "jumprelu"), "none", transcoder=True, skip=True)


def recognised(path: Path) -> bool:
    """Whether a file, or any in a folder, is a layer's, or a cross-layer transcoder's."""
    return bool(LAYER.fullmatch(path.name)) if path.is_file() else bool(layers(path)) or across(path)


def layers(path: Path) -> list[Path]:
    """The files of layers in a folder, in order."""
    found = [file for file in path.glob("layer_*.safetensors") if LAYER.fullmatch(file.name)]
    return sorted(found, key=number)


def number(file: Path) -> int:
    """The layer that a file is named after."""
    found = LAYER.fullmatch(file.name)
    assert found is not None
    return int(found[1])


def across(path: Path) -> bool:
    """Whether a folder holds a cross-layer transcoder."""
    return any(path.glob("W_enc_*.safetensors"))


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary of one layer.

    Arguments:
        path: layer_L.safetensors, or a folder that holds one such file.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI82 for unknown contents, DI120 for a cross-layer transcoder, DI121 for several layers.
    """
    if path.is_file():
        return one(path, told)
    files = found_in(path)
    if len(files) != 1:
        raise several(path.name, [file.name for file in files])
    return one(files[0], told)


def found_in(path: Path) -> list[Path]:
    """The files of layers in a folder; DI120 for a cross-layer transcoder, DI21 for none."""
    if across(path):
        raise across_layers(path)
    files = layers(path)
    if not files:
        raise MissingError(
            "DI21", f"No dictionary in {path}: it has no layer_L.safetensors.", "Give a layer's file."
        )
    return files


def read_all(path: Path, told: Mapping[str, Any]) -> dict[str, Dictionary]:
    """The dictionaries of all layers in a folder, by the site that they read.

    Arguments:
        path: the folder.
        told: convention fields that the caller knows, of all of them.

    Raises:
        InputError: DI82 for unknown contents, DI120 for a cross-layer transcoder.
    """
    files = [path] if path.is_file() else found_in(path)
    made = [(file, one(file, told)) for file in files]
    return {dictionary.site_in or file.name: dictionary for file, dictionary in made}


def one(file: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a layer's file."""
    config, found = configuration_near(file), read_safetensors(file)
    only("setting", NAME, config, (), (*HOOKS, *KNOWN))
    only("tensor", NAME, found, TENSORS, (THRESHOLD, SKIP))
    tensors = {name: value for name, value in found.items() if name != THRESHOLD}
    latents, width = sizes(tensors, NAME)
    expect(tensors, width, latents, NAME)
    gate, extra = "relu", {}
    if THRESHOLD in found:
        gate, extra = "jumprelu", {"threshold_shape": list(found[THRESHOLD].shape)}
        tensors["threshold"] = spread(found[THRESHOLD], latents)
    account = Account(told)
    account.note("file", gate=gate, skip="linear" if SKIP in found else "none")
    account.note("rule", subtract="none", input_transform="none", rank_score="h", code_units="h")
    account.note("rule", decoder_unit_norm=False, reshape="none", model_processing="raw")
    held = config.get(ASIDE, {}).get(file.name, {})
    site_in, site_out = read_aside({ASIDE: held}, account, sites_of(config, number(file)))
    return dictionary_of(
        Draft(NAME, {"variant": gate}, tensors, account, site_in, site_out, config=config, extra=extra)
    )


def spread(threshold: Tensor, latents: int) -> Tensor:
    """One threshold for each latent; DI89 for thresholds of another number."""
    if threshold.numel() not in (1, latents):
        raise InputError(
            "DI89",
            f"The {NAME} weights hold {threshold.numel()} thresholds for {latents} latents.",
            "There must be one, or one for each latent.",
        )
    return threshold.reshape(-1).expand(latents)


def configuration_near(file: Path) -> dict[str, Any]:
    """config.yaml beside a layer's file; nothing where there is none, DI22 for a damaged one."""
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


def sites_of(config: Mapping[str, Any], layer: int) -> tuple[str, str]:
    """(site_in, site_out) by the hooks' names and the layer; nothing where they are not said."""
    names = {"mlp.hook_in": "hook_mlp_in", "mlp.hook_out": "hook_mlp_out"}
    said = [config.get(key) for key in HOOKS]
    site_in, site_out = (
        site_of_hook(f"blocks.{layer}.{names.get(hook, hook)}") if hook else "" for hook in said
    )
    return site_in, site_out


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as circuit-tracer keeps it: one layer's file, and its line in config.yaml.

    Arguments:
        dictionary: what to write, of a site of a block; other weights of the same function where the
            format asks for them.
        path: the folder, which may hold other layers, or layer_L.safetensors in it.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    refuse_transform(dictionary, NAME)
    fit, came = fitted(dictionary, HOLDS), origin_of(dictionary, NAME)
    block = re.match(r"blocks\.(\d+)\.", fit.site_in)
    file = path if LAYER.fullmatch(path.name) else path / f"layer_{block[1] if block else 0}.safetensors"
    stored = as_stored(fit, came)
    table = {name: value.contiguous() for name, value in stored.items() if name != "threshold"}
    if "threshold" in stored:
        table[THRESHOLD] = gathered(stored["threshold"], came.get("extra", {}))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, save(table))
    config = configuration(fit, file, {**came.get("config", {}), **configuration_near(file)})
    write_whole(file.with_name(CONFIG), yaml.safe_dump(config, sort_keys=False).encode())


def gathered(threshold: Tensor, extra: Mapping[str, Any]) -> Tensor:
    """Thresholds in the shape that the file had, where that still holds them."""
    shape = extra.get("threshold_shape", [len(threshold)])
    if math.prod(shape) == len(threshold):
        return threshold.reshape(shape)
    return threshold[:1].reshape(shape) if bool((threshold == threshold[0]).all()) else threshold


def configuration(fit: Dictionary, file: Path, before: Mapping[str, Any]) -> dict[str, Any]:
    """config.yaml: what was said, with the hooks of this layer, and aside what the format has no word for."""
    config = {key: value for key, value in before.items() if key != ASIDE}
    for key, site in zip(HOOKS, (fit.site_in, fit.site_out), strict=True):
        if key not in config and site:
            config[key] = hook_of_site(site.split(".", 2)[-1] if site.startswith("blocks.") else site)
    config.setdefault("model_kind", "transcoder_set")
    site_in, site_out = sites_of(config, number(file))
    left = aside(fit, {"site_in": site_in, "site_out": site_out})
    noted = {**before.get(ASIDE, {}), **({file.name: left[ASIDE]} if left else {})}
    return config | ({ASIDE: noted} if noted else {})
