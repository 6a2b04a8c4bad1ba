"""Laws of the GPU engine, on a GPU or in Triton's interpreter; test_triton_engine.py runs them in a process of
their own, because the interpreter is chosen before triton is imported."""

from __future__ import annotations

import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.dictionaries import Codes, TorchEngine
from pellucid.dictionaries.engines import triton_engine
from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.triton_engine import TritonEngine, best_of_rows, lanes_for

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
ENGINE, REFERENCE = TritonEngine(), TorchEngine()


def on_device(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.to(DEVICE) for tensor in tensors]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).to(DEVICE)


def chosen(scores: torch.Tensor, k: int) -> list[list[int]]:
    indices, used = best_of_rows(scores.contiguous().to(DEVICE), k)
    pairs = zip(indices.tolist(), used.tolist(), strict=True)
    return [sorted(i for i, there in zip(*pair, strict=True) if there) for pair in pairs]


def brute_force(scores: torch.Tensor, k: int) -> list[list[int]]:
    """The larger value first, then the smaller index; only positive values; NaN never."""
    every = []
    for line in scores.tolist():
        positive = [i for i, v in enumerate(line) if v > 0]
        every.append(sorted(sorted(positive, key=lambda i: (-line[i], i))[:k]))
    return every


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_selection_is_the_brute_force_one_with_exact_ties(data):
    width = data.draw(st.integers(1, 40))
    k = data.draw(st.integers(1, width))
    few = st.integers(-2, 3)
    rows = data.draw(st.lists(st.lists(few, min_size=width, max_size=width), min_size=1, max_size=4))
    scores = torch.tensor(rows, dtype=torch.float32)
    assert chosen(scores, k) == brute_force(scores, k)


@pytest.mark.parametrize("n_features", [1, 7, 1023, 1025, 5000])
@pytest.mark.parametrize("k", [1, 3, 64, 200])
def test_selection_whatever_the_width(n_features, k):
    k = min(k, n_features)
    scores = normal(3, n_features, seed=n_features + k).cpu()
    assert chosen(scores, k) == brute_force(scores, k)


@pytest.mark.parametrize("k", [1, 5, 300])
def test_more_candidates_than_room_are_ranked_as_a_whole(k):
    """Thousands of equal scores at the boundary, a few above it, in the first and the last lanes."""
    scores = torch.ones(4, 5000)
    scores[0, 4990:] = 2.0
    scores[1, ::2] = math.inf
    scores[2] = torch.arange(5000.0) // 1000
    scores[3, 2500:] = -1.0
    assert chosen(scores, k) == brute_force(scores, k)


def test_nan_and_what_is_not_positive_are_never_selected():
    scores = torch.tensor(
        [[math.nan, -1.0, 0.0, -0.0, 1e-45, math.inf], [math.nan, -math.inf, -1.0, 0, 0, 0]]
    )
    assert chosen(scores, 4) == [[4, 5], []]


def test_more_codes_than_lanes_go_through_torch():
    scores = normal(2, 9000).cpu()
    assert lanes_for(8193) > triton_engine.MOST_LANES
    assert chosen(scores, 8193) == brute_force(scores, 8193)


@pytest.mark.parametrize("weighted", [False, True])
def test_codes_equal_the_reference(weighted, monkeypatch):
    monkeypatch.setattr(triton_engine, "TILE_BYTES", 1)  # several tiles
    x, encoder, bias = normal(130, 6), normal(90, 6, seed=1), normal(90, seed=2)
    weights = normal(90, seed=3).abs() if weighted else None
    ours, theirs = (engine.select(x, encoder, bias, 7, weights) for engine in (ENGINE, REFERENCE))
    torch.testing.assert_close(ours.dense(), theirs.dense(), rtol=1e-6, atol=1e-6)
    assert torch.equal(ours.fires(), theirs.fires())


def test_sets_equal_the_reference(monkeypatch):
    monkeypatch.setattr(triton_engine, "TILE_BYTES", 1)
    x, encoder, bias = normal(130, 6), normal(90, 6, seed=1), normal(90, seed=2)
    thresholds, weights = normal(90, seed=3), normal(90, seed=4).abs()
    for ours, theirs in (
        (engine.above(x, encoder, bias, thresholds) for engine in (ENGINE, REFERENCE)),
        (engine.batch_top(x, encoder, bias, 5) for engine in (ENGINE, REFERENCE)),
        (engine.batch_top(x, encoder, bias, 5, weights) for engine in (ENGINE, REFERENCE)),
    ):
        assert torch.equal(ours.indices, theirs.indices)
        torch.testing.assert_close(ours.values, theirs.values, rtol=1e-6, atol=1e-6)


def drawn_codes(rows: int, k: int, n_features: int, dtype: torch.dtype) -> Codes:
    """k different latents a row, about a third of the places unused."""
    generator = torch.Generator().manual_seed(1)
    picks = [torch.randperm(n_features, generator=generator)[:k] for _ in range(rows)]
    values = normal(rows, k, seed=2, dtype=dtype) + 0.4
    return Codes(torch.stack(picks).int().to(DEVICE), values.clamp_min(0), n_features)


