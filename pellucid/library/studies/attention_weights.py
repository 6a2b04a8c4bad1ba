"""What the paper leaves open: do weights know what ablation finds, and heads apart or mixed by W_O?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.attention.ablation import head_ablation
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.library.studies.attention_setting import READ, begun, by_layer, ends_of, measured, random_like
from pellucid.models import Model

ARMS = ("trained", "random", "mixed")
WAYS = ("zero", "mean", "resample", "dfa")
Agreement = Float[np.ndarray, "arm layer way end"]

WEIGHTS = register(
    Kind(
        name="library.attention_weights",
        title="Decoder weights against ablation, beside a random dictionary",
        statement="Ranking heads by a latent's decoder weights agrees with zero ablation at "
        "{trained_zero.interval}, with mean ablation at {trained_mean.value} and with resample ablation at "
        "{trained_resample.value}; for random latents with a tied encoder these are {random_zero.value}, "
        "{random_mean.value} and {random_resample.value}",
        supports="trained_zero.low > random_zero.high and trained_mean.low > random_mean.high and "
        "trained_resample.low > random_resample.high",
        refutes="trained_zero.high < random_zero.low or trained_mean.high < random_mean.low or "
        "trained_resample.high < random_resample.low",
        views=(
            View(
                form="heatmap",
                array="by_layer",
                title="Agreement of trained dictionaries by layer",
                x="way",
                y="layer",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="library",
    )
)
MIXING = register(
    Kind(
        name="library.attention_mixing",
        title="Heads side by side, or what W_O makes of them",
        statement="At the same width and sparsity, dictionaries of the heads side by side recover "
        "{apart.percent} of the cross-entropy on average over layers and add {apart_added.value}, those of "
        "attention's output {mixed.percent} and {mixed_added.value}; weights agree with zero ablation at "
        "{apart_zero.interval} and {mixed_zero.interval}",
        supports="",
        refutes="",
        views=(
            View(form="interval", array="apart", title="Recovered, heads side by side", x="layer"),
            View(form="interval", array="mixed", title="Recovered, attention's output", x="layer"),
        ),
        stance="interventional",
        evidence="causal",
        room="library",
    )
)


def compared(
    model: Model,
    apart: Sequence[Dictionary],
    mixed: Sequence[Dictionary],
    tokens: Int[Tensor, "batch pos"],
    seed: int,
) -> Agreement:
    """How far decoder weights rank heads as each ablation and attribution do, for every layer.

    Arguments:
        model: whose heads.
        apart: dictionaries of attn.z, one for each layer.
        mixed: dictionaries of attn_out, one for each layer.
        tokens: sequences.
        seed: of random dictionaries and resampling.
    """
    arms = (apart, [random_like(one, seed + layer) for layer, one in enumerate(apart)], mixed)
    return np.stack([[agreement(model, one, tokens, seed) for one in arm] for arm in arms])


def agreement(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"], seed: int
) -> Float[np.ndarray, "way end"]:
    """Rank correlation of decoder weights with each way, with its interval over sequences."""
    found = head_ablation(model, dictionary, tokens, seed=seed).arrays["agreement"]
    places = [found.coords["pair"].index(f"decoder_{way}") for way in WAYS]
    picked: Float[np.ndarray, "way end"] = np.asarray(found.values)[places]
    return picked


def weight_findings(
    seed: int, settings: Mapping[str, Any], found: Agreement, evaluations: Mapping[str, Sequence[Finding]]
) -> Iterator[Finding]:
    """Both questions for one seed.

    Arguments:
        seed: of the dictionaries.
        settings: how they were trained.
        found: what `compared` gives.
        evaluations: of attn.z and attn_out, one for each layer.
    """
    layers: dict[str, Sequence[Any]] = {"layer": list(range(found.shape[1])), "way": list(WAYS)}
    arrays = {"by_layer": Array(found[0, :, :, 0], ("layer", "way"), layers)}
    record = begun(weight_findings, "", "weights", seed, settings)
    yield record.finding(WEIGHTS, measures=weight_measures(found), arrays=arrays)
    rows = [one for part in evaluations.values() for one in part]
    record = begun(weight_findings, "", "mixing", seed, {**settings, "site": list(evaluations)}, parents=rows)
    measures, arrays = mixing_measures(found, evaluations)
    yield record.finding(MIXING, measures=measures, arrays=arrays)


def weight_measures(found: Agreement) -> list[Measure]:
    """Means over layers; their ends are the means of the ends, wide enough however layers go together."""
    return [
        measured(f"{arm}_{way}", list(found[row, :, column].mean(0)), READ)
        for row, arm in enumerate(ARMS[:2])
        for column, way in enumerate(WAYS)
    ]


def mixing_measures(
    found: Agreement, evaluations: Mapping[str, Sequence[Finding]]
) -> tuple[list[Measure], dict[str, Array]]:
    """The loss and the agreement of both sorts of dictionary, means over layers."""
    measures: list[Measure] = []
    arrays: dict[str, Array] = {}
    for name, part, arm in (("apart", "attn.z", "trained"), ("mixed", "attn_out", "mixed")):
        recovered, added = (ends_of(evaluations[part], one) for one in ("ce_recovered", "ce_increase"))
        n = evaluations[part][0].measures["ce_recovered"].n or 0
        measures += [
            measured(name, list(recovered.mean(0)), n, better="higher"),
            measured(f"{name}_added", list(added.mean(0)), n, unit="nats", better="lower"),
            measured(f"{name}_zero", list(found[ARMS.index(arm), :, WAYS.index("zero")].mean(0)), READ),
        ]
        arrays[name] = by_layer(recovered)
    return measures, arrays
