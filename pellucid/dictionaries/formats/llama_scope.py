"""Llama Scope: hyperparams.json beside checkpoints/final.safetensors, in bfloat16, of a scaled space.

encoder.weight is [F, d], decoder.weight [d, F]. The rules that no file says: weights are those of training,
on x S_in and y S_out with S = sqrt(d) / (average norm); with `sparsity_include_decoder_norm` latents are
ranked by h n; nothing is subtracted; `jump_relu_threshold` is one number in the units of the *finished*
dictionary, whose decoder rows have length 1 in the space of raw outputs, so that the gate on the stored
weights is h n / S_out > threshold. The first position, BOS, was left out of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.conversion import (
    as_jumprelu,
    fold_lengths,
    fold_subtraction,
    in_units_of_h,
)
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
from pellucid.dictionaries.formats.fitting import Holds, refuse_paths
from pellucid.dictionaries.formats.names import hook_of_site, site_of_hook
from pellucid.dictionaries.formats.places import sizes
from pellucid.dictionaries.formats.whole import write_whole
from pellucid.dictionaries.variants.jumprelu import JumpReLU
from pellucid.dictionaries.variants.topk import TopK

NAME = "llama_scope"
CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"
OURS = {
    "W_enc": "encoder.weight",
    "b_enc": "encoder.bias",
    "W_dec": "decoder.weight",
    "b_dec": "decoder.bias",
}
NEEDED = ("d_model", "d_sae", "act_fn")
READ = (
    *("hook_point_in", "hook_point_out", "jump_relu_threshold", "top_k", "norm_activation"),
    *("dataset_average_activation_norm", "sparsity_include_decoder_norm", "use_decoder_bias"),
    *("apply_decoder_bias_to_pre_encoder", "use_glu_encoder", ASIDE),
)
# how it was trained, which changes nothing of what it computes
TRAINING = (
    *("expansion_factor", "bias_init_method", "decoder_exactly_fixed_norm", "init_decoder_norm"),
    *("init_encoder_norm", "init_encoder_with_decoder_transpose", "init_search", "lp", "l1_coefficient"),
    *("l1_coefficient_warmup_steps", "k_warmup_steps", "initial_k", "use_batch_norm_mse", "use_ghost_grads"),
    *("remove_gradient_parallel_to_decoder_directions", "jumprelu_threshold_window", "dtype", "device"),
    *("seed", "sae_type", "sae_pretrained_name_or_path", "strict_loading", "fix_sae_weights", "model_name"),
    *("tensor_parallel_size", "ddp_size", "tp_size", "l1_coef", "is_activation_normalized"),
)
HOLDS = Holds(NAME, ("relu", "topk", "jumprelu"), "none", transcoder=True)


def recognised(path: Path) -> bool:
    """Whether a folder holds files of this format."""
    return (path / CONFIG).is_file()


def read(path: Path, told: Mapping[str, Any]) -> Dictionary:
    """The dictionary in a folder.

    Arguments:
        path: the folder that holds hyperparams.json.
        told: convention fields that the caller knows.

    Raises:
        InputError: DI82 for unknown contents, DI83 for what cannot be run.
    """
    config = read_json(path / CONFIG)
    asked = {"jumprelu": ("jump_relu_threshold",), "topk": ("top_k",)}.get(str(config.get("act_fn")), ())
    only("setting", NAME, config, (*NEEDED, *asked), (*READ, *TRAINING))
    found = read_safetensors(path / WEIGHTS)
    only("tensor", NAME, found, [name for name in OURS.values() if biased(config) or name != OURS["b_dec"]])
    tensors = {ours: found[theirs] for ours, theirs in OURS.items() if theirs in found}
    sizes(tensors, NAME)
    tensors["W_dec"] = tensors["W_dec"].T
    tensors.setdefault("b_dec", tensors["W_dec"].new_zeros(tensors["W_dec"].shape[1]))
    expect(tensors, int(config["d_model"]), int(config["d_sae"]), NAME)
    account = conventions(config, told)
    settings: dict[str, Any] = {"variant": account.values["gate"]}
    if settings["variant"] == "jumprelu":
        limit = float(config["jump_relu_threshold"]) * unit(account.convention())
        tensors["threshold"] = torch.full((int(config["d_sae"]),), limit)
    if settings["variant"] == "topk":
        settings["k"] = int(config["top_k"])
    site_in = site_of_hook(config.get("hook_point_in"))
    said = site_in, site_of_hook(config.get("hook_point_out")) or site_in
    site_in, site_out = read_aside(config, account, said)
    return dictionary_of(
        Draft(
            format=NAME,
            settings=settings,
            tensors=tensors,
            account=account,
            site_in=site_in,
            site_out=site_out,
            config=config,
            promise={"k": float(config["top_k"])} if config.get("top_k") else {},
        )
    )


def biased(config: Mapping[str, Any]) -> bool:
    """Whether there is a decoder bias."""
    return bool(config.get("use_decoder_bias", True))


def conventions(config: Mapping[str, Any], told: Mapping[str, Any]) -> Account:
    """The convention record, with its sources."""
    if config["act_fn"] not in HOLDS.gates:
        what = f"has the activation {config['act_fn']!r}"
        raise cannot_run(NAME, what, f"Read are {', '.join(HOLDS.gates)}.")
    if config.get("use_glu_encoder"):
        raise cannot_run(NAME, "has a gated linear encoder", "No encoder here multiplies two linear maps.")
    account = Account(told)
    ranked = config.get("sparsity_include_decoder_norm", True)
    subtracts = config.get("apply_decoder_bias_to_pre_encoder", False)
    account.note("file", gate=config["act_fn"], rank_score="h_norm" if ranked else "h")
    account.note("file", subtract="b_dec" if subtracts else "none")
    account.note("rule", code_units="h", decoder_unit_norm=False, skip="none", reshape="none")
    account.note("rule", excluded_positions=(0,))
    scales(config, account)
    return account


def scales(config: Mapping[str, Any], account: Account) -> None:
    """What is done to the input: a scale of the whole data, of each token, or nothing more."""
    kind = config.get("norm_activation", "dataset-wise")
    norms, root = config.get("dataset_average_activation_norm") or {}, float(config["d_model"]) ** 0.5
    if kind == "inference":
        account.note("file", input_transform="none")
    elif kind == "dataset-wise" and {"in", "out"} <= set(norms):
        s_in, s_out = root / norms["in"], root / norms["out"]
        account.note("file", input_transform="scale", scale_in=s_in, scale_out=s_out)
    elif kind == "token-wise" and config.get("hook_point_in") == config.get("hook_point_out"):
        account.note("file", input_transform="token_norm")
    else:
        what = f"normalises activations {kind!r}, and the file does not say by what"
        raise cannot_run(NAME, what, "Its hyperparams.json must hold dataset_average_activation_norm.")


def unit(record: Convention) -> float:
    """What a threshold of the finished dictionary is multiplied with to gate the stored weights."""
    if record.input_transform != "scale":
        return 1.0
    return record.scale_out if record.rank_score == "h_norm" else record.scale_in


def write(dictionary: Dictionary, path: Path) -> None:
    """Write a dictionary as Llama Scope keeps it.

    Arguments:
        dictionary: what to write; other weights of the same function where the format asks for them.
        path: the folder.

    Raises:
        InputError: DI84 for what the format cannot hold.
    """
    fit = fit_here(dictionary)
    came = origin_of(dictionary, NAME)
    config = configuration(fit, came.get("config", {}))
    stored = as_stored(fit, came)
    stored["W_dec"] = stored["W_dec"].T.contiguous()
    names = {ours: theirs for ours, theirs in OURS.items() if biased(config) or ours != "b_dec"}
    (path / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
    write_whole(path / WEIGHTS, save({theirs: stored[ours] for ours, theirs in names.items()}))
    write_whole(path / CONFIG, as_json(config))


def fit_here(dictionary: Dictionary) -> Dictionary:
    """The same function in weights and a record that the format has."""
    refuse_paths(dictionary, HOLDS)
    record = dictionary.convention
    token = record.input_transform == "token_norm" and record.restore == "exact"
    if dictionary.d_in != dictionary.d_out:
        what = f"a transcoder from width {dictionary.d_in} to width {dictionary.d_out}"
        raise cannot_write(NAME, what, "Its input and output have one width.")
    if record.input_transform not in ("none", "scale") and not token:
        what = f"activations transformed by {record.input_transform!r}"
        raise cannot_write(NAME, what, "It has a scale, or the norm of each token.")
    gated = isinstance(dictionary, TopK) or record.gate == "relu"
    fit: Dictionary = dictionary if gated else as_jumprelu(dictionary)
    fit = in_units_of_h(fit) if record.code_units == "h_norm" else fit
    fit = fold_subtraction(fit, "none") if record.subtract == "b_pre" else fit
    return one_threshold(fit) if isinstance(fit, JumpReLU) else fit


def one_threshold(fit: JumpReLU) -> Dictionary:
    """The dictionary with the same threshold for every latent, perhaps on decoder rows of length 1."""
    if same_everywhere(fit):
        return fit
    unit_rows = fold_lengths(fit)
    if same_everywhere(unit_rows):
        return unit_rows
    what = "a threshold of its own for every latent"
    raise cannot_write(NAME, what, "It has one number; write it as gemma_scope, saelens or circuit_tracer.")


def same_everywhere(fit: Dictionary) -> bool:
    """Whether every latent has the same threshold."""
    assert isinstance(fit, JumpReLU)
    return bool((fit.threshold == fit.threshold[0]).all())


def configuration(fit: Dictionary, before: Mapping[str, Any]) -> dict[str, Any]:
    """hyperparams.json: what the file that it came from said, with what is ours to say."""
    record = fit.convention
    kinds = {"none": "inference", "scale": "dataset-wise", "token_norm": "token-wise"}
    new: dict[str, Any] = {
        "d_model": fit.d_in,
        "d_sae": fit.n_features,
        "act_fn": record.gate,
        "norm_activation": kinds[record.input_transform],
        "sparsity_include_decoder_norm": record.rank_score == "h_norm",
        "apply_decoder_bias_to_pre_encoder": record.subtract == "b_dec",
        "use_decoder_bias": biased(before) or bool(fit.b_dec.any()),
    }
    if isinstance(fit, TopK):
        new["top_k"] = fit.k
    if isinstance(fit, JumpReLU):
        new["jump_relu_threshold"] = threshold(fit, before)
    if record.input_transform == "scale":
        new["dataset_average_activation_norm"] = norms(record, fit.d_in, before)
    for key, site in (("hook_point_in", fit.site_in), ("hook_point_out", fit.site_out)):
        new[key] = before[key] if key in before and site_of_hook(before[key]) == site else hook_of_site(site)
    said = {"site_in": fit.site_in, "site_out": fit.site_out, "excluded_positions": (0,)}
    kept = {key: value for key, value in before.items() if key != ASIDE}
    return {**kept, **new, **aside(fit, said)}


def threshold(fit: JumpReLU, before: Mapping[str, Any]) -> float:
    """The one threshold in finished units; as the file had it where that is what it still means."""
    limit, factor = fit.threshold[0].item(), unit(fit.convention)
    old = before.get("jump_relu_threshold")
    same = old is not None and float(torch.tensor(float(old) * factor, dtype=fit.threshold.dtype)) == limit
    return float(old) if same and old is not None else limit / factor


def norms(record: Convention, width: int, before: Mapping[str, Any]) -> dict[str, float]:
    """The average norms that the scales stand for; as the file had them where they still do."""
    root, old = float(width) ** 0.5, before.get("dataset_average_activation_norm") or {}
    made = {}
    for side, scale in (("in", record.scale_in), ("out", record.scale_out)):
        made[side] = old[side] if side in old and root / old[side] == scale else root / scale
    return made
