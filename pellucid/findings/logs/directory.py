"""The central directory of a ZIP archive, ordinary or ZIP64: name, size, checksum, place of each member."""

from __future__ import annotations

import mmap
import re
import struct
from typing import NamedTuple

from pellucid.findings.errors import InputError

LOCAL_SIGNATURE = b"PK\x03\x04"
LOCAL = struct.Struct("<4s5H3L2H")
ENTRY_SIGNATURE = b"PK\x01\x02"
ENTRY = struct.Struct("<4s4B4H3L5H2L")
END_SIGNATURE = b"PK\x05\x06"
END = struct.Struct("<4s4H2LH")
LOCATOR_SIGNATURE = b"PK\x06\x07"
LOCATOR = struct.Struct("<4sLQL")
END64_SIGNATURE = b"PK\x06\x06"
END64 = struct.Struct("<4sQ2H2L4Q")
WHOLE_16, WHOLE_32 = 0xFFFF, 0xFFFFFFFF
UTF8 = 0x0800
ZIP64_FIELD = 1
DRIVE = re.compile(r"[A-Za-z]:[\\/]")
LINK = 0o120000
LONGEST = 100
Source = bytes | mmap.mmap


class Member(NamedTuple):
    """One entry of the directory."""

    name: str
    raw_name: bytes
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int


def quoted(name: str | bytes) -> str:
    """A member's name for a message: one of a damaged directory may be thousands of bytes long."""
    shown = repr(name)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def damaged(where: str, why: str) -> InputError:
    """The error for an archive without a readable directory."""
    return InputError(
        "FN62",
        f"{where} is no whole ZIP archive: {why}.",
        "It was cut short, or is being written: copy it again, or wait for the evaluation to end.",
    )


def read_directory(data: Source, where: str, most: int) -> list[Member]:
    """Every member in the order of the directory.

    Errors:
        InputError FN62: the directory is missing or damaged. FN67: it lists more than ``most`` members.
        FN68: a name reaches outside the archive.
    """
    count, at = directory_place(data, where)
    if count > most:
        raise InputError(
            "FN67",
            f"{where} holds {count} members, more than the {most} allowed.",
            f"If you trust the log, pass limits=Limits(members={count}).",
        )
    members = []
    for _ in range(count):
        member, at = read_entry(data, at, where)
        members.append(member)
    return members


def directory_place(data: Source, where: str) -> tuple[int, int]:
    """How many members the directory lists and where it begins."""
    at = data.rfind(END_SIGNATURE, max(0, len(data) - END.size - WHOLE_16))
    if at < 0 or at + END.size > len(data):
        raise damaged(where, "its directory, which stands at the end, is missing")
    *_, count, size, start, _ = END.unpack_from(data, at)
    if count == WHOLE_16 or WHOLE_32 in (size, start):
        count, size, start = wide_place(data, at, where) or (count, size, start)
    if start + size > at:
        raise damaged(where, "its directory does not fit into the file")
    return count, start


def wide_place(data: Source, end: int, where: str) -> tuple[int, int, int] | None:
    """Count, size and start by the ZIP64 record; None when there is none and the small numbers are meant."""
    at = end - LOCATOR.size
    if at < 0 or data[at : at + 4] != LOCATOR_SIGNATURE:
        return None
    _, _, record, _ = LOCATOR.unpack_from(data, at)
    if record + END64.size > at or data[record : record + 4] != END64_SIGNATURE:
        raise damaged(where, "its ZIP64 directory record is missing")
    *_, count, size, start = END64.unpack_from(data, record)
    return count, size, start


def read_entry(data: Source, at: int, where: str) -> tuple[Member, int]:
    """One entry of the directory, and where the next begins."""
    if data[at : at + 4] != ENTRY_SIGNATURE or at + ENTRY.size > len(data):
        raise damaged(where, f"its directory has no entry at byte {at}")
    fields = ENTRY.unpack_from(data, at)
    flags, method = fields[5:7]
    crc, packed, size, name_length, extra_length, comment_length = fields[9:15]
    attributes, offset = fields[17:19]
    named = at + ENTRY.size
    raw, extra = data[named : named + name_length], named + name_length
    name = member_name(raw, flags, where)
    if (attributes >> 16) & 0o170000 == LINK:
        raise outside(name, where)
    if WHOLE_32 in (packed, size, offset):
        size, packed, offset = wide_numbers(data[extra : extra + extra_length], size, packed, offset, where)
    member = Member(name, raw, method, flags, crc, packed, size, offset)
    return member, extra + extra_length + comment_length


def member_name(raw: bytes, flags: int, where: str) -> str:
    """The name as text; InputError FN68 when it reaches outside the archive.

    Sample ids stand in names, so a name may hold any character, slashes included.
    """
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        raise damaged(where, f"the name {quoted(raw)} is not UTF-8") from None
    steps = name.replace("\\", "/").split("/")
    if not name or "\0" in name or ".." in steps or not steps[0] or DRIVE.match(name):
        raise outside(name, where)
    return name


def outside(name: str, where: str) -> InputError:
    """The error for a member that is a link or whose name leaves the archive."""
    return InputError(
        "FN68",
        f"{where}: the member {quoted(name)} is a link, or its name leads outside the archive.",
        "Do not use this archive: take the log from where the evaluation wrote it.",
    )


def wide_numbers(extra: bytes, size: int, packed: int, offset: int, where: str) -> tuple[int, int, int]:
    """Size, packed size and offset, each from the ZIP64 extra field where its small field is full."""
    at, body = 0, b""
    while at + 4 <= len(extra):
        field, length = struct.unpack_from("<2H", extra, at)
        if field == ZIP64_FIELD:
            body = extra[at + 4 : at + 4 + length]
        at += 4 + length
    wide = list(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
    numbers = []
    for number in (size, packed, offset):
        if number == WHOLE_32 and not wide:
            raise damaged(where, "a ZIP64 size is missing")
        numbers.append(wide.pop(0) if number == WHOLE_32 else number)
    return numbers[0], numbers[1], numbers[2]
