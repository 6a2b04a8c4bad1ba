"""The metric of the output, from gradients of sampled predictions: its expectation, its step, its training."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import TrainConfig, train
from pellucid.dictionaries.training.fisher import Fisher, score_name, scores_of
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.sources import brought_to_width, source_of

EARLY, LATE = "blocks.0.resid_post", "blocks.1.resid_post"
CONFIG = TrainConfig(n_features=20, k=3, steps=8, batch=20, lr=1e-3, site=EARLY, objective=Fisher(samples=3))


def exact_model(norm: str = "layer", scale: float = 0.7):
    model = small_model(norm=norm, scale=scale)
    model.module.double()
    return model


def text(rows: int = 2) -> torch.Tensor:
    return torch.randint(0, 12, (rows, 4), generator=torch.Generator().manual_seed(3))


def mean_form(model, tokens: torch.Tensor, site: str, seed: int) -> torch.Tensor:
    """Mean of g g^T over 20,000 draws for every position: each sequence 5,000 times in the batch."""
    many = tokens.repeat_interleave(5000, 0)
    g = scores_of(model, many, [site], 4, seed)[1][site].unflatten(0, (len(tokens), 5000))
    return torch.einsum("bnprd,bnpre->bpde", g, g) / (g.shape[1] * g.shape[3])


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_the_scores_average_to_the_fisher_information(norm):
    """At the last residual: J^T (diag p - p p^T) J, J the Jacobian of the logits."""
    model, tokens = exact_model(norm), text()
    forms = mean_form(model, tokens, LATE, seed=0)
    stream = model.run(tokens, read=LATE)[LATE].detach()
    for row, position in ((0, 0), (1, 3)):

        def logits(x: torch.Tensor) -> torch.Tensor:
            return model.module.unembed(model.module.norm(x))

        jacobian = torch.autograd.functional.jacobian(logits, stream[row, position])
        p = logits(stream[row, position]).softmax(-1).detach()
        exact = jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian
        sampled = forms[row, position]
        # 20,000 draws: a standard error of about 1/140 of the largest entry, times four
        assert float((sampled - exact).abs().max()) < 0.03 * float(exact.abs().max())


def test_later_positions_count():
    """KL of a whole sequence when one position moves by d: d^T E[g g^T] d / 2 to second order."""
    model, tokens = exact_model(scale=1.5), text(1)
    form = mean_form(model, tokens, EARLY, seed=1)[0, 1]
    delta = torch.randn(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    delta *= (2e-5 / float(delta @ form @ delta)) ** 0.5

    def moved(activation: torch.Tensor) -> torch.Tensor:
        activation[:, 1] += delta
        return activation

    clean = model.run(tokens).output.log_softmax(-1)
    after = model.run(tokens, write={EARLY: moved}).output.log_softmax(-1)
    each = (clean.exp() * (clean - after)).sum(-1)[0].detach()
    assert float(each[2:].sum()) > 0.02 * float(each.sum())  # attention carries it on
    assert float(each.sum()) == pytest.approx(1e-5, rel=0.05)


def test_equal_seeds_draw_equal_scores():
    model, tokens = exact_model(), text()
    first, again, other = (scores_of(model, tokens, [EARLY], 2, seed)[1][EARLY] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_scores_are_brought_to_the_width():
    g = torch.randn(50, 2, 8, generator=torch.Generator().manual_seed(0)) * 7
    assert float(brought_to_width(g).square().sum(-1).mean()) == pytest.approx(8, rel=1e-5)
    assert torch.equal(brought_to_width(torch.zeros(3, 1, 4)), torch.zeros(3, 1, 4))


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_the_step_has_the_gradient_of_the_weighed_error(tokens, variant):
    """E [(1 - alpha)/R sum_r (g_r . e)^2 + alpha |e|^2], written out and differentiated in float32."""
    price = {"sparsity": 0.02, "sparsity_warmup": 0.0} if variant == "relu" else {}
    config = dataclasses.replace(CONFIG, variant=variant, **price)
    source = source_of((small_model(), tokens), [config])
    learner = Learner(source, config)
    rows = next(source.batches([EARLY], 20, 0, 0))
    result = config.objective.step(learner, rows, learner.demand())
    x, _ = learner.scaled(rows)
    dictionary = learner.dictionary
    z = dictionary.activate(dictionary.linear(dictionary.shifted(x)))
    error = z @ dictionary.W_dec + dictionary.b_dec - x
    felt = torch.einsum("brd,bd->br", rows[score_name(EARLY)], error).square().mean(1)
    loss = (0.9 * felt + 0.1 * error.square().sum(1)).mean() + config.pressure(0) * z.sum(1).mean()
    assert result.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, parameter in dictionary.named_parameters():
        exact = torch.autograd.grad(loss, parameter, retain_graph=True)[0]
        torch.testing.assert_close(
            parameter.grad, exact, rtol=1e-4, atol=1e-4 * float(exact.abs().max()), msg=name
        )


def test_with_the_plain_share_alone_it_is_local_training(tokens):
    plain = dataclasses.replace(CONFIG, objective=Fisher(isotropic=1.0))
    local = dataclasses.replace(CONFIG, objective=TrainConfig(n_features=1, k=1).objective)
    a, b = (train((small_model(), tokens), config) for config in (plain, local))
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5)


def test_training_never_runs_the_model_again(tokens):
    model, calls = small_model(), []
    model.module.register_forward_pre_hook(lambda *_: calls.append(1))
    train((model, tokens), CONFIG)
    assert len(calls) == 1
