"""The claims of Llama Scope, measured on a tiny scope: dictionaries at bard's stream after block 2.

For each seed one job trains, from one harvest, the paper's TopK in two widths, the wide one without its
falling k, and L1 dictionaries of several prices; everything is judged on text that neither bard nor they have
seen. The order of the rows changes with the seed too.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.compute import run_jobs
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.resampling import Drawn, interval, share, totals
from pellucid.dictionaries.suites.contexts import long_context
from pellucid.dictionaries.suites.conversion import to_jumprelu
from pellucid.dictionaries.suites.fine_tuning import fine_tuned
from pellucid.dictionaries.suites.plan import llama_scope_training
from pellucid.dictionaries.training.loop import train_suite
from pellucid.findings import DataRef, Finding, Kind, Measure, Reference, from_bytes, register, start
from pellucid.library.studies.protocol import Conditions
from pellucid.models import ActivationShards, Model, harvest, open_model, windows
from pellucid.organisms import text
from pellucid.organisms.texts import held_out

SOURCE = "He et al. 2024 (arXiv 2410.20526)"
SITE, CONTEXT, LONG = "blocks.2.resid_post", 64, 128
K, WIDE = 16, 32
PAPER_K = 50
PRICES = (1.0, 1.4, 2.0, 2.8)
"""Of the L1 dictionaries; their active latents must lie on both sides of three times K."""
SAMPLE = 32_768
"""Rows from which thresholds are set, as in the paper."""
Sums = dict[str, Float[np.ndarray, " sequence"]]

THIRD = register(
    Kind(
        name="library.scope_sparsity",
        title="TopK with a third of the active latents",
        statement="With {k.value} active TopK explains {topk.value} of the variance; L1 with three "
        "times as many explains {l1.value}. The margin is {margin.interval}",
        supports="margin.low >= 0",
        refutes="margin.high < 0",
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)
WIDER = register(
    Kind(
        name="library.scope_width",
        title="The wider dictionary at the same sparsity",
        statement="With {k.value} active the dictionary of 32 times the width explains {wide.value} "
        "of the variance, that of 8 times {narrow.value}. The margin is {margin.interval}",
        supports="margin.low > 0",
        refutes="margin.high < 0",
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)
ANNEALING = register(
    Kind(
        name="library.scope_annealing",
        title="Beginning with many active latents",
        statement="After a third of the training {silent_without.value} have never fired when k is constant, "
        "and {silent_with.value} when it falls; at the end the falling one misses {fvu_ratio.interval} times "
        "as much variance",
        supports="excess.value > 0 and fvu_ratio.high <= 1.05",
        refutes="excess.value < 0 or fvu_ratio.low > 1.05",
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)
THRESHOLD = register(
    Kind(
        name="library.scope_threshold",
        title="One threshold in place of the selection",
        statement="With one threshold {l0.value} are active on unseen text where {k.value} are asked for, "
        "{l0_same_text.value} on other passages of the training text; {ev_loss.interval} less of the "
        "variance is explained",
        supports="l0_deviation.value <= 2 and ev_loss.high <= 0.01",
        refutes="l0_deviation.value > 2 or ev_loss.low > 0.01",
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)
LONGER = register(
    Kind(
        name="library.scope_context",
        title="Longer contexts than those of the training",
        statement="Trained on {trained.value}, the squared error of later ones is "
        "{increase.interval} larger, with {l0_within.value} active before and {l0_beyond.value} after",
        supports="increase.low > 0 and increase.high <= 25",
        refutes="increase.high <= 0 or increase.low > 25",
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """The claims about suites for each seed, the paper's open question, and in full all 32 dictionaries."""
    from pellucid.library.studies import llama_scope_grid, llama_scope_ranking

    yield from scope_claims(conditions)
    yield from llama_scope_ranking.run(conditions)
    if conditions.profile == "full":
        yield from llama_scope_grid.grid(conditions)


