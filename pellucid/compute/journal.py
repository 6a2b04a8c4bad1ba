"""What a long piece of work has finished so far, one file a job, so that it goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.findings import Finding, InputError, from_bytes


@dataclass(frozen=True)
class Codec:
    """How results become bytes and come back; nothing is ever pickled."""

    encode: Callable[[Any], bytes]
    """From a result to bytes."""
    decode: Callable[[bytes], Any]
    """From bytes to the result."""


def _encode_json(result: Any) -> bytes:
    return json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()


def _encode_finding(finding: Finding) -> bytes:
    return finding.to_bytes()


JSON = Codec(_encode_json, json.loads)
"""For results of numbers, texts, lists and dictionaries with text keys."""
FINDINGS = Codec(_encode_finding, from_bytes)
"""For jobs that return one Finding each."""


@dataclass(frozen=True)
class Journal:
    """A folder that belongs to one piece of work: the digest of its settings makes a good name."""

    folder: Path
    """Where the files lie; made when the first job is kept."""
    codec: Codec = JSON
    """How results are written."""

    def path(self, job: str) -> Path:
        """The file of one job; names are hashed because they may hold any character."""
        return self.folder / f"{hashlib.sha256(job.encode()).hexdigest()[:32]}.job"

    def keep(self, job: str, result: Any) -> Any:
        """Write a finished job durably; the result as a resumed run will read it.

        Errors:
            InputError CM02: the codec cannot write the result.
        """
        try:
            body = self.codec.encode(result)
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "CM02",
                f"The result of job {job!r} cannot be kept in a journal ({error}).",
                "Return numbers, texts, lists and dictionaries, or give a codec that fits.",
            ) from error
        self.folder.mkdir(parents=True, exist_ok=True)
        write_durably(self.path(job), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        return self.codec.decode(body)

    def read(self, job: str) -> Any:
        """The result of a finished job.

        Errors:
            InputError CM03: the file is damaged.
        """
        path = self.path(job)
        digest, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            raise InputError(
                "CM03",
                f"The journal file {path} of job {job!r} is damaged.",
                "Delete that file; only this job runs again.",
            )
        return self.codec.decode(body)

    def finished(self, job: str) -> bool:
        """Whether the job was kept."""
        return self.path(job).exists()


def write_durably(path: Path, body: bytes) -> None:
    """Write a file so that after a crash it is there whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a rename is only safe once its folder is written)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
