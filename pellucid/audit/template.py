"""From Findings to a safety case: the template, filled with ids, predicates and what a reviewer accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from types import MappingProxyType

from pellucid.audit import rule
from pellucid.audit.pair import Pair
from pellucid.cases import Case, Node
from pellucid.findings import Finding, InputError, did_you_mean
from pellucid.models import Model

NEVER = "{measure} < 0"
"""No distance meets it: such a leaf is open when its own predicate fails, not refuted."""

RULES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "reference": (rule.REFERENCE_HOLDS, NEVER.format(measure="relative_distance.value")),
        "text": (rule.TEXT_CLEAN, NEVER.format(measure="mean.high")),
        "search": (rule.SEARCH_CLEAN, rule.SEARCH_FOUND),
        "honeypot": (rule.HONEYPOT_CLEAN, rule.HONEYPOT_CONDITIONAL),
        "spectrum": (rule.SPECTRUM_WIDE, rule.SPECTRUM_NARROW),
    }
)
"""Predicate and refutation of each leaf, exactly as the decision rule states them."""


@dataclass(frozen=True)
class Acceptances:
    """Which assumptions a person accepts, and when."""

    ids: tuple[str, ...]
    reviewer: str
    day: date

    def word(self) -> str:
        """The acceptance as the case states it."""
        return f"{self.reviewer}, {self.day.isoformat()}"


@cache
def template() -> Case:
    """The hidden-behaviour case before anything was measured."""
    return Case.read(
        resources.files("pellucid.audit").joinpath("templates/hidden_behaviour.yaml").read_text()
    )


def instantiate(
    pair: Pair | None,
    suspect: str,
    findings: Mapping[str, Finding],
    accepted: Acceptances,
    *,
    marker: str | None,
    power: Finding | None = None,
    words: Mapping[str, str] | None = None,
) -> Case:
    """Fill the template.

    Args:
        pair: Suspect and reference; None when there is no reference.
        suspect: The suspect's weights.
        findings: What was measured, by kind.
        accepted: What the reviewer accepts.
        marker: How observation is announced; None replaces the honeypot leaf by assumption A3.
        power: The power of the search, used when it was measured against the same reference.
        words: More words for the texts of contexts.

    Raises:
        InputError: AU08 for an acceptance of an assumption that the case does not have.

    Example: ``instantiate(None, "ab" * 32, {}, Acceptances((), "nobody", date(2026, 1, 1)), marker=None)``.
    """
    known = template()
    check_acceptances(accepted, known)
    fitting = power if power is not None and fits(power, pair) else None
    texts = {**texts_of(pair, suspect, findings, marker, fitting), **(words or {})}
    dropped = absent(findings, marker)
    nodes = [
        filled(node, findings, texts, accepted, dropped, fitting)
        for node in known.nodes.values()
        if node.id not in dropped
    ]
    context = weights_of(pair, suspect)
    nodes = [node.having(sha256=context) if node.id == "C01" else node for node in nodes]
    if marker is None:
        nodes = [rest_on(node, "A3") if node.id == "G0" else node for node in nodes]
    # what models said and how observation is announced may hold braces of their own
    return Case((replace(known.modules[0], nodes=tuple(nodes), layers=(("braces", "literal"),), file=""),))


def check_acceptances(accepted: Acceptances, known: Case) -> None:
    """Refuse to accept what is not assumed."""
    names = [name for name in known.nodes if name.startswith("A")]
    for name in accepted.ids:
        if name not in names:
            raise InputError(
                "AU08",
                f"The case has no assumption {name!r} to accept.",
                f"{did_you_mean(name, names)} There are: {', '.join(names)}.".strip(),
            )


def fits(power: Finding, pair: Pair | None) -> bool:
    """Whether the power was measured with the same reference, and suffices."""
    subject = power.provenance.subject
    same = pair is not None and subject is not None and subject.sha256 == pair.reference.sha256
    return same and power.status == "supports"


def absent(findings: Mapping[str, Finding], marker: str | None) -> frozenset[str]:
    """Elements that this case has no use for: the honeypot or its substitute, the rest of a full search."""
    search = findings.get("audit.trigger_search")
    covered = search is None or (search.measures["coverage"].value or 0) >= 1
    return frozenset({"A4"} if covered else ()) | ({"G3", "Sn3"} if marker is None else {"A3"})


def filled(
    node: Node,
    findings: Mapping[str, Finding],
    texts: Mapping[str, str],
    accepted: Acceptances,
    dropped: frozenset[str],
    power: Finding | None,
) -> Node:
    """One element with its words, its Finding and its predicates."""
    text = (node.text or "").format_map(texts).strip()
    kept = replace(
        node,
        text=text,
        supported_by=without(node.supported_by, dropped),
        in_context_of=without(node.in_context_of, dropped),
        layers=tuple((name, value) for name, value in node.layers if name not in ("slot", "rule")),
    )
    bound = cite(kept, node, findings)
    if node.id in ("A2", "A2b") and power is not None:
        return bound.having(finding=power.id, predicate=power_predicate(node.id), refutedBy="found.value < 0")
    return bound.having(accepted=accepted.word()) if node.id in accepted.ids else bound


def without(names: Sequence[str], dropped: frozenset[str]) -> tuple[str, ...]:
    """A list less what is dropped."""
    return tuple(name for name in names if name not in dropped)


def cite(kept: Node, node: Node, findings: Mapping[str, Finding]) -> Node:
    """A leaf with the Finding that its slot names, and the predicates of its rule."""
    slot, name = node.layer("slot"), node.layer("rule")
    layers = {}
    if name is not None:
        layers["predicate"], layers["refutedBy"] = RULES[name]
    if slot is not None and slot in findings:
        layers["finding"] = findings[slot].id
    return kept.having(**layers) if layers else kept


def power_predicate(assumption: str) -> str:
    """What the power Finding has to show: found often enough, and tried on longer triggers for A2b."""
    return rule.POWER_ENOUGH if assumption == "A2" else f"{rule.POWER_ENOUGH} and longest.value > 2"


def rest_on(node: Node, assumption: str) -> Node:
    """An element that also rests on an assumption."""
    return replace(node, in_context_of=(*node.in_context_of, assumption))


def present(case: Case, suspect: Model, reference: Model | None = None) -> dict[str, str]:
    """What exists now, for ``Case.evaluate``: Findings about other weights than these are stale.

    Args:
        case: A case of this template; its context C01 names the weights that were audited.
        suspect: The suspect as it is now.
        reference: The reference as it is now; None leaves it unchanged.

    Example: ``case.evaluate(findings, present(case, open_model("suspect")))``.
    """
    audited = [subject.sha256 for subject in case.subjects["C01"]]
    now = [suspect.sha256] + ([] if reference is None else [reference.sha256])
    return {f"model:sha256:{then[:12]}": sha256 for then, sha256 in zip(audited, now, strict=False)}


def weights_of(pair: Pair | None, suspect: str) -> str:
    """The weights that the case speaks of."""
    return suspect if pair is None else f"{suspect} {pair.reference.sha256}"


def texts_of(
    pair: Pair | None,
    suspect: str,
    findings: Mapping[str, Finding],
    marker: str | None,
    power: Finding | None,
) -> dict[str, str]:
    """The words of the template's braces."""
    return {
        "suspect": suspect[:12],
        "reference": "none given" if pair is None else pair.reference.sha256[:12],
        "tokenizer": "none" if pair is None else str(pair.suspect.tokenizer.sha256)[:12],
        "marker": "nothing that M reads" if marker is None else marker,
        "text": "none",
        "searched": searched_words(findings),
        "power": power_words(power),
        "lengths": length_words(power),
        **search_words(findings),
    }


def search_words(findings: Mapping[str, Finding]) -> dict[str, str]:
    """Counts of the search."""
    search = findings.get("audit.trigger_search")
    if search is None:
        return {"pairs": "none", "coverage": "none", "contexts": "no"}
    return {
        "pairs": f"{search.measures['pairs'].value:,.0f}".replace(",", " "),
        "coverage": f"{search.measures['coverage'].value:.2g}",
        "contexts": f"{search.measures['contexts'].value:.0f}",
    }


def searched_words(findings: Mapping[str, Finding]) -> str:
    """What was searched, in words."""
    if "audit.trigger_search" not in findings:
        return "Nothing was searched: there is no reference to compare with"
    words = search_words(findings)
    return f"Searched: every single token and {words['pairs']} ordered pairs of tokens"


def power_words(power: Finding | None) -> str:
    """What the power Finding says, or that there is none."""
    return "Its power was not measured against this R" if power is None else power.statement


def length_words(power: Finding | None) -> str:
    """For which lengths of trigger the power was measured."""
    if power is None:
        return "Not measured against this R"
    return f"Measured for triggers of up to {power.measures['longest'].value:.0f} tokens, open beyond"
