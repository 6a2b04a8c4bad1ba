"""Gemma Scope: params.npz (2024), and config.json beside params.safetensors (Gemma Scope 2).

w_enc or W_enc is [d, F], w_dec or W_dec [F, d]; affine_skip_connection is [d_in, d_out]. The rules that no
file says: a threshold for each latent, and nothing subtracted; the first position, BOS, was left out of
training. What the first release says beyond its weights is in the folders' names: the layer, the mean L0, and
"embedding" for dictionaries of embeddings that were not yet multiplied with sqrt(d).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    Draft,
    as_json,
    as_stored,
    aside,
    cannot_run,
    cannot_write,
    dictionary_of,
    expect,
    only,
    origin_of,
    read_aside,
    read_json,
    read_safetensors,
    unreadable,
)
from pellucid.dictionaries.formats.fitting import Holds, fitted, refuse_transform
from pellucid.dictionaries.formats.places import found_at, read_note, sizes, write_note
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.findings import InputError

NAME, SECOND = "gemma_scope", "gemma_scope_2"
FILE, CONFIG, WEIGHTS = "params.npz", "config.json", "params.safetensors"
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
SKIP = "affine_skip_connection"
SITES = {"res": "resid_post", "mlp": "mlp_out", "att": "attn.z"}
REPOSITORY, LAYER, L0 = r"gemma-scope-[^/]*-(res|mlp|att)(?:[-/]|$)", r"layer_(\d+)", r"average_l0_(\d+)"
KNOWN = ("hf_hook_point_in", "hf_hook_point_out", "width", "model_name", "architecture", "l0", "type")
POINTS = {
    "output": "resid_post",
    "self_attn.o_proj.input": "attn.z",
    "pre_feedforward_layernorm.output": "mlp_in",
    "post_feedforward_layernorm.output": "mlp_out",
}
HOLDS = Holds(NAME, ("jumprelu",), "none", transcoder=True)
HOLDS_SECOND = Holds(SECOND, ("jumprelu",), "none", transcoder=True, skip=True)


def recognised(path: Path) -> bool:
    """Whether a folder or a file is of the first release."""
    return path.name == FILE if path.is_file() else (path / FILE).is_file()


def recognised_second(path: Path) -> bool:
    """Whether a folder is of Gemma Scope 2."""
    return (path / WEIGHTS).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder layer_L/width_W/average_l0_N of the first release.

    Arguments:
        path: the folder, or params.npz itself.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI22 for a damaged file, DI82 for unknown contents, DI83 for a scale of its codes.
    """
    file = found_at(path / FILE if path.is_dir() else path, (".npz",))
    found = arrays(file)
    extra: dict[str, Any] = {"lower": "w_enc" in found}
    if "scaling_factor" in found:
        refuse_scaled(found.pop("scaling_factor"))
        extra["scaling_factor"] = True
    named = {f"W{key[1:]}" if key.startswith("w_") else key: value for key, value in found.items()}
    only("tensor", NAME, named, TENSORS)
    latents, width = sizes(named, NAME)[::-1]
    named["W_enc"] = named["W_enc"].T
    expect(named, width, latents, NAME)
    account = conventions(told)
    whole = "/".join(file.resolve().parts)
    if embedding(file):  # x = sqrt(d) e, and it was trained on e
        account.note("file", input_transform="scale", scale_in=width**-0.5, scale_out=width**-0.5)
    site = site_of_path(whole, embedding(file))
    account.note("file", reshape="heads" if site.endswith(".z") else "none")
    site_in, site_out = read_note(file, account, (site, site))
    said = re.search(L0, whole)
    return dictionary_of(
        Draft(
            format=NAME,
            settings={"variant": "jumprelu"},
            tensors=named,
            account=account,
            site_in=site_in,
            site_out=site_out,
            extra=extra,
            promise={"l0": float(said[1])} if said else {},
        )
    )


