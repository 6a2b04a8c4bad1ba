"""Building blocks of safety cases: small patterns with a claim, slots, assumptions, doubts, and ratings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from typing import Any, Literal

from pellucid.cases.case import Case
from pellucid.cases.nodes import Module, Node, NodeKind
from pellucid.cases.patterns.instantiate import instantiate
from pellucid.cases.patterns.parameters import Parameter, parameters
from pellucid.cases.patterns.values import parse_values
from pellucid.findings import InputError, MissingError, did_you_mean

Category = Literal["inability", "control", "trustworthiness", "deference"]
Grade = Literal["low", "medium", "high"]

CATEGORIES: tuple[Category, ...] = ("inability", "control", "trustworthiness", "deference")
"""The four sorts of argument, in the order in which growing ability uses them up."""
GRADES: tuple[Grade, ...] = ("low", "medium", "high")
OURS = "Pellucid's authors, not the paper"
_SOURCE = "Clymer et al. 2024, arXiv 2403.10462"


@dataclass(frozen=True)
class Rating:
    """How good a building block is, in one rater's eyes."""

    practicality: Grade | None
    """How well it can be carried out today."""
    maximum_strength: Grade | None
    """How strong the argument can become at best."""
    scalability: Grade | None
    """How well it keeps up with growing ability."""
    rated_by: str
    """Who rated it."""

    def __post_init__(self) -> None:
        """Refuse words that are no grades, and a rating by nobody (Y56)."""
        for name in ("practicality", "maximum_strength", "scalability"):
            given = getattr(self, name)
            if given is not None and given not in GRADES:
                problem = f"The {name.replace('_', ' ')} is rated '{given}'."
                raise InputError("Y56", problem, f"Rate it {', '.join(GRADES[:-1])} or {GRADES[-1]}.")
        if not self.rated_by.strip():
            raise InputError("Y56", "The rating names nobody who rated.", "Give `rated_by`.")


@dataclass(frozen=True)
class EvidenceSlot:
    """A measurement that a building block waits for."""

    slot: str
    """The sort of measurement."""
    text: str
    """What is measured, in words."""
    predicate: str
    """What its Finding must meet."""


@dataclass(frozen=True)
class BuiltInDefeater:
    """A doubt that comes with a building block, and the answer it asks for."""

    name: str
    """Its name, as ``D-rare``."""
    text: str
    """The doubt."""
    kind: str
    """rebutting, undercutting or undermining."""
    reply: str
    """The claim that answers it."""
    evidence: EvidenceSlot
    """What the answer rests on."""


