"""A ranking turned into thresholds: exact on its sample, near on other rows, and the folds that lead there."""

from __future__ import annotations

import copy

import pytest
import torch
from dictionary_worlds import zipf_world

from pellucid.dictionaries import (
    BatchTopK,
    CompiledEngine,
    Convention,
    Gated,
    JumpReLU,
    Matryoshka,
    ReLU,
    TopK,
    TorchEngine,
    TrainConfig,
    train,
)
from pellucid.dictionaries.suites.conversion import exact_threshold, to_jumprelu
from pellucid.dictionaries.training.folding import fold_scales, fold_unit_decoder
from pellucid.findings import InputError

KINDS = {"topk": TopK, "batchtopk": BatchTopK, "matryoshka": Matryoshka}
DATA = zipf_world(32, 16, 3.0, orthogonal=False)
ROWS = DATA.sample(1000, seed=2)[0]


def drawn(kind: str = "topk", k: int = 3, seed: int = 0, **convention: object) -> torch.nn.Module:
    """A dictionary of uneven rows, biases and scales."""
    made = KINDS[kind](16, 40, k, convention=Convention(decoder_unit_norm=False, **convention), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.W_dec.mul_(0.3 + 2 * torch.rand(40, 1, generator=generator))
        made.b_enc.copy_(0.2 * torch.randn(40, generator=generator))
        made.b_dec.copy_(0.1 * torch.randn(16, generator=generator))
    return made.requires_grad_(False)


@torch.no_grad()
def scores_of(dictionary, x, unit: bool) -> torch.Tensor:
    """Post-ReLU scores in float64, written independently: h, or h times the row's length."""
    record = dictionary.convention
    s_in = record.scale_in if record.input_transform == "scale" else 1.0
    shifted = x.double() * s_in - (dictionary.b_dec.double() if record.subtract == "b_dec" else 0)
    h = shifted @ dictionary.W_enc.double().T + dictionary.b_enc.double()
    return (h * (dictionary.W_dec.double().norm(dim=1) if unit else 1)).relu()


@pytest.mark.parametrize("engine", [TorchEngine(), CompiledEngine()], ids=lambda engine: engine.name)
@pytest.mark.parametrize("rank", ["h", "h_norm"])
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_n_k_pass_on_the_sample(kind, rank, engine):
    """Brute force over all N F scores in float64, of which the threshold must keep the N k largest."""
    made = drawn(kind, rank_score=rank)
    jump = to_jumprelu(made, ROWS, engine=engine)
    scores = scores_of(made, ROWS, unit=rank == "h_norm")
    kept = torch.topk(scores.flatten(), 3000)
    wanted = torch.zeros(1000 * 40, dtype=torch.bool)
    wanted[kept.indices] = True
    fires = jump.encode(ROWS) != 0
    assert int(fires.sum()) == 3000
    assert torch.equal(fires.flatten(), wanted)
    following = float(scores[scores < kept.values[-1]].max())
    record = jump.training_record["conversion"]
    # a midpoint of two float32 numbers
    assert record["threshold"] == pytest.approx((float(kept.values[-1]) + following) / 2, rel=1e-6)
    assert (record["ties"], record["k"], record["rows"], record["from"]) == (0, 3, 1000, made.sha256)


@pytest.mark.parametrize("rank", ["h", "h_norm"])
def test_the_converted_dictionary_has_unit_rows_and_the_same_codes_where_both_fire(rank):
    made = drawn(rank_score=rank)
    jump = to_jumprelu(made, ROWS)
    torch.testing.assert_close(jump.W_dec.norm(dim=1), torch.ones(40))
    assert jump.convention.decoder_unit_norm
    assert isinstance(jump, JumpReLU)
    ours, theirs = jump.encode(ROWS), made.encode(ROWS) * made.lengths()
    both = (ours != 0) & (theirs != 0)
    assert float(both.sum()) > 0.6 * float((theirs != 0).sum())
    torch.testing.assert_close(ours[both], theirs[both], rtol=1e-5, atol=1e-5)
    if rank == "h":  # thresholds of unequal rows: n_i theta
        ratio = jump.threshold / made.lengths()
        torch.testing.assert_close(
            ratio, torch.full_like(ratio, jump.training_record["conversion"]["threshold"])
        )


def test_the_given_dictionary_stays_as_it_is():
    made = drawn(rank_score="h_norm")
    before = made.sha256
    to_jumprelu(made, ROWS)
    assert made.sha256 == before


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_folds_change_nothing_and_folding_twice_is_nothing(dtype, tolerance):
    """Law 2 of the specification's section 4.5, relative to the size of the output."""
    made, x = drawn(rank_score="h_norm", subtract="none").to(dtype), ROWS.to(dtype)
    before = made(x * 0.5) / 0.25
    changed = copy.deepcopy(made)
    fold_scales(changed, 0.5, 0.25)
    fold_unit_decoder(changed)
    assert float((changed(x) - before).abs().max()) <= 10 * tolerance * float(before.abs().max())
    once = {name: value.clone() for name, value in changed.state_dict().items()}
    fold_unit_decoder(changed)
    assert all(torch.equal(value, once[name]) for name, value in changed.state_dict().items())


@pytest.mark.parametrize("subtract", ["none", "b_dec"])
def test_scales_of_the_record_are_folded(subtract):
    """Unequal scales, and the gate in scaled units: h n_i / S_out > theta."""
    record = {"input_transform": "scale", "scale_in": 0.5, "scale_out": 0.25, "subtract": subtract}
    made = drawn(rank_score="h_norm", **record)
    jump = to_jumprelu(made, ROWS)
    assert jump.convention.input_transform == "none"
    shifted = ROWS * 0.5 - (made.b_dec if subtract == "b_dec" else 0)
    h = (shifted @ made.W_enc.T + made.b_enc).detach()
    gated = h.relu() * (h * made.lengths() / 0.25 > jump.threshold)
    expected = (gated @ made.W_dec + made.b_dec) / 0.25
    torch.testing.assert_close(jump(ROWS), expected.detach(), rtol=1e-4, atol=1e-5)


def test_topk_of_all_latents_is_relu():
    made = drawn(k=40)
    plain = ReLU(16, 40, convention=Convention(decoder_unit_norm=False))
    plain.load_state_dict(made.state_dict())
    assert torch.equal(made.encode(ROWS), plain.encode(ROWS))
    jump = to_jumprelu(made, ROWS)
    assert torch.equal(jump.encode(ROWS) != 0, plain.encode(ROWS) != 0)
    torch.testing.assert_close(jump(ROWS), plain(ROWS), rtol=1e-5, atol=1e-5)


def test_ranking_by_norms_does_not_hang_on_the_rows_lengths_and_plain_ranking_does():
    """Law 1 of section 4.5: lengths by powers of two, so that nothing is rounded, with its negative control."""
    factors = 2.0 ** torch.randint(-2, 3, (40,), generator=torch.Generator().manual_seed(1))

    def stretched(made):
        with torch.no_grad():
            made.W_dec.mul_(factors[:, None])
            made.W_enc.div_(factors[:, None])
            made.b_enc.div_(factors)
        return made

    ranked = stretched(drawn(rank_score="h_norm"))
    before = drawn(rank_score="h_norm")
    assert torch.equal(ranked.encode(ROWS) != 0, before.encode(ROWS) != 0)
    torch.testing.assert_close(ranked(ROWS), before(ROWS), rtol=1e-6, atol=1e-6)
    plain = stretched(drawn())
    assert not torch.equal(plain.encode(ROWS) != 0, drawn().encode(ROWS) != 0)
    assert float((plain(ROWS) - drawn()(ROWS)).abs().max()) > 0.1


def test_ties_across_the_border_are_counted():
    made = TopK(2, 2, 1, convention=Convention(subtract="none"))
    with torch.no_grad():
        made.W_enc.copy_(torch.eye(2))
        made.W_dec.copy_(torch.eye(2))
    sample = torch.tensor([[2.0, 1.0], [1.0, 1.0], [3.0, 0.5]])  # the third largest of six is 1, thrice there
    jump = to_jumprelu(made, sample)
    assert jump.training_record["conversion"]["ties"] == 1
    assert int((jump.encode(sample) != 0).sum()) == 2


def test_between_neighbouring_numbers_the_threshold_is_the_lower():
    """Their midpoint rounds to one of them; rounded to the upper, it would let nothing pass."""
    for lower in (torch.tensor(1.0), torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))):
        upper = torch.nextafter(lower, torch.tensor(2.0))
        theta, ties = exact_threshold(torch.stack([lower, upper]), 1)
        assert ties == 0
        assert int((torch.stack([lower, upper]) > theta).sum()) == 1
    assert float(exact_threshold(torch.tensor([0.5, 0.0]), 3)[0]) == 0


