"""What Llama Scope left open: does ranking by the decoder row's length beat rows of length 1?

The paper's baseline with unit rows lost .05 of the explained variance, and its authors suspected a fault of
that baseline. Here both learn worlds whose features are known, with the same rows, steps, k and number of
latents; each has the learning rate that serves it best, chosen by its error on a world that is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.compute import run_jobs
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.judging.reseed import mean_interval
from pellucid.dictionaries.training.loop import train
from pellucid.dictionaries.truth.recovery import truth_metrics
from pellucid.findings import Array, Finding, Kind, Measure, Reference, View, register, start
from pellucid.library.studies.protocol import Conditions
from pellucid.organisms import world

SOURCE = "He et al. 2024 (arXiv 2410.20526), the authors' suspected fault"
FEATURES, WIDTH, TRUE_L0, LATENTS = 256, 64, 6.0, 512
SEEDS = (0, 1, 2, 3, 4)
TUNING = 100
"""Seed of the world on which learning rates are chosen."""
RATES = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)
ARMS = ("norm", "unit")
SCORES = ("ev", "mcc", "recall")

KIND = register(
    Kind(
        name="library.scope_ranking",
        title="Ranking by row length against rows of length 1",
        statement="Over {worlds.value}, ranking by the row's length explains {ev_difference.interval} "
        "more of the variance than unit rows with projected gradients, and recovers "
        "{mcc_difference.interval} more (mean cosine of matched features: {mcc_norm.value} and "
        "{mcc_unit.value})",
        supports="mcc_difference.low > 0",
        refutes="mcc_difference.high < 0.01",
        views=(
            View(
                form="table",
                array="scores",
                title="What both reach in each world",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="library",
    )
)


def run(conditions: Conditions) -> Iterator[Finding]:
    """One Finding over five worlds: both arms tuned, trained and held against the truth."""
    steps = 1500 if conditions.profile == "quick" else 6000
    tuning = {f"{arm} {rate:g}": (arm, rate, TUNING, steps) for arm in ARMS for rate in RATES}
    tuned = jobs_done(conditions, tuning, "choosing learning rates")
    best = {arm: max(RATES, key=lambda rate: tuned[f"{arm} {rate:g}"]["ev"]) for arm in ARMS}
    judged = {f"{arm} {seed}": (arm, best[arm], seed, steps) for arm in ARMS for seed in SEEDS}
    results = jobs_done(conditions, judged, "judging two rankings")
    yield finding_of(results, best, steps)


def jobs_done(
    conditions: Conditions, jobs: Mapping[str, tuple[str, float, int, int]], name: str
) -> dict[str, dict[str, float]]:
    """The scores of some trainings."""
    return run_jobs(scores_of, jobs, executor=conditions.executor, progress=conditions.progress, name=name)


def configuration(arm: str, rate: float, seed: int, steps: int) -> TrainConfig:
    """One arm's training; but for the ranking, the rows' lengths and the rate both are the same.

    Arguments:
        arm: norm, as in the paper, or unit, with the gradient's part along each row taken out.
        rate: of learning.
        seed: of weights and order.
        steps: of the training.
    """
    own: dict[str, Any] = {
        "rank_score": "h_norm",
        "unit_norm": False,
        "initial_length": (2 * WIDTH / LATENTS) ** 0.5,
    }
    return TrainConfig(
        n_features=LATENTS,
        k=8,
        steps=steps,
        batch=512,
        lr=rate,
        auxiliary=0.0,
        subtract="none",
        seed=seed,
        order_seed=seed,
        **(own if arm == "norm" else {}),
    )


def scores_of(arm: str, rate: float, seed: int, steps: int) -> dict[str, float]:
    """One training in the world of its seed: explained variance of unseen rows, and recovery.

    Arguments:
        arm: norm or unit.
        rate: of learning.
        seed: of the world, the weights and the order.
        steps: of the training.
    """
    truth = world(FEATURES, WIDTH, l0=TRUE_L0, seed=seed)
    rows = truth.sample(65_536, seed=1)[0]
    made = train(rows, configuration(arm, rate, seed, steps))
    x = truth.sample(8192, seed=2)[0]
    missed = float((x - made(x)).square().sum() / (x - x.mean(0)).square().sum())
    found = truth_metrics(made, truth, 4096, seed=3, resamples=2).measures
    recovered = {name: found[name].value for name in ("mcc", "recall", "mcc_random")}
    return {"ev": 1 - missed, **{name: float(value or 0.0) for name, value in recovered.items()}}


def finding_of(results: Mapping[str, Mapping[str, float]], best: Mapping[str, float], steps: int) -> Finding:
    """Both arms beside one another, paired by world."""
    table = np.array(
        [[[results[f"{arm} {seed}"][score] for score in SCORES] for seed in SEEDS] for arm in ARMS]
    )
    record = start(
        run,
        parameters={
            "claim": "llama-scope.C5",
            "worlds": {"features": FEATURES, "width": WIDTH, "l0": TRUE_L0, "seeds": SEEDS},
            "latents": LATENTS,
            "steps": steps,
            "rates": dict(best),
        },
        seed=SEEDS[0],
        command="pellucid study run llama-scope",
    )
    axes: dict[str, list[Any]] = {"arm": list(ARMS), "world": list(SEEDS), "score": list(SCORES)}
    arrays = {"scores": Array(table, ("arm", "world", "score"), axes)}
    chance = float(np.mean([one["mcc_random"] for one in results.values()]))
    extra = [
        Measure.of("mcc_random", chance),
        Measure.of("worlds", float(len(SEEDS)), unit="worlds"),
        *(Measure.of(f"rate_{arm}", best[arm]) for arm in ARMS),
    ]
    return record.finding(KIND, measures=[*compared(table), *extra], arrays=arrays)


def compared(table: np.ndarray) -> list[Measure]:
    """Means of both arms and their paired differences, with Student's interval over worlds.

    Arguments:
        table: by arm, world and score.
    """
    measures = []
    for place, score in enumerate(SCORES):
        norm, unit = table[:, :, place]
        reference = Reference(value=0.05, source=SOURCE) if score == "ev" else None
        measures += [
            Measure.of(f"{score}_norm", mean_interval(norm), better="higher"),
            Measure.of(f"{score}_unit", mean_interval(unit), better="higher"),
            Measure.of(f"{score}_difference", mean_interval(norm - unit), reference=reference),
        ]
    return measures
