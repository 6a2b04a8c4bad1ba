"""k-sparse probing: whether few latents tell a known feature, beside few inputs and beside all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.randomness import stream
from pellucid.dictionaries.truth.detection import sparse_codes
from pellucid.dictionaries.truth.logistic import auc, fit
from pellucid.dictionaries.truth.recovery import rows_sha256
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

FEWEST_ROWS = 10  # of either class, in either half of the rows

KIND = register(
    Kind(
        name="dictionaries.sparse_probing",
        title="Whether few latents tell a known feature",
        statement="A probe on {k.value} tells a known feature with an AUC of {auc.value}; on as many inputs "
        "it reaches {auc_inputs.value}, on all inputs {auc_dense.value}.",
        supports="auc.low > auc_inputs.high",
        refutes="auc.high <= auc_inputs.low",
        views=(
            View(
                form="histogram",
                array="auc",
                title="How well the best latents tell each feature",
                x="AUC",
                y="features",
            ),
        ),
        evidence="correlational",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Halves:
    """Rows to fit on and rows to judge on."""

    fitted: Int[np.ndarray, " row"]
    """Row numbers of one half."""
    judged: Int[np.ndarray, " row"]
    """Row numbers of the other."""


def sparse_probing(
    dictionary: Dictionary,
    activations: Float[Tensor, "row d_in"],
    labels: Bool[Tensor, "row concept"],
    k: int = 1,
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Finding:
    """Tell each known feature by the k latents that differ most with it, on rows that fitted nothing.

        chosen: the k latents of largest |mean(z_i | feature) - mean(z_i | no feature)|, on one half
        auc = P(score with the feature > score without), on the other half; logistic regression on the k codes

    The same is done with the k input dimensions that differ most, and with all of them.

    Arguments:
        dictionary: any dictionary.
        activations: rows read at its `site_in`.
        labels: where each known feature is present.
        k: how many latents a probe may use.
        names: of the features; None: their numbers.
        seed: of the halves and of the resampling.
        resamples: of features, for the intervals.

    Returns:
        A Finding ``dictionaries.sparse_probing`` with the measures auc, auc_inputs, auc_dense (means over
        features), k, and the arrays ``auc``, ``auc_inputs``, ``auc_dense`` [concept] and ``chosen`` [concept,
        rank].

    Raises:
        InputError: DI04 another width, DI55 a feature with fewer than 10 rows of either class in a half,
            DI56 labels or k that do not fit.

    Example: ``sparse_probing(sae, x, codes > 0, k=1).measures["auc"].value``.

    Source: Gurnee et al. 2023, arXiv 2305.01610, section 3; found the most reliable of its kind in Chanin
    2026, arXiv 2605.18229.
    """
    dictionary.check_input(activations)
    refuse_odd_labels(dictionary, activations, labels, k)
    there = labels.cpu().numpy().astype(bool)
    halves = halved(there, seed)
    record = start(
        sparse_probing,
        parameters={"dictionary": dictionary.sha256, "settings": dictionary.settings(), "k": k},
        data=DataRef(id="labelled activations", sha256=rows_sha256(activations, labels)),
        seed=seed,
    )
    x = activations.detach().double().cpu().numpy()
    codes = sparse_codes(dictionary, activations)
    chosen, inputs = most_different(codes, there, halves, k), most_different(x, there, halves, k)
    found = {
        "auc": probed(codes, there, halves, chosen),
        "auc_inputs": probed(x, there, halves, inputs),
        "auc_dense": probed(x, there, halves, np.tile(np.arange(x.shape[1]), (there.shape[1], 1))),
    }
    measures = [
        *(
            Measure.of(name, bootstrap(values, resamples=resamples, seed=seed), better="higher")
            for name, values in found.items()
        ),
        Measure.of("k", float(k), unit="latents" if k > 1 else "latent"),
    ]
    coords = {"concept": list(names) if names is not None else list(range(there.shape[1]))}
    arrays = {name: Array(values, ("concept",), coords) for name, values in found.items()}
    arrays["chosen"] = Array(chosen, ("concept", "rank"), coords)
    return record.finding(KIND, measures=measures, arrays=arrays)


def refuse_odd_labels(dictionary: Dictionary, activations: Tensor, labels: Tensor, k: int) -> None:
    """DI56 for labels of another shape, or a k that is no number of latents and inputs."""
    if labels.ndim != 2 or len(labels) != len(activations) or labels.shape[1] == 0:
        raise InputError(
            "DI56",
            f"Labels of shape {tuple(labels.shape)} were given for {len(activations)} activations.",
            "Give one row of labels for each activation, with one column for each known feature.",
        )
    most = min(dictionary.n_features, dictionary.d_in)
    if not 1 <= k <= most:
        raise InputError(
            "DI56",
            f"k is {k}, for {dictionary.n_features} latents and {dictionary.d_in} inputs.",
            f"Give k between 1 and {most}.",
        )


def halved(there: Bool[np.ndarray, "row concept"], seed: int) -> Halves:
    """Two random halves of the rows; DI55 when one has too few rows of a class."""
    order = torch.randperm(len(there), generator=stream("halves of labelled rows", seed)).numpy()
    halves = Halves(np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :]))
    for half in (halves.fitted, halves.judged):
        positives = there[half].sum(0)
        fewest = np.minimum(positives, len(half) - positives)
        if fewest.min() < FEWEST_ROWS:
            concept = int(fewest.argmin())
            raise InputError(
                "DI55",
                f"Feature {concept} is present in {positives[concept]} of {len(half)} rows of a half.",
                f"Give at least {FEWEST_ROWS} rows with and without each feature, or leave it out.",
            )
    return halves


def most_different(
    columns: Float[np.ndarray, "row column"] | scipy.sparse.csc_array,
    there: Bool[np.ndarray, "row concept"],
    halves: Halves,
    k: int,
) -> Int[np.ndarray, "concept k"]:
    """The k columns whose means differ most with each feature, the most different first."""
    rows, labels = columns[halves.fitted], there[halves.fitted].astype(np.float64)
    sums = np.asarray(rows.T @ labels)
    whole = np.asarray(rows.sum(0)).reshape(-1, 1)
    present = labels.sum(0)
    difference = np.abs(sums / present - (whole - sums) / (len(labels) - present))
    return np.argsort(-difference, axis=0, kind="stable")[:k].T


def probed(
    columns: Float[np.ndarray, "row column"] | scipy.sparse.csc_array,
    there: Bool[np.ndarray, "row concept"],
    halves: Halves,
    chosen: Int[np.ndarray, "concept k"],
) -> Float[np.ndarray, " concept"]:
    """The AUC of each feature's probe on the rows it was not fitted on."""
    found = []
    for concept, picked in enumerate(chosen):
        part = columns[:, picked]
        x = part if isinstance(part, np.ndarray) else part.toarray()
        probe = fit(x[halves.fitted], there[halves.fitted, concept])
        found.append(auc(probe.scores(x[halves.judged]), there[halves.judged, concept]))
    return np.array(found)