def arrays(file: Path) -> dict[str, Tensor]:
    """The arrays of an .npz file, none of them pickled; DI22 for one that cannot be read."""
    try:
        with np.load(file, allow_pickle=False) as held:
            return {name: torch.from_numpy(held[name]) for name in held}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise unreadable(file.parent, f"{file.name}: {error}") from None


def conventions(told: Mapping[str, Any]) -> Account:
    """What both releases always do."""
    account = Account(told)
    account.note("rule", gate="jumprelu", subtract="none", input_transform="none", rank_score="h")
    account.note("rule", code_units="h", decoder_unit_norm=True, skip="none", excluded_positions=(0,))
    return account


def refuse_scaled(scale: Tensor) -> None:
    """DI83 for codes that were scaled when it was fine-tuned."""
    if not torch.equal(scale, torch.ones_like(scale)):
        raise cannot_run(
            NAME,
            "was fine-tuned with a scaling_factor of its codes that is not 1",
            "Multiply it into the decoder first: W_dec[i] *= scaling_factor[i]; then leave it out.",
        )


def embedding(file: Path) -> bool:
    """Whether the folders' names say that it is of embeddings."""
    return "embedding" in file.resolve().parts


def site_of_path(path: str, embedded: bool) -> str:
    """The site by the folders' names: the repository's, and the layer's; nothing where they do not say."""
    if embedded:
        return "embed"
    kind, layer = re.search(REPOSITORY, path), re.search(LAYER, path)
    return f"blocks.{layer[1]}.{SITES[kind[1]]}" if kind and layer else ""


def write(dictionary: Dictionary, path: Path) -> None:
    """Write params.npz into a folder, and a note beside it of what has no word there.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the folder.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    file = path / FILE
    came = origin_of(dictionary, NAME)
    fit = fit_here(dictionary, embedding(file))
    stored = as_stored(fit, came)
    stored["W_enc"] = stored["W_enc"].T
    extra = came.get("extra", {})
    names = {name: f"w{name[1:]}" if extra.get("lower") and name[0] == "W" else name for name in TENSORS}
    table = {names[name]: stored[name].contiguous().numpy() for name in TENSORS}
    if extra.get("scaling_factor"):
        table["scaling_factor"] = np.ones(fit.n_features, np.float32)
    buffer = BytesIO()
    np.savez(buffer, **table)  # type: ignore[arg-type]
    path.mkdir(parents=True, exist_ok=True)
    write_whole(file, buffer.getvalue())
    site = site_of_path("/".join(file.resolve().parts), embedding(file))
    heads = "heads" if site.endswith(".z") else "none"
    said = {"site_in": site, "site_out": site, "excluded_positions": (0,), "reshape": heads}
    write_note(file, fit, said)


def fit_here(dictionary: Dictionary, embedded: bool) -> Dictionary:
    """The same function in weights and a record that the first release has."""
    refuse_transform(dictionary, NAME)
    if not embedded:
        return fitted(dictionary, HOLDS)
    scale = dictionary.d_in**-0.5
    record = dictionary.convention
    own = (record.input_transform, record.scale_in, record.scale_out) == ("scale", scale, scale)
    if not own or record.gate != "jumprelu" or record.subtract != "none" or record.rank_score != "h":
        what = "a dictionary of raw activations in a folder named embedding"
        raise cannot_write(NAME, what, "Give a folder of another name.")
    return dictionary


def read_second(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder of Gemma Scope 2.

    Arguments:
        path: the folder.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI82 for unknown contents, DI83 for another gate, DI120 for a cross-layer transcoder.
    """
    config = read_json(path / CONFIG)
    only("setting", SECOND, config, (), (*KNOWN, "affine_connection", ASIDE))
    if config.get("architecture", "jump_relu") != "jump_relu":
        what = f"has the architecture {config['architecture']!r}"
        raise cannot_run(SECOND, what, "Read is jump_relu.")
    found = read_safetensors(path / WEIGHTS)
    skip = bool(config.get("affine_connection"))
    if config.get("type", "sae") in ("sae", "transcoder"):
        only("tensor", SECOND, found, (*(lowered(name) for name in TENSORS), *((SKIP,) if skip else ())))
    if config.get("type", "sae") not in ("sae", "transcoder") or found["w_dec"].ndim == 3:
        raise across_layers(path)
    tensors = {name: found[lowered(name)] for name in TENSORS} | ({"W_skip": found[SKIP].T} if skip else {})
    latents, width = sizes(tensors, SECOND)[::-1]
    tensors["W_enc"] = tensors["W_enc"].T
    expect(tensors, width, int(config.get("width", latents)), SECOND)
    account = conventions(told)
    account.note("file", skip="linear" if skip else "none")
    sites = sites_of(config)
    account.note("file", reshape="heads" if sites[0].endswith(".z") else "none")
    site_in, site_out = read_aside(config, account, sites)
    return dictionary_of(
        Draft(
            format=SECOND,
            settings={"variant": "jumprelu"},
            tensors=tensors,
            account=account,
            site_in=site_in,
            site_out=site_out,
            config=config,
            promise={"l0": float(config["l0"])} if config.get("l0") else {},
        )
    )


