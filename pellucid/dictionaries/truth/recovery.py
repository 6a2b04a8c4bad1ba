"""How much of a known truth a dictionary has found: directions, firing, codes, absorption, splitting."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.resampling import interval, share, totals
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.truth.absorption import Absorption, absorption, parts_of
from pellucid.dictionaries.truth.detection import (
    Detection,
    detection,
    fires_of,
    sparse_codes,
    squared_correlation,
    unit,
)
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Kind,
    Measure,
    View,
    bootstrap,
    register,
    start,
)

FOUND = 0.9  # cosine from which a true feature counts as found
RANDOM_DRAWS = 5  # random dictionaries that the matching is compared with

KIND = register(
    Kind(
        name="dictionaries.truth",
        title="How much of the truth a dictionary has found",
        statement="{recall.percent} of {features.value} have a latent within cosine 0.9; matched one to one "
        "the mean cosine is {mcc.value}, and {mcc_random.value} for a random dictionary of {latents.value}.",
        supports="mcc.low > mcc_random.high",
        refutes="mcc.high <= mcc_random.low",
        views=(
            View(
                form="histogram",
                array="best_cosine",
                title="How near the nearest latent is to each true feature",
                x="cosine",
                y="true features",
            ),
            View(
                form="histogram",
                array="f1",
                title="How well each latent's firing tells its feature's",
                x="F1",
                y="latents",
            ),
        ),
        room="dictionaries",
    )
)


class World(Protocol):
    """Activations whose true features are known."""

    @property
    def directions(self) -> Float[Tensor, "feature width"]:
        """One row for each true feature, of length 1."""

    def sample(self, n: int, seed: int) -> tuple[Float[Tensor, "row width"], Float[Tensor, "row feature"]]:
        """n activations and the true coefficients they are made of."""


@runtime_checkable
class Hierarchical(Protocol):
    """A world whose features have parents; it fires a parent whenever one of its children fires."""

    @property
    def parents(self) -> Int[Tensor, " feature"]:
        """The parent of each feature; below 0 for none."""


@dataclass(frozen=True)
class Comparison:
    """A dictionary beside the truth."""

    cosines: Float[np.ndarray, "feature latent"]
    """Of every true direction with every latent's."""
    pairs: tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]
    """Features and latents, matched one to one."""
    match: Int[np.ndarray, " latent"]
    """The nearest feature of each latent."""
    detection: Detection
    """Of each latent's nearest feature by its firing."""
    r2: Float[np.ndarray, " pair"]
    """Of codes on true coefficients, for each matched pair."""
    parts: Int[np.ndarray, " feature"]
    """Into how many latents each feature is split; 0: it is not."""
    absorption: Absorption | None
    """Only in a world whose features have parents."""


def truth_metrics(
    dictionary: Dictionary, world: World, n: int = 10_000, seed: int = 0, *, resamples: int = 1000
) -> Finding:
    """Compare a dictionary with the true features of a world.

        mcc = mean |cos| over the one-to-one matching of features and latents of largest sum, min(G, F) pairs
        recall = share of the G features with max |cos| >= .9
        uniqueness = distinct nearest features of the F latents / F
        firing_f1 = mean over latents of 2 p r / (p + r), firing against the nearest feature's, 0 if undefined
        r2 = mean squared correlation of code and true coefficient over the matched pairs
        absorption = rows with parent on, its latent off, one near parent + child on / rows with parent on

    More latents raise mcc and recall for nothing: mcc_random and recall_random are those of random
    directions, as many as there are latents.

    Arguments:
        dictionary: any dictionary of the world's width.
        world: anything with directions [feature, width] and sample(n, seed) -> activations, codes; with
            parents [feature] absorption is counted.
        n: rows to encode.
        seed: of the rows, the random dictionaries and the resampling.
        resamples: of features, latents, pairs or parents, for the intervals.

    Returns:
        A Finding ``dictionaries.truth`` with the measures above, firing_precision, firing_recall, silent
        (latents whose precision is undefined), absent (latents whose feature never came), split (features
        that exclusive latents share), parents_missed (parents' rows without their latent), latents,
        features; arrays ``best_cosine``, ``parts`` (by feature), ``match``, ``f1`` (by latent), ``r2`` (by
        pair, with its feature), ``absorption`` (by parent).

    Raises:
        InputError: DI50 a world of another width, DI51 fewer than 2 rows.

    Example: ``truth_metrics(train(world.sample(20_000, 1)[0], config), world).measures["mcc"].value``.

    Source: MCC and F1 against synthetic truth: SynthSAEBench 2026, arXiv 2602.14687; absorption: Chanin et
    al. 2024, arXiv 2409.14507, section 4.
    """
    refuse_other_width(dictionary, world, n)
    x, true_codes = world.sample(n, seed)
    record = start(
        truth_metrics,
        parameters={
            "dictionary": dictionary.sha256,
            "settings": dictionary.settings(),
            "n": n,
            "resamples": resamples,
        },
        data=DataRef(id="world", sha256=rows_sha256(x, true_codes)),
        seed=seed,
    )
    parents = world.parents if isinstance(world, Hierarchical) else None
    compared = comparison(dictionary, world.directions, x, true_codes, parents)
    chance = random_matches(world.directions, dictionary.n_features, seed)
    measures = [
        *direction_measures(compared, chance, resamples, seed),
        *firing_measures(compared, resamples, seed),
        *absorption_measures(compared.absorption, resamples, seed),
    ]
    return record.finding(KIND, measures=measures, arrays=arrays_of(compared))


