"""The claims of the safetywashing paper, measured on the table of base models that was published with it.

The chat models of the paper are not in that table: what it says of them is not measured here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.findings import Finding, Kind, Measure, Reference, register, start
from pellucid.library.studies.protocol import Conditions
from pellucid.metascience.safetywashing import safetywashing
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import base_models

SOURCE = "Ren et al. 2024 (arXiv 2407.21792), base models"
HEADLINES = {"ethics_all": 0.703, "wmdp_bio": -0.925, "bbq_amb": 0.308}
"""The correlations that the claim names, as printed: three digits."""
DIGIT = 0.0005
"""Half of the last digit printed."""

SHARE = register(
    Kind(
        name="library.safetywashing_share",
        title="One component explains most of capability",
        statement="One component explains {share.interval} of the variance of {capabilities.value} "
        "capability benchmarks",
        supports="share.value >= 78.255 and share.value <= 78.265",
        refutes="share.value < 50",
        evidence="correlational",
        room="library",
    )
)
HEADLINE = register(
    Kind(
        name="library.safetywashing_headlines",
        title="The headline correlations of the base models",
        statement="{held.value} of {held.n} headline correlations with capability are those printed; the "
        "largest difference is {difference.value}",
        supports="difference.value <= 0.0005",
        refutes="difference.value > 0.1",
        evidence="correlational",
        room="library",
    )
)
INDEPENDENT = register(
    Kind(
        name="library.safetywashing_independent",
        title="Safety benchmarks that are independent of capability",
        statement="Of {decorrelated.n} benchmarks outside the score {decorrelated.value} are decided as "
        "decorrelated from capability, {correlated.value} as correlated, and {undecided.value} are "
        "undecided; {near_zero.value} have an estimate inside the band",
        supports="decorrelated.value >= 1",
        refutes="decorrelated.value < 1 and undecided.value < 1",
        evidence="correlational",
        room="library",
    )
)
COMPUTE = register(
    Kind(
        name="library.safetywashing_compute",
        title="The capability score follows training compute",
        statement="The capability score and training compute have the rank correlation {compute.interval}",
        supports="compute.low > 0.4 and compute.value >= 0.9645 and compute.value <= 0.9655",
        refutes="compute.high < 0.4",
        evidence="correlational",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """The paper's claims on its table, then the same question to networks whose benchmarks we made."""
    from pellucid.library.studies import safetywashing_networks

    yield from table_claims(conditions)
    yield from safetywashing_networks.run(conditions)


def table_claims(conditions: Conditions) -> Iterator[Finding]:
    """For each seed the analysis of the table, then one Finding for each claim, whose parent it is."""
    draws = 1000 if conditions.profile == "quick" else 10_000
    for seed in conditions.seeds:
        config = SafetywashingConfig(draws=draws)
        analysis = safetywashing(base_models(), config=config, seed=seed, progress=conditions.progress)
        yield analysis
        yield claimed("C1", "", SHARE, analysis, share_measures(analysis))
        yield claimed("C2", "base", HEADLINE, analysis, headline_measures(analysis))
        yield claimed("C3", "", INDEPENDENT, analysis, independent_measures(analysis, config))
        yield claimed("C4", "", COMPUTE, analysis, compute_measures(analysis))


def claimed(claim: str, part: str, kind: Kind, analysis: Finding, measures: list[Measure]) -> Finding:
    """The Finding of one claim."""
    parts = {"part": part} if part else {}
    record = start(
        table_claims,
        parameters={
            "claim": f"safetywashing.{claim}",
            **parts,
            "draws": analysis.provenance.parameters["draws"],
        },
        data=analysis.provenance.data,
        seed=analysis.provenance.seed,
        parents=(analysis.id,),
        dtype="float64",
        command="pellucid study run safetywashing",
    )
    return record.finding(kind, measures=measures)


def share_measures(analysis: Finding) -> list[Measure]:
    """The share of the first component in per cent, beside the paper's."""
    share = analysis.measures["pc1_share"]
    low, high = (None if end is None else 100 * end for end in (share.low, share.high))
    percent = Measure(
        name="share",
        value=None if share.value is None else 100 * share.value,
        low=low,
        high=high,
        n=share.n,
        unit="%",
        reference=Reference(value=78.26, source=SOURCE),
    )
    mean = analysis.measures["mean_capability_correlation"]
    return [percent, analysis.measures["capabilities"], mean]


def headline_measures(analysis: Finding) -> list[Measure]:
    """Each headline correlation beside the printed one, and how far they are apart."""
    made, apart = [], []
    for name, printed in HEADLINES.items():
        value, low, high, n = (at(analysis, array, name) for array in ("correlation", "low", "high", "n"))
        reference = Reference(value=printed, source=SOURCE)
        made.append(Measure(name=name, value=value, low=low, high=high, n=int(n), reference=reference))
        apart.append(abs(value - printed))
    held = sum(distance <= DIGIT for distance in apart)
    return [
        Measure.of("difference", max(apart), n=len(apart), better="lower"),
        Measure.of("held", float(held), n=len(apart)),
        *made,
    ]


def independent_measures(analysis: Finding, config: SafetywashingConfig) -> list[Measure]:
    """How many benchmarks are decided, and how many only look independent."""
    outside = analysis.arrays["in_score"].values == 0
    values = analysis.arrays["correlation"].values[outside]
    near = float(((values >= config.low) & (values <= config.high)).sum())
    counts = [analysis.measures[word] for word in ("decorrelated", "correlated", "undecided")]
    return [*counts, Measure.of("near_zero", near, n=int(np.isfinite(values).sum()))]


def compute_measures(analysis: Finding) -> list[Measure]:
    """The correlation with compute, beside the one of the public table, and the one with size."""
    reference = Reference(value=0.965, source="public table of the paper, 24 base models")
    compute = analysis.measures["compute_correlation"]
    return [
        compute.model_copy(update={"name": "compute", "reference": reference}),
        analysis.measures["size_correlation"],
    ]


def at(analysis: Finding, array: str, benchmark: str) -> float:
    """One number of one benchmark."""
    held = analysis.arrays[array]
    return float(held.values[held.coords["benchmark"].index(benchmark)])
