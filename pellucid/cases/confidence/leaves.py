"""How sure one may be of each leaf: from the Finding that it cites, or from a judgement that says so.

The case never holds a measured number. A leaf that cites a Finding is as probable as its predicate is of the
true values behind the measures. Only what cites nothing may be judged, and then it is marked as a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pellucid.cases.confidence.bounds import Bounds
from pellucid.cases.confidence.counts import UNIFORM, Beta, Prior
from pellucid.cases.confidence.opinions import VACUOUS, Opinion
from pellucid.cases.confidence.posteriors import Point, Posterior, Rate, Spread, posterior_of
from pellucid.cases.confidence.regions import Region, joint, measures_read, region, truth
from pellucid.cases.evaluation.kleene import Value
from pellucid.cases.evaluation.verdict import read_leaves
from pellucid.cases.evidence.citations import citation
from pellucid.cases.evidence.evidence import Evidence, LeafState, unusable
from pellucid.cases.evidence.freshness import STALE
from pellucid.cases.evidence.indicators import watch
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import Acceptance, Node
from pellucid.findings import Header, InputError, Measure, Predicate


@dataclass(frozen=True)
class LeafConfidence:
    """How sure one may be of one leaf, and why."""

    opinion: Opinion
    """What is believed of it; its expectation is the leaf's probability."""
    beta: tuple[float, float] | None = None
    """Beta posterior of the rate that was measured or, without ``region``, of the leaf's own probability."""
    source: str = "nothing is known of it"
    """Where the number comes from, as words."""
    value: Value = "U"
    """The leaf's value now, in the dialectical evaluation."""
    judged: bool = False
    """Whether the number is somebody's judgement."""
    taken: bool = False
    """Whether it is taken as certain without an interval: by a bare point, or by acceptance."""
    region: Region | None = None
    """The true values at which the leaf is true; with it, ``beta`` is the posterior of a measured rate."""
    counts: tuple[int, int] | None = None
    """Successes and trials behind that rate."""
    curve: Spread | None = None
    """The normal curve of a measured value, whose ``region`` then is of that value."""
    n: int | None = None
    """Observations behind the measure."""
    level: float = 0.95
    """Level of the interval that the measure came with."""
    trust: float = 1.0
    """How much the source of the measurement is trusted; the rest is uncertainty."""
    bounds: Bounds | None = None
    """Least and greatest probability, where several measures may depend on each other."""

    @property
    def probability(self) -> float:
        """The leaf's probability."""
        return min(1.0, max(0.0, self.opinion.expectation))

    @property
    def between(self) -> Bounds:
        """Its probability at least and at most, nothing assumed about dependence."""
        return self.bounds or Bounds(self.probability, self.probability)


UNKNOWN = LeafConfidence(VACUOUS, bounds=Bounds(0.0, 1.0))
"""Of such a leaf nothing is known: any probability is possible."""


def read_confidences(
    graph: Graph, evidence: Evidence, *, prior: Prior = UNIFORM
) -> dict[str, LeafConfidence]:
    """How sure one may be of every leaf of an argument, stale evidence taken out.

    Args:
        graph: the argument.
        evidence: what its leaves are read against.
        prior: counts of the Beta prior of a measured rate, uniform unless given.

    A leaf that cites a Finding gets the posterior probability of its predicate: with a Beta posterior for a
    rate of k of n, a normal curve through the interval otherwise. Without a Finding, the text attributes
    ``confidence: 0.9`` or ``opinion: b, d, u, a`` give a judgement, marked as one; ``trust`` (same forms)
    discounts a Finding. What is accepted by name is taken as true and marked; of all else nothing is known.
    """
    states = read_leaves(graph, evidence)
    return {name: _read(graph.nodes[name], state, evidence, prior) for name, state in states.items()}


def _read(node: Node, state: LeafState, evidence: Evidence, prior: Prior) -> LeafConfidence:
    accepted = state.now == "T" and state.reason.startswith("accepted by ")
    if accepted or citation(node) is None:
        found = judgement(node) or _unmeasured(state)
    else:
        found = _cited(node, state, evidence, prior)
    return replace(found, value=state.now)


