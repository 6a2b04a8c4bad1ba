"""Draw a case as Mermaid text, which wikis and code hosts show as a picture; it is only written."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.formats.exchange import Modules, Written, not_carried
from pellucid.cases.nodes import Node, NodeKind

_SHAPES = {
    None: ('["', '"]'),
    NodeKind.GOAL: ('["', '"]'),
    NodeKind.COUNTER_GOAL: ('["', '"]'),
    NodeKind.STRATEGY: ('[/"', '"/]'),
    NodeKind.SOLUTION: ('(("', '"))'),
    NodeKind.COUNTER_SOLUTION: ('(("', '"))'),
    NodeKind.CONTEXT: ('("', '")'),
    NodeKind.ASSUMPTION: ('(["', '"])'),
    NodeKind.JUSTIFICATION: ('(["', '"])'),
}
_SHOWN = ("text", "nodeType", "supportedBy", "inContextOf", "challenges", "undeveloped", "defeated")
_WORDS = ("undeveloped", "defeated", "uninstantiated", "optional")
_MARKS = {NodeKind.ASSUMPTION: "(A)", NodeKind.JUSTIFICATION: "(J)"}


def dump_mermaid(modules: Modules) -> Written:
    """Write modules as a Mermaid flow chart: the same case gives the same bytes.

    Support is an arrow, context a line with a ring, a challenge a dotted arrow; the kind is the shape, and
    every mark is also a word.

    Example:
        >>> from pellucid.cases.nodes import Module
        >>> print(dump_mermaid((Module(None, (Node("G1", "Safe", undeveloped=True),)),)).text)
        flowchart TD
          n0["G1<br/>Safe<br/>(undeveloped)"]
        <BLANKLINE>
    """
    keys: dict[str, str] = {}
    for module in modules:
        for node in module.nodes:
            keys.setdefault(node.id, f"n{len(keys)}")
    lines = ["flowchart TD"]
    for number, module in enumerate(modules):
        boxes = [f"  {keys[node.id]}{_box(node)}" for node in module.nodes]
        if len(modules) > 1:
            boxes = [
                f'  subgraph m{number}["{_label(module.stated_name or f"module {number}")}"]',
                *(f"  {box}" for box in boxes),
                "  end",
            ]
        lines.extend(boxes)
    for module in modules:
        for node in module.nodes:
            lines.extend(_edges(node, keys))
    return Written("\n".join(lines) + "\n", not_carried(modules, (*_SHOWN, "name"), "Mermaid"))


def _box(node: Node) -> str:
    before, after = _SHAPES[node.kind]
    marks = [f"({word})" for word in _WORDS if getattr(node, word)]
    kind = [_MARKS[node.kind]] if node.kind in _MARKS else []
    counter = ["(challenge)"] if node.challenges else []
    parts = [_label(node.id), _label(node.text or ""), *kind, *counter, *marks]
    return f"{before}{'<br/>'.join(part for part in parts if part)}{after}"


def _edges(node: Node, keys: dict[str, str]) -> Iterator[str]:
    own = keys[node.id]
    for other in dict.fromkeys(node.supported_by):
        yield f"  {own} --> {_end(other, keys)}"
    for other in dict.fromkeys(node.in_context_of):
        yield f"  {own} --o {_end(other, keys)}"
    if node.challenges:
        of = f'|"challenges {_label(" -> ".join(node.challenges))}"|' if len(node.challenges) == 2 else ""
        yield f"  {own} -.->{of} {_end(node.challenges[0], keys)}"


def _end(name: str, keys: dict[str, str]) -> str:
    """The far end of an edge; a name that exists nowhere is drawn as such."""
    return keys[name] if name in keys else f'x{_hex(name)}["{_label(name)}<br/>(missing)"]'


def _hex(name: str) -> str:
    return name.encode("utf-8", "replace").hex()


def _label(text: str) -> str:
    """A text as Mermaid takes it between double quotes."""
    marks = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "<br/>".join("".join(marks.get(char, char) for char in line) for line in lines if line)
