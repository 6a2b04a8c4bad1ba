"""Whether a claim holds here: computed from stored Findings, never typed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pellucid.findings import Header, MissingError, code_digest
from pellucid.library.paper import Claim, Paper

STATES = (
    "reproduced",
    "partly",
    "contradicted",
    "inconclusive",
    "illustrated",
    "not attempted",
    "stale",
)
"""Of a claim."""
NOT_BUILT = "method not built yet"
"""Of a paper whose method does not exist in this release."""


def claim_state(claim: Claim, headers: Iterable[Header]) -> str:
    """The state of a claim, from the Findings whose parameter ``claim`` names it.

    For every part of the claim the newest Finding of each seed counts. The claim is *reproduced* when in
    every part the stated share of seeds supports it, *contradicted* when in every part that share refutes
    it, *partly* when some support it, else *inconclusive*. A conceptual claim is at most *illustrated*.
    Findings of earlier code, or judged by another predicate than the claim's, count only as *stale*;
    retracted ones not at all.

    Arguments:
        claim: the claim.
        headers: Findings of a store, the newest first; those of other claims are left out.

    Example:
        >>> from pellucid.library import catalogue
        >>> claim_state(catalogue().claim("scheming.C1"), [])
        'not attempted'
    """
    evidence = evidence_for(claim, headers)
    if not evidence:
        return "not attempted"
    fresh = [header for header in evidence if not is_stale(claim, header)]
    if not fresh:
        return "stale"
    return judge(claim, by_part(fresh))


def evidence_for(claim: Claim, headers: Iterable[Header]) -> list[Header]:
    """The Findings that were measured for a claim and are not retracted."""
    return [
        header
        for header in headers
        if header.provenance.parameters.get("claim") == claim.name and header.retracted is None
    ]


def is_stale(claim: Claim, header: Header) -> bool:
    """Whether the code has changed since, or the claim is now judged by another predicate."""
    judged_by = header.provenance.parameters.get("predicate", header.supports)
    if claim.predicate and judged_by != claim.predicate:
        return True
    try:
        return code_digest(header.provenance.method) != header.provenance.code.digest
    except MissingError:  # the method is gone
        return True


def by_part(headers: Sequence[Header]) -> dict[str, list[str]]:
    """The statuses of each part, one a seed: the newest."""
    newest: dict[tuple[str, object], str] = {}
    for header in headers:
        part = str(header.provenance.parameters.get("part", ""))
        newest.setdefault((part, header.provenance.seed), header.status)
    parts: dict[str, list[str]] = defaultdict(list)
    for (part, _), status in newest.items():
        parts[part].append(status)
    return dict(parts)


def judge(claim: Claim, parts: dict[str, list[str]]) -> str:
    """The state that the statuses of all parts amount to."""
    if all(share(s, "supports") >= claim.share for s in parts.values()) and len(parts) >= claim.parts:
        return "illustrated" if claim.kind == "conceptual" else "reproduced"
    if all(share(s, "refutes") >= claim.share for s in parts.values()):
        return "contradicted"
    if any("supports" in statuses for statuses in parts.values()):
        return "partly"
    return "inconclusive"


def share(statuses: Sequence[str], status: str) -> float:
    """The share of statuses that are ``status``."""
    return statuses.count(status) / len(statuses)


def paper_state(paper: Paper, states: Sequence[str]) -> str:
    """The state of a paper from those of its claims; the worst news first.

    Example:
        >>> from pellucid.library import catalogue
        >>> paper_state(catalogue().get("patching"), ["reproduced", "not attempted"])
        'partly'
    """
    attempted = {state for state in states if state != "not attempted"}
    if not attempted:
        return "not attempted" if paper.built else NOT_BUILT
    if "contradicted" in attempted:
        return "contradicted"
    if len(attempted) == 1 and (len(set(states)) == 1 or attempted & {"stale", "inconclusive"}):
        return attempted.pop()
    if set(states) <= {"reproduced", "illustrated"}:
        return "reproduced"
    return "partly" if attempted & {"reproduced", "illustrated", "partly"} else "inconclusive"
