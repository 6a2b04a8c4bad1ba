"""Whether a log may support a claim: it ended well, is whole and valid, and its code is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pellucid.findings.header import Subject
from pellucid.findings.logs.header import LogHeader
from pellucid.findings.logs.reading import Log
from pellucid.findings.logs.sample import Sample

WEIGHTS = ("weights_sha256", "model_sha256")
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST = 200


@dataclass(frozen=True)
class Allowance:
    """What is let pass by an explicit word; it becomes a part of what was measured."""

    missing: int = 0
    """So many samples may be missing from those that were to be completed."""
    errors: int = 0
    """So many samples may have ended in an error."""
    dirty: bool = False
    """The code may have had changes that were not committed."""


@dataclass(frozen=True)
class Acceptance:
    """Whether a log is accepted as evidence, and every reason why not."""

    accepted: bool
    """No reason stands against it."""
    reasons: tuple[str, ...] = ()
    """Each as a sentence without its full stop."""


def acceptance(log: Log, allow: Allowance | None = None) -> Acceptance:
    """Judge whether a log may support a claim.

    It must have ended with status success, not be invalidated, as a whole or in a sample, have completed all
    its samples without an error, name each sample once in each epoch, and come from code without uncommitted
    changes. A log that was written outside a repository says nothing of its code and passes that test.

    Args:
        log: a log that was read in full.
        allow: what is let pass.
    """
    allow = allow or Allowance()
    reasons = tuple(reason for test in TESTS for reason in test(log, allow))
    return Acceptance(not reasons, reasons)


def ended(log: Log, allow: Allowance) -> Iterator[str]:
    """It ran to its end and did not fail."""
    header = log.header
    if header.status == "started":
        yield "the evaluation never ended (status started)"
    elif header.status != "success":
        message = cut(str((header.error or {}).get("message") or ""))
        yield f"the evaluation ended with status {header.status}{': ' if message else ''}{message}"


def valid(log: Log, allow: Allowance) -> Iterator[str]:
    """Nobody declared it, or one of its samples, invalid."""
    marked = [sample for sample in log.samples if sample.invalidation is not None]
    if marked:
        word = marked[0].invalidation or {}
        why = cut(str(word.get("reason") or "no reason is given"))
        yield (
            f"{samples_are(len(marked))} declared invalid, the first {named(marked[0])} "
            f"by {word.get('author') or 'nobody named'}: {why}"
        )
    elif log.header.invalidated:
        yield "it was invalidated"


def whole(log: Log, allow: Allowance) -> Iterator[str]:
    """Every sample that was to be run was completed and is in the file."""
    held, (total, completed) = len(log.samples), sample_counts(log)
    if total is None or completed is None:
        yield "it states no results" if log.header.results is None else "it states no counts of samples"
        return
    missing = total - completed
    if missing > allow.missing:
        yield f"{completed} of {total} samples were completed"
    if held > total or total - held > max(allow.missing, missing):
        yield f"its results count {total} samples and the file holds {held}"
    elif not held:
        yield "it holds no samples"


def sample_counts(log: Log) -> tuple[int | None, int | None]:
    """How many samples were to be run and how many ended without an error, by the log's results.

    Results of early logs hold no counts. Then the first is what was planned, by the size of the data set,
    the limit and the epochs, and the second what the file holds; both are None where nothing tells.
    """
    header = log.header
    if header.results is None or "total_samples" in header.results:
        return header.total_samples, header.completed_samples
    planned = header.planned_samples
    if planned is None:
        return None, None
    return planned, sum(sample.error is None for sample in log.samples)


def sound(log: Log, allow: Allowance) -> Iterator[str]:
    """No sample ended in an error."""
    failed = [sample for sample in log.samples if sample.error is not None]
    if len(failed) > allow.errors:
        error = failed[0].error
        message = error if isinstance(error, str) else str((error or {}).get("message") or "no message")
        yield (
            f"{len(failed)} sample{'' if len(failed) == 1 else 's'} ended in an error, "
            f"the first {named(failed[0])}: {cut(message)}"
        )


def unambiguous(log: Log, allow: Allowance) -> Iterator[str]:
    """Each sample occurs once in each epoch."""
    for (name, epoch), count in Counter(sample.key for sample in log.samples).items():
        if count > 1:
            yield f"the sample {name!r} occurs {count} times in epoch {epoch}"
            return


def committed(log: Log, allow: Allowance) -> Iterator[str]:
    """The code that ran is the code of its commit."""
    revision = log.header.revision or {}
    if revision.get("dirty") and not allow.dirty:
        yield f"its code had changes that were not committed (commit {revision.get('commit', 'unknown')})"


def identified(log: Log, allow: Allowance) -> Iterator[str]:
    """Weights that it names are named by a digest."""
    for key in WEIGHTS:
        digest = log.header.metadata.get(key)
        if digest is not None and not is_digest(digest):
            yield f"its metadata {key} is {cut(repr(digest))}, which is no sha256"


Test = Callable[[Log, Allowance], Iterator[str]]
TESTS: tuple[Test, ...] = (ended, valid, whole, sound, unambiguous, committed, identified)


def weights_of(header: LogHeader) -> Subject | None:
    """The model that was measured, when the log's metadata carry the digest of its weights."""
    for key in WEIGHTS:
        digest = header.metadata.get(key)
        if is_digest(digest):
            return Subject(id=header.model, sha256=str(digest).lower())
    return None


def is_digest(digest: object) -> bool:
    """Whether this is a sha256 in hexadecimal."""
    return isinstance(digest, str) and SHA256.fullmatch(digest.lower()) is not None


def named(sample: Sample) -> str:
    """A sample in words."""
    return f"{str(sample.id)!r} in epoch {sample.epoch}"


def samples_are(count: int) -> str:
    """``1 sample was`` or ``3 samples were``."""
    return "1 sample was" if count == 1 else f"{count} samples were"


def cut(text: str) -> str:
    """The first words of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
