"""Read and write arguments in the YAML of gsn2x, losslessly, with every text as a string."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pellucid.cases.formats.yaml_fields import Fields
from pellucid.cases.formats.yaml_text import yaml_text
from pellucid.cases.formats.yaml_values import Mapping, Reading, Scalar, Sequence, Yaml, called, read_document
from pellucid.cases.nodes import Extension, HorizontalIndex, Module, Node, NodeKind
from pellucid.findings import did_you_mean

KNOWN = frozenset(
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
_MODULE = frozenset(
    ["name", "brief", "uses", "extends", "stylesheets", "horizontalIndex", "rankIncrement", "charWrap"]
)


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
    reading = Reading(file)
    module = _module(reading, read_document(reading, text))
    reading.refuse_faults()
    return module


def _module(reading: Reading, document: Mapping) -> Module:
    return module_of(reading, _block(reading, document), tuple(_nodes(reading, document)))


def _block(reading: Reading, document: Mapping) -> Mapping:
    block = document.items.get("module", Mapping({}, {}, 1))
    if not isinstance(block, Mapping):
        reading.fault(block.line, f"module is a {called(block)}; expected a mapping with a name")
        return Mapping({}, {}, 1)
    return block


def module_of(reading: Reading, block: Mapping, nodes: tuple[Node, ...]) -> Module:
    """A Module from its ``module`` block and its elements."""
    fields = Fields(reading, "module", block)
    return Module(
        stated_name=fields.string("name"),
        nodes=nodes,
        brief=fields.string("brief"),
        uses=fields.names("uses"),
        extends=_extensions(reading, block),
        layers=fields.others(_MODULE),
        stylesheets=fields.names("stylesheets"),
        horizontal_index=_horizontal_index(fields),
        rank_increment=fields.integer("rankIncrement", least=0) or 0,
        char_wrap=fields.integer("charWrap", least=1),
        file=reading.file,
        line=block.line if block.items else 0,
    )


def _nodes(reading: Reading, document: Mapping) -> Iterator[Node]:
    for node_id, value in document.items.items():
        if node_id == "module":
            continue
        line = document.lines[node_id]
        if isinstance(value, Scalar) and value.empty:
            value = Mapping({}, {}, line)
        if isinstance(value, Mapping):
            yield node_of(Fields(reading, node_id, value), line)
        else:
            reading.fault(
                value.line,
                f"{node_id} is a {called(value)}; expected its attributes (text, supportedBy, ...)",
            )


def node_of(fields: Fields, line: int, *, aside: frozenset[str] = frozenset()) -> Node:
    """An element from its attributes under the names of gsn2x; those named ``aside`` are no layers."""
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
        layers=fields.others(KNOWN | aside),
        line=line,
    )


def _node_type(fields: Fields) -> NodeKind | None:
    text = fields.string("nodeType")
    if text is None:
        return None
    names = [kind.value for kind in NodeKind]
    if text in names:
        return NodeKind(text)
    wanted = f"one of {', '.join(names)}. {did_you_mean(text, names)}".strip()
    fields.wrong("nodeType", wanted)
    return None


def _challenged(fields: Fields) -> tuple[str, ...]:
    text = fields.string("challenges")
    if text is None:
        return ()
    ends = tuple(end.strip() for end in text.split("->"))
    if len(ends) <= 2 and all(ends):
        return ends
    fields.wrong("challenges", "an id, or a relation `A -> B`")
    return ()


def _horizontal_index(fields: Fields) -> HorizontalIndex | None:
    value = fields.values.items.get("horizontalIndex")
    if value is None:
        return None
    word = next(iter(value.items)) if isinstance(value, Mapping) and len(value.items) == 1 else ""
    if not isinstance(value, Mapping) or word not in ("relative", "absolute"):
        fields.wrong("horizontalIndex", "{relative: number} or {absolute: number or last}")
        return None
    inner = Fields(fields.reading, f"{fields.owner} horizontalIndex", value)
    if word == "absolute" and inner.string(word) == "last":
        return "absolute", "last"
    number = inner.integer(word)
    if number is None:
        return None
    return ("relative", number) if word == "relative" else ("absolute", number)


def _extensions(reading: Reading, block: Mapping) -> tuple[Extension, ...]:
    value = block.items.get("extends")
    if value is None:
        return ()
    items = value.items if isinstance(value, Sequence) else [value]
    return tuple(found for item in items if (found := _extension(reading, item)) is not None)


def _extension(reading: Reading, item: Yaml) -> Extension | None:
    fields = Fields(reading, "module extends", item) if isinstance(item, Mapping) else None
    name = fields.string("module") if fields else None
    if fields is None or name is None:
        reading.fault(item.line, "module extends needs entries with `module` and `develops`")
        return None
    develops = fields.groups("develops", "foreign ids with the local ids that support them")
    return Extension(name, develops, item.line)


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
    block = module_block(module)
    document = {
        **({"module": block} if block else {}),
        **{node.id: plain_attributes(node) for node in module.nodes},
    }
    return yaml_text(document)


def module_block(module: Module) -> dict[str, Any]:
    """The ``module`` block of a file: what is stated of the module, defaults left out."""
    extends = [
        {"module": extension.module, "develops": {key: list(ids) for key, ids in extension.develops}}
        for extension in module.extends
    ]
    uses = list(module.uses)
    block = {
        "name": module.stated_name,
        "brief": module.brief,
        "uses": uses,
        "extends": extends,
        "stylesheets": list(module.stylesheets),
        "horizontalIndex": dict([module.horizontal_index]) if module.horizontal_index else None,
        "rankIncrement": module.rank_increment or None,
        "charWrap": module.char_wrap,
        **dict(module.layers),
    }
    return {name: value for name, value in block.items() if value is not None and value != []}


def plain_attributes(node: Node) -> dict[str, Any]:
    """The attributes of an element under the names of gsn2x, defaults left out, layers last."""
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
