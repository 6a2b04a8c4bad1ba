"""The GPU engine: what needs neither a GPU nor triton here; its kernels' laws in processes of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from pellucid.dictionaries import Codes, TorchEngine, engine_for
from pellucid.dictionaries.engines import compiled, triton_engine
from pellucid.dictionaries.engines.triton_engine import TritonEngine, lanes_for, power_above, segments, wide
from pellucid.findings import InputError

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed: pip install triton"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def passes(module: str, **environment: str) -> None:
    """Run the laws of one module in a new process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / module)]
    inherited = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        command, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@needs_triton
def test_laws_hold_in_the_interpreter():
    passes("triton_laws.py", TRITON_INTERPRET="1")


@needs_triton
@needs_gpu
def test_laws_hold_on_the_gpu():
    passes("triton_laws.py")


@needs_triton
def test_kernels_build_for_gpus_that_are_not_here():
    passes("triton_builds.py")


def placed(device: str, dtype: torch.dtype = torch.float32) -> object:
    """What engine_for looks at, of a tensor on a device that is not here."""
    return types.SimpleNamespace(device=types.SimpleNamespace(type=device), dtype=dtype)


@pytest.fixture
def imports(monkeypatch):
    """Say which modules can be imported."""

    def set_to(there: set[str]) -> None:
        for known in (compiled.compiler_is_there, compiled.triton_is_there):
            known.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in there else None)

    yield set_to
    monkeypatch.undo()
    for known in (compiled.compiler_is_there, compiled.triton_is_there):
        known.cache_clear()


def test_the_engine_follows_device_type_and_what_is_installed(imports):
    imports({"triton", "numba"})
    assert engine_for(placed("cuda")).name == "triton"
    assert engine_for(placed("cuda", torch.bfloat16)).name == "triton"
    assert engine_for(placed("cuda", torch.int64)).name == "torch"
    assert engine_for(placed("cpu")).name == "compiled"
    assert engine_for(placed("mps")).name == "torch"


def test_a_gpu_without_triton_warns_once(imports):
    imports({"numba"})
    with pytest.warns(
        UserWarning, match="triton is not installed: dictionaries train on this GPU with torch's"
    ):
        assert engine_for(placed("cuda")).name == "torch"
    assert engine_for(placed("cuda")).name == "torch"  # a second warning would be an error


def test_other_factors_than_halves_are_refused():
    with pytest.raises(InputError) as caught:
        TritonEngine(torch.float64)
    assert caught.value.code == "DI75"
    assert str(caught.value) == (
        "The encoder's product was asked for in torch.float64. "
        "Give torch.bfloat16, torch.float16, or None to take the weights as they are."
    )


def test_the_name_tells_of_rounded_products():
    assert TritonEngine().name == "triton"
    assert TritonEngine(torch.bfloat16).name == "triton, products of bfloat16"


def drawn(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((300, 6), (90, 6), (90,))
    x, encoder, bias = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    return x, encoder, bias


def test_sets_need_no_kernel_and_equal_the_reference(monkeypatch):
    monkeypatch.setattr(triton_engine, "TILE_BYTES", 1)  # three tiles
    x, encoder, bias = drawn()
    thresholds, weights = bias.abs(), 1 + bias.abs()
    for ours, theirs in (
        (engine.above(x, encoder, bias, thresholds) for engine in (TritonEngine(), TorchEngine())),
        (engine.batch_top(x, encoder, bias, 5) for engine in (TritonEngine(), TorchEngine())),
        (engine.batch_top(x, encoder, bias, 5, weights) for engine in (TritonEngine(), TorchEngine())),
    ):
        assert torch.equal(ours.indices, theirs.indices)
        torch.testing.assert_close(ours.values, theirs.values, rtol=1e-6, atol=1e-6)


def test_float64_is_selected_by_torch():
    ours, theirs = (engine.select(*drawn(torch.float64), 7) for engine in (TritonEngine(), TorchEngine()))
    assert torch.equal(ours.indices, theirs.indices)
    assert torch.equal(ours.values, theirs.values)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=str)
def test_products_of_halves_are_summed_in_float32(kind):
    x, encoder, bias = drawn(kind)
    ours = TritonEngine().above(x, encoder, bias, bias)
    theirs = TorchEngine().above(x.float(), encoder.float(), bias.float(), bias.float())
    assert ours.values.dtype == torch.float32
    torch.testing.assert_close(ours.dense(), theirs.dense(), rtol=1e-5, atol=1e-5)
    x, encoder, bias = drawn()
    rounded = TritonEngine(kind).above(x, encoder, bias, bias)
    theirs = TorchEngine().above(x.to(kind).float(), encoder.to(kind).float(), bias, bias)
    torch.testing.assert_close(rounded.dense(), theirs.dense(), rtol=1e-5, atol=1e-5)


def test_segments_hold_the_used_codes_of_a_latent_in_batch_order():
    indices = torch.tensor([[2, 0, 1], [2, 1, 0], [0, 2, 1]], dtype=torch.int32)
    values = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.0, 5.0]])
    starts, places = segments(Codes(indices, values, 4))
    assert starts.tolist() == [0, 1, 2, 5, 5]
    assert places[:5].tolist() == [1, 8, 0, 3, 7]


def test_every_number_of_codes_has_lanes_enough():
    for k in range(1, triton_engine.MOST_LANES + 1):
        assert k <= lanes_for(k) <= triton_engine.MOST_LANES
        assert lanes_for(k) == power_above(lanes_for(k))
    assert lanes_for(triton_engine.MOST_LANES + 1) > triton_engine.MOST_LANES


def test_programs_are_as_wide_as_the_rows_but_not_wider_than_they_may_be():
    assert [wide(width) for width in (1, 16, 17, 1000, 4096)] == [16, 16, 32, 1024, 1024]


def test_importing_the_room_loads_no_triton():
    code = "import sys, pellucid.dictionaries; print('triton' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
