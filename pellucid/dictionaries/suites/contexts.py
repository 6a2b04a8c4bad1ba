"""Beyond the context a dictionary was trained on: error and sparsity by position."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.resampling import Drawn, interval, share, totals
from pellucid.dictionaries.judging.sums import BATCH, tokens_sha256
from pellucid.dictionaries.splicing import check_fits, flat
from pellucid.findings import Array, DataRef, Finding, InputError, Kind, Measure, View, register, start
from pellucid.findings.measures import Better
from pellucid.models import Model

PARTS = ("rows", "error", "variance", "l0")
"""What is added up at each position: positions counted, ||y - y_hat||^2, ||y - mean y||^2, active latents."""
Table = Float[np.ndarray, "sequence pos"]

KIND = register(
    Kind(
        name="dictionaries.long_context",
        title="A dictionary beyond the context it was trained on",
        statement="Beyond the {trained.value} it was trained on, the squared error is {mse_ratio.interval} "
        "times as large; {l0_beyond.value} are active there, {l0_within.value} before.",
        supports="mse_ratio.high <= 1.25",
        refutes="mse_ratio.low > 1.25",
        views=(
            View(
                form="line",
                array="mse",
                title="Squared error by position",
                x="position",
                y="squared error per token",
            ),
            View(form="line", array="l0", title="Active latents by position", x="position", y="latents"),
        ),
        stance="observational",
        evidence="behavioural",
        room="dictionaries",
    )
)


def long_context(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    trained: int,
    *,
    block: int = 16,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Error and sparsity by position, on sequences longer than those that a dictionary was trained on.

        mse_ratio = mean ||y - y_hat||^2 at positions from `trained` on / the same at positions before
        fvu = sum ||y - y_hat||^2 / sum ||y - mean y||^2, the mean over the whole text

    A quarter more error is the border of the verdict: the paper found 12 % more.

    Arguments:
        model: the model it was trained on.
        dictionary: any.
        tokens: sequences of more than `trained` tokens, of at most the model's context.
        trained: length of the sequences of its training.
        block: positions that are averaged in the arrays.
        resamples: of sequences.
        seed: of the resampling.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.long_context`` with the measures mse_ratio, l0_ratio, fvu_ratio, and mse, l0
        and fvu ``_within`` and ``_beyond``, trained; arrays ``mse``, ``l0``, ``fvu`` by the first position of
        each block (a block may be short at the border and at the end).

    Raises:
        InputError: DI117 when no included position lies before or after `trained`; DI04 another width.
        MissingError: DI17 for a site that the model does not have.

    Example: ``long_context(model, sae, windows(ids, 128, 128), trained=64).measures["mse_ratio"].value``.

    Source: He et al. 2024, arXiv 2410.20526, section 5.3.
    """
    check_fits(model, dictionary)
    keep = dictionary.convention.included(tokens)
    if block < 1 or trained < 1 or not (bool(keep[:, :trained].any()) and bool(keep[:, trained:].any())):
        raise InputError(
            "DI117",
            f"Sequences of {tokens.shape[-1]} tokens cannot be compared before and after position {trained}.",
            "Give longer sequences than those of the training, and blocks of at least 1 position.",
        )
    record = start(
        long_context,
        parameters={
            "dictionary": dictionary.sha256,
            "trained": trained,
            "block": block,
            "resamples": resamples,
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    tables = by_position(model, dictionary, tokens, keep, progress)
    measures = [Measure.of("trained", float(trained), unit="positions")]
    measures += sides(tables, trained, resamples, seed)
    return record.finding(KIND, measures=measures, arrays=blocks_of(tables, trained, block))


@torch.no_grad()
def by_position(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    keep: Bool[Tensor, "batch pos"],
    progress: Progress,
) -> dict[str, Table]:
    """Every part at every position; 0 where the dictionary is not meant.

    Arguments:
        model: the model.
        dictionary: any.
        tokens: sequences.
        keep: positions that it is for.
        progress: told after each batch.
    """
    with progress.task("reading positions", 2 * len(tokens)) as task:
        total, count = torch.zeros(dictionary.d_out, dtype=torch.float64), 0
        for _, y, _ in passes(model, dictionary, tokens, keep):
            total, count = total + y.double().sum(0).cpu(), count + len(y)
            task.advance(BATCH)
        mean = total / count
        tables: dict[str, list[Table]] = {part: [] for part in PARTS}
        for x, y, mask in passes(model, dictionary, tokens, keep):
            codes, made = dictionary.reconstruct(x)
            rows = {
                "rows": torch.ones(len(y)),
                "error": (y.double() - made.double()).square().sum(1),
                "variance": (y.double() - mean.to(y.device)).square().sum(1),
                "l0": (codes.values != 0).sum(1),
            }
            for part, values in rows.items():
                placed = torch.zeros(mask.shape, dtype=torch.float64)
                placed[mask.cpu()] = values.double().cpu()
                tables[part].append(placed.numpy())
            task.advance(BATCH)
    return {part: np.concatenate(parts) for part, parts in tables.items()}


def passes(
    model: Model, dictionary: Dictionary, tokens: Tensor, keep: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs and targets at the included positions of some sequences, and which those are."""
    sites = sorted({dictionary.site_in, dictionary.site_out})
    for begin in range(0, len(tokens), BATCH):
        mask = keep[begin : begin + BATCH]
        run = model.run(tokens[begin : begin + BATCH], read=sites)
        x, y = (
            flat(dictionary, run[site])[mask].float() for site in (dictionary.site_in, dictionary.site_out)
        )
        yield x, y, mask


def sides(tables: dict[str, Table], trained: int, resamples: int, seed: int) -> list[Measure]:
    """Each number within and beyond the trained context, and their ratio, with intervals over sequences."""
    columns = {}
    for part, table in tables.items():
        columns[f"{part}_within"] = table[:, :trained].sum(1)
        columns[f"{part}_beyond"] = table[:, trained:].sum(1)
    t, n = totals(columns, resamples, seed), len(tables["rows"])
    measures = []
    for name, top, bottom, unit in (
        ("mse", "error", "rows", "squared error per token"),
        ("fvu", "error", "variance", ""),
        ("l0", "l0", "rows", "latents"),
    ):
        within, beyond = (share(t[f"{top}_{side}"], t[f"{bottom}_{side}"]) for side in ("within", "beyond"))
        measures += [
            measured(f"{name}_within", within, n, unit, "lower"),
            measured(f"{name}_beyond", beyond, n, unit, "lower"),
            measured(f"{name}_ratio", share(beyond, within), n),
        ]
    return measures


def measured(name: str, values: Drawn, n: int, unit: str = "", better: Better = "none") -> Measure:
    """A measure from an estimate and its resamples.

    Arguments:
        name: of the measure.
        values: the estimate, then its resamples.
        n: sequences.
        unit: of the number.
        better: which direction is better.
    """
    return Measure.of(name, interval(values, n), unit=unit, better=better)


def blocks_of(tables: dict[str, Table], trained: int, block: int) -> dict[str, Array]:
    """Means over blocks of positions that begin anew at the border; blocks without positions are left out."""
    length = tables["rows"].shape[1]
    starts = [*range(0, trained, block), *range(trained, length, block)]
    sums = {part: np.add.reduceat(table.sum(0), starts) for part, table in tables.items()}
    there = sums["rows"] > 0
    position = {"position": [at for at, some in zip(starts, there, strict=True) if some]}
    kept = {part: values[there] for part, values in sums.items()}
    values = {
        "mse": kept["error"] / kept["rows"],
        "fvu": share(kept["error"], kept["variance"]),
        "l0": kept["l0"] / kept["rows"],
    }
    return {name: Array(value, ("position",), position) for name, value in values.items()}
