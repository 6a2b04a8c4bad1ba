"""Top-k selection: both engines, one tie rule, every awkward shape."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.dictionaries import Codes, CompiledEngine, TorchEngine
from pellucid.dictionaries.engines.compiled import tile_rows
from pellucid.dictionaries.engines.selection import top_indices

ENGINES = [TorchEngine(), CompiledEngine()]


def brute_force(scores: list[float], k: int) -> dict[int, float]:
    """The larger value first, then the smaller index; only positive values are codes."""
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    return {i: scores[i] for i in best if scores[i] > 0}


def selected(codes: Codes, row: int) -> dict[int, float]:
    pairs = zip(codes.indices[row].tolist(), codes.values[row].tolist(), strict=True)
    return {i: value for i, value in pairs if value > 0}


def through(engine, scores: torch.Tensor, k: int, weights=None) -> Codes:
    """Select from given pre-activations: the encoder is the identity."""
    width = scores.shape[1]
    return engine.select(scores, torch.eye(width), torch.zeros(width), k, weights)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_selection_is_the_brute_force_one_with_exact_ties(engine, data):
    width = data.draw(st.integers(1, 40))
    k = data.draw(st.integers(1, width))
    few = st.integers(-2, 3)  # few values: many ties, many zeros, rows without a positive
    rows = data.draw(st.lists(st.lists(few, min_size=width, max_size=width), min_size=1, max_size=6))
    scores = torch.tensor(rows, dtype=torch.float32)
    codes = through(engine, scores, k)
    for row, line in enumerate(scores.tolist()):
        assert selected(codes, row) == brute_force(line, k)


@pytest.mark.parametrize("n_features", [1, 7, 256, 257, 300, 1000, 4097])
@pytest.mark.parametrize("k", [1, 3, 32])
def test_engines_agree_whatever_the_tile(n_features, k):
    k = min(k, n_features)
    generator = torch.Generator().manual_seed(n_features + k)
    x = torch.randn(133, 5, generator=generator)
    encoder = torch.randn(n_features, 5, generator=generator)
    bias = torch.randn(n_features, generator=generator) - 0.5
    slow, fast = (engine.select(x, encoder, bias, k) for engine in ENGINES)
    torch.testing.assert_close(fast.dense(), slow.dense(), rtol=1e-6, atol=1e-6)
    assert torch.equal(fast.dense() > 0, slow.dense() > 0)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_awkward_rows(engine):
    scores = torch.tensor([[0.0, 0.0, 0.0], [-1.0, -2.0, -3.0], [5.0, 5.0, 5.0], [0.0, 1.0, 0.0]])
    codes = through(engine, scores, 2)
    assert [selected(codes, row) for row in range(4)] == [{}, {}, {0: 5.0, 1: 5.0}, {1: 1.0}]
    assert codes.fires().tolist() == [1, 2, 0]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_every_latent_may_be_active(engine):
    scores = torch.randn(9, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(through(engine, scores, 30).dense(), scores.relu())


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_weights_rank_but_do_not_scale(engine):
    scores = torch.tensor([[3.0, 2.0, 1.0]])
    codes = through(engine, scores, 1, torch.tensor([0.1, 2.0, 1.0]))
    assert selected(codes, 0) == {1: 2.0}


def test_many_candidates_are_cut_to_the_best():
    scores = torch.ones(3, 5000)
    scores[:, 4990:] = 2.0
    codes = through(CompiledEngine(), scores, 16)
    assert sorted(selected(codes, 0)) == [*range(6), *range(4990, 5000)]


def test_indices_come_best_first():
    assert top_indices(torch.tensor([[0.0, 4.0, 2.0, 4.0]]), 3).tolist() == [[1, 3, 2]]


def test_dense_codes_put_values_in_their_place():
    codes = Codes(torch.tensor([[2, 0]]), torch.tensor([[1.5, 0.0]]), 4)
    assert codes.dense().tolist() == [[0.0, 0.0, 1.5, 0.0]]


def test_a_tile_has_rows_whatever_the_width():
    assert tile_rows(2**22, 4) == 128
    assert tile_rows(1024, 4) == 512


def test_loops_compile_where_nothing_can_be_cached(monkeypatch):
    """A read-only installation without a cache folder: numba refuses cache=True when a function is made."""
    from pellucid.dictionaries.engines import kernels

    original = kernels.numba.njit

    def refusing(**options: object):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return original(**options)

    monkeypatch.setattr(kernels.numba, "njit", refusing)
    doubled = kernels.compiled(lambda number: 2 * number)
    assert doubled(21) == 42


def test_importing_the_room_loads_no_compiler():
    code = "import sys, pellucid.dictionaries; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
