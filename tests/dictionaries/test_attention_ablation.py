"""Heads ranked by weights, attribution and ablation: planted heads, a head that only adds a constant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_worlds import attention_dictionary, family, words
from scipy.stats import spearmanr

from pellucid.dictionaries import Convention, ReLU
from pellucid.dictionaries.attention.ablation import (
    METHODS,
    NAMES,
    PAIRS,
    correlations,
    ends,
    head_ablation,
    mean_known,
)
from pellucid.dictionaries.attention.linear import attend, place_of, readings
from pellucid.findings import InputError


def ways(finding, name: str) -> np.ndarray:
    """One way's numbers, by latent and head."""
    return finding.arrays["effects"].values[METHODS.index(name)]


def compared(finding) -> list[int]:
    return finding.arrays["effects"].coords["latent"]


@pytest.mark.law("dictionaries.head_ablation")
def test_zero_ablation_is_the_head_s_own_term():
    """Without a norm of the record, |h - h(z_i <- 0)| = |W_enc[f, head i] . z_i| at every firing token."""
    model = family("own-grouped")
    dictionary, tokens = attention_dictionary(model, 1), words(model, 4)
    finding = head_ablation(model, dictionary, tokens, resamples=5)
    z = model.run(tokens, read="blocks.1.attn.z")["blocks.1.attn.z"].detach()
    codes = dictionary.encode(z.flatten(2)).detach()
    mean = z.mean((0, 1))
    for row, latent in enumerate(compared(finding)):
        fires = codes[..., latent] != 0
        rows = dictionary.W_enc[latent].detach().reshape(4, 4)
        for name, taken in (("zero", z), ("mean", z - mean)):
            wanted = (taken[fires] * rows).sum(-1).abs().mean(0)
            assert ways(finding, name)[row] == pytest.approx(wanted.numpy(), abs=1e-12)


@pytest.mark.law("dictionaries.head_ablation")
def test_after_the_heads_are_mixed_the_same_question_has_the_same_answer():
    """A dictionary at attn_out, and the one at attn.z whose rows are its rows through W_O."""
    model = family("own")
    mixed, tokens = attention_dictionary(model, 1, "attn_out", kind="relu", subtract="none"), words(model, 4)
    out = model.module.blocks[1].attn.o
    apart = ReLU(16, 24, site_in="blocks.1.attn.z", convention=Convention(subtract="none")).double()
    with torch.no_grad():
        apart.W_enc.copy_(mixed.W_enc @ out.weight)
        apart.b_enc.copy_(mixed.b_enc + mixed.W_enc @ out.bias)
        apart.W_dec.copy_(mixed.W_dec @ out.weight)
    first, second = (head_ablation(model, one, tokens, [1, 5, 8], resamples=5) for one in (mixed, apart))
    assert first.arrays["effects"].values == pytest.approx(second.arrays["effects"].values, abs=1e-12)


@pytest.mark.truth("dictionaries.head_ablation")
@pytest.mark.parametrize("part", ["attn.z", "attn_out"])
def test_a_planted_head_is_foremost_by_every_way(part):
    """Latents that read and write one head each: all six ways name it, and agree altogether."""
    model = family("own")
    dictionary, tokens = attention_dictionary(model, 1, part, kind="relu", subtract="none"), words(model, 6)
    mask = torch.zeros(24, 4, 4, dtype=torch.float64)
    mask[torch.arange(24), torch.arange(24) % 4] = 1.0
    with torch.no_grad():
        for rows in (dictionary.W_enc, dictionary.W_dec):
            rows.mul_(mask.flatten(1)) if part == "attn.z" else None
        if part == "attn_out":
            unmixed = torch.linalg.inv(model.module.blocks[1].attn.o.weight)
            for rows in (dictionary.W_enc, dictionary.W_dec):
                rows.copy_((rows * mask.flatten(1)) @ unmixed)
    finding = head_ablation(model, dictionary, tokens, resamples=50)
    for name in METHODS:
        shares = ways(finding, name)
        shares = shares / shares.sum(1, keepdims=True)
        heads = np.array(compared(finding)) % 4
        assert shares[np.arange(len(heads)), heads] == pytest.approx(np.ones(len(heads)), abs=1e-9)
    assert finding.measures["differ"].value == 0
    assert finding.status == "supports"
    if part == "attn.z":  # exact zeros elsewhere, so that ranks tie
        for name in NAMES:
            assert finding.measures[name].value == pytest.approx(1.0)
            assert finding.arrays["agreement"].values[NAMES.index(name), 1] == pytest.approx(1.0)


@pytest.mark.truth("dictionaries.head_ablation")
def test_a_head_that_only_adds_a_constant_divides_zero_from_mean_ablation():
    """Head 0's values are its bias alone: removing it shifts h, replacing it by its mean or another does
    nothing."""
    model = family("own")
    attention = model.module.blocks[1].attn
    with torch.no_grad():
        attention.v.weight[:4] = 0
        attention.v.bias[:4] = 50.0
    dictionary = attention_dictionary(model, 1, kind="relu", subtract="none")
    finding = head_ablation(model, dictionary, words(model, 5), resamples=50)
    assert (ways(finding, "zero").argmax(1) == 0).mean() > 0.9
    assert ways(finding, "mean")[:, 0] == pytest.approx(0.0, abs=1e-9)
    assert ways(finding, "resample")[:, 0] == pytest.approx(0.0, abs=1e-9)
    assert finding.measures["differ"].value > 0.9


