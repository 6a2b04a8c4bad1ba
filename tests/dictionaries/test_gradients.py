"""The sparse step against float64 autograd of the formula, written here once more and densely."""

from __future__ import annotations

import itertools

import pytest
import torch

from pellucid.dictionaries import CompiledEngine, Convention, TopK, TorchEngine
from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.training.demand import Auxiliary, Demand
from pellucid.dictionaries.training.sparse import sparse_step

ENGINES = [TorchEngine(), CompiledEngine()]
CASES = [
    # n_features, k, rows, d_out, subtract, rank_score, dead latents
    (70, 5, 33, None, "b_dec", "h", 30),
    (70, 5, 33, None, "b_dec", "h_norm", 30),
    (70, 5, 33, None, "none", "h", 0),
    (40, 1, 1, 6, "none", "h", 5),
    (24, 24, 17, 11, "none", "h_norm", 0),  # k = F: more places than positive entries
    (300, 40, 20, None, "b_dec", "h", 290),
]


def drawn(case: tuple, seed: int = 0) -> tuple[TopK, torch.Tensor, torch.Tensor]:
    """A float64 dictionary with random weights, inputs and targets."""
    n_features, k, rows, d_out, subtract, rank, _ = case
    convention = Convention(subtract=subtract, rank_score=rank)
    dictionary = TopK(16, n_features, k, d_out=d_out, convention=convention).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(rows, 16, generator=generator, dtype=torch.float64)
    y = x if d_out is None else torch.randn(rows, d_out, generator=generator, dtype=torch.float64)
    return dictionary, x, y


def dense_loss(dictionary: TopK, x: torch.Tensor, y: torch.Tensor, dead: torch.Tensor) -> torch.Tensor:
    """L + AuxK as in the paper: dense codes, torch.topk, autograd."""
    shifted = x - dictionary.b_dec if dictionary.convention.subtract == "b_dec" else x
    h = shifted @ dictionary.W_enc.T + dictionary.b_enc
    rank = h * dictionary.W_dec.norm(dim=1) if dictionary.convention.rank_score == "h_norm" else h
    chosen = rank.topk(dictionary.k, dim=1).indices
    z = torch.zeros_like(h).scatter(1, chosen, h.gather(1, chosen).relu())
    y_hat = z @ dictionary.W_dec + dictionary.b_dec
    loss = (y_hat - y).square().sum(1).mean()
    if len(dead) == 0:
        return loss
    e = (y - y_hat).detach()
    best = h[:, dead].topk(min(max(1, y.shape[1] // 2), len(dead)), dim=1)
    aux = torch.zeros(len(x), len(dead), dtype=x.dtype).scatter(1, best.indices, best.values.relu())
    spread = (e - e.mean(0)).square().sum()
    return loss if spread == 0 else loss + (e - aux @ dictionary.W_dec[dead]).square().sum() / spread / 32


def buffers(dictionary: TopK) -> Gradients:
    weights = (dictionary.W_enc, dictionary.b_enc, dictionary.W_dec)
    return Gradients(*(torch.full_like(weight, 7.0) for weight in weights))  # old values must vanish


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_equal_autograd_in_float64(engine, case):
    dictionary, x, y = drawn(case)
    dead = torch.arange(case[0] - case[-1], case[0])
    gradients = buffers(dictionary)
    result = sparse_step(dictionary, x, y, Demand(auxiliary=Auxiliary(dead, 1 / 32)), engine, gradients)
    loss = dense_loss(dictionary, x, y, dead)
    weights = [dictionary.W_enc, dictionary.b_enc, dictionary.W_dec, dictionary.b_dec]
    exact = torch.autograd.grad(loss, weights)
    assert result.loss == pytest.approx(float(loss.detach()), rel=1e-13)
    for ours, theirs in zip([*gradients.buffers(), dictionary.b_dec.grad], exact, strict=True):
        # rounding of sums over rows: relative to the largest entry of the gradient
        assert float((ours - theirs).abs().max()) <= 1e-12 * max(1.0, float(theirs.abs().max()))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_auxiliary_gradient_reaches_the_encoder(engine):
    dictionary, x, y = drawn(CASES[0])
    dead = torch.arange(40, 70)
    with_aux, without = buffers(dictionary), buffers(dictionary)
    sparse_step(dictionary, x, y, Demand(auxiliary=Auxiliary(dead, 1 / 32)), engine, with_aux)
    sparse_step(dictionary, x, y, Demand(), engine, without)
    for a, b in zip(with_aux.buffers(), without.buffers(), strict=True):
        assert not torch.equal(a[dead], b[dead])
        assert torch.equal(a[:40], b[:40])


def test_auxiliary_without_error_adds_nothing():
    dictionary, _, _ = drawn(CASES[0])
    with torch.no_grad():
        dictionary.b_enc.fill_(-100.0)  # nothing fires: y_hat = b_dec
    x = dictionary.b_dec.detach().expand(8, -1).contiguous()
    gradients = buffers(dictionary)
    result = sparse_step(
        dictionary, x, x, Demand(auxiliary=Auxiliary(torch.arange(5), 1 / 32)), CompiledEngine(), gradients
    )
    assert result.loss == 0
    assert all(not buffer.any() for buffer in gradients.buffers())


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_selected_zeros_neither_fire_nor_learn(engine):
    dictionary, x, y = drawn(CASES[4])
    gradients = buffers(dictionary)
    result = sparse_step(dictionary, x, y, Demand(), engine, gradients)
    silent = result.fires == 0
    h = x @ dictionary.W_enc.T + dictionary.b_enc
    assert torch.equal(result.fires, (h > 0).sum(0))
    assert not gradients.encoder[silent].any()
    assert not gradients.decoder[silent].any()


def test_threads_do_not_change_a_bit(monkeypatch):
    dictionary, x, y = drawn(CASES[0])
    engine = CompiledEngine()
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        gradients = buffers(dictionary)
        sparse_step(
            dictionary, x, y, Demand(auxiliary=Auxiliary(torch.arange(40, 70), 1 / 32)), engine, gradients
        )
        results.append([*gradients.buffers(), dictionary.b_dec.grad.clone()])
    for one, other in itertools.combinations(results, 2):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_engines_agree_in_float32():
    dictionary, x, _ = drawn(CASES[0])
    dictionary, x = dictionary.float(), x.float()
    pair = [buffers(dictionary), buffers(dictionary)]
    losses = [
        sparse_step(dictionary, x, x, Demand(), engine, gradients).loss
        for engine, gradients in zip(ENGINES, pair, strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for a, b in zip(pair[0].buffers(), pair[1].buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(a.abs().max()))
