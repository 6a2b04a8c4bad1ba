"""Gradients at sites equal finite differences, and frozen terms stop them without changing a value."""

from __future__ import annotations

import pytest
import torch
from model_families import EVERY, random_weights

from pellucid.findings import MissingError
from pellucid.models import Transformer, TransformerConfig, open_model

PER_BLOCK = (
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
)
IN_FLOAT32 = {"llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"}  # transformers' RMS norms are


def accuracy(model):
    """Step of a central difference, as a share of the site's size, and its error: its square + eps / step."""
    return (2e-3, 2e-3) if model.family in IN_FLOAT32 else (1e-5, 1e-6)


@pytest.fixture(params=EVERY)
def exact(request, folders):
    """A model in float64."""
    return open_model(folders[request.param], dtype=torch.float64)


def answer(run):
    return run.output[0, -1, 5] - run.output[1, 7, 9]


def test_gradients_at_all_sites_equal_finite_differences(exact, tokens):
    sites = [f"blocks.1.{site}" for site in PER_BLOCK if f"blocks.1.{site}" in exact.sites]
    sites += ["embed", "ln_final", "logits"]
    step, error = accuracy(exact)
    run = exact.run(tokens, read=sites)
    gradients = torch.autograd.grad(answer(run), [run[site] for site in sites])
    random = torch.Generator().manual_seed(0)
    for site, gradient in zip(sites, gradients, strict=True):
        size = run[site].detach()[run[site].isfinite()].square().mean().sqrt()
        direction = size * torch.randn(gradient.shape, generator=random, dtype=torch.float64)
        with torch.no_grad():
            ends = [
                answer(exact.run(tokens, write={site: lambda x, s=sign, d=direction: x + s * step * d}))
                for sign in (1, -1)
            ]
        difference = (ends[0] - ends[1]) / (2 * step)
        finite = gradient.isfinite()  # masked scores are minus infinity
        assert torch.isclose((gradient * direction)[finite].sum(), difference, rtol=error, atol=error), site


def test_gradients_reach_what_was_written(exact, tokens):
    for site in ("blocks.1.resid_pre", "blocks.1.attn.v", "blocks.2.attn.pattern", "blocks.2.resid_mid"):
        if site not in exact.sites:
            continue
        value = exact.run(tokens, read=site)[site].detach().requires_grad_()
        run = exact.run(tokens, write={site: lambda x, v=value: 0.5 * x * x / x.detach().clamp(min=1e-3) + v})
        (gradient,) = torch.autograd.grad(answer(run), value)
        assert gradient.abs().sum() > 0, site


def test_reading_with_gradients_changes_no_value(exact, tokens):
    with torch.no_grad():
        plain = exact.run(tokens, read="*")
    run = exact.run(tokens, read="*")
    assert torch.equal(run.output, plain.output)
    assert all(torch.equal(run[site], plain[site]) for site in exact.sites)


FROZEN = ("norm_scale", "pattern", "gate")


@pytest.mark.parametrize("terms", [("norm_scale",), ("pattern",), ("gate",), FROZEN])
@pytest.mark.parametrize("name", EVERY)
def test_frozen_terms_keep_every_value(name, terms, models, tokens):
    with torch.no_grad():
        plain = models[name].run(tokens, read="*")
    run = models[name].run(tokens, read="*", frozen=terms)
    assert torch.allclose(run.output, plain.output, atol=1e-6, rtol=1e-6)
    for site in models[name].sites:
        assert torch.allclose(run[site], plain[site], atol=1e-6, rtol=1e-6), site


@pytest.mark.parametrize("mlp", ["swiglu", "bilinear", "relu", "gelu"])
@pytest.mark.parametrize("norm", ["rms", "none"])
def test_with_everything_frozen_and_no_biases_the_output_is_linear_in_the_embedding(norm, mlp, tokens):
    """Then every site is its gradient times the embedding: f(x) = J x."""
    shape = {"d_vocab": 97, "context": 64, "n_layers": 2, "d_model": 16, "n_heads": 2, "d_mlp": 24}
    config = TransformerConfig(**shape, norm=norm, mlp=mlp, positions="rotary", biases=False)
    model = open_model(random_weights(Transformer(config)), dtype=torch.float64)
    bent = not (norm == "none" and mlp == "relu")  # relu alone is its gate times its input anyway
    for frozen, linear in ((FROZEN, True), (("pattern",), not bent)):
        run = model.run(tokens, read=["embed", "ln_final"], frozen=frozen)
        value = run["ln_final"][1, -1, 3]
        (gradient,) = torch.autograd.grad(value, run["embed"])
        assert torch.isclose((gradient * run["embed"]).sum(), value, rtol=1e-9) == linear


@pytest.mark.parametrize("name", EVERY)
def test_no_gradient_passes_through_a_frozen_pattern(name, models, tokens):
    run = models[name].run(tokens, read=["blocks.1.attn.q", "blocks.1.attn.v"], frozen=("pattern",))
    query, value = torch.autograd.grad(
        answer(run), [run["blocks.1.attn.q"], run["blocks.1.attn.v"]], allow_unused=True
    )
    assert query is None or not query.any()
    assert value.abs().sum() > 0


@pytest.mark.parametrize("name", ["llama", "gemma3", "own-rotary", "own-bare"])
def test_no_gradient_passes_through_a_frozen_gate_of_a_gated_mlp(name, models, tokens):
    sites = ["blocks.0.mlp.gate", "blocks.0.mlp.pre"]
    run = models[name].run(tokens, read=sites, frozen=("gate",))
    gate, pre = torch.autograd.grad(answer(run), [run[site] for site in sites], allow_unused=True)
    assert gate is None or not gate.any()
    assert pre.abs().sum() > 0


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "own"])
def test_a_frozen_gate_of_a_plain_mlp_scales_its_input(name, models, tokens):
    run = models[name].run(tokens, read=["blocks.0.mlp.pre", "blocks.0.mlp.post"], frozen=("gate",))
    pre, post = run["blocks.0.mlp.pre"], run["blocks.0.mlp.post"]
    (slope,) = torch.autograd.grad(post.sum(), pre)
    assert torch.allclose(slope * pre, post, atol=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "own", "own-rotary"])
def test_a_norm_with_its_scale_frozen_is_linear(name, models, tokens):
    """For y = A x + b with A constant: x . dy/dx summed is y less the bias."""
    model = models[name]
    site = "blocks.1.resid_mid"
    run = model.run(tokens, read=[site, "blocks.1.mlp_in"], frozen=("norm_scale",))
    (gradient,) = torch.autograd.grad(run["blocks.1.mlp_in"].sum(), run[site])
    norm = next(
        m for p, m in model.module.named_modules() if p == model.family_points["blocks.1.mlp_in"].module
    )
    bias = getattr(norm, "bias", None)
    shift = 0 if bias is None else 2 * 12 * bias.sum()
    assert torch.isclose(
        (gradient * run[site]).sum(), run["blocks.1.mlp_in"].sum() - shift, rtol=1e-4, atol=1e-3
    )


def test_terms_that_do_not_exist_are_named(models, tokens):
    with pytest.raises(MissingError, match=r"No term 'norm' can be frozen.*norm_scale, pattern, gate"):
        models["own"].run(tokens, frozen=("norm",))
    with pytest.raises(MissingError, match="Only transformers have such terms"):
        open_model(torch.nn.Linear(2, 2)).run(torch.ones(1, 2), frozen=("gate",))
