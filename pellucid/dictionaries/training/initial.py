"""Where training begins: the scale of the activations, the first directions, the decoder bias."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.convention import Convention
from pellucid.dictionaries.dictionary import TINY, Dictionary, unit_rows
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.training.folding import fold_scales
from pellucid.dictionaries.variants.table import build
from pellucid.findings import InputError


def mean_norm_scale(x: Float[Tensor, "batch width"]) -> float:
    """S = sqrt(width) / E||x||; 1 where all activations are zero.

    Arguments:
        x: a sample of activations.
    """
    mean = float(x.double().norm(dim=1).mean())
    return float(x.shape[1] ** 0.5 / mean) if mean > 0 else 1.0


def geometric_median(
    x: Float[Tensor, "batch width"], *, iterations: int = 100, tolerance: float = 1e-5
) -> Float[Tensor, " width"]:
    """The point with the least summed distance: m <- sum x/||x - m|| / sum 1/||x - m||, from the mean.

    Arguments:
        x: points.
        iterations: at most so many.
        tolerance: stop when m moves by less than this share of its length.

    Source: Weiszfeld 1937.
    """
    points = x.double()
    median = points.mean(0)
    for _ in range(iterations):
        weights = 1 / (points - median).norm(dim=1).clamp_min(TINY)
        moved = (weights.unsqueeze(1) * points).sum(0) / weights.sum()
        small = float((moved - median).norm()) <= tolerance * float(moved.norm())
        median = moved
        if small:
            break
    return median.to(x.dtype)


def begin(
    config: TrainConfig,
    convention: Convention,
    sites: tuple[str, str],
    x: Float[Tensor, "batch d_in"],
    y: Float[Tensor, "batch d_out"],
) -> Dictionary:
    """A dictionary before its first step, b_dec at the targets' geometric median.

    Arguments:
        config: sizes and seed.
        convention: the record it follows.
        sites: where it reads and what it reconstructs.
        x: a sample of inputs.
        y: a sample of scaled targets.
    """
    dictionary = build(
        config.settings,
        x.shape[1],
        config.n_features,
        d_out=y.shape[1],
        site_in=sites[0],
        site_out=sites[1],
        convention=convention,
        seed=config.seed,
    )
    with torch.no_grad():
        directions(dictionary, config, y)
        if config.transcoder:
            drawn = torch.randn(dictionary.W_enc.shape, generator=stream("encoder", config.seed))
            dictionary.W_enc.copy_(unit_rows(drawn))
        dictionary.b_dec.copy_(geometric_median(y))
    return dictionary.to(x)


def directions(dictionary: Dictionary, config: TrainConfig, y: Float[Tensor, "batch d_out"]) -> None:
    """The first decoder rows, and an encoder that begins as the decoder where the widths agree.

    Arguments:
        dictionary: changed in place.
        config: which start, which length.
        y: a sample of scaled targets.
    """
    if config.initial != "random":
        generator = stream(f"{config.initial} rows", config.seed)
        basis = torch.eye(y.shape[1]) if config.initial == "orthogonal" else active_subspace(y.cpu().float())
        dictionary.W_dec.copy_(rows_within(basis, config, generator))
        if dictionary.W_enc.shape == dictionary.W_dec.shape:
            dictionary.W_enc.copy_(dictionary.W_dec)
    dictionary.W_dec.mul_(config.initial_length)


def rows_within(
    basis: Float[Tensor, "rank width"], config: TrainConfig, generator: torch.Generator
) -> Float[Tensor, "feature width"]:
    """Unit rows in the span of a basis: random ones, or blocks of orthonormal ones."""
    rank = len(basis)
    if config.initial == "active_subspace":
        return unit_rows(torch.randn((config.n_features, rank), generator=generator) @ basis)
    blocks = [
        torch.linalg.qr(torch.randn((rank, rank), generator=generator)).Q
        for _ in range(0, config.n_features, rank)
    ]
    return torch.cat(blocks)[: config.n_features]


def active_subspace(y: Float[Tensor, "batch width"], share: float = 0.99) -> Float[Tensor, "rank width"]:
    """Leading right singular vectors of the centred rows that hold a share of the variance.

    Arguments:
        y: a sample.
        share: of the variance.

    Source: the idea of arXiv 2508.16929 for attention outputs.
    """
    sizes: Tensor
    basis: Tensor
    _, sizes, basis = torch.linalg.svd((y - y.mean(0)).double(), full_matrices=False)
    held = sizes.square().cumsum(0) / sizes.square().sum().clamp_min(TINY)
    rank = int((held < share).sum()) + 1
    return basis[:rank].to(y.dtype)


def continued(
    start: Dictionary,
    config: TrainConfig,
    convention: Convention,
    sites: tuple[str, str],
    scales: tuple[float, float],
) -> Dictionary:
    """A copy of a trained dictionary, in the units of this training.

    Arguments:
        start: for raw activations.
        config: of the training that goes on; the variant and the sizes must be the start's.
        convention: the record it follows.
        sites: where it reads and what it reconstructs.
        scales: of inputs and targets.

    Raises:
        InputError: DI29 for a dictionary that this configuration cannot go on from.
    """
    made = build(
        config.settings,
        start.d_in,
        config.n_features,
        d_out=start.d_out,
        site_in=sites[0],
        site_out=sites[1],
        convention=convention,
        seed=config.seed,
    )
    same = type(made) is type(start) and comparable(made) == comparable(start)
    if not same or start.n_features != config.n_features:
        raise InputError(
            "DI29",
            f"The training of a {config.variant} of {config.n_features} latents cannot go on from a "
            f"{start.settings()['variant']} of {start.n_features} with another record.",
            "Give the variant, n_features, subtract, rank_score and skip of the dictionary to start from.",
        )
    made.load_state_dict(start.state_dict())
    fold_scales(made, 1 / scales[0], 1 / scales[1])
    return made


def comparable(dictionary: Dictionary) -> tuple[str, str, str, str]:
    """The parts of the record that the weights depend on."""
    record = dictionary.convention
    return record.input_transform, record.subtract, record.rank_score, record.skip
