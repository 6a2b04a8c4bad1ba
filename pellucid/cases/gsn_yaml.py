"""Read and write arguments in the YAML of gsn2x, losslessly, with every text as a string.

The reader walks YAML events itself: ids and texts stay strings (YAML 1.1 would make booleans and numbers of
``No``, ``on`` and ``1_000``), a duplicate key is an error instead of a lost element, nesting is bounded, and
every fault knows its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from pellucid.cases.nodes import Extension, Module, Node, NodeKind
from pellucid.findings import InputError, did_you_mean

_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DEPTH = 12
_TAGS = (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")


@dataclass(frozen=True)
class _Scalar:
    text: str
    line: int
    empty: bool
    """Whether nothing stands there at all (``text:``), as opposed to an empty string."""


@dataclass(frozen=True)
class _Sequence:
    items: list[_Yaml]
    line: int


@dataclass(frozen=True)
class _Mapping:
    items: dict[str, _Yaml]
    lines: dict[str, int]
    line: int


_Yaml = _Scalar | _Sequence | _Mapping


@dataclass
class _Reading:
    """One pass over a file: the events, the anchors seen, and the faults found so far."""

    file: str
    events: Iterator[yaml.Event] = field(default_factory=lambda: iter(()))
    anchors: dict[str, _Yaml] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def at(self, line: int) -> str:
        """A line as messages name it."""
        return f"{self.file}:{line}"

    def fault(self, line: int, what: str) -> None:
        """Note a fault with its line."""
        self.faults.append(f"{self.at(line)}: {what}")


def parse_module(text: str, *, file: str) -> Module:
    """Read one gsn2x YAML document into a Module.

    Args:
        text: the document; an empty one gives a module without elements.
        file: what messages call the document.

    Raises:
        InputError: Y01 not readable as YAML, Y02 an id or attribute stated twice, Y03 a value of the wrong
            type; the message lists every fault of its kind with its line.

    Example:
        >>> module = parse_module("G1:\\n  text: Safe\\n  supportedBy: Sn1\\nSn1: {}", file="a.yaml")
        >>> module.nodes[0].supported_by
        ('Sn1',)

    Source: jonasthewolf/gsn2x, documentation of the YAML syntax.
    """
    reading = _Reading(file)
    document = _document(reading, text)
    _refuse(
        reading.duplicates, "Y02", "stated twice", "Give each element its own id and each attribute once."
    )
    module = _module(reading, document)
    _refuse(reading.faults, "Y03", "of the wrong type", "Correct the lines named.")
    return module


def _refuse(faults: list[str], code: str, what: str, remedy: str) -> None:
    if not faults:
        return
    shown = "; ".join(faults[:10])
    more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
    raise InputError(code, f"{shown}{more}: {what}.", remedy)


# Events to values ------------------------------------------------------------------------------


def _document(reading: _Reading, text: str) -> _Mapping:
    try:
        reading.events = iter(yaml.parse(text, Loader=_EVENTS))
        value = _first(reading)
    except yaml.YAMLError as error:
        raise InputError(
            "Y01", f"{reading.file} is not YAML: {_plain(error)}.", "Correct that line."
        ) from None
    if value is None:
        return _Mapping({}, {}, 1)
    if not isinstance(value, _Mapping):
        problem = f"{reading.at(value.line)}: the document is a {_called(value)}, not elements by id."
        raise InputError("Y03", problem, "Write each element as `G1:` with its attributes indented below it.")
    return value


def _plain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return f"{place}{what}"


def _first(reading: _Reading) -> _Yaml | None:
    value: _Yaml | None = None
    for event in reading.events:
        if isinstance(event, yaml.DocumentStartEvent):
            if value is not None:
                raise InputError(
                    "Y01", f"{reading.file} holds a second document.", "Keep one document in a file."
                )
            value = _value(reading, next(reading.events), 0)
    return None if isinstance(value, _Scalar) and value.empty else value


def _value(reading: _Reading, event: Any, depth: int) -> _Yaml:
    line = event.start_mark.line + 1
    if depth > _DEPTH:
        raise InputError(
            "Y01", f"{reading.at(line)}: nested deeper than {_DEPTH}.", "An element is two levels deep."
        )
    if isinstance(event, yaml.AliasEvent):
        return _alias(reading, str(event.anchor), line)
    if event.tag not in _TAGS:
        reading.fault(line, f"the tag {event.tag} is not understood")
    if isinstance(event, yaml.ScalarEvent):
        value: _Yaml = _Scalar(event.value, line, event.value == "" and not event.style)
    elif isinstance(event, yaml.SequenceStartEvent):
        value = _sequence(reading, line, depth)
    else:
        value = _mapping(reading, line, depth)
    if event.anchor:
        reading.anchors[event.anchor] = value
    return value


def _alias(reading: _Reading, anchor: str, line: int) -> _Yaml:
    if anchor not in reading.anchors:
        raise InputError("Y01", f"{reading.at(line)}: no anchor '{anchor}' above.", "Write the value out.")
    return reading.anchors[anchor]


def _sequence(reading: _Reading, line: int, depth: int) -> _Sequence:
    items: list[_Yaml] = []
    for event in reading.events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        items.append(_value(reading, event, depth + 1))
    return _Sequence(items, line)


def _mapping(reading: _Reading, line: int, depth: int) -> _Mapping:
    items: dict[str, _Yaml] = {}
    lines: dict[str, int] = {}
    for event in reading.events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _value(reading, event, depth + 1)
        value = _value(reading, next(reading.events), depth + 1)
        if not isinstance(key, _Scalar):
            reading.fault(key.line, f"a {_called(key)} where a name belongs")
        elif key.text in items:
            reading.duplicates.append(
                f"{reading.at(key.line)}: '{key.text}' (first on line {lines[key.text]})"
            )
        else:
            items[key.text], lines[key.text] = value, key.line
    return _Mapping(items, lines, line)


def _called(value: _Yaml) -> str:
    return {_Scalar: "single value", _Sequence: "list", _Mapping: "mapping"}[type(value)]


# Values to elements ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fields:
    """The attributes of one element (or of the module block), each read by the type it must have."""

    reading: _Reading
    owner: str
    values: _Mapping

    def wrong(self, name: str, wanted: str) -> None:
        """Note that an attribute has the wrong type."""
        value = self.values.items[name]
        given = f"'{value.text}'" if isinstance(value, _Scalar) else f"a {_called(value)}"
        self.reading.fault(value.line, f"{self.owner} {name} is {given}; expected {wanted}")

    def string(self, name: str) -> str | None:
        """An attribute as text; None if it is absent, empty or not a single value."""
        value = self.values.items.get(name)
        if value is None or (isinstance(value, _Scalar) and value.empty):
            return None
        if isinstance(value, _Scalar):
            return value.text
        self.wrong(name, "a text")
        return None

    def flag(self, name: str) -> bool:
        """An attribute as true or false; False if it is absent or neither."""
        text = self.string(name)
        if text is None or text.lower() in ("true", "false"):
            return text is not None and text.lower() == "true"
        self.wrong(name, "true or false")
        return False

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """An attribute as a whole number of at least ``least``; None if it is absent or not one."""
        text = self.string(name)
        number = None if text is None else _integer(text)
        if text is not None and (number is None or (least is not None and number < least)):
            self.wrong(name, "a whole number" + ("" if least is None else f" of at least {least}"))
            return None
        return number

    def names(self, name: str) -> tuple[str, ...]:
        """An attribute as a tuple of names, from a single one or a list."""
        value = self.values.items.get(name)
        if value is None or (isinstance(value, _Scalar) and value.empty):
            return ()
        items = value.items if isinstance(value, _Sequence) else [value]
        if all(isinstance(item, _Scalar) for item in items):
            return tuple(item.text for item in items if isinstance(item, _Scalar))
        self.wrong(name, "an id or a list of ids")
        return ()

    def groups(self, name: str, wanted: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """An attribute that maps each key to a name or a list of names."""
        value = self.values.items.get(name)
        if value is None:
            return ()
        if not isinstance(value, _Mapping):
            self.wrong(name, wanted)
            return ()
        inner = _Fields(self.reading, f"{self.owner} {name}", value)
        return tuple((key, inner.names(key)) for key in value.items)

    def others(self, known: frozenset[str]) -> tuple[tuple[str, str], ...]:
        """The texts of the attributes that are not among the known ones."""
        names = [name for name in self.values.items if name not in known]
        texts = [(name, self.string(name)) for name in names]
        return tuple((name, text) for name, text in texts if text is not None)


def _integer(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None


_KNOWN = frozenset(
    [
        "text",
        "nodeType",
        "supportedBy",
        "inContextOf",
        "undeveloped",
        "challenges",
        "defeated",
        "defeatedRelation",
        "acp",
        "classes",
        "url",
        "horizontalIndex",
        "rankIncrement",
        "charWrap",
    ]
)
_MODULE = frozenset(["name", "brief", "uses", "extends"])


def _module(reading: _Reading, document: _Mapping) -> Module:
    block = document.items.get("module", _Mapping({}, {}, 1))
    if not isinstance(block, _Mapping):
        reading.fault(block.line, f"module is a {_called(block)}; expected a mapping with a name")
        block = _Mapping({}, {}, 1)
    fields = _Fields(reading, "module", block)
    return Module(
        stated_name=fields.string("name"),
        nodes=tuple(_nodes(reading, document)),
        brief=fields.string("brief"),
        uses=fields.names("uses"),
        extends=_extensions(reading, block),
        layers=fields.others(_MODULE),
        file=reading.file,
    )


def _nodes(reading: _Reading, document: _Mapping) -> Iterator[Node]:
    for node_id, value in document.items.items():
        if node_id == "module":
            continue
        line = document.lines[node_id]
        if isinstance(value, _Scalar) and value.empty:
            value = _Mapping({}, {}, line)
        if isinstance(value, _Mapping):
            yield _node(_Fields(reading, node_id, value), line)
        else:
            reading.fault(
                value.line,
                f"{node_id} is a {_called(value)}; expected its attributes (text, supportedBy, ...)",
            )


def _node(fields: _Fields, line: int) -> Node:
    return Node(
        id=fields.owner,
        text=fields.string("text"),
        node_type=_node_type(fields),
        supported_by=fields.names("supportedBy"),
        in_context_of=fields.names("inContextOf"),
        undeveloped=fields.flag("undeveloped"),
        challenges=_challenged(fields),
        defeated=fields.flag("defeated"),
        defeated_relation=fields.names("defeatedRelation"),
        acp=fields.groups("acp", "names of claim points with the ids they sit on"),
        classes=fields.names("classes"),
        url=fields.string("url"),
        horizontal_index=_horizontal_index(fields),
        rank_increment=fields.integer("rankIncrement", least=0) or 0,
        char_wrap=fields.integer("charWrap", least=1),
        layers=fields.others(_KNOWN),
        line=line,
    )


def _node_type(fields: _Fields) -> NodeKind | None:
    text = fields.string("nodeType")
    if text is None:
        return None
    names = [kind.value for kind in NodeKind]
    if text in names:
        return NodeKind(text)
    wanted = f"one of {', '.join(names)}. {did_you_mean(text, names)}".strip()
    fields.wrong("nodeType", wanted)
    return None


def _challenged(fields: _Fields) -> tuple[str, ...]:
    text = fields.string("challenges")
    if text is None:
        return ()
    ends = tuple(end.strip() for end in text.split("->"))
    if len(ends) <= 2 and all(ends):
        return ends
    fields.wrong("challenges", "an id, or a relation `A -> B`")
    return ()


def _horizontal_index(
    fields: _Fields,
) -> tuple[Literal["relative", "absolute"], int | Literal["last"]] | None:
    value = fields.values.items.get("horizontalIndex")
    if value is None:
        return None
    word = next(iter(value.items)) if isinstance(value, _Mapping) and len(value.items) == 1 else ""
    if not isinstance(value, _Mapping) or word not in ("relative", "absolute"):
        fields.wrong("horizontalIndex", "{relative: number} or {absolute: number or last}")
        return None
    inner = _Fields(fields.reading, f"{fields.owner} horizontalIndex", value)
    if word == "absolute" and inner.string(word) == "last":
        return "absolute", "last"
    number = inner.integer(word)
    if number is None:
        return None
    return ("relative", number) if word == "relative" else ("absolute", number)


def _extensions(reading: _Reading, block: _Mapping) -> tuple[Extension, ...]:
    value = block.items.get("extends")
    if value is None:
        return ()
    items = value.items if isinstance(value, _Sequence) else [value]
    return tuple(found for item in items if (found := _extension(reading, item)) is not None)


def _extension(reading: _Reading, item: _Yaml) -> Extension | None:
    fields = _Fields(reading, "module extends", item) if isinstance(item, _Mapping) else None
    name = fields.string("module") if fields else None
    if fields is None or name is None:
        reading.fault(item.line, "module extends needs entries with `module` and `develops`")
        return None
    return Extension(name, fields.groups("develops", "foreign ids with the local ids that support them"))


# Elements to text ------------------------------------------------------------------------------


class _Writer(_DUMPER):  # type: ignore[misc]
    """Safe YAML with block texts where they lose nothing."""

    def ignore_aliases(self, data: object) -> bool:
        """Write every value out, never as an anchor and an alias."""
        return True


def _text(dumper: Any, text: str) -> Any:
    plain_lines = "\n" in text and all(
        line == line.rstrip() and line.isprintable() for line in text.split("\n")
    )
    block = plain_lines and not text.startswith((" ", "\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


_Writer.add_representer(str, _text)


def dump_module(module: Module) -> str:
    """Write a Module as gsn2x YAML: elements and lists in stated order, defaults left out.

    Reading the text back gives an equal Module. gsn2x reads the file too: what it does not know is a text
    attribute, which it calls a layer.

    Example:
        >>> print(dump_module(Module(None, (Node("Sn1", text="Evidence"),))))
        Sn1:
          text: Evidence
        <BLANKLINE>
    """
    block = _module_block(module)
    document = {
        **({"module": block} if block else {}),
        **{node.id: _attributes(node) for node in module.nodes},
    }
    if not document:
        return ""
    return str(yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100))


def _module_block(module: Module) -> dict[str, Any]:
    extends = [
        {"module": extension.module, "develops": {key: list(ids) for key, ids in extension.develops}}
        for extension in module.extends
    ]
    uses = list(module.uses)
    block = {"name": module.stated_name, "brief": module.brief, "uses": uses, "extends": extends}
    block |= dict(module.layers)
    return {name: value for name, value in block.items() if value is not None and value != []}


def _attributes(node: Node) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "text": node.text,
        "nodeType": node.node_type.value if node.node_type else None,
        "supportedBy": list(node.supported_by),
        "inContextOf": list(node.in_context_of),
        "undeveloped": node.undeveloped or None,
        "challenges": " -> ".join(node.challenges) or None,
        "defeated": node.defeated or None,
        "defeatedRelation": list(node.defeated_relation),
        "acp": {name: list(ids) for name, ids in node.acp},
        "classes": list(node.classes),
        "url": node.url,
        "horizontalIndex": dict([node.horizontal_index]) if node.horizontal_index else None,
        "rankIncrement": node.rank_increment or None,
        "charWrap": node.char_wrap,
    }
    given = {name: value for name, value in stated.items() if value is not None and value not in ([], {})}
    return given | dict(node.layers)
