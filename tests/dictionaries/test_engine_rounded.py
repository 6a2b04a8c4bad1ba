"""The search among bfloat16 scores: its bound holds, and what it finds is what scoring everything finds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.dictionaries import Codes, CompiledEngine, TorchEngine
from pellucid.dictionaries.engines import compiled, rounded
from pellucid.dictionaries.engines.compiled import suggested
from pellucid.dictionaries.engines.rounded_kernels import score_hits
from pellucid.dictionaries.engines.selection import first_of_top, top_indices

ENGINE = CompiledEngine()
Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(autouse=True)
def always_searched(monkeypatch):
    monkeypatch.setattr(compiled, "pays", lambda *parts: True)


def drawn(n: int, n_features: int, d: int, seed: int = 0) -> Parts:
    """Norms of rows and latents differ by factors of ten."""
    generator = torch.Generator().manual_seed(seed)
    x, encoder = (torch.randn(m, d, generator=generator) for m in (n, n_features))
    scales = [10 ** torch.rand(m, 1, generator=generator) for m in (n, n_features)]
    return x * scales[0], encoder * scales[1], torch.randn(n_features, generator=generator)


def everything(
    x: torch.Tensor, encoder: torch.Tensor, bias: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """All scores, by the loop that scores what was found."""
    n, n_features = len(x), len(encoder)
    rows = torch.arange(n, dtype=torch.int32).repeat_interleave(n_features)
    indices = torch.arange(n_features, dtype=torch.int32).repeat(n)
    scores = x.new_empty(n * n_features)
    arrays = (rows, indices, x, encoder, bias, weights, scores)
    score_hits(*(array.numpy() for array in arrays), 0, len(scores))
    return scores.view(n, n_features)


def best_of_each(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Whether a score is positive and among the k best of its row."""
    scores = scores.nan_to_num(nan=-1.0, posinf=math.inf, neginf=-math.inf)
    indices = top_indices(scores, k)
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, indices, value=True) & (scores > 0)


def fired(codes: Codes) -> torch.Tensor:
    return codes.dense() > 0


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
@pytest.mark.parametrize("d", [1, 3, 64, 500])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_rounded_score_is_off_by_more_than_the_slack(scale, d, weighted):
    x, encoder, bias = drawn(40, 150, d, seed=d)
    x, encoder = x * scale, encoder / scale
    weights = torch.rand(150, generator=torch.Generator().manual_seed(1)) + 0.5 if weighted else None
    search = rounded.rounded(x, encoder, bias, weights)
    exact = x.double() @ encoder.double().T + bias.double()
    exact = exact if weights is None else exact * weights.double()
    for start, tile in search.tiles():
        part = slice(start, start + len(tile))
        slacks = search.slacks[part].double().unsqueeze(1)
        last = exact[part].abs() + slacks  # what the last rounding takes is relative to what it rounds
        assert bool(((tile.double() - exact[part]).abs() <= slacks + 2**-8 * last).all())
        assert bool((slacks > 1e-4 * exact[part].abs().mean()).all())  # a bound that is worth the test


