"""sparsify: cfg.json beside sae.safetensors in a folder for each hook point, whose name says the site.

encoder.weight is [F, d], W_dec [F, d]. The rules that no file says: b_dec is subtracted unless `transcode`;
after the top-k comes a ReLU; codes are in units of h; a skip path reads the raw input.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import fold_scale, fold_subtraction, in_units_of_h
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
)
from pellucid.dictionaries.formats.names import sites_of_module
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.dictionaries.variants.topk import TopK

NAME = "sparsify"
CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
KNOWN = (
    *("activation", "expansion_factor", "normalize_decoder", "num_latents", "multi_topk", "skip_connection"),
    *("transcode", "signed", ASIDE),
)
OURS = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "W_dec", "b_dec": "b_dec"}


def recognised(path: Path) -> bool:
    """Whether a folder holds files of this format."""
    return (path / WEIGHTS).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder.

    Arguments:
        path: the folder of one hook point.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI82 for unknown contents, DI83 for a gate that is not here.
    """
    config = read_json(path / CONFIG)
    only("setting", NAME, config, ("d_in", "k"), KNOWN)
    refuse_gate(config)
    skip, transcode = bool(config.get("skip_connection")), bool(config.get("transcode"))
    names = OURS | ({"W_skip": "W_skip"} if skip else {})
    found = read_safetensors(path / WEIGHTS)
    only("tensor", NAME, found, names.values())
    tensors = {ours: found[theirs] for ours, theirs in names.items()}
    latents = config.get("num_latents") or config["d_in"] * config.get("expansion_factor", 32)
    expect(tensors, int(config["d_in"]), int(latents), NAME)
    account = Account(told)
    account.note("file" if "transcode" in config else "rule", subtract="none" if transcode else "b_dec")
    account.note("file" if "skip_connection" in config else "rule", skip="linear" if skip else "none")
    account.note("file", gate="topk", decoder_unit_norm=bool(config.get("normalize_decoder", True)))
    account.note("rule", input_transform="none", rank_score="h", code_units="h", reshape="none")
    tokens = run_configuration(path).get("exclude_tokens")
    if tokens:
        account.note("file", excluded_tokens=tuple(tokens))
    site_in, site_out = read_aside(config, account, sites_of_module(path.name, transcode))
    return dictionary_of(
        Draft(
            format=NAME,
            settings={"variant": "topk", "k": int(config["k"])},
            tensors=tensors,
            account=account,
            site_in=site_in,
            site_out=site_out,
            config=config,
            promise={"k": float(config["k"])},
        )
    )


def run_configuration(path: Path) -> dict[str, Any]:
    """The configuration of the whole run, in the folder above its hook points; nothing where absent."""
    above = path.resolve().parent / "config.json"
    return read_json(above) if above.is_file() else {}


def refuse_gate(config: Mapping[str, Any]) -> None:
    """DI83 for a gate that is not top-k followed by a ReLU."""
    if config.get("activation", "topk") != "topk":
        what = f"has the activation {config['activation']!r}"
        raise cannot_run(NAME, what, "Only topk is a gate here; groupmax takes the largest of each group.")
    if config.get("signed"):
        raise cannot_run(NAME, "keeps negative codes (signed)", "No gate here does: its codes would change.")


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as sparsify reads it.

    Arguments:
        dictionary: a TopK; other weights of the same function where the format asks for them.
        path: the folder, which sparsify wants to be named after the hook point.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    fit = fitted(dictionary)
    names = OURS | ({"W_skip": "W_skip"} if fit.W_skip is not None else {})
    came = origin_of(dictionary, NAME)
    stored = as_stored(fit, came)
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, save({theirs: stored[ours].contiguous() for ours, theirs in names.items()}))
    said = dict(zip(("site_in", "site_out"), sites_of_module(path.name, transcodes(fit)), strict=True))
    config = configuration(fit, came.get("config", {})) | aside(fit, said)
    write_whole(path / CONFIG, as_json(config))


def transcodes(fit: Dictionary) -> bool:
    """Whether the format calls it a transcoder: nothing is subtracted."""
    return fit.convention.subtract == "none"


def fitted(dictionary: Dictionary) -> TopK:
    """The same function in weights and a record that the format has."""
    fit = fold_scale(dictionary, "scaled")
    record = fit.convention
    if not isinstance(fit, TopK):
        what = f"a dictionary of the gate {record.gate!r}"
        raise cannot_write(NAME, what, "It holds TopK only; no other gate is a top-k of each row.")
    if fit.d_in != fit.d_out:
        what = f"a transcoder from width {fit.d_in} to width {fit.d_out}"
        raise cannot_write(NAME, what, "Its input and output have one width.")
    if record.input_transform != "none":
        what = f"activations transformed by {record.input_transform!r}"
        raise cannot_write(NAME, what, "It reads raw activations.")
    fit = in_units_of_h(fit)
    fit = fold_subtraction(fit, "none") if record.subtract == "b_pre" else fit
    assert isinstance(fit, TopK)
    return fit


def configuration(fit: TopK, before: Mapping[str, Any]) -> dict[str, Any]:
    """cfg.json: what the file that it came from said, with what is ours to say."""
    new = {
        "activation": "topk",
        "expansion_factor": max(1, fit.n_features // fit.d_in),
        "normalize_decoder": fit.convention.decoder_unit_norm,
        "num_latents": fit.n_features,
        "k": fit.k,
        "skip_connection": fit.W_skip is not None,
        "transcode": transcodes(fit),
        "d_in": fit.d_in,
    }
    asked = before.get("num_latents") or before.get("d_in", 0) * before.get("expansion_factor", 32)
    if asked == fit.n_features:  # said as it was said: 0 latents there mean d_in x expansion_factor
        new |= {key: before[key] for key in ("num_latents", "expansion_factor") if key in before}
    new["multi_topk"] = before.get("multi_topk", False)
    return {key: value for key, value in {**before, **new}.items() if key != ASIDE}
