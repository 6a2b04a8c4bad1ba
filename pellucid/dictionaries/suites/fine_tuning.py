"""A dictionary on another model of the family: does it stay true when the model is trained on?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.resampling import Drawn, share, totals
from pellucid.dictionaries.judging.sums import Sums, measured, refuse_nothing, tokens_sha256
from pellucid.dictionaries.splicing import check_fits
from pellucid.dictionaries.suites.contexts import measured as measure
from pellucid.findings import Array, DataRef, Finding, InputError, Kind, Measure, View, register, start
from pellucid.models import Model

NATS = "nats per token"
SIDES = ("base", "other")

KIND = register(
    Kind(
        name="dictionaries.fine_tuned",
        title="A dictionary on a model that was trained on",
        statement="On the other model the dictionary misses {fvu_ratio.interval} times the share of variance "
        "that it misses on its own; splicing it in costs {ce_increase_other.value}, and on its own "
        "{ce_increase_base.value}.",
        supports="fvu_ratio.high <= 1.25",
        refutes="fvu_ratio.low > 1.25",
        views=(
            View(
                form="bar",
                array="fvu",
                title="Share of variance missed on each model",
                x="model",
                y="share of the variance",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


def fine_tuned(
    model: Model,
    other: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Judge a dictionary on its own model and on another of the family, over the same text.

        fvu = sum ||y - y_hat||^2 / sum ||y - mean y||^2,    ce_increase = CE(spliced) - CE(clean)
        *_ratio = on the other model / on its own;    intervals resample the sequences of both together

    A quarter more of the variance missed is the border of the verdict.

    Arguments:
        model: the model it was trained on.
        other: a model of the same shape, such as a fine-tuned copy.
        dictionary: any.
        tokens: held-out sequences.
        resamples: of sequences.
        seed: of the resampling.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.fine_tuned`` about the other model with the measures fvu_ratio, mse_ratio,
        l0_ratio, ce_increase_difference, and fvu, mse, l0 and ce_increase ``_base`` and ``_other``; array
        ``fvu`` by model.

    Raises:
        InputError: DI04 for a model of another width, DI18 no position to judge, DI118 the same model twice.
        MissingError: DI17 for a site that a model does not have.

    Example: ``fine_tuned(bard, twin, sae, tokens).measures["fvu_ratio"].value``.

    Source: He et al. 2024, arXiv 2410.20526, section 5.4.
    """
    check_fits(model, dictionary)
    check_fits(other, dictionary)
    if model.sha256 == other.sha256:
        raise InputError(
            "DI118",
            f"{model.id} and {other.id} have the same weights.",
            "Give the model that the dictionary was trained on, and another of its family.",
        )
    keep = dictionary.convention.included(tokens)
    refuse_nothing(tokens, keep)
    record = start(
        fine_tuned,
        parameters={
            "dictionary": dictionary.sha256,
            "base": model.sha256,
            "resamples": resamples,
        },
        subject=other.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    sums = {
        side: measured(opened, dictionary, tokens, keep, None, progress)
        for side, opened in zip(SIDES, (model, other), strict=True)
    }
    measures = compared(sums, resamples, seed)
    missed = {one.name: one.value for one in measures}
    values = np.array([missed[f"fvu_{side}"] for side in SIDES], dtype=np.float64)
    arrays = {"fvu": Array(values, ("model",), {"model": [model.id, other.id]})}
    return record.finding(KIND, measures=measures, arrays=arrays)


def compared(sums: Mapping[str, Sums], resamples: int, seed: int) -> list[Measure]:
    """Each number on both models, and the ratios."""
    columns = {
        f"{name}_{side}": column for side, found in sums.items() for name, column in found.columns.items()
    }
    n = len(next(iter(columns.values())))
    t = totals(columns, resamples, seed)
    measures = []
    for name, top, bottom, unit in (
        ("fvu", "error", "variance", ""),
        ("mse", "error", "rows", ""),
        ("l0", "l0", "rows", "latents"),
    ):
        base, other = (share(t[f"{top}_{side}"], t[f"{bottom}_{side}"]) for side in SIDES)
        measures += [
            measure(f"{name}_base", base, n, unit, "lower"),
            measure(f"{name}_other", other, n, unit, "lower"),
            measure(f"{name}_ratio", share(other, base), n),
        ]
    base, other = (increase(t, side) for side in SIDES)
    return [
        *measures,
        measure("ce_increase_base", base, n, NATS, "lower"),
        measure("ce_increase_other", other, n, NATS, "lower"),
        measure("ce_increase_difference", other - base, n, NATS, "lower"),
    ]


def increase(t: Mapping[str, Drawn], side: str) -> Drawn:
    """What splicing costs a model, in nats per token."""
    return share(t[f"spliced_{side}"] - t[f"clean_{side}"], t[f"predictions_{side}"])
