"""Write a case as LTAC: a tree for each root, every further mention of an element a Link or a citation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.cases.formats.exchange import Extras, Modules
from pellucid.cases.formats.ltac_line import Tail, is_id, option
from pellucid.cases.nodes import COUNTERS, SIDE, Node, NodeKind

ID = "@id"
"""The option that carries an id which LTAC cannot hold."""
HEAD = "@head"
"""What the options begin with that carry attributes of a module, by number."""
_DEPTH = 40
TYPES = {
    None: "Claim",
    NodeKind.GOAL: "Claim",
    NodeKind.COUNTER_GOAL: "Claim",
    NodeKind.STRATEGY: "Strategy",
    NodeKind.SOLUTION: "Evidence",
    NodeKind.COUNTER_SOLUTION: "Evidence",
    NodeKind.CONTEXT: "Context",
    NodeKind.ASSUMPTION: "Assumption",
    NodeKind.JUSTIFICATION: "Justification",
}


@dataclass
class _Document:
    nodes: dict[str, Node]
    extras: Extras
    names: dict[str, str] = field(default_factory=dict)
    counters: dict[str, list[str]] = field(default_factory=dict)
    placed: dict[str, int] = field(default_factory=dict)
    packages: list[list[str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def name(self, node_id: str) -> str:
        """The id as LTAC writes it."""
        return self.names.get(node_id) or (node_id if is_id(node_id) else _safe(node_id))


def write_ltac(modules: Modules, extras: Extras) -> str:
    """Write modules, with what LTAC cannot say among the options."""
    nodes = {node.id: node for module in modules for node in module.nodes}
    document = _Document(nodes, extras)
    _give_names(document)
    for node in nodes.values():
        # the challenge of a relation stands below one of its ends, so that its package can be reached
        ends = [end for end in node.challenges if end in nodes and end != node.id]
        if ends:
            document.counters.setdefault(ends[0], []).append(node.id)
    for root in (*_roots(document), *nodes):
        document.waiting.insert(0, root)
        while document.waiting:
            start = document.waiting.pop(0)
            if start not in document.placed:
                _package(document, start)
    return "\n".join("".join(f"{line}\n" for line in package) for package in document.packages)


def _give_names(document: _Document) -> None:
    """Ids that LTAC can hold stay; others get a free one, and carry their own as an option."""
    taken = {_anchor(node_id) for node_id in document.nodes if is_id(node_id)}
    given: set[str] = set()
    for node_id in document.nodes:
        name, count = node_id if is_id(node_id) else _safe(node_id), 0
        free = is_id(node_id) and _anchor(node_id) not in given
        while not free:
            count += 1
            name = f"{_safe(node_id)}_{count}"
            free = _anchor(name) not in taken and _anchor(name) not in given
        document.names[node_id] = name
        given.add(_anchor(name))


def _anchor(name: str) -> str:
    """What is left of an id in a link, by which verocase tells elements apart."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", name).lower())


def _safe(text: str) -> str:
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in text)
    return kept.lstrip(".-")[:60] or "_"


def _roots(document: _Document) -> Iterator[str]:
    named = {other for node in document.nodes.values() for other in (*node.supported_by, *node.in_context_of)}
    below = {counter for counters in document.counters.values() for counter in counters}
    return (name for name in document.nodes if name not in named and name not in below)


def _package(document: _Document, start: str) -> None:
    lines: list[str] = []
    document.packages.append(lines)
    number = len(document.packages)
    stack = [iter([(start, "")])]
    while stack:
        name, role = next(stack[-1], (None, ""))
        if name is None:
            stack.pop()
            continue
        depth = len(stack) - 1
        node = document.nodes.get(name)
        if node is None or name in document.placed or depth > _DEPTH:
            lines.append("  " * depth + _mention(document, name, role, number))
            document.waiting += [name] if node is not None and name not in document.placed else []
            continue
        document.placed[name] = number
        lines.append("  " * depth + _line(document, node, role, first=number == 1 and len(lines) == 0))
        stack.append(iter(_below(document, node)))


def _below(document: _Document, node: Node) -> list[tuple[str, str]]:
    legs = [(name, "support") for name in dict.fromkeys(node.supported_by)]
    around = [(name, "context") for name in dict.fromkeys(node.in_context_of)]
    return legs + around + [(name, "counter") for name in document.counters.get(node.id, ())]


def _mention(document: _Document, name: str, role: str, number: int) -> str:
    node = document.nodes.get(name)
    mark = " {iscounter}" if role == "counter" else ""
    if node is not None and document.placed.get(name) == number:
        return f"- Link {document.name(name)}{mark}"
    kind = (NodeKind.CONTEXT if role == "context" else NodeKind.GOAL) if node is None else node.kind
    return f"- {TYPES[kind]} ^{document.name(name)}:{mark}"


def _line(document: _Document, node: Node, role: str, *, first: bool) -> str:
    statement = _statement(node.text or "")
    tail = Tail(_options(document, node, role))
    if first:
        tail.options += _heads(document)
    if node.url and not set(node.url) & set("(){}\n\r") and node.url == node.url.strip():
        tail.reference = node.url
    said = f" {statement}" if statement else ""
    return f"- {TYPES[node.kind]} {document.name(node.id)}:{said}{tail.after(statement)}"


def _statement(text: str) -> str:
    """A text in one line; a bracket that it leaves open would swallow the options, and becomes another."""
    statement = " ".join(text.split())
    for opening, closing in ("{}", "()"):
        start = statement.rfind(closing) + 1
        statement = statement[:start] + statement[start:].replace(opening, "[")
    return statement


def _options(document: _Document, node: Node, role: str) -> list[str]:
    marks = [option for option in (node.layer("options") or "").split(", ") if _plain_option(option)]
    # a reader of LTAC allows one status only, and an assumption has its own
    if node.defeated and node.kind is not NodeKind.ASSUMPTION:
        marks.append("defeated")
    elif node.undeveloped and node.kind not in SIDE:
        marks.append("needssupport")
    if role == "counter" or (not role and node.kind in COUNTERS):
        marks.append("iscounter")
    if document.name(node.id) != node.id:
        marks.append(option(ID, node.id))
    return marks + [option(name, text) for name, text in document.extras.of(node.id).items()]


def _plain_option(text: str) -> bool:
    return text.isascii() and text.isalnum() and text.islower()


def _heads(document: _Document) -> list[str]:
    return [
        option(f"{HEAD}{number}.{name}", text)
        for number, texts in enumerate(document.extras.modules)
        for name, text in texts.items()
    ]
