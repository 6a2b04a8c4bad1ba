"""From raw metric values of patched runs to shares of the distance between the two unpatched runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

RELATIVE_FLOOR = 1e-3
ABSOLUTE_FLOOR = 1e-6


@dataclass(frozen=True)
class Recovery:
    """Normalised and raw effects of one direction."""

    share: Float[np.ndarray, "metric site pos"]
    difference: Float[np.ndarray, "metric site pos"]
    joint_share: Float[np.ndarray, "metric site"]
    joint_difference: Float[np.ndarray, "metric site"]
    divided: Bool[np.ndarray, "metric"]
    averaging_gap: float
    """Largest relative gap between the ratio of means and the mean of ratios, over effects above 0.05."""
    metric_agreement: float | None
    """Smallest Spearman correlation of two metrics over all cells; None when there is no such pair."""


def recover(
    patched: Float[Tensor, "site cell metric batch"],
    baseline: Mapping[str, Float[Tensor, "metric batch"]],
    direction: str,
) -> Recovery:
    """Normalise one direction's sweep.

    ``R = (m_patched - m_corrupt) / (m_clean - m_corrupt)`` when denoising, ``(m_clean - m_patched) / (m_clean
    - m_corrupt)`` when noising: ratio of means over prompts. A metric whose two baselines lie closer than
    1e-3 of its spread (and 1e-6 in any case) is not divided: its share is NaN and only the raw difference is
    reported.

    Source: Heimersheim and Nanda (2024), arXiv 2404.15255, section 4.
    """
    values = patched.numpy().transpose(2, 0, 1, 3)
    clean, corrupt = baseline["clean"].numpy(), baseline["corrupt"].numpy()
    start, sign = (corrupt, 1.0) if direction == "denoise" else (clean, -1.0)
    moved = values - start[:, None, None]
    distance = sign * (clean - corrupt)
    raw, divided = moved.mean(-1), divisible(clean, corrupt)
    share = np.full_like(raw, np.nan)
    share[divided] = raw[divided] / distance.mean(1)[divided, None, None]
    return Recovery(
        share=share[:, :, :-1],
        difference=raw[:, :, :-1],
        joint_share=share[:, :, -1],
        joint_difference=raw[:, :, -1],
        divided=divided,
        averaging_gap=averaging_gap(moved, distance, share, divided),
        metric_agreement=agreement(share[:, :, :-1], divided),
    )


def divisible(
    clean: Float[np.ndarray, "metric batch"], corrupt: Float[np.ndarray, "metric batch"]
) -> Bool[np.ndarray, "metric"]:
    """Which metrics lie far enough apart to divide by their distance."""
    both = np.concatenate([clean, corrupt], axis=1)
    floor = np.maximum(ABSOLUTE_FLOOR, RELATIVE_FLOOR * (both.max(1) - both.min(1)))
    return np.asarray(np.abs((clean - corrupt).mean(1)) >= floor)


def averaging_gap(
    moved: Float[np.ndarray, "metric site cell batch"],
    distance: Float[np.ndarray, "metric batch"],
    share: Float[np.ndarray, "metric site cell"],
    divided: Bool[np.ndarray, "metric"],
) -> float:
    """How far the mean of ratios is from the ratio of means, relative, where the effect is above 0.05."""
    usable = divided & (np.abs(distance) >= ABSOLUTE_FLOOR).all(1)
    ratios = (moved[usable] / distance[usable][:, None, None]).mean(-1)
    means = share[usable]
    large = np.abs(means) > 0.05
    return float(np.max(np.abs(ratios - means)[large] / np.abs(means)[large], initial=0.0))


def agreement(
    share: Float[np.ndarray, "metric site pos"], divided: Bool[np.ndarray, "metric"]
) -> float | None:
    """The smallest Spearman correlation between two metrics' effects."""
    from scipy.stats import spearmanr

    rows = [row.ravel() for row in share[divided] if np.ptp(row) > 0]
    pairs = [(a, b) for at, a in enumerate(rows) for b in rows[at + 1 :]]
    return min((float(spearmanr(a, b).statistic) for a, b in pairs), default=None)
