"""Train a suite from one pass of the model: activations on disk, site by site on an executor, resumable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from pellucid.compute import SILENT, Progress, run_jobs
from pellucid.compute import executor as executor_of
from pellucid.dictionaries.config import TrainConfig
from pellucid.dictionaries.formats.registry import save_dictionary
from pellucid.dictionaries.suites.folder import (
    ACTIVATIONS,
    DICTIONARIES,
    INDEX,
    JOURNAL,
    UNFINISHED,
    Suite,
    claim_folder,
    entry_of,
    open_suite,
    write_index,
)
from pellucid.dictionaries.suites.plan import SuiteConfig, refuse, short_name
from pellucid.dictionaries.training.loop import train_suite
from pellucid.findings import InputError
from pellucid.models import Model, harvest
from pellucid.models.harvest import digest
from pellucid.models.shards import ActivationShards, FileShard, file_digest, open_shards

Group = Mapping[str, TrainConfig]
"""The dictionaries of one site, by name."""


def train_suite_from(
    model: Model,
    tokens: Int[Tensor, "batch pos"],
    suite: SuiteConfig | Mapping[str, TrainConfig],
    out: Path | str,
    *,
    executor: Executor | None = None,
    dtype: str = "float32",
    skip: int = 0,
    batch: int = 16,
    rows_a_shard: int = 16_384,
    keep_activations: bool = True,
    progress: Progress = SILENT,
) -> Suite:
    """Train every dictionary of a suite from one pass of the model over the tokens.

    The activations of all sites go to disk first; then each site's dictionaries are a job of the executor. An
    interrupted suite goes on where it stopped, in the middle of a shard's harvest or of a training, and its
    index and weights are the same bits with any number of workers and interruptions.

    Arguments:
        model: an opened model.
        tokens: sequences of one length, as `windows` makes them.
        suite: what to train, or the trainings by name.
        out: the suite's folder: index.json, dictionaries/NAME, activations.
        executor: where the jobs run, see `pellucid.compute.executor`; None: this process.
        dtype: how activations are stored: float32, float16 or bfloat16.
        skip: positions left out at the start of each sequence.
        batch: sequences that the model runs at once.
        rows_a_shard: about how many rows a file of activations holds.
        keep_activations: whether they stay when the suite is finished.
        progress: told of the harvest, then of every site that is finished.

    Raises:
        InputError: DI07 and DI111 for what cannot be trained, DI10 for other exclusions than `skip`, DI112
            for a shard that is damaged or of another harvest, DI113 for a folder of another suite, MD50 for
            a full disk, MD52 for activations of another model or text.
        MissingError: MD10 for a site that the model does not have.

    Example: ``train_suite_from(model, tokens, SuiteConfig(base, expansions=(8, 32)), "scope").names``.

    Source: He et al. 2024, arXiv 2410.20526, sections 3 and 4.
    """
    folder = Path(out)
    configs = suite.plan(model) if isinstance(suite, SuiteConfig) else dict(suite)
    groups = groups_of(configs)
    sites = sorted({site for config in configs.values() for site in config.sites})
    claim_folder(folder, plan_of(model, tokens, configs, dtype, skip))
    if (folder / INDEX).is_file():
        return open_suite(folder)
    shards = harvest(
        model,
        tokens,
        sites,
        folder / ACTIVATIONS,
        dtype=dtype,
        skip=skip,
        batch=batch,
        rows_a_shard=rows_a_shard,
        progress=progress,
    )
    entries = trained(folder, groups, shards, executor, progress)
    write_index(folder, shards, [entries[name] for name in configs])
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    if not keep_activations:
        shutil.rmtree(folder / ACTIVATIONS)
    return open_suite(folder)


def trained(
    folder: Path,
    groups: Mapping[str, Group],
    shards: ActivationShards,
    executor: Executor | None,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """The index entries of all dictionaries, each site's made by one job or read from the journal."""
    jobs = {name: (str(folder), name, dict(group), shards.sha256) for name, group in groups.items()}
    with executor_of(1) if executor is None else nullcontext(executor) as pool:
        results = run_jobs(
            train_group,
            jobs,
            executor=pool,
            progress=progress,
            journal=folder / JOURNAL,
            name="training the suite",
        )
    return {entry["name"]: entry for entries in results.values() for entry in entries}


def train_group(folder: str, name: str, configs: Group, activations: str) -> list[dict[str, Any]]:
    """Train the dictionaries of one site side by side and write them; what the index says of each.

    Arguments:
        folder: of the suite.
        name: of the group, and of its checkpoints.
        configs: the trainings by name.
        activations: digest of the harvest that they belong to.
    """
    place = Path(folder)
    shards = checked_shards(place / ACTIVATIONS, activations)
    made = train_suite(shards, list(configs.values()), checkpoint=place / UNFINISHED / name)
    entries = []
    for member, dictionary in zip(configs, made, strict=True):
        save_dictionary(dictionary, place / DICTIONARIES / member)
        entries.append(entry_of(member, dictionary))
    return entries


def checked_shards(folder: Path, activations: str) -> ActivationShards:
    """The activations, every file of which is the one that was written.

    Arguments:
        folder: where they lie.
        activations: digest of the harvest that is wanted.

    Raises:
        InputError: DI112 for a damaged or foreign shard, or another harvest.
    """
    files = sorted(path.stat() for path in folder.iterdir())
    stamp = tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in files)
    return read_once(str(folder), activations, stamp)


@lru_cache(maxsize=1)
def read_once(folder: str, activations: str, stamp: tuple[tuple[int, ...], ...]) -> ActivationShards:
    """Hash all files, once in each process while they stay as they are: the jobs of a worker share this."""
    shards = open_shards(folder)
    remedy = f"Delete the folder {ACTIVATIONS} and train again: the model runs anew, what is trained is kept."
    if shards.sha256 != activations:
        raise InputError("DI112", "The activations are those of another harvest.", remedy)
    for shard in shards.shards:
        assert isinstance(shard, FileShard), "shards of a folder are files"
        if not shard.path.exists() or file_digest(shard.path) != shard.sha256:
            problem = f"The shard {shard.path.name} is missing, damaged, or of another model or text."
            raise InputError("DI112", problem, remedy)
        shard.checked.append(True)
    return shards


def groups_of(configs: Mapping[str, TrainConfig]) -> Mapping[str, Group]:
    """The dictionaries of each site together: one job reads each site's activations once."""
    if not configs:
        refuse("it plans no dictionary", "Give at least one training.")
    groups: dict[str, dict[str, TrainConfig]] = {}
    for name, config in configs.items():
        groups.setdefault(short_name(config.sites), {})[name] = config
    return groups


def plan_of(
    model: Model, tokens: Tensor, configs: Mapping[str, TrainConfig], dtype: str, skip: int
) -> dict[str, Any]:
    """Everything that a suite depends on; how often its checkpoints are written does not matter."""
    records = {name: config.record() | {"checkpoint_every": 0} for name, config in configs.items()}
    activations = {"dtype": dtype, "skip": skip}
    plan = {"model": model.sha256, "text": digest(tokens), "activations": activations, "trainings": records}
    return dict(json.loads(json.dumps(plan)))