def test_attribution_is_summed_before_signs_cancel():
    model = family("gpt2")
    dictionary, tokens = attention_dictionary(model, 1), words(model, 3)
    finding = head_ablation(model, dictionary, tokens, [2, 3], resamples=5)
    place, total, count = place_of(model, dictionary), torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2)
    for row in tokens:
        seen = attend(model, place, row.unsqueeze(0))
        fires = dictionary.encode(seen.read)[:, [2, 3]] != 0
        for index, reading in enumerate(readings(dictionary, seen, [2, 3])):
            u = torch.einsum("hd,shd->hs", reading.rows[0], seen.values)
            sizes = (seen.pattern * u.unsqueeze(1)).abs().sum(2)
            total[index] += sizes[:, fires[:, index]].sum(1)
        count += fires.sum(0)
    assert ways(finding, "dfa") == pytest.approx((total / count.unsqueeze(1)).numpy(), abs=1e-12)
    assert (ways(finding, "dfa") >= ways(finding, "zero") - 1e-12).all()


def test_agreement_is_spearman_s_correlation():
    model = family("own")
    finding = head_ablation(model, attention_dictionary(model, 1), words(model, 5), resamples=20)
    values = finding.arrays["effects"].values
    for index, (a, b) in enumerate(PAIRS):
        over_heads = [spearmanr(x, y).statistic for x, y in zip(values[a], values[b], strict=True)]
        measure = finding.measures[NAMES[index]]
        assert measure.value == pytest.approx(np.mean(over_heads))
        value, low, high = finding.arrays["agreement"].values[index]
        assert low <= high
        ends_of = (None, None) if NAMES[index] == "decoder_encoder" else (low, high)
        assert (measure.value, measure.low, measure.high) == (value, *ends_of)
        for head in range(4):
            over_latents = spearmanr(values[a, :, head], values[b, :, head]).statistic
            assert finding.arrays["by_head"].values[head, index, 0] == pytest.approx(over_latents)


def test_ways_that_do_not_vary_have_no_agreement():
    flat = np.ones((6, 3, 4))
    assert np.isnan(correlations(flat, 2)).all()
    assert np.isnan(mean_known(correlations(flat, 2), 1)).all()
    assert np.isnan(ends(np.array([np.nan]), np.full((3, 1), np.nan))).all()


def test_latents_that_fire_most_are_compared():
    model = family("own")
    dictionary = attention_dictionary(model, 1, excluded_positions=(0,))
    tokens = words(model, 4)
    finding = head_ablation(model, dictionary, tokens, resamples=5)
    z = model.run(tokens, read="blocks.1.attn.z")["blocks.1.attn.z"].detach().flatten(2)[:, 1:]
    counts = (dictionary.encode(z) != 0).sum((0, 1))
    order = torch.sort(counts, descending=True, stable=True).indices.tolist()
    assert compared(finding) == [latent for latent in order if counts[latent] > 0]


def test_the_seed_draws_who_stands_in_and_the_intervals():
    model = family("own")
    dictionary, tokens = attention_dictionary(model, 1), words(model, 6)
    first, again, other = (
        head_ablation(model, dictionary, tokens, resamples=20, seed=seed) for seed in (0, 0, 1)
    )
    assert first.id == again.id
    assert (ways(first, "zero") == ways(other, "zero")).all()
    assert (ways(first, "resample") != ways(other, "resample")).any()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_sequences(count):
    model = family("own")
    with pytest.raises(InputError, match=r"1 sequences and 4 heads leave nothing|are no sequences") as caught:
        head_ablation(model, attention_dictionary(model, 1), words(model, count))
    assert caught.value.code == ("DI35" if count else "DI32")


def test_latents_that_never_fire():
    model = family("own")
    dictionary = attention_dictionary(model, 1, kind="relu")
    with torch.no_grad():
        dictionary.b_enc[[4, 6]] = -1e6
    with pytest.raises(InputError, match="no token at which latent 4, 6 fires") as caught:
        head_ablation(model, dictionary, words(model, 3), [4, 5, 6])
    assert caught.value.code == "DI36"
    with torch.no_grad():
        dictionary.b_enc.fill_(-1e6)
    with pytest.raises(InputError, match="no token at which any latent fires"):
        head_ablation(model, dictionary, words(model, 3))


def test_a_transcoder_writes_to_no_head():
    model = family("own")
    dictionary = ReLU(
        16, 8, site_in="blocks.1.attn.z", site_out="blocks.1.mlp_out", convention=Convention(subtract="none")
    )
    with pytest.raises(
        InputError, match=r"writes to 'blocks.1.mlp_out', where its latents belong to no head"
    ) as caught:
        head_ablation(model, dictionary, words(model, 3))
    assert caught.value.code == "DI38"
