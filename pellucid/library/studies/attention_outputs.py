"""The claims about dictionaries of attention outputs, measured on every layer of bard.

For each seed one job trains a dictionary of every layer's heads side by side and judges all of them on text
that neither bard nor they have seen: sparsity and loss (C1), and exactness of the attribution (C2). The
families of C3 are in `attention_families`, the questions that the paper leaves open in `attention_weights`,
and the induction heads of C4 in `attention_induction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pellucid.compute import run_jobs
from pellucid.dictionaries.attention.direct import attributed
from pellucid.dictionaries.attention.linear import place_of
from pellucid.dictionaries.attention.recursive import recursive_attribution
from pellucid.dictionaries.attention.relations import firing
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import evaluate
from pellucid.findings import (
    Array,
    Finding,
    Kind,
    Measure,
    Reference,
    View,
    from_bytes,
    register,
)
from pellucid.library.studies.attention_families import FAMILIES, FAMILY, family, family_measures
from pellucid.library.studies.attention_setting import (
    EXACT,
    ORGANISM,
    READ,
    SOURCE,
    begun,
    by_layer,
    ends_of,
    judged_of,
    measured,
    sequences,
    spread,
    steps_of,
    trained,
)
from pellucid.library.studies.attention_weights import compared, weight_findings
from pellucid.library.studies.protocol import Conditions
from pellucid.models import Model, open_model

MOST_LOSS, FEW = 0.75, 20
"""The smallest share of the loss that the paper keeps, and the active latents that it mostly stays under."""

LOSS = register(
    Kind(
        name="library.attention_loss",
        title="Attention dictionaries are sparse and keep most of the loss",
        statement="With at most {l0.value} active, of the cross-entropy that attention is worth the layer "
        "that keeps least recovers {recovered.interval}; the mean of {layers.value} layers is {mean.percent}",
        supports=f"l0.value < {FEW} and recovered.low >= {MOST_LOSS}",
        refutes=f"l0.value >= {FEW} or recovered.high < {MOST_LOSS}",
        views=(
            View(
                form="interval",
                array="recovered",
                title="Share of the cross-entropy that comes back, layer by layer",
                x="layer",
            ),
            View(form="interval", array="l0", title="Active latents, layer by layer", x="layer"),
        ),
        stance="interventional",
        evidence="behavioural",
        room="library",
    )
)
COMPLETE = register(
    Kind(
        name="library.attention_completeness",
        title="Direct feature attribution is complete",
        statement="Over {latents.value} latents at every position the terms miss the pre-activation by at "
        "most {gap.value}, and over {trees.value} recursive trees children miss their parent by at most "
        "{tree_gap.value} (float64)",
        supports="gap.value <= 1e-10 and tree_gap.value <= 1e-10",
        refutes="gap.value > 1e-10 or tree_gap.value > 1e-10",
        stance="observational",
        evidence="formal",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """The claims about dictionaries for each seed with what the paper leaves open, then induction heads."""
    from pellucid.library.studies import attention_induction

    yield from output_claims(conditions)
    yield from attention_induction.run(conditions)


def output_claims(conditions: Conditions) -> Iterator[Finding]:
    """For each seed what its dictionaries show."""
    steps, judged = steps_of(conditions.profile), judged_of(conditions.profile)
    results = run_jobs(
        trained_and_judged,
        {str(seed): (seed, steps, judged) for seed in conditions.seeds},
        executor=conditions.executor,
        progress=conditions.progress,
        name="training attention dictionaries",
    )
    for seed in conditions.seeds:
        yield from claims_of(seed, steps, judged, results[str(seed)])


def trained_and_judged(seed: int, steps: int, judged: int) -> dict[str, Any]:
    """Everything that one seed's dictionaries show; evaluations as bytes.

    Arguments:
        seed: of weights, order and resampling.
        steps: of every training.
        judged: held-out sequences on which losses are measured.
    """
    model = open_model(ORGANISM, device="cpu")
    rows, unseen = sequences(model, "train"), sequences(model, "validation")
    read = spread(unseen, READ)
    made = {part: trained(model, rows, part, seed, steps) for part in ("attn.z", "attn_out")}
    heads = made["attn.z"]
    return {
        "evaluations": {
            part: [evaluate(model, one, spread(unseen, judged), seed=seed).to_bytes() for one in found]
            for part, found in made.items()
        },
        "agreement": compared(model, heads, made["attn_out"], read, seed),
        "families": [family(model, one, read, seed) for one in heads],
        "exact": exactness(open_model(ORGANISM, device="cpu"), heads, spread(unseen, EXACT)),
    }


def claims_of(seed: int, steps: int, judged: int, result: Mapping[str, Any]) -> Iterator[Finding]:
    """The Findings of one seed, the evaluations that they rest on first."""
    evaluations = {
        part: [from_bytes(data) for data in found] for part, found in result["evaluations"].items()
    }
    for found in evaluations.values():
        yield from found
    heads, settings = evaluations["attn.z"], {"steps": steps, "judged": judged, "site": "attn.z"}
    measures, arrays = loss_measures(heads)
    record = begun(output_claims, "C1", "", seed, settings, parents=heads)
    yield record.finding(LOSS, measures=measures, arrays=arrays)
    record = begun(output_claims, "C2", "", seed, settings, dtype="float64")
    yield record.finding(COMPLETE, measures=exact_measures(result["exact"]))
    measures, arrays = family_measures(result["families"])
    record = begun(output_claims, "C3", "", seed, {**settings, "family": FAMILY})
    yield record.finding(FAMILIES, measures=measures, arrays=arrays)
    yield from weight_findings(seed, settings, result["agreement"], evaluations)


def loss_measures(evaluations: Sequence[Finding]) -> tuple[list[Measure], dict[str, Array]]:
    """C1: active latents and recovered cross-entropy of all layers.

    `recovered` has the smallest value, the smallest low end and the smallest high end of all layers: above a
    bound at its low end all layers are, below it at its high end at least one is.

    Arguments:
        evaluations: one for each layer.
    """
    recovered, l0 = ends_of(evaluations, "ce_recovered"), ends_of(evaluations, "l0")
    n = evaluations[0].measures["ce_recovered"].n or 0
    paper = Reference(value=MOST_LOSS, low=MOST_LOSS, high=0.99, source=f"{SOURCE}, GPT-2 small, all layers")
    few = Reference(value=FEW, source=f"{SOURCE}, GPT-2 small, most layers are below")
    return [
        measured("recovered", list(recovered.min(0)), n, reference=paper, better="higher"),
        Measure.of("mean", None if np.isnan(recovered).any() else float(recovered[:, 0].mean())),
        Measure.of("l0", float(l0[:, 0].max()), n=n, reference=few, better="lower"),
        Measure.of("layers", float(len(recovered))),
    ], {"recovered": by_layer(recovered), "l0": by_layer(l0)}


def exactness(
    model: Model, dictionaries: Sequence[Dictionary], tokens: Int[Tensor, "batch pos"]
) -> dict[str, float]:
    """C2: the largest miss of direct and of recursive attribution, in float64.

    Arguments:
        model: turned to float64 by this.
        dictionaries: of attn.z, one for each layer; turned to float64 by this.
        tokens: sequences; every position of all of them is attributed.
    """
    model.module.double()
    exact = [dictionary.double() for dictionary in dictionaries]
    found: list[list[float]] = []
    trees: list[float] = []
    for layer, dictionary in enumerate(exact):
        fires = fired(model, dictionary, tokens)
        found += direct_gaps(model, dictionary, tokens, fires.any(0).any(0).nonzero()[:, 0].tolist())
        trees += tree_gaps(model, exact[layer::-1], tokens, fires)
    gaps = [max(row) for row in found]
    return {"gap": max(gaps), "latents": len(gaps), "tree_gap": max(trees), "trees": len(trees)}


def fired(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"]
) -> Bool[Tensor, "batch pos feature"]:
    """Where each latent fires."""
    site, keep = dictionary.site_in, dictionary.convention.included(tokens)
    z = model.run(tokens, [site], until=site)[site].detach().flatten(2)
    return torch.stack([firing(dictionary, x, kept) for x, kept in zip(z, keep, strict=True)])


def direct_gaps(
    model: Model, dictionary: Dictionary, tokens: Int[Tensor, "batch pos"], latents: list[int]
) -> list[list[float]]:
    """Each latent's misses, the worst position of each sequence."""
    place, everywhere = place_of(model, dictionary), range(tokens.shape[1])
    misses: dict[int, list[float]] = {latent: [] for latent in latents}
    for sequence in range(len(tokens)):
        for one in attributed(model, dictionary, place, tokens, sequence, latents, everywhere):
            misses[one.latent].append(one.gap)
    return list(misses.values())


def tree_gaps(
    model: Model,
    dictionaries: Sequence[Dictionary],
    tokens: Int[Tensor, "batch pos"],
    fires: Bool[Tensor, "batch pos feature"],
) -> list[float]:
    """The miss of one tree for each sequence: the first latent that fires at its last position."""
    last = tokens.shape[1] - 1
    roots = [row[last].nonzero()[:, 0].tolist() for row in fires]
    return [
        recursive_attribution(model, dictionaries, tokens[i : i + 1], root[0], last, depth=4).gap
        for i, root in enumerate(roots)
        if root
    ]


def exact_measures(found: Mapping[str, float]) -> list[Measure]:
    """C2: the largest misses, and over how much they were looked for."""
    latents, trees = int(found["latents"]), int(found["trees"])
    return [
        Measure.of("gap", found["gap"], n=latents, better="lower"),
        Measure.of("tree_gap", found["tree_gap"], n=trees, better="lower"),
        Measure.of("latents", float(latents)),
        Measure.of("trees", float(trees)),
    ]
