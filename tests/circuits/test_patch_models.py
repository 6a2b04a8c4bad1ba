"""Patching on transformers: identities that hold exactly, one by one against plain runs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pellucid.circuits import Answer, patch_sweep
from pellucid.findings import InputError, MissingError
from pellucid.models import Transformer, TransformerConfig, open_model

STREAM = ["blocks.*.resid_pre"]
ANSWER = Answer((3,), (5,))


@pytest.fixture(scope="module")
def model():
    config = TransformerConfig(d_vocab=16, context=12, n_layers=2, d_model=16, n_heads=2, d_mlp=32)
    module = Transformer(config, seed=4)
    with torch.no_grad():
        for value in module.parameters():
            value *= 4 if value.dim() == 2 else 1
    return open_model(module)


@pytest.fixture(scope="module")
def prompts():
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 16, (3, 7), generator=random), torch.randint(0, 16, (3, 7), generator=random)


@pytest.mark.law("circuits.patch_sweep")
@pytest.mark.parametrize("direction", ["denoise", "noise"])
def test_the_whole_stream_at_once_carries_everything_over(model, prompts, direction):
    joint = patch_sweep(model, *prompts, ANSWER, STREAM, direction).arrays["joint"]
    metrics = list(joint.coords["metric"])
    whole = joint.values[0, :, 0]
    assert whole == pytest.approx(np.ones(len(metrics)), abs=1e-5)


@pytest.mark.law("circuits.patch_sweep")
def test_clean_into_clean_changes_nothing(model, prompts):
    finding = patch_sweep(model, prompts[0], prompts[0], ANSWER, STREAM, "both")
    assert np.abs(finding.arrays["difference"].values).max() < 1e-5
    assert finding.measures["small_denominators"].value == 5


def test_every_cell_is_the_run_with_that_one_change(model, prompts):
    clean, corrupt = prompts
    finding = patch_sweep(model, clean, corrupt, ANSWER, ["blocks.*.attn_out", "blocks.*.mlp_out"], "denoise")
    values = finding.arrays["difference"]
    site = "blocks.1.mlp_out"
    source = model.run(clean, read=[site])[site]
    base = model.run(corrupt).output[:, -1]
    for pos in (0, 3, 6):

        def change(old, pos=pos):
            new = old.clone()
            new[:, pos] = source[:, pos]
            return new

        patched = model.run(corrupt, write={site: change}).output[:, -1]
        moved = ((patched[:, 3] - patched[:, 5]) - (base[:, 3] - base[:, 5])).mean()
        at = list(values.coords["site"]).index(site)
        assert values.values[0, 0, at, pos] == pytest.approx(float(moved.detach()), abs=1e-5)


def test_in_the_last_block_only_the_position_read_matters(model, prompts):
    finding = patch_sweep(model, *prompts, ANSWER, ["blocks.1.mlp_out"], "both")
    differences = finding.arrays["difference"].values[:, :, 0, :-1]
    assert np.abs(differences).max() < 1e-5


def test_effects_are_ratios_of_means(model, prompts):
    finding = patch_sweep(model, *prompts, ANSWER, STREAM, "denoise")
    base = finding.arrays["baseline"].values
    expected = finding.arrays["difference"].values[0] / (base[0] - base[1])[:, None, None]
    assert finding.arrays["effect"].values[0] == pytest.approx(expected, rel=1e-9)


def test_the_same_sweep_has_the_same_id(model, prompts):
    ids = {patch_sweep(model, *prompts, ANSWER, STREAM, "denoise").id for _ in range(2)}
    assert len(ids) == 1
    assert patch_sweep(model, *prompts, ANSWER, STREAM, "noise").id not in ids


def test_an_answer_may_differ_from_prompt_to_prompt(model, prompts):
    each = patch_sweep(model, *prompts, Answer((3, 3, 3), (5, 5, 5)), STREAM, "denoise")
    one = patch_sweep(model, *prompts, ANSWER, STREAM, "denoise")
    assert np.array_equal(each.arrays["effect"].values, one.arrays["effect"].values)


def test_prompts_of_other_lengths_are_refused_with_their_shapes(model, prompts):
    with pytest.raises(InputError, match=r"shape \(3, 7\), the corrupt one \(3, 6\)"):
        patch_sweep(model, prompts[0], prompts[1][:, :6], ANSWER, STREAM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "sideways"}, "No direction 'sideways'. There are: denoise, noise, both."),
        ({"sites": []}, "No site was named."),
        ({"sites": ["blocks.0.attn.pattern"]}, "no axes batch and pos"),
        ({"metric": Answer((3, 4), (5, 5))}, "The answer names 2 tokens for 3 prompts."),
    ],
)
def test_what_cannot_be_swept_is_refused(model, prompts, change, message):
    given = {"metric": ANSWER, "sites": STREAM, "direction": "denoise", **change}
    with pytest.raises(InputError) as refusal:
        patch_sweep(model, *prompts, **given)
    assert message in str(refusal.value)


def test_a_site_that_does_not_exist_is_named(model, prompts):
    with pytest.raises((MissingError, InputError), match=r"blocks\.9\.resid_pre"):
        patch_sweep(model, *prompts, ANSWER, ["blocks.9.resid_pre"])
