"""Pickle opcodes read as a description of plain data: nothing of the file is imported or called."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn

from pellucid.findings import InputError

MARK = object()
OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": MARK}
EMPTY: Mapping[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
TUPLES: Mapping[str, int] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")


@dataclass
class Inert:
    """An object of a class that the caller named as harmless: what the file says about it, never made."""

    name: str
    """Module and class."""
    arguments: tuple[Any, ...] = ()
    """What it would have been made with."""
    state: Any = None
    """What would have been set on it."""


@dataclass(frozen=True)
class Name:
    """A member of a module that the file names: a label, not the member."""

    name: str
    """Module and member."""


@dataclass(frozen=True)
class Vocabulary:
    """Which names a file may use, and what they stand for."""

    values: Mapping[str, Any]
    """Names that are data, as torch.float32."""
    makers: Mapping[str, Callable[..., Any]]
    """Names that make data from arguments, each with our own function."""
    inert: Collection[str] = ()
    """Classes that are kept as inert records."""
    persistent: Callable[[Any], Any] | None = None
    """What a persistent id stands for."""


@dataclass
class Machine:
    """Reads one pickle: the stack and the memo of the format, over plain data only.

    Arguments:
        file: name of the file, for messages.
        vocabulary: the names that it may use.
    """

    file: str
    vocabulary: Vocabulary
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, stream: BinaryIO) -> Any:
        """What the pickle at the stream's position describes; the stream is left behind it.

        Raises:
            InputError: DI80 for a name, class or opcode that is not data.
        """
        name = ""
        while name != "STOP":
            opcode = OPCODES[stream.read(1)]
            name = opcode.name
            if name not in READ:
                self.refuse(f"the opcode {name}")
            if name == "GLOBAL":
                self.follow(name, f"{line(stream)} {line(stream)}")
            else:  # the standard library decodes arguments, and checks their lengths
                self.follow(name, opcode.arg.reader(stream) if opcode.arg else None)
        return self.stack.pop()

    def follow(self, opcode: str, argument: Any) -> None:
        """One opcode."""
        if opcode in LITERALS:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in EMPTY:
            self.stack.append(EMPTY[opcode]())
        elif opcode in PUTS:
            self.memo[argument] = self.stack[-1]
        elif opcode in GETS:
            self.stack.append(self.memo[argument])
        elif opcode in TUPLES:
            count = TUPLES[opcode]
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif opcode in STEPS:
            getattr(self, STEPS[opcode])(argument)

    def refuse(self, what: str) -> NoReturn:
        """DI80 with the name of what is no data."""
        raise InputError(
            "DI80",
            f"{self.file} holds {what}, which is not a tensor or a plain container.",
            "Nothing of it was run. Ask for safetensors, or for torch.save of a state_dict alone.",
        )

    def since_mark(self) -> list[Any]:
        """What was pushed since the last mark, taken off the stack."""
        at = len(self.stack) - 1 - next(i for i, held in enumerate(reversed(self.stack)) if held is MARK)
        taken = self.stack[at + 1 :]
        del self.stack[at:]
        return taken

    def memoise(self, _: Any) -> None:
        """Remember the top under the next number."""
        self.memo[len(self.memo)] = self.stack[-1]

    def pop(self, _: Any) -> None:
        """Drop the top."""
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        """Drop what was pushed since the mark."""
        self.since_mark()

    def duplicate(self, _: Any) -> None:
        """Push the top again."""
        self.stack.append(self.stack[-1])

    def make_list(self, _: Any) -> None:
        """A list of what was pushed since the mark."""
        self.stack.append(self.since_mark())

    def make_tuple(self, _: Any) -> None:
        """A tuple of what was pushed since the mark."""
        self.stack.append(tuple(self.since_mark()))

    def make_frozenset(self, _: Any) -> None:
        """A frozen set of what was pushed since the mark."""
        self.stack.append(frozenset(self.since_mark()))

    def make_dict(self, _: Any) -> None:
        """A dict of the pairs pushed since the mark."""
        taken = self.since_mark()
        self.stack.append(dict(zip(taken[::2], taken[1::2], strict=True)))

    def append(self, _: Any) -> None:
        """Put the top at the end of the list below it."""
        item = self.stack.pop()
        self.below(list).append(item)

    def appends(self, _: Any) -> None:
        """Put what was pushed since the mark at the end of the list below it."""
        items = self.since_mark()
        self.below(list).extend(items)

    def add_items(self, _: Any) -> None:
        """Put what was pushed since the mark into the set below it."""
        items = self.since_mark()
        self.below(set).update(items)

    def set_item(self, _: Any) -> None:
        """Put a key and a value into the dict below them."""
        value, key = self.stack.pop(), self.stack.pop()
        self.below(dict)[key] = value

    def set_items(self, _: Any) -> None:
        """Put the pairs pushed since the mark into the dict below them."""
        items = self.since_mark()
        self.below(dict).update(zip(items[::2], items[1::2], strict=True))

    def below(self, kind: type) -> Any:
        """The top, which must be of a kind."""
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"its opcodes fill a {type(self.stack[-1]).__name__} as a {kind.__name__}")
        return self.stack[-1]

    def persistent(self, _: Any) -> None:
        """What a persistent id stands for, by the file's own rule."""
        if self.vocabulary.persistent is None:
            self.refuse("a reference to something outside the pickle")
        self.stack.append(self.vocabulary.persistent(self.stack.pop()))

    def named(self, argument: Any) -> None:
        """A name as a label or as the data that it stands for; any other name is refused."""
        if argument is None:
            member, module = self.stack.pop(), self.stack.pop()
            argument = f"{module} {member}"
        name = str(argument).replace(" ", ".")
        words = self.vocabulary
        if name in words.values:
            self.stack.append(words.values[name])
        elif name in words.makers or name in words.inert:
            self.stack.append(Name(name))
        else:
            self.refuse(name)

    def reduce(self, _: Any) -> None:
        """Data made by our own function of that name, or an inert record."""
        arguments = self.stack.pop()
        self.stack.append(self.made(self.stack.pop(), arguments))

    def reduce_with_names(self, _: Any) -> None:
        """As `reduce`, for a class that is also given named arguments; only inert records are."""
        names, arguments = self.stack.pop(), self.stack.pop()
        self.stack.append(self.made(self.stack.pop(), (*arguments, names)))

    def made(self, maker: Any, arguments: Any) -> Any:
        """What a label makes of arguments."""
        if not isinstance(maker, Name) or not isinstance(arguments, tuple):
            self.refuse(f"a call of a {type(maker).__name__}")
        if maker.name in self.vocabulary.makers:
            return self.vocabulary.makers[maker.name](*arguments)
        return Inert(maker.name, arguments)

    def build(self, _: Any) -> None:
        """State of an inert record is kept; that of a dict (torch puts a version note there) is dropped."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.state = state
        elif not isinstance(target, dict):
            self.refuse(f"a state that would be set on a {type(target).__name__}")


def line(stream: BinaryIO) -> str:
    """One line of text, taken as it stands: the standard library would follow escapes in it."""
    held = stream.readline()
    if not held.endswith(b"\n"):
        raise ValueError("it ends within a name")
    return held[:-1].decode()


STEPS: Mapping[str, str] = {
    "MEMOIZE": "memoise",
    "POP": "pop",
    "POP_MARK": "pop_mark",
    "DUP": "duplicate",
    "LIST": "make_list",
    "TUPLE": "make_tuple",
    "FROZENSET": "make_frozenset",
    "DICT": "make_dict",
    "APPEND": "append",
    "APPENDS": "appends",
    "ADDITEMS": "add_items",
    "SETITEM": "set_item",
    "SETITEMS": "set_items",
    "BINPERSID": "persistent",
    "GLOBAL": "named",
    "STACK_GLOBAL": "named",
    "REDUCE": "reduce",
    "NEWOBJ": "reduce",
    "NEWOBJ_EX": "reduce_with_names",
    "BUILD": "build",
}
READ = {*LITERALS, *CONSTANTS, *EMPTY, *PUTS, *GETS, *TUPLES, *STEPS, "PROTO", "FRAME", "STOP"}
