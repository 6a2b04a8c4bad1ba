"""SAELens: cfg.json beside sae_weights.safetensors, of version 6 and of the flat configurations before it.

W_enc is [d_in, F] there, W_dec [F, d_out]. The rules of this format that no file says: decoder rows have any
length; after a top-k comes a ReLU; a layer norm divides by the unbiased deviation plus 1e-5 and is undone
without the 1e-5; a transcoder subtracts nothing, and its output is never un-normalised; a skip path reads the
raw input.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import as_jumprelu, fold_scale, fold_subtraction, in_units_of_h
from pellucid.dictionaries.formats.draft import (
    ASIDE,
    Account,
    Draft,
    Source,
    as_json,
    as_stored,
    aside,
    cannot_run,
    cannot_write,
    dictionary_of,
    expect,
    named,
    only,
    origin_of,
    read_aside,
    read_json,
    read_safetensors,
)
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.dictionaries.variants.batchtopk import BatchTopK
from pellucid.dictionaries.variants.gated import Gated
from pellucid.dictionaries.variants.matryoshka import Matryoshka
from pellucid.dictionaries.variants.topk import TopK

NAME = "saelens"
CONFIG, WEIGHTS, SCALER = "cfg.json", "sae_weights.safetensors", "activation_scaler.json"
WRITTEN_AS = "6.54.12"  # the version whose files these are
PLAIN = ("W_enc", "b_enc", "W_dec", "b_dec")
# architecture: the gate, whether it is a transcoder, and its tensors
ARCHITECTURES: Mapping[str, tuple[str, bool, tuple[str, ...]]] = {
    "standard": ("relu", False, PLAIN),
    "topk": ("topk", False, PLAIN),
    "jumprelu": ("jumprelu", False, (*PLAIN, "threshold")),
    "gated": ("gated", False, ("W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag")),
    "transcoder": ("relu", True, PLAIN),
    "skip_transcoder": ("relu", True, (*PLAIN, "W_skip")),
    "jumprelu_transcoder": ("jumprelu", True, (*PLAIN, "threshold")),
    "jumprelu_skip_transcoder": ("jumprelu", True, (*PLAIN, "threshold", "W_skip")),
}
OTHERS: Mapping[str, str] = {
    "abstopk": "keeps negative codes, which no gate here does",
    "matching_pursuit": "encodes step by step, which is no gate of one pre-activation",
    "temporal": "reads a sequence, not one activation",
    "batchtopk": "is a training checkpoint, which chooses over a batch",
    "matryoshka_batchtopk": "is a training checkpoint, which chooses over a batch",
}
NEEDED = ("architecture", "d_in", "d_sae")
KNOWN = (
    *("d_out", "dtype", "device", "apply_b_dec_to_input", "normalize_activations", "reshape_activations"),
    *("k", "rescale_acts_by_decoder_norm", "metadata"),
)
NORMALISATIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {"input_transform": "none"},
    "constant_norm_rescale": {"input_transform": "token_norm"},
    "layer_norm": {"input_transform": "layer_norm"},
    "expected_average_only_in": {"input_transform": "scale"},
}
OF_A_KIND = ("k", "rescale_acts_by_decoder_norm", "d_out")  # settings that not every architecture has
PROCESSING = {"fold_ln": "folded", "center_writing_weights": "centred"}
RENAMED = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}


def recognised(path: Path) -> bool:
    """Whether a folder holds files of this format."""
    return (path / WEIGHTS).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder.

    Arguments:
        path: the folder.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI82 for unknown contents, DI83 for what cannot be run or misses its scale.
    """
    given = read_json(path / CONFIG)
    config = given if is_version_6(given) else from_flat(given)
    architecture = str(config.get("architecture"))
    if architecture not in ARCHITECTURES:
        reason = OTHERS.get(architecture, f"has the architecture {architecture!r}, which is not known")
        raise cannot_run("SAELens", reason, f"Read are: {', '.join(ARCHITECTURES)}.")
    only("setting", "SAELens", config, NEEDED, KNOWN)
    gate, transcoder, names = ARCHITECTURES[architecture]
    tensors, extra = weights(read_safetensors(path / WEIGHTS), names)
    account = conventions(path, config, transcoder, told)
    account.note("file", gate=gate, skip="linear" if "W_skip" in tensors else "none")
    meta = config.get("metadata", {})
    expect(tensors, int(config["d_in"]), int(config["d_sae"]), "SAELens")
    site_in, site_out = read_aside(meta, account, sites(meta, transcoder))
    return dictionary_of(
        Draft(
            format=NAME,
            settings={"variant": gate} | ({"k": int(config["k"])} if gate == "topk" else {}),
            tensors=tensors,
            account=account,
            site_in=site_in,
            site_out=site_out,
            config=given,
            extra=extra,
            promise=promise(path, config),
        )
    )


