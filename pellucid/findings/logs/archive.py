"""The ZIP archive of an ``.eval`` log: its directory, and its members inflated within bounds.

Members are stored (method 0), deflated (8) or compressed with Zstandard (93), the last in one frame or in
several, which the standard library cannot inflate. Nothing is written to disk, and no size is believed: a
member may inflate to what the directory says of it and not to one byte more.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from pellucid.findings.errors import InputError, MissingError
from pellucid.findings.logs.directory import (
    LOCAL,
    LOCAL_SIGNATURE,
    Member,
    quoted,
    read_directory,
)
from pellucid.findings.logs.directory import Source as Source

STORED, DEFLATED, ZSTANDARD = 0, 8, 93
ENCRYPTED = 0x0001
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """How much a log may grow when it is inflated: a small file may be made to fill the memory."""

    member: int = 200 * MEBIBYTE
    """Bytes of one inflated member; of a whole ``.json`` log, ten times as many."""
    total: int = 8192 * MEBIBYTE
    """Bytes of all members together."""
    members: int = 500_000
    """Number of members."""


def open_source(path: Path) -> Source:
    """The bytes of a file, mapped rather than read.

    Errors:
        MissingError FN60: there is no such file. InputError FN61: it is empty or cannot be read.
    """
    if not path.is_file():
        raise MissingError(
            "FN60", f"There is no evaluation log at {str(path)!r}.", "Give the path of an .eval or .json log."
        )
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(
            "FN61", f"{str(path)!r} cannot be read ({error.strerror}).", "Check its permissions."
        ) from None
    raise InputError(
        "FN61",
        f"{str(path)!r} is empty.",
        "Take the log from where the evaluation wrote it, or run it again.",
    )


def is_archive(data: Source) -> bool:
    """Whether the bytes begin as a ZIP archive does, empty ones included."""
    return data[:4] in (LOCAL_SIGNATURE, b"PK\x05\x06")


class Archive:
    """The members of one log by name; where a name occurs twice the last one counts.

    A sample that was run again is appended under the name of its first run, so the last is the valid one.
    """

    def __init__(self, data: Source, where: str, limits: Limits | None = None) -> None:
        self.where, self.limits = where, limits or Limits()
        self._data = memoryview(data)
        entries = read_directory(data, where, self.limits.members)
        within_limits(entries, self.limits, where)
        apart(entries, where)
        self.members: Mapping[str, Member] = {entry.name: entry for entry in entries}

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.release()

    @cached_property
    def _decompressor(self) -> Any:
        """One for all members: to make it takes longer than to inflate a sample."""
        import zstandard

        return zstandard.ZstdDecompressor()

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def under(self, folder: str) -> list[str]:
        """The names of the JSON members of a folder, in the order of the archive."""
        return [name for name in self.members if name.startswith(folder) and name.endswith(".json")]

    def read(self, name: str) -> bytes:
        """One member, inflated.

        Errors:
            InputError FN63: it is encrypted. FN64: its compression is unknown. FN65: its data are damaged.
            FN66: it inflates to more than the limit.
        """
        member = self.members[name]
        self._allowed(member)
        packed = self._packed(member)
        try:
            inflated = self._inflate(member, packed)
        except (zlib.error, ValueError) as error:
            raise self._spoilt(member, str(error) or type(error).__name__) from None
        if len(inflated) != member.size:
            raise self._spoilt(
                member, f"it inflates to {size_words(inflated, member)} than the {member.size} bytes declared"
            )
        if zlib.crc32(inflated) != member.crc:
            raise self._spoilt(member, "its checksum (CRC-32) does not match")
        return inflated

    def _allowed(self, member: Member) -> None:
        """Refuse what cannot or must not be inflated."""
        if member.flags & ENCRYPTED:
            raise InputError(
                "FN63",
                f"{self.where}: the member {quoted(member.name)} is encrypted.",
                "Decrypt the archive first: evaluation logs are written without a password.",
            )
        if member.method not in (STORED, DEFLATED, ZSTANDARD):
            raise InputError(
                "FN64",
                f"{self.where}: the member {quoted(member.name)} uses the compression method "
                f"{member.method}.",
                "Pack it again with method 0 (stored), 8 (deflate) or 93 (Zstandard).",
            )
        if member.size > self.limits.member:
            raise InputError(
                "FN66",
                f"{self.where}: the member {quoted(member.name)} inflates to {member.size} bytes, more than "
                f"the {self.limits.member} allowed.",
                f"If you trust the log, pass limits=Limits(member={member.size}).",
            )

    def _packed(self, member: Member) -> memoryview:
        """The compressed bytes; the lengths of name and extra field are those of the *local* header."""
        header = self._data[member.offset : member.offset + LOCAL.size]
        if len(header) < LOCAL.size or bytes(header[:4]) != LOCAL_SIGNATURE:
            raise self._spoilt(member, "no local header stands where the directory says")
        *_, name_length, extra_length = LOCAL.unpack(header)
        named = member.offset + LOCAL.size
        if bytes(self._data[named : named + name_length]) != member.raw_name:
            raise InputError(
                "FN68",
                f"{self.where}: what the directory calls {quoted(member.name)} has another name in itself.",
                "Do not use this archive: take the log from where the evaluation wrote it.",
            )
        start = named + name_length + extra_length
        packed = self._data[start : start + member.packed]
        if len(packed) < member.packed:
            raise self._spoilt(member, "the file ends within it")
        return packed

    def _inflate(self, member: Member, packed: memoryview) -> bytes:
        """At most one byte more than declared, so that a lie about the size is seen and costs nothing."""
        if member.method == STORED:
            return bytes(packed[: member.size + 1])
        if member.method == DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1)
        return zstandard_frames(self._decompressor, packed, member.size)

    def _spoilt(self, member: Member, why: str) -> InputError:
        """The error for a member whose bytes are not what was written."""
        return InputError(
            "FN65",
            f"{self.where}: the member {quoted(member.name)} is damaged: {why}.",
            "Copy the log again from where the evaluation wrote it.",
        )


def zstandard_frames(decompressor: Any, packed: memoryview, size: int) -> bytes:
    """Inflate one or several Zstandard frames to at most one byte more than ``size``.

    ValueError when they are damaged. One frame is inflated at once; several, and any doubt, go through the
    stream, which crosses frames and stops at the limit whatever a frame says of its own length.
    """
    import zstandard

    try:
        if zstandard.frame_content_size(packed) in (-1, size):
            inflated: bytes = decompressor.decompress(packed, max_output_size=size, allow_extra_data=False)
            if len(inflated) == size:
                return inflated
    except zstandard.ZstdError:
        # several frames, another size, or damage: the stream tells which
        pass
    try:
        with decompressor.stream_reader(packed, read_across_frames=True) as reader:
            return bytes(reader.read(size + 1))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def size_words(inflated: bytes, member: Member) -> str:
    """``more`` or ``only 12 bytes, fewer``, for the error about a wrong size."""
    return "more" if len(inflated) > member.size else f"only {len(inflated)} bytes, fewer"


def within_limits(entries: Sequence[Member], limits: Limits, where: str) -> None:
    """InputError FN67 when the members inflate to more than the limit together."""
    total = sum(entry.size for entry in entries)
    if total > limits.total:
        raise InputError(
            "FN67",
            f"{where} inflates to {total} bytes in all, more than the {limits.total} allowed.",
            f"If you trust the log, pass limits=Limits(total={total}).",
        )


def apart(entries: Sequence[Member], where: str) -> None:
    """InputError FN68 when members lie within each other: one compressed body posing as thousands."""
    end, before = 0, ""
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset < end:
            raise InputError(
                "FN68",
                f"{where}: the members {quoted(before)} and {quoted(entry.name)} overlap in the file.",
                "Do not use this archive: take the log from where the evaluation wrote it.",
            )
        end, before = entry.offset + LOCAL.size + len(entry.raw_name) + entry.packed, entry.name