def _unmeasured(state: LeafState) -> LeafConfidence:
    if state.now == "T":
        return LeafConfidence(Opinion.certain(1.0), source=f"taken as true: {state.reason}", taken=True)
    return replace(UNKNOWN, source=f"nothing is known: {state.reason}")


def judgement(node: Node) -> LeafConfidence | None:
    """The judgement that a leaf states by ``confidence`` or ``opinion``; None when none can be read."""
    opinion = stated_opinion(node.layer("opinion") or node.layer("confidence"))
    if opinion is None:
        return None
    by = Acceptance.parse(node.layer("rated") or "")
    beta = opinion.beta
    source = f"judged by {by}" if by else "judged, by nobody named"
    return LeafConfidence(opinion, None if beta is None else (beta.a, beta.b), source, judged=True)


def stated_opinion(text: str | None) -> Opinion | None:
    """An opinion written as one probability, or as belief, disbelief, uncertainty and (or 1/2) base rate."""
    try:
        parts = [float(part) for part in (text or "").replace(",", " ").split()]
    except ValueError:
        return None
    if not all(math.isfinite(part) and 0 <= part <= 1 for part in parts):
        return None
    if len(parts) == 1:
        return Opinion.certain(parts[0])
    fits = len(parts) in (3, 4) and abs(sum(parts[:3]) - 1) <= 1e-9
    return Opinion(*parts) if fits else None


def _cited(node: Node, state: LeafState, evidence: Evidence, prior: Prior) -> LeafConfidence:
    header = evidence.cited(node)
    unknown = replace(UNKNOWN, source=f"nothing is known: {state.reason}")
    if header is None or header.retracted or unusable(header) or state.freshness & STALE:
        return unknown
    try:
        found = _watched(node, header) or _measured(node, header, prior)
    except InputError as error:
        return replace(unknown, source=f"nothing is known: {error}")
    trust = stated_opinion(node.layer("trust"))
    return found if trust is None else _discounted(found, trust)


def _watched(node: Node, header: Header) -> LeafConfidence | None:
    """A leaf whose indicator is revoked is false, whatever its measure; an unreadable one is unknown."""
    indicator = watch(node, header.measures)
    if indicator is None or indicator.level in ("normal", "warning"):
        return None
    if indicator.level == "unknown":
        return replace(UNKNOWN, source=f"nothing is known: {indicator.reason}")
    return LeafConfidence(Opinion.certain(0.0), source=f"revoked: {indicator.reason}", taken=True)


def _discounted(found: LeafConfidence, trust: Opinion) -> LeafConfidence:
    opinion = found.opinion.trusted(trust)
    base = found.opinion.base_rate
    low, high = (trust.belief * end + (1 - trust.belief) * base for end in found.between)
    source = f"{found.source}, from a source trusted to {trust.belief:g}"
    bounds = None if found.bounds is None else Bounds(low, high)
    return replace(found, opinion=opinion, source=source, trust=trust.belief, bounds=bounds, taken=False)


def _measured(node: Node, header: Header, prior: Prior) -> LeafConfidence:
    """A leaf by the measures that its predicate reads."""
    if not node.predicate:
        return replace(UNKNOWN, source="nothing is known: it states no predicate")
    holds = Predicate.parse(node.predicate)
    if holds.evaluate(header.measures) is None:
        return replace(
            UNKNOWN, source="nothing is known: its predicate cannot be read from what was measured"
        )
    opposed = Predicate.parse(node.refuted_by) if node.refuted_by else None
    names = dict.fromkeys([*measures_read(holds), *(measures_read(opposed) if opposed else ())])
    posteriors = {
        name: posterior_of(header.measures[name], prior) for name in names if name in header.measures
    }
    if len(posteriors) < len(names) or None in posteriors.values():
        return replace(UNKNOWN, source="nothing is known: a measure that it reads has no number or no spread")
    return _Reading(holds, opposed, header.measures, {k: v for k, v in posteriors.items() if v}).confidence()