def scope_claims(conditions: Conditions) -> Iterator[Finding]:
    """For each seed what its trainings show: four claims, the last of them in two parts."""
    steps = 300 if conditions.profile == "quick" else 2000
    jobs = {str(seed): (seed, steps) for seed in conditions.seeds}
    results = run_jobs(
        trained_and_judged,
        jobs,
        executor=conditions.executor,
        progress=conditions.progress,
        name="training a tiny scope",
    )
    for seed in conditions.seeds:
        yield from claims_of(seed, steps, results[str(seed)])


def trained_and_judged(seed: int, steps: int) -> dict[str, Any]:
    """Everything that one seed's trainings show: sums by held-out sequence, logs, two Findings as bytes.

    Arguments:
        seed: of weights and order.
        steps: of every training.
    """
    model = open_model("organism:bard", device="cpu")
    rows, unseen = harvest(model, sequences(model, "train"), SITE), sequences(model, "validation", LONG)
    configs = configurations(seed, steps)
    made = dict(zip(configs, train_suite(rows, list(configs.values())), strict=True))
    made["threshold"] = to_jumprelu(made["narrow"], sample_of(rows))
    made["paper threshold"] = to_jumprelu(made["paper"], sample_of(rows))
    judged = harvest(model, sequences(model, "validation"), SITE)
    same = harvest(model, sequences(model, "passages"), SITE)
    other = open_model("organism:bard-twin", device="cpu")
    return {
        "sums": {name: sums_of(dictionary, judged) for name, dictionary in made.items()},
        "same": {name: sums_of(made[name], same) for name in ("threshold", "paper threshold")},
        "logs": {name: made[name].training_record["log"] for name in ("wide", "constant")},
        "context": long_context(model, made["threshold"], unseen, CONTEXT, seed=seed).to_bytes(),
        "twin": fine_tuned(model, other, made["narrow"], unseen[:64], seed=seed).to_bytes(),
    }


def sequences(model: Model, split: str, length: int = CONTEXT) -> Int[Tensor, "batch pos"]:
    """Windows of one part of both texts.

    Arguments:
        model: whose tokenizer.
        split: validation; train, every fourth window of the training part; or passages, others of that part.
        length: of the windows.
    """
    source_split = "validation" if split == "validation" else "train"
    ids = [encoded(model, source_split, source) for source in ("plays", "epic")]
    whole = torch.cat([windows(part, length, length) for part in ids])
    return {"train": whole[::4], "passages": whole[2::16], "validation": whole}[split]


def encoded(model: Model, split: str, source: str) -> Int[Tensor, " pos"]:
    """The tokens of one text."""
    return torch.tensor(model.tokenizer.encode(text(split, source)))