@dataclass(frozen=True)
class BuildingBlock:
    """One reusable argument of one of the four categories."""

    id: str
    """Its name, as ``monitoring``."""
    category: Category
    """inability, control, trustworthiness or deference."""
    claim_template: str
    """The claim, with blanks."""
    evidence_slots: tuple[EvidenceSlot, ...]
    """What it waits for."""
    assumptions: tuple[tuple[str, bool], ...]
    """What it takes for granted, and whether nobody knows yet how to show it."""
    built_in_defeaters: tuple[BuiltInDefeater, ...]
    """Doubts that come with it."""
    rating: Rating
    """How good it is, and who says so."""
    source: str
    """The publication."""
    confirmed: bool
    """Whether the block was read in the publication, or only recalled."""
    note: str = ""
    """What else is known about it."""

    @cached_property
    def pattern(self) -> Case:
        """The block as an argument with blanks."""
        return Case((Module(self.id, tuple(_nodes(self)), layers=(("pattern", "true"),)),))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it asks for."""
        return parameters(self.pattern)

    def with_rating(
        self,
        *,
        rated_by: str,
        practicality: Grade | None = None,
        maximum_strength: Grade | None = None,
        scalability: Grade | None = None,
    ) -> BuildingBlock:
        """The block as another rater sees it; what is not given counts as unrated.

        Raises:
            InputError: Y56 for a word that is no grade, or a rating by nobody.
        """
        return replace(self, rating=Rating(practicality, maximum_strength, scalability, rated_by))


def _nodes(block: BuildingBlock) -> Iterator[Node]:
    claim = f"G-{block.id}"
    slots = [f"Sn-{block.id}-{slot.slot}" for slot in block.evidence_slots]
    taken = [f"A-{block.id}-{number}" for number, _ in enumerate(block.assumptions, 1)]
    yield Node(claim, text=block.claim_template, supported_by=tuple(slots), in_context_of=tuple(taken))
    for name, slot in zip(slots, block.evidence_slots, strict=True):
        yield _solution(name, slot)
    for name, (text, unsolved) in zip(taken, block.assumptions, strict=True):
        yield Node(name, text=text, layers=(("open", "true"),) if unsolved else ())
    for number, doubt in enumerate(block.built_in_defeaters, 1):
        yield from _doubt(f"{block.id}-{number}", claim, doubt)


def _doubt(stem: str, claim: str, doubt: BuiltInDefeater) -> Iterator[Node]:
    said = Node(
        f"CG-{stem}",
        text=f"{doubt.name}: {doubt.text}",
        challenges=(claim,),
        undeveloped=True,
        layers=(("defeater", doubt.kind),),
    )
    answer = Node(
        f"CG-{stem}-reply",
        text=doubt.reply,
        challenges=(said.id,),
        supported_by=(f"CSn-{stem}",),
        layers=(("defeater", "rebutting"),),
    )
    yield from (said, answer, _solution(f"CSn-{stem}", doubt.evidence))


def _solution(name: str, slot: EvidenceSlot) -> Node:
    return Node(name, text=slot.text, layers=(("slot", slot.slot), ("predicate", slot.predicate)))


# The shipped blocks ----------------------------------------------------------------------------


def building_blocks(category: str | None = None) -> tuple[BuildingBlock, ...]:
    """The building blocks that come with the package, of one category or of all.

    Raises:
        InputError: Y56 for a category that there is not.

    Example:
        >>> [block.id for block in building_blocks("inability")]
        ['dangerous-capability-evaluations']
    """
    if category is not None and category not in CATEGORIES:
        hint = did_you_mean(category, CATEGORIES)
        remedy = f"{hint} There are {', '.join(CATEGORIES)}.".strip()
        raise InputError("Y56", f"No category '{category}' of building blocks.", remedy)
    return tuple(block for block in _shipped() if category in (None, block.category))


def building_block(name: str) -> BuildingBlock:
    """The building block of a name.

    Raises:
        MissingError: Y55 when there is none.
    """
    found = {block.id: block for block in _shipped()}
    if name not in found:
        hint = f"{did_you_mean(name, found)} There are {', '.join(found)}.".strip()
        raise MissingError("Y55", f"No building block '{name}'.", hint)
    return found[name]


@cache
def _shipped() -> tuple[BuildingBlock, ...]:
    text = resources.files("pellucid.cases.patterns").joinpath("blocks.yaml").read_text(encoding="utf-8")
    return tuple(_block(name, stated) for name, stated in parse_values(text, "blocks.yaml").items())


def _block(name: str, stated: Mapping[str, Any]) -> BuildingBlock:
    return BuildingBlock(
        id=name,
        category=stated["category"],
        claim_template=stated["claim"],
        evidence_slots=tuple(_slot(slot) for slot in stated["slots"]),
        assumptions=tuple((one["text"], one.get("open") == "true") for one in stated.get("assumptions", ())),
        built_in_defeaters=tuple(
            BuiltInDefeater(
                one["name"], one["text"], one["kind"], one["reply"], _slot({"text": one["reply"]} | one)
            )
            for one in stated.get("doubts", ())
        ),
        rating=Rating(**stated["rating"], rated_by=OURS),
        source=_SOURCE,
        confirmed=stated["confirmed"] == "true",
        note=stated.get("note", ""),
    )


def _slot(stated: Mapping[str, str]) -> EvidenceSlot:
    return EvidenceSlot(stated["slot"], stated["text"], stated["predicate"])


# Into a case -----------------------------------------------------------------------------------


def insert_block(case: Case, under: str, block: BuildingBlock, values: Mapping[str, Any]) -> Case:
    """A copy of a case in which a building block supports one of its goals or strategies.

    Args:
        case: the case.
        under: id of the goal or strategy; its ``need`` stays as it is.
        block: the block; put in twice, its elements get a number.
        values: what the block asks for.

    Raises:
        MissingError: Y57 when there is no such element.
        InputError: Y57 when it is neither goal nor strategy; Y51 when values do not fit.

    Example:
        >>> values = {"behaviour": "deceit", "subsystem": "M", "detection_floor": 0.9}
        >>> case = Case.read("G1: {undeveloped: true}")
        >>> insert_block(case, "G1", building_block("activation-detection"), values).nodes["G1"].supported_by
        ('G-activation-detection',)
    """
    _refuse_place(case, under)
    made = _renamed(tuple(instantiate(block.pattern, values).nodes.values()), case.nodes)

    def grown(module: Module) -> Module:
        """The module, with the block behind its elements if the element is among them."""
        nodes = tuple(_supported(node, made[0].id) if node.id == under else node for node in module.nodes)
        return replace(module, nodes=nodes + made) if any(node.id == under for node in nodes) else module

    return Case(tuple(grown(module) for module in case.modules))


def _refuse_place(case: Case, under: str) -> None:
    node = case.nodes.get(under)
    if node is None:
        hint = did_you_mean(under, case.nodes) or "Name a goal or strategy of the case."
        raise MissingError("Y57", f"No element '{under}' in case '{case.name}'.", hint)
    if node.kind not in (NodeKind.GOAL, NodeKind.STRATEGY):
        kind = node.kind.spoken if node.kind else "nameless element"
        raise InputError("Y57", f"'{under}' is a {kind}.", "A block supports a goal or a strategy.")


def _supported(node: Node, block: str) -> Node:
    return replace(node, supported_by=(*node.supported_by, block), undeveloped=False)


def _renamed(made: tuple[Node, ...], taken: Iterable[str]) -> tuple[Node, ...]:
    """The elements of a block under ids that the case does not have yet."""
    used = set(taken)
    ends = ("" if number == 1 else f"-{number}" for number in range(1, len(used) + 2))
    end = next(end for end in ends if not used & {f"{node.id}{end}" for node in made})
    new = {node.id: f"{node.id}{end}" for node in made}
    return tuple(_under_names(node, new) for node in made)


def _under_names(node: Node, new: Mapping[str, str]) -> Node:
    return replace(
        node,
        id=new[node.id],
        supported_by=tuple(new[name] for name in node.supported_by),
        in_context_of=tuple(new[name] for name in node.in_context_of),
        challenges=tuple(new[name] for name in node.challenges),
    )
