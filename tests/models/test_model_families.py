"""Every family: the same logits as transformers, and sites that are what their names say."""

from __future__ import annotations

import math

import pytest
import torch
from model_families import EVERY, HUB, PARALLEL

from pellucid.models import Write

ATOL = 1e-5  # float32, three layers of width 32: rounding stays below 2e-6


@pytest.fixture(params=EVERY)
def model(request, models):
    return models[request.param]


def run_all(model, tokens):
    with torch.no_grad():
        return model.run(tokens, read="*")


def transformers_model(folder):
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("name", HUB)
def test_logits_are_those_of_transformers(name, folders, models, tokens):
    with torch.no_grad():
        theirs = transformers_model(folders[name])(tokens, use_cache=False).logits
        ours = models[name].run(tokens).output
        explicit = run_all(models[name], tokens)
    assert torch.allclose(ours, theirs, atol=ATOL)
    assert torch.allclose(explicit.output, theirs, atol=ATOL)
    assert torch.equal(explicit["logits"], explicit.output)


@pytest.mark.parametrize("name", HUB)
def test_patterns_are_those_of_transformers_eager_attention(name, folders, models, tokens):
    theirs = transformers_model(folders[name])
    theirs.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = theirs(tokens, use_cache=False, output_attentions=True).attentions
    run = run_all(models[name], tokens)
    for layer, pattern in enumerate(attentions):
        assert torch.allclose(run[f"blocks.{layer}.attn.pattern"], pattern, atol=ATOL)


@pytest.mark.parametrize("name", HUB)
def test_the_configuration_stays_as_it_was(name, folders, models):
    ours, theirs = models[name].module.config.to_dict(), transformers_model(folders[name]).config.to_dict()
    for config in (ours, theirs):
        config.pop("_attn_implementation", None), config.pop("dtype", None)
    assert ours == theirs


def test_a_block_adds_attention_and_mlp_to_the_stream(model, tokens):
    run = run_all(model, tokens)
    for layer in range(3):
        at = f"blocks.{layer}"
        mlp = run.sites.get(f"{at}.mlp_out", 0)
        total = run[f"{at}.resid_pre"] + run[f"{at}.attn_out"] + mlp
        assert torch.allclose(total, run[f"{at}.resid_post"], atol=ATOL)
        if layer:
            assert torch.equal(run[f"{at}.resid_pre"], run[f"blocks.{layer - 1}.resid_post"])
        if f"{at}.resid_mid" in run:
            mid = run[f"{at}.resid_pre"] + run[f"{at}.attn_out"]
            assert torch.allclose(run[f"{at}.resid_mid"], mid, atol=ATOL)


def test_only_parallel_blocks_and_blocks_without_mlp_have_no_middle(models):
    for name, model in models.items():
        expected = 0 if name in PARALLEL else 2 if name == "own-bare" else 3
        assert sum(site.endswith("resid_mid") for site in model.sites) == expected
        assert model.facts.parallel_residual is (name in PARALLEL)


