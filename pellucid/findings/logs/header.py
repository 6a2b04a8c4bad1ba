"""The header of an Inspect log: what was evaluated, how, with what revision, and what came of it."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.findings.errors import InputError
from pellucid.findings.logs.document import Raw, field, mapping, required, texts

VERSION = 2
STATUSES = ("started", "success", "cancelled", "error")
# the letters of short ids: digits and letters that cannot be taken for each other
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SHORT = 22


@dataclass(frozen=True, slots=True)
class LogHeader:
    """Everything that a log says but for its samples."""

    version: int
    """Of the format; 2 is the one that is read."""
    status: str
    """started, success, cancelled or error."""
    eval_id: str
    """Of this evaluation."""
    run_id: str
    """Of the run that it was part of."""
    created: str
    """When, as ISO 8601 in UTC."""
    task: str
    """Name of the task: the benchmark."""
    task_id: str
    """Of the task within its run."""
    task_version: int | str
    """Version of the benchmark."""
    task_args: Mapping[str, Any]
    """Its arguments, defaults included."""
    model: str
    """Name of the model, with its provider."""
    dataset: str
    """Name of the data set, or nothing."""
    dataset_samples: int | None
    """How many samples the data set has."""
    sample_ids: tuple[str | int, ...]
    """The ids that were to be evaluated."""
    epochs: int
    """How often each sample was run."""
    planned_samples: int | None
    """Samples times epochs that were to be run, by the size of the data set and the limit."""
    revision: Mapping[str, Any] | None
    """Of the code: type, origin, commit, dirty."""
    packages: Mapping[str, str]
    """Versions of packages."""
    scorers: tuple[str, ...]
    """Names of the scorers."""
    plan: Mapping[str, Any]
    """The solvers."""
    results: Mapping[str, Any] | None
    """Counts of samples and the metrics of each scorer; none before the end."""
    stats: Mapping[str, Any]
    """Times and token counts."""
    invalidated: bool
    """Whether a sample was declared invalid afterwards."""
    tags: tuple[str, ...]
    """Tags, with later edits applied."""
    metadata: Mapping[str, Any]
    """Metadata, with later edits applied."""
    error: Mapping[str, Any] | None
    """What ended it, as message and traceback."""
    raw: Mapping[str, Any]
    """The header as it stands in the file."""

    @property
    def total_samples(self) -> int | None:
        """Samples times epochs, as the log counts them."""
        return None if self.results is None else self.results.get("total_samples", 0)

    @property
    def completed_samples(self) -> int | None:
        """How many of them ended without an error."""
        return None if self.results is None else self.results.get("completed_samples", 0)


def header_of(raw: Raw, where: str) -> LogHeader:
    """The header from its JSON object.

    Errors:
        InputError FN71: another version of the format. FN72: a field is missing or of another type.
    """
    version = readable_version(raw, where)
    spec = mapping(required(raw, "eval", (dict,), where), where)
    dataset = field(spec, "dataset", (dict,), {}, where)
    config = field(spec, "config", (dict,), {}, where)
    results = counted(field(raw, "results", (dict,), None, where), where)
    updates = field(raw, "log_updates", (list,), [], where)
    status = field(raw, "status", (str,), "started", where)
    if status not in STATUSES:
        raise InputError(
            "FN72",
            f"{where}: the status is {status!r}, which is none of {', '.join(STATUSES)}.",
            "This is no evaluation log, or it was altered: take it from where the evaluation wrote it.",
        )
    created = utc(required(spec, "created", (str,), where), where)
    return LogHeader(
        version=version,
        status=status,
        eval_id=field(spec, "eval_id", (str,), "", where) or short_id(spec, created),
        run_id=field(spec, "run_id", (str,), "", where),
        created=created,
        task=required(spec, "task", (str,), where),
        task_id=field(spec, "task_id", (str,), "", where),
        task_version=field(spec, "task_version", (int, str), 0, where),
        task_args=field(spec, "task_args", (dict,), {}, where),
        model=required(spec, "model", (str,), where),
        dataset=field(dataset, "name", (str,), "", where),
        dataset_samples=field(dataset, "samples", (int,), None, where),
        sample_ids=tuple(field(dataset, "sample_ids", (list,), [], where)),
        epochs=field(config, "epochs", (int,), 1, where),
        planned_samples=planned(dataset, config, where),
        revision=field(spec, "revision", (dict,), None, where),
        packages=field(spec, "packages", (dict,), {}, where),
        scorers=scorer_names(spec, results or {}, where),
        plan=field(raw, "plan", (dict,), {}, where),
        results=results,
        stats=field(raw, "stats", (dict,), {}, where),
        invalidated=field(raw, "invalidated", (bool,), False, where),
        tags=edited_tags(texts(spec, "tags", where), updates, where),
        metadata=edited_metadata(field(spec, "metadata", (dict,), {}, where), updates, where),
        error=field(raw, "error", (dict,), None, where),
        raw=raw,
    )


def planned(dataset: Raw, config: Raw, where: str) -> int | None:
    """How many samples were to be run: of the data set, within the limit, in each epoch."""
    size: int | None = field(dataset, "samples", (int,), None, where)
    epochs: int = field(config, "epochs", (int,), 1, where)
    limit = config.get("limit")
    ends = limit if isinstance(limit, list) else [0, limit]
    if size is None or len(ends) != 2 or not all(end is None or isinstance(end, int) for end in ends):
        return None
    first: int = ends[0] or 0
    last: int = size if ends[1] is None else min(size, ends[1])
    return max(0, last - first) * epochs


def counted(results: Raw | None, where: str) -> Raw | None:
    """The results, once their counts are seen to be numbers."""
    for name in ("total_samples", "completed_samples"):
        field(results or {}, name, (int,), 0, where)
    return results


def readable_version(raw: Raw, where: str) -> int:
    """The version of the format; InputError FN71 unless it is the one that is known."""
    version: int = field(raw, "version", (int,), VERSION, where)
    if version == VERSION:
        return version
    remedy = (
        "Convert it with Inspect itself (inspect log convert), which reads older logs."
        if version < VERSION
        else "Update pellucid, or write the log again with an older Inspect (inspect log convert)."
    )
    raise InputError(
        "FN71", f"{where} is an evaluation log of version {version}; version {VERSION} is read.", remedy
    )


def scorer_names(spec: Raw, results: Raw, where: str) -> tuple[str, ...]:
    """The scorers that were asked for, else those that the results name."""
    asked = field(spec, "scorers", (list,), [], where)
    scores = field(results, "scores", (list,), [], where)
    named = [mapping(item, where).get("name") for item in asked]
    reported = [mapping(item, where).get("scorer") for item in scores]
    return tuple(dict.fromkeys(name for name in (named or reported) if isinstance(name, str)))


def edits(updates: list[Any], kind: str, where: str) -> Iterator[Raw]:
    """The later edits of one kind, in order."""
    for update in updates:
        for edit in field(mapping(update, where), "edits", (list,), [], where):
            if mapping(edit, where).get("type") == kind:
                yield edit


def edited_tags(tags: list[str], updates: list[Any], where: str) -> tuple[str, ...]:
    """Tags after the edits, sorted."""
    held = set(tags)
    for edit in edits(updates, "tags", where):
        held -= set(texts(edit, "tags_remove", where))
        held |= set(texts(edit, "tags_add", where))
    return tuple(sorted(held))


def edited_metadata(metadata: Raw, updates: list[Any], where: str) -> dict[str, Any]:
    """Metadata after the edits."""
    held = dict(metadata)
    for edit in edits(updates, "metadata", where):
        for key in texts(edit, "metadata_remove", where):
            held.pop(key, None)
        held |= field(edit, "metadata_set", (dict,), {}, where)
    return held


def utc(text: str, where: str) -> str:
    """A time in UTC, as Inspect shows it; a time without a zone is UTC already."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "FN72",
            f"{where}: the time {text!r} is not an ISO 8601 time.",
            "This is no evaluation log, or it was altered: take it from where the evaluation wrote it.",
        ) from None
    zoned = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    return zoned.astimezone(datetime.UTC).isoformat()


def short_id(spec: Raw, created: str) -> str:
    """The id of an evaluation from before logs carried one: its run, task and time, hashed, in base 57.

    Inspect gives such logs the same id, the last 22 digits of the 128-bit BLAKE2s.
    """
    content = f"{spec.get('run_id') or ''}{spec.get('task_id') or ''}{created}"
    number = int.from_bytes(hashlib.blake2s(content.encode(), digest_size=16).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, len(LETTERS))
        digits = LETTERS[digit] + digits
    return digits[-SHORT:].rjust(SHORT, LETTERS[0])
