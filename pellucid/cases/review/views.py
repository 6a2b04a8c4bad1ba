"""What a track may see of a case: all of it, or digests and attested results only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pellucid.cases.nodes import Module, Node
from pellucid.cases.review.tracks import Track

if TYPE_CHECKING:
    from pellucid.cases.case import Case
    from pellucid.cases.evaluation.verdict import Verdict

_ATTESTED = ("finding", "need", "defeater", "argument", "argumentType", "sha256", "automatic", "backfire")
"""Layers that are digests, or words of the language itself, and so may be seen by everyone."""


def attested(case: Case, track: Track, verdict: Verdict | None = None) -> Case:
    """The case as a track may see it.

    A track that exchanges digests sees the ids, kinds and relations of the elements, the sha256 of each text,
    predicate and other attribute, the digests that the case itself cites, and the attested value of each
    element; texts, addresses, names of models and of people stay with the party that holds them. The other
    tracks see the case as it is.

    Args:
        case: the argument.
        track: who looks.
        verdict: what was measured, to be attested as the layer ``value`` of each element.

    Example:
        >>> from pellucid.cases import Case
        >>> from pellucid.cases.review import bilateral
        >>> seen = attested(Case.read("G1: {text: Safe, undeveloped: true}"), bilateral("x", "a", "b"))
        >>> seen.nodes["G1"].text[:15]
        'sha256:4f9f0dab'
    """
    if track.visibility != "digests":
        return case
    values = {} if verdict is None else {name: state.now for name, state in verdict.states.items()}
    return replace(case, modules=tuple(_module(module, values) for module in case.modules))


def _module(module: Module, values: Mapping[str, str]) -> Module:
    nodes = tuple(_node(node, values.get(node.id)) for node in module.nodes)
    layers = tuple((name, hidden(text)) for name, text in module.layers)
    brief = None if module.brief is None else hidden(module.brief)
    return replace(module, stated_name=module.name, nodes=nodes, brief=brief, layers=layers, uses=(), file="")


def _node(node: Node, value: str | None) -> Node:
    layers = [(name, text if name in _ATTESTED else hidden(text)) for name, text in node.layers]
    if value is not None:
        layers.append(("value", value))
    text = None if node.text is None else hidden(node.text)
    return replace(node, text=text, url=None, classes=(), acp=(), layers=tuple(layers), line=0)


def hidden(text: str) -> str:
    """The digest of a text, as ``sha256:HEX``."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