def test_attention_is_what_its_sites_say(model, tokens):
    run = run_all(model, tokens)
    for layer in range(3):
        at = f"blocks.{layer}.attn"
        value = run[f"{at}.v"].transpose(1, 2)
        value = value.repeat_interleave(4 // value.shape[1], dim=1)
        pattern = run[f"{at}.pattern"]
        assert torch.allclose(pattern, run[f"{at}.scores"].softmax(-1), atol=ATOL)
        assert torch.equal(pattern, pattern.tril())
        assert torch.allclose((pattern @ value).transpose(1, 2), run[f"{at}.z"], atol=ATOL)


@pytest.mark.parametrize("name", ["mistral", "qwen2", "gemma2", "gemma3", "own-rotary"])
def test_a_sliding_window_hides_what_is_further_back(name, models, tokens):
    run = run_all(models[name], tokens)
    hidden = [float(run[f"blocks.{layer}.attn.pattern"].tril(-5).abs().sum()) for layer in range(3)]
    every = name == "mistral"
    assert [amount == 0 for amount in hidden].count(True) == (3 if every else 2 if name == "gemma2" else 1)


@pytest.mark.parametrize("name", ["llama", "gemma2", "own-rotary"])
def test_grouped_keys_keep_their_own_heads(name, models, tokens):
    model, run = models[name], run_all(models[name], tokens)
    assert run["blocks.0.attn.q"].shape[2] == model.facts.n_heads == 4
    assert run["blocks.0.attn.k"].shape[2] == run["blocks.0.attn.v"].shape[2] == 2
    assert model.facts.n_key_value_heads == 2


def test_stated_shapes_are_the_shapes(model, tokens):
    run = run_all(model, tokens)
    sizes = {"batch": 2, "pos": 12, "query": 12, "key": 12}
    for site in model.sites:
        stated = tuple(sizes.get(size, size) for size in model.sites.shape(site))
        got = tuple(run[site].shape)
        assert got == stated or (site == "pos_embed" and got[-2:] == stated[-2:]), site


def test_the_mlp_is_what_its_sites_say(model, tokens):
    run = run_all(model, tokens)
    act = model.submodule(model.family_table.gates[0])
    before = run["blocks.0.mlp.gate" if model.family_table.gated else "blocks.0.mlp.pre"]
    factor = run["blocks.0.mlp.pre"] if model.family_table.gated else 1
    with torch.no_grad():
        assert torch.allclose(act(before) * factor, run["blocks.0.mlp.post"], atol=ATOL)


def test_writing_what_was_read_changes_nothing(model, tokens):
    with torch.no_grad():
        plain, fused = model.run(tokens).output, model.run(tokens, read="*")
        for site in model.sites:
            inside = site.endswith(("scores", "pattern"))
            base = fused.output if inside else plain
            source = fused[site] if inside else model.run(tokens, read=site)[site]
            assert torch.equal(model.run(tokens, write={site: source}).output, base), site


def moved(site):
    """Something else than what was there; scores stay masked."""
    return (lambda x: 0.5 * x) if site.endswith("scores") else (lambda x: 0.5 * x + 0.25 * x.roll(1, -1))


def test_every_write_reaches_the_output(model, tokens):
    with torch.no_grad():
        plain = model.run(tokens).output
        for site in model.sites:
            changed = model.run(tokens, write={site: moved(site)}).output
            assert (changed - plain).abs().max() > 1e-4, site


def test_a_write_is_what_a_later_read_sees(model, tokens):
    with torch.no_grad():
        for site in model.sites:
            value = torch.rand_like(model.run(tokens, read=site)[site])
            assert torch.equal(model.run(tokens, read=site, write={site: value})[site], value), site


def test_a_written_stream_carries_on_beside_the_norm(model, tokens):
    """What is written to resid_mid must be what the MLP's output is added to, not only what it reads."""
    sites = [site for site in model.sites if site.endswith("resid_mid")]
    for site in sites:
        at = site.removesuffix(".resid_mid")
        with torch.no_grad():
            value = torch.randn(2, 12, 32)
            run = model.run(tokens, read=f"{at}.*", write={site: value})
        assert torch.allclose(run[f"{at}.resid_post"], value + run[f"{at}.mlp_out"], atol=ATOL)


def test_without_attention_and_mlp_the_embedding_goes_to_the_unembedding(model, tokens):
    layers = [f"blocks.{layer}" for layer in range(3)]
    outs = [
        f"{at}.{part}" for at in layers for part in ("attn_out", "mlp_out") if f"{at}.{part}" in model.sites
    ]
    read = [site for site in ("embed", "pos_embed", "ln_final") if site in model.sites]
    norm = model.submodule(model.family_points["ln_final"].module)
    with torch.no_grad():
        run = model.run(tokens, read=read, write=dict.fromkeys(outs, 0.0))
        stream = run["embed"] + run.sites.get("pos_embed", 0)
        assert torch.allclose(norm(stream), run["ln_final"], atol=ATOL)


def test_one_head_is_written_at_an_index(model, tokens):
    site = "blocks.1.attn.z"
    with torch.no_grad():
        clean = model.run(tokens, read=site)[site]
        run = model.run(tokens, read=site, write={site: Write(0.0, at=(0, None, 2))})
    expected = clean.clone()
    expected[0, :, 2] = 0
    assert torch.equal(run[site], expected)


@pytest.mark.parametrize("name", EVERY)
def test_facts(name, models):
    facts = models[name].facts
    assert (facts.n_layers, facts.d_model, facts.n_heads, facts.d_head, facts.d_vocab, facts.context) == (
        3,
        32,
        4,
        8,
        97,
        64,
    )
    assert facts.parameters == sum(p.numel() for p in models[name].module.parameters())
    assert facts.d_mlp == (128 if name == "gpt2" else 48)


def test_scores_are_scaled_and_masked(models, tokens):
    run = run_all(models["llama"], tokens)
    scores = run["blocks.0.attn.scores"]
    assert torch.isneginf(scores[0, 0, 0, 1:]).all()
    first = run["blocks.0.attn.q"][0, 0, 0] @ run["blocks.0.attn.k"][0, 0, 0]  # no rotation at position 0
    assert torch.allclose(scores[0, 0, 0, 0], first / math.sqrt(8), atol=ATOL)
