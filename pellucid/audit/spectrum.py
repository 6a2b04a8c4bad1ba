"""Is the change of weights narrow? A behaviour that was trained in alone moves few directions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.audit import rule
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.audit.reference import shapes, weights
from pellucid.findings import Array, Finding, Kind, Measure, View, register

PARTS: Final[Mapping[str, str]] = {
    "qkv": r"(?:attn|attention|self_attn)\.(?:q|k|v|q_proj|k_proj|v_proj|c_attn|query_key_value)",
    "o": r"(?:attn|attention|self_attn)\.(?:o|o_proj|c_proj|dense)",
    "up": r"mlp\.(?:up|gate|up_proj|gate_proj|c_fc|dense_h_to_4h)",
    "down": r"mlp\.(?:down|down_proj|c_proj|dense_4h_to_h)",
}
BLOCK: Final = re.compile(r"(?:^|\.)(\d+)\.")
MAD: Final = 1.4826
RARE_ROWS: Final = 20

KIND = register(
    Kind(
        name="audit.weight_spectrum",
        title="How narrow the change of weights is",
        statement="The change of weights has a geometric mean stable rank of {G.value}.",
        supports=rule.SPECTRUM_WIDE,
        refutes=rule.SPECTRUM_NARROW,
        views=(
            View(
                form="heatmap",
                array="stable_rank",
                title="Stable rank of the change, by layer and part",
                x="part",
                y="layer",
            ),
            View(
                form="bar",
                array="embedding_rows",
                title="The tokens whose embedding moved most",
                x="token",
                y="robust z",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="audit",
    )
)


def weight_spectrum(pair: Pair, *, session: Session = ALONE) -> Finding:
    """Measure the stable ranks of the change of weights ``D = W_M - W_R``.

    ``stable rank = sum_i s_i^2 / s_1^2`` over the singular values of D, the mean over layers for each of qkv,
    o, up and down, and ``G`` their geometric mean. Query, key and value matrices of one layer count as one
    matrix. The change of a matrix that did not change has no rank: G is then undefined and the status failed,
    never a number.

    Args:
        pair: Suspect M and reference R of equal shapes.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.weight_spectrum``. Supporting only: a trainer who knows the rule can widen a
        spectrum.

    Example: ``weight_spectrum(Pair(model, model)).status == "failed"``.

    Source: this project's audit; stable rank as in Rudelson and Vershynin (2007), section 1.
    """
    return measured(
        KIND,
        weight_spectrum,
        pair,
        text=None,
        settings={},
        seed=None,
        session=session,
        compute=lambda: spectra(pair),
    )


def spectra(pair: Pair) -> Measured:
    """Stable ranks by layer and part, their means, and the embedding rows that moved most."""
    ours, theirs = weights(pair.suspect), weights(pair.reference)
    changes = {} if shapes(ours) != shapes(theirs) else changed_parts(ours, theirs)
    layers = sorted({layer for layer, _ in changes}) or [0]
    table = np.array([[rank_of(changes.get((layer, part))) for part in PARTS] for layer in layers])
    means = table.mean(0)
    total = float(np.exp(np.log(means).mean())) if np.isfinite(means).all() else None
    named = zip(PARTS, means.tolist(), strict=True)
    measures = [Measure.of("G", total, better="higher")]
    measures += [Measure.of(part, value if np.isfinite(value) else None) for part, value in named]
    axes = {"layer": [str(layer) for layer in layers], "part": list(PARTS)}
    return Measured(
        measures,
        {"stable_rank": Array(table, ("layer", "part"), axes), "embedding_rows": embedding_rows(pair)},
    )


def changed_parts(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[tuple[int, str], Tensor]:
    """The change of every part of every layer; matrices of one part are stacked along their outputs."""
    pieces: dict[tuple[int, str], list[Tensor]] = defaultdict(list)
    for name, value in theirs.items():
        place = part_of(name)
        if place and value.dim() == 2:
            pieces[place].append((ours[name] - value).double())
    return {place: stacked(changes) for place, changes in pieces.items()}


def part_of(name: str) -> tuple[int, str] | None:
    """Layer and part that a parameter belongs to, by its name; None for embeddings, norms and biases."""
    block = BLOCK.search(name)
    if not block or not name.endswith(".weight"):
        return None
    matches = (part for part, pattern in PARTS.items() if re.search(rf"{pattern}\.weight$", name))
    part = next(matches, None)
    return None if part is None else (int(block.group(1)), part)


def stacked(changes: list[Tensor]) -> Tensor:
    """Several matrices that read the same input as one."""
    return changes[0] if len(changes) == 1 else torch.cat(changes, dim=0)


def rank_of(change: Tensor | None) -> float:
    """The stable rank, NaN where there is no change."""
    return float("nan") if change is None else stable_rank(change)


def stable_rank(matrix: Float[Tensor, "rows columns"]) -> float:
    """``sum s^2 / s_1^2``; NaN for the zero matrix, whose rank is undefined."""
    values = torch.linalg.svdvals(matrix.double()).square()
    return float(values.sum() / values.max()) if float(values.max()) > 0 else float("nan")


def embedding_rows(pair: Pair) -> Array:
    """The tokens whose embedding moved most, as robust z: ``(|D_v| - median) / (1.4826 MAD)``."""
    ours, theirs = embedding(weights(pair.suspect), pair), embedding(weights(pair.reference), pair)
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return Array(np.array([np.nan]), ("token",), {"token": ["none"]})
    moved = (ours - theirs).double().norm(dim=1).numpy()
    middle = np.median(moved)
    width = MAD * np.median(np.abs(moved - middle))
    scores = (moved - middle) / width if width > 0 else np.zeros_like(moved)
    best = np.argsort(-scores, kind="stable")[:RARE_ROWS]
    names = [f"{at} {pair.suspect.tokenizer.token(at)!r}" for at in best.tolist()]
    return Array(scores[best], ("token",), {"token": names})


def embedding(tensors: Mapping[str, Tensor], pair: Pair) -> Tensor | None:
    """The token embedding: the first matrix with one row a token."""
    rows = (value for value in tensors.values() if value.dim() == 2 and value.shape[0] == pair.vocabulary)
    return next(rows, None)
