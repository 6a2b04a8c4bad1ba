"""Replacing a prefix token: which pairs count, what replaces it, and what compiled heads lose."""

import numpy as np
import pytest
import torch
from prefix_worlds import CONTEXT, TOKENS, plan_of, population_score

import pellucid
from pellucid.compute import SILENT
from pellucid.dictionaries.attention.corruption import (
    CorruptionConfig,
    Pairs,
    corruption_test,
    fold,
    found_in,
    matched,
    replacements,
)
from pellucid.findings import InputError
from pellucid.models import Model
from pellucid.organisms.induction import HeadPlan, compiled_induction

PLAN = plan_of(HeadPlan("short"), HeadPlan("long"), HeadPlan("uniform"), HeadPlan("previous"))


def drops(finding, which="random"):
    array = finding.arrays[f"drop_{which}"]
    return dict(zip(array.coords["head"], array.values, strict=True))


def text_with_repeats(rows=12):
    """Rows of distinct tokens in which a segment of three stands twice: [5, 8) at [20, 23)."""
    random = torch.Generator().manual_seed(2)
    order = (
        torch.stack([torch.randperm(TOKENS - 1, generator=random)[: CONTEXT - 6] for _ in range(rows)]) + 1
    )
    tokens = torch.cat([torch.zeros(rows, 1, dtype=torch.long), order], dim=1)
    tokens[:, 20:23] = tokens[:, 5:8]
    return tokens


@pytest.mark.truth("dictionaries.prefix_corruption")
def test_long_heads_need_the_second_token_and_short_ones_do_not():
    finding = corruption_test(compiled_induction(PLAN), config=CorruptionConfig(examples=60))
    for which in ("random", "matched"):
        lost = drops(finding, which)
        assert set(lost) == {"1.0", "1.1"}  # the others do not follow repeats
        assert lost["1.1"][1] >= 0.9
        assert lost["1.0"][2] <= 0.05
    assert finding.measures["dependent"].value == 1
    assert finding.measures["independent"].value == 1
    assert finding.measures["largest_gap"].value < 0.01


@pytest.mark.truth("dictionaries.prefix_corruption")
@pytest.mark.parametrize("beta", [4.0, 5.0, 8.0])
def test_what_a_long_head_loses_is_its_closed_form(beta):
    """Without the second match it attends as after one repeated token."""
    plan = plan_of(HeadPlan("long", beta), HeadPlan("uniform"))
    finding = corruption_test(compiled_induction(plan), config=CorruptionConfig(examples=300))
    before, after = population_score(plan, 0, 2, longest=2), population_score(plan, 0, 1, longest=2)
    assert drops(finding)["1.0"][0] == pytest.approx(1 - after / before, abs=0.02)


@pytest.mark.truth("dictionaries.prefix_corruption")
def test_on_a_text_all_pairs_are_found_and_judged():
    tokens = text_with_repeats()
    finding = corruption_test(compiled_induction(PLAN), tokens)
    counts = dict(zip(finding.arrays["counts"].coords["head"], finding.arrays["counts"].values, strict=True))
    # queries 21 and 22 follow two and three repeated tokens
    assert counts == {"1.0": 24, "1.1": 24}
    assert drops(finding)["1.0"][2] <= 0.05
    # at query 22 the token two before the source is still the middle of the prefix: both pairs lose their match
    assert drops(finding)["1.1"][1] >= 0.9
    assert drops(finding, "matched")["1.1"][1] >= 0.9


@pytest.mark.truth("dictionaries.prefix_corruption")
def test_a_text_without_repeats_has_no_pairs():
    tokens = torch.arange(30)[None].repeat(3, 1)
    finding = corruption_test(compiled_induction(PLAN), tokens)
    assert finding.measures["heads"].value == 0
    assert finding.measures["pairs"].value == 0
    assert finding.measures["largest_gap"].value is None
    assert not finding.arrays
    assert "Of 0 heads" in finding.statement


@pytest.mark.law("dictionaries.prefix_corruption")
def test_attention_after_is_that_of_a_run_with_another_token():
    """Short and long compiled heads see only whether tokens agree, so any absent token gives the same pattern."""
    model, tokens = compiled_induction(PLAN), text_with_repeats(1)
    finding = corruption_test(model, tokens, CorruptionConfig(fewest=1))
    site, left = "blocks.1.attn.pattern", []
    absent = next(token for token in range(1, TOKENS) if token not in tokens[0].tolist())
    for query, source in ((21, 7), (22, 8)):
        changed = tokens.clone()
        changed[0, source - 2] = absent
        left.append(model.run(changed, read=site)[site][0, :2, query, source].detach().numpy())
    assert finding.arrays["attention"].values[1] == pytest.approx(np.mean(left, axis=0), abs=1e-6)


