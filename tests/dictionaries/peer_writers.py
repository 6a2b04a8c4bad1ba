"""Real checkpoints of the peers with their own outputs, and the peers' own readers for files that we wrote.

Run by the Python that has the peers (scripts/install-dictionary-peers.sh), never by ours:

    peer_writers.py write FOLDER    every architecture of every peer: PEER/NAME/ beside PEER/NAME.safetensors
    peer_writers.py read FOLDER     every PEER/NAME/ that has PEER/NAME.safetensors beside it, read by the peer's
                                    own loader; its outputs go to PEER/NAME.peer.safetensors

NAME.safetensors holds inputs x; the peer adds its codes and its reconstruction y.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

D, F, D_OUT, K, ROWS = 12, 40, 10, 4, 64
SITES = {
    "model_name": "none",
    "hook_name": "blocks.1.hook_resid_pre",
    "context_size": 16,
    "prepend_bos": True,
}


def inputs(d: int = D, seed: int = 1) -> Tensor:
    """Sparse sums of directions about a mean that is not zero, at two very different lengths."""
    drawn = torch.Generator().manual_seed(seed)
    directions = torch.randn(3 * d, d, generator=drawn)
    codes = torch.rand(ROWS, 3 * d, generator=drawn) * (torch.rand(ROWS, 3 * d, generator=drawn) < 0.2)
    return (codes @ directions + 0.3) * torch.linspace(0.05, 0.5, ROWS)[:, None]


@torch.no_grad()
def shaken(module: torch.nn.Module, seed: int = 7, spread: float = 0.3) -> None:
    """Biases that are not zero, decoder rows of unequal length, thresholds above zero."""
    drawn = torch.Generator().manual_seed(seed)
    for name, value in module.named_parameters():
        if name == "threshold":
            value.copy_(0.1 + 0.5 * torch.rand(value.shape, generator=drawn))
        else:
            value.add_(spread * torch.randn(value.shape, generator=drawn))


# SAELens


def saelens_cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, architecture, settings) of every architecture that SAELens stores, and every normalisation."""
    transcoder = {"d_out": D_OUT, "apply_b_dec_to_input": False}
    yield "standard", "standard", {}
    yield "standard_plain", "standard", {"apply_b_dec_to_input": False}
    yield "standard_layer_norm", "standard", {"normalize_activations": "layer_norm"}
    yield "standard_norm", "standard", {"normalize_activations": "constant_norm_rescale"}
    yield "standard_heads", "standard", {"reshape_activations": "hook_z"}
    yield "standard_half", "standard", {"dtype": "bfloat16"}
    yield "topk", "topk", {"k": K}
    yield "topk_norm", "topk", {"k": K, "rescale_acts_by_decoder_norm": True}
    yield "topk_layer_norm", "topk", {"k": K, "normalize_activations": "layer_norm"}
    yield "jumprelu", "jumprelu", {"apply_b_dec_to_input": False}
    yield "jumprelu_subtract", "jumprelu", {}
    yield "gated", "gated", {}
    for skip in ("", "skip_"):
        yield f"{skip}transcoder", f"{skip}transcoder", transcoder
        yield f"jumprelu_{skip}transcoder", f"jumprelu_{skip}transcoder", transcoder
    yield "transcoder_layer_norm", "transcoder", transcoder | {"normalize_activations": "layer_norm"}


