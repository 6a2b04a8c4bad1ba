"""The claims of the paper on end-to-end dictionaries, on the shipped language model with TopK ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

import pellucid
from pellucid.compute import run_jobs
from pellucid.dictionaries import Dictionary, TrainConfig, evaluate, train_suite
from pellucid.dictionaries.geometry.matching import match_latents
from pellucid.dictionaries.training.end_to_end import EndToEnd
from pellucid.dictionaries.training.objectives import LOCAL, Objective
from pellucid.findings import Array, Finding, Kind, Measure, Reference, from_bytes, register, start
from pellucid.library.studies.e2e_agreement import AGREEMENT, agreement_measures
from pellucid.library.studies.protocol import Conditions
from pellucid.models import Model
from pellucid.organisms import bard
from pellucid.organisms.vocabulary import token_ids

SITE = "blocks.1.resid_post"
KS = (8, 16, 32)
MIDDLE = KS[1]
OTHER = 1000  # added to a seed for its second training
OBJECTIVES: Mapping[str, Objective] = {
    "local": LOCAL,
    "e2e": EndToEnd(),
    "downstream": EndToEnd(
        downstream=("blocks.2.resid_post", "blocks.3.resid_post"), kl_weight=0.5, downstream_weight=2.5
    ),
}
PAPER = "Braun et al. 2024 (arXiv 2405.12241), GPT-2 small, layer 6"

ACTIVE = register(
    Kind(
        name="library.e2e_active",
        title="Active latents at the same loss",
        statement="At an increase of {ce.value} the end-to-end dictionary has {ratio.value} of the local "
        "one's active latents, with the downstream term {ratio_downstream.value}",
        supports="ratio.value <= 0.65 and ratio_downstream.value <= 0.65",
        refutes="ratio.value >= 1",
        stance="interventional",
        evidence="causal",
        room="library",
    )
)
ALIVE = register(
    Kind(
        name="library.e2e_alive",
        title="Latents that are alive at all",
        statement="On held-out text {local.value} of the local latents fire, {e2e.value} of the end-to-end "
        "ones and {downstream.value} with the downstream term",
        supports="e2e_less.value > 0 and downstream_less.value > 0",
        refutes="e2e_less.value < 0 and downstream_less.value < 0",
        room="library",
    )
)
PATH = register(
    Kind(
        name="library.e2e_path",
        title="Whether the later layers stay in place",
        statement="The error of the later activations is {e2e.value} times the local one end to end, and "
        "{downstream.value} times with the downstream term",
        supports="downstream.value <= 2 and e2e.value >= 3",
        refutes="apart.value < 0",
        stance="interventional",
        evidence="causal",
        room="library",
    )
)
SEEDS = register(
    Kind(
        name="library.e2e_seeds",
        title="Agreement of two trainings",
        statement="Between two seeds the mean best cosine is {local.value} for local dictionaries, "
        "{e2e.value} for end-to-end ones and {downstream.value} with the downstream term",
        supports="local_above.value >= 0.1 and downstream_above.value > 0",
        refutes="local_above.value < 0",
        evidence="correlational",
        room="library",
    )
)


@dataclass(frozen=True)
class Trained:
    """One dictionary and what was found out about it."""

    dictionary: Dictionary
    """The dictionary."""
    evaluation: Finding
    """On held-out text."""

    def value(self, name: str) -> float:
        """A measure of the evaluation."""
        value = self.evaluation.measures[name].value
        return float("nan") if value is None else value


Grid = Mapping[tuple[str, int, int], Trained]
"""By objective, k and seed."""


def run(conditions: Conditions) -> Iterator[Finding]:
    """For each seed one job with all dictionaries from one reading of the text; a Finding for each claim."""
    steps, n_features = (150, 512) if conditions.profile == "quick" else (1500, 2048)
    jobs = {str(seed): (seed, steps, n_features) for seed in conditions.seeds}
    found = run_jobs(
        found_for,
        jobs,
        executor=conditions.executor,
        progress=conditions.progress,
        name="training local and end-to-end dictionaries",
    )
    for seed in conditions.seeds:
        yield from (from_bytes(one) for one in found[str(seed)])


def found_for(seed: int, steps: int, n_features: int) -> list[bytes]:
    """The evaluations of one seed's dictionaries and the Findings of the claims, as bytes.

    Arguments:
        seed: of the text, its order and the first weights.
        steps: of every training.
        n_features: latents of every dictionary.
    """
    model = pellucid.open_model("organism:bard", device="cpu")
    grid = trained(model, seed, steps, n_features)
    findings = [*(one.evaluation for one in grid.values()), *claims(model, grid, seed, steps)]
    return [finding.to_bytes() for finding in findings]


def trained(model: Model, seed: int, steps: int, n_features: int) -> Grid:
    """Every objective at every k, and at the middle one again from another seed."""
    keys = [(name, k, seed) for name in OBJECTIVES for k in KS]
    keys += [(name, MIDDLE, seed + OTHER) for name in OBJECTIVES]
    base = TrainConfig(
        n_features=n_features, site=SITE, steps=steps, batch=1024, lr=4e-3, order_seed=seed, log_every=steps
    )
    configs = [dataclasses.replace(base, objective=OBJECTIVES[name], k=k, seed=one) for name, k, one in keys]
    tokens = torch.from_numpy(bard.windows(bard.generator(7, seed), 8 * steps, bard.CONTEXT)).long()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        made = train_suite((model, tokens), configs)
        text = held_out()
        found = [evaluate(model, one, text, resamples=200, seed=seed) for one in made]
    finally:
        torch.set_num_threads(before)
    return {key: Trained(*pair) for key, pair in zip(keys, zip(made, found, strict=True), strict=True)}


def held_out(rows: int = 32) -> Int[Tensor, "batch pos"]:
    """Windows of both validation parts, evenly spaced.

    Arguments:
        rows: of each part.
    """
    parts = []
    for source in ("plays", "epic"):
        ids = np.asarray(token_ids("validation", source))
        windows = ids[: len(ids) // bard.CONTEXT * bard.CONTEXT].reshape(-1, bard.CONTEXT)
        parts.append(windows[:: max(1, len(windows) // rows)][:rows])
    return torch.from_numpy(np.concatenate(parts)).long()


def claims(model: Model, grid: Grid, seed: int, steps: int) -> Iterator[Finding]:
    """One Finding for each claim."""
    middle = {name: grid[name, MIDDLE, seed] for name in OBJECTIVES}
    lines = {name: [grid[name, k, seed] for k in KS] for name in OBJECTIVES}
    cosines = {
        name: agreement(grid[name, MIDDLE, seed], grid[name, MIDDLE, seed + OTHER]) for name in OBJECTIVES
    }
    every = [one for line in lines.values() for one in line]
    settings = {"steps": steps, "seed": seed}
    yield claimed("C1", ACTIVE, active_measures(lines), every, settings)
    yield claimed("C2", ALIVE, alive_measures(middle), list(middle.values()), settings)
    yield claimed("C3", PATH, path_measures(middle), list(middle.values()), settings)
    yield claimed("C4", SEEDS, seed_measures(cosines), list(middle.values()), settings)
    kept, arrays = agreement_measures(model, {name: one.dictionary for name, one in middle.items()}, seed)
    yield claimed("C5", AGREEMENT, kept, list(middle.values()), settings, arrays)


def claimed(
    claim: str,
    kind: Kind,
    measures: list[Measure],
    parents: Sequence[Trained],
    settings: Mapping[str, int],
    arrays: Mapping[str, Array] | None = None,
) -> Finding:
    """The Finding of one claim."""
    first = parents[0].evaluation.provenance
    record = start(
        run,
        parameters={"claim": f"e2e-sae.{claim}", "steps": settings["steps"]},
        subject=first.subject,
        data=first.data,
        seed=settings["seed"],
        parents=[one.evaluation.id for one in parents],
        command="pellucid study run e2e-sae",
    )
    return record.finding(kind, measures=measures, arrays=dict(arrays or {}))


def active_measures(lines: Mapping[str, Sequence[Trained]]) -> list[Measure]:
    """Active latents where all three lose as much, by interpolation in log L0.

    The loss is the middle of the range that all three reach; without such a range there are no ratios.
    """
    points = {
        name: (
            np.array([one.value("ce_increase") for one in line]),
            np.log([one.value("l0") for one in line]),
        )
        for name, line in lines.items()
    }
    low = max(float(losses.min()) for losses, _ in points.values())
    high = min(float(losses.max()) for losses, _ in points.values())
    level = (low + high) / 2 if low <= high else None
    at = {name: active_at(level, *pair) for name, pair in points.items()}
    return [
        Measure.of("ce", level, unit="nats per token"),
        share("ratio", at["e2e"], at["local"], 27.5 / 69.4),
        share("ratio_downstream", at["downstream"], at["local"], 36.8 / 69.4),
        *(
            Measure.of(f"l0_{name}", value, unit="active latents", better="lower")
            for name, value in at.items()
        ),
    ]


def active_at(
    level: float | None, losses: Float[np.ndarray, " point"], log_l0: Float[np.ndarray, " point"]
) -> float | None:
    """Active latents at a loss; None without one."""
    if level is None:
        return None
    order = np.argsort(losses)
    return float(np.exp(np.interp(level, losses[order], log_l0[order])))


def share(name: str, top: float | None, bottom: float | None, printed: float) -> Measure:
    """A ratio beside the paper's; no value without both numbers."""
    value = None if top is None or bottom is None else top / bottom
    return Measure(name=name, value=value, better="lower", reference=Reference(value=printed, source=PAPER))