@pytest.mark.parametrize(
    ("n", "n_features", "d", "k"), [(1, 1, 1, 1), (300, 1300, 20, 7), (40, 300, 33, 300)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_selection_is_that_of_scoring_everything(n, n_features, d, k, weighted):
    x, encoder, bias = drawn(n, n_features, d)
    weights = torch.rand(n_features, generator=torch.Generator().manual_seed(1)) + 0.5
    codes = ENGINE.select(x, encoder, bias, k, weights if weighted else None)
    scores = everything(x, encoder, bias, weights if weighted else torch.ones_like(bias))
    assert torch.equal(fired(codes), best_of_each(scores, k))
    h = everything(x, encoder, bias, torch.ones_like(bias))
    torch.testing.assert_close(codes.dense(), torch.where(fired(codes), h, 0.0), rtol=1e-6, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_scores_that_bfloat16_cannot_tell_apart_are_told_apart(data):
    """Many latents within a few float32 steps of each other, equal ones among them, about zero and far from it."""
    middle = data.draw(st.sampled_from([0.0, 1.0, 3.0, -1.0, 1e-30]))
    width, n = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 4))
    steps = st.lists(st.integers(-3, 3), min_size=width, max_size=width)
    rows = torch.tensor(data.draw(st.lists(steps, min_size=n, max_size=n)))
    scores = (middle + rows * 2.0**-20).float()
    k = data.draw(st.integers(1, width))
    codes = ENGINE.select(scores, torch.eye(width), torch.zeros(width), k)
    assert torch.equal(fired(codes), best_of_each(scores, k))
    assert torch.equal(codes.dense(), torch.where(fired(codes), scores, 0.0))


def test_only_the_last_rounding_may_err():
    """Factors are whole numbers that bfloat16 holds exactly, their products are not: hundreds look equal."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(200, 257, (200, 2), generator=generator).float()
    encoder = torch.randint(0, 257, (500, 2), generator=generator).float()
    bias = torch.zeros(500)
    assert float(rounded.rounded(x, encoder, bias, None).slacks.max()) < 1
    scores = x @ encoder.T  # whole numbers below 2^24: exact
    assert torch.equal(fired(ENGINE.select(x, encoder, bias, 20)), best_of_each(scores, 20))
    bounds = scores[0].clone()
    assert torch.equal(fired(ENGINE.above(x, encoder, bias, bounds)), scores > bounds)
    ours, theirs = (engine.batch_top(x, encoder, bias, 20) for engine in (ENGINE, TorchEngine()))
    assert torch.equal(ours.dense(), theirs.dense())


def test_rows_with_few_positive_scores_keep_all_of_them():
    x, encoder, bias = drawn(50, 400, 16)
    for lowered in (bias - 20.0, bias - 200.0, bias - 1e4):
        scores = everything(x, encoder, lowered, torch.ones_like(bias))
        assert torch.equal(fired(ENGINE.select(x, encoder, lowered, 40)), best_of_each(scores, 40))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38])
def test_what_overflows_is_scored_without_a_search(bad):
    x, encoder, bias = drawn(6, 90, 8)
    x[2, 3] = bad
    for poisoned in (bias, bias.index_fill(0, torch.tensor([5]), bad)):
        scores = everything(x, encoder, poisoned, torch.ones_like(bias))
        assert torch.equal(fired(ENGINE.select(x, encoder, poisoned, 9)), best_of_each(scores, 9))
        assert torch.equal(fired(ENGINE.above(x, encoder, poisoned, bias.abs())), scores > bias.abs())


@pytest.mark.parametrize("weighted", [False, True])
def test_sets_are_those_of_scoring_everything(weighted):
    x, encoder, bias = drawn(700, 1100, 24)
    weights = torch.rand(1100, generator=torch.Generator().manual_seed(1)) + 0.5
    h = everything(x, encoder, bias, torch.ones_like(bias))
    thresholds = 10 * bias  # about half of them below 0
    above = ENGINE.above(x, encoder, bias, thresholds)
    assert torch.equal(fired(above), h > thresholds.clamp_min(0))
    # sums of 24 numbers of at most about 300, perhaps in another order
    torch.testing.assert_close(above.dense(), torch.where(fired(above), h, 0.0), rtol=1e-6, atol=1e-4)
    scores = everything(x, encoder, bias, weights) if weighted else h
    expected = torch.zeros(scores.numel(), dtype=torch.bool)
    expected[first_of_top(scores.flatten(), 5 * 700)] = True
    top = ENGINE.batch_top(x, encoder, bias, 5, weights if weighted else None)
    assert torch.equal(fired(top), expected.view_as(scores))


@pytest.mark.parametrize("searched", [False, True])
def test_a_bound_that_too_few_exceed_is_given_up(searched, monkeypatch):
    """Every 7th row, those that the bound is taken from, has much larger scores than all others."""
    monkeypatch.setattr(compiled, "pays", lambda *parts: searched)
    x, encoder, bias = drawn(7 * compiled.LEAST_ROWS, 60, 12)
    x[::7] *= 1e3
    asked = 3 * len(x)
    bound = suggested(x, encoder, bias, asked, None)
    assert int((x @ encoder.T + bias > bound).sum()) < asked
    ours, theirs = (engine.batch_top(x, encoder, bias, 3) for engine in (ENGINE, TorchEngine()))
    assert torch.equal(fired(ours), fired(theirs))
    assert int(fired(ours).sum()) == asked


def test_a_bound_comes_from_the_rows_and_is_exceeded_by_enough():
    x, encoder, bias = drawn(1000, 300, 12)
    bound = suggested(x, encoder, bias, 4000, None)
    scores = x @ encoder.T + bias
    assert 4000 <= int((scores > bound).sum()) <= 8000
    assert suggested(x[:100], encoder, bias, 400, None) == 0.0
    assert suggested(x, encoder, bias - 1e4, 4000, None) == 0.0


def test_threads_do_not_change_a_bit(monkeypatch):
    x, encoder, bias = drawn(600, 1100, 24)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        sets = (ENGINE.select(x, encoder, bias, 9), ENGINE.above(x, encoder, bias, 9 * bias.abs()))
        sets = (*sets, ENGINE.batch_top(x, encoder, bias, 4))
        found.append([part for codes in sets for part in (codes.indices, codes.values)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_the_search_is_taken_where_it_pays(monkeypatch):
    monkeypatch.setattr(rounded, "processor_is_fast", lambda: True)
    x, encoder = torch.zeros(256, 64), torch.zeros(1024, 64)
    assert rounded.pays(x, encoder)
    assert not rounded.pays(x.double(), encoder.double())
    assert not rounded.pays(x[:255], encoder)
    assert not rounded.pays(x, encoder[:1023])
    assert not rounded.pays(x[:, :63], encoder[:, :63])
    monkeypatch.setattr(rounded, "processor_is_fast", lambda: False)
    assert not rounded.pays(x, encoder)


def test_the_processor_is_asked():
    assert rounded.processor_is_fast() == bool(torch.cpu.get_capabilities().get("amx_bf16", False))
