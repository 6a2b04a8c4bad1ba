"""Activations on disk or in memory: row-aligned shards of several sites, mixed in a seeded order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.models.moments import Moments, moments_from_json

SCHEMA = 1
INDEX = "index.json"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Layout:
    """What a harvest holds and of what: two harvests of one layout have the same bytes."""

    model: str
    """sha256 of the model's weights."""
    data: str
    """sha256 of the token ids."""
    sites: Mapping[str, int]
    """Width of each site; the axes after batch and pos are flattened."""
    dtype: str
    """How rows are stored: float32, float16 or bfloat16."""
    inputs: int
    """Sequences."""
    positions: tuple[int, int]
    """Of each sequence, the first position kept and the one after the last; (0, 1) where there are none."""
    inputs_a_shard: int
    """Sequences of a full shard."""

    @property
    def rows_an_input(self) -> int:
        """Rows of each sequence."""
        return self.positions[1] - self.positions[0]

    @property
    def rows(self) -> int:
        """Rows of the whole harvest."""
        return self.inputs * self.rows_an_input

    @property
    def bytes(self) -> int:
        """Size on disk, headers aside."""
        return self.rows * sum(self.sites.values()) * DTYPES[self.dtype].itemsize

    def starts(self) -> range:
        """The first sequence of every shard."""
        return range(0, self.inputs, self.inputs_a_shard)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "sites": dict(self.sites), "positions": list(self.positions)}


class Shard(Protocol):
    """Some consecutive rows of all sites."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def read(self, site: str, start: int, stop: int) -> Tensor:
        """Rows of one site, as stored."""


@dataclass(frozen=True)
class MemoryShard:
    """Rows kept in memory."""

    rows: int
    """Number of rows."""
    values: Mapping[str, Tensor]
    """Rows by site."""

    def read(self, site: str, start: int, stop: int) -> Tensor:
        """Rows of one site."""
        return self.values[site][start:stop]


@dataclass(frozen=True)
class FileShard:
    """Rows in one safetensors file, read as a memory map and checked against its sha256 once."""

    path: Path
    """The file."""
    rows: int
    """Number of rows."""
    sha256: str
    """Of the whole file."""
    checked: list[bool] = field(default_factory=list, compare=False, repr=False)
    """Filled once the hash was found right."""

    def read(self, site: str, start: int, stop: int) -> Tensor:
        """Rows of one site.

        Raises:
            InputError: MD51, the file is missing or was changed.
        """
        self.check()
        with safe_open(str(self.path), framework="pt") as content:
            values: Tensor = content.get_slice(site)[start:stop]
        return values

    def check(self) -> None:
        """InputError MD51 when the file is not the one that was written."""
        if self.checked:
            return
        if not self.path.exists() or file_digest(self.path) != self.sha256:
            problem = f"The shard {self.path.name} in {self.path.parent.name} is missing or was changed."
            raise InputError("MD51", problem, "Delete the folder and harvest again.")
        self.checked.append(True)


def file_digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ActivationShards:
    """Activations of some sites over some tokens: one forward pass, read as often as wanted.

    Rows of all sites are aligned: row r belongs to sequence r // n and position r % n of the n kept ones.

    Example:
        >>> layout = Layout("", "", {"a": 1}, "float32", 2, (0, 3), 2)
        >>> shards = ActivationShards(layout, [MemoryShard(6, {"a": torch.arange(6.0)[:, None]})], {})
        >>> shards.read("a", 1, 3).tolist(), shards.place(4)
        ([[1.0], [2.0]], (1, 1))
    """

    def __init__(
        self,
        layout: Layout,
        shards: Sequence[Shard],
        statistics: Mapping[str, Moments],
        folder: Path | None = None,
    ) -> None:
        self.layout, self.shards, self.statistics = layout, tuple(shards), dict(statistics)
        self.folder = folder

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites, in the order asked for."""
        return tuple(self.layout.sites)

    @property
    def rows(self) -> int:
        """Rows of every site."""
        return self.layout.rows

    @property
    def model_sha256(self) -> str:
        """Digest of the weights that the rows come from."""
        return self.layout.model

    @property
    def sha256(self) -> str:
        """Identity of the rows: what was run on what, and how the rows are kept."""
        return hashlib.sha256(json.dumps(self.layout.to_json(), sort_keys=True).encode()).hexdigest()

    def width(self, site: str) -> int:
        """Entries of a row of this site."""
        return self.layout.sites[self._known(site)]

    def place(self, row: int) -> tuple[int, int]:
        """The sequence and the position that a row comes from."""
        sequence, offset = divmod(row, self.layout.rows_an_input)
        return sequence, self.layout.positions[0] + offset

    def read(self, site: str, start: int = 0, stop: int | None = None) -> Float[Tensor, "row width"]:
        """Rows start to stop of one site, in the order of the tokens, as float32.

        Raises:
            MissingError: MD54, the site was not harvested.
            InputError: MD51, a shard was changed.
        """
        self._known(site)
        stop, first, parts = self.rows if stop is None else min(stop, self.rows), 0, []
        for shard in self.shards:
            low, high = max(start - first, 0), min(stop - first, shard.rows)
            if low < high:
                parts.append(shard.read(site, low, high).float())
            first += shard.rows
        return torch.cat(parts) if parts else torch.zeros(0, self.width(site))

    def batches(
        self,
        sites: str | Sequence[str],
        size: int,
        seed: int = 0,
        epochs: int = 1,
        *,
        shards_at_once: int = 4,
    ) -> Iterator[dict[str, Float[Tensor, "row width"]]]:
        """Batches of rows in an order drawn for each epoch, every row once an epoch; the last may be short.

        Shards are drawn in a random order, and rows mixed over `shards_at_once` of them, so that the disk is
        read sequentially.

        Arguments:
            sites: one or several; the batches of all hold the same rows.
            size: rows of a batch.
            seed: of the order, together with the number of the epoch.
            epochs: passes over all rows.
            shards_at_once: shards held in memory.
        """
        names = [self._known(site) for site in ([sites] if isinstance(sites, str) else sites)]
        for epoch in range(epochs):
            yield from rebatched(self._mixed(names, seed, epoch, shards_at_once), size)

    def _mixed(
        self, names: Sequence[str], seed: int, epoch: int, at_once: int
    ) -> Iterator[dict[str, Tensor]]:
        random = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        order = torch.randperm(len(self.shards), generator=random).tolist()
        for at in range(0, len(order), at_once):
            group = [self.shards[place] for place in order[at : at + at_once]]
            mix = torch.randperm(sum(shard.rows for shard in group), generator=random)
            yield {name: torch.cat([s.read(name, 0, s.rows) for s in group])[mix] for name in names}

    def _known(self, site: str) -> str:
        name = site.replace("hook_", "")
        if name not in self.layout.sites:
            near = did_you_mean(name, self.sites)
            raise MissingError(
                "MD54",
                f"Site {site!r} was not harvested.",
                f"Harvested: {', '.join(self.sites)}. {near}".strip(),
            )
        return name


