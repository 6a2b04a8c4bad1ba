"""The gate doctor's Finding: whether a dictionary is run as it was meant, with every hypothesis tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.doctor import ROWS, Diagnosis, Fit, Source, diagnose
from pellucid.dictionaries.formats.hypotheses import Hypothesis, repair
from pellucid.dictionaries.formats.registry import load_dictionary
from pellucid.dictionaries.judging.sums import batches, refuse_nothing, tokens_sha256
from pellucid.dictionaries.splicing import splice
from pellucid.dictionaries.truth.recovery import rows_sha256
from pellucid.findings import Array, DataRef, Finding, Kind, Measure, View, register, start
from pellucid.models import Model

LISTED = 12  # hypotheses that a Finding keeps, the best
SPLICED = 4  # of them, those whose loss in the model is measured
NATS = "nats per token"

KIND = register(
    Kind(
        name="dictionaries.gate_check",
        title="Whether a dictionary is run as it was meant",
        statement="As read, {l0.value} are active per token where {promised.value} are promised, and "
        "{fvu.value} of the variance is missed; the best of {hypotheses.value} has {best_l0.value} active "
        "and misses {best_fvu.value}: {mistakes.value} in the record.",
        supports="mistakes.value == 0",
        refutes="mistakes.value > 0",
        views=(
            View(
                form="bar",
                array="l0",
                title="How many latents each way of running it has active",
                x="hypothesis",
                unit="latents per token",
            ),
            View(
                form="bar",
                array="fvu",
                title="How much of the variance each way of running it misses",
                x="hypothesis",
                unit="share of the variance",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="dictionaries",
    )
)


def examine(
    dictionary: Dictionary | str | Path,
    source: Source,
    tokens: Int[Tensor, "batch pos"] | None = None,
    *,
    promised: float | None = None,
    rows: int = ROWS,
    progress: Progress = SILENT,
) -> Finding:
    """Check on activations whether a dictionary's record is the way in which it was meant to be run.

        fvu = sum ||y - y_hat||^2 / sum ||y - mean y||^2,   l0 = mean #(z != 0)
        cosine = sum <y - mean y, y_hat - mean y_hat> / (|y - mean y| |y_hat - mean y_hat|)

    Every admissible hypothesis is run: raw ReLU, TopK by h and by h n, JumpReLU with its threshold in each
    unit, b_dec subtracted or not, each normalisation, with and without the first position. Nothing is
    repaired: `diagnose(...).repaired()` gives the dictionary by the verdict.

    Arguments:
        dictionary: what was read, or where it is.
        source: the model it was trained on, or activations [batch, d] or [batch, pos, d]; of a transcoder,
            inputs and targets.
        tokens: sequences to run a model on.
        promised: how many latents ought to be active; None: what the file says.
        rows: how many activations to judge on, at most.
        progress: told after each hypothesis.

    Returns:
        A Finding ``dictionaries.gate_check`` with the measures l0, fvu, cosine of the record and best_l0,
        best_fvu, best_cosine of the verdict, second_l0 and second_fvu of the next best, promised, ratio (l0
        over promised), hypotheses, mistakes and warnings (counts), with a model ce_increase and
        best_ce_increase (nats per token); arrays ``l0``, ``fvu``, ``cosine`` and ``ce_increase`` (NaN where
        it was not measured) over the best hypotheses, the verdict first and the record among them, and
        ``mistake`` and ``warning``, whose coordinates say in words what was found.

    Raises:
        InputError: DI04 another width, DI123 for a model without tokens or a transcoder without targets.
        MissingError: DI17 for a site that the model does not have, DI21 for a place without a dictionary.

    Example: ``examine("sae", model, windows(tokens, 64, 64)).measures["mistakes"].value``.

    Source: He et al. 2024, arXiv 2410.20526, section 3.3, for the units of a threshold.
    """
    opened = dictionary if isinstance(dictionary, Dictionary) else load_dictionary(dictionary)
    record = start(
        examine,
        parameters={
            "dictionary": opened.sha256,
            "sites": [opened.site_in, opened.site_out],
            "promised": promised,
            "rows": rows,
        },
        subject=source.subject if isinstance(source, Model) else None,
        data=data_of(source, tokens),
    )
    found = diagnose(opened, source, tokens, promised=promised, rows=rows, progress=progress)
    listed = listed_fits(found)
    losses = (
        increases(found, listed, source, tokens) if isinstance(source, Model) and tokens is not None else {}
    )
    return record.finding(KIND, measures=measures(found, losses), arrays=arrays(found, listed, losses))


def data_of(source: Source, tokens: Tensor | None) -> DataRef:
    """What it was judged on: tokens, or rows of activations."""
    if isinstance(source, Model):
        return DataRef(id="tokens", sha256="" if tokens is None else tokens_sha256(tokens))
    parts = source if isinstance(source, tuple) else (source,)
    return DataRef(id="activations", sha256=rows_sha256(*parts))


def listed_fits(found: Diagnosis) -> list[Fit]:
    """The best hypotheses, the record among them."""
    best = list(found.fits[:LISTED])
    return best if found.own in best else [*best[:-1], found.own]


def increases(
    found: Diagnosis, listed: Sequence[Fit], model: Model, tokens: Tensor
) -> dict[Hypothesis, float]:
    """What the model loses with the best few spliced in, and with the record."""
    refuse_nothing(tokens, found.dictionary.convention.included(tokens))
    chosen = [found.own, *(fit for fit in listed if fit is not found.own)][:SPLICED]
    keep = torch.ones_like(tokens, dtype=torch.bool)
    keep[:, :1] = False  # one mask for all: hypotheses differ in whether they replace the first position
    clean = loss(model, tokens, keep)
    return {
        fit.hypothesis: loss(splice(model, repair(found.dictionary, fit.hypothesis)), tokens, keep) - clean
        for fit in chosen
    }


@torch.no_grad()
def loss(model: Model, tokens: Int[Tensor, "batch pos"], keep: Bool[Tensor, "batch pos"]) -> float:
    """Mean cross-entropy of the next token, at kept positions.

    Arguments:
        model: clean or spliced.
        tokens: sequences.
        keep: positions that predict.
    """
    total, count = 0.0, 0
    for batch, mask in batches(tokens, keep):
        logits = model.run(batch).output[:, :-1][mask[:, :-1]].double()
        total += float(cross_entropy(logits, batch[:, 1:][mask[:, :-1]], reduction="sum"))
        count += len(logits)
    return total / max(count, 1)


def measures(found: Diagnosis, losses: dict[Hypothesis, float]) -> list[Measure]:
    """Every number, of the record, of the verdict and of the next best."""
    own, best, second = found.own, found.fits[0], found.fits[min(1, len(found.fits) - 1)]
    ratio = None if found.promised is None else own.l0 / found.promised
    made = [
        Measure.of("l0", own.l0, unit="latents", better="lower", n=found.rows),
        Measure.of("fvu", own.fvu, better="lower", n=found.rows),
        Measure.of("cosine", own.cosine, better="higher", n=found.rows),
        Measure.of("promised", found.promised, unit="latents"),
        Measure.of("ratio", ratio),
        Measure.of("hypotheses", len(found.fits), unit="hypotheses"),
        Measure.of("best_l0", best.l0, unit="latents", n=found.rows),
        Measure.of("best_fvu", best.fvu, better="lower", n=found.rows),
        Measure.of("best_cosine", best.cosine, better="higher", n=found.rows),
        Measure.of("second_l0", second.l0, unit="latents", n=found.rows),
        Measure.of("second_fvu", second.fvu, better="lower", n=found.rows),
        Measure.of("mistakes", len(found.mistakes), unit="mistakes", better="lower"),
        Measure.of("warnings", len(found.warnings), unit="warnings", better="lower"),
    ]
    if losses:
        made.append(Measure.of("ce_increase", losses[own.hypothesis], unit=NATS, better="lower"))
        made.append(Measure.of("best_ce_increase", losses[best.hypothesis], unit=NATS, better="lower"))
    return made


def arrays(found: Diagnosis, listed: Sequence[Fit], losses: dict[Hypothesis, float]) -> dict[str, Array]:
    """The best hypotheses with their numbers, and what was found in words."""
    names = [fit.hypothesis.name + (" (as read)" if fit is found.own else "") for fit in listed]
    columns = {
        "l0": [fit.l0 for fit in listed],
        "fvu": [fit.fvu for fit in listed],
        "cosine": [fit.cosine for fit in listed],
        "ce_increase": [losses.get(fit.hypothesis, math.nan) for fit in listed],
    }
    made = {
        name: Array(np.array(values), ("hypothesis",), {"hypothesis": names})
        for name, values in columns.items()
        if name != "ce_increase" or losses
    }
    for name, said in (("mistake", found.mistakes), ("warning", found.warnings)):
        if said:
            made[name] = Array(np.ones(len(said)), (name,), {name: list(said)})
    return made
