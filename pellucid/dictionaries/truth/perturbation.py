"""Targeted perturbation: whether taking a feature's latents away blinds that feature's probe, and no other.

Kept to be watched, not to be used: see `meta_metric` for how far such scores follow the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.truth.detection import sparse_codes
from pellucid.dictionaries.truth.logistic import Probe, balanced_accuracy, fit
from pellucid.dictionaries.truth.probing import FEWEST_ROWS, Halves, halved, refuse_odd_labels
from pellucid.dictionaries.truth.recovery import rows_sha256
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    bootstrap,
    register,
    start,
)

SMALLEST_BIAS = 0.02  # accuracy that the biased probe must lose for its removal to mean anything

KIND = register(
    Kind(
        name="dictionaries.perturbation",
        title="Whether taking a feature's latents away blinds its probe alone",
        statement="Without its {ablated.value} a feature's probe loses {on_target.value} of accuracy and the "
        "others lose {off_target.value}: targeted perturbation {tpp.value}, spurious correlation removed "
        "{scr.value}.",
        supports="tpp.low > 0",
        refutes="tpp.high <= 0",
        views=(
            View(
                form="heatmap",
                array="loss",
                title="Accuracy that each probe loses without each feature's latents",
                x="whose latents are taken away",
                y="whose probe",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Probed:
    """What probes see of labelled rows, with and without some latents."""

    x: Float[np.ndarray, "row d"]
    """Activations."""
    codes: scipy.sparse.csc_array
    """Their codes."""
    decoder: Float[np.ndarray, "feature d"]
    """Decoder rows."""
    scale: Float[np.ndarray, "row 1"]
    """What an input transform multiplies each decoded row with to undo itself."""
    there: Bool[np.ndarray, "row concept"]
    """Where each known feature is present."""
    halves: Halves
    """Rows to fit on and to judge on."""

    def latents_of(self, concept: int, probe: Probe, n: int) -> Int[np.ndarray, " n"]:
        """The n latents that raise a probe's score most where its feature is present, on the fitted rows.

        Arguments:
            concept: the feature.
            probe: its probe.
            n: how many.
        """
        rows, labels = self.codes[self.halves.fitted], self.there[self.halves.fitted, concept]
        present, absent = (np.asarray(rows[labels == side].mean(0)).ravel() for side in (True, False))
        effect = (present - absent) * (self.decoder @ probe.weights)
        return np.argsort(-effect, kind="stable")[:n]

    def without(self, latents: Int[np.ndarray, " n"]) -> Float[np.ndarray, "row d"]:
        """The judged activations less the contributions of some latents; the dictionary's error stays.

        Arguments:
            latents: which.
        """
        judged = self.halves.judged
        share = np.asarray(self.codes[judged][:, latents] @ self.decoder[latents])
        return np.asarray(self.x[judged] - self.scale[judged] * share)


def targeted_perturbation(
    dictionary: Dictionary,
    activations: Float[Tensor, "row width"],
    labels: Bool[Tensor, "row concept"],
    n: int = 5,
    *,
    pairs: int = 20,
    seed: int = 0,
    resamples: int = 1000,
) -> Finding:
    """Take the latents of one known feature away and see which probes of features notice (TPP and SCR).

        effect on feature c = (mean(z | c) - mean(z | not c)) W_dec . probe_c;   L_c: the n largest
        tpp = mean_c loss(c, c) - mean_{b != c} loss(b, c);   loss(b, c): what probe_b loses without L_c
        scr = (A_ablated - A_biased) / (A_fair - A_biased)

    For scr a probe of feature a is fitted on rows where a and another feature b agree; it is judged where all
    four combinations weigh the same, before and after L_b is taken away, and beside a probe that was fitted
    so. Accuracy is the mean over both classes; probes are fitted on one half of the rows and judged on the
    other.

    Chanin 2026 (arXiv 2605.18229) finds that neither follows the quality of a dictionary: look at
    `meta_metric` before you quote either.

    Arguments:
        dictionary: an autoencoder.
        activations: rows read at its site.
        labels: where each known feature is present; at least two features.
        n: latents taken away for a feature.
        pairs: of features for scr, drawn at random from those that can be judged.
        seed: of the halves and of the resampling.
        resamples: of features or pairs, for the intervals.

    Returns:
        A Finding ``dictionaries.perturbation`` with the measures tpp, on_target, off_target, scr (no value
        where no pair of features has 10 rows of each combination and a biased probe that loses 0.02),
        scr_pairs, ablated, and the array ``loss`` [probe, concept].

    Raises:
        InputError: DI04 another width, DI55 too few rows of a feature, DI56 labels or n that do not fit.

    Example: ``targeted_perturbation(sae, x, codes > 0).measures["tpp"].value``.

    Source: Karvonen et al. 2024, arXiv 2411.18895, section 4.
    """
    dictionary.check_input(activations)
    refuse_odd_labels(dictionary, activations, labels, n)
    refuse_one_concept(dictionary, labels)
    there = labels.cpu().numpy().astype(bool)
    record = start(
        targeted_perturbation,
        parameters={
            "dictionary": dictionary.sha256,
            "settings": dictionary.settings(),
            "n": n,
            "pairs": pairs,
        },
        data=DataRef(id="labelled activations", sha256=rows_sha256(activations, labels)),
        seed=seed,
    )
    rows = opened(dictionary, activations, there, seed)
    fitted = rows.halves.fitted
    probes = [fit(rows.x[fitted], there[fitted, concept]) for concept in range(there.shape[1])]
    chosen = [rows.latents_of(concept, probe, n) for concept, probe in enumerate(probes)]
    loss, removed = losses(rows, probes, chosen), removals(rows, chosen, pairs, seed)
    measures = [
        *perturbation_measures(loss, resamples, seed),
        *removal_measures(removed, resamples, seed),
        Measure.of("ablated", float(n), unit="latents" if n > 1 else "latent"),
    ]
    return record.finding(KIND, measures=measures, arrays={"loss": Array(loss, ("probe", "concept"))})


def refuse_one_concept(dictionary: Dictionary, labels: Tensor) -> None:
    """DI56 for a single feature, or a dictionary whose output is no activation of its input's kind."""
    if labels.shape[1] < 2:
        raise InputError(
            "DI56", "Labels of 1 feature leave no other probe to spare.", "Give at least two features."
        )
    if dictionary.site_in != dictionary.site_out or dictionary.d_in != dictionary.d_out:
        raise InputError(
            "DI56",
            f"A transcoder writes at {dictionary.site_out!r}, where these probes do not read.",
            "Give an autoencoder.",
        )


