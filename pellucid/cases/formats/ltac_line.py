"""One line of LTAC: its parts, and the escapes that let any attribute travel among the options."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from pellucid.cases.formats.attributes import NODE

TYPES = (
    "Claim",
    "Strategy",
    "Evidence",
    "Justification",
    "Context",
    "Assumption",
    "Relation",
    "Link",
    "Connector",
)
_LINE = re.compile(rf"(?P<indent>[ \t]*)[-*][ \t]+(?P<type>{'|'.join(TYPES)})(?![\w])(?P<rest>.*)", re.DOTALL)
_CITED = re.compile(r"\^[ \t]*(?:\[(?P<package>[^\]]*)\])?(?P<id>.*)", re.DOTALL)
_REFERENCE = re.compile(r"[ \t]*\((?P<inside>[^()]*)\)$")
_OPTIONS = re.compile(r"[ \t]*\{(?P<inside>[^{}]*)\}$")
_ID = re.compile(r"[^\s:^{}()\[\]#][^\s:^{}()]*(?: [^\s:^{}()]+)*")
# readers of LTAC may lower the case of options: capitals are therefore escaped in what we put there
_PLAIN = re.compile(r"[a-z0-9_.@/+*<>=!~|;'\" -]")
_NAME = re.compile(r"[a-z0-9_.]")
_NAMES = {name.lower(): name for name in (*NODE, "refutedBy")}


@dataclass(frozen=True)
class Line:
    """The parts of one line."""

    number: int
    """Its number in the file."""
    depth: int
    """How many levels it stands in."""
    type: str
    """Claim, Strategy, Evidence, ..."""
    id: str
    """The id, possibly empty."""
    text: str | None = None
    """The statement; None when there is no colon."""
    options: tuple[str, ...] = ()
    """What stands in braces, split at commas, as it is written."""
    reference: str | None = None
    """What stands in parentheses at the end."""
    cited: bool = False
    """Whether the element is one of another package."""
    package: str | None = None
    """The package that a citation names."""


@dataclass
class Tail:
    """The end of a line as it is written: options and reference."""

    options: list[str] = field(default_factory=list)
    """Options in order."""
    reference: str | None = None
    """The reference."""

    def after(self, text: str) -> str:
        """The end to put after a statement, so that the statement itself is not taken for it."""
        options = bool(self.options) or text.endswith("}")
        reference = self.reference is not None or text.endswith(")")
        if reference and not options and _OPTIONS.search(_REFERENCE.sub("", text).rstrip()):
            options = True
        if options and (text.endswith(")") or self.reference is not None):
            reference = True
        braces = f" {{{', '.join(self.options)}}}" if options else ""
        return braces + (f" ({self.reference or ''})" if reference else "")


def split_line(text: str, number: int) -> Line | None:
    """Take one line apart; None when it is no line of LTAC.

    Both orders are read: ``text {options} (reference)``, as verocase writes, and the reference first.

    Example:
        >>> line = split_line("  - Evidence E1: HARA {defeated} (hara.pdf)", 2)
        >>> (line.depth, line.type, line.id, line.text, line.options, line.reference)
        (1, 'Evidence', 'E1', 'HARA', ('defeated',), 'hara.pdf')
    """
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    rest, tail = _tail(found["rest"].strip(" \t"))
    head, colon, statement = rest.partition(":")
    cited = _CITED.fullmatch(head.strip())
    node_id = (cited["id"] if cited else head).strip()
    return Line(
        number,
        len(found["indent"]) // 2,
        found["type"],
        node_id,
        statement.strip(" \t") if colon else None,
        tuple(tail.options),
        tail.reference or None,
        cited is not None,
        cited["package"] if cited else None,
    )


def _tail(rest: str) -> tuple[str, Tail]:
    tail = Tail()
    reference = _REFERENCE.search(rest)
    if reference:
        tail.reference, rest = reference["inside"].strip(), rest[: reference.start()]
    options = _OPTIONS.search(rest)
    if options:
        rest = rest[: options.start()]
        tail.options = [option.strip() for option in options["inside"].split(",") if option.strip()]
        early = _REFERENCE.search(rest) if reference is None else None
        if early:
            tail.reference, rest = early["inside"].strip(), rest[: early.start()]
    return rest, tail


def indentation_fault(text: str) -> str | None:
    """What is wrong with the blanks before a line; None when nothing is."""
    blanks = text[: len(text) - len(text.lstrip(" \t"))]
    if "\t" in blanks:
        return "indented with a tab; expected two blanks for each level"
    if len(blanks) % 2:
        return f"indented by {len(blanks)} blanks; expected two for each level"
    return None


def is_id(text: str) -> bool:
    """Whether LTAC can hold a text as an identifier."""
    return _ID.fullmatch(text) is not None and text.isprintable() and len(text) < 200


def option(name: str, text: str | None) -> str:
    """An attribute as an option: ``name=text``, or ``-name`` when it is absent; capitals are escaped."""
    # the first letter of a name that only looks like a known one is escaped, so that it is not taken for it
    key = name if _NAMES.get(name.lower()) == name else _percent(name[:1]) + _escaped(name[1:], _NAME)
    return f"-{key}" if text is None else f"{key}={_escaped(text, _PLAIN)}"


def attribute(said: str) -> tuple[str, str | None] | None:
    """The attribute that an option carries; None when it is an ordinary option."""
    if said.startswith("-") and len(said) > 1:
        return _name(said[1:]), None
    key, equals, text = said.partition("=")
    return (_name(key), unquote(text, errors="replace")) if equals else None


def _name(key: str) -> str:
    return _NAMES.get(key.lower()) or unquote(key, errors="replace")


def _escaped(text: str, plain: re.Pattern[str]) -> str:
    last = len(text) - 1
    parts = (
        char if plain.match(char) and (char != " " or 0 < index < last) else _percent(char)
        for index, char in enumerate(text)
    )
    return "".join(parts)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace"))
