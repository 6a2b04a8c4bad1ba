"""Findings as files, named by their hash: whole on the disk before the database speaks of them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pellucid.compute import sync_folder, write_durably
from pellucid.findings import InputError
from pellucid.store.dialects import disk_full

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Payloads:
    """A folder of files ``ab/<hash>.safetensors``."""

    folder: Path
    """Where they lie; made with the first file."""

    def path(self, sha256: str) -> Path:
        """Where the file of this hash lies."""
        return self.folder / sha256[:2] / f"{sha256}{SUFFIX}"

    def write(self, body: bytes) -> str:
        """Write a file durably: temporary name, flushed, renamed, and its folder flushed; its hash.

        Errors:
            InputError ST06: the disk is full; nothing is left behind.
        """
        sha256 = hashlib.sha256(body).hexdigest()
        path = self.path(sha256)
        try:
            self._make(path.parent)
            write_durably(path, body)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise disk_full() from error
            raise
        return sha256

    def read(self, sha256: str, finding: str) -> bytes:
        """The bytes of a file, verified.

        Errors:
            InputError ST11: the file is gone. InputError ST12: its bytes are not those that were stored.
        """
        path = self.path(sha256)
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            raise InputError(
                "ST11",
                f"The payload of finding {finding[:12]} is gone: {path} does not exist.",
                "Restore the file from a copy, or run what made the finding again.",
            ) from None
        if hashlib.sha256(body).hexdigest() != sha256:
            raise InputError(
                "ST12",
                f"The payload of finding {finding[:12]} was changed after it was stored: {path}.",
                "Restore the file from a copy, or run what made the finding again; it is not to be trusted.",
            )
        return body

    def intact(self, sha256: str) -> bool:
        """Whether the file is there with the bytes that were stored."""
        path = self.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def remove(self, sha256: str) -> None:
        """Remove a file that no row names any more."""
        self.path(sha256).unlink(missing_ok=True)

    def files(self) -> Iterator[Path]:
        """Every file in the folder, in order."""
        return (path for path in sorted(self.folder.glob("??/*")) if path.is_file())

    def _make(self, folder: Path) -> None:
        """Make a folder and flush the names of those that are new."""
        new = [path for path in (self.folder, folder) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in new:
            sync_folder(path.parent)