@pytest.mark.parametrize("rank", ["h", "h_norm"])
def test_rows_that_theta_has_not_seen_keep_k(rank):
    """Active latents within 2 % of k. What is explained falls: rows no longer share k latents evenly."""
    config = TrainConfig(
        n_features=48, k=3, steps=300, batch=128, lr=3e-3, rank_score=rank, unit_norm=rank == "h"
    )
    made = train(DATA.sample(20_000, seed=1)[0], config)
    jump = to_jumprelu(made, DATA.sample(16_384, seed=5)[0])
    x = DATA.sample(10_000, seed=6)[0]
    assert float((jump.encode(x) != 0).sum(1).double().mean()) == pytest.approx(3, rel=0.02)
    missed = [float((x - one(x)).square().sum()) for one in (made, jump)]
    assert missed[0] < missed[1] < float((x - x.mean(0)).square().sum())


def test_transcoders_keep_their_sites_and_their_skip_path():
    made = TopK(
        16, 40, 3, d_out=8, site_in="a", site_out="b", convention=Convention(subtract="none", skip="linear")
    )
    with torch.no_grad():
        made.W_skip.copy_(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)))
    jump = to_jumprelu(made, ROWS)
    assert (jump.site_in, jump.site_out, jump.d_out) == ("a", "b", 8)
    same = torch.equal(jump.W_skip, made.W_skip)
    assert same


def test_what_has_no_thresholds():
    for made, word in (
        (ReLU(16, 40), "a relu"),
        (Gated(16, 40), "a gated"),
        (JumpReLU(16, 40), "a jumprelu"),
    ):
        with pytest.raises(InputError, match=f"No thresholds can be set from {word}") as caught:
            to_jumprelu(made, ROWS)
        assert caught.value.code == "DI110"
    with pytest.raises(InputError, match="from an empty sample"):
        to_jumprelu(TopK(16, 40, 3), ROWS[:0])
    with pytest.raises(InputError, match="NaN") as caught:
        to_jumprelu(TopK(16, 40, 3), torch.full((2, 16), torch.nan))
    assert caught.value.code == "DI05"
