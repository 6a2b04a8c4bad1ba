"""A suite on disk: an index that names every dictionary, its place, its hash and how its training ended."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.compute import write_durably
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.formats.registry import load_dictionary
from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models.shards import ActivationShards, open_shards

INDEX, PLAN = "index.json", "plan.json"
ACTIVATIONS, DICTIONARIES, UNFINISHED = "activations", "dictionaries", "unfinished"
JOURNAL = "journal"
FORMAT, SCHEMA = "pellucid-suite", 1


@dataclass(frozen=True)
class Entry:
    """One dictionary of a suite, as the index has it."""

    name: str
    """Such as L2R-8x."""
    folder: str
    """Where it lies, from the suite's folder."""
    sha256: str
    """Of its record and weights."""
    site_in: str
    """Where it reads."""
    site_out: str
    """What it reconstructs."""
    variant: str
    """Its kind."""
    n_features: int
    """Number of latents."""
    k: int | None
    """Active latents; None for a kind that has no k."""
    metrics: Mapping[str, float]
    """The last line of its training log: fvu, l0, dead, never_fired."""


@dataclass(frozen=True)
class Suite:
    """A finished suite; dictionaries are read when they are asked for.

    Example: ``open_suite("scope").load("L2R-8x").n_features``.
    """

    folder: Path
    """Where it lies."""
    model_sha256: str
    """Digest of the model's weights."""
    data_sha256: str
    """Digest of the activations: what was run on what."""
    entries: Mapping[str, Entry]
    """The dictionaries by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The dictionaries, in the order of the plan."""
        return tuple(self.entries)

    def load(self, name: str) -> Dictionary:
        """Read one dictionary.

        Arguments:
            name: as `names` has it.

        Raises:
            MissingError: DI116 for a name that there is not.
            InputError: DI115 for a dictionary that was changed since; DI22 for a damaged one.
        """
        if name not in self.entries:
            hint = did_you_mean(name, self.names)
            raise MissingError(
                "DI116",
                f"The suite in {self.folder.name!r} has no dictionary {name!r}.",
                f"{hint} It has: {', '.join(self.names)}.".strip(),
            )
        entry = self.entries[name]
        dictionary = load_dictionary(self.folder / entry.folder, format="pellucid")
        if dictionary.sha256 != entry.sha256:
            raise InputError(
                "DI115",
                f"The dictionary {name!r} is not the one that the suite's index names.",
                "Restore its folder from a copy, or delete the suite and train it again.",
            )
        return dictionary

    def activations(self) -> ActivationShards:
        """The activations that it was trained on; MissingError MD55 where they were not kept."""
        return open_shards(self.folder / ACTIVATIONS)


def open_suite(path: Path | str) -> Suite:
    """Open a suite that is complete.

    Arguments:
        path: its folder.

    Raises:
        MissingError: DI114 for a folder without a suite, or with one that is not finished.
        InputError: DI115 for an index that cannot be read.
    """
    folder = Path(path)
    if not (folder / INDEX).is_file():
        state = "is not finished" if (folder / PLAN).is_file() else "is none"
        raise MissingError(
            "DI114",
            f"The suite in {folder.name!r} {state}.",
            "Call train_suite_from with this folder: it begins there, or goes on where it stopped.",
        )
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        entries = {row["name"]: Entry(**row) for row in content["dictionaries"]}
        known = content["format"] == FORMAT and content["schema"] == SCHEMA
        model, data = content["model"], content["activations"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(folder, str(error)) from None
    if not known:
        raise damaged(folder, f"format {content['format']!r}, schema {content['schema']!r}")
    return Suite(folder, model, data, entries)


def damaged(folder: Path, reason: str) -> InputError:
    """DI115 with what is wrong with an index."""
    return InputError(
        "DI115",
        f"The index of the suite in {folder.name!r} cannot be read: {reason}.",
        f"Delete {INDEX} and train the suite again: what is finished is kept.",
    )


def entry_of(name: str, dictionary: Dictionary) -> dict[str, Any]:
    """What the index says of a trained dictionary; nothing in it depends on when or where it was trained.

    Arguments:
        name: of the dictionary.
        dictionary: as it is trained.
    """
    settings, last = dictionary.settings(), dictionary.training_record["log"][-1]
    entry = Entry(
        name=name,
        folder=f"{DICTIONARIES}/{name}",
        sha256=dictionary.sha256,
        site_in=dictionary.site_in,
        site_out=dictionary.site_out,
        variant=settings["variant"],
        n_features=dictionary.n_features,
        k=settings.get("k"),
        metrics={metric: float(last[metric]) for metric in ("fvu", "l0", "dead", "never_fired")},
    )
    return dataclasses.asdict(entry)


def write_index(folder: Path, shards: ActivationShards, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write the index whole or not at all: the last act of a suite's training.

    Arguments:
        folder: of the suite.
        shards: what it was trained on.
        entries: in the order of the plan.
    """
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "model": shards.model_sha256,
        "activations": shards.sha256,
        "dictionaries": list(entries),
    }
    write_durably(folder / INDEX, (json.dumps(content, indent=1) + "\n").encode())


def claim_folder(folder: Path, plan: Mapping[str, Any]) -> None:
    """Say in a fresh folder what will be trained there; DI113 when it was begun for something else.

    Arguments:
        folder: of the suite.
        plan: everything that the result depends on, as plain data.
    """
    path, text = folder / PLAN, json.dumps(plan, indent=1, sort_keys=True) + "\n"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode())
        return
    if path.read_text(encoding="utf-8") == text:
        return
    raise InputError(
        "DI113",
        f"The folder {folder.name!r} holds another suite: {difference(path, plan)}.",
        "Choose another folder, or delete this one.",
    )


def difference(path: Path, plan: Mapping[str, Any]) -> str:
    """Which parts of two plans differ, in words."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = [name for name in plan if found.get(name) != json.loads(json.dumps(plan[name]))]
    except (ValueError, AttributeError):
        return f"{path.name} cannot be read"
    return f"{' and '.join(parts)} differ" if parts else f"{path.name} says more than this plan"
