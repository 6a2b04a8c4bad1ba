"""One TopK training step on a CPU: ours beside SAELens and dictionary_learning, ratios per CPU-second.

Each case runs in a process of its own on one thread; all see the same activations: sparse non-negative
combinations of 1,024 hidden directions (chance of each proportional to u^3, 16 at once), noise 0.02, mean
squared norm d. Reported: activations per second of CPU time (median over steps after a warm-up), peak memory
above what was held before training, and the variance unexplained (FVU) on held-out rows after equal steps.

Peers: sh benchmarks/setup_peers.sh sae
Run:   .venv/bin/python benchmarks/bench_topk.py [--shapes 4096,32768] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

HERE = Path(__file__).resolve()
PLACE = HERE.parent.parent / ".venv-peers" / "dictionaries" / "bin" / "python"
PEERS = Path(os.environ.get("PELLUCID_DICTIONARY_PEERS_PYTHON", PLACE))
CASES = {"bound": sys.executable, "pellucid": sys.executable, "saelens": PEERS, "dictionary_learning": PEERS}
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1",
}
N_TRUE, TRUE_L0, HELD_OUT = 1024, 16.0, 8192


def pool(rows: int, d: int, seed: int) -> Tensor:
    """Activations of the hidden world."""
    import torch

    truth = torch.Generator().manual_seed(1234)
    directions = torch.nn.functional.normalize(torch.randn(N_TRUE, d, generator=truth), dim=1)
    chance = torch.rand(N_TRUE, generator=truth) ** 3
    chance = chance / chance.sum() * TRUE_L0
    drawn, parts = torch.Generator().manual_seed(seed), []
    for _ in range(rows // HELD_OUT):
        firing = torch.rand(HELD_OUT, N_TRUE, generator=drawn) < chance
        codes = firing * (1 + torch.rand(HELD_OUT, N_TRUE, generator=drawn))
        parts.append(codes @ directions + 0.02 * torch.randn(HELD_OUT, d, generator=drawn))
    x = torch.cat(parts)
    return x / x.square().sum(1).mean().sqrt() * d**0.5


class Feed:
    """Batches in a circle, with the CPU time at which each was asked for."""

    def __init__(self, rows: Tensor, batch: int) -> None:
        self.rows, self.batch, self.times = rows, batch, [0.0][:0]

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        at = len(self.times) % (len(self.rows) // self.batch) * self.batch
        self.times.append(time.process_time())
        return self.rows[at : at + self.batch]

    def per_cpu_second(self, skip: int) -> float:
        """Activations per second of CPU time."""
        gaps = [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
        return self.batch / statistics.median(gaps[skip:])


def held() -> float:
    """Resident memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """Largest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fvu(x: Tensor, made: Tensor) -> float:
    """Share of variance unexplained."""
    return float((x - made).square().sum() / (x - x.mean(0)).square().sum())


def bound(a: argparse.Namespace) -> dict[str, float]:
    """The encoder's matrix product alone, which every exact step pays."""
    import torch

    x, weights, out = (
        torch.randn(a.batch, a.d),
        torch.randn(a.d, a.features),
        torch.empty(a.batch, a.features),
    )
    times = []
    for _ in range(9):
        began = time.process_time()
        torch.mm(x, weights, out=out)
        times.append(time.process_time() - began)
    return {"per_cpu_second": a.batch / statistics.median(times[2:])}


def pellucid(a: argparse.Namespace) -> dict[str, float]:
    """Our training loop, as users call it."""
    import torch

    from pellucid.dictionaries import TrainConfig
    from pellucid.dictionaries.training.learner import Learner
    from pellucid.dictionaries.training.sources import TensorSource

    rows, test = pool(a.pool, a.d, 1), pool(HELD_OUT, a.d, 2)
    # compiled before memory is taken: the compiler's own memory is paid once, not by training
    warm = TrainConfig(n_features=64, k=2, steps=1, batch=64)
    Learner(TensorSource({"": rows[:64]}), warm).advance({"": rows[:64]})
    # as for the peers, no latent counts as dead within so short a run
    settings = {"lr": a.lr, "warmup": 0.0, "decay": 0.0, "dead_after": 10_000_000}
    config = TrainConfig(n_features=a.features, k=a.k, steps=a.steps, batch=a.batch, **settings)
    feed, before = Feed(rows, a.batch), held()
    learner = Learner(TensorSource({"": rows}), config)
    for _ in range(a.steps):
        learner.advance({"": next(feed)})
    result = {"per_cpu_second": feed.per_cpu_second(a.skip), "extra_mb": peak() - before}
    with torch.no_grad():
        return {**result, "fvu": fvu(test, learner.finished()(test))}


