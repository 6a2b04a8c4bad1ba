"""One TopK training step on a GPU: our kernels beside dense autograd, in time and in peak memory.

Each case runs in a process of its own on the same activations: unit directions, a few of them in each row,
with noise. Dense autograd is what most trainers do: scores and codes of all latents are held, torch.topk and
scatter select, and every product is dense. The median time of the steps after a warm-up is compared.

    python benchmarks/bench_gpu.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HERE = Path(__file__).resolve()
CASES = ("kernels, products of bfloat16", "kernels", "dense, products of bfloat16", "dense")


def activations(a: argparse.Namespace) -> Tensor:
    """One batch: 16 of 1,024 directions in each row, and noise, of mean squared norm d."""
    generator = torch.Generator("cuda").manual_seed(1)
    on_gpu = {"generator": generator, "device": "cuda"}
    directions = torch.nn.functional.normalize(torch.randn(1024, a.d, **on_gpu), dim=1)
    picked = torch.rand(a.batch, 1024, **on_gpu) < 16 / 1024
    codes = torch.where(picked, 1 + torch.rand(a.batch, 1024, **on_gpu), 0.0)
    rows = codes @ directions + 0.02 * torch.randn(a.batch, a.d, **on_gpu)
    return rows * (a.d / rows.square().sum(1).mean()).sqrt()


def weights_of(a: argparse.Namespace) -> list[Tensor]:
    """Encoder, its bias, decoder, its bias."""
    generator = torch.Generator("cuda").manual_seed(2)
    decoder = torch.randn(a.features, a.d, generator=generator, device="cuda")
    decoder = torch.nn.functional.normalize(decoder, dim=1)
    biases = torch.zeros(a.features, device="cuda"), torch.zeros(a.d, device="cuda")
    return [part.requires_grad_() for part in (decoder.clone(), biases[0], decoder, biases[1])]


def ours(a: argparse.Namespace, product: torch.dtype | None) -> Callable[[Tensor], float]:
    """Select, decode, differentiate and update with the Triton engine."""
    from pellucid.dictionaries.engines.gradients import Gradients
    from pellucid.dictionaries.engines.triton_engine import TritonEngine

    engine, weights = TritonEngine(product), weights_of(a)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    encoder, b_enc, decoder, b_dec = weights
    gradients = Gradients(encoder.grad, b_enc.grad, decoder.grad)
    optimiser = torch.optim.Adam(weights, lr=1e-4, fused=True)

    @torch.no_grad()
    def step(x: Tensor) -> float:
        codes = engine.select(x, encoder, b_enc, a.k)
        error, slopes = engine.errors(codes, decoder, b_dec, x)
        engine.accumulate(codes, slopes, x, error, 2 / len(x), gradients)
        b_dec.grad.copy_(error.sum(0) * (2 / len(x)))
        optimiser.step()
        return float(error.square().sum(1).mean())

    return step


def dense(a: argparse.Namespace, product: torch.dtype | None) -> Callable[[Tensor], float]:
    """The same with dense codes and autograd."""
    weights = weights_of(a)
    encoder, b_enc, decoder, b_dec = weights
    optimiser = torch.optim.Adam(weights, lr=1e-4, fused=True)

    def step(x: Tensor) -> float:
        with torch.autocast("cuda", dtype=product, enabled=product is not None):
            h = x @ encoder.T + b_enc
            best = h.topk(a.k, dim=1, sorted=False)
            z = torch.zeros_like(h).scatter(1, best.indices, best.values.relu())
            loss = (z @ decoder + b_dec - x).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss)

    return step


def measured(a: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds of a step, and peak memory beyond weights, their gradients and moments."""
    make = ours if a.one.startswith("kernels") else dense
    step = make(a, torch.bfloat16 if "bfloat16" in a.one else None)
    x, times, loss = activations(a), [], 0.0
    torch.cuda.reset_peak_memory_stats()
    for _ in range(a.steps):
        torch.cuda.synchronize()
        began = time.perf_counter()
        loss = step(x)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    kept = 4 * 4 * (2 * a.features * a.d + a.features + a.d)
    beyond = torch.cuda.max_memory_allocated() - kept - x.numel() * x.element_size()
    median = statistics.median(times[a.skip :])
    return {"milliseconds": 1e3 * median, "beyond_mb": beyond / 2**20, "loss": loss}


def in_own_process(case: str, arguments: list[str]) -> dict[str, Any]:
    """One case's result, or the last line of what went wrong."""
    command = [sys.executable, str(HERE), "--one", case, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(lines[0][7:]) if lines else {"error": done.stderr.strip().splitlines()[-1:]}


def compare(a: argparse.Namespace, arguments: list[str]) -> None:
    """All cases in turn, printed as they end; each dense one beside ours of the same precision."""
    print(f"{torch.cuda.get_device_name()}: d {a.d}, F {a.features:,}, k {a.k}, batch {a.batch}", flush=True)
    results = {case: in_own_process(case, arguments) for case in CASES}
    for case, result in results.items():
        if "error" in result:
            print(f"  {case:30} {result['error']}")
            continue
        mine = results[case.replace("dense", "kernels")]
        ratio = "" if "error" in mine else f"ours {result['milliseconds'] / mine['milliseconds']:.2f}x"
        speed = f"{result['milliseconds']:8.1f} ms a step"
        print(f"  {case:30} {speed} {result['beyond_mb']:9,.0f} MB  loss {result['loss']:.4g}  {ratio}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"d": 4096, "features": 131_072, "k": 64, "batch": 4096, "steps": 24, "skip": 4}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: the kernels' speed cannot be measured here")
    elif a.one:
        print("RESULT " + json.dumps(measured(a)))
    else:
        compare(a, [f"--{name}={getattr(a, name)}" for name in sizes])


if __name__ == "__main__":
    main()
