"""Write a case as Markdown for people to read: every element with everything that is stated of it."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.cases.formats.attributes import module_texts, node_texts
from pellucid.cases.formats.exchange import Modules, Written
from pellucid.cases.nodes import Module, Node

_LISTS = {"supportedBy": "supported_by", "inContextOf": "in_context_of"}
_SPECIAL = "\\`*_{}[]()<>#+|!~"


def dump_markdown(modules: Modules) -> Written:
    """Write modules as Markdown: a section for each, a heading for each element; nothing is left out.

    Example:
        >>> print(dump_markdown((Module("case", (Node("G1", "Safe", supported_by=("Sn1",)),)),)).text)
        # case
        <BLANKLINE>
        ## Goal G1
        <BLANKLINE>
        > Safe
        <BLANKLINE>
        - supportedBy: Sn1
        <BLANKLINE>
    """
    blocks = [block for module in modules for block in _module(module)]
    return Written("\n\n".join(blocks) + "\n" if blocks else "")


def _module(module: Module) -> Iterator[str]:
    yield f"# {_plain(module.stated_name or 'case')}"
    if module.brief:
        yield _quoted(module.brief)
    rest = {name: text for name, text in module_texts(module).items() if name not in ("name", "brief")}
    yield from _items(rest)
    for node in module.nodes:
        yield from _element(node)


def _element(node: Node) -> Iterator[str]:
    kind = node.kind.spoken.capitalize() if node.kind else "Element"
    yield f"## {kind} {_plain(node.id)}"
    if node.text:
        yield _quoted(node.text)
    texts = {name: text for name, text in node_texts(node).items() if name not in ("text", "nodeType")}
    for name, field in _LISTS.items():
        if name in texts:
            texts[name] = ", ".join(getattr(node, field))
    if node.challenges:
        texts["challenges"] = " -> ".join(node.challenges)
    yield from _items(texts)


def _items(texts: dict[str, str]) -> Iterator[str]:
    if texts:
        yield "\n".join(f"- {_plain(name)}: {_plain(text)}" for name, text in texts.items())


def _quoted(text: str) -> str:
    return "\n".join(f"> {_plain(line)}".rstrip() for line in text.splitlines())


def _plain(text: str) -> str:
    """A text in one line, with the marks of Markdown and HTML escaped."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in " ".join(text.split()))