def opened(
    dictionary: Dictionary, activations: Tensor, there: Bool[np.ndarray, "row concept"], seed: int
) -> Probed:
    """Everything that probes and ablations read."""
    x = activations.detach()
    scale = torch.as_tensor(dictionary.moved(x.to(dictionary.W_enc.dtype)).scale, dtype=torch.float64)
    return Probed(
        x.double().cpu().numpy(),
        sparse_codes(dictionary, x),
        dictionary.W_dec.detach().double().cpu().numpy(),
        scale.cpu().expand(len(x), 1).numpy(),
        there,
        halved(there, seed),
    )


def losses(
    rows: Probed, probes: list[Probe], chosen: list[Int[np.ndarray, " n"]]
) -> Float[np.ndarray, "probe concept"]:
    """The accuracy that each probe loses without each feature's latents."""
    judged, there = rows.halves.judged, rows.there[rows.halves.judged]

    def accuracies(x: Float[np.ndarray, "row d"]) -> Float[np.ndarray, " probe"]:
        """Balanced accuracy of every probe."""
        pairs = zip(probes, there.T, strict=True)
        return np.array([balanced_accuracy(probe.scores(x), labels) for probe, labels in pairs])

    before = accuracies(rows.x[judged])
    return np.stack([before - accuracies(rows.without(latents)) for latents in chosen], axis=1)


def perturbation_measures(
    loss: Float[np.ndarray, "probe concept"], resamples: int, seed: int
) -> list[Measure]:
    """Loss on target, off target, and their difference for each feature, over features."""
    own, n = np.diag(loss), len(loss)
    others = (loss.sum(0) - own) / (n - 1)

    def mean(values: Float[np.ndarray, " concept"]) -> Interval:
        """The mean over features."""
        return bootstrap(values, resamples=resamples, seed=seed)

    return [
        Measure.of("tpp", mean(own - others), better="higher"),
        Measure.of("on_target", mean(own), better="higher"),
        Measure.of("off_target", mean(others), better="lower"),
    ]


def removals(rows: Probed, chosen: list[Int[np.ndarray, " n"]], most: int, seed: int) -> list[float]:
    """The share of a spurious correlation that goes with the latents of the other feature, for some pairs."""
    pairs = list(permutations(range(rows.there.shape[1]), 2))
    order = torch.randperm(len(pairs), generator=stream("pairs of features", seed)).tolist()
    found = (removal(rows, a, b, chosen[b]) for a, b in (pairs[place] for place in order))
    return list(islice((share for share in found if share is not None), most))


def removal(rows: Probed, a: int, b: int, latents: Int[np.ndarray, " n"]) -> float | None:
    """(A_ablated - A_biased) / (A_fair - A_biased); None where rows or bias are too few."""
    fitted, judged = rows.halves.fitted, rows.halves.judged
    fair, judge = (quadrants(rows.there[half][:, [a, b]]) for half in (fitted, judged))
    if fair is None or judge is None:
        return None
    x, labels = rows.x[fitted], rows.there[fitted, a]
    agree = np.where(rows.there[fitted, a] == rows.there[fitted, b], 2 * fair, 0.0)
    biased, unbiased = fit(x, labels, agree), fit(x, labels, fair)

    def accuracy(probe: Probe, inputs: Float[np.ndarray, "row d"]) -> float:
        """With equal weight of all four combinations."""
        return float(judge @ ((probe.scores(inputs) > 0) == rows.there[judged, a]))

    before = accuracy(biased, rows.x[judged])
    gap = accuracy(unbiased, rows.x[judged]) - before
    return (accuracy(biased, rows.without(latents)) - before) / gap if gap >= SMALLEST_BIAS else None


def quadrants(pair: Bool[np.ndarray, "row two"]) -> Float[np.ndarray, " row"] | None:
    """Weights with sum 1 under which the four combinations weigh the same; None where one is too rare."""
    kind = 2 * pair[:, 0] + pair[:, 1]
    counts = np.bincount(kind, minlength=4)
    return None if counts.min() < FEWEST_ROWS else 0.25 / counts[kind]


def removal_measures(removed: list[float], resamples: int, seed: int) -> list[Measure]:
    """The mean over pairs of features."""
    mean = bootstrap(removed, resamples=resamples, seed=seed) if removed else None
    return [
        Measure.of("scr", mean, better="higher"),
        Measure.of("scr_pairs", float(len(removed)), unit="pairs"),
    ]
