"""Whether correlation alone carries a causal claim: the lint on the vocabulary of the review paper.

A claim is causal when its layer ``argument`` says so, or, without that layer, when its words clearly do. A
Finding is correlational by its kind; one that only observes behaviour counts like it under a claim whose
layer says causal, as long as nothing below that claim intervenes or proves. What decides is the whole chain
of support: with every interventional or formal Finding taken out and all else granted, does the claim still
hold? Then correlation alone carries it. A leaf that only counts together with an intervention in the same
support is in order.

Source: Bereska and Gavves 2024, arXiv 2404.14082, which parts methods into observational and interventional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pellucid.cases.defeaters.samples import cited
from pellucid.cases.evaluation.kleene import Reading, Value, constant
from pellucid.cases.evaluation.operator import background, settle
from pellucid.cases.evidence.citations import Lookup, citation
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import CITING, COUNTERS, SIDE, Node, NodeKind
from pellucid.findings import Header

_THING = r"(?=\s+(?:the|an?|its|their|this|these|that|those|how|what|whether|when|which|every|each|both)\b)"
"""What follows a verb that is a noun as well (control, drive, cause): what it acts on."""
_NAMED = r"(?=\s+(?:\w+(?:tions?|sals?|ness|ity|[ae]nce|[ae]ncy|ing)|outputs?|answers?|behaviou?rs?)\b)"
"""What it acts on, as one word without an article."""
_PLAIN = re.compile(
    r"\b(because of|due to(?! be\b)|causes|caused by|caused(?= (the|this|its)\b)|(is|are) the reason"
    r"|brings? about|(is|are) (the|a) (\w+ )?cause of|(is|are) (driven|mediated|produced|controlled) by"
    rf"|mediates?|cause{_THING})\b",
    re.IGNORECASE,
)
_ACTING = re.compile(
    r"\b((is|are) (\w+ly )?responsible for|(is|are) used (by \w+( \w+){0,2} )?to compute"
    rf"|leads? to|led to|produces?|(controls?|drives?|drove){_THING}|(controls|drives|drove){_NAMED})\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(not|no|never|cannot|neither|nor|none|nothing|nobody|without|unlikely|whether|if|unless|can|could|may|might|"
    r"would|should|will|must)\b|n['’]t\b",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\W*(no|nothing|none|neither|little|few)\b", re.IGNORECASE)
_OUTCOME = re.compile(
    r"\b(harms?|risks?|outcomes?|damage|losses|incidents?|accidents?|catastrophes?|disasters?|threats?|dangers?)\b(?!-)",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"\b(the|an?|any|its|their|our|these|those|all|no|some|extra|common|root|hard|to|by|of|with|for)\s*$",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"^\W*(((the|an?|our|each|every|any|this)\s+)?((?!of|in|on|from|inside|within|for|at)\w+\s+){0,2}?"
    r"(systems?|models?|ai|agents?|assistants?|pipelines?|protocols?|deployments?|evaluations?|probes?|classifiers?"
    r"|scripts?|tests?|methods?|formulas?|teams?|boards?|officers?|owners?|reviewers?|operators?|staff|company"
    r"|lab|vendors?|organi[sz]ations?|developers?|people|person|s|it|they|he|she|we)"
    r"|(the\s+)?(decision|deploying|using|releasing|use|release)\b.*)\s*$",
    re.IGNORECASE,
)
_BASE = re.compile(r"(cause|drive|control|mediate|produce|lead to|bring about)$", re.IGNORECASE)


@dataclass(frozen=True)
class Carried:
    """A leaf whose observation, with others of its sort, is all that a causal claim rests on."""

    leaf: str
    """The leaf."""
    claim: str
    """The nearest causal claim above it."""
    word: str
    """The words that make the claim causal; empty when its layer ``argument`` says so."""


def causal_word(node: Node) -> str | None:
    """How an element says that it is a causal claim: empty by its layer, its words, None if it does not.

    The layer ``argument`` (or ``argumentType``) decides alone where it stands: ``causal`` is causal, every
    other word is not.
    """
    if node.kind in COUNTERS or node.kind in SIDE or node.kind in CITING:
        return None
    stated = node.layer("argument") or node.layer("argumentType")
    if stated is not None:
        return "" if stated.strip().lower() == "causal" else None
    return worded_cause(node.text or "") if node.kind is NodeKind.GOAL else None


def worded_cause(text: str) -> str | None:
    """The words by which a text clearly explains something by its cause, in small letters; None without.

    Denied, possible and conditional causes, claims about harm and other outcomes, and what a whole system, a
    method or a person does are no causal explanations.

    Example:
        >>> worded_cause("The circuit drives the refusal"), worded_cause("It does not lead to harm")
        ('drives', None)
    """
    clauses = re.split(r"[.;:!?,](?:\s|$)|\b(?:but|while|although)\b", text)
    return next((word for clause in clauses for word in _causes(clause)), None)


def _causes(clause: str) -> Iterator[str]:
    """The causal words of one clause that are neither denied nor about an outcome."""
    if _OUTCOME.search(clause):
        return
    for pattern in (_PLAIN, _ACTING):
        for found in pattern.finditer(clause):
            before = clause[: found.start()]
            if pattern is _ACTING and _WHOLE.match(before):
                continue
            denied = _DENIED.search(before) or _DENIES.match(clause[found.end() :])
            if not denied and not _is_noun(before, found[0]):
                yield found[0].lower()


def _is_noun(before: str, word: str) -> bool:
    """Whether a word is no verb here: ``the controls``, ``a common cause``, ``to produce``."""
    bare = word.lower()
    if _BASE.match(bare):
        return not before.strip() or bool(_NOUN.search(before))
    return bare in ("controls", "drives", "causes") and bool(_NOUN.search(before))


def is_correlational(header: Header | None) -> bool:
    """Whether a Finding can show no more than a correlation."""
    return header is not None and header.evidence == "correlational"


def is_observed(header: Header | None) -> bool:
    """Whether a Finding tells what was seen of behaviour, with no intervention; a log does."""
    return header is not None and header.evidence == "behavioural" and not is_interventional(header)


def is_interventional(header: Header | None) -> bool:
    """Whether a Finding can discharge a causal claim: by an intervention, or formally."""
    if header is None or header.evidence == "correlational":
        return False
    return header.evidence in ("causal", "formal") or header.stance == "interventional"


def carried_by_correlation(graph: Graph, find: Lookup) -> list[Carried]:
    """Each correlational or observed leaf that a causal claim rests on without an intervention.

    Args:
        graph: the argument.
        find: a Finding's header by id, or None.

    Example: below ``need: all`` a probe beside a patching experiment is in order, below ``need: any`` it is
    not.
    """
    return list(_Support(graph, find).carried())


@dataclass(frozen=True)
class _Support:
    graph: Graph
    find: Lookup

    def carried(self) -> Iterator[Carried]:
        """Leaf by leaf, with the nearest claim."""
        claims = {
            name: word for name, node in self.graph.nodes.items() if (word := causal_word(node)) is not None
        }
        stated = {name: word for name, word in claims.items() if not word and not self._intervened(name)}
        for leaf, header in self.headers.items() if claims else ():
            kept = claims if is_correlational(header) else stated if is_observed(header) else {}
            if kept and self.graph.nodes[leaf].kind not in COUNTERS:
                for claim in self._nearest(leaf, kept):
                    yield Carried(leaf, claim, claims[claim])

    def _intervened(self, claim: str) -> bool:
        """Whether anything interventional or formal lies below a claim."""
        below = self.graph.reach([claim], self.graph.support)
        return any(is_interventional(self.headers.get(name)) for name in below)

    @cached_property
    def headers(self) -> Mapping[str, Header | None]:
        """What each element cites."""
        return {name: cited(node, self.find) for name, node in self.graph.nodes.items() if citation(node)}

    @cached_property
    def granted(self) -> Mapping[str, Value]:
        """Every value when interventions are taken out, challenges are silent and all else is granted."""
        leaves = {
            name: constant(self._granted(name), 1) for name, legs in self.graph.support.items() if not legs
        }
        silent = {name: Reading(0, 1) for name, node in self.graph.nodes.items() if node.kind in COUNTERS}
        evident = {name: constant(self._granted(name), 1) for name in self.headers}
        settled = settle(self.graph, leaves | evident | silent | background(self.graph, 1), 1)
        return {name: reading.at(0) for name, reading in settled.items()}

    def _granted(self, name: str) -> Value:
        return "U" if is_interventional(self.headers.get(name)) else "T"

    def _nearest(self, leaf: str, claims: Mapping[str, str]) -> Iterator[str]:
        """Causal claims first met on the ways up from a leaf, through what stands without interventions."""
        seen, waiting = {leaf}, [leaf]
        while waiting:
            name = waiting.pop(0)
            for parent in self.graph.parents.get(name, ()):
                if parent in seen or self.granted[parent] != "T" or name not in self.graph.support[parent]:
                    continue
                seen.add(parent)
                if parent in claims:
                    yield parent
                else:
                    waiting.append(parent)
