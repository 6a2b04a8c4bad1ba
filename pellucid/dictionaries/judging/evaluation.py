"""How good a dictionary is: sparsity, reconstruction, and what the model loses when it is spliced in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.engines.compiled import engine_for
from pellucid.dictionaries.splicing import check_fits
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
from pellucid.models import Model

BATCH = 16  # sequences of one pass
SMALLEST_GAP = 0.01  # nats: below it, a share of loss recovered means nothing
DENSE = 0.1  # a latent that fires more often counts as dense
RUNS = ("clean", "spliced", "mean", "zero")

KIND = register(
    Kind(
        name="dictionaries.evaluation",
        title="How faithful a dictionary is",
        statement="With {l0.value} active per token, the dictionary misses {fvu.value} of the variance and "
        "recovers {ce_recovered.value} of the loss; {dead.value} never fired in {alive.n} tokens.",
        supports="fvu.high < 1",
        refutes="fvu.low >= 1",
        views=(
            View(
                form="bar",
                array="loss",
                title="What the model loses when the dictionary stands in for the activation",
                x="activation at the site",
                unit="nats per token",
            ),
            View(
                form="histogram",
                array="log_frequency",
                title="How often each living latent fires",
                x="log10 of the share of tokens",
                y="latents",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Sums:
    """Sums over the included positions of each sequence; `fires` over all."""

    table: Float[np.ndarray, "sequence column"]
    """One row for each sequence, one column for each name in COLUMNS."""
    fires: Int[Tensor, " feature"]
    """How often each latent was active."""


COLUMNS = (
    "rows",
    "error",
    "variance",
    "l0",
    "length_ratio",
    "lengths",
    "predictions",
    *RUNS,
    "kl",
    "agree",
)
AT = {name: number for number, name in enumerate(COLUMNS)}


def evaluate(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Judge a dictionary on a text, with intervals over sequences.

        FVU = sum ||y - y_hat||^2 / sum ||y - mean y||^2          over all included positions
        CE recovered = (CE_ablated - CE_spliced) / (CE_ablated - CE_clean)     ablated: zero, and mean

    Arguments:
        model: the model it was trained on.
        dictionary: an autoencoder or a transcoder.
        tokens: sequences; each predicts its own next tokens.
        resamples: of sequences, for the intervals.
        seed: of the resampling.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.evaluation`` with the measures l0 (active latents per token), fvu, l2_ratio,
        ce_clean, ce_spliced, ce_mean, ce_zero, ce_increase, kl (nats per token, from the clean to the spliced
        prediction), ce_recovered and ce_recovered_mean (shares; no value where ablation costs less than 0.01
        nats), top1_agreement, alive (share of latents that fired), dead, dense (share that fires in more
        than 10 % of tokens), and the arrays ``loss``, ``frequency``, ``log_frequency`` (of living latents).

    Raises:
        InputError: DI04 another width, DI05 NaN activations, DI18 no position to judge.
        MissingError: DI17 for a site that the model does not have.

    Example: ``evaluate(model, sae, windows(tokens, 64, 64)).measures["fvu"].value``.

    Source: CE recovered: Cunningham et al. 2023, arXiv 2309.08600, section 5; FVU: Gao et al. 2024, arXiv
    2406.04093, section 3.
    """
    check_fits(model, dictionary)
    keep = dictionary.convention.included(tokens)
    refuse_nothing(tokens, keep)
    record = start(
        evaluate,
        parameters={
            "dictionary": dictionary.sha256,
            "sites": [dictionary.site_in, dictionary.site_out],
            "settings": dictionary.settings(),
            "resamples": resamples,
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    with torch.no_grad():
        sums = measured(model, dictionary, tokens, keep, progress)
    return record.finding(KIND, measures=measures_of(sums, resamples, seed), arrays=arrays_of(sums))


def refuse_nothing(tokens: Tensor, keep: Tensor) -> None:
    """DI18 unless at least one included position predicts a next token."""
    if tokens.ndim != 2 or tokens.shape[1] < 2 or not bool(keep[:, :-1].any()):
        raise InputError(
            "DI18",
            f"Tokens of shape {tuple(tokens.shape)} leave no included position that predicts a next token.",
            "Give sequences of at least 2 tokens, of which not all are excluded by the dictionary.",
        )


def tokens_sha256(tokens: Tensor) -> str:
    """A hash of token ids and their shape."""
    values = np.ascontiguousarray(tokens.cpu().numpy().astype(np.int64))
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def measured(model: Model, dictionary: Dictionary, tokens: Tensor, keep: Tensor, progress: Progress) -> Sums:
    """Two passes over the text: the mean of the target first, then everything that needs it."""
    with progress.task("evaluating the dictionary", 2 * len(tokens)) as task:
        mean = torch.zeros(dictionary.d_out, dtype=torch.float64)
        for batch, mask in batches(tokens, keep):
            y = model.run(batch, read=[dictionary.site_out], until=dictionary.site_out)[dictionary.site_out]
            mean += y[mask].double().sum(0).cpu()
            task.advance(len(batch))
        mean = (mean / keep.sum()).to(y.dtype)
        tables, fires = [], torch.zeros(dictionary.n_features, dtype=torch.int64)
        for batch, mask in batches(tokens, keep):
            table, fired = sums_of(model, dictionary, batch, mask, mean.to(y.device))
            tables.append(table)
            fires += fired
            task.advance(len(batch))
    return Sums(np.concatenate(tables), fires)


def batches(tokens: Tensor, keep: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Sequences with their included positions."""
    for begin in range(0, len(tokens), BATCH):
        yield tokens[begin : begin + BATCH], keep[begin : begin + BATCH]


def sums_of(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    mean: Float[Tensor, " d_out"],
) -> tuple[Float[np.ndarray, "batch column"], Int[Tensor, " feature"]]:
    """All columns of some sequences."""
    sites = sorted({dictionary.site_in, dictionary.site_out})
    clean = model.run(tokens, read=sites)
    x, y = clean[dictionary.site_in], clean[dictionary.site_out]
    codes = dictionary.codes(x[keep].float())
    error, _ = engine_for(x).errors(codes, dictionary.W_dec, dictionary.b_dec, y[keep].float().contiguous())
    made = y.clone()
    made[keep] = (y[keep].float() + error).to(y.dtype)
    target, y_hat = y[keep].double(), made[keep].double()
    longer = target.norm(dim=1) > 1e-6
    rows = {
        "rows": torch.ones(len(target)),
        "error": error.double().square().sum(1),
        "variance": (target - mean).square().sum(1),
        "l0": (codes.values > 0).sum(1),
        "length_ratio": torch.where(longer, y_hat.norm(dim=1) / target.norm(dim=1).clamp_min(1e-6), 0.0),
        "lengths": longer,
    }
    table = np.zeros((len(tokens), len(COLUMNS)))
    for name, values in rows.items():
        table[:, AT[name]] = by_sequence(values, keep)
    replaced = {"spliced": made, "mean": torch.where(keep.unsqueeze(-1), mean, y)}
    replaced["zero"] = torch.where(keep.unsqueeze(-1), torch.zeros_like(y), y)
    losses(model, dictionary.site_out, tokens, keep[:, :-1], clean.output, replaced, table)
    return table, codes.fires().cpu()


def by_sequence(values: Tensor, keep: Tensor) -> Float[np.ndarray, " batch"]:
    """Sums of values at included positions, for each sequence."""
    placed = torch.zeros(keep.shape, dtype=torch.float64, device=keep.device)
    placed[keep] = values.double()
    return placed.sum(1).cpu().numpy()


def losses(
    model: Model,
    site: str,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    logits: Float[Tensor, "batch pos vocab"],
    replaced: dict[str, Tensor],
    table: Float[np.ndarray, "batch column"],
) -> None:
    """Fill in next-token losses of all runs, the divergence and the agreement of the spliced one."""
    clean = predictions(logits)
    following = tokens[:, 1:].unsqueeze(-1)
    table[:, AT["predictions"]] = keep.sum(1).cpu().numpy()
    table[:, AT["clean"]] = by_sequence(-clean.gather(-1, following)[..., 0][keep], keep)
    for name, value in replaced.items():
        other = predictions(model.run(tokens, write={site: value}).output)
        table[:, AT[name]] = by_sequence(-other.gather(-1, following)[..., 0][keep], keep)
        if name == "spliced":
            divergence = (clean.exp() * (clean - other)).sum(-1)
            table[:, AT["kl"]] = by_sequence(divergence[keep], keep)
            table[:, AT["agree"]] = by_sequence((clean.argmax(-1) == other.argmax(-1))[keep], keep)


def predictions(logits: Float[Tensor, "batch pos vocab"]) -> Float[Tensor, "batch next vocab"]:
    """Log probabilities at all positions that have a next token."""
    return logits[:, :-1].double().log_softmax(-1)


def ratio(
    table: Float[np.ndarray, "sequence column"], top: str, bottom: str, resamples: int, seed: int
) -> Interval:
    """Ratio of two columns' sums, resampling sequences."""
    pair = table[:, [AT[top], AT[bottom]]]
    return bootstrap(pair, lambda rows: rows[:, 0].sum() / rows[:, 1].sum(), resamples=resamples, seed=seed)


def recovered(
    table: Float[np.ndarray, "sequence column"], ablated: str, resamples: int, seed: int
) -> Interval | None:
    """(CE_ablated - CE_spliced) / (CE_ablated - CE_clean); None where the denominator is under 0.01 nats."""
    columns = table[:, [AT[ablated], AT["spliced"], AT["clean"]]]
    gap = (columns[:, 0] - columns[:, 2]).sum() / table[:, AT["predictions"]].sum()
    if abs(gap) < SMALLEST_GAP:
        return None

    def share(rows: Float[np.ndarray, "sequence three"]) -> float:
        """The recovered share over the given sequences."""
        a, spliced, clean = rows.sum(0)
        return float((a - spliced) / (a - clean))

    return bootstrap(columns, share, resamples=resamples, seed=seed)


def measures_of(sums: Sums, resamples: int, seed: int) -> list[Measure]:
    """Every number, with its interval."""
    table = sums.table
    increase = table.copy()
    increase[:, AT["spliced"]] -= table[:, AT["clean"]]

    def over(top: str, bottom: str, source: Float[np.ndarray, "sequence column"] = table) -> Interval:
        """Ratio of two columns of ``source``, with its interval."""
        return ratio(source, top, bottom, resamples, seed)

    nats = "nats per token"
    return [
        Measure.of("l0", over("l0", "rows"), unit="latents", better="lower"),
        Measure.of("fvu", over("error", "variance"), better="lower"),
        Measure.of("l2_ratio", over("length_ratio", "lengths")),
        *(Measure.of(f"ce_{run}", over(run, "predictions"), unit=nats, better="lower") for run in RUNS),
        Measure.of("ce_increase", over("spliced", "predictions", increase), unit=nats, better="lower"),
        Measure.of("ce_recovered", recovered(table, "zero", resamples, seed), better="higher"),
        Measure.of("ce_recovered_mean", recovered(table, "mean", resamples, seed), better="higher"),
        Measure.of("kl", over("kl", "predictions"), unit=nats, better="lower"),
        Measure.of("top1_agreement", over("agree", "predictions"), better="higher"),
        *firing_measures(sums),
    ]


def firing_measures(sums: Sums) -> list[Measure]:
    """How many latents live, and how many hardly ever rest."""
    n = int(sums.table[:, AT["rows"]].sum())
    alive = (sums.fires > 0).double().mean()
    dense = (sums.fires > DENSE * n).double().mean()
    return [
        Measure.of("alive", float(alive), n=n, better="higher"),
        Measure.of("dead", float((sums.fires == 0).sum()), unit="latents", n=n, better="lower"),
        Measure.of("dense", float(dense), n=n),
    ]


def arrays_of(sums: Sums) -> dict[str, Array]:
    """The four losses, and how often each latent fires."""
    totals = sums.table.sum(0)
    frequency = sums.fires.numpy() / totals[AT["rows"]]
    alive = np.flatnonzero(frequency)
    return {
        "loss": Array(
            np.array([totals[AT[run]] / totals[AT["predictions"]] for run in RUNS]), ("run",), {"run": RUNS}
        ),
        "frequency": Array(frequency, ("feature",)),
        "log_frequency": Array(np.log10(frequency[alive]), ("feature",), {"feature": alive.tolist()}),
    }
