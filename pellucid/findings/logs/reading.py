"""Reading Inspect logs: the whole log, its header, its summaries, or its samples one after another."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pellucid.findings.diagnostics import Diagnostic
from pellucid.findings.errors import InputError, MissingError, PellucidError
from pellucid.findings.logs.archive import Archive, Limits, is_archive, open_source
from pellucid.findings.logs.directory import Source, quoted
from pellucid.findings.logs.document import listing, mapping, parse
from pellucid.findings.logs.header import LogHeader, header_of
from pellucid.findings.logs.sample import UNNAMED, Sample, sample_of

HEADER = "header.json"
START = "_journal/start.json"
SUMMARIES = "summaries.json"
JOURNAL = "_journal/summaries/"
SAMPLES = "samples/"
PIECE = re.compile(r"samples/.*_epoch_\d+/sample\.json", re.S)
ENDINGS = (".eval", ".json")
# a .json log holds in one document what an archive holds in many members
DOCUMENT_MEMBERS = 10


@dataclass(frozen=True, slots=True)
class Log:
    """One evaluation log, read in full."""

    header: LogHeader
    """What was evaluated and what came of it."""
    samples: tuple[Sample, ...]
    """By epoch, then id."""
    digest: str
    """sha256 of the file."""
    path: str
    """Name of the file."""
    source: str = ""
    """Where it was read from, as it was given."""


class Logs(NamedTuple):
    """The logs of a folder, and a message for each file that is none."""

    logs: tuple[Log, ...]
    problems: tuple[Diagnostic, ...]

    def of_task(self, task: str) -> Logs:
        """The logs of one task, with all messages."""
        return Logs(tuple(log for log in self.logs if log.header.task == task), self.problems)


def read_log(path: str | Path, *, limits: Limits | None = None) -> Log:
    """Read an Inspect log in full, ``.eval`` or ``.json``, without Inspect.

    A log whose evaluation never ended is read from its journal: its status is ``started``, and where no
    sample was written yet the samples are their summaries.

    Args:
        path: the file; whether it is an archive or one document is seen from its first bytes.
        limits: how much it may inflate to.

    Errors:
        MissingError FN60: there is no such file. InputError FN61 to FN70: the file is damaged, encrypted,
        too large or no log. FN71: its format has another version. FN72: a field has another type. FN82: its
        samples are in pieces.

    Source: Inspect AI, log format version 2.
    """
    path = Path(path)
    data = open_source(path)
    with uncollected():
        header, found = contents(data, path.name, limits)
        ordered = tuple(named_scores(sorted(found, key=place), header))
    return Log(with_ids(header, ordered), ordered, hashlib.sha256(data).hexdigest(), path.name, str(path))


def read_header(path: str | Path, *, limits: Limits | None = None) -> LogHeader:
    """Read only the header of a log; errors as for ``read_log``."""
    path = Path(path)
    data = open_source(path)
    if is_archive(data):
        with Archive(data, repr(path.name), limits) as archive:
            return archived_header(archive)
    return header_of(document(data, path.name, limits), repr(path.name))


def read_summaries(path: str | Path, *, limits: Limits | None = None) -> tuple[Sample, ...]:
    """Read the summary of every sample: ids, inputs cut short, scores; no messages, no output.

    They come from ``summaries.json``, else from the journal, else from the samples. Errors as for
    ``read_log``.
    """
    path = Path(path)
    data = open_source(path)
    if is_archive(data):
        with Archive(data, repr(path.name), limits) as archive:
            if SUMMARIES in archive or archive.under(JOURNAL):
                return tuple(sorted(summaries(archive), key=place))
    return tuple(samples(path, limits=limits))


def samples(path: str | Path, *, limits: Limits | None = None) -> Iterator[Sample]:
    """The samples one after another, in the order of the file, without holding them all.

    Errors as for ``read_log``, raised when the place is reached.
    """
    path = Path(path)
    data = open_source(path)
    if not is_archive(data):
        yield from document_samples(document(data, path.name, limits), repr(path.name))
        return
    with Archive(data, repr(path.name), limits) as archive:
        archived_header(archive)
        yield from archived_samples(archive)


def read_logs(source: str | Path | Iterable[str | Path], *, limits: Limits | None = None) -> Logs:
    """Read every log of a folder and the folders in it, or each of the files given.

    Args:
        source: a folder, a file, or several of either.
        limits: how much each may inflate to.

    Returns the logs in order of their paths, and for each file that cannot be read one Diagnostic that names
    it and says what to do: one bad file does not hide the others.

    Errors:
        MissingError FN60: a path does not exist. FN81: there is no .eval or .json file at all.
    """
    given = [source] if isinstance(source, str | Path) else list(source)
    files = [file for place in given for file in log_files(Path(place))]
    if not files:
        raise MissingError(
            "FN81",
            f"No .eval or .json file in {', '.join(repr(str(place)) for place in given) or 'an empty list'}.",
            "Give the folder that Inspect wrote its logs to (often ./logs), or the files themselves.",
        )
    logs, problems = [], []
    for file in files:
        try:
            logs.append(read_log(file, limits=limits))
        except PellucidError as error:
            problems.append(Diagnostic(error.code, "error", str(file), error.problem, error.remedy))
    return Logs(tuple(logs), tuple(problems))


def log_files(place: Path) -> Sequence[Path]:
    """The files that may be logs at a place: itself, or all below it."""
    if place.is_dir():
        return sorted(file for file in place.rglob("*") if file.suffix in ENDINGS and file.is_file())
    return [place]


def with_ids(header: LogHeader, samples: Sequence[Sample]) -> LogHeader:
    """The header of an early log, which does not list the ids, with those of its samples."""
    if header.sample_ids:
        return header
    return replace(header, sample_ids=tuple(dict.fromkeys(one.id for one in samples)))


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the search for reference cycles for later.

    A log is a million small objects without cycles. Each few thousand of them would make Python walk them
    all, and all that the process holds besides, which takes longer than reading them.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def place(sample: Sample) -> tuple[int, str]:
    """Where a sample stands in its log: by epoch, then id, numbers by size."""
    return sample.epoch, sample.id if isinstance(sample.id, str) else str(sample.id).zfill(20)


def contents(data: Source, name: str, limits: Limits | None) -> tuple[LogHeader, list[Sample]]:
    """Header and samples of an archive or a document."""
    where = repr(name)
    if is_archive(data):
        with Archive(data, where, limits) as archive:
            header = archived_header(archive)
            found = list(archived_samples(archive))
            unwritten = not found and header.status == "started"
            return header, summaries(archive) if unwritten else found
    raw = document(data, name, limits)
    return header_of(raw, where), list(document_samples(raw, where))


def document(data: Source, name: str, limits: Limits | None) -> dict[str, Any]:
    """The object of a ``.json`` log."""
    most = (limits or Limits()).member * DOCUMENT_MEMBERS
    if len(data) > most:
        raise InputError(
            "FN66",
            f"{name!r} has {len(data)} bytes, more than the {most} allowed of a .json log.",
            f"If you trust the log, pass limits=Limits(member={-(-len(data) // DOCUMENT_MEMBERS)}).",
        )
    if data[:64].lstrip()[:1] not in (b"{", b"\xef"):
        raise InputError(
            "FN61",
            f"{name!r} is neither a ZIP archive nor a JSON object.",
            "Give an .eval or .json log as Inspect writes it.",
        )
    return mapping(parse(bytes(data[:]), repr(name)), repr(name))


def archived_header(archive: Archive) -> LogHeader:
    """The header, or what the journal says of an evaluation that has not ended."""
    for member in (HEADER, START):
        if member in archive:
            where = f"{archive.where}, member {quoted(member)}"
            return header_of(mapping(parse(archive.read(member), where), where), where)
    raise InputError(
        "FN69",
        f"{archive.where} is a ZIP archive without {HEADER!r} and {START!r}: it is no evaluation log.",
        "Give an .eval log as Inspect writes it.",
    )


def archived_samples(archive: Archive) -> Iterator[Sample]:
    """Every sample of an archive, in its order."""
    whole(archive)
    for member in archive.under(SAMPLES):
        where = f"{archive.where}, member {quoted(member)}"
        yield sample_of(parse(archive.read(member), where), where)


def whole(archive: Archive) -> None:
    """InputError FN82 when samples are in pieces, a layout inside Inspect that its own reader refuses too."""
    piece = next(filter(PIECE.fullmatch, archive.under(SAMPLES)), None)
    if piece is not None:
        raise InputError(
            "FN82",
            f"{archive.where} keeps its samples in pieces (as {quoted(piece)}), an unreleased layout.",
            "Give the log that it was converted from, with one member for each sample.",
        )


def summaries(archive: Archive) -> list[Sample]:
    """The summaries of the samples; a later one replaces an earlier one of the same sample."""
    members = [SUMMARIES] if SUMMARIES in archive else sorted(archive.under(JOURNAL), key=journal_number)
    found = {}
    for member in members:
        where = f"{archive.where}, member {quoted(member)}"
        for raw in listing(parse(archive.read(member), where), where):
            summary = sample_of(raw, where)
            found[summary.key] = summary
    return list(found.values())


def journal_number(member: str) -> tuple[int, str]:
    """The place of ``_journal/summaries/12.json`` among its like."""
    stem = Path(member).stem
    return (int(stem) if stem.isdecimal() else 0), stem


def document_samples(raw: dict[str, Any], where: str) -> Iterator[Sample]:
    """Every sample of a ``.json`` log."""
    for number, sample in enumerate(listing(raw.get("samples") or [], f"{where}: the field 'samples'"), 1):
        yield sample_of(sample, f"{where}, sample {number}")


def named_scores(found: Iterable[Sample], header: LogHeader) -> Iterator[Sample]:
    """The samples of an early log with the name of the first reported score in the place of none."""
    reported = [score.get("name") for score in (header.results or {}).get("scores") or ()]
    names = [name for name in (*reported[:1], *header.scorers, "score") if isinstance(name, str)]
    for sample in found:
        if UNNAMED in sample.scores:
            scores = {names[0] if key == UNNAMED else key: score for key, score in sample.scores.items()}
            sample = replace(sample, scores=scores)
        yield sample