def rebatched(parts: Iterator[dict[str, Tensor]], size: int) -> Iterator[dict[str, Tensor]]:
    """The same rows cut into batches of one size, across the parts' borders."""
    held: dict[str, Tensor] = {}
    for part in parts:
        held = {name: torch.cat([held[name], rows]) if held else rows for name, rows in part.items()}
        whole = len(next(iter(held.values()))) // size * size
        for at in range(0, whole, size):
            yield {name: rows[at : at + size].float() for name, rows in held.items()}
        held = {name: rows[whole:] for name, rows in held.items()}
    if held and len(next(iter(held.values()))):
        yield {name: rows.float() for name, rows in held.items()}


def open_shards(folder: Path | str) -> ActivationShards:
    """Open a harvest that is complete.

    Raises:
        MissingError: MD55, no harvest lies there.
        InputError: MD55, it was interrupted or its index cannot be read.
    """
    folder = Path(folder)
    if not (folder / INDEX).exists():
        raise MissingError("MD55", f"No harvest lies in {folder.name!r}.", "Make one: models.harvest(...).")
    layout, written, statistics = read_index(folder)
    if sum(shard.rows for shard in written) < layout.rows:
        there = f"{len(written)} of {len(layout.starts())} shards"
        problem = f"The harvest in {folder.name!r} is not finished ({there})."
        raise InputError("MD55", problem, "Run the same harvest again: it goes on where it stopped.")
    return ActivationShards(layout, written, statistics, folder)


def read_index(folder: Path) -> tuple[Layout, list[FileShard], dict[str, Moments]]:
    """What a folder's index says: layout, shards written so far, their statistics."""
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        stated = content["layout"]
        layout = Layout(**{**stated, "positions": tuple(stated["positions"])})
        written = [FileShard(folder / row["file"], row["rows"], row["sha256"]) for row in content["shards"]]
        return layout, written, {site: moments_from_json(m) for site, m in content["statistics"].items()}
    except (ValueError, KeyError, TypeError) as error:
        problem = f"The index of the harvest in {folder.name!r} cannot be read ({error})."
        raise InputError("MD55", problem, "Delete the folder and harvest again.") from None


def index_text(layout: Layout, shards: Sequence[FileShard], statistics: Mapping[str, Moments]) -> str:
    """The index as JSON: nothing in it depends on when or where it was written."""
    rows = [{"file": shard.path.name, "rows": shard.rows, "sha256": shard.sha256} for shard in shards]
    state = "complete" if sum(shard.rows for shard in shards) == layout.rows else "partial"
    content = {
        "schema": SCHEMA,
        "state": state,
        "layout": layout.to_json(),
        "shards": rows,
        "statistics": {site: moments.to_json() for site, moments in statistics.items()},
    }
    return json.dumps(content, indent=1) + "\n"
