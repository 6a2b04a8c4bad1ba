"""Logit effects: exact where the model is linear, and a token's own direction speaks for that token."""

from __future__ import annotations

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import TopK, logit_effects
from pellucid.dictionaries.reading.logits import lens
from pellucid.findings import InputError


@pytest.mark.law("dictionaries.logit_effects")
def test_without_a_norm_the_effect_is_the_product_with_the_unembedding():
    model, dictionary = small_model(norm="none"), TopK(8, 20, 3, site_in="blocks.0.resid_post")
    exact = dictionary.W_dec.double() @ model.module.unembed.weight.double().T
    exact = (exact - exact.mean(1, keepdim=True)).detach()
    torch.testing.assert_close(lens(model, dictionary.W_dec), exact, rtol=0, atol=1e-5)


@pytest.mark.law("dictionaries.logit_effects")
def test_the_length_of_a_direction_does_not_matter_behind_a_norm():
    model, dictionary = small_model(norm="rms"), TopK(8, 20, 3, site_in="blocks.0.resid_post")
    effects = lens(model, dictionary.W_dec)
    torch.testing.assert_close(lens(model, 100 * dictionary.W_dec), effects, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(effects.mean(1), torch.zeros(20, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.truth("dictionaries.logit_effects")
def test_a_tokens_own_direction_promotes_it():
    model = small_model(norm="rms")
    dictionary = TopK(8, 24, 3, site_in="blocks.1.mlp_out")
    with torch.no_grad():
        model.module.norm.weight.fill_(1.0)
        unit = torch.nn.functional.normalize(model.module.unembed.weight, dim=1)
        model.module.unembed.weight.copy_(unit)
        dictionary.W_dec[:12], dictionary.W_dec[12:] = unit, -unit
    finding = logit_effects(model, dictionary, list(range(24)), top=2)
    assert finding.arrays["promoted_tokens"].values[:12, 0].tolist() == list(range(12))
    assert finding.arrays["suppressed_tokens"].values[12:, 0].tolist() == list(range(12))
    assert finding.arrays["promoted"].values[3, 0] == pytest.approx(
        finding.arrays["promoted"].values[3].max()
    )


def test_words_name_both_ends_in_order():
    finding = logit_effects(small_model(), TopK(8, 20, 3, site_in="embed"), [4, 7], top=3)
    words = finding.arrays["words"].coords["latent and token"]
    assert len(words) == 12
    assert [word.split()[:2] for word in words[::3]] == [
        ["4", "promotes"],
        ["4", "suppresses"],
        ["7", "promotes"],
        ["7", "suppresses"],
    ]
    values = finding.arrays["promoted"].values
    assert (values[:, 0] >= values[:, -1]).all()
    assert finding.measures["strongest"].value == pytest.approx(values.max())


def test_more_tokens_than_there_are():
    finding = logit_effects(small_model(), TopK(8, 20, 3, site_in="embed"), [0], top=50)
    assert finding.arrays["promoted"].values.shape == (1, 12)


def test_a_site_that_is_not_in_the_stream():
    with pytest.raises(
        InputError, match=r"'blocks\.0\.mlp_in' is not added to the residual stream"
    ) as caught:
        logit_effects(small_model(), TopK(8, 20, 3, site_in="blocks.0.mlp_in"), [0])
    assert caught.value.code == "DI19"
