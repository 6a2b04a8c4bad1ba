"""Checks Q01 to Q03, Y78 and Y79: numbers that claim more than they may, ratings that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pellucid.cases.confidence.bounds import Bounds, conjunction
from pellucid.cases.confidence.calculi import Confidence, NodeConfidence
from pellucid.cases.confidence.display import cut
from pellucid.cases.confidence.exact import common_causes
from pellucid.cases.confidence.leaves import stated_opinion
from pellucid.cases.evaluation.operator import carries_own_value
from pellucid.cases.evaluation.verdict import WORDS
from pellucid.cases.evidence.citations import citation
from pellucid.cases.graph import Graph
from pellucid.cases.nodes import BACKGROUND, Acceptance, Module, Node
from pellucid.findings import Diagnostic


@dataclass(frozen=True)
class Thresholds:
    """From where on the calculi count as disagreeing."""

    high: float = 0.95
    """A probability from here on reads as confidence."""
    low: float = 0.5
    """A bound below this contradicts it."""
    difference: float = 1e-6
    """A product further than this from the exact number is wrong."""
    dependence: float = 1e-3
    """An effect of dependence up to this wide is left unmentioned."""


DEFAULT = Thresholds()
_FORMS = (
    "Write a probability, as 0.9, or belief, disbelief, uncertainty and base rate, as 0.7, 0.1, 0.2, 0.5."
)


def check_confidence(
    modules: tuple[Module, ...], graph: Graph, confidence: Confidence, thresholds: Thresholds = DEFAULT
) -> Iterator[Diagnostic]:
    """Where the numbers of a case need an explanation.

    Q01: the product rule counts a shared leaf twice. Q02: legs are taken as independent and nobody says why.
    Q03: the calculi disagree. Each is said where it arises, not again for everything above.

    Args:
        modules: the modules of the case.
        graph: its relations.
        confidence: what the calculi say, from ``confide``.
        thresholds: from where on they count as disagreeing.
    """
    where = {node.id: module.where(node) for module in modules for node in module.nodes}
    seen = _Seen(graph, confidence, thresholds, where)
    yield from check_ratings(modules, graph)
    yield from seen.shared()
    yield from seen.assumed()
    yield from seen.disagreeing()


@dataclass(frozen=True)
class _Seen:
    graph: Graph
    confidence: Confidence
    thresholds: Thresholds
    where: dict[str, str]

    def warn(self, code: str, name: str, message: str, remedy: str) -> Diagnostic:
        """A warning at an element."""
        return Diagnostic(code, "warning", self.where.get(name, name), message, remedy)

    def lowest(self, concerns: Callable[[str, NodeConfidence], bool]) -> list[str]:
        """The elements that something concerns, without those where it comes from below."""
        found = {name for name, node in self.confidence.nodes.items() if concerns(name, node)}
        return [
            name
            for name in self.confidence.nodes
            if name in found and not found.intersection(self.graph.depends[name])
        ]

    def shared(self) -> Iterator[Diagnostic]:
        """Q01: where the product leg by leg is not the exact probability."""
        caused = self.graph.reach(
            (name for group in common_causes(self.graph).values() for name in group), self.graph.dependents
        )

        def differs(name: str, node: NodeConfidence) -> bool:
            """Whether the product is wrong although no common cause explains it."""
            known = node.product is not None and node.exact is not None and name not in caused
            return known and abs((node.product or 0) - (node.exact or 0)) > self.thresholds.difference

        for name in self.lowest(differs):
            node = self.confidence.nodes[name]
            message = (
                f"The legs of '{name}' share leaves: multiplied they give {_written(node.product)}, "
                f"exactly they give {_written(node.exact)}."
            )
            yield self.warn("Q01", name, message, "Use the exact number; the product counts a leaf twice.")

    def assumed(self) -> Iterator[Diagnostic]:
        """Q02: where independence matters and no reason for it is stated."""
        causes = {name: cause for cause, group in common_causes(self.graph).items() for name in group}
        for name, node in self.graph.nodes.items():
            legs = [leg for leg in (*self.graph.support[name], *self.graph.context[name]) if self._open(leg)]
            stated = (node.layer("independent") or "").strip()
            together = {causes.get(leg, leg) for leg in legs}
            if len(legs) < 2 or stated or len(together) < 2 or not self._matters(legs):
                continue
            message = f"'{name}' takes {', '.join(legs)} as independent and gives no reason."
            remedy = "State it as `independent: REASON`, or give the leaves a `commonCause`."
            yield self.warn("Q02", name, message, remedy)

    def _open(self, leg: str) -> bool:
        node = self.confidence.nodes.get(leg)
        return node is not None and node.exact is not None and 1e-9 < node.exact < 1 - 1e-9

    def _matters(self, legs: list[str]) -> bool:
        exact = [self.confidence.nodes[leg].exact or 0.0 for leg in legs]
        parts = conjunction([Bounds(p, p) for p in exact])
        return bool(parts.high - parts.low > self.thresholds.dependence)

    def disagreeing(self) -> Iterator[Diagnostic]:
        """Q03: a product that nothing guarantees, or a number against the verdict."""
        high, low = self.thresholds.high, self.thresholds.low
        for name in self.lowest(lambda _, node: (node.product or 0) > high and (node.low or 0) < low):
            node = self.confidence.nodes[name]
            message = (
                f"'{name}' is {_written(node.product)} by the product rule, but without independence only "
                f"{_written(node.low)} is certain."
            )
            yield self.warn("Q03", name, message, "Argue the independence, or rely on the lower bound.")
        for name in self.lowest(lambda _, node: node.label != "T" and _best(node) >= high):
            node = self.confidence.nodes[name]
            message = (
                f"'{name}' is {WORDS[node.label]} by its evidence, but {_written(_best(node))} by number."
            )
            remedy = "Answer what is open or defeated; a number does not stand in for it."
            yield self.warn("Q03", name, message, remedy)
        for name in self.lowest(lambda _, node: node.label == "T" and _best(node, 1.0) < low):
            number = _written(_best(self.confidence.nodes[name]))
            message = f"'{name}' stands by its evidence, but is only {number} probable."
            yield self.warn("Q03", name, message, "Measure more, or state a predicate on the interval.")


def _best(node: NodeConfidence, otherwise: float = 0.0) -> float:
    """The exact number, else the product, else what is given."""
    numbers = (node.exact, node.product, otherwise)
    return next(number for number in numbers if number is not None)


def _written(number: float | None) -> str:
    return "unknown" if number is None else cut(number, 4)


def check_ratings(modules: tuple[Module, ...], graph: Graph) -> Iterator[Diagnostic]:
    """Text attributes about confidence that cannot be read, or that have no effect.

    Y78: a probability, opinion, ``beta`` or rater cannot be read. Y79: one has no effect, or a common cause
    is named by one leaf only.
    """
    lonely = {name for group in common_causes(graph).values() if len(group) == 1 for name in group}
    for module in modules:
        for node in module.nodes:
            where = module.where(node)
            yield from _unreadable(node, where)
            yield from _ineffective(node, graph, where)
            yield from _caused(node, lonely, where)


def _unreadable(node: Node, where: str) -> Iterator[Diagnostic]:
    for name in ("confidence", "opinion", "trust"):
        text = node.layer(name)
        if text is not None and stated_opinion(text) is None:
            problem = f"{name} of '{node.id}' is '{text}'."
            yield Diagnostic("Y78", "error", where, problem, _FORMS)
    rated = node.layer("rated")
    if rated is not None and Acceptance.parse(rated) is None:
        problem = f"'{node.id}' is rated by '{rated}', which is no name with a day."
        yield Diagnostic("Y78", "warning", where, problem, 'Write `rated: "NAME, YYYY-MM-DD"`.')


def _ineffective(node: Node, graph: Graph, where: str) -> Iterator[Diagnostic]:
    judged = next((name for name in ("opinion", "confidence") if node.layer(name) is not None), None)
    bearing = carries_own_value(graph, node.id) and node.kind not in BACKGROUND
    if judged and not bearing:
        problem = f"'{judged}' has no effect on '{node.id}', whose number follows from what supports it."
        yield Diagnostic("Y79", "warning", where, problem, "Judge its leaves instead.")
    elif judged and citation(node) is not None:
        problem = f"'{judged}' has no effect on '{node.id}', which cites evidence."
        yield Diagnostic("Y79", "warning", where, problem, "Use `trust` to discount the measurement.")
    if node.layer("trust") is not None and citation(node) is None:
        problem = f"'trust' has no effect on '{node.id}', which cites no evidence."
        yield Diagnostic("Y79", "warning", where, problem, "Bind it, or state a `confidence`.")


def _caused(node: Node, lonely: set[str], where: str) -> Iterator[Diagnostic]:
    beta = node.layer("beta")
    if beta is not None and not _is_share(beta):
        problem = f"beta of '{node.id}' is '{beta}'; 0.1 is used."
        yield Diagnostic(
            "Y78", "error", where, problem, "Write the share of failures with the common cause, 0 to 1."
        )
    if node.id in lonely:
        problem = f"Only '{node.id}' names the common cause '{node.layer('commonCause')}'."
        yield Diagnostic("Y79", "warning", where, problem, "Name it at every leaf on which it acts.")


def _is_share(text: str) -> bool:
    parsed = stated_opinion(text)
    return parsed is not None and len(text.replace(",", " ").split()) == 1
