"""Small trained dictionaries for the gate doctor, of a world whose mean is not zero, and ways to spoil them."""

from __future__ import annotations

import dataclasses
import functools

import torch

from pellucid.dictionaries import Convention, Dictionary, TrainConfig, train
from pellucid.dictionaries.formats.conversion import as_jumprelu, fold_subtraction, remade
from pellucid.dictionaries.training.folding import rescale_latents
from pellucid.organisms.superposition import world

D, F, K = 16, 48, 3
SITE = "blocks.1.resid_post"
PRICES = {"relu": 0.5, "jumprelu": 0.3, "gated": 0.5}


@functools.cache
def data(size: float = 1.0, seed: int = 0) -> torch.Tensor:
    """8192 rows; a twentieth of the size asks for a scale of about 36."""
    rows, _ = world(24, D, l0=2.5, seed=seed).sample(8192, seed=seed + 100)
    mean = 0.5 * torch.randn(D, generator=torch.Generator().manual_seed(seed))
    return size * (0.3 * rows + mean)


def normed(rows: torch.Tensor) -> torch.Tensor:
    """Less the mean and over the unbiased deviation, as layer_norm."""
    return (rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + 1e-5)


@functools.cache
def trained(variant: str, size: float = 1.0, seed: int = 0, layer_norm: bool = False) -> Dictionary:
    """A dictionary of that world, or of its rows after a layer norm, which its record then says."""
    rows = data(size, seed)
    config = TrainConfig(
        variant=variant,  # type: ignore[arg-type]
        n_features=F,
        k=K,
        steps=200,
        batch=256,
        lr=3e-3,
        seed=seed,
        sparsity=PRICES.get(variant, 0.0),
        site=SITE,
    )
    made = train(normed(rows) if layer_norm else rows, config)
    if layer_norm:
        record = {"input_transform": "layer_norm", "restore": "without_epsilon"}
        made = remade(made, made.state_dict(), **record)
    return made.requires_grad_(False)


def with_promise(dictionary: Dictionary, l0: float) -> Dictionary:
    """The same, whose file said an L0."""
    made = remade(dictionary, dictionary.state_dict())
    made.training_record = {"origin": {"format": "", "promise": {"l0": l0}}}
    return made


@functools.cache
def ranked(seed: int = 0) -> Dictionary:
    """A TopK that ranks by h n, of unequal decoder rows: the function of the one it was made of."""
    return spread(remade(trained("topk"), trained("topk").state_dict(), rank_score="h_norm"), seed)


def spread(dictionary: Dictionary, seed: int = 0) -> Dictionary:
    """Decoder rows of lengths between 1/4 and 4; for dictionaries that compare h n."""
    generator = torch.Generator().manual_seed(seed)
    rescale_latents(dictionary, 2 ** (4 * torch.rand(F, generator=generator) - 2))
    dictionary.convention = dataclasses.replace(dictionary.convention, decoder_unit_norm=False)
    return dictionary


def scale_of(rows: torch.Tensor) -> float:
    """sqrt(d) / mean norm."""
    return float(D**0.5 / rows.norm(dim=1).mean())


@functools.cache
def scoped(size: float = 0.05) -> Dictionary:
    """As Llama Scope stores it: weights of a scaled space, one threshold on h n, nothing subtracted."""
    scale = scale_of(data(size))
    start = fold_subtraction(as_jumprelu(trained("batchtopk", size)), "none")
    tensors = dict(start.state_dict())
    for name in ("b_enc", "b_dec", "threshold"):
        tensors[name] = tensors[name] * scale
    record = Convention(subtract="none", rank_score="h_norm", input_transform="scale")
    made = remade(
        start,
        tensors,
        rank_score="h_norm",
        input_transform=record.input_transform,
        scale_in=scale,
        scale_out=scale,
        excluded_positions=(0,),
    )
    return spread(made)


def l0(dictionary: Dictionary, rows: torch.Tensor) -> float:
    """Mean number of active latents."""
    return float((dictionary.encode(rows) != 0).sum(1).double().mean())


def fvu(dictionary: Dictionary, rows: torch.Tensor) -> float:
    """Share of the variance that is missed, in float64."""
    y = rows.double()
    error = (y - dictionary(rows).double()).square().sum()
    return float(error / (y - y.mean(0)).square().sum())
