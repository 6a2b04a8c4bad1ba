"""Names of sites: patterns, TransformerLens' spelling, and the message for one that does not exist."""

from __future__ import annotations

import pytest

from pellucid.findings import MissingError
from pellucid.models import open_model


def test_sites_come_in_the_order_of_the_computation(models):
    sites = list(models["llama"].sites)
    assert sites[0] == "embed"
    assert sites[-2:] == ["ln_final", "logits"]
    block = [site.removeprefix("blocks.1.") for site in sites if site.startswith("blocks.1.")]
    assert block == [
        "resid_pre",
        "attn.q",
        "attn.k",
        "attn.v",
        "attn.scores",
        "attn.pattern",
        "attn.z",
        "attn_out",
        "resid_mid",
        "mlp_in",
        "mlp.gate",
        "mlp.pre",
        "mlp.post",
        "mlp_out",
        "resid_post",
    ]


def test_a_sequence_is_a_sequence(models):
    for model in models.values():
        assert len(model.sites) == len(list(model.sites)) == len(set(model.sites))
        assert [model.sites[place] for place in range(len(model.sites))] == list(model.sites)
        assert all(site in model.sites for site in model.sites)
    assert 3 not in models["own"].sites
    assert "Sites(embed, pos_embed" in repr(models["own"].sites)


def test_patterns_select_in_order_and_once(models):
    sites = models["own"].sites
    assert sites.select("blocks.*.resid_post") == [f"blocks.{layer}.resid_post" for layer in range(3)]
    assert sites.select(["blocks.1.*_out", "blocks.0.attn_out", "blocks.?.attn_out"]) == [
        "blocks.0.attn_out",
        "blocks.1.attn_out",
        "blocks.1.mlp_out",
        "blocks.2.attn_out",
    ]
    assert sites.select("*") == list(sites)


@pytest.mark.parametrize("name", ["blocks.0.hook_resid_pre", "blocks.0.attn.hook_z", "hook_embed"])
def test_transformer_lens_names_are_accepted(name, models, tokens):
    plain = name.replace("hook_", "")
    model = models["gpt2"]
    assert name in model.sites
    run = model.run(tokens, read=name, write={name: lambda x: x})
    assert run[name] is run[plain]
    assert model.sites.shape(name) == model.sites.shape(plain)


def test_modules_of_a_transformer_are_found_by_their_path(models, tokens):
    run = models["gpt2"].run(tokens, read=["transformer.h.1.mlp", "blocks.1.mlp_out"])
    assert run["transformer.h.1.mlp"].equal(run["blocks.1.mlp_out"])
    assert models["gpt2"].sites.shape("transformer.h.1.mlp") == ()


@pytest.mark.parametrize(
    ("site", "remedy"),
    [
        ("blocks.9.mlp_out", "This model has blocks 0-2. Did you mean 'blocks.2.mlp_out'?"),
        ("blocks.1.resid_middle", "This model has blocks 0-2. Did you mean 'blocks.1.resid_mid'?"),
        ("blocks.*.nothing", "This model has blocks 0-2."),
        ("zzz", "This model has blocks 0-2. All are listed by model.sites."),
    ],
)
def test_a_site_that_does_not_exist(site, remedy, models, tokens):
    for request in ({"read": site}, {"write": {site: 0.0}}, {"until": site}):
        with pytest.raises(MissingError) as error:
            models["own"].run(tokens, **request)
        assert error.value.code == "MD10"
        assert str(error.value).startswith(f"No site {site!r}. {remedy}")


def test_a_site_of_a_module_that_does_not_exist():
    from torch import nn

    model = open_model(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    with pytest.raises(MissingError, match=r"No site '2'\. It has 0, 1\. "):
        model.sites.find("2")