def refuse_other_width(dictionary: Dictionary, world: World, n: int) -> None:
    """DI50 for a world of another width, DI51 for too few rows."""
    width = world.directions.shape[1]
    if dictionary.d_out != width or dictionary.d_in != width:
        raise InputError(
            "DI50",
            f"The dictionary maps width {dictionary.d_in} to {dictionary.d_out}; the world's is {width}.",
            "Give a dictionary that was trained on activations of this world.",
        )
    if n < 2:
        raise InputError("DI51", f"{n} rows tell nothing about firing.", "Give n of at least 2.")


def rows_sha256(*tensors: Tensor) -> str:
    """A hash of tensors, their types and their shapes."""
    sha = hashlib.sha256()
    for tensor in tensors:
        values = np.ascontiguousarray(tensor.detach().cpu().numpy())
        sha.update(f"{values.dtype} {values.shape}".encode() + values.tobytes())
    return sha.hexdigest()


def comparison(
    dictionary: Dictionary, directions: Tensor, x: Tensor, true_codes: Tensor, parents: Tensor | None
) -> Comparison:
    """Everything that is counted, before it is summed up."""
    true, latents = unit(directions), unit(dictionary.W_dec)
    cosines = true @ latents.T
    codes, coefficients = sparse_codes(dictionary, x), true_codes.double().cpu().numpy()
    fires, there = fires_of(codes), coefficients != 0
    pairs, match = matching(cosines), np.abs(cosines).argmax(0)
    return Comparison(
        cosines,
        pairs,
        match,
        detection(fires, there, match),
        squared_correlation(codes, coefficients[:, pairs[0]], pairs[1]),
        parts_of(fires, there, cosines),
        None if parents is None else absorption(fires, there, true, latents, parents.cpu().numpy()),
    )


def matching(
    cosines: Float[np.ndarray, "feature latent"],
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """The one-to-one matching whose sum of |cos| is largest."""
    features, latents = linear_sum_assignment(np.abs(cosines), maximize=True)
    return features, latents


def random_matches(directions: Tensor, n_latents: int, seed: int) -> Float[np.ndarray, "draw two"]:
    """MCC and recall of random dictionaries."""
    true, generator = unit(directions), stream("random dictionaries", seed)
    found = []
    for _ in range(RANDOM_DRAWS):
        drawn = torch.randn((n_latents, true.shape[1]), generator=generator)
        cosines = np.abs(true @ unit(drawn).T)
        found.append((cosines[matching(cosines)].mean(), (cosines.max(1) >= FOUND).mean()))
    return np.array(found)


def direction_measures(
    compared: Comparison, chance: Float[np.ndarray, "draw two"], resamples: int, seed: int
) -> list[Measure]:
    """What the directions alone show."""
    cosines, n_latents = np.abs(compared.cosines), compared.cosines.shape[1]
    best, matched = cosines.max(1), cosines[compared.pairs]

    def mean(name: str, values: np.ndarray) -> Measure:
        """A mean with its interval."""
        return Measure.of(name, bootstrap(values, resamples=resamples, seed=seed), better="higher")

    distinct = len(np.unique(compared.match)) / n_latents
    return [
        mean("mcc", matched),
        mean("mcc_random", chance[:, 0]),
        mean("recall", best >= FOUND),
        mean("recall_random", chance[:, 1]),
        Measure.of("uniqueness", distinct, n=n_latents, better="higher"),
        Measure.of("split", float((compared.parts > 0).sum()), unit="features", better="lower"),
        Measure.of("features", float(len(best)), unit="true features"),
        Measure.of("latents", float(n_latents), unit="latents"),
    ]


def firing_measures(compared: Comparison, resamples: int, seed: int) -> list[Measure]:
    """What firing and codes show."""
    found = compared.detection
    values = {
        "firing_precision": found.precision,
        "firing_recall": found.recall,
        "firing_f1": found.f1,
        "r2": compared.r2,
    }
    return [
        *(
            Measure.of(name, bootstrap(value, resamples=resamples, seed=seed), better="higher")
            for name, value in values.items()
        ),
        Measure.of("silent", float(found.silent), unit="latents", better="lower"),
        Measure.of("absent", float(found.absent), unit="latents"),
    ]


def absorption_measures(counted: Absorption | None, resamples: int, seed: int) -> list[Measure]:
    """Shares of the rows at which a parent is there; nothing in a world without parents."""
    if counted is None:
        return []
    columns = {"on": counted.on, "parents_missed": counted.missed, "absorption": counted.absorbed}
    sums = totals(columns, resamples, seed)
    return [
        Measure.of(name, interval(share(sums[name], sums["on"]), len(counted.on)), better="lower")
        for name in ("absorption", "parents_missed")
    ]


def arrays_of(compared: Comparison) -> dict[str, Array]:
    """By feature, by latent, by pair and by parent."""
    features, latents = compared.pairs
    arrays = {
        "best_cosine": Array(np.abs(compared.cosines).max(1), ("feature",)),
        "parts": Array(compared.parts, ("feature",)),
        "match": Array(compared.match, ("latent",)),
        "f1": Array(compared.detection.f1, ("latent",)),
        "r2": Array(compared.r2, ("feature",), {"feature": features.tolist()}),
        "matched_latent": Array(latents, ("feature",), {"feature": features.tolist()}),
    }
    counted = compared.absorption
    if counted is not None:
        rates = counted.absorbed / np.maximum(counted.on, 1)
        arrays["absorption"] = Array(rates, ("parent",), {"parent": counted.parents.tolist()})
    return arrays
