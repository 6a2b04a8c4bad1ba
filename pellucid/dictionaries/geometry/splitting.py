"""What becomes of a narrow dictionary's latents in a wide one: they live on, or split; and what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary, unit_rows
from pellucid.dictionaries.geometry.activity import Activity, fired, measured_on, opened
from pellucid.dictionaries.geometry.directions import (
    NONE,
    Directions,
    living,
    nearest,
    neighbour_threshold,
    pairs_from,
    products,
    refuse_other_width,
    subject_of,
)
from pellucid.dictionaries.geometry.exclusive import (
    LEVEL,
    Exclusion,
    Family,
    Group,
    best_group,
    exclusions,
    families_of,
)
from pellucid.dictionaries.geometry.neighbours import cluster_measures, clusters, refuse_no_cosine
from pellucid.dictionaries.geometry.novelty import Novelty, new_directions
from pellucid.dictionaries.training.sources import Source, TensorSource
from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start, wilson

CLOSE = 0.7  # cosine from which a wide latent may be a part of a narrow one
TOGETHER = 0.9  # share of the narrow latent's rows that its parts must explain
COPY = 0.9  # cosine above which a wide latent says nearly what the narrow one says
SHOWN = 50  # clusters in the table

KIND = register(
    Kind(
        name="dictionaries.splitting",
        title="What a wider dictionary does with a narrow one's latents",
        statement="Of {splits.n} living narrow latents, {splits.value} split into wide ones that exclude "
        "each other and {undecided.value} may have; {near_copies.value} have a near copy there; {new.value} "
        "of {new.n} directions are new.",
        supports="splits.value >= 1",
        refutes="splits.value < 1 and undecided.value < 1",
        views=(
            View(
                form="table",
                array="parts",
                title="Which latents split into which",
                x="narrow latent into wide latent",
            ),
            View(
                form="table", array="new", title="Directions that only the wide dictionary has", x="direction"
            ),
            View(
                form="table",
                array="clusters",
                title="The largest clusters of neighbours among both dictionaries' latents",
                x="cluster",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Split:
    """A narrow latent whose rows are shared out among wide ones."""

    family: Family
    """The latent and its possible parts."""
    exclusion: Exclusion
    """How the parts exclude each other."""
    group: Group
    """The parts that it split into."""


@dataclass(frozen=True)
class Pair:
    """Two dictionaries on the same rows."""

    narrow: Directions
    """Living latents of the narrow one."""
    wide: Directions
    """Living latents of the wide one."""
    families: list[Family]
    """Narrow latents in which at least two wide ones take part."""
    rows: int
    """Rows on which they fired."""


def find_splits(
    narrow: Dictionary,
    wide: Dictionary,
    source: Any,
    *,
    truth: Float[Tensor, "feature d_out"] | None = None,
    close: float = CLOSE,
    weak: float = 0.0,
    threshold: float | None = None,
) -> Finding:
    """Find which latents of a narrow dictionary split in a wide one, and what the wide one has anew.

    A narrow latent splits into a group of at least two wide ones where each has a cosine of at least
    ``close`` with it and fires on at least 5 % of the rows on which it fires, every two exclude each other
    (phi < 0 over all rows, at a false discovery rate of 5 % over all pairs tested), and on at least 90 % of
    its rows one of them fires. Where phi is below 0 but the rows do not suffice to be sure, it is undecided.
    Each group is the best of all; at most 16 parts are considered, those that fire most often with it.

    A direction is new where its cosine is above 0.9 with a wide latent and below 0.7 with every narrow one,
    and three narrow latents, chosen one after another, explain less than 0.8 of it by least squares.

    Arguments:
        narrow: a dictionary.
        wide: another of the same output width, usually with more latents.
        source: rows that both encode, as ``train`` takes them.
        truth: true directions among which to look for new ones; None: the wide latents themselves.
        close: cosine from which a wide latent may be a part, between 0 and 1.
        weak: share of a latent's largest code up to which a code does not count as firing. With a k above
            the number of true features, TopK fills up with weak codes, which hides that latents exclude
            each other.
        threshold: cosine above which latents of both dictionaries are neighbours; None: sqrt(12 ln F / d)
            for F living latents of both together and width d.

    Returns:
        A Finding ``dictionaries.splitting`` with the measures splits and undecided (narrow latents),
        split_share (of the living), near_copies (narrow latents with a
        wide one at a cosine above 0.9; such a one may be a part of a split), new
        (directions), dead_narrow and dead_wide (latents left out), threshold, clusters, largest_cluster and
        clustered (as in ``decoder_geometry``, over both dictionaries); the arrays ``parts`` (one row for each
        part: its cosine with the narrow latent, the share of that latent's rows on which it fires, its
        largest phi with another part, and the share that all parts explain together), ``part_latents`` (which
        narrow and wide latent), ``new`` (largest cosine with a narrow latent and R^2), ``new_directions``
        (which) and ``clusters`` (the 50 largest: narrow and wide members, least cosine of two members).

    Raises:
        InputError: DI60 another width, DI61 fewer than two living latents, DI62 NaN in a decoder, DI63 a
            cosine that is none or so small that too many pairs are close, DI64 true directions of another
            width or a share that is none, DI08 to DI12 for a source that does not fit.

    Example: ``find_splits(small, large, (model, tokens)).arrays["parts"].coords["part"]``.

    Source: splitting: Bricken et al. 2023, "Towards Monosemanticity", feature splitting; clusters: He et al.
    2024, arXiv 2410.20526, feature geometry.
    """
    refuse_other_width(narrow, wide)
    refuse_no_cosine(close)
    refuse_no_cosine(threshold)
    refuse_no_share(weak)
    refuse_other_truth(narrow, truth)
    rows = opened(source, [narrow, wide])
    subject, data = measured_on(source, rows, subject_of(wide))
    record = start(
        find_splits,
        parameters={
            "dictionaries": [narrow.sha256, wide.sha256],
            "truth": None if truth is None else TensorSource({"truth": truth}).identity()["data"],
            "close": close,
            "weak": weak,
            "threshold": threshold,
        },
        subject=subject,
        data=data,
    )
    pair = pair_of(narrow, wide, rows, close, weak)
    sure, unsure = splits_of(pair)
    asked = pair.wide.rows if truth is None else unit_rows(truth.detach().float().cpu())
    novelty = new_directions(asked, pair.narrow.rows, pair.wide.rows)
    measures = measures_of(pair, sure, unsure, novelty)
    arrays = {**split_arrays(sure), **new_arrays(novelty, None if truth is not None else pair.wide)}
    grouped, found = cluster_results(pair, threshold)
    return record.finding(KIND, measures=measures + grouped, arrays=arrays | found)


def refuse_no_share(value: float) -> None:
    """DI64 unless the value is a share below 1."""
    if not 0 <= value < 1:
        raise InputError(
            "DI64",
            f"{value} is no share of a latent's largest code.",
            "Give weak from 0 up to, but not including, 1.",
        )


def refuse_other_truth(dictionary: Dictionary, truth: Tensor | None) -> None:
    """DI64 for true directions that are no table of the decoder's width."""
    if truth is not None and (truth.ndim != 2 or truth.shape[1] != dictionary.d_out or len(truth) == 0):
        raise InputError(
            "DI64",
            f"True directions of shape {tuple(truth.shape)} were given for decoders of width "
            f"{dictionary.d_out}.",
            f"Give one row of {dictionary.d_out} numbers for each true direction.",
        )