def saelens(a: argparse.Namespace) -> dict[str, float]:
    """SAELens' TopK trainer."""
    import torch
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    rows, test = pool(a.pool, a.d, 1), pool(HELD_OUT, a.d, 2)
    torch.manual_seed(0)
    sae = TopKTrainingSAE(
        TopKTrainingSAEConfig(d_in=a.d, d_sae=a.features, k=a.k, device="cpu", use_sparse_activations=False)
    )
    feed = Feed(rows, a.batch)
    config = SAETrainerConfig(
        total_training_samples=a.batch * a.steps,
        train_batch_size_samples=a.batch,
        lr=a.lr,
        lr_end=a.lr,
        device="cpu",
        logger=LoggingConfig(log_to_wandb=False),
    )
    before = held()
    SAETrainer(cfg=config, sae=sae, data_provider=feed).fit()
    result = {"per_cpu_second": feed.per_cpu_second(a.skip), "extra_mb": peak() - before}
    with torch.no_grad():
        return {**result, "fvu": fvu(test, sae(test))}


def dictionary_learning(a: argparse.Namespace) -> dict[str, float]:
    """dictionary_learning's TopK trainer."""
    import torch
    from dictionary_learning.trainers.top_k import TopKTrainer

    rows, test = pool(a.pool, a.d, 1), pool(HELD_OUT, a.d, 2)
    feed = Feed(rows, a.batch)
    trainer = TopKTrainer(
        steps=max(a.steps, 2000),
        activation_dim=a.d,
        dict_size=a.features,
        k=a.k,
        layer=0,
        lm_name="none",
        lr=a.lr,
        warmup_steps=1,
        seed=0,
        device="cpu",
    )
    before = held()
    for step in range(a.steps):
        trainer.update(step, next(feed))
    result = {"per_cpu_second": feed.per_cpu_second(a.skip), "extra_mb": peak() - before}
    with torch.no_grad():
        return {**result, "fvu": fvu(test, trainer.ae(test))}


RUN = {case.__name__: case for case in (bound, pellucid, saelens, dictionary_learning)}


def in_own_process(case: str, arguments: list[str]) -> dict[str, Any]:
    """One case's result, or the last line of what went wrong."""
    if not Path(CASES[case]).exists():
        return {"error": "absent: sh benchmarks/setup_peers.sh sae"}
    command = [str(CASES[case]), str(HERE), "--one", case, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **QUIET}, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(lines[0][7:]) if lines else {"error": done.stderr.strip().splitlines()[-1:]}


def compare(features: int, a: argparse.Namespace) -> dict[str, Any]:
    """All cases of one shape in turn, printed as they end."""
    steps = a.steps if features <= 8192 else max(a.skip + 4, a.steps // 4)
    arguments = [f"--features={features}", f"--steps={steps}", f"--batch={a.batch}", f"--pool={a.pool}"]
    print(f"d {a.d}, F {features}, k {a.k}, batch {a.batch}, {steps} steps, one thread", flush=True)
    results = {case: in_own_process(case, arguments) for case in CASES}
    ours = results["pellucid"].get("per_cpu_second")
    for case, result in results.items():
        if "error" in result:
            print(f"  {case:20} {result['error']}")
            continue
        ratio = ours / result["per_cpu_second"] if ours else float("nan")
        memory = f"{result['extra_mb']:6.0f} MB" if "extra_mb" in result else " " * 9
        missed = f"FVU {result['fvu']:.3f}" if "fvu" in result else ""
        speed = f"{result['per_cpu_second']:9,.0f} activations per CPU-second"
        print(f"  {case:20} {speed}  {memory}  {missed:10} ours {ratio:.2f}x", flush=True)
    return {"features": features, "steps": steps, **results}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", default="4096,32768", help="numbers of latents")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--skip", type=int, default=3, help="steps of warm-up")
    parser.add_argument("--pool", type=int, default=65_536, help="rows of activations")
    parser.add_argument("--d", type=int, default=256)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--features", type=int, default=4096, help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=RUN, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="where to write the results")
    a = parser.parse_args()
    if a.one:
        import torch

        torch.set_num_threads(1)
        print("RESULT " + json.dumps(RUN[a.one](a)))
        return
    results = [compare(int(features), a) for features in a.shapes.split(",")]
    if a.json:
        a.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
