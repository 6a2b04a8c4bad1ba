"""The suite as a grid: how sparse each dictionary is, what it explains, and what the model loses by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress, run_jobs
from pellucid.compute import executor as executor_of
from pellucid.dictionaries.judging.evaluation import evaluate
from pellucid.dictionaries.judging.sums import tokens_sha256
from pellucid.dictionaries.suites.folder import Suite, open_suite
from pellucid.findings import Array, DataRef, Finding, Kind, Measure, View, bootstrap, register, start
from pellucid.models import Model

GRID = ("l0", "fvu", "ce_increase", "ce_recovered", "alive", "dense")
"""What the grid holds of each evaluation, with the ends of its interval."""

KIND = register(
    Kind(
        name="dictionaries.suite",
        title="A suite of dictionaries at a glance",
        statement="{dictionaries.value} dictionaries explain {ev.interval} of the variance, {worst_ev.value} "
        "at worst, with {l0.value} active on average; splicing one in costs {ce_increase.interval}.",
        supports="worst_ev.value > 0",
        refutes="worst_ev.value <= 0",
        views=(
            View(
                form="bar",
                array="ev",
                title="What each dictionary explains",
                x="dictionary",
                y="share of the variance",
            ),
            View(
                form="bar",
                array="ce_increase",
                title="What the model loses by each",
                x="dictionary",
                y="nats per token",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


def suite_report(
    model: Model,
    suite: Suite,
    tokens: Int[Tensor, "batch pos"],
    *,
    names: Sequence[str] = (),
    resamples: int = 200,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress = SILENT,
) -> Finding:
    """Evaluate every dictionary of a suite on one text and set the grid out: L0, explained variance, loss.

        ev = 1 - fvu = 1 - sum ||y - y_hat||^2 / sum ||y - mean y||^2,   ce_increase = CE(spliced) - CE(clean)

    Arguments:
        model: the model that the suite was trained on.
        suite: an opened suite.
        tokens: held-out sequences.
        names: which dictionaries; (): all.
        resamples: of sequences for each dictionary's intervals, and of dictionaries for the means.
        seed: of the resampling.
        executor: where the dictionaries are evaluated; None: this process.
        progress: told after each dictionary.

    Returns:
        A Finding ``dictionaries.suite`` with the measures dictionaries, ev, l0, ce_increase (means over
        dictionaries), worst_ev, worst_ce_increase; arrays ``ev``, ``l0``, ``ce_increase``, ``ce_recovered``,
        ``alive``, ``dense``, each by dictionary, the first three with ``NAME_low`` and ``NAME_high``.

    Raises:
        MissingError: DI116 for a name that there is not, DI17 for a site that the model does not have.
        InputError: DI04, DI18 as for `evaluate`; DI115 for a dictionary that was changed.

    Example: ``suite_report(model, open_suite("scope"), tokens).arrays["ev"].values``.

    Source: He et al. 2024, arXiv 2410.20526, section 5.1.
    """
    chosen = tuple(names or suite.names)
    hashes = {name: suite.load(name).sha256 for name in chosen}
    record = start(
        suite_report,
        parameters={"dictionaries": hashes, "resamples": resamples},
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    jobs = {name: (model, str(suite.folder), name, tokens, resamples, seed) for name in chosen}
    with executor_of(1) if executor is None else nullcontext(executor) as pool:
        rows = run_jobs(row_of, jobs, executor=pool, progress=progress, name="judging the suite")
    grid = [rows[name] for name in chosen]
    return record.finding(KIND, measures=measures_of(grid, resamples, seed), arrays=arrays_of(chosen, grid))


def row_of(
    model: Model, folder: str, name: str, tokens: Tensor, resamples: int, seed: int
) -> dict[str, list[float]]:
    """One dictionary's numbers: estimate, low and high end of each; NaN where there is none.

    Arguments:
        model: the model that the suite was trained on.
        folder: of the suite.
        name: of the dictionary.
        tokens: held-out sequences.
        resamples: of sequences.
        seed: of the resampling.
    """
    dictionary = open_suite(Path(folder)).load(name)
    found = evaluate(model, dictionary, tokens, resamples=resamples, seed=seed).measures
    ends = {part: (found[part].value, found[part].low, found[part].high) for part in GRID}
    return {part: [np.nan if end is None else end for end in three] for part, three in ends.items()}


def column(grid: Sequence[Mapping[str, Sequence[float]]], part: str) -> Float[np.ndarray, "dictionary three"]:
    """One number of every dictionary, with its ends; `ev` is 1 - fvu, whose ends change places."""
    if part == "ev":
        return 1 - column(grid, "fvu")[:, [0, 2, 1]]
    return np.array([row[part] for row in grid], dtype=np.float64)


def measures_of(grid: Sequence[Mapping[str, Sequence[float]]], resamples: int, seed: int) -> list[Measure]:
    """Means over the dictionaries, and the worst of them."""
    ev, l0, loss = (column(grid, part)[:, 0] for part in ("ev", "l0", "ce_increase"))

    def mean(values: Float[np.ndarray, " dictionary"], name: str, **words: str) -> Measure:
        """A mean with its interval over dictionaries."""
        return Measure.of(name, bootstrap(values, resamples=resamples, seed=seed), **words)  # type: ignore[arg-type]

    return [
        Measure.of("dictionaries", float(len(grid)), n=len(grid)),
        mean(ev, "ev", better="higher"),
        mean(l0, "l0", unit="latents", better="lower"),
        mean(loss, "ce_increase", unit="nats per token", better="lower"),
        Measure.of("worst_ev", float(ev.min()), n=len(grid), better="higher"),
        Measure.of("worst_ce_increase", float(loss.max()), n=len(grid), better="lower"),
    ]


def arrays_of(names: Sequence[str], grid: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, Array]:
    """The grid by dictionary."""
    coordinates = {"dictionary": list(names)}

    def array(values: Float[np.ndarray, " dictionary"]) -> Array:
        """One number of every dictionary."""
        return Array(np.ascontiguousarray(values), ("dictionary",), coordinates)

    parts = ("ev", "l0", "ce_increase", "ce_recovered", "alive", "dense")
    arrays = {part: array(column(grid, part)[:, 0]) for part in parts}
    for part in parts[:3]:
        for place, end in enumerate(("low", "high"), start=1):
            arrays[f"{part}_{end}"] = array(column(grid, part)[:, place])
    return arrays
