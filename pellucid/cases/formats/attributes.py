"""Every attribute of an element or a module as one text under its gsn2x name, and back.

A format that has no place of its own for an attribute carries it in its extension place as such a pair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pellucid.cases.formats.yaml_fields import whole_number
from pellucid.cases.nodes import Extension, HorizontalIndex, Module, Node, NodeKind
from pellucid.findings import InputError

Texts = Mapping[str, "str | None"]
"""Attributes by name; None says that the attribute is absent although the format itself suggests one."""


def compact(value: object) -> str:
    """A value as JSON in one line; the same value gives the same text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _names(text: str) -> tuple[str, ...]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(text)
    return tuple(value)


def _groups(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    value = json.loads(text)
    return tuple((str(key), _names(compact(ids))) for key, ids in value.items())


def _index(text: str) -> HorizontalIndex:
    ((word, number),) = json.loads(text).items()
    if word == "absolute" and number == "last":
        return "absolute", "last"
    if word not in ("relative", "absolute") or not isinstance(number, int):
        raise ValueError(text)
    return word, number


def _number(text: str) -> int:
    number = whole_number(text)
    if number is None or number < 0:
        raise ValueError(text)
    return number


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _extends(text: str) -> tuple[Extension, ...]:
    return tuple(Extension(item["module"], _groups(compact(item["develops"]))) for item in json.loads(text))


def _extended(value: tuple[Extension, ...]) -> str:
    return compact([{"module": item.module, "develops": dict(item.develops)} for item in value])


def _pair(value: HorizontalIndex) -> str:
    return compact(dict([value]))


def _grouped(value: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    return compact(dict(value))


_Codec = tuple[str, Callable[[Any], str], Callable[[str], Any], object]

NODE: dict[str, _Codec] = {
    "text": ("text", str, str, None),
    "nodeType": ("node_type", str, NodeKind, None),
    "supportedBy": ("supported_by", compact, _names, ()),
    "inContextOf": ("in_context_of", compact, _names, ()),
    "undeveloped": ("undeveloped", compact, _flag, False),
    "challenges": ("challenges", compact, _names, ()),
    "defeated": ("defeated", compact, _flag, False),
    "defeatedRelation": ("defeated_relation", compact, _names, ()),
    "acp": ("acp", _grouped, _groups, ()),
    "classes": ("classes", compact, _names, ()),
    "url": ("url", str, str, None),
    "horizontalIndex": ("horizontal_index", _pair, _index, None),
    "rankIncrement": ("rank_increment", str, _number, 0),
    "charWrap": ("char_wrap", str, _number, None),
}
MODULE: dict[str, _Codec] = {
    "name": ("stated_name", str, str, None),
    "brief": ("brief", str, str, None),
    "uses": ("uses", compact, _names, ()),
    "extends": ("extends", _extended, _extends, ()),
    "stylesheets": ("stylesheets", compact, _names, ()),
    "horizontalIndex": ("horizontal_index", _pair, _index, None),
    "rankIncrement": ("rank_increment", str, _number, 0),
    "charWrap": ("char_wrap", str, _number, None),
}


def node_texts(node: Node) -> dict[str, str]:
    """Every stated attribute of an element as text.

    Example:
        >>> node_texts(Node("G1", text="Safe", supported_by=("Sn1",), layers=(("need", "1"),)))
        {'need': '1', 'text': 'Safe', 'supportedBy': '["Sn1"]'}
    """
    return dict(node.layers) | _stated(node, NODE)


def module_texts(module: Module) -> dict[str, str]:
    """Every stated attribute of a module as text, its elements aside."""
    return dict(module.layers) | _stated(module, MODULE)


def _stated(owner: Node | Module, codecs: Mapping[str, _Codec]) -> dict[str, str]:
    values = ((name, getattr(owner, codec[0]), codec) for name, codec in codecs.items())
    return {name: codec[1](value) for name, value, codec in values if value != codec[3]}


def with_node_texts(node: Node, texts: Texts, where: str) -> Node:
    """An element with these attributes in place of what it has.

    Raises:
        InputError: Y13 when a text is not what its attribute holds.
    """
    if not texts:
        return node
    layers = {**dict(node.layers), **{name: text for name, text in texts.items() if name not in NODE}}
    kept = tuple((name, text) for name, text in layers.items() if text is not None)
    return replace(node, layers=kept, **_decoded(texts, NODE, f"{where}: {node.id}"))


def module_with(texts: Texts, nodes: tuple[Node, ...], file: str) -> Module:
    """A module of these attributes and elements.

    Raises:
        InputError: Y13 when a text is not what its attribute holds.
    """
    layers = tuple((name, text) for name, text in texts.items() if name not in MODULE and text is not None)
    made = Module(None, nodes, layers=layers, file=file)
    return replace(made, **_decoded(texts, MODULE, f"{file}: module"))


def _decoded(texts: Texts, codecs: Mapping[str, _Codec], owner: str) -> dict[str, Any]:
    found = {}
    for name, text in texts.items():
        if name in codecs:
            field, _, decode, default = codecs[name]
            found[field] = default if text is None else _tried(decode, text, f"{owner} {name}")
    return found


def _tried(decode: Callable[[str], Any], text: str, what: str) -> Any:
    try:
        return decode(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        remedy = "Write what `pellucid case convert` writes there, or remove it."
        raise InputError("Y13", f"{what} is '{shown}', which cannot be read.", remedy) from None