def sample_of(rows: ActivationShards) -> Float[Tensor, "row width"]:
    """Evenly spaced rows for the thresholds."""
    every = max(1, rows.rows // SAMPLE)
    return rows.read(SITE)[::every][:SAMPLE]


def configurations(seed: int, steps: int) -> dict[str, TrainConfig]:
    """The trainings of one seed by name: narrow, wide, constant k, and L1 by price."""
    paper = llama_scope_training(128, k=K, steps=steps, batch=1024)
    common: dict[str, Any] = {
        "site": SITE,
        "seed": seed,
        "order_seed": seed,
        "lr": 2e-3,
        "log_every": max(1, steps // 3),
    }
    narrow = dataclasses.replace(paper, **common, initial_length=0.5)  # sqrt(2 d / F)
    wide = dataclasses.replace(narrow, n_features=WIDE * 128, initial_length=0.25)
    plain = TrainConfig(n_features=8 * 128, variant="relu", steps=steps, batch=1024, **common)
    return {
        "narrow": narrow,
        "wide": wide,
        "paper": dataclasses.replace(narrow, k=PAPER_K),
        "constant": dataclasses.replace(wide, k_start=None),
        **{f"l1 {price:g}": dataclasses.replace(plain, sparsity=price) for price in PRICES},
    }


@torch.no_grad()
def sums_of(dictionary: Dictionary, judged: ActivationShards) -> Sums:
    """What each held-out sequence adds to explained variance and active latents.

    Arguments:
        dictionary: at SITE.
        judged: the held-out rows.
    """
    y = judged.read(SITE)
    codes, made = dictionary.reconstruct(y)
    variance = (y.double() - y.double().mean(0)).square().sum(1)
    rows = {
        "error": (y.double() - made.double()).square().sum(1),
        "variance": variance,
        "l0": (codes.values != 0).sum(1).double(),
        "rows": torch.ones_like(variance),
    }
    return {name: values.reshape(-1, CONTEXT).sum(1).numpy() for name, values in rows.items()}


def claims_of(seed: int, steps: int, result: Mapping[str, Any]) -> Iterator[Finding]:
    """The Findings of one seed; the reports that the last ones rest on come before them."""
    sums: dict[str, Sums] = result["sums"]
    setting = (seed, steps)
    yield claimed("C1", "", THIRD, third_measures(sums, seed), setting)
    yield claimed("C2", "", WIDER, wider_measures(sums, seed), setting)
    yield claimed("C3", "", ANNEALING, annealing_measures(sums, result["logs"], seed), setting)
    for part, (selected, k) in {"threshold": ("narrow", K), "paper threshold": ("paper", PAPER_K)}.items():
        measures = threshold_measures(sums[selected], sums[part], result["same"][part], k, seed)
        yield claimed("C4", f"threshold of {k}", THRESHOLD, measures, setting)
    context, twin = from_bytes(result["context"]), from_bytes(result["twin"])
    yield context
    yield twin
    yield claimed("C4", "context", LONGER, context_measures(context), setting, context)


def claimed(
    claim: str,
    part: str,
    kind: Kind,
    measures: list[Measure],
    setting: tuple[int, int],
    parent: Finding | None = None,
) -> Finding:
    """The Finding of one claim and seed."""
    parts = {"part": part} if part else {}
    record = start(
        scope_claims,
        parameters={"claim": f"llama-scope.{claim}", **parts, "site": SITE, "k": K, "steps": setting[1]},
        subject=open_model("organism:bard", device="cpu").subject,
        data=DataRef(id=held_out().id, sha256=held_out().sha256),
        seed=setting[0],
        parents=() if parent is None else (parent.id,),
        command="pellucid study run llama-scope",
    )
    return record.finding(kind, measures=measures)


def drawn(sums: Mapping[str, Sums], seed: int) -> dict[str, dict[str, Drawn]]:
    """Totals over the same resamples of sequences for all dictionaries."""
    columns = {f"{name}|{part}": values for name, found in sums.items() for part, values in found.items()}
    t = totals(columns, 1000, seed)
    return {name: {part: t[f"{name}|{part}"] for part in found} for name, found in sums.items()}


def explained(t: Mapping[str, Drawn]) -> Drawn:
    """EV = 1 - sum ||y - y_hat||^2 / sum ||y - mean y||^2."""
    return 1 - share(t["error"], t["variance"])


def active(t: Mapping[str, Drawn]) -> Drawn:
    """Mean active latents."""
    return share(t["l0"], t["rows"])


def count_of(sums: Mapping[str, Sums]) -> int:
    """How many sequences are resampled."""
    return len(next(iter(sums.values()))["rows"])


def third_measures(sums: Mapping[str, Sums], seed: int) -> list[Measure]:
    """C1: TopK beside L1 with three times its active latents, interpolated in log L0 between two prices."""
    t, n = drawn(sums, seed), count_of(sums)
    plain = sorted((t[name] for name in sums if name.startswith("l1")), key=lambda one: float(active(one)[0]))
    topk, l1 = explained(t["narrow"]), at_sparsity(plain, 3 * K)
    margin = None if l1 is None else interval(topk - l1, n)
    sparsest, densest = (float(active(one)[0]) for one in (plain[0], plain[-1]))
    return [
        Measure.of("margin", margin, better="higher"),
        Measure.of("topk", interval(topk, n), better="higher"),
        Measure.of("l1", None if l1 is None else interval(l1, n), better="higher"),
        Measure.of("k", float(K), unit="latents", reference=Reference(value=50, source=SOURCE)),
        Measure.of("l1_sparsest", sparsest, unit="latents"),
        Measure.of("l1_densest", densest, unit="latents"),
    ]


def at_sparsity(plain: Sequence[Mapping[str, Drawn]], wanted: float) -> Drawn | None:
    """Explained variance at so many active latents; None when the dictionaries do not bracket them.

    Arguments:
        plain: dictionaries from the sparsest to the densest.
        wanted: mean active latents.
    """
    for low, high in itertools.pairwise(plain):
        ends = [float(active(one)[0]) for one in (low, high)]
        if ends[0] <= wanted <= ends[1]:
            weight = math.log(wanted / ends[0]) / math.log(ends[1] / ends[0])
            return (1 - weight) * explained(low) + weight * explained(high)
    return None


def wider_measures(sums: Mapping[str, Sums], seed: int) -> list[Measure]:
    """C2: both widths with the same k."""
    t, n = drawn(sums, seed), count_of(sums)
    wide, narrow = explained(t["wide"]), explained(t["narrow"])
    return [
        Measure.of("margin", interval(wide - narrow, n), better="higher"),
        Measure.of("wide", interval(wide, n), better="higher"),
        Measure.of("narrow", interval(narrow, n), better="higher"),
        Measure.of("k", float(K), unit="latents"),
    ]


def annealing_measures(
    sums: Mapping[str, Sums], logs: Mapping[str, Sequence[Mapping[str, float]]], seed: int
) -> list[Measure]:
    """C3: latents that have not fired by a third of the training, five times as many without the schedule."""
    t, n = drawn(sums, seed), count_of(sums)
    silent = {name: float(log[0]["never_fired"]) for name, log in logs.items()}
    missed = [share(t[name]["error"], t[name]["variance"]) for name in ("wide", "constant")]
    latents = WIDE * 128
    return [
        Measure.of("silent_without", silent["constant"], n=latents, unit="latents"),
        Measure.of("silent_with", silent["wide"], n=latents, unit="latents", better="lower"),
        Measure.of("excess", silent["constant"] - 5 * silent["wide"], unit="latents"),
        Measure.of("fvu_ratio", interval(share(missed[0], missed[1]), n), better="lower"),
    ]


def threshold_measures(selected: Sums, thresholded: Sums, same: Sums, k: int, seed: int) -> list[Measure]:
    """C4: the selection beside the threshold, which was set on the training text.

    Arguments:
        selected: sums of the dictionary that selects.
        thresholded: of the one with thresholds, on unseen text.
        same: of the one with thresholds, on other passages of the training text.
        k: active latents that are asked for.
        seed: of the resampling.
    """
    t = drawn({"selected": selected, "thresholded": thresholded}, seed)
    l0, n = active(t["thresholded"]), len(selected["rows"])
    loss = explained(t["selected"]) - explained(t["thresholded"])
    return [
        Measure.of("ev_loss", interval(loss, n), better="lower"),
        Measure.of("l0", interval(l0, n), unit="latents"),
        Measure.of("l0_deviation", abs(100 * (float(l0[0]) / k - 1)), unit="%", better="lower"),
        Measure.of("l0_same_text", float(same["l0"].sum() / same["rows"].sum()), unit="latents"),
        Measure.of("k", float(k), unit="latents"),
    ]


def context_measures(context: Finding) -> list[Measure]:
    """C4: the increase of the squared error in per cent, beside the paper's."""
    ratio = context.measures["mse_ratio"]
    ends = (None if end is None else 100 * (end - 1) for end in (ratio.value, ratio.low, ratio.high))
    value, low, high = ends
    reference = Reference(value=12, source=SOURCE)
    increase = Measure(
        name="increase", value=value, low=low, high=high, n=ratio.n, unit="%", reference=reference
    )
    return [increase, *(context.measures[name] for name in ("trained", "l0_within", "l0_beyond"))]
