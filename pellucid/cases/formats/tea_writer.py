"""Write a case as JSON of the AssurancePlatform (TEA): nested 1.0 or flat 2.0.

Its ids are uuids: each is derived from the name of the case and our id, which stands in ``name``. What TEA
has no field for stands under ``metadata.pellucid``, which its schema passes over.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pellucid.cases.formats.exchange import Extras, Modules
from pellucid.cases.formats.json_text import json_text
from pellucid.cases.nodes import COUNTERS, Node, NodeKind

_NAMESPACE = uuid.UUID("6f1f3c1e-5a0b-5c57-9d1c-0c7a1a4f6d52")
# the format wants a time; the same case must give the same bytes, so it is always the same one
_EXPORTED = "1970-01-01T00:00:00.000Z"
_DEPTH = 60
KEPT = "tea:"
"""What the layers begin with that keep a field of TEA which has no counterpart here."""
TYPES = {
    None: "PROPERTY_CLAIM",
    NodeKind.GOAL: "PROPERTY_CLAIM",
    NodeKind.COUNTER_GOAL: "PROPERTY_CLAIM",
    NodeKind.STRATEGY: "STRATEGY",
    NodeKind.SOLUTION: "EVIDENCE",
    NodeKind.COUNTER_SOLUTION: "EVIDENCE",
    NodeKind.CONTEXT: "CONTEXT",
    NodeKind.ASSUMPTION: "ASSUMPTION",
    NodeKind.JUSTIFICATION: "JUSTIFICATION",
}


def element_uuid(case_id: str, node_id: str) -> str:
    """The uuid of an element in TEA: uuid5 over the names of the case and of the element.

    Example:
        >>> element_uuid("case", "G1") == element_uuid("case", "G1") != element_uuid("case", "G2")
        True
    """
    return str(uuid.uuid5(_NAMESPACE, json.dumps([case_id, node_id])))


@dataclass
class _Document:
    case_id: str
    nodes: dict[str, Node]
    extras: Extras
    counters: dict[str, list[str]] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)
    """Roots and deep elements that hang below the first root without belonging to it."""

    def key(self, node_id: str) -> str:
        """The uuid of an element."""
        return self.keys[node_id]


def write_nested(modules: Modules, extras: Extras) -> str:
    """Write nested 1.0: one tree; a leaf below several parents is repeated, as TEA does."""
    document = _document(modules, extras)
    roots = [*_roots(document), *document.nodes]
    document.loose = roots[1:]
    tree = None
    if roots:
        tree = _branch(document, roots[0], None, 0)
        while document.loose:
            name = document.loose.pop(0)
            if name not in document.placed:
                tree["children"].append({**_branch(document, name, None, 1), "inSandbox": True})
    return json_text({"version": "1.0", **_head(modules, extras), "tree": tree})


def write_flat(modules: Modules, extras: Extras) -> str:
    """Write flat 2.0: a list of elements with their parents, and links from evidence to claims."""
    document = _document(modules, extras)
    parents: dict[str, str] = {}
    links = []
    for name, node in document.nodes.items():
        for child in _below(document, node):
            if child not in document.nodes or child == name:
                continue
            if TYPES[document.nodes[child].kind] == "EVIDENCE" and node.id not in _challenged(
                document, child
            ):
                links.append({"evidenceId": document.key(child), "claimId": document.key(name)})
            else:
                parents.setdefault(child, name)
    elements = [_flat(document, node, parents.get(name)) for name, node in document.nodes.items()]
    whole = {**_head(modules, extras), "elements": elements, "evidenceLinks": links}
    return json_text({"version": "2.0", **whole})


def _flat(document: _Document, node: Node, parent: str | None) -> dict[str, Any]:
    fields = _fields(document, node, parent, 0)
    key, kind = fields.pop("id"), fields.pop("type")
    return {"id": key, "elementType": kind, "parentId": document.key(parent) if parent else None, **fields}


def _document(modules: Modules, extras: Extras) -> _Document:
    nodes = {node.id: node for module in modules for node in module.nodes}
    document = _Document(_case_name(modules), nodes, extras)
    _give_keys(document)
    for node in nodes.values():
        for end in node.challenges[:1]:
            if end in nodes and end != node.id:
                document.counters.setdefault(end, []).append(node.id)
    return document


def _give_keys(document: _Document) -> None:
    """Each element keeps the uuid that it came with, if no other has it, or gets the derived one."""
    derived = {name: element_uuid(document.case_id, name) for name in document.nodes}
    taken = set(derived.values())
    for name, node in document.nodes.items():
        kept = _kept(node).get("id")
        free = isinstance(kept, str) and kept not in taken
        document.keys[name] = str(kept) if free else derived[name]
        taken.add(document.keys[name])


def _case_name(modules: Modules) -> str:
    """The stated name; a name taken from the file would give equal cases different bytes."""
    return (modules[0].stated_name if modules else None) or "case"


def _head(modules: Modules, extras: Extras) -> dict[str, Any]:
    brief = modules[0].brief if modules else None
    case: dict[str, Any] = {"name": _case_name(modules), "description": brief or ""}
    heads = [dict(texts) for texts in extras.modules]
    if any(heads) or len(heads) > 1:
        case["metadata"] = {"pellucid": {"modules": heads}}
    return {"exportedAt": _EXPORTED, "case": case}


def _roots(document: _Document) -> Iterator[str]:
    below = {name for node in document.nodes.values() for name in _below(document, node)}
    free = [name for name in document.nodes if name not in below]
    # the tree begins at a claim where there is one
    yield from sorted(free, key=lambda name: document.nodes[name].kind is not NodeKind.GOAL)


def _below(document: _Document, node: Node) -> tuple[str, ...]:
    names = (*node.supported_by, *node.in_context_of, *document.counters.get(node.id, ()))
    return tuple(dict.fromkeys(names))


def _branch(document: _Document, start: str, above: str | None, depth: int) -> dict[str, Any]:
    """An element with everything below it that is not yet placed; deep ones are left for later."""
    node = document.nodes[start]
    document.placed.add(start)
    branch = {**_fields(document, node, above, depth), "children": []}
    for name in _below(document, node):
        child = document.nodes.get(name)
        if child is None:
            continue
        if depth >= _DEPTH and name not in document.placed:
            document.loose.append(name)
        elif name not in document.placed or (name != start and not _below(document, child)):
            branch["children"].append(_branch(document, name, start, depth + 1))
    return branch


def _challenged(document: _Document, name: str) -> tuple[str, ...]:
    return document.nodes[name].challenges[:1]


def _fields(document: _Document, node: Node, above: str | None, depth: int) -> dict[str, Any]:
    kind = _type(node, top=above is None and not node.challenges)
    fields: dict[str, Any] = {"id": document.key(node.id), "type": kind, "name": node.id}
    fields |= {"description": node.text or "", "inSandbox": False}
    if kind == "GOAL":
        fields["role"] = "TOP_LEVEL"
    if kind == "PROPERTY_CLAIM":
        fields["level"] = max(depth, 1)
    if kind == "EVIDENCE":
        fields["url"] = node.url
    if node.challenges or node.kind in COUNTERS:
        fields["isDefeater"] = True
        if len(node.challenges) == 1 and node.challenges[0] in document.nodes:
            fields["defeatsElementId"] = document.key(node.challenges[0])
    fields |= _module_fields(document, node, kind)
    fields |= {name: value for name, value in _kept(node).items() if name not in fields}
    more = dict(document.extras.of(node.id))
    return fields | ({"metadata": {"pellucid": more}} if more else {})


def _type(node: Node, *, top: bool) -> str:
    if node.kind is NodeKind.GOAL:
        if node.symbol is not None:
            return node.symbol.upper()
        if node.away is not None:
            return "AWAY_GOAL"
        return "GOAL" if top else "PROPERTY_CLAIM"
    return TYPES[node.kind]


def _module_fields(document: _Document, node: Node, kind: str) -> dict[str, Any]:
    if kind not in ("MODULE", "AWAY_GOAL"):
        return {}
    kept = _kept(node).get("moduleReferenceId")
    module = str(node.away) if node.away else node.id
    reference = kept if isinstance(kept, str) else element_uuid(document.case_id, f"module {module}")
    return {"moduleReferenceId": reference} | ({"moduleEmbedType": "REFERENCE"} if kind == "MODULE" else {})


def _kept(node: Node) -> dict[str, Any]:
    found = {}
    for name, text in node.layers:
        if name.startswith(KEPT):
            try:
                found[name.removeprefix(KEPT)] = json.loads(text)
            except (ValueError, RecursionError):
                continue  # not a value that TEA gave: it travels as metadata
    return {name: value for name, value in found.items() if name in PASSED}


PASSED = (
    "id",
    "comments",
    "fromPattern",
    "modifiedFromPattern",
    "modulePublicSummary",
    "moduleReferenceId",
    "moduleEmbedType",
    "urls",
    "title",
)
"""Fields of TEA that are kept as layers when a case is read."""