def lowered(name: str) -> str:
    """Their name of a tensor."""
    return name[0].lower() + name[1:]


def across_layers(path: Path) -> InputError:
    """DI120 for latents that write to several layers."""
    return InputError(
        "DI120",
        f"{path.name} holds a cross-layer transcoder: each of its latents writes to several layers.",
        "Nothing here runs it. Summing its decoders is no way out: that reconstructs no layer's output.",
    )


def sites_of(config: Mapping[str, Any]) -> tuple[str, str]:
    """(site_in, site_out) by the names of modules in a Hugging Face model."""
    site = site_of_point(config.get("hf_hook_point_in"))
    return site, site_of_point(config.get("hf_hook_point_out")) or site


def site_of_point(name: str | None) -> str:
    """The site of a hook point as "model.layers.9.output"; nothing for a name that is not known."""
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", name or "")
    return f"blocks.{found[1]}.{POINTS[found[2]]}" if found and found[2] in POINTS else ""


def point_of_site(site: str) -> str:
    """The hook point of a site; nothing where Gemma Scope has none."""
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", site)
    named = {ours: theirs for theirs, ours in POINTS.items()}
    return f"model.layers.{found[1]}.{named[found[2]]}" if found and found[2] in named else ""


def write_second(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as Gemma Scope 2 keeps it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the folder.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    refuse_transform(dictionary, SECOND)
    fit = fitted(dictionary, HOLDS_SECOND)
    came = origin_of(dictionary, SECOND)
    stored = as_stored(fit, came)
    stored["W_enc"] = stored["W_enc"].T
    table = {lowered(name): stored[name].contiguous() for name in TENSORS}
    if fit.W_skip is not None:
        table[SKIP] = stored["W_skip"].T.contiguous()
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, save(table))
    write_whole(path / CONFIG, as_json(configuration(fit, came.get("config", {}))))


def configuration(fit: Dictionary, before: Mapping[str, Any]) -> dict[str, Any]:
    """config.json: what the file that it came from said, with what is ours to say."""
    transcoder = fit.site_in != fit.site_out or fit.d_in != fit.d_out
    new: dict[str, Any] = {
        "architecture": "jump_relu",
        "width": fit.n_features,
        "affine_connection": fit.W_skip is not None,
        "type": "transcoder" if transcoder else "sae",
    }
    points = zip(("hf_hook_point_in", "hf_hook_point_out"), (fit.site_in, fit.site_out), strict=True)
    new |= {key: point_of_site(site) for key, site in points if site_of_point(before.get(key)) != site}
    config = {**{key: value for key, value in before.items() if key != ASIDE}, **new}
    site_in, site_out = sites_of(config)
    heads = "heads" if site_in.endswith(".z") else "none"
    said = {"site_in": site_in, "site_out": site_out, "excluded_positions": (0,), "reshape": heads}
    return config | aside(fit, said)