SHAPES = [(33, 5, 70, 16, 24), (4, 24, 24, 1, 40), (3, 1, 9, 1500, 1100), (17, 6, 2, 8, 8)]


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(("rows", "k", "n_features", "d_in", "d_out"), SHAPES)
def test_errors_slopes_and_gradients_in_float64(rows, k, n_features, d_in, d_out, add):
    double = torch.float64
    codes = drawn_codes(rows, min(k, n_features), n_features, double)
    decoder, bias = normal(n_features, d_out, dtype=double), normal(d_out, dtype=double)
    x, y = normal(rows, d_in, seed=3, dtype=double), normal(rows, d_out, seed=4, dtype=double)
    start = [normal(n_features, d_in), normal(n_features), normal(n_features, d_out)]
    results = []
    for engine in (ENGINE, REFERENCE):
        gradients = Gradients(*(part.double().clone() for part in start))
        error, slopes = engine.errors(codes, decoder, bias, y)
        engine.accumulate(codes, slopes, x, error, 0.3, gradients, add=add)
        results.append([error, slopes, *gradients.buffers()])
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == double
        # rounding of sums of at most 1500 terms
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_unused_places_never_read_their_latent():
    codes = Codes(torch.tensor([[1, 0]], dtype=torch.int32), torch.tensor([[2.0, 0.0]]), 2)
    codes = Codes(*on_device(codes.indices, codes.values), 2)
    decoder, bias, y = on_device(torch.tensor([[math.nan], [1.0]]), torch.zeros(1), torch.ones(1, 1))
    error, slopes = ENGINE.errors(codes, decoder, bias, y)
    assert error.tolist() == [[1.0]]
    assert slopes.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=str)
def test_halves_are_summed_in_float32(kind):
    """The same numbers given as float32: products of halves are exact there, so only the order of sums differs."""
    half = [
        normal(40, 64, seed=1),
        normal(90, 64, seed=2) / 8,
        normal(90, seed=3),
        normal(90, 64, seed=4) / 8,
    ]
    x, encoder, bias, decoder = (part.to(kind) for part in half)
    whole = [part.float() for part in (x, encoder, bias, decoder)]
    ours = ENGINE.select(x, encoder, bias, 8)
    theirs = REFERENCE.select(*whole[:3], 8)
    torch.testing.assert_close(ours.dense(), theirs.dense(), rtol=1e-5, atol=1e-5)
    assert ours.values.dtype == torch.float32
    error, slopes = ENGINE.errors(ours, decoder, bias[:64], x)
    exact, along = REFERENCE.errors(ours, whole[3], whole[2][:64], whole[0])
    torch.testing.assert_close(error, exact, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(slopes, along, rtol=1e-4, atol=1e-4)
    gradients = Gradients(torch.ones_like(encoder), torch.ones_like(bias), torch.ones_like(decoder))
    ENGINE.accumulate(ours, slopes, x, error, 0.1, gradients)
    wide = Gradients(*(torch.ones_like(part) for part in whole[1:]))
    REFERENCE.accumulate(ours, slopes, whole[0], error, 0.1, wide)
    for a, b in zip(gradients.buffers(), wide.buffers(), strict=True):
        assert a.dtype == kind
        torch.testing.assert_close(a.float(), b, rtol=1e-2, atol=1e-3)  # the result is rounded to 8 bits


def test_products_of_bfloat16_miss_only_at_the_boundary():
    x, encoder, bias = normal(30, 64), normal(400, 64, seed=1) / 8, normal(400, seed=2) / 4
    ours = TritonEngine(torch.bfloat16).select(x, encoder, bias, 16).dense()
    exact = x.double() @ encoder.double().T + bias.double()
    least = exact.topk(16, dim=1).values[:, -1:]
    # each factor is rounded to 8 bits: 2^-8 of the sum of absolute products bounds the error of h
    slack = (x.abs() @ encoder.abs().T) * 2**-7
    wrong = (ours > 0) != (exact >= least.clamp_min(1e-30))
    assert bool(((exact - least).abs() < 2 * slack)[wrong].all())
    assert float((ours - exact.float()).abs()[ours > 0].max()) < float(slack.max())


def test_the_same_data_give_the_same_bits():
    codes = drawn_codes(24, 6, 8, torch.float32)  # segments of many codes
    x, y, decoder = normal(24, 20), normal(24, 20, seed=1), normal(8, 20, seed=2)
    found = []
    for _ in range(2):
        gradients = Gradients(*(torch.empty_like(part) for part in (decoder, decoder[:, 0].clone(), decoder)))
        error, slopes = ENGINE.errors(codes, decoder, y[0].clone(), y)
        ENGINE.accumulate(codes, slopes, x, error, 1.0, gradients)
        found.append([error, slopes, *gradients.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_codes_of_no_row_give_zero_gradients():
    codes = Codes(
        torch.zeros((3, 1), dtype=torch.int32, device=DEVICE), torch.zeros((3, 1), device=DEVICE), 5
    )
    gradients = Gradients(*(torch.ones(shape, device=DEVICE) for shape in ((5, 2), (5,), (5, 2))))
    ENGINE.accumulate(codes, codes.values, normal(3, 2), normal(3, 2), 1.0, gradients)
    assert not any(buffer.any() for buffer in gradients.buffers())
