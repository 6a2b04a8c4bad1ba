"""Building blocks: categories, ratings and who gave them, and blocks put into a case."""

from __future__ import annotations

import pytest
from pattern_arguments import accepted, bound

from pellucid.cases import Case
from pellucid.cases.checks.patterns import check_patterns
from pellucid.cases.patterns.blocks import (
    CATEGORIES,
    GRADES,
    OURS,
    Rating,
    building_block,
    building_blocks,
    insert_block,
)
from pellucid.findings import InputError, MissingError

EXAMPLES = {"text": "it", "probability": 0.1, "number": 2, "integer": 3, "list of text": ["one", "two"]}
BLOCKS = building_blocks()
IDS = [block.id for block in BLOCKS]


def values(name: str) -> dict:
    return {parameter.name: EXAMPLES[str(parameter.type)] for parameter in building_block(name).parameters}


def start() -> Case:
    return Case.read("G1: {text: top, supportedBy: [Sn1]}\nSn1: {slot: given, predicate: x.high <= 1}")


def test_every_category_has_blocks():
    assert {block.category for block in BLOCKS} == set(CATEGORIES)
    for category in CATEGORIES:
        assert building_blocks(category) == tuple(block for block in BLOCKS if block.category == category)


def test_what_was_read_and_what_was_recalled():
    confirmed = {block.id for block in BLOCKS if block.confirmed}
    assert {"monitoring", "externalised-reasoning", "testbeds"} <= confirmed
    recalled = "dangerous-capability-evaluations control-evaluations independent-systems honesty-evaluations latent-knowledge "
    recalled += "activation-detection generalisation rarity cannot-fake-alignment faking-detection incentives human-credibility "
    recalled += "record adviser-sets"
    assert set(recalled.split()) == {block.id for block in BLOCKS if not block.confirmed}


def test_no_rating_is_passed_off_as_the_paper_s():
    for block in BLOCKS:
        assert block.rating.rated_by == OURS
        assert "not the paper" in OURS
        assert {block.rating.practicality, block.rating.maximum_strength, block.rating.scalability} <= set(
            GRADES
        )


def test_ratings_are_edited_on_a_copy():
    block = building_block("monitoring")
    rated = block.with_rating(rated_by="R. Reviewer, 2026-11-24", practicality="low")
    assert rated.rating == Rating("low", None, None, "R. Reviewer, 2026-11-24")
    assert building_block("monitoring").rating.practicality == "high"
    assert (rated.id, rated.pattern) == (block.id, block.pattern)


def test_bad_ratings_are_said():
    with pytest.raises(
        InputError, match=r"The maximum strength is rated 'great'\. Rate it low, medium or high\."
    ) as caught:
        building_block("record").with_rating(rated_by="R", maximum_strength="great")
    assert caught.value.code == "Y56"
    with pytest.raises(InputError, match="The rating names nobody who rated"):
        building_block("record").with_rating(rated_by=" ")


def test_unknown_names_are_answered():
    with pytest.raises(
        MissingError, match=r"No building block 'monitorin'\. Did you mean 'monitoring'\?"
    ) as caught:
        building_block("monitorin")
    assert caught.value.code == "Y55"
    with pytest.raises(
        InputError, match=r"No category 'controls' of building blocks\. Did you mean 'control'\?"
    ):
        building_blocks("controls")


@pytest.mark.parametrize("name", IDS)
def test_each_block_is_a_pattern(name):
    block = building_block(name)
    assert block.source
    assert block.evidence_slots
    assert [d for d in block.pattern.check() if d.code[0] in "VC"] == []
    assert {d.code for d in check_patterns(block.pattern.modules, block.pattern.graph)} == {"P01"}


@pytest.mark.parametrize("name", IDS)
def test_each_block_supports_a_claim_once_it_is_measured(name):
    case = insert_block(start(), "G1", building_block(name), values(name))
    faults = [*case.check(), *check_patterns(case.modules, case.graph)]
    assert [d for d in faults if d.level == "error" or d.code[0] in "VCP"] == []
    assert case.evaluate([]).word == "undecided"
    ready, leaves = bound(accepted(case))
    assert ready.evaluate(leaves).stands
    for leaf in (n for n in case.nodes if n.startswith("Sn-")):
        wrong, found = bound(accepted(case), failing=[leaf])
        assert wrong.evaluate(found).word == "defeated"
    for leaf in (n for n in case.nodes if n.startswith("CSn-")):
        wrong, found = bound(accepted(case), failing=[leaf])
        assert wrong.evaluate(found).word == "undecided"


def test_a_block_put_in_twice_gets_a_number():
    block = building_block("monitoring")
    once = insert_block(start(), "G1", block, values("monitoring"))
    twice = insert_block(once, "G1", block, values("monitoring"))
    assert twice.nodes["G1"].supported_by == ("Sn1", "G-monitoring", "G-monitoring-2")
    assert twice.nodes["CG-monitoring-1-2"].challenges == ("G-monitoring-2",)
    assert len(twice.nodes) == 2 * len(once.nodes) - len(start().nodes)


def test_a_block_develops_an_undeveloped_claim_and_leaves_the_case_alone():
    case = Case.read("G1: {undeveloped: true}")
    grown = insert_block(case, "G1", building_block("record"), values("record"))
    assert not grown.nodes["G1"].undeveloped
    assert case.nodes["G1"].undeveloped


def test_only_goals_and_strategies_take_blocks():
    with pytest.raises(
        MissingError, match=r"No element 'G11' in case 'text'\. Did you mean 'G1'\?"
    ) as caught:
        insert_block(start(), "G11", building_block("record"), values("record"))
    assert caught.value.code == "Y57"
    with pytest.raises(InputError, match=r"'Sn1' is a solution\. A block supports a goal or a strategy\."):
        insert_block(start(), "Sn1", building_block("record"), values("record"))


def test_values_of_a_block_are_checked():
    with pytest.raises(InputError, match="'adviser_floor' is 2; expected a probability") as caught:
        insert_block(start(), "G1", building_block("record"), {"advisers": "x", "adviser_floor": 2})
    assert caught.value.code == "Y51"
