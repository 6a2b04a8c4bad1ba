"""Head attribution by weights: planted blocks, permuted and split heads, families and what they show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_worlds import attention_dictionary, copier, family, mirror, words

from pellucid.dictionaries import Convention, TopK
from pellucid.dictionaries.attention.heads import decoder_shares, head_attribution, verdict_of
from pellucid.dictionaries.attention.relations import RELATIONS, relations_of, source_relations
from pellucid.findings import InputError, MissingError


def dictionary(features: int = 30, width: int = 24, seed: int = 0) -> TopK:
    return TopK(width, features, 4, site_in="blocks.0.attn.z", seed=seed)


def planted(head_of: list[int], heads: int = 4, d_head: int = 6) -> TopK:
    """Each latent's decoder lies in one head only."""
    made = dictionary(len(head_of), heads * d_head)
    with torch.no_grad():
        mask = torch.zeros(len(head_of), heads, d_head)
        mask[torch.arange(len(head_of)), head_of] = 1.0
        made.W_dec.mul_(mask.flatten(1))
    return made


@pytest.mark.law("dictionaries.head_attribution")
def test_shares_sum_to_one_and_follow_their_heads():
    made = dictionary()
    share = head_attribution(made, 4).arrays["share"].values
    assert share.sum(1) == pytest.approx(np.ones(30), abs=1e-12)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        made.W_dec.copy_(made.W_dec.reshape(30, 4, 6)[:, order].flatten(1))
    permuted = head_attribution(made, 4).arrays["share"].values
    # the denominators are summed in another order
    assert permuted == pytest.approx(share[:, order], abs=1e-15)


@pytest.mark.law("dictionaries.head_attribution")
def test_splitting_each_head_preserves_the_sum_of_squares():
    """Shares are lengths over their sum L; squares of the lengths add up, whatever the cut."""
    made = dictionary()
    for heads in (4, 8):
        share = decoder_shares(made, heads)
        blocks = made.W_dec.detach().double().reshape(30, heads, -1).norm(dim=-1)
        squares = (share * blocks.sum(1, keepdim=True)).square()
        fine = squares.reshape(30, 4, -1).sum(2)
        if heads == 4:
            coarse = fine
    assert torch.allclose(fine, coarse, atol=1e-12, rtol=0)
    assert torch.allclose(coarse.sum(1), made.W_dec.detach().double().square().sum(1), atol=1e-12, rtol=0)


@pytest.mark.truth("dictionaries.head_attribution")
def test_a_planted_head_is_named():
    head_of = [latent % 4 for latent in range(40)]
    finding = head_attribution(planted(head_of), 4, top=10)
    share = finding.arrays["share"].values
    assert (share[np.arange(40), head_of] == 1).all()
    assert finding.measures["foremost"].value == finding.measures["owned"].value == 1
    assert finding.status == "supports"
    for head, row in enumerate(finding.arrays["ranking"].values):
        assert row.tolist() == list(range(head, 40, 4))
    assert finding.arrays["members"].coords["member"][0] == "head 0: latent 0"


def test_random_rows_support_nothing():
    """Rows of independent entries belong to heads as far as chance alone makes them."""
    finding = head_attribution(dictionary(20_000), 4)
    foremost, chance = finding.measures["foremost"], finding.measures["chance"]
    assert foremost.low < chance.high
    assert foremost.high > chance.low
    assert finding.status == "inconclusive"


def test_rows_spread_evenly_refute_it():
    made = dictionary()
    with torch.no_grad():
        made.W_dec.fill_(1.0)
    finding = head_attribution(made, 4)
    assert finding.measures["foremost"].value == pytest.approx(0.25)
    assert finding.status == "refutes"


def test_a_decoder_of_zeros_has_no_share():
    made = dictionary(5)
    with torch.no_grad():
        made.W_dec[3] = 0
    finding = head_attribution(made, 4, top=2)
    assert (finding.arrays["share"].values[3] == 0).all()
    assert finding.measures["empty"].value == 1
    assert finding.measures["foremost"].n == 4


