"""Sets of codes whose size is not fixed by the row: all above a threshold, and the best of a whole batch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.dictionaries import Codes, CompiledEngine, TorchEngine
from pellucid.dictionaries.engines import reference
from pellucid.dictionaries.engines.compiled import tile_rows
from pellucid.dictionaries.engines.selection import Hits, first_of_top

ENGINES = [TorchEngine(), CompiledEngine()]
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
FEW = st.integers(-2, 3)  # few values: many ties, many zeros, rows without a positive


def drawn_rows(data: st.DataObject) -> torch.Tensor:
    width = data.draw(st.integers(1, 70))
    rows = data.draw(st.lists(st.lists(FEW, min_size=width, max_size=width), min_size=1, max_size=6))
    return torch.tensor(rows, dtype=torch.float32)


def identity(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, encoder and bias with these pre-activations."""
    width = scores.shape[1]
    return scores, torch.eye(width), torch.zeros(width)


def hits(codes: Codes) -> dict[tuple[int, int], float]:
    """(row, latent) -> value of every used place; no latent twice in a row."""
    pairs = [
        ((row, int(codes.indices[row, j])), float(codes.values[row, j]))
        for row, j in (codes.values != 0).nonzero().tolist()
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def best_of_batch(scores: list[list[float]], count: int) -> dict[tuple[int, int], float]:
    """The larger value first, then the smaller row, then the smaller index; only positive values."""
    every = [(-v, r, i) for r, line in enumerate(scores) for i, v in enumerate(line) if v > 0]
    return {(r, i): -v for v, r, i in sorted(every)[:count]}


def world(n_rows: int, n_features: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_rows, 5, generator=generator)
    encoder = torch.randn(n_features, 5, generator=generator)
    return x, encoder, torch.randn(n_features, generator=generator) - 0.5


@each_engine
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_above_is_the_brute_force_set(engine, data):
    scores = drawn_rows(data)
    width = scores.shape[1]
    thresholds = torch.tensor(data.draw(st.lists(FEW, min_size=width, max_size=width)), dtype=torch.float32)
    codes = engine.above(*identity(scores), thresholds)
    least = thresholds.clamp_min(0).tolist()
    expected = {
        (row, i): value
        for row, line in enumerate(scores.tolist())
        for i, value in enumerate(line)
        if value > least[i]
    }
    assert hits(codes) == expected
    fullest = max(sum(row == at for at, _ in expected) for row in range(len(scores)))
    assert codes.indices.shape == codes.values.shape == (len(scores), max(1, fullest))


@each_engine
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_batch_top_is_the_brute_force_set_with_exact_ties(engine, data):
    scores = drawn_rows(data)
    k = data.draw(st.integers(1, scores.shape[1]))
    codes = engine.batch_top(*identity(scores), k)
    assert hits(codes) == best_of_batch(scores.tolist(), k * len(scores))


@each_engine
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_weights_rank_the_batch_but_do_not_scale(engine, data):
    scores = drawn_rows(data)
    width = scores.shape[1]
    powers = data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=width, max_size=width))
    k = data.draw(st.integers(1, width))
    codes = engine.batch_top(*identity(scores), k, torch.tensor(powers))
    ranked = best_of_batch((scores * torch.tensor(powers)).tolist(), k * len(scores))
    assert hits(codes) == {place: float(scores[place]) for place in ranked}


