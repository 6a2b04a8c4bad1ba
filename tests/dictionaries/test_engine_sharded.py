"""Latents divided among 1, 2 and 4 processes give the sets, errors and gradients of one."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pellucid.dictionaries import Codes, CompiledEngine, TorchEngine
from pellucid.dictionaries.engines.gradients import Gradients
from pellucid.dictionaries.engines.sharded import ShardedEngine

ENGINES = [TorchEngine(), CompiledEngine()]
N, F, D, K = 40, 120, 6, 5


class Threads:
    """Ranks that are threads of this process."""

    def __init__(self, rank: int, barrier: threading.Barrier, board: dict[int, torch.Tensor]) -> None:
        self.rank, self.barrier, self.board = rank, barrier, board

    def gathered(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        self.board[self.rank] = tensor
        self.barrier.wait()
        parts = [self.board[rank] for rank in range(self.barrier.parties)]
        self.barrier.wait()
        return parts

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.stack(self.gathered(tensor)).sum(0)


def on_ranks(count: int, work) -> list:
    """What `work(ranks, slice of the latents)` gives on each rank."""
    barrier, board = threading.Barrier(count, timeout=60), {}
    parts = [slice(rank * F // count, (rank + 1) * F // count) for rank in range(count)]
    with ThreadPoolExecutor(count) as pool:
        done = [pool.submit(work, Threads(rank, barrier, board), part) for rank, part in enumerate(parts)]
        return [future.result() for future in done]


def drawn(tied: bool) -> list[torch.Tensor]:
    """x, W_enc, b_enc, weights, W_dec, b_dec, y; with ties the scores are small whole numbers."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(N, D), (F, D), (F,), (F,), (F, 7), (7,), (N, 7)]
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    if tied:
        drawn = [part.round() for part in drawn]
    drawn[3] = drawn[3].abs() + 1
    return drawn


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", ["select", "select weighted", "batch_top", "batch_top weighted", "above"])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_sets_are_those_of_one_process(engine, kind, tied, count):
    x, encoder, bias, weights, *_ = drawn(tied)
    name, weighted = kind.split()[0], "weighted" in kind

    def found(with_engine, part: slice) -> Codes:
        find = getattr(with_engine, name)
        if name == "above":
            return find(x, encoder[part], bias[part], weights[part])
        return find(x, encoder[part], bias[part], K, weights[part] if weighted else None)

    whole = found(engine, slice(0, F)).dense()
    parts = on_ranks(count, lambda ranks, part: found(ShardedEngine(engine, ranks), part).dense())
    assert torch.equal(torch.cat(parts, 1) > 0, whole > 0)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)


def test_more_codes_than_a_process_has_latents():
    x, encoder, bias, *_ = drawn(tied=False)
    engine = TorchEngine()
    whole = engine.select(x, encoder, bias, 50).dense()
    parts = on_ranks(4, lambda r, p: ShardedEngine(engine, r).select(x, encoder[p], bias[p], 50).dense())
    assert torch.equal(torch.cat(parts, 1) > 0, whole > 0)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_errors_and_gradients_are_those_of_one_process(engine, count):
    x, encoder, bias, _, decoder, b_dec, y = drawn(tied=False)

    def step(with_engine, part: slice) -> list[torch.Tensor]:
        weights = encoder[part].contiguous(), bias[part].contiguous(), decoder[part].contiguous()
        codes = with_engine.select(x, weights[0], weights[1], K)
        error, slopes = with_engine.errors(codes, weights[2], b_dec, y)
        gradients = Gradients(*(torch.empty_like(weight) for weight in weights))
        with_engine.accumulate(codes, slopes, x, error, 0.1, gradients)
        return [error, *gradients.buffers()]

    whole = step(engine, slice(0, F))
    parts = on_ranks(count, lambda ranks, part: step(ShardedEngine(engine, ranks), part))
    for error, *_ in parts:  # the order of the sum over processes is another one
        torch.testing.assert_close(error, whole[0], rtol=1e-12, atol=1e-12)
    for place in (1, 2, 3):
        torch.testing.assert_close(torch.cat([p[place] for p in parts]), whole[place], rtol=1e-11, atol=1e-11)


# two processes of gloo, each with half of the latents, beside one with all
SCRIPT = """
import sys, torch, torch.distributed as dist
from pellucid.dictionaries import TorchEngine
from pellucid.dictionaries.engines.sharded import ProcessGroup, ShardedEngine
rank = int(sys.argv[1])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
g = torch.Generator().manual_seed(0)
x, W, b = (torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((30, 6), (80, 6), (80,)))
part = slice(40 * rank, 40 * rank + 40)
engine = ShardedEngine(TorchEngine(), ProcessGroup())
for name in ("select", "batch_top"):
    whole = getattr(TorchEngine(), name)(x, W, b, 5)
    mine = getattr(engine, name)(x, W[part], b[part], 5)
    assert torch.equal(mine.dense() > 0, whole.dense()[:, part] > 0)
    error, _ = engine.errors(mine, W[part], torch.zeros(6, dtype=x.dtype), x)
    torch.testing.assert_close(error, whole.dense() @ W - x, rtol=1e-12, atol=1e-12)
dist.destroy_process_group()
"""


def test_processes_of_gloo_agree(tmp_path):
    command = [sys.executable, "-c", SCRIPT]
    running = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
