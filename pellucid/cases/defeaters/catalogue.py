"""The ready-made defeaters: what each says, how it attacks, and when it applies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pellucid.cases.defeaters.waivers import waivers
from pellucid.cases.nodes import COUNTERS, Module, Node, NodeKind
from pellucid.findings import MissingError, did_you_mean

if TYPE_CHECKING:
    from pellucid.cases.case import Case

Attack = Literal["rebutting", "undercutting", "undermining"]


@dataclass(frozen=True)
class Defeater:
    """A doubt that comes up again and again."""

    name: str
    """Its name, as ``D-rare``."""
    kind: Attack
    """Rebutting (the claim is false), undercutting (the step fails), undermining (the evidence is bad)."""
    text: str
    """What it says, for the element it challenges."""
    applies: str
    """When it applies."""
    source: str
    """Where it was argued first."""
    trigger: str = ""
    """What brings it up by itself; empty when a person or a template does."""


_ALL = (
    Defeater(
        "D-rare",
        "undercutting",
        "A behaviour of about one in 10,000 passes these tests and acts at the volume of deployment",
        "Evidence from a sample of runs, below a claim about every use",
        "Balesni et al. 2024, arXiv 2411.03336, on honeypots",
    ),
    Defeater(
        "D-sandbag",
        "undermining",
        "The system may have done worse than it can, on purpose",
        "A measured lack of capability, below a claim that the capability is absent",
        "Balesni et al. 2024, arXiv 2411.03336, on sandbagging",
    ),
    Defeater(
        "D-eval-awareness",
        "undercutting",
        "The system may tell the evaluation from deployment and behave for it",
        "Behaviour seen in an evaluation, below a claim about deployment",
        "Balesni et al. 2024, arXiv 2411.03336, on alignment by evaluation",
    ),
    Defeater(
        "D-capability-correlate",
        "undermining",
        "This benchmark follows general capability, so a better score need not mean a safer system",
        "Evidence from a benchmark whose correlation with capability lies beyond 0.4 in size",
        "Ren et al. 2024, arXiv 2407.21792",
        "a Finding metascience.capability_correlation about the leaf's benchmark",
    ),
    Defeater(
        "D-unreliable",
        "undermining",
        "The items of this benchmark do not agree with each other, so its score measures little",
        "Evidence from a benchmark whose reliability alpha lies below 0.7",
        "Nunnally 1978, Psychometric Theory, chapter 7",
        "a Finding metascience.reliability about the leaf's benchmark",
    ),
    Defeater(
        "D-small-n",
        "undermining",
        "Too few samples stand behind the end of the interval that the predicate reads",
        "A predicate on the end of an interval from few samples",
        "Rule of this project",
        "the number of samples of the measure that the predicate reads",
    ),
    Defeater(
        "D-single-seed",
        "undermining",
        "Measured with one seed only; another seed may say otherwise",
        "Evidence that depends on a seed and was made with one",
        "Rule of this project",
        "the seed in the Finding's provenance",
    ),
    Defeater(
        "D-out-of-support",
        "undercutting",
        "The interpretation was checked on the format of the training data only",
        "An explanation of a model, below a claim about other inputs",
        "Rule of this project",
    ),
    Defeater(
        "D-probe-only",
        "undercutting",
        "A correlation is offered for a causal claim; nobody intervened",
        "Correlational or merely observed evidence that alone would carry a causal claim",
        "Bereska and Gavves 2024, arXiv 2404.14082, on observation and intervention",
        "the vocabulary of the Finding: correlational, or behavioural and only observed",
    ),
    Defeater(
        "D-shallow",
        "undercutting",
        "The capability may be hidden rather than gone: another format or some training brings it back",
        "Evidence of unlearning on the format that was trained away",
        "Guo et al. 2024, arXiv 2410.12949, on the robustness of unlearning",
    ),
)

CATALOGUE: Mapping[str, Defeater] = MappingProxyType({one.name: one for one in _ALL})
"""Every ready-made defeater by name."""


def defeater(name: str) -> Defeater:
    """The ready-made defeater of that name.

    Raises:
        MissingError: Y92 when there is none.

    Example:
        >>> defeater("D-rare").kind
        'undercutting'
    """
    if name not in CATALOGUE:
        hint = did_you_mean(name, CATALOGUE) or f"There are {', '.join(CATALOGUE)}."
        raise MissingError("Y92", f"No ready-made defeater '{name}'.", hint)
    return CATALOGUE[name]


def attached(case: Case, name: str, target: str, parent: str | None = None) -> Case:
    """The case with a ready-made doubt against an element, open until somebody answers it.

    Args:
        case: the argument.
        name: the doubt, as ``D-rare``.
        target: the element it challenges.
        parent: the element whose step to ``target`` is challenged instead of the element itself.

    Raises:
        MissingError: Y92 no such doubt, Y93 no such element.

    A doubt that is there already, or that the element waives, changes nothing.

    Example:
        >>> from pellucid.cases import Case
        >>> sorted(attached(Case.read("G1: {supportedBy: [Sn1]}\\nSn1: {}\\n"), "D-rare", "Sn1").nodes)
        ['CG_rare_Sn1', 'G1', 'Sn1']
    """
    doubt = defeater(name)
    for element in (target, *([parent] if parent else [])):
        require(case, element)
    counter = Node(
        counter_id("CG", name, target),
        doubt.text,
        node_type=NodeKind.COUNTER_GOAL,
        challenges=(parent, target) if parent else (target,),
        undeveloped=True,
        layers=(("defeater", doubt.kind), ("automatic", doubt.name)),
    )
    if name in waivers(case.nodes[target]) or counter.id in case.nodes:
        return case
    return with_elements(case, target, [counter])


def require(case: Case, name: str) -> Node:
    """The element of that id; MissingError Y93 when there is none."""
    if name not in case.nodes:
        hint = did_you_mean(name, case.nodes) or f"Case '{case.name}' has {', '.join(list(case.nodes)[:8])}."
        raise MissingError("Y93", f"No element '{name}' in case '{case.name}'.", hint)
    return case.nodes[name]


def is_automatic(node: Node) -> bool:
    """Whether an element states a ready-made doubt that was attached, not one that somebody argued."""
    return node.kind in COUNTERS and node.layer("automatic") in CATALOGUE


def counter_id(prefix: str, name: str, target: str) -> str:
    """Id of a ready-made doubt: ``CSn_capability_Sn3``."""
    short = (
        name.removeprefix("D-").split("-")[0] if name == "D-capability-correlate" else name.removeprefix("D-")
    )
    return f"{prefix}_{re.sub('[^A-Za-z0-9]+', '_', short)}_{target}"


def with_elements(case: Case, beside: str, added: list[Node]) -> Case:
    """The case with elements added to the module that holds ``beside``, after what stands there."""
    modules = (_with(module, beside, added) for module in case.modules)
    return replace(case, modules=tuple(modules))


def _with(module: Module, beside: str, added: list[Node]) -> Module:
    here = any(node.id == beside for node in module.nodes)
    return replace(module, nodes=(*module.nodes, *added)) if here else module


def exchanged(case: Case, old: Node, new: Node | None) -> Case:
    """The case with one element exchanged, or left out."""
    added = () if new is None else (new,)
    modules = (
        replace(
            module,
            nodes=tuple(kept for node in module.nodes for kept in (added if node is old else (node,))),
        )
        for module in case.modules
    )
    return replace(case, modules=tuple(modules))
