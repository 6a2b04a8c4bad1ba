"""Stream activations to disk shard by shard; an interrupted harvest goes on where it stopped."""

from __future__ import annotations

import errno
import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import save
from torch import Tensor

from pellucid.compute import SILENT, Progress, Task, write_durably
from pellucid.findings import InputError
from pellucid.models.model import Model
from pellucid.models.moments import Moments, merged, moments_of
from pellucid.models.shards import (
    DTYPES,
    INDEX,
    ActivationShards,
    FileShard,
    Layout,
    MemoryShard,
    Shard,
    file_digest,
    index_text,
    read_index,
)

SPARED = 0.1
Keep = Callable[[int, dict[str, Tensor]], Shard]


def harvest(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    sites: str | Sequence[str],
    out: Path | str | None = None,
    *,
    dtype: str = "float32",
    skip: int = 0,
    batch: int = 16,
    rows_a_shard: int = 16_384,
    progress: Progress = SILENT,
) -> ActivationShards:
    """Run a model over sequences once and keep the rows of some sites.

    Arguments:
        model: an opened model.
        tokens: sequences of one length, as `windows` makes them; for modules without tokens, their inputs
            "batch ...", and a row is kept for each.
        sites: names, or patterns with stars; axes after batch and pos are flattened.
        out: folder of the shards; when it holds a part of this harvest, that part is kept. None: in memory.
        dtype: how rows are stored: float32, float16 or bfloat16; statistics are of the stored values.
        skip: positions left out at the start of each sequence (1 leaves out a beginning-of-text token).
        batch: sequences run at once.
        rows_a_shard: about how many rows a shard holds.
        progress: where to tell how far it is; the estimated size is noted there.

    Raises:
        MissingError: MD10, no such site.
        InputError: MD50 disk, MD51 a changed shard, MD52 another harvest lies there, MD53 rows that are not
            finite, MD56 sites or settings that give no rows.

    Example: ``harvest(model, windows(text.tokens, 128, 128), "blocks.*.resid_post", "activations")``.
    """
    names = model.sites.select(sites)
    layout = layout_of(model, tokens, names, dtype, skip, batch, rows_a_shard)
    with progress.task("harvest", total=layout.inputs) as task:
        task.note(f"{size_text(layout.bytes)} in {len(layout.starts())} shards")
        if out is None:
            kept, statistics = fill(model, tokens, layout, batch, [], {}, in_memory, task)
            return ActivationShards(layout, kept, statistics)
        return on_disk(model, tokens, layout, batch, Path(out), task)