def pair_of(narrow: Dictionary, wide: Dictionary, source: Source, close: float, weak: float) -> Pair:
    """Close pairs first, so that only the firing of latents in one is kept; one pass for each dictionary."""
    directed = living(narrow), living(wide)
    pairs, cosine = pairs_from(directed[0].rows, directed[1].rows, close)
    places = [np.unique(pairs[:, side].numpy(), return_inverse=True) for side in (0, 1)]
    latents = directed[0].latents[places[0][0]], directed[1].latents[places[1][0]]
    firing: tuple[Activity, Activity] = (
        fired(narrow, source, latents[0], weak),
        fired(wide, source, latents[1], weak),
    )
    local = np.stack([inverse for _, inverse in places], 1)
    families = families_of(local, cosine.double().numpy(), latents, firing)
    alive = living(narrow, firing[0].fires), living(wide, firing[1].fires)
    return Pair(*alive, families, firing[0].n)


def splits_of(pair: Pair) -> tuple[list[Split], list[Split]]:
    """Latents that surely split, and those of which it cannot be told."""
    sure: list[Split] = []
    unsure: list[Split] = []
    for family, exclusion in zip(pair.families, exclusions(pair.families, pair.rows), strict=True):
        below = exclusion.phi < 0
        for exclusive, found in ((below & (exclusion.p <= LEVEL), sure), (below, unsure)):
            group = best_group(family, exclusive)
            if group.together >= TOGETHER:
                found.append(Split(family, exclusion, group))
                break
    return sure, unsure


