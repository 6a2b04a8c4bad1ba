"""Other programs' files written from their layouts alone, and a float64 forward pass of each by hand."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save_file

D, F, K = 8, 8, 3  # square, so that an orientation can only come from the format
OUT = 6
T = torch.Tensor


def numbers(*shape: int, seed: int, size: float = 0.4) -> T:
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


X = numbers(60, D, seed=11, size=1.0)


def drawn(d_out: int = D) -> dict[str, T]:
    """e [F, d] and its bias, w [F, d_out] of unequal lengths and its bias, thresholds, a skip [d_out, d]."""
    sizes = {"e": (F, D), "eb": (F,), "w": (F, d_out), "wb": (d_out,), "skip": (d_out, D), "pre": (D,)}
    made = {name: numbers(*size, seed=seed) for seed, (name, size) in enumerate(sizes.items())}
    made["theta"] = 0.1 + numbers(F, seed=9).abs()
    return made


def top(h: T, score: T) -> T:
    """ReLU of h at the k largest scores."""
    return h.relu() * torch.zeros_like(h).scatter(1, score.topk(K, dim=1).indices, 1.0)


def jump(h: T, score: T, theta: T | float) -> T:
    return h.relu() * (score > theta)


@dataclass(frozen=True)
class Layout:
    """A file of a format and what it means."""

    format: str
    write: Callable[[Path], Path]
    forward: Callable[[T], tuple[T, T]]
    sites: tuple[str, str] = ("", "")
    promise: tuple[tuple[str, float], ...] = ()


# ------------------------------------------------------------------- Llama Scope
NORMS = {"in": 6.3125, "out": 3.390625}
S_IN, S_OUT = D**0.5 / NORMS["in"], D**0.5 / NORMS["out"]
HYPER = {
    "hook_point_in": "blocks.8.ln2.hook_normalized",
    "hook_point_out": "blocks.8.hook_mlp_out",
    "use_decoder_bias": True,
    "apply_decoder_bias_to_pre_encoder": False,
    "expansion_factor": 1,
    "d_model": D,
    "d_sae": F,
    "act_fn": "jumprelu",
    "jump_relu_threshold": 0.10400390625,
    "norm_activation": "dataset-wise",
    "dataset_average_activation_norm": NORMS,
    "decoder_exactly_fixed_norm": False,
    "sparsity_include_decoder_norm": True,
    "top_k": K,
}


def llama(path: Path, **more: object) -> Path:
    w = {name: value.bfloat16() for name, value in drawn().items()}
    (path / "checkpoints").mkdir(parents=True)
    (path / "hyperparams.json").write_text(json.dumps({**HYPER, **more}), encoding="utf-8")
    table = {"encoder.weight": w["e"], "encoder.bias": w["eb"], "decoder.weight": w["w"].T.contiguous()}
    save_file({**table, "decoder.bias": w["wb"]}, path / "checkpoints" / "final.safetensors")
    return path


def llama_forward(x: T, *, gate: str = "jumprelu", s_in: float = S_IN, s_out: float = S_OUT) -> tuple[T, T]:
    w = {name: value.bfloat16().double() for name, value in drawn().items()}
    h, n = x.double() * s_in @ w["e"].T + w["eb"], w["w"].norm(dim=1)
    finished = h * n / s_out  # coefficients of unit columns in the space of raw outputs
    z = jump(h, finished, HYPER["jump_relu_threshold"]) if gate == "jumprelu" else top(h, h * n)  # type: ignore[arg-type]
    return z, (z @ w["w"] + w["wb"]) / s_out


# ------------------------------------------------------------------- Gemma Scope
def gemma(path: Path, lower: bool = True, folder: str = "layer_20/width_16k/average_l0_71") -> Path:
    w, place = drawn(), path / "gemma-scope-2b-pt-res" / folder
    place.mkdir(parents=True)
    big = {"W_enc": w["e"].T, "W_dec": w["w"]}
    table = {(name.lower() if lower else name): value for name, value in big.items()}
    table |= {"b_enc": w["eb"], "b_dec": w["wb"], "threshold": w["theta"]}
    np.savez(place / "params.npz", **{name: value.numpy() for name, value in table.items()})  # type: ignore[arg-type]
    return place


def gemma_forward(x: T, scale: float = 1.0, d_out: int = D, skip: bool = False) -> tuple[T, T]:
    w = {name: value.double() for name, value in drawn(d_out).items()}
    h = (scale * x.double()) @ w["e"].T + w["eb"]
    z = jump(h, h, w["theta"])
    y = (z @ w["w"] + w["wb"]) / scale
    return z, y + (x.double() @ w["skip"].T if skip else 0)


def gemma_2(path: Path, transcoder: bool = False, **more: object) -> Path:
    w = drawn(OUT if transcoder else D)
    path.mkdir(parents=True)
    read, written = ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output")
    config = {
        "hf_hook_point_in": f"model.layers.9.{read if transcoder else 'output'}",
        "hf_hook_point_out": f"model.layers.9.{written if transcoder else 'output'}",
        "width": F,
        "model_name": "google/gemma-3-1b-pt",
        "architecture": "jump_relu",
        "l0": 60,
        "affine_connection": transcoder,
        "type": "transcoder" if transcoder else "sae",
        **more,
    }
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    table = {"w_enc": w["e"].T.contiguous(), "w_dec": w["w"], "b_enc": w["eb"], "b_dec": w["wb"]}
    table["threshold"] = w["theta"]
    if transcoder:
        table["affine_skip_connection"] = w["skip"].T.contiguous()
    save_file(table, path / "params.safetensors")
    return path


# ------------------------------------------------------------------- pickled tables
def openai(path: Path, activation: str = "TopK") -> Path:
    w = drawn()
    path.mkdir(parents=True)
    held: dict[str, object] = {
        "pre_bias": w["wb"],
        "latent_bias": w["eb"],
        "stats_last_nonzero": torch.arange(F),
        "encoder.weight": w["e"],
        "decoder.weight": w["w"].T.contiguous(),
        "activation": activation,
    }
    if activation == "TopK":
        held["activation_state_dict"] = {"k": K, "postact_fn": "ReLU"}
    torch.save(held, path / "8.pt")
    return path / "8.pt"


def openai_forward(x: T, normed: bool = True) -> tuple[T, T]:
    w, x = {name: value.double() for name, value in drawn().items()}, x.double()
    mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True)
    shown = (x - mean) / (std + 1e-5) if normed else x
    h = (shown - w["wb"]) @ w["e"].T + w["eb"]
    z = top(h, h) if normed else h.relu()
    y = z @ w["w"] + w["wb"]
    return z, y * std + mean if normed else y


def goodfire(path: Path) -> Path:
    w = drawn()
    path.mkdir(parents=True)
    held = {"encoder_linear.weight": w["e"], "encoder_linear.bias": w["eb"]}
    held |= {"decoder_linear.weight": w["w"].T.contiguous(), "decoder_linear.bias": w["wb"]}
    torch.save(held, path / "l19.pth")
    return path / "l19.pth"


def plain_forward(x: T, subtract: str = "", unit: bool = False, d_out: int = D) -> tuple[T, T]:
    """A ReLU; `subtract` names what the input loses, `unit` brings decoder rows to length 1 on use."""
    w, x = {name: value.double() for name, value in drawn(d_out).items()}, x.double()
    rows = w["w"] / w["w"].norm(dim=1, keepdim=True) if unit else w["w"]
    z = ((x - (w[subtract] if subtract else 0)) @ w["e"].T + w["eb"]).relu()
    return z, z @ rows + w["wb"]


def kissane(path: Path) -> Path:
    w = drawn()
    path.mkdir(parents=True)
    held = {"W_enc": w["e"].T.contiguous(), "W_dec": w["w"], "b_enc": w["eb"], "b_dec": w["wb"]}
    torch.save(held, path / "gelu-2l_L1.pt")
    config = {"act_size": D, "dict_size": F, "act_name": "blocks.1.attn.hook_z", "l1_coeff": 1.2, "seed": 49}
    (path / "gelu-2l_L1_cfg.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def e2e(path: Path, sites: tuple[str, ...] = ("blocks-6-hook_resid_pre",)) -> Path:
    w = drawn()
    path.mkdir(parents=True)
    held = {}
    for site in sites:
        held |= {f"{site}.encoder.0.weight": w["e"], f"{site}.encoder.0.bias": w["eb"]}
        held |= {f"{site}.decoder.weight": w["w"].T.contiguous(), f"{site}.decoder.bias": w["wb"]}
    torch.save(held, path / "samples_400000.pt")
    config = {"saes": {"dict_size_to_input_ratio": 60.0}, "tlens_model_name": "gpt2-small"}
    (path / "final_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def config_class(name: str = "LanguageModelSAERunnerConfig", module: str = "sae_training.config") -> type:
    """A class of another program, findable only while it is pickled."""
    made = type(name, (), {"__module__": module, "__qualname__": name})
    for part in (module.split(".")[0], module):
        sys.modules[part] = types.ModuleType(part)
    setattr(sys.modules[module], name, made)
    return made


def dunefsky(path: Path, name: str = "LanguageModelSAERunnerConfig", transcoder: bool = True) -> Path:
    w = drawn(OUT if transcoder else D)
    path.mkdir(parents=True)
    config = config_class(name)()
    config.__dict__.update(hook_point="blocks.8.ln2.hook_normalized", out_hook_point="blocks.8.hook_mlp_out")
    config.__dict__.update(
        d_in=D, d_sae=F, device=torch.device("cpu"), dtype=torch.float32, is_transcoder=True
    )
    held = {"W_enc": w["e"].T.contiguous(), "b_enc": w["eb"], "W_dec": w["w"]}
    held |= {"b_dec": w["pre"], "b_dec_out": w["wb"]} if transcoder else {"b_dec": w["wb"]}
    torch.save({"cfg": config, "state_dict": held}, path / "transcoder.pt")
    for part in ("sae_training", "sae_training.config"):
        del sys.modules[part]
    return path / "transcoder.pt"


def tracer(path: Path, rich: bool = False, layers: tuple[int, ...] = (4,)) -> Path:
    w = drawn(OUT if rich else D)
    path.mkdir(parents=True, exist_ok=True)
    table = {"W_enc": w["e"], "b_enc": w["eb"], "W_dec": w["w"], "b_dec": w["wb"]}
    if rich:
        table |= {"W_skip": w["skip"], "activation_function.threshold": w["theta"]}
    for layer in layers:
        save_file(table, path / f"layer_{layer}.safetensors")
    config = {
        "model_name": "gemma",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": "hook_mlp_out",
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


RESID, MLP = "blocks.20.resid_post", ("blocks.4.resid_mid", "blocks.4.mlp_out")
LLAMA = ("blocks.8.ln2.normalized", "blocks.8.mlp_out")
LAYOUTS: dict[str, Layout] = {
    "llama_jumprelu": Layout("llama_scope", llama, llama_forward, LLAMA, (("k", 3.0),)),
    "llama_topk": Layout(
        "llama_scope",
        lambda at: llama(at, act_fn="topk"),
        lambda x: llama_forward(x, gate="topk"),
        LLAMA,
        (("k", 3.0),),
    ),
    "llama_finished": Layout(
        "llama_scope",
        lambda at: llama(at, norm_activation="inference"),
        lambda x: llama_forward(x, s_in=1.0, s_out=1.0),
        LLAMA,
        (("k", 3.0),),
    ),
    "gemma_new_names": Layout("gemma_scope", gemma, gemma_forward, (RESID, RESID), (("l0", 71.0),)),
    "gemma_old_names": Layout(
        "gemma_scope", lambda at: gemma(at, lower=False), gemma_forward, (RESID, RESID), (("l0", 71.0),)
    ),
    "gemma_embedding": Layout(
        "gemma_scope",
        lambda at: gemma(at, folder="embedding/width_4k/average_l0_6"),
        lambda x: gemma_forward(x, scale=D**-0.5),
        ("embed", "embed"),
        (("l0", 6.0),),
    ),
    "gemma_2": Layout("gemma_scope_2", gemma_2, gemma_forward, ("blocks.9.resid_post",) * 2, (("l0", 60.0),)),
    "gemma_2_affine": Layout(
        "gemma_scope_2",
        lambda at: gemma_2(at, transcoder=True),
        lambda x: gemma_forward(x, d_out=OUT, skip=True),
        ("blocks.9.mlp_in", "blocks.9.mlp_out"),
        (("l0", 60.0),),
    ),
    "openai_topk": Layout("openai", openai, openai_forward, promise=(("k", 3.0),)),
    "openai_relu": Layout("openai", lambda at: openai(at, "ReLU"), lambda x: openai_forward(x, normed=False)),
    "goodfire": Layout("goodfire", goodfire, plain_forward),
    "kissane": Layout("kissane", kissane, lambda x: plain_forward(x, "wb"), ("blocks.1.attn.z",) * 2),
    "e2e_sae": Layout("e2e_sae", e2e, lambda x: plain_forward(x, unit=True), ("blocks.6.resid_pre",) * 2),
    "dunefsky": Layout("dunefsky", dunefsky, lambda x: plain_forward(x, "pre", d_out=OUT), LLAMA),
    "dunefsky_sae": Layout(
        "dunefsky",
        lambda at: dunefsky(at, transcoder=False),
        lambda x: plain_forward(x, "wb"),
        (LLAMA[0], LLAMA[0]),
    ),
    "circuit_tracer": Layout("circuit_tracer", tracer, plain_forward, MLP),
    "circuit_tracer_rich": Layout(
        "circuit_tracer",
        lambda at: tracer(at, rich=True),
        lambda x: gemma_forward(x, d_out=OUT, skip=True),
        MLP,
    ),
}


def stored(place: Path) -> dict[str, dict[str, object]]:
    """Everything that a file or folder holds, by file and entry: tensors, arrays, settings."""
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
    return {str(file.relative_to(place)) if place.is_dir() else file.name: entries(file) for file in files}


def entries(file: Path) -> dict[str, object]:
    if file.suffix == ".npz":
        with np.load(file) as held:
            return {name: torch.from_numpy(held[name]) for name in held}
    if file.suffix == ".safetensors":
        return dict(load_file(file))
    if file.suffix in (".yaml", ".json"):
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    return dict(torch.load(file, weights_only=True))
