"""A restricted reader of other programs' torch checkpoints: tensors and plain containers, nothing is run.

`torch.load(weights_only=True)` follows a list of its own, which grows with the version and which other code
may add to while it runs. Here the names that a file may use are one fixed table; none is imported, and any
other is refused by its name before anything happens.
"""

from __future__ import annotations

import math
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from pellucid.dictionaries.formats.opcodes import MARK, Inert, Machine, Name, Vocabulary
from pellucid.findings import InputError

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
KINDS: Mapping[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
DEEPEST = 64  # containers within containers; no checkpoint comes near
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    StopIteration,
    TypeError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
)


@dataclass
class Storage:
    """The numbers under tensors, perhaps not read yet: older files put them at the end."""

    dtype: torch.dtype
    """Of one number."""
    count: int
    """How many there are."""
    data: bytearray = field(default_factory=bytearray)
    """Their bytes."""
    rows: Tensor | None = None
    """The numbers as one axis, once they are asked for."""

    def flat(self) -> Tensor:
        """The numbers as one axis; tensors that share them in the file share them here."""
        if self.rows is None:
            empty = torch.empty(0, dtype=self.dtype)
            self.rows = torch.frombuffer(self.data, dtype=self.dtype) if self.count else empty
        return self.rows

    def checked(self, dtype: torch.dtype, count: int) -> Storage:
        """The same storage; ValueError unless kind and bytes are what so many numbers need."""
        if self.dtype != dtype or self.count != count or len(self.data) != count * dtype.itemsize:
            raise ValueError(f"{count} numbers of {dtype} do not fit {len(self.data)} bytes")
        return self


@dataclass(frozen=True)
class Late:
    """A tensor whose numbers may come later in the file."""

    storage: Storage
    """Its numbers."""
    offset: int
    """Where they begin."""
    size: tuple[int, ...]
    """Its shape."""
    stride: tuple[int, ...]
    """Numbers from one index to the next, for each axis."""

    def tensor(self) -> Tensor:
        """The tensor; ValueError unless it lies within its numbers and is no larger than they are."""
        shown, held = math.prod(self.size), self.storage.count
        steps = zip(self.size, self.stride, strict=True)
        last = self.offset + sum((size - 1) * stride for size, stride in steps)
        outside = shown and (last >= held or shown > held)
        if outside or min((self.offset, *self.size, *self.stride)) < 0:
            raise ValueError(f"a tensor of shape {self.size} does not lie within its {held} numbers")
        return self.storage.flat().as_strided(self.size, self.stride, self.offset)


@dataclass
class Stream:
    """A file in which a length cannot ask for memory beyond the file's end."""

    file: BinaryIO
    """The open file."""
    size: int
    """Its length in bytes."""

    def read(self, count: int) -> bytes:
        """At most the bytes that are left."""
        return self.file.read(max(0, min(count, self.size - self.file.tell())))

    def readline(self) -> bytes:
        """Up to the end of the line."""
        return self.file.readline()

    def tell(self) -> int:
        """The position."""
        return self.file.tell()


def read_checkpoint(path: str | Path, inert: Collection[str] = ()) -> Any:
    """What a torch checkpoint or a plain pickle holds: tensors on the CPU and plain containers.

    Read are zip checkpoints of `torch.save`, its older format, and pickles of tensors. No name of the file is
    imported and nothing of it is called, so that a hostile file can do no more than be refused.

    Arguments:
        path: the file.
        inert: classes, as "module.Class", that may occur and are kept as inert records.

    Raises:
        InputError: DI80 for anything but data, with its name; DI81 for a damaged file.

    Example: ``read_checkpoint("ae.pt")["encoder.weight"].shape``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            stream = Stream(file, path.stat().st_size)
            return finished(contents(stream, path.name, frozenset(inert)), {})
    except InputError:
        raise
    except DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            "DI81",
            f"The checkpoint {path.name} cannot be read: {reason}.",
            "Fetch or write it again: it must be a file of torch.save.",
        ) from None


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """A checkpoint that is one table of tensors, as `torch.save(module.state_dict())` writes it.

    Arguments:
        path: the file.

    Raises:
        InputError: DI80 and DI81 as `read_checkpoint`, and DI81 for a checkpoint of anything else.

    Example: ``read_tensors("ae.pt")["bias"]``.
    """
    held = read_checkpoint(path)
    what = f"it is a {type(held).__name__}"
    if isinstance(held, Mapping):
        odd = [
            f"{name!r} is a {type(value).__name__}"
            for name, value in held.items()
            if not torch.is_tensor(value)
        ]
        if not odd:
            return {str(name): value for name, value in held.items()}
        what = odd[0]
    raise InputError(
        "DI81",
        f"The checkpoint {Path(path).name} is not a table of tensors: {what}.",
        "Give the file that torch.save(module.state_dict(), ...) wrote.",
    )


def contents(stream: Stream, name: str, inert: frozenset[str]) -> Any:
    """What the file describes, tensors not made yet."""
    start = stream.tell()
    zipped = stream.read(2) == b"PK"
    stream.file.seek(start)
    if zipped:
        return from_zip(stream.file, name, inert)
    plain = Machine(name, words(name, inert)).run(stream)  # type: ignore[arg-type]
    return from_legacy(stream, name, inert) if plain == LEGACY_MAGIC else plain


def from_zip(file: BinaryIO, name: str, inert: frozenset[str]) -> Any:
    """A zip checkpoint: data.pkl says what there is, data/KEY holds the numbers."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.namelist()
        roots = [entry.removesuffix("data.pkl") for entry in entries if entry.endswith("data.pkl")]
        if len(roots) != 1:
            raise ValueError("it has no data.pkl, so that torch.save did not write it")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("its entries are compressed, which torch.save never does")
        order = f"{roots[0]}byteorder"
        if order in entries and archive.read(order).decode() != sys.byteorder:
            raise ValueError("its numbers have the other byte order")
        made: dict[str, Storage] = {}

        def numbers(dtype: torch.dtype, key: str, count: int) -> Storage:
            """Those of a key, read when they are first named."""
            if key not in made:
                made[key] = Storage(dtype, count, bytearray(archive.read(f"{roots[0]}data/{key}")))
            return made[key].checked(dtype, count)

        table = BytesIO(archive.read(f"{roots[0]}data.pkl"))
        return Machine(name, words(name, inert, numbers)).run(table)