def measures_of(pair: Pair, sure: list[Split], unsure: list[Split], novelty: Novelty) -> list[Measure]:
    """How many latents split, live on, are new."""
    n, wide = len(pair.narrow), len(pair.wide)
    kept = int((nearest(pair.narrow.rows, pair.wide.rows)[0] > COPY).sum())
    return [
        Measure.of("splits", len(sure), n=n),
        Measure.of("undecided", len(unsure), n=n),
        Measure.of("split_share", wilson(len(sure), n)),
        Measure.of("near_copies", kept, n=n),
        Measure.of("new", len(novelty.which), n=novelty.n),
        Measure.of("dead_narrow", pair.narrow.dead, unit="latents", n=n + pair.narrow.dead),
        Measure.of("dead_wide", pair.wide.dead, unit="latents", n=wide + pair.wide.dead),
    ]


def split_arrays(splits: list[Split]) -> dict[str, Array]:
    """One row for each part of each split."""
    numbers, ends = [], []
    for split in splits:
        members = list(split.group.members)
        phi = split.exclusion.phi[np.ix_(members, members)] + np.diag(np.full(len(members), NONE))
        for member, largest in zip(members, phi.max(1), strict=True):
            share = split.family.on[member].mean()
            numbers.append((split.family.cosine[member], share, largest, split.group.together))
            ends.append((split.family.latent, int(split.family.parts[member])))
    names = [f"{latent} into {part}" for latent, part in ends]
    columns = ["cosine", "share", "phi", "together"]
    return {
        "parts": Array(
            np.array(numbers, dtype=np.float64).reshape(-1, 4),
            ("part", "number"),
            {"part": names, "number": columns},
        ),
        "part_latents": Array(
            np.array(ends, dtype=np.int64).reshape(-1, 2),
            ("part", "dictionary"),
            {"part": names, "dictionary": ["narrow", "wide"]},
        ),
    }


def new_arrays(novelty: Novelty, latents: Directions | None) -> dict[str, Array]:
    """The new directions: wide latents, or features of the given truth."""
    which = novelty.which if latents is None else latents.latents[novelty.which]
    noun = "feature" if latents is None else "latent"
    names = [f"{noun} {number}" for number in which]
    return {
        "new": Array(
            np.stack([novelty.cosine, novelty.explained], 1),
            ("direction", "number"),
            {"direction": names, "number": ["cosine", "R^2"]},
        ),
        "new_directions": Array(which, ("direction",), {"direction": names}),
    }


def cluster_results(pair: Pair, threshold: float | None) -> tuple[list[Measure], dict[str, Array]]:
    """Clusters among the latents of both dictionaries."""
    rows = torch.cat([pair.narrow.rows, pair.wide.rows])
    eps = neighbour_threshold(len(rows), pair.narrow.width) if threshold is None else threshold
    labels = clusters(rows, eps)
    measures = cluster_measures(labels, eps)
    if labels is None:
        return measures, {}
    members = [np.flatnonzero(labels == number) for number in range(min(SHOWN, labels.max() + 1))]
    narrow = [int((places < len(pair.narrow)).sum()) for places in members]
    numbers = [
        (few, len(places) - few, least_cosine(rows[torch.from_numpy(places)]))
        for few, places in zip(narrow, members, strict=True)
    ]
    table = Array(
        np.array(numbers, dtype=np.float64).reshape(-1, 3),
        ("cluster", "number"),
        {"cluster": list(range(len(members))), "number": ["narrow", "wide", "least cosine"]},
    )
    return measures, {"clusters": table}


def least_cosine(rows: Float[Tensor, "member d"]) -> float:
    """Smallest cosine of two members."""
    return min(float(block.min()) for _, _, block in products(rows, rows, upper=True))