def layout_of(
    model: Model, tokens: Tensor, names: Sequence[str], dtype: str, skip: int, batch: int, rows_a_shard: int
) -> Layout:
    """What will be written; the first sequence is run where a model does not say how wide a site is."""
    if dtype not in DTYPES:
        raise InputError(
            "MD56", f"Rows cannot be stored as {dtype!r}.", f"Choose one of {', '.join(DTYPES)}."
        )
    lead = 1 if tokens.is_floating_point() else 2
    if tokens.ndim < 2 or not len(tokens) or (lead == 2 and not 0 <= skip < tokens.shape[1]):
        problem = f"Inputs of shape {tuple(tokens.shape)}, {skip} positions left out, give no rows."
        raise InputError(
            "MD56", problem, "Give sequences (batch pos), for instance windows(tokens, 128, 128)."
        )
    positions = (skip, tokens.shape[1]) if lead == 2 else (0, 1)
    known = {name: known_width(model, name) if lead == 2 else 0 for name in names}
    unknown = [name for name in names if not known[name]]
    if unknown:
        with torch.no_grad():
            run = model.run(tokens[:1], read=unknown)
        known |= {name: width_of(name, run[name], tokens, lead) for name in unknown}
    widths = {name: known[name] for name in names}
    inputs = max(1, rows_a_shard // (positions[1] - positions[0]))
    a_shard = math.ceil(inputs / batch) * batch
    return Layout(model.sha256, digest(tokens), widths, dtype, len(tokens), positions, a_shard)


def known_width(model: Model, name: str) -> int:
    """Entries of a row as the model's own table has them; 0 where it does not say."""
    shape = model.sites.shape(name)
    sizes = [size for size in shape[2:] if isinstance(size, int)]
    told = shape[:2] == ("batch", "pos") and len(sizes) == len(shape) - 2 > 0
    return math.prod(sizes) if told else 0


def width_of(name: str, value: Tensor, tokens: Tensor, lead: int) -> int:
    """Entries of a row; InputError MD56 for a site without a row for each input and position."""
    if value.ndim <= lead or value.shape[1:lead] != tokens.shape[1:lead]:
        problem = f"Site {name!r} has shape {tuple(value.shape)}: no row for each input and position."
        raise InputError("MD56", problem, "Choose residual, attention-output, MLP or head sites.")
    return math.prod(value.shape[lead:])


def digest(tokens: Tensor) -> str:
    """sha256 of token ids, or of a module's inputs."""
    values = tokens.cpu().contiguous()
    head = f"{values.dtype}\0{tuple(values.shape)}\0".encode()
    return hashlib.sha256(head + values.view(torch.uint8).numpy().tobytes()).hexdigest()


def fill(
    model: Model,
    tokens: Tensor,
    layout: Layout,
    batch: int,
    kept: list[Shard],
    statistics: dict[str, Moments],
    keep: Keep,
    task: Task,
    report: Callable[[list[Shard], dict[str, Moments]], None] = lambda kept, statistics: None,
) -> tuple[list[Shard], dict[str, Moments]]:
    """Make the shards that are not there yet, one after the other."""
    task.advance(min(layout.inputs, len(kept) * layout.inputs_a_shard))
    for number, start in list(enumerate(layout.starts()))[len(kept) :]:
        part = tokens[start : start + layout.inputs_a_shard]
        values = shard_values(model, part, layout, batch, task)
        statistics = {site: merged(statistics.get(site), moments_of(rows)) for site, rows in values.items()}
        kept = [*kept, keep(number, values)]
        report(kept, statistics)
    return kept, statistics


def shard_values(model: Model, part: Tensor, layout: Layout, batch: int, task: Task) -> dict[str, Tensor]:
    """The rows of all sites over some sequences, as they will be stored."""
    rows: dict[str, list[Tensor]] = {name: [] for name in layout.sites}
    for inputs in torch.split(part, batch):
        for name, value in activations(model, inputs, layout):
            rows[name].append(stored(name, value, layout.dtype))
        task.advance(len(inputs))
    return {name: torch.cat(parts) for name, parts in rows.items()}


def activations(
    model: Model, inputs: Tensor, layout: Layout
) -> Iterator[tuple[str, Float[Tensor, "row width"]]]:
    """Rows of each site over some inputs; nothing after the last site is computed."""
    names, (first, last) = list(layout.sites), layout.positions
    with torch.no_grad():
        run = model.run(inputs, read=names, until=names[-1] if model.facts.n_layers else None)
    for name in names:
        value = run[name]
        kept = value if inputs.is_floating_point() else value[:, first:last]
        yield name, kept.reshape(-1, layout.sites[name])


def stored(name: str, rows: Tensor, dtype: str) -> Tensor:
    """Rows as they are stored; InputError MD53 when one is not finite."""
    kept = rows.to(DTYPES[dtype]).cpu()
    if not bool(torch.isfinite(kept).all()):
        fits = bool(torch.isfinite(rows).all())
        problem = f"Activations of {name!r} are {'too large for ' + dtype if fits else 'not finite'}."
        raise InputError("MD53", problem, "Store them as bfloat16." if fits else "Check the model's weights.")
    return kept


def in_memory(number: int, values: dict[str, Tensor]) -> Shard:
    """A shard that is kept in memory."""
    return MemoryShard(len(next(iter(values.values()))), values)


def on_disk(
    model: Model, tokens: Tensor, layout: Layout, batch: int, folder: Path, task: Task
) -> ActivationShards:
    """Make or finish a harvest in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found, statistics = resumed(folder, layout)
    written: list[Shard] = [*found]
    refuse_to_fill(folder, layout, sum(shard.rows for shard in written))

    def _keep(number: int, values: dict[str, Tensor]) -> Shard:
        path = folder / f"shard-{number:05d}.safetensors"
        write(path, save(values))
        return FileShard(path, len(next(iter(values.values()))), file_digest(path))

    def _report(kept: list[Shard], statistics: dict[str, Moments]) -> None:
        files = [shard for shard in kept if isinstance(shard, FileShard)]
        write(folder / INDEX, index_text(layout, files, statistics).encode())

    kept, statistics = fill(model, tokens, layout, batch, written, statistics, _keep, task, _report)
    return ActivationShards(layout, kept, statistics, folder)


def resumed(folder: Path, layout: Layout) -> tuple[list[FileShard], dict[str, Moments]]:
    """The shards that are there already, the last of them checked."""
    if not (folder / INDEX).exists():
        return [], {}
    found, written, statistics = read_index(folder)
    ours, theirs = layout.to_json(), found.to_json()
    differing = [name for name in ours if ours[name] != theirs[name]]
    if differing:
        problem = f"The harvest in {folder.name!r} is of another kind: {', '.join(differing)} differ."
        raise InputError("MD52", problem, "Choose another folder, or delete this one.")
    for shard in written[-1:]:
        shard.check()
    return written, statistics


def refuse_to_fill(folder: Path, layout: Layout, rows: int) -> None:
    """InputError MD50 when the harvest would take the last tenth of the disk."""
    disk = shutil.disk_usage(folder)
    needed = layout.bytes * (layout.rows - rows) // layout.rows
    if needed > disk.free - SPARED * disk.total:
        problem = f"The harvest needs {size_text(needed)}, and {size_text(disk.free)} of the disk are free."
        raise InputError(
            "MD50",
            problem,
            "The last tenth stays free: give fewer sites or tokens, dtype='float16' or another disk.",
        )


def write(path: Path, body: bytes) -> None:
    """Write a file whole or not at all; InputError MD50 when the disk is full."""
    try:
        write_durably(path, body)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        problem = f"The disk is full: {path.name} could not be written."
        raise InputError(
            "MD50", problem, "Make room and run the same harvest again: it goes on here."
        ) from None


def size_text(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