def from_legacy(stream: Stream, name: str, inert: frozenset[str]) -> Any:
    """The format of torch before 1.6: protocol, machine, contents, keys, then the numbers of each key."""
    made: dict[str, Storage] = {}

    def numbers(dtype: torch.dtype, key: str, count: int) -> Storage:
        """Those of a key, which come later."""
        held = made.setdefault(key, Storage(dtype, count))
        if (held.dtype, held.count) != (dtype, count):
            raise ValueError("two tensors disagree about the numbers that they share")
        return held

    def part() -> Any:
        """The next pickle of the file."""
        return Machine(name, words(name, inert, numbers)).run(stream)  # type: ignore[arg-type]

    protocol, machine, held, keys = part(), part(), part(), part()
    little = isinstance(machine, dict) and machine.get("little_endian")
    if protocol != LEGACY_PROTOCOL or little is not (sys.byteorder == "little"):
        raise ValueError("it has an unknown protocol or the other byte order")
    for key in keys:
        storage = made[key]
        (count,) = struct.unpack("<q", stream.read(8))
        storage.data = bytearray(stream.read(storage.count * storage.dtype.itemsize))
        storage.checked(storage.dtype, count)
    return held


def words(
    name: str,
    inert: frozenset[str],
    numbers: Callable[[torch.dtype, str, int], Storage] | None = None,
) -> Vocabulary:
    """The names that a checkpoint may use: storages, dtypes, and a few makers of plain data."""

    def persistent(reference: Any) -> Storage:
        """The numbers that a persistent id of torch.save means."""
        what, dtype, key, _, count, *view = reference
        if numbers is None or what != "storage" or any(view):
            raise ValueError(f"it refers to {what!r} in a way that no torch.save writes")
        if not isinstance(dtype, torch.dtype) or not isinstance(count, int) or count < 0:
            raise ValueError(f"its storage {key!r} has no kind or no length")
        return numbers(dtype, str(key), count)

    dtypes = {f"torch.{str(dtype).removeprefix('torch.')}": dtype for dtype in KINDS.values()}
    return Vocabulary(
        values={f"torch.{kind}": dtype for kind, dtype in KINDS.items()} | dtypes,
        makers={
            "collections.OrderedDict": OrderedDict,
            "torch.Size": lambda *sizes: tuple(*sizes),
            "torch._utils._rebuild_tensor_v2": tensor,
            "torch._utils._rebuild_parameter": lambda data, *_: data,
            "torch.storage._load_from_bytes": lambda data: nested(data, name),
            "_codecs.encode": encoded,
            **dict.fromkeys(("builtins.set", "__builtin__.set"), set),
            **dict.fromkeys(("builtins.frozenset", "__builtin__.frozenset"), frozenset),
        },
        inert=inert,
        persistent=persistent,
    )


def tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Late:
    """A tensor to be made; what follows its strides says only how it is trained."""
    if not isinstance(storage, Storage):
        raise ValueError("a tensor is made of something that is no storage")
    return Late(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def encoded(text: Any, coding: Any) -> bytes:
    """Bytes as the older protocols write them: text whose letters are the bytes."""
    if not isinstance(text, str) or coding != "latin1":
        raise ValueError(f"its bytes are written as {coding!r}, which no pickle does")
    return text.encode("latin1")


def nested(data: Any, name: str) -> Any:
    """The numbers that a plain pickle holds as a file within the file."""
    if not isinstance(data, bytes):
        raise ValueError("a storage within a pickle is no bytes")
    return contents(Stream(BytesIO(data), len(data)), name, frozenset())


def finished(held: Any, done: dict[int, Any], depth: int = 0) -> Any:
    """The same with every tensor made, now that the numbers are there.

    What occurs many times is made once: a file of a few bytes can name one list exponentially often.
    """
    if depth > DEEPEST:
        raise ValueError(f"its containers are nested more than {DEEPEST} deep")
    if id(held) not in done:
        done[id(held)] = made(held, done, depth + 1)
    return done[id(held)]


def made(held: Any, done: dict[int, Any], depth: int) -> Any:
    """One value, with what it contains."""
    if isinstance(held, Late):
        return held.tensor()
    if isinstance(held, dict):
        return type(held)((key, finished(value, done, depth)) for key, value in held.items())
    if isinstance(held, (list, tuple)):
        return type(held)(finished(value, done, depth) for value in held)
    if isinstance(held, Inert):
        arguments = tuple(finished(value, done, depth) for value in held.arguments)
        return Inert(held.name, arguments, finished(held.state, done, depth))
    if held is MARK or isinstance(held, (Name, Storage)):
        raise ValueError("it holds a mark, a name or numbers without a shape")
    return held
