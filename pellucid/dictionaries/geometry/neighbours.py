"""How close a dictionary's decoder directions stand to each other, or to another dictionary's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.geometry.activity import counted, measured_on, opened
from pellucid.dictionaries.geometry.directions import (
    Directions,
    components,
    isotropic,
    living,
    nearest,
    neighbour_threshold,
    refuse_other_width,
    shuffled,
    subject_of,
)
from pellucid.findings import (
    Array,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    register,
    start,
    wilson,
)

SAMPLE = 2048  # rows of a random dictionary whose nearest neighbours are sought, among all its rows
COPY = 0.9  # cosine above which two latents say nearly the same
CHANCE = 0.01  # share of a random dictionary's latents with a neighbour as close as "beyond" asks
GRID = np.round(np.linspace(0, 1, 101), 2)
SHOWN = 30  # pairs in the table
DRAWN = ("this dictionary", "random, same covariance", "random, isotropic")

KIND = register(
    Kind(
        name="dictionaries.geometry",
        title="How close latents' directions stand",
        statement="The nearest neighbours of {max_cosine.n} latents stand at a mean cosine of "
        "{max_cosine.value}, those of random directions of the same covariance at {random_covariance.value}; "
        "{beyond.percent} of the latents have a neighbour closer than 99 % of random ones have.",
        supports="beyond.low > 0.01",
        refutes="beyond.high < 0.01",
        views=(
            View(
                form="line",
                array="cdf",
                title="Share of latents whose nearest neighbour is no closer than a cosine",
                x="cosine",
                y="share of latents",
            ),
            View(
                form="histogram",
                array="max_cosine",
                title="How close each latent's nearest neighbour is",
                x="largest cosine",
                y="latents",
            ),
            View(
                form="table",
                array="closest",
                title="The closest pairs of latents",
                x="pair",
                unit="cosine",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of living latents, and of random directions."""

    mine: Directions
    """Whose neighbours."""
    others: Directions
    """Among which; the same as ``mine`` for one dictionary."""
    cosine: Float[Tensor, " latent"]
    """Largest cosine of each latent."""
    index: Int[Tensor, " latent"]
    """The row of ``others`` it is reached at."""
    covariance: Float[Tensor, " sample"]
    """Largest cosines where ``others`` is random with the same mean and covariance."""
    isotropic: Float[Tensor, " sample"]
    """Largest cosines where ``others`` is uniform on the sphere."""

    @property
    def own(self) -> bool:
        """Whether the neighbours are of the same dictionary."""
        return self.mine is self.others

    def beyond(self) -> Interval:
        """Share of latents closer than 99 % of random ones; the ends allow for the sample of random ones."""
        from scipy.stats import binom

        n, drawn = len(self.cosine), len(self.covariance)
        twice = 2 if self.own else 1  # each other's neighbours share a cosine: two latents, one observation
        bars = np.append(np.sort(self.covariance.numpy()), np.inf)
        # order statistics between which the 99 % point lies, and the one at it
        places = twice * binom.ppf([0.025, 0.5, 0.975], drawn // twice, 1 - CHANCE).astype(int) - [1, 0, 0]
        above = [int((self.cosine > bar).sum()) for bar in bars[places.clip(0, drawn)]]
        most, _, least = (wilson(count // twice, n // twice) for count in above)
        return Interval(above[1] / n, least.low, most.high, n, most.level, "Wilson, at both ends of the bar")


def decoder_geometry(
    dictionary: Dictionary,
    other: Dictionary | None = None,
    source: Any = None,
    *,
    threshold: float | None = None,
    seed: int = 0,
) -> Finding:
    """Find the nearest neighbour of every decoder direction, beside random directions.

        c_i = max_j cos(W_dec[i], W'_dec[j])        j != i within one dictionary

    Every pair is compared, block by block, so memory grows with the number of latents, not of pairs. Random
    directions: the same rows with their coordinates in the eigenbasis of the covariance shuffled, and rows
    uniform on the sphere; their neighbours are sought for 2,048 rows or a few more, each among all rows of
    its random dictionary. Clusters are the connected components of cos > threshold.

    Arguments:
        dictionary: whose latents.
        other: among whose latents to look; None: among its own.
        source: rows on which a latent must fire to count as living, as ``train`` takes them; None: every
            latent with a direction counts.
        threshold: cosine above which two latents of one dictionary are neighbours, between 0 and 1; None:
            sqrt(12 ln F / d) for F living latents of width d.
        seed: of the random directions.

    Returns:
        A Finding ``dictionaries.geometry`` with the measures max_cosine (mean over living latents), dead
        (latents left out), random_covariance and random_isotropic (the same mean for random directions),
        beyond (share of latents closer to their neighbour than 99 % of random ones), near_copies (share at a
        cosine above 0.9), and within one dictionary threshold, clusters (of two or more latents),
        largest_cluster and clustered (share of latents in one); the arrays ``max_cosine``, ``neighbour``
        (which latent), ``cdf``, ``closest`` and ``cluster`` (its number for each latent, -1 for none).
        Clusters have no value where the threshold reaches 1: the width is too small to tell neighbours.

    Raises:
        InputError: DI60 another width, DI61 fewer than two living latents, DI62 NaN in a decoder, DI63 a
            threshold that is no cosine, DI08 to DI12 for a source that does not fit.

    Example: ``decoder_geometry(sae).measures["max_cosine"].value``.

    Source: He et al. 2024, arXiv 2410.20526 (Llama Scope), feature geometry.
    """
    if other is not None:
        refuse_other_width(dictionary, other)
    refuse_no_cosine(threshold)
    both = [dictionary, *([] if other is None else [other])]
    rows = None if source is None else opened(source, both)
    subject, data = measured_on(source, rows, subject_of(dictionary))
    record = start(
        decoder_geometry,
        parameters={"dictionaries": [one.sha256 for one in both], "threshold": threshold},
        subject=subject,
        data=data,
        seed=seed,
    )
    mine, *rest = [living(one, None if rows is None else counted(one, rows)) for one in both]
    found = neighbours(mine, rest[0] if rest else mine, seed)
    measures, arrays = measures_of(found), arrays_of(found)
    if found.own:
        eps = neighbour_threshold(len(mine), mine.width) if threshold is None else threshold
        labels = clusters(mine.rows, eps)
        measures += cluster_measures(labels, eps)
        if labels is not None:
            arrays["cluster"] = Array(labels, ("feature",), {"feature": mine.latents.tolist()})
    return record.finding(KIND, measures=measures, arrays=arrays)


def refuse_no_cosine(value: float | None) -> None:
    """DI63 unless the value is left out or lies between 0 and 1."""
    if value is not None and not 0 < value < 1:
        raise InputError(
            "DI63",
            f"{value} is no cosine above which two latents are close.",
            "Give a number between 0 and 1, as 0.7.",
        )


def neighbours(mine: Directions, others: Directions, seed: int) -> Neighbours:
    """Nearest neighbours of all latents, and of a sample of random ones."""
    own = mine is others
    cosine, index = nearest(mine.rows, others.rows, own=own)
    picked = mine.rows[torch.linspace(0, len(mine) - 1, min(SAMPLE, len(mine))).round().long()]
    found = []
    for random in (shuffled, uniform):
        parts = []
        for draw in range(-(-SAMPLE // len(mine))):  # several random dictionaries where they are small
            drawn = random(others.rows, 1_000_003 * seed + draw)
            # rows of a random dictionary are exchangeable: the first ones are a fair sample
            parts.append(nearest(drawn[:SAMPLE] if own else picked, drawn, own=own)[0])
        found.append(torch.cat(parts))
    return Neighbours(mine, others, cosine, index, *found)


def uniform(rows: Float[Tensor, "row d"], seed: int) -> Float[Tensor, "row d"]:
    """As many directions, uniform on the sphere."""
    return isotropic(rows.shape[0], rows.shape[1], seed)


def clusters(rows: Float[Tensor, "latent d"], threshold: float) -> Int[np.ndarray, " latent"] | None:
    """Number of each latent's cluster, largest first, -1 for a latent alone; None where no cosine can reach
    the threshold."""
    if threshold >= 1:
        return None
    labels = components(rows, threshold)
    sizes = np.bincount(labels)
    order = np.argsort(-sizes, kind="stable")
    number = np.empty(len(sizes), dtype=np.int64)
    number[order] = np.where(sizes[order] > 1, np.arange(len(sizes)), -1)
    found: np.ndarray = number[labels]
    return found


def cluster_measures(labels: Int[np.ndarray, " latent"] | None, threshold: float) -> list[Measure]:
    """How many clusters of two or more, and how large."""
    found: list[float | None] = [None, None, None]
    if labels is not None:
        sizes = np.bincount(labels[labels >= 0])
        found = [len(sizes), int(sizes.max(initial=0)), float((labels >= 0).mean())]
    return [
        Measure.of("threshold", threshold, unit="cosine"),
        Measure.of("clusters", found[0]),
        Measure.of("largest_cluster", found[1], unit="latents"),
        Measure.of("clustered", found[2]),
    ]


def measures_of(found: Neighbours) -> list[Measure]:
    """Means beside those of random directions, and shares of latents that stand close."""
    n, cosine = len(found.mine), found.cosine
    return [
        Measure.of("max_cosine", float(cosine.mean()), n=n),
        Measure.of("dead", found.mine.dead, unit="latents", n=n + found.mine.dead),
        Measure.of("random_covariance", float(found.covariance.mean()), n=len(found.covariance)),
        Measure.of("random_isotropic", float(found.isotropic.mean()), n=len(found.isotropic)),
        Measure.of("beyond", found.beyond()),
        Measure.of("near_copies", wilson(int((cosine > COPY).sum()), n)),
    ]


def arrays_of(found: Neighbours) -> dict[str, Array]:
    """Every latent's neighbour, the distributions side by side, and the closest pairs."""
    coords = {"feature": found.mine.latents.tolist()}
    index = found.index.numpy()
    return {
        "max_cosine": Array(found.cosine.numpy(), ("feature",), coords),
        "neighbour": Array(found.others.latents[index], ("feature",), coords),
        "cdf": Array(
            np.stack([share_up_to(c) for c in (found.cosine, found.covariance, found.isotropic)]),
            ("dictionary", "cosine"),
            {"dictionary": DRAWN, "cosine": GRID.tolist()},
        ),
        "closest": closest(found),
    }


def share_up_to(cosine: Float[Tensor, " latent"]) -> Float[np.ndarray, " cosine"]:
    """Share of values that are at most each place of the grid."""
    return np.searchsorted(np.sort(cosine.numpy()), GRID, side="right") / len(cosine)


def closest(found: Neighbours) -> Array:
    """The closest pairs, the closest first; within one dictionary each once."""
    index = found.index.numpy()
    pairs: dict[tuple[int, int], float] = {}
    for row in np.argsort(-found.cosine.numpy(), kind="stable"):
        pair = (int(row), int(index[row]))
        if not (found.own and pair[::-1] in pairs):
            pairs[pair] = float(found.cosine[row])
        if len(pairs) == SHOWN:
            break
    mine, others = found.mine.latents, found.others.latents
    names = [f"{mine[i]} and {others[j]}" for i, j in pairs]
    return Array(np.array(list(pairs.values())), ("pair",), {"pair": names})
