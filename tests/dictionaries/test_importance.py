"""Important latents: attribution is a derivative, ablation is exact, and a planted latent is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dictionary_models import identity, small_model

from pellucid.dictionaries import Convention, TopK, important_latents
from pellucid.dictionaries.judging import sums as evaluating
from pellucid.dictionaries.reading.importance import token_losses
from pellucid.findings import InputError

SITE = "blocks.0.resid_post"


def mean_loss(model, tokens, write=None) -> float:
    return float(token_losses(model.run(tokens, write=write).output.detach(), tokens).mean())


def taken(part: torch.Tensor):
    """A write that takes a part away."""
    return lambda activation: activation - part


def codes_of(model, dictionary, tokens) -> torch.Tensor:
    return dictionary.encode(model.run(tokens, read=SITE)[SITE]).detach()


@pytest.mark.law("dictionaries.importance")
def test_attribution_is_the_derivative_of_ablation():
    """-z dL/dz by central differences in float64, latent by latent."""
    model = small_model()
    model.module.double()
    tokens = torch.randint(0, 12, (6, 7), generator=torch.Generator().manual_seed(0))
    dictionary = TopK(8, 16, 2, site_in=SITE)
    attribution = important_latents(model, dictionary, tokens, 1).arrays["attribution"].values
    z = codes_of(model, dictionary.double(), tokens)
    step = 1e-5
    for latent in range(16):
        part = z[..., latent, None] * dictionary.W_dec[latent].detach()
        less, more = (mean_loss(model, tokens, {SITE: taken(s * part)}) for s in (-step, step))
        # the codes were found in float32: six digits
        assert attribution[latent] == pytest.approx((more - less) / (2 * step), rel=1e-4, abs=1e-6)


@pytest.mark.law("dictionaries.importance")
def test_ablation_is_the_rise_of_the_loss(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    array = important_latents(model, dictionary, tokens, 6).arrays["ablation"]
    z, base = codes_of(model, dictionary, tokens), mean_loss(model, tokens)
    for latent, (value, low, high) in zip(array.coords["latent"], array.values, strict=True):
        part = z[..., latent, None] * dictionary.W_dec[latent].detach()
        rise = mean_loss(model, tokens, {SITE: taken(part)}) - base
        assert value == pytest.approx(rise, abs=1e-6)
        assert low <= value <= high
    assert (np.diff(array.values[:, 0]) <= 0).all()


@pytest.mark.truth("dictionaries.importance")
def test_the_only_latent_that_is_read_is_named(tokens):
    """A model that reads one coordinate of the stream: only the two latents of that coordinate matter."""
    model = small_model(norm="none")
    with torch.no_grad():
        for name, parameter in model.module.blocks[1].named_parameters():
            if name.endswith("weight"):
                parameter.zero_()
        only = torch.zeros(8)
        only[5] = 1.0
        model.module.unembed.weight.mul_(only)
    spoken = tokens  # text of another model: knowing coordinate 5 hurts or helps, but only it can
    finding = important_latents(model, identity(8, SITE), spoken, 16)
    array = finding.arrays["ablation"]
    matter = {
        latent for latent, row in zip(array.coords["latent"], array.values, strict=True) if abs(row[0]) > 1e-6
    }
    assert matter == {5, 13}
    attribution = finding.arrays["attribution"].values
    assert set(np.flatnonzero(np.abs(attribution) > 1e-6)) == {5, 13}


def test_the_headline_is_the_largest_rise(model, tokens):
    finding = important_latents(model, TopK(8, 16, 2, site_in=SITE), tokens, 5)
    array = finding.arrays["ablation"]
    assert finding.measures["strongest"].value == array.values[:, 0].max()
    assert finding.measures["strongest_latent"].value == array.coords["latent"][0]
    assert -1 <= finding.measures["agreement"].value <= 1
    assert 0 <= finding.measures["same_sign"].value <= 1


def test_too_few_latents_have_no_agreement(model, tokens):
    finding = important_latents(model, TopK(8, 16, 2, site_in=SITE), tokens, 2)
    assert finding.measures["agreement"].value is None


def test_batches_do_not_matter(model, tokens, monkeypatch):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    whole = important_latents(model, dictionary, tokens, 4)
    monkeypatch.setattr(evaluating, "BATCH", 3)
    parts = important_latents(model, dictionary, tokens, 4)
    assert parts.arrays["ablation"].values == pytest.approx(whole.arrays["ablation"].values, abs=1e-5)


def test_excluded_positions_have_no_part(model, tokens):
    record = Convention(excluded_positions=tuple(range(6)))
    dictionary = TopK(8, 16, 2, site_in=SITE, convention=record)
    with pytest.raises(InputError, match="no included position") as caught:
        important_latents(model, dictionary, tokens)
    assert caught.value.code == "DI18"


def test_a_model_without_gradients_of_its_own_is_attributed_too(model, tokens):
    model.module.requires_grad_(False)
    finding = important_latents(model, TopK(8, 16, 2, site_in=SITE), tokens, 3)
    assert np.abs(finding.arrays["attribution"].values).max() > 0


@pytest.mark.parametrize("n", [0, 17])
def test_no_such_number_of_latents(model, tokens, n):
    with pytest.raises(InputError, match="Give n between 1 and 16") as caught:
        important_latents(model, TopK(8, 16, 2, site_in=SITE), tokens, n)
    assert caught.value.code == "DI25"
