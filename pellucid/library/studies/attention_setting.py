"""What the parts of the study of attention outputs share: texts, dictionaries, and how a Finding is begun."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.training.loop import train_suite
from pellucid.findings import Array, DataRef, Finding, Interval, Measure, Record, Subject, start
from pellucid.models import Model, harvest, open_model, windows
from pellucid.organisms import text
from pellucid.organisms.texts import held_out

SOURCE = "Kissane et al. 2024 (arXiv 2406.17759)"
COMMAND = "pellucid study run attention-sae"
ORGANISM, CONTEXT = "organism:bard", 64
LATENTS, K = 1024, 16
"""Eight times the width; k below the paper's 20. Chosen on seed 100, before seeds 0 to 2 ran."""
READ, EXACT = 64, 4
"""Held-out sequences on which sources and ablations are read, and sums are checked."""
Ends = Float[np.ndarray, "row end"]


def steps_of(profile: str) -> int:
    """Steps of every training."""
    return 300 if profile == "quick" else 2000


def judged_of(profile: str) -> int:
    """Held-out sequences on which losses are measured; in full all of them."""
    return 256 if profile == "quick" else 1075


def sequences(model: Model, split: str) -> Int[Tensor, "batch pos"]:
    """Windows of one part of both texts; of the training part every fourth, spread over the whole.

    Arguments:
        model: whose tokenizer.
        split: train or validation.
    """
    parts = (torch.tensor(model.tokenizer.encode(text(split, source))) for source in ("plays", "epic"))
    return torch.cat([windows(part, CONTEXT, CONTEXT) for part in parts])[:: 4 if split == "train" else 1]


def spread(rows: Int[Tensor, "batch pos"], count: int) -> Int[Tensor, "some pos"]:
    """So many of the sequences, evenly over all of them."""
    return rows[:: max(1, len(rows) // count)][:count]


def trained(
    model: Model, tokens: Int[Tensor, "batch pos"], part: str, seed: int, steps: int
) -> list[Dictionary]:
    """A dictionary of every layer.

    Arguments:
        model: whose attention.
        tokens: to train on.
        part: attn.z, the heads side by side, or attn_out, what W_O makes of them.
        seed: of weights and order.
        steps: of each training.
    """
    sites = [f"blocks.{layer}.{part}" for layer in range(model.facts.n_layers)]
    width = min(LATENTS, 8 * model.facts.n_heads * model.facts.d_head)
    configs = [
        TrainConfig(
            n_features=width,
            k=K,
            site=site,
            steps=steps,
            lr=2e-3,
            seed=seed,
            order_seed=seed,
            log_every=steps,
        )
        for site in sites
    ]
    return train_suite(harvest(model, tokens, sites), configs)


def random_like(dictionary: Dictionary, seed: int) -> Dictionary:
    """The same with random unit decoder rows, the encoder tied to them: what training is held against.

    Arguments:
        dictionary: whose sizes, biases of the output and selection are kept.
        seed: of the rows.
    """
    made = copy.deepcopy(dictionary)
    rows = torch.randn(dictionary.W_dec.shape, generator=stream("random rows", seed))
    with torch.no_grad():
        made.W_dec.copy_(functional.normalize(rows, dim=1))
        made.W_enc.copy_(made.W_dec)
        if made.b_enc is not None:
            made.b_enc.zero_()
    return made


def begun(
    method: Callable[..., Any],
    claim: str,
    part: str,
    seed: int,
    settings: Mapping[str, Any],
    *,
    parents: Sequence[Finding] = (),
    dtype: str = "float32",
) -> Record:
    """The record of one Finding about bard.

    Arguments:
        method: what measures it.
        claim: as C1; "" for what the paper does not claim.
        part: of the claim, "" where it has one only.
        seed: of weights, order and resampling.
        settings: further parameters.
        parents: what it rests on.
        dtype: in what precision it was computed.
    """
    named = {"claim": f"attention-sae.{claim}"} if claim else {}
    parts = {"part": part} if part else {}
    return start(
        method,
        parameters={**named, **parts, "latents": LATENTS, "k": K, **settings},
        subject=subject(),
        data=DataRef(id=held_out().id, sha256=held_out().sha256),
        seed=seed,
        dtype=dtype,
        parents=tuple(parent.id for parent in parents),
        command=COMMAND,
    )


def subject() -> Subject | None:
    """Bard."""
    return open_model(ORGANISM, device="cpu").subject


def ends_of(findings: Sequence[Finding], name: str) -> Ends:
    """Value, low and high of one measure in several Findings; NaN where it could not be measured."""
    found = [finding.measures[name] for finding in findings]
    rows = [(one.value, one.low, one.high) for one in found]
    return np.array([[np.nan if end is None else end for end in row] for row in rows], dtype=np.float64)


def measured(name: str, ends: Sequence[float], n: int, **given: Any) -> Measure:
    """A measure from value, low and high; without a value where one of them is NaN."""
    if np.isnan(ends).any():
        return Measure.of(name, None, n=n, **given)
    value, low, high = map(float, ends)
    return Measure.of(name, Interval(value, low, high, n, 0.95, "bootstrap"), **given)


def by_layer(ends: Ends) -> Array:
    """One row for each layer, ready to be drawn."""
    return Array(ends, ("layer", "end"), {"layer": list(range(len(ends))), "end": ["value", "low", "high"]})
