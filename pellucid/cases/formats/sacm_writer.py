"""Write a case as SACM 2.x XMI: packages, claims, reasoning, artefact references, asserted relations.

A goal is a Claim, a strategy an ArgumentReasoning, a solution or context an ArtifactReference; support is an
AssertedInference (its strategy is the reasoning) or AssertedEvidence, surroundings an AssertedContext; a
challenge is a relation with ``isCounter`` whose target is a claim or, as SACM allows, another relation. What
SACM has no word for stands in TaggedValues.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.cases.formats.attributes import Texts, module_texts
from pellucid.cases.formats.exchange import HOME, Extras, Modules
from pellucid.cases.formats.xml_text import tag_text
from pellucid.cases.nodes import Module, Node, NodeKind

_XMI = "http://www.omg.org/XMI"
_SACM = "http://www.omg.org/spec/SACM/20220301"
CLASSES = {
    NodeKind.GOAL: "Claim",
    NodeKind.COUNTER_GOAL: "Claim",
    NodeKind.ASSUMPTION: "Claim",
    NodeKind.JUSTIFICATION: "Claim",
    NodeKind.STRATEGY: "ArgumentReasoning",
    NodeKind.SOLUTION: "ArtifactReference",
    NodeKind.COUNTER_SOLUTION: "ArtifactReference",
    NodeKind.CONTEXT: "ArtifactReference",
}
DECLARED = {NodeKind.ASSUMPTION: "assumed", NodeKind.JUSTIFICATION: "axiomatic"}


@dataclass
class _Relation:
    kind: str
    sources: tuple[str, ...]
    target: str
    reasoning: str | None = None
    counter: bool = False


@dataclass
class _Document:
    """The identifiers of a document: elements by our id, relations by the pair that they join."""

    nodes: dict[str, Node] = field(default_factory=dict)
    homes: dict[str, Module] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    pairs: dict[frozenset[str], str] = field(default_factory=dict)
    challenged: set[frozenset[str]] = field(default_factory=set)
    relations: int = 0


def write_sacm(modules: Modules, extras: Extras) -> str:
    """Write modules, with what SACM cannot say in TaggedValues."""
    document = _document(modules)
    root = {"xmi:version": "2.0", "xmlns:xmi": _XMI, "xmlns:sacm": _SACM, "xmi:id": "case"}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(tag_text("sacm:AssuranceCasePackage", root, indent=0, closed=False))
    lines.append(
        tag_text("name", {"content": (modules[0].stated_name if modules else None) or "case"}, indent=1)
    )
    for number, module in enumerate(modules):
        texts = extras.modules[number] if number < len(extras.modules) else {}
        lines.extend(_package(document, module, number, texts, extras))
    return "\n".join([*lines, "</sacm:AssuranceCasePackage>"]) + "\n"


def _document(modules: Modules) -> _Document:
    document = _Document()
    for module in modules:
        for node in module.nodes:
            document.keys[node.id] = f"e{len(document.keys)}"
            document.nodes[node.id], document.homes[node.id] = node, module
            if len(node.challenges) == 2:
                document.challenged.add(frozenset(node.challenges))
    return document


def _package(document: _Document, module: Module, number: int, texts: Texts, extras: Extras) -> Iterator[str]:
    yield tag_text("argumentPackage", {"xmi:id": f"m{number}"}, indent=1, closed=False)
    stated = module_texts(module)
    if "name" in stated:
        yield tag_text("name", {"content": stated["name"]}, indent=2)
    if "brief" in stated:
        yield from _description(stated["brief"], 2)
    yield from _tagged(texts, 2)
    for node in module.nodes:
        yield from _element(document, node, extras.of(node.id))
    relations = [relation for node in module.nodes for relation in _relations(document, node)]
    plain = [relation for relation in relations if relation.target in document.keys]
    yield from (line for relation in plain for line in _asserted(document, relation))
    # a challenge of a relation names the relation, which therefore stands above it
    for node in module.nodes:
        yield from _against_relation(document, node)
    yield "  </argumentPackage>"


def _element(document: _Document, node: Node, texts: Texts) -> Iterator[str]:
    kind = node.kind or NodeKind.GOAL
    attributes = {"xmi:type": f"sacm:{CLASSES[kind]}", "xmi:id": document.keys[node.id], "gid": node.id}
    if CLASSES[kind] == "Claim":
        attributes["assertionDeclaration"] = _declaration(node, kind)
    if node.uninstantiated:
        attributes["isAbstract"] = "true"
    attributes |= _citation(document, node)
    yield tag_text("argumentationElement", attributes, indent=2, closed=False)
    yield tag_text("name", {"content": node.layer("name") or node.id}, indent=3)
    if node.text is not None:
        yield from _description(node.text, 3)
    yield from _tagged({name: text for name, text in texts.items() if name != HOME}, 3)
    yield "    </argumentationElement>"


def _declaration(node: Node, kind: NodeKind) -> str:
    if node.defeated:
        return "defeated"
    if kind in DECLARED:
        return DECLARED[kind]
    return "needsSupport" if node.undeveloped else node.layer("assertionDeclaration") or "asserted"


def _citation(document: _Document, node: Node) -> dict[str, str]:
    if node.away is None:
        return {}
    cited = node.away.element or ""
    known = cited in document.keys and document.homes[cited].name == node.away.module
    return {"isCitation": "true", **({"citedElement": document.keys[cited]} if known else {})}


def _description(text: str, indent: int) -> Iterator[str]:
    yield tag_text("description", {}, indent=indent, closed=False)
    yield from _multilingual("content", text, indent + 1)
    yield f"{'  ' * indent}</description>"


def _multilingual(name: str, text: str, indent: int) -> Iterator[str]:
    yield tag_text(name, {}, indent=indent, closed=False)
    yield tag_text("value", {"content": text}, indent=indent + 1)
    yield f"{'  ' * indent}</{name}>"


def _tagged(texts: Texts, indent: int) -> Iterator[str]:
    for name, text in texts.items():
        yield tag_text("taggedValue", {}, indent=indent, closed=False)
        yield from _multilingual("key", name, indent + 1)
        if text is not None:
            yield from _multilingual("content", text, indent + 1)
        yield f"{'  ' * indent}</taggedValue>"


# Relations -------------------------------------------------------------------------------------


def _relations(document: _Document, owner: Node) -> Iterator[_Relation]:
    if owner.kind is not NodeKind.STRATEGY:
        yield from _support(document, owner.id, owner.supported_by, None)
        for leg in owner.supported_by:
            strategy = document.nodes.get(leg)
            if strategy is not None and strategy.kind is NodeKind.STRATEGY:
                found = list(_support(document, owner.id, strategy.supported_by, leg))
                yield from found or [_Relation("AssertedInference", (), owner.id, leg)]
    around = [other for other in owner.in_context_of if other in document.keys]
    for group in _apart(document, owner.id, around):
        yield _Relation("AssertedContext", group, owner.id)
    if len(owner.challenges) == 1 and owner.challenges[0] in document.keys:
        yield _Relation(_joined(owner), (owner.id,), owner.challenges[0], counter=True)


def _support(
    document: _Document, target: str, legs: tuple[str, ...], reasoning: str | None
) -> Iterator[_Relation]:
    for kind in ("AssertedInference", "AssertedEvidence"):
        nodes = (document.nodes[leg] for leg in dict.fromkeys(legs) if leg in document.nodes)
        sources = [node.id for node in nodes if node.kind is not NodeKind.STRATEGY and _joined(node) == kind]
        for group in _apart(document, target, sources):
            yield _Relation(kind, group, target, reasoning)


def _joined(node: Node) -> str:
    artefact = CLASSES[node.kind or NodeKind.GOAL] == "ArtifactReference"
    return "AssertedEvidence" if artefact else "AssertedInference"


def _apart(document: _Document, owner: str, others: list[str]) -> Iterator[tuple[str, ...]]:
    """One relation for all others, in their order; one each when something challenges one of them."""
    if any(frozenset((owner, other)) in document.challenged for other in others):
        yield from ((other,) for other in others)
    elif others:
        yield tuple(others)


def _asserted(document: _Document, relation: _Relation) -> Iterator[str]:
    key = f"r{document.relations}"
    document.relations += 1
    if len(relation.sources) == 1:
        document.pairs.setdefault(frozenset((*relation.sources, relation.target)), key)
    attributes = {"xmi:type": f"sacm:{relation.kind}", "xmi:id": key}
    if not relation.sources:
        attributes["assertionDeclaration"] = "needsSupport"
    if relation.counter:
        attributes["isCounter"] = "true"
    attributes["source"] = " ".join(document.keys[name] for name in relation.sources)
    attributes["target"] = document.keys[relation.target]
    if relation.reasoning is not None:
        attributes["reasoning"] = document.keys[relation.reasoning]
    yield tag_text("argumentationElement", attributes, indent=2)


def _against_relation(document: _Document, node: Node) -> Iterator[str]:
    key = document.pairs.get(frozenset(node.challenges)) if len(node.challenges) == 2 else None
    if key is not None:
        attributes = {"xmi:type": f"sacm:{_joined(node)}", "xmi:id": f"r{document.relations}"}
        document.relations += 1
        attributes |= {"isCounter": "true", "source": document.keys[node.id], "target": key}
        yield tag_text("argumentationElement", attributes, indent=2)
