"""Groups of latents that never fire together and between them stand for one other latent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from pellucid.dictionaries.geometry.activity import Activity

TAKES_PART = 0.05  # share of the narrow latent's rows on which each part must fire
MOST_PARTS = 16  # parts considered for one latent, those that fire most often with it
LEVEL = 0.05  # false discovery rate at which two parts are called exclusive


@dataclass(frozen=True)
class Family:
    """A narrow latent and the wide latents that may be its parts."""

    latent: int
    """The narrow latent."""
    rows: Int[np.ndarray, " row"]
    """Rows on which it fires."""
    parts: Int[np.ndarray, " part"]
    """Wide latents close to it that fire on at least 5 % of these rows."""
    cosine: Float[np.ndarray, " part"]
    """Their cosines with it."""
    fires: tuple[Int[np.ndarray, " fire"], ...]
    """Rows on which each part fires."""
    on: Bool[np.ndarray, "part row"]
    """Whether each part fires on each of the narrow latent's rows."""


@dataclass(frozen=True)
class Exclusion:
    """How surely the parts of one family exclude each other."""

    phi: Float[np.ndarray, "part part"]
    """Phi coefficient of two parts' firing, over all rows."""
    p: Float[np.ndarray, "part part"]
    """Chance that independent parts fire together so rarely, adjusted for the number of pairs tested."""


@dataclass(frozen=True)
class Group:
    """Parts that exclude each other."""

    members: tuple[int, ...]
    """Places in the family."""
    together: float
    """Share of the narrow latent's rows on which at least one fires."""


def families_of(
    pairs: Int[np.ndarray, "pair two"],
    cosine: Float[np.ndarray, " pair"],
    latents: tuple[Int[np.ndarray, " narrow"], Int[np.ndarray, " wide"]],
    firing: tuple[Activity, Activity],
) -> list[Family]:
    """Narrow latents with at least two wide ones that take part in them.

    Arguments:
        pairs: places of a narrow and of a wide latent whose directions are close, in order.
        cosine: of each pair.
        latents: which latents the places stand for.
        firing: of these latents, narrow and wide.
    """
    found = []
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    for group in np.split(np.arange(len(pairs)), starts[1:]):
        rows = firing[0].rows[pairs[group[0], 0]] if len(group) > 1 else np.zeros(0)
        if len(rows) == 0:
            continue
        fires = [firing[1].rows[place] for place in pairs[group, 1]]
        on = np.stack([np.isin(rows, one, assume_unique=True) for one in fires])
        share = on.mean(1)
        kept = np.argsort(-share, kind="stable")[:MOST_PARTS]
        kept = kept[share[kept] >= TAKES_PART]
        if len(kept) > 1:
            latent, parts = latents[0][pairs[group[0], 0]], latents[1][pairs[group[kept], 1]]
            chosen = tuple(fires[place] for place in kept)
            found.append(Family(int(latent), rows, parts, cosine[group[kept]], chosen, on[kept]))
    return found


def exclusions(families: Sequence[Family], n: int) -> list[Exclusion]:
    """Phi of every two parts, and how surely it is below 0.

        phi = (n n11 - n1 n2) / sqrt(n1 n2 (n - n1) (n - n2))
        p = P(X <= n11), X hypergeometric: n1 and n2 of n rows drawn independently

    p is adjusted over all pairs of all families (Benjamini and Hochberg). Rows are taken as independent.

    Arguments:
        families: whose parts.
        n: rows of the source.
    """
    from scipy.stats import false_discovery_control, hypergeom

    counts = np.array(
        [
            (len(np.intersect1d(a, b, assume_unique=True)), len(a), len(b))
            for family in families
            for a, b in combinations(family.fires, 2)
        ],
        dtype=np.float64,
    ).reshape(-1, 3)
    both, one, two = counts.T
    spread = np.sqrt(one * two * (n - one) * (n - two))
    phi = np.divide(n * both - one * two, spread, out=np.zeros_like(spread), where=spread > 0)
    p = hypergeom.cdf(both, n, one, two).clip(0, 1)
    adjusted = false_discovery_control(p) if len(p) else p
    return list(map(Exclusion, by_family(families, phi), by_family(families, adjusted)))


def by_family(
    families: Sequence[Family], values: Float[np.ndarray, " pair"]
) -> list[Float[np.ndarray, "part part"]]:
    """Values of pairs as one symmetric square for each family, 1 on its diagonal."""
    squares, begin = [], 0
    for family in families:
        m = len(family.parts)
        square, upper = np.eye(m), np.triu_indices(m, 1)
        end = begin + len(upper[0])
        square[upper] = values[begin:end]
        square.T[upper] = values[begin:end]
        squares.append(square)
        begin = end
    return squares


def best_group(family: Family, exclusive: Bool[np.ndarray, "part part"]) -> Group:
    """Of all groups whose members exclude each other, the one that covers most of the narrow latent's rows.

    Arguments:
        family: a narrow latent and its possible parts.
        exclusive: which two parts exclude each other.

    Returns:
        The group; without members where no two exclude each other. Of equal groups the first.
    """
    best = Group((), 0.0)
    for members in cliques(exclusive):
        together = float(family.on[list(members)].any(0).mean())
        if len(members) > 1 and together > best.together:
            best = Group(members, together)
    return best


def cliques(allowed: Bool[np.ndarray, "part part"]) -> list[tuple[int, ...]]:
    """All largest sets of places every two of which are allowed together, in order.

    Arguments:
        allowed: symmetric; the diagonal is not read.

    Source: Bron and Kerbosch 1973, "Algorithm 457", Communications of the ACM 16(9).
    """
    near = [set(np.flatnonzero(row)) - {place} for place, row in enumerate(allowed)]
    found: list[tuple[int, ...]] = []

    def grow(members: set[int], open_places: set[int], closed: set[int]) -> None:
        """Extend a set by every place still open to it; ``closed`` were tried before."""
        if not open_places and not closed:
            found.append(tuple(sorted(int(place) for place in members)))
        for place in sorted(open_places):
            grow(members | {place}, open_places & near[place], closed & near[place])
            open_places, closed = open_places - {place}, closed | {place}

    grow(set(), set(range(len(near))), set())
    return sorted(found)
