"""A whole suite from one pass of the model, beside as many separate SAELens trainings.

Ours: 32 dictionaries of bard (4 layers; stream, attention output, MLP output, MLP as transcoder; 8 and 32
times the width), every row seen once, on two processes of one thread. Wall and CPU time are those of the
whole call: model pass, shards written, hashed and read, training, dictionaries written.

SAELens: one training of each width at the stream after block 2 for a number of steps, on one thread, its
batches handed over from memory. From its CPU time for each row the 32 trainings are extrapolated, and halved
as if two processes shared them without loss. Its own model passes, one for each training, are not counted.

Peers: sh benchmarks/setup_peers.sh sae
Run:   .venv/bin/python benchmarks/bench_suite.py [--windows N] [--workers 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
PLACE = HERE.parent.parent / ".venv-peers" / "dictionaries" / "bin" / "python"
PEERS = Path(os.environ.get("PELLUCID_DICTIONARY_PEERS_PYTHON", PLACE))
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1",
}
CONTEXT, STRIDE, K, BATCH = 64, 32, 16, 2048
WIDTHS = {8: 1024, 32: 4096}


def cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    ours, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in (ours, theirs))


def pellucid(a: argparse.Namespace) -> dict[str, Any]:
    """The suite, as users train it."""
    import torch

    from pellucid import open_model
    from pellucid.compute import executor
    from pellucid.dictionaries.suites.plan import SuiteConfig, llama_scope_training
    from pellucid.dictionaries.suites.training import train_suite_from
    from pellucid.models import windows
    from pellucid.organisms import text

    model = open_model("organism:bard")
    ids = [
        token for part in ("plays", "epic") for token in model.tokenizer.encode(text("train", source=part))
    ]
    tokens = windows(torch.tensor(ids), CONTEXT, STRIDE)[: a.windows]
    seen = [0]
    model.module.register_forward_pre_hook(
        lambda module, given: seen.__setitem__(0, seen[0] + given[0].numel())
    )
    base = llama_scope_training(128, k=K, steps=tokens.numel() // BATCH, batch=BATCH)
    suite = SuiteConfig(base, expansions=tuple(WIDTHS), scaled_rows=True)
    began, used = time.perf_counter(), cpu()
    with tempfile.TemporaryDirectory(dir=a.scratch) as folder:
        with executor(a.workers) as pool:
            made = train_suite_from(
                model, tokens, suite, folder, executor=pool, dtype="float16", keep_activations=False
            )
        wall = time.perf_counter() - began
        return {
            "dictionaries": len(made.names),
            "rows": tokens.numel(),
            "forward_tokens": seen[0],
            "wall_seconds": wall,
            "cpu_seconds": cpu() - used,
            "fvu": {name: entry.metrics["fvu"] for name, entry in made.entries.items()},
        }


def saelens(a: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of SAELens for a thousand rows, for each width."""
    import torch
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    rows = torch.load(a.rows, weights_only=True)
    result = {}
    for times, width in WIDTHS.items():
        torch.manual_seed(0)
        sae = TopKTrainingSAE(
            TopKTrainingSAEConfig(d_in=128, d_sae=width, k=K, device="cpu", use_sparse_activations=False)
        )
        config = SAETrainerConfig(
            total_training_samples=BATCH * a.steps,
            train_batch_size_samples=BATCH,
            lr=8e-4,
            lr_end=8e-4,
            device="cpu",
            logger=LoggingConfig(log_to_wandb=False),
        )
        batches = (rows[at % (len(rows) // BATCH) * BATCH :][:BATCH] for at in range(10**9))
        began = time.process_time()
        SAETrainer(cfg=config, sae=sae, data_provider=batches).fit()
        result[f"{times}x"] = (time.process_time() - began) / (BATCH * a.steps) * 1000
    return result


def stream_rows(path: Path) -> None:
    """Activations for the peer, so that it needs no model."""
    import torch

    from pellucid import open_model
    from pellucid.models import harvest, windows
    from pellucid.organisms import text

    model = open_model("organism:bard")
    ids = torch.tensor(model.tokenizer.encode(text("train", "plays")))
    site = "blocks.2.resid_post"
    torch.save(harvest(model, windows(ids, CONTEXT, CONTEXT)[:1024], site).read(site), path)


def peer(a: argparse.Namespace) -> dict[str, Any]:
    """The peer's numbers, from a process of its own in its own environment."""
    if not PEERS.exists():
        return {"error": "absent: sh benchmarks/setup_peers.sh sae"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.pt"
        stream_rows(path)
        command = [str(PEERS), str(HERE), "--one", "saelens", f"--rows={path}", f"--steps={a.steps}"]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **QUIET}, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(lines[0][7:]) if lines else {"error": done.stderr.strip().splitlines()[-1:]}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=18_554, help=f"sequences of {CONTEXT} tokens")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40, help="of the peer, from which it is extrapolated")
    parser.add_argument("--scratch", type=Path, help="where activations are written; about 4 GB in float16")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=("saelens",), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="where to write the results")
    a = parser.parse_args()
    if a.one:
        import torch

        torch.set_num_threads(1)
        print("RESULT " + json.dumps(saelens(a)))
        return
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    theirs = peer(a)
    print(f"SAELens, CPU seconds for 1,000 rows: {theirs}", flush=True)
    ours = pellucid(a)
    print(
        f"pellucid: {ours['dictionaries']} dictionaries, {ours['rows']:,} rows each, "
        f"{ours['forward_tokens']:,} tokens through the model: {ours['wall_seconds']:.0f} s wall, "
        f"{ours['cpu_seconds']:.0f} s CPU",
        flush=True,
    )
    if "error" not in theirs:
        needed = 16 * sum(theirs.values()) * ours["rows"] / 1000
        ratio = needed / ours["cpu_seconds"]
        print(
            f"32 SAELens trainings, extrapolated: {needed / 2:.0f} s on two cores; ours {ratio:.1f}x less CPU"
        )
    if a.json:
        a.json.write_text(
            json.dumps({"pellucid": ours, "saelens": theirs}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