def alive_measures(middle: Mapping[str, Trained]) -> list[Measure]:
    """Shares that fire on held-out text, and how much less than the local one's they are."""
    alive = {name: one.value("alive") for name, one in middle.items()}
    n = middle["local"].evaluation.measures["alive"].n
    return [
        *(Measure.of(name, value, n=n) for name, value in alive.items()),
        *(Measure.of(f"{name}_less", alive["local"] - alive[name], n=n) for name in ("e2e", "downstream")),
    ]


def path_measures(middle: Mapping[str, Trained]) -> list[Measure]:
    """Errors of the later activations as multiples of the local one's."""
    errors = {name: one.value("downstream_mse") for name, one in middle.items()}
    times = {name: errors[name] / errors["local"] for name in ("e2e", "downstream")}
    printed = {"e2e": 14.5 / 0.5, "downstream": 3.5 / 0.5}
    return [
        *(
            Measure(
                name=name, value=value, better="lower", reference=Reference(value=printed[name], source=PAPER)
            )
            for name, value in times.items()
        ),
        Measure.of("apart", times["e2e"] - times["downstream"]),
        *(Measure.of(f"error_{name}", value, better="lower") for name, value in errors.items()),
    ]


def agreement(first: Trained, second: Trained) -> float:
    """Mean best cosine between the decoder rows of two trainings."""
    value = match_latents(first.dictionary, second.dictionary).measures["first_to_second"].value
    return float("nan") if value is None else value


def seed_measures(cosines: Mapping[str, float]) -> list[Measure]:
    """Agreement of each objective, and how far it is above end to end."""
    return [
        *(Measure.of(name, value, better="higher") for name, value in cosines.items()),
        *(
            Measure.of(f"{name}_above", cosines[name] - cosines["e2e"], better="higher")
            for name in ("local", "downstream")
        ),
    ]
