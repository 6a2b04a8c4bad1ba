"""Absorption and splitting: where a latent that means one thing leaves some of its cases to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int

from pellucid.dictionaries.truth.detection import dense_firing, phi

ABSORBING = 0.5  # cosine to parent + child above which a latent can have absorbed the parent
NEAR = 0.7  # cosine to a feature above which a latent can be one of its parts
EXPLAINED = 0.9  # share of a feature's rows that its parts must cover together
MINE = 0.5  # share of a latent's fires that must be the feature's: a parent's latent is no part of a child


@dataclass(frozen=True)
class Absorption:
    """Counts of rows for each parent."""

    parents: Int[np.ndarray, " parent"]
    """Which features are parents."""
    on: Int[np.ndarray, " parent"]
    """Rows at which the parent is there."""
    missed: Int[np.ndarray, " parent"]
    """Of these, rows at which its latent is off."""
    absorbed: Int[np.ndarray, " parent"]
    """Of these, rows at which a latent near parent + child is on, for a child that is there."""


def absorption(
    fires: scipy.sparse.csc_array,
    there: Bool[np.ndarray, "row feature"],
    directions: Float[np.ndarray, "feature width"],
    latents: Float[np.ndarray, "latent width"],
    parents: Int[np.ndarray, " feature"],
) -> Absorption:
    """Count, for each parent, the rows at which another latent fires in its own latent's place.

        absorbed: parent on, its latent off, a child on, a latent with cos(w, d_parent + d_child) > .5 on

    The parent's latent is the one whose direction is nearest to the parent's.

    Arguments:
        fires: 1 where a latent is active.
        there: where a true feature is active.
        directions: true directions of length 1.
        latents: the dictionary's directions of length 1.
        parents: the parent of each feature; below 0 for none.

    Source: Chanin et al. 2024, arXiv 2409.14507, section 4.
    """
    above = np.unique(parents[parents >= 0])
    counts = np.zeros((3, len(above)), dtype=np.int64)
    for place, parent in enumerate(above):
        own = int((latents @ directions[parent]).argmax())
        missed = there[:, parent] & ~dense_firing(fires, np.array([own]))[:, 0]
        absorbed = np.zeros_like(missed)
        for child in np.flatnonzero(parents == parent):
            both = directions[parent] + directions[child]
            near = np.flatnonzero(latents @ both > ABSORBING * np.linalg.norm(both))
            absorbed |= there[:, child] & dense_firing(fires, near[near != own]).any(1)
        counts[:, place] = there[:, parent].sum(), missed.sum(), (missed & absorbed).sum()
    return Absorption(above, *counts)


def parts_of(
    fires: scipy.sparse.csc_array,
    there: Bool[np.ndarray, "row feature"],
    cosines: Float[np.ndarray, "feature latent"],
) -> Int[np.ndarray, " feature"]:
    """Into how many latents each feature is split; 0: it is not.

    A feature is split when at least two latents within cosine .7 of it, half of whose fires are its own,
    avoid firing together (phi below 0 for every pair) and fire on at least .9 of its rows between them, while
    none does so alone.

    Arguments:
        fires: 1 where a latent is active.
        there: where a true feature is active.
        cosines: of true directions with latents.
    """
    near = cosines > NEAR
    parts = np.zeros(len(cosines), dtype=np.int64)
    for feature in np.flatnonzero((near.sum(1) > 1) & there.any(0)):
        parts[feature] = split(dense_firing(fires, np.flatnonzero(near[feature])), there[:, feature])
    return parts


def split(firing: Bool[np.ndarray, "row some"], there: Bool[np.ndarray, " row"]) -> int:
    """How many exclusive latents cover a feature together; 0 when one does alone, or all do not."""
    mine = firing[there].sum(0) >= MINE * firing.sum(0)
    covers = np.where(mine, firing[there].mean(0), 0.0)
    if covers.max() >= EXPLAINED:
        return 0
    kept: list[int] = []
    for latent in np.argsort(-covers, kind="stable"):
        if covers[latent] > 0 and (phi(firing[:, latent], firing[:, kept]) < 0).all():
            kept.append(int(latent))
    together = firing[there][:, kept].any(1).mean()
    return len(kept) if len(kept) > 1 and together >= EXPLAINED else 0