@pytest.mark.parametrize("n_rows", [1, 127, 700])
@pytest.mark.parametrize("n_features", [1, 31, 33, 300, 1500, 5000])
def test_engines_agree_with_float64_whatever_the_tile(n_rows, n_features):
    """Between 5 and 5000 numbers of float32: engines may differ only where float32 itself cannot tell."""
    x, encoder, bias = world(n_rows, n_features)
    exact = x.double() @ encoder.double().T + bias.double()
    thresholds = torch.rand(n_features, generator=torch.Generator().manual_seed(1))
    near = (exact - thresholds).abs() < 1e-5  # 40 ulp of the largest sums
    for engine in ENGINES:
        dense = engine.above(x, encoder, bias, thresholds).dense()
        expected = torch.where(exact > thresholds, exact, 0.0)
        assert float((dense - expected)[~near].abs().max()) < 1e-5
    k = max(1, n_features // 50)
    codes = [engine.batch_top(x, encoder, bias, k) for engine in ENGINES]
    least = exact.relu().flatten().topk(k * n_rows).values[-1]
    far = (exact - least).abs() > 1e-5
    for found in codes:
        assert torch.equal((found.dense() > 0)[far], ((exact >= least) & (exact > 0))[far])
        assert int((found.values > 0).sum()) == min(k * n_rows, int((exact > 0).sum()))


@each_engine
def test_nothing_is_above_nan_and_nan_is_above_nothing(engine):
    scores = torch.tensor([[math.nan, 1.0, math.inf], [2.0, math.nan, -math.inf]])
    for row in scores:
        world = (torch.zeros(2, 1), torch.ones(3, 1), row)
        expected = {(r, i): v for r in range(2) for i, v in enumerate(row.tolist()) if v > 0}
        assert hits(engine.above(*world, torch.zeros(3))) == expected
        assert hits(engine.batch_top(*world, 3)) == expected
        assert hits(engine.above(*world, torch.full((3,), math.nan))) == {}


@each_engine
def test_thresholds_are_exceeded_strictly_and_negative_ones_act_as_zero(engine):
    scores = torch.tensor([[0.5, 0.5, -0.5, 0.0, 1.0]])
    thresholds = torch.tensor([0.5, 0.25, -1.0, -1.0, math.inf])
    assert hits(engine.above(*identity(scores), thresholds)) == {(0, 1): 0.5}


@each_engine
def test_fewer_positives_than_asked_are_all_kept(engine):
    scores = torch.tensor([[-1.0, 0.0, 2.0], [-3.0, -1.0, -1.0]])
    codes = engine.batch_top(*identity(scores), 3)
    assert hits(codes) == {(0, 2): 2.0}
    assert codes.fires().tolist() == [0, 0, 1]


@each_engine
def test_without_a_hit_there_is_one_unused_place(engine):
    scores = -torch.ones(4, 3)
    for codes in (engine.above(*identity(scores), torch.zeros(3)), engine.batch_top(*identity(scores), 2)):
        assert codes.indices.tolist() == [[0]] * 4
        assert not codes.values.any()


@each_engine
def test_one_row_is_select(engine):
    x, encoder, bias = world(1, 400)
    top = engine.batch_top(x, encoder, bias, 20)
    assert torch.equal(top.dense(), engine.select(x, encoder, bias, 20).dense())


@each_engine
def test_every_latent_of_every_row_may_be_active(engine):
    x, encoder, bias = world(20, 40)
    full = engine.batch_top(x, encoder, bias, 40).dense()
    assert torch.equal(full, engine.above(x, encoder, bias, torch.zeros(40)).dense())
    assert torch.equal(full, engine.select(x, encoder, bias, 40).dense())


@each_engine
def test_hits_of_a_row_come_in_order_of_index(engine):
    x, encoder, bias = world(9, 200)
    for codes in (engine.above(x, encoder, bias, torch.zeros(200)), engine.batch_top(x, encoder, bias, 7)):
        used = codes.values > 0
        later = codes.indices[:, 1:] > codes.indices[:, :-1]
        assert bool((later | ~used[:, 1:]).all())
        assert bool((used[:, :-1] | ~used[:, 1:]).all())  # unused places last


@each_engine
def test_ties_across_tiles_go_to_the_earlier_rows(engine, monkeypatch):
    """All scores equal: the first k * batch of them, whatever the tiles, though every tile reaches the bound."""
    monkeypatch.setattr(reference, "ROWS", 100)
    n_features = 5000
    n = 3 * tile_rows(n_features, 4) + 17
    x, encoder, bias = torch.ones(n, 1), torch.ones(n_features, 1), torch.zeros(n_features)
    codes = engine.batch_top(x, encoder, bias, 30)
    counts = (codes.values > 0).sum(1)
    whole, rest = divmod(30 * n, n_features)
    assert counts.tolist() == [n_features] * whole + [rest] + [0] * (n - whole - 1)
    assert codes.indices[whole, :rest].tolist() == list(range(rest))


@each_engine
def test_the_best_may_lie_in_the_last_rows(engine):
    """Each row outdoes the one before, so that every tile displaces all that was held."""
    n = 5 * tile_rows(2048, 4)
    x = torch.arange(1.0, n + 1).unsqueeze(1)
    codes = engine.batch_top(x, torch.ones(2048, 1), torch.zeros(2048), 16)
    counts = (codes.values > 0).sum(1)
    whole = 16 * n // 2048
    assert counts.tolist() == [0] * (n - whole) + [2048] * whole


def test_threads_do_not_change_a_set(monkeypatch):
    x, encoder, bias = world(700, 1500)
    engine, found = CompiledEngine(), []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        sets = engine.above(x, encoder, bias, torch.ones(1500)), engine.batch_top(x, encoder, bias, 9)
        found.append([part for codes in sets for part in (codes.indices, codes.values)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_float64_stays_float64():
    x, encoder, bias = (part.double() for part in world(50, 90))
    for engine in ENGINES:
        assert engine.above(x, encoder, bias, torch.zeros_like(bias)).values.dtype == torch.float64
        assert engine.batch_top(x, encoder, bias, 3).values.dtype == torch.float64


def test_packing_keeps_rows_apart():
    hits = Hits(torch.tensor([1, 1, 3]), torch.tensor([5, 6, 0]), torch.tensor([1.0, 2.0, 3.0]))
    codes = hits.packed(4, 8)
    assert codes.indices.tolist() == [[0, 0], [5, 6], [0, 0], [0, 0]]
    assert codes.values.tolist() == [[0, 0], [1, 2], [0, 0], [3, 0]]


def test_the_first_of_equals_are_kept():
    assert first_of_top(torch.tensor([1.0, 3.0, 1.0, 1.0]), 2).tolist() == [0, 1]
    assert first_of_top(torch.tensor([1.0, 3.0]), 7).tolist() == [0, 1]