@dataclass(frozen=True)
class _Reading:
    """A predicate, what refutes it, and posteriors of the measures that both read."""

    holds: Predicate
    opposed: Predicate | None
    measures: Mapping[str, Measure]
    posteriors: Mapping[str, Posterior]

    def confidence(self) -> LeafConfidence:
        """The leaf's confidence: by points alone, by one uncertain measure, or by several."""
        known = {name: each.value for name, each in self.posteriors.items() if isinstance(each, Point)}
        spread = {name: each for name, each in self.posteriors.items() if not isinstance(each, Point)}
        if not spread:
            return self._by_points(known)
        if len(spread) == 1:
            ((name, posterior),) = spread.items()
            return self._by_one(name, posterior, known)
        return self._by_several(spread, known)

    def _by_points(self, known: Mapping[str, float]) -> LeafConfidence:
        right = truth(self.holds, known, self.measures)
        if self.opposed is not None and truth(self.opposed, known, self.measures) == right:
            words = "nothing is known: its predicate and what refutes it " + (
                "both hold" if right else "both fail"
            )
            return replace(UNKNOWN, source=words)
        words = "certain by its predicate, on a point without interval"
        return LeafConfidence(Opinion.certain(float(right)), source=words, taken=True)

    def _by_several(self, spread: Mapping[str, Posterior], known: Mapping[str, float]) -> LeafConfidence:
        found = joint(self.holds, spread, known, self.measures)
        opinion = Opinion.certain(found.independent)
        if self.opposed is not None:
            against = joint(self.opposed, spread, known, self.measures).independent
            neither = max(0.0, 1 - found.independent - against)
            opinion = Opinion(found.independent, 1 - found.independent - neither, neither)
        words = " and ".join(f"{name} by {each}" for name, each in spread.items())
        bounds = Bounds(min(found.low, opinion.expectation), max(found.high, opinion.expectation))
        return LeafConfidence(opinion, source=f"{words}, taken as independent", bounds=bounds)

    def _by_one(self, name: str, posterior: Posterior, known: Mapping[str, float]) -> LeafConfidence:
        held = region(self.holds, name, known, self.measures)
        right = held.probability(posterior)
        n = self.measures[name].n
        base = held.probability(posterior.before) if isinstance(posterior, Rate) else 0.5
        # without a count, how much the interval leaves open is all that is known
        opinion = Opinion.about(right, n if n else math.inf, base)
        opinion = self._open(opinion, right, name, posterior, known)
        level = self.measures[name].level
        found = LeafConfidence(opinion, source=f"{name} by {posterior}", region=held, n=n, level=level)
        if isinstance(posterior, Spread):
            return replace(found, curve=posterior)
        assert isinstance(posterior, Rate)
        return replace(found, beta=(posterior.beta.a, posterior.beta.b), counts=posterior.counts)

    def _open(
        self, opinion: Opinion, right: float, name: str, posterior: Posterior, known: Mapping[str, float]
    ) -> Opinion:
        """What neither the predicate nor its opposite claims is left as uncertainty."""
        if self.opposed is None:
            return opinion
        against = region(self.opposed, name, known, self.measures)
        both = _overlap(region(self.holds, name, known, self.measures), against, posterior)
        wrong = against.probability(posterior) - both
        neither = max(0.0, 1 - right - wrong)
        if neither + both <= opinion.uncertainty:
            return opinion
        belief = right - both
        return Opinion(belief, max(0.0, 1 - belief - neither - both), min(1.0, neither + both))


def _overlap(one: Region, other: Region, posterior: Posterior) -> float:
    """Probability of both regions at once."""
    shared = [(max(a, c), min(b, d)) for a, b in one.cells for c, d in other.cells if max(a, c) < min(b, d)]
    return Region(tuple(shared), ()).probability(posterior)


def beta_of(leaf: LeafConfidence) -> Beta | None:
    """The Beta distribution of a leaf's rate or own probability."""
    return None if leaf.beta is None else Beta(*leaf.beta)