def sites(meta: Mapping[str, Any], transcoder: bool) -> tuple[str, str]:
    """(site_in, site_out) by the metadata."""
    site = site_of_hook(meta.get("hook_name"))
    return site, site_of_hook(meta.get("hook_name_out")) if transcoder else site


def is_version_6(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is of version 6 or later; one without a version is older."""
    version = config.get("sae_lens_version") or config.get("metadata", {}).get("sae_lens_version") or "0"
    major = str(version).split(".")[0]
    return major.isdigit() and int(major) >= 6


def from_flat(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration in the terms of version 6, with the defaults of its time."""
    config = {RENAMED.get(key, key): value for key, value in flat.items()}
    hook, kwargs = config.get("hook_name", ""), config.get("activation_fn_kwargs") or {}
    normalise = config.get("normalize_activations") or "none"
    reshape = config.get("reshape_activations") or ("hook_z" if "hook_z" in hook else "none")
    new = {
        "architecture": config.get("architecture", "standard"),
        "apply_b_dec_to_input": config.get("apply_b_dec_to_input", True),
        "normalize_activations": "expected_average_only_in" if normalise is True else normalise,
        "reshape_activations": reshape,
        "metadata": {key: value for key, value in config.items() if key not in (*NEEDED, *KNOWN)},
    }
    new |= {key: config[key] for key in ("d_in", "d_sae", "d_out", "dtype") if key in config}
    activation = config.get("activation_fn", "relu")
    if activation == "topk" and kwargs.get("k") is not None:
        new |= {"architecture": "topk", "k": kwargs["k"]}
    elif activation not in ("relu", "topk"):
        raise cannot_run("SAELens", f"has the activation {activation!r}", "Read are relu and topk.")
    return new


def weights(found: dict[str, Tensor], names: tuple[str, ...]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Our tensors, and what else the file held."""
    extra: dict[str, Any] = {}
    if "log_threshold" in found and "threshold" in names:
        found["threshold"] = found.pop("log_threshold").exp()
        extra["log_threshold"] = True
    if "scaling_factor" in found:
        scale = found.pop("scaling_factor")
        if not torch.allclose(scale, torch.ones_like(scale)):
            raise cannot_run(
                "SAELens",
                "was fine-tuned with a scaling_factor of its codes that is not 1",
                "Multiply it into the decoder first: W_dec[i] *= scaling_factor[i]; then leave it out.",
            )
        extra["scaling_factor"] = 1.0
    only("tensor", "SAELens", found, names)
    return {name: value.T if name == "W_enc" else value for name, value in found.items()}, extra


def conventions(path: Path, config: Mapping[str, Any], transcoder: bool, told: Mapping[str, Any]) -> Account:
    """The convention record, with its sources."""
    account = Account(told)
    said = "apply_b_dec_to_input" in config
    subtracts = config.get("apply_b_dec_to_input", True) and not transcoder
    account.note("file" if said else "rule", subtract="b_dec" if subtracts else "none")
    ranked = bool(config.get("rescale_acts_by_decoder_norm", False))
    source: Source = "file" if "rescale_acts_by_decoder_norm" in config else "rule"
    account.note(source, rank_score="h_norm" if ranked else "h", code_units="h_norm" if ranked else "h")
    account.note("rule", decoder_unit_norm=False)
    heads = config.get("reshape_activations", "none") == "hook_z"
    account.note("file", reshape="heads" if heads else "none")
    normalised(path, config.get("normalize_activations", "none"), transcoder, account)
    excluded(config.get("metadata", {}), account)
    return account


def normalised(path: Path, kind: str, transcoder: bool, account: Account) -> None:
    """What is done to the input, from the file's word and the format's rules."""
    if kind not in NORMALISATIONS:
        raise cannot_run(
            "SAELens",
            f"normalises activations by {kind!r}, and its statistics are not in the weights",
            "Fold them into the weights with SAELens first.",
        )
    account.note("file", **NORMALISATIONS[kind])
    if kind == "layer_norm":
        account.note("rule", epsilon=1e-5, restore="without_epsilon")
    if kind == "expected_average_only_in":
        scale = scale_of(path, account)
        account.note("file", scale_in=scale, scale_out=scale)
    elif transcoder and kind != "none":
        account.note("rule", restore="none")


def scale_of(path: Path, account: Account) -> float:
    """The scale of activations: from activation_scaler.json or told; DI83 without."""
    if "scale_in" in account.told:
        return float(account.told["scale_in"])
    scale = read_json(path / SCALER).get("scaling_factor") if (path / SCALER).is_file() else None
    if scale is None:
        raise cannot_run(
            "SAELens",
            "was trained on scaled activations (expected_average_only_in), and the scale is not in its files",
            "Estimate it as s = sqrt(d_in) / mean |x| on activations of its site, and give it: "
            "load_dictionary(..., told={'scale_in': s}).",
        )
    return float(scale)


def excluded(meta: Mapping[str, Any], account: Account) -> None:
    """Which positions and tokens it was never trained on, where the metadata says so."""
    tokens = meta.get("exclude_special_tokens")
    if isinstance(tokens, list):
        account.note("file", excluded_tokens=tuple(tokens))
    places = meta.get("seqpos_slice") or [None]
    if isinstance(places[0], int) and places[0] > 0 and not any(places[1:]):
        account.note("file", excluded_positions=tuple(range(places[0])))
    loaded = meta.get("model_from_pretrained_kwargs") or {}
    done = [word for key, word in PROCESSING.items() if loaded.get(key)]
    if done:
        account.note("file", model_processing="_and_".join(done))


def promise(path: Path, config: Mapping[str, Any]) -> dict[str, float]:
    """What the files say of sparsity: k, and L0 by the log frequencies in sparsity.safetensors."""
    said = {"k": float(config["k"])} if config.get("k") is not None else {}
    if (path / "sparsity.safetensors").is_file():
        table = read_safetensors(path / "sparsity.safetensors")
        said["l0"] = float((10 ** table["sparsity"].double()).sum())
    return said


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as SAELens 6 reads it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the folder.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    fit = fitted(dictionary)
    came = origin_of(dictionary, NAME)
    tensors = as_stored(fit, came)
    tensors["W_enc"] = tensors["W_enc"].T
    dtype = named(tensors["W_enc"].dtype)
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, save({name: value.contiguous() for name, value in tensors.items()}))
    write_whole(path / CONFIG, as_json(configuration(fit, came, dtype)))


def fitted(dictionary: Dictionary) -> Dictionary:
    """The same function in weights and a record that the format has."""
    fit = fold_scale(dictionary, "scaled")
    transcoder = fit.site_in != fit.site_out or fit.d_in != fit.d_out or fit.W_skip is not None
    if transcoder and isinstance(fit, TopK):
        raise cannot_write(
            "SAELens",
            "a TopK transcoder or a TopK with a skip path",
            "Set thresholds on rows of its site first: to_jumprelu(dictionary, rows).",
        )
    if isinstance(fit, (BatchTopK, Matryoshka)) or (isinstance(fit, Gated) and transcoder):
        fit = as_jumprelu(fit)
    rescaled = (fit.convention.rank_score, fit.convention.code_units) == ("h_norm", "h_norm")
    fit = fit if isinstance(fit, TopK) and rescaled else in_units_of_h(fit)
    if fit.convention.subtract == "b_pre" or (transcoder and fit.convention.subtract != "none"):
        fit = fold_subtraction(fit, "none")
    refuse_transform(fit, transcoder)
    return fit


def refuse_transform(fit: Dictionary, transcoder: bool) -> None:
    """DI84 for an input transform that SAELens has not, or undoes otherwise."""
    record = fit.convention
    wanted = "none" if transcoder else "without_epsilon"
    if record.input_transform == "layer_norm" and (record.restore, record.epsilon) != (wanted, 1e-5):
        what = f"a layer norm with epsilon {record.epsilon} that is undone {record.restore!r}"
        raise cannot_write("SAELens", what, f"It has epsilon 1e-05 and undoes it {wanted!r}.")
    if record.input_transform == "token_norm" and (record.restore == "none") != transcoder:
        what = f"a token norm that is undone {record.restore!r}"
        raise cannot_write("SAELens", what, "It is undone except in a transcoder.")
    if record.input_transform == "centre":
        remedy = "Process the model instead: centre its writing weights."
        raise cannot_write("SAELens", "activations less their mean", remedy)


def architecture_of(fit: Dictionary) -> str:
    """The architecture whose files hold a dictionary that fits."""
    gate = {"gated": "gated", "topk": "topk", "jumprelu": "jumprelu"}.get(fit.convention.gate, "")
    skip = fit.W_skip is not None
    if not skip and fit.site_in == fit.site_out and fit.d_in == fit.d_out:
        return gate or "standard"
    return "_".join(part for part in (gate, "skip" if skip else "", "transcoder") if part)


def configuration(fit: Dictionary, came: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """cfg.json: what the file that it came from said, with what is ours to say."""
    record, before = fit.convention, dict(came.get("config", {}))
    if before and not is_version_6(before):
        before = from_flat(before)
    kept = {key: value for key, value in before.items() if key not in OF_A_KIND}
    architecture = architecture_of(fit)
    kinds = {"none": "none", "token_norm": "constant_norm_rescale", "layer_norm": "layer_norm"}
    config = {
        "device": "cpu",
        **kept,
        "architecture": architecture,
        "d_in": fit.d_in,
        "d_sae": fit.n_features,
        "dtype": dtype,
        "apply_b_dec_to_input": record.subtract == "b_dec",
        "normalize_activations": kinds[record.input_transform],
        "reshape_activations": "hook_z" if record.reshape == "heads" else "none",
        "metadata": metadata(fit, before.get("metadata", {})),
    }
    if isinstance(fit, TopK):
        config |= {"k": fit.k, "rescale_acts_by_decoder_norm": record.rank_score == "h_norm"}
    return config | ({"d_out": fit.d_out} if "transcoder" in architecture else {})


def metadata(fit: Dictionary, before: Mapping[str, Any]) -> dict[str, Any]:
    """What the file that it came from said, with the sites and exclusions as they are now."""
    meta = {"sae_lens_version": WRITTEN_AS} | dict(before)
    if not is_version_6({"metadata": meta}):
        meta["sae_lens_version"] = WRITTEN_AS
    record, transcoder = fit.convention, "transcoder" in architecture_of(fit)
    meta.pop(ASIDE, None)
    if site_of_hook(meta.get("hook_name")) != fit.site_in:
        meta["hook_name"] = hook_of_site(fit.site_in)
    if fit.site_out != fit.site_in and site_of_hook(meta.get("hook_name_out")) != fit.site_out:
        meta["hook_name_out"] = hook_of_site(fit.site_out)
    if record.excluded_tokens:
        meta["exclude_special_tokens"] = list(record.excluded_tokens)
    places = record.excluded_positions
    if places and places == tuple(range(len(places))):
        meta["seqpos_slice"] = [len(places), None]
    account = Account()
    account.note("rule", reshape=record.reshape)
    excluded(meta, account)
    site_in, site_out = sites(meta, transcoder)
    return meta | aside(fit, {**account.values, "site_in": site_in, "site_out": site_out})