@pytest.mark.law("dictionaries.prefix_corruption")
def test_batches_change_nothing_and_the_same_seed_gives_the_same_finding():
    model, tokens = compiled_induction(PLAN), text_with_repeats()
    made = [corruption_test(model, tokens, CorruptionConfig(batch=batch)) for batch in (5, 12)]
    for name in ("attention", "drop_random", "drop_matched"):
        assert np.abs(made[0].arrays[name].values - made[1].arrays[name].values).max() < 1e-6
    assert corruption_test(model, tokens, CorruptionConfig(batch=5)).id == made[0].id


@pytest.mark.law("dictionaries.prefix_corruption")
def test_the_share_lost_is_what_the_means_say():
    finding = corruption_test(compiled_induction(PLAN), config=CorruptionConfig(examples=30))
    before, *after = finding.arrays["attention"].values
    for which, left in zip(("random", "matched"), after, strict=True):
        assert finding.arrays[f"drop_{which}"].values[:, 0] == pytest.approx(1 - left / before, abs=1e-12)


def test_a_replacement_is_absent_and_of_the_nearest_frequency():
    counts = torch.tensor([50.0, 40, 10, 11, 9, 0, 0, 1])
    rows = torch.tensor([[0, 2, 3], [1, 5, 0]])
    random = torch.Generator().manual_seed(0)
    found = replacements(rows, torch.tensor([1, 1]), counts, torch.arange(8), random)
    assert found.tolist() == [4, 6]  # 10 occurrences: 9 (11 is in the row); none: none
    anything = {
        tuple(replacements(rows, torch.tensor([1, 1]), torch.zeros(8), torch.arange(8), random).tolist())
        for _ in range(200)
    }
    assert {first for first, _ in anything} == {1, 4, 5, 6, 7}
    assert {second for _, second in anything} == {2, 3, 4, 6, 7}


def test_a_replacement_differs_in_more_than_case_and_space():
    folded = torch.tensor([0, 0, 1, 1, 2])  # 1 is " A" to 0's "a"
    for _ in range(20):
        random = torch.Generator().manual_seed(0)
        found = replacements(torch.tensor([[0, 2]]), torch.tensor([0]), torch.zeros(5), folded, random)
        assert found.tolist() == [4]


def test_a_sequence_of_the_whole_vocabulary_leaves_no_replacement():
    with pytest.raises(InputError) as caught:
        replacements(
            torch.tensor([[0, 1, 2]]),
            torch.tensor([0]),
            torch.zeros(3),
            torch.arange(3),
            torch.Generator().manual_seed(0),
        )
    assert caught.value.code == "DI42"
    assert str(caught.value) == (
        "A sequence holds all 3 tokens of the vocabulary. Give shorter sequences, so that a replacement is left."
    )


def test_walking_back_stops_at_the_first_difference_and_at_the_beginning():
    folded = torch.tensor([[9, 1, 2, 3, 8, 1, 2, 3, 4]])
    pairs = Pairs(*(torch.tensor(part) for part in ([0] * 4, [0] * 4, [7, 6, 5, 7], [4, 3, 2, 1])))
    assert matched(folded, pairs, 1).tolist() == [True, True, True, False]
    assert matched(folded, pairs, 2).tolist() == [True, True, False, False]
    assert matched(folded, pairs, 3).tolist() == [True, False, False, False]
    assert matched(folded, pairs, 9).tolist() == [False] * 4


def test_tokens_are_folded_by_case_and_leading_space():
    model = pellucid.open_model("organism:bard")
    folded, tokenizer = fold(model), model.tokenizer
    same = [tokenizer.encode(text) for text in (" the", "The", "the", " The")]
    single = [ids[0] for ids in same if len(ids) == 1]
    assert len(single) >= 2
    assert len({int(folded[token]) for token in single}) == 1
    assert int(folded[tokenizer.encode(" and")[0]]) != int(folded[single[0]])
    bare = Model(model.module)
    assert fold(bare).tolist() == list(range(1_024))


def test_pairs_are_above_the_threshold_and_repeat():
    model, tokens = compiled_induction(PLAN), text_with_repeats(2)
    rows, _, pairs = found_in(model, tokens, CorruptionConfig(), SILENT)
    assert torch.equal(rows, tokens)
    assert sorted(set(zip(pairs.query.tolist(), pairs.source.tolist(), strict=True))) == [(21, 7), (22, 8)]
    assert set(pairs.head.tolist()) == {4, 5}


@pytest.mark.parametrize("settings", [{"prefix": 1}, {"threshold": 0.0}, {"examples": 0}, {"fewest": 0}])
def test_a_test_that_makes_no_sense(settings):
    with pytest.raises(
        InputError, match="Give a prefix of at least 2, a threshold between 0 and 1"
    ) as caught:
        CorruptionConfig(**settings)
    assert caught.value.code == "DI41"