def test_families_by_behaviour():
    """One behaviour: a candidate for monosemantic; two: polysemantic; an unknown one leaves it open."""
    made = planted([0, 0, 1, 1, 2, 2, 3, 3])
    behaviours = ["induction", "induction", "previous", "self", "self", "", "", ""]
    finding = head_attribution(made, 4, top=2, behaviours=behaviours)
    assert finding.arrays["verdict"].values.tolist() == [1, 0, -1, -1]
    assert finding.measures["monosemantic"].value == 1
    assert finding.measures["polysemantic"].value == 1
    assert "head 1: latent 3 (self)" in finding.arrays["members"].coords["member"]
    assert head_attribution(made, 4, top=2).measures["monosemantic"].value is None


@pytest.mark.parametrize(
    ("seen", "verdict"), [({"a"}, 1), ({"a", "b"}, 0), ({"a", ""}, -1), ({"a", "b", ""}, 0)]
)
def test_verdicts(seen, verdict):
    assert verdict_of(seen) == verdict


@pytest.mark.parametrize("heads", [0, 5])
def test_a_width_that_does_not_divide(heads):
    with pytest.raises(InputError, match=f"width 24 does not divide into {heads} heads.*attn.z") as caught:
        head_attribution(dictionary(), heads)
    assert caught.value.code == "DI31"


def test_a_decoder_after_the_heads_are_mixed():
    made = TopK(24, 8, 2, site_in="blocks.0.attn_out")
    with pytest.raises(
        InputError, match=r"writes to 'blocks.0.attn_out' does not keep heads apart"
    ) as caught:
        head_attribution(made, 4)
    assert caught.value.code == "DI30"


@pytest.mark.parametrize("given", [{"top": 0}, {"top": 31}, {"behaviours": ["self"]}])
def test_families_that_do_not_fit(given):
    with pytest.raises(InputError, match=r"family of|1 behaviours were given for 30 latents") as caught:
        head_attribution(dictionary(), 4, **given)
    assert caught.value.code == "DI37"


def test_relations_of_sources():
    """a b c a b: at the second b, itself, the a before, the c after the first b, the first b, the first a."""
    numbers = relations_of(torch.tensor([1, 2, 3, 1, 2]))[4]
    names = [RELATIONS[number] for number in numbers.tolist()]
    assert names == ["first", "duplicate", "induction", "previous", "self"]
    assert RELATIONS[int(relations_of(torch.tensor([4, 1, 2, 3]))[3, 1])] == "other"


def test_a_copier_looks_at_the_token_before():
    model = copier()
    tokens = torch.arange(8).unsqueeze(0)
    record = mirror("blocks.0.attn.z", 24)
    # at the first token the head has nothing before it and looks at itself
    record.convention = Convention(subtract="none", excluded_positions=(0,), reshape="heads")
    found = source_relations(model, record, tokens)
    fired = found.tokens > 0
    assert fired.nonzero()[0].tolist() == list(range(7))
    assert {behaviour for behaviour, on in zip(found.behaviours, fired, strict=True) if on} == {"previous"}
    assert {behaviour for behaviour, on in zip(found.behaviours, fired, strict=True) if not on} == {""}
    verdict = head_attribution(record, 3, top=7, behaviours=found.behaviours).arrays["verdict"].values
    assert verdict.tolist() == [1, -1, -1]


@pytest.mark.parametrize("part", ["attn.z", "attn_out"])
def test_shares_of_relations_sum_to_one_where_a_latent_fired(part):
    model = family("llama")
    found = source_relations(model, attention_dictionary(model, 1, part), words(model, 4))
    assert found.shares.sum(1) == pytest.approx((found.tokens > 0).astype(float), abs=1e-12)


def test_no_attention_output():
    model = family("own")
    with pytest.raises(InputError, match=r"reads 'blocks.0.mlp_out' reads no attention output") as caught:
        source_relations(model, TopK(16, 4, 2, site_in="blocks.0.mlp_out"), words(model))
    assert caught.value.code == "DI30"
    with pytest.raises(MissingError, match=r"'blocks.7.attn.z'.*does not have") as missing:
        source_relations(model, TopK(16, 4, 2, site_in="blocks.7.attn.z"), words(model))
    assert missing.value.code == "DI17"
    with pytest.raises(
        InputError, match=r"width 8 at 'blocks.0.attn.z', where there are 16: 4 heads of 4"
    ) as wide:
        source_relations(model, TopK(8, 4, 2, site_in="blocks.0.attn.z"), words(model))
    assert wide.value.code == "DI31"