def saelens_write(folder: Path) -> None:
    """Every inference architecture, the three trained ones, and a flat configuration of before version 6."""
    from sae_lens.registry import get_sae_class

    for name, architecture, settings in saelens_cases():
        made, config = get_sae_class(architecture)
        sae = made(config(d_in=D, d_sae=F, **settings))
        sae.cfg.metadata = type(sae.cfg.metadata)(
            **SITES | ({"hook_name_out": "blocks.1.hook_mlp_out"} if "d_out" in settings else {})
        )
        if settings.get("reshape_activations") == "hook_z":
            sae.cfg.metadata.hook_name = "blocks.1.attn.hook_z"
        shaken(sae)
        sae.save_model(folder / name)
        x = inputs().reshape(ROWS, 3, D // 3) if "heads" in name else inputs()
        answer(folder / name, x, saelens_read(folder / name, x))
    saelens_trained(folder)
    saelens_flat(folder)


@torch.no_grad()
def saelens_answers(sae: Any, x: Tensor) -> dict[str, Tensor]:
    """Codes, then the reconstruction, which a skip path needs the input for."""
    return {"codes": sae.encode(x), "y": sae(x)}


def saelens_trained(folder: Path) -> None:
    """A few steps of SAELens' own trainer of each kind that is saved as something else."""
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.registry import get_sae_training_class
    from sae_lens.training.sae_trainer import SAETrainer

    kinds = {
        "trained_topk": ("topk", {"k": K}),
        "trained_batchtopk": ("batchtopk", {"k": float(K)}),
        "trained_matryoshka": ("matryoshka_batchtopk", {"k": float(K), "matryoshka_widths": [10, F]}),
        "trained_gated": ("gated", {}),
        "trained_jumprelu": ("jumprelu", {}),
    }
    for name, (architecture, settings) in kinds.items():
        torch.manual_seed(3)
        made, config = get_sae_training_class(architecture)
        sae = made(config(d_in=D, d_sae=F, **settings))
        plan = SAETrainerConfig(
            total_training_samples=ROWS * 30,
            train_batch_size_samples=ROWS,
            lr=3e-3,
            lr_end=3e-3,
            device="cpu",
            logger=LoggingConfig(log_to_wandb=False),
        )
        SAETrainer(cfg=plan, sae=sae, data_provider=iter(lambda: inputs(), None)).fit()
        sae.save_inference_model(folder / name)
        answer(folder / name, inputs(), saelens_read(folder / name, inputs()))


def saelens_flat(folder: Path) -> None:
    """A configuration of before version 6: the weights of TopK, with its k among the keywords."""
    source, flat = folder / "topk", folder / "flat_topk"
    flat.mkdir()
    weights = load_file(source / "sae_weights.safetensors") | {"scaling_factor": torch.ones(F)}
    save_file(weights, flat / "sae_weights.safetensors")
    config = {
        "architecture": "standard",
        "d_in": D,
        "d_sae": F,
        "dtype": "torch.float32",
        "device": "cpu",
        "hook_point": "blocks.2.hook_resid_post",
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
        "normalize_activations": False,
        "finetuning_scaling_factor": False,
        "context_size": 128,
        "model_name": "gpt2-small",
        "dataset_path": "text",
        "sae_lens_training_version": "3.0.0",
        "lr_warm_up_steps": 500,
    }
    (flat / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    answer(flat, inputs(), saelens_read(flat, inputs()))


def saelens_read(folder: Path, x: Tensor) -> dict[str, Tensor]:
    """By SAELens' own loader."""
    from sae_lens.saes.sae import SAE

    return saelens_answers(SAE.load_from_disk(folder, dtype="float32"), x)


# dictionary_learning


def dictionary_learning_write(folder: Path) -> None:
    """Every class, shaken; and BatchTopK, TopK and Matryoshka trained past the step where thresholds begin."""
    from dictionary_learning.dictionary import (
        AutoEncoder,
        AutoEncoderNew,
        GatedAutoEncoder,
        JumpReluAutoEncoder,
    )
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK

    made = {
        "AutoEncoder": AutoEncoder(D, F),
        "AutoEncoderNew": AutoEncoderNew(D, F),
        "GatedAutoEncoder": GatedAutoEncoder(D, F),
        "JumpReluAutoEncoder": JumpReluAutoEncoder(D, F),
        "AutoEncoderTopK": AutoEncoderTopK(D, F, K),
        "BatchTopKSAE": BatchTopKSAE(D, F, K),
        "MatryoshkaBatchTopKSAE": MatryoshkaBatchTopKSAE(D, F, K, [8, 12, 20]),
    }
    for name, module in made.items():
        shaken(module)
        dictionary_learning_keep(folder / name, module, name)
        if hasattr(module, "threshold") and module.threshold.ndim == 0:
            module.threshold.fill_(0.4)
            dictionary_learning_keep(folder / f"{name}_threshold", module, name)
    dictionary_learning_trained(folder)


def dictionary_learning_keep(folder: Path, module: Any, name: str) -> None:
    """As its training loop saves, read back by its own loader."""
    folder.mkdir()
    config = {"dict_class": name, "activation_dim": D, "dict_size": F, "layer": 3, "lm_name": "none"}
    config |= {"submodule_name": "resid_post_layer_3"} | ({"k": K} if hasattr(module, "k") else {})
    text = json.dumps({"trainer": config, "buffer": {"ctx_len": 128}})
    (folder / "config.json").write_text(text, encoding="utf-8")
    torch.save({key: value.cpu() for key, value in module.state_dict().items()}, folder / "ae.pt")
    answer(folder, inputs(), dictionary_learning_read(folder, inputs()))


def dictionary_learning_trained(folder: Path) -> None:
    """A run of its own loop, three trainers at once, on normalised activations."""
    from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
    from dictionary_learning.trainers.top_k import TopKTrainer
    from dictionary_learning.training import trainSAE

    common = {"activation_dim": D, "dict_size": F, "k": K, "layer": 0, "lm_name": "none", "steps": 60}
    common |= {"warmup_steps": 5, "threshold_start_step": 10, "seed": 0, "device": "cpu", "lr": 3e-3}
    kinds = [
        {"trainer": TopKTrainer, **common},
        {"trainer": BatchTopKTrainer, **common},
        {"trainer": MatryoshkaBatchTopKTrainer, "group_fractions": [0.25, 0.75], **common},
    ]
    data = [inputs(seed=seed) for seed in range(100, 160)]
    run = folder / "run"
    trainSAE(
        data * 3,
        kinds,
        steps=60,
        save_steps=[30],
        save_dir=str(run),
        device="cpu",
        normalize_activations=True,
    )
    for place in sorted(run.iterdir()):
        place.rename(folder / place.name)
        answer(folder / place.name, inputs(), dictionary_learning_read(folder / place.name, inputs()))
    run.rmdir()


@torch.no_grad()
def dictionary_learning_read(folder: Path, x: Tensor) -> dict[str, Tensor]:
    """By its own loader."""
    from dictionary_learning.utils import load_dictionary

    made, _ = load_dictionary(str(folder), device="cpu")
    codes = made.encode(x)
    return {"codes": codes, "y": made.decode(codes)}


# sparsify


def sparsify_write(folder: Path) -> None:
    """Autoencoder, transcoder, skip transcoder, and latents by expansion."""
    from sparsify import SparseCoder, SparseCoderConfig

    cases = {
        "layers.1": {"num_latents": F},
        "layers.2": {"expansion_factor": 3, "normalize_decoder": False},
        "layers.3.mlp": {"num_latents": F, "transcode": True},
        "layers.4.mlp": {"num_latents": F, "transcode": True, "skip_connection": True, "multi_topk": True},
    }
    for name, settings in cases.items():
        coder = SparseCoder(D, SparseCoderConfig(k=K, **settings))
        shaken(coder)
        coder.save_to_disk(folder / name)
        answer(folder / name, inputs(), sparsify_read(folder / name, inputs()))


@torch.no_grad()
def sparsify_read(folder: Path, x: Tensor) -> dict[str, Tensor]:
    """By its own loader; codes are made dense.

    With multi_topk its forward returns the reconstruction from 4k latents, without the skip path: that is `other`,
    and y is made from its encode and decode.
    """
    from sparsify import SparseCoder

    coder = SparseCoder.load_from_disk(folder)
    values, indices, _ = coder.encode(x)
    codes = torch.zeros(len(x), coder.num_latents, dtype=values.dtype).scatter_(1, indices, values)
    y = coder.decode(values, indices) + (x @ coder.W_skip.mT if coder.W_skip is not None else 0)
    return {"codes": codes, "y": y, "other": coder(x).sae_out}


# both ways


def answer(folder: Path, x: Tensor, outputs: dict[str, Tensor], suffix: str = "safetensors") -> None:
    """Inputs and outputs beside a folder."""
    tensors = {"x": x, **outputs}
    save_file(
        {name: value.detach().float().contiguous() for name, value in tensors.items()}, f"{folder}.{suffix}"
    )


WRITE: dict[str, Callable[[Path], None]] = {
    "saelens": saelens_write,
    "dictionary_learning": dictionary_learning_write,
    "sparsify": sparsify_write,
}
READ: dict[str, Callable[[Path, Tensor], dict[str, Tensor]]] = {
    "saelens": saelens_read,
    "dictionary_learning": dictionary_learning_read,
    "sparsify": sparsify_read,
}


def main(way: str, place: str) -> None:
    """Write every architecture, or read every folder."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for peer in WRITE:
        folder = Path(place) / peer
        folder.mkdir(exist_ok=True, parents=True)
        if way == "write":
            WRITE[peer](folder)
        for asked in sorted(folder.glob("*.safetensors")) if way == "read" else ():
            held = asked.with_suffix("")
            x = load_file(asked)["x"]
            answer(held, x, READ[peer](held, x), "peer.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
