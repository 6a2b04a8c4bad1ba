"""Spliced models: exact where they should be, the dictionary's own elsewhere."""

from __future__ import annotations

import pytest
import torch
from dictionary_models import identity, small_model

from pellucid.dictionaries import Convention, TopK, splice
from pellucid.findings import InputError, MissingError

SITES = ["blocks.0.resid_post", "blocks.1.mlp_out", "blocks.0.attn_out", "blocks.1.resid_pre", "embed"]


def poor(site: str, seed: int = 0, **more: object) -> TopK:
    """A dictionary that reconstructs badly."""
    return TopK(8, 16, 2, site_in=site, seed=seed, **more)


@pytest.mark.parametrize("site", SITES)
def test_the_identity_changes_nothing(model, tokens, site):
    clean = model.run(tokens).output
    torch.testing.assert_close(splice(model, identity(8, site)).run(tokens).output, clean, rtol=0, atol=1e-5)


@pytest.mark.parametrize("site", SITES)
def test_with_its_error_node_any_dictionary_leaves_the_output_alone(model, tokens, site):
    clean = model.run(tokens).output.detach()
    with_error, without = (
        splice(model, poor(site), error=error).run(tokens).output for error in (True, False)
    )
    assert float((with_error.detach() - clean).abs().max()) <= 1e-6
    assert float((without.detach() - clean).abs().max()) > 1e-2


def test_a_spliced_site_holds_the_reconstruction(model, tokens):
    dictionary = poor("blocks.0.resid_post")
    clean = model.run(tokens, read="blocks.0.resid_post")["blocks.0.resid_post"]
    run = splice(model, dictionary).run(tokens, read=["blocks.0.resid_post", "blocks.1.resid_pre"])
    for site in ("blocks.0.resid_post", "blocks.1.resid_pre"):
        torch.testing.assert_close(run[site], dictionary(clean), rtol=0, atol=1e-5)


def test_a_transcoder_reads_one_site_and_writes_another(model, tokens):
    sites = {"site_in": "blocks.1.mlp_in", "site_out": "blocks.1.mlp_out"}
    dictionary = TopK(8, 16, 2, convention=Convention(subtract="none"), **sites)
    clean = model.run(tokens, read=list(sites.values()))
    run = splice(model, dictionary).run(tokens, read=["blocks.1.mlp_out", "blocks.1.resid_post"])
    made = dictionary(clean["blocks.1.mlp_in"])
    torch.testing.assert_close(run["blocks.1.mlp_out"], made, rtol=0, atol=1e-5)
    assert not torch.allclose(made, clean["blocks.1.mlp_out"], atol=1e-2)


def test_several_dictionaries_act_in_the_order_of_the_computation(model, tokens):
    first, second = poor("blocks.0.resid_post"), poor("blocks.1.resid_post", seed=1)
    both = splice(model, [second, first]).run(tokens, read=["blocks.0.resid_post", "blocks.1.resid_post"])
    alone = splice(model, first).run(tokens, read="blocks.1.resid_post")["blocks.1.resid_post"]
    torch.testing.assert_close(both["blocks.1.resid_post"], second(alone), rtol=0, atol=1e-5)


def test_excluded_positions_keep_their_clean_value(model, tokens):
    site = "blocks.0.resid_post"
    record = Convention(excluded_positions=(0,), excluded_tokens=(4,))
    clean = model.run(tokens, read=site)[site]
    spliced = splice(model, poor(site, convention=record)).run(tokens, read=site)[site]
    keep = record.included(tokens)
    assert torch.equal(spliced[~keep], clean[~keep])
    assert float((spliced[keep] - clean[keep]).detach().abs().amax(-1).min()) > 1e-4
    assert 0 < int(keep.sum()) < keep.numel()


def test_gradients_reach_the_codes_through_the_error_node(model, tokens):
    dictionary = poor("blocks.0.resid_post")
    splice(model, dictionary, error=True).run(tokens).output.square().sum().backward()
    assert float(dictionary.W_dec.grad.abs().sum()) > 0
    assert float(dictionary.W_enc.grad.abs().sum()) > 0


def test_writes_given_to_a_run_come_after_the_dictionary(model, tokens):
    spliced = splice(model, poor("blocks.0.resid_post"))
    written = spliced.run(tokens, write={"blocks.0.resid_post": 0.0}, read="blocks.0.resid_post")
    assert not written["blocks.0.resid_post"].any()


def test_a_spliced_model_is_a_model_with_an_identity_of_its_own(model, tokens):
    spliced = splice(model, poor("embed"))
    assert spliced.facts == model.facts
    assert list(spliced.sites) == list(model.sites)
    others = [splice(model, poor("embed"), error=True), splice(model, poor("embed", seed=1)), model]
    assert len({spliced.sha256, *(other.sha256 for other in others)}) == 4
    assert spliced.sha256 == splice(small_model(), poor("embed")).sha256


@pytest.mark.parametrize(
    ("dictionaries", "error", "code", "words"),
    [
        ([poor("blocks.0.resid_pst")], MissingError, "DI17", "Did you mean 'blocks.0.resid_post'?"),
        ([poor("")], MissingError, "DI17", "stands at '', which small does not have"),
        ([TopK(6, 8, 2, site_in="embed")], InputError, "DI04", "width 6 at 'embed', where small has width 8"),
        ([poor("embed"), poor("embed")], InputError, "DI16", "2 dictionaries replace 'embed'"),
    ],
)
def test_what_does_not_fit_is_refused(model, dictionaries, error, code, words):
    with pytest.raises(error) as caught:
        splice(model, dictionaries)
    assert caught.value.code == code
    assert words in str(caught.value)
