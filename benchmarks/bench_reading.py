"""Reading every site of a forward pass: ours beside TransformerLens, each as a ratio to its own bare forward.

Ours: one GPT-2 (random weights, 4 layers, d_model 256, 8 heads, context 128, batch 1, one thread), read at
embed, pos_embed, resid_pre/mid/post, attn_out, mlp_out, mlp_in, mlp.pre/post, q, k, v, z, ln_final and logits
(scores and patterns too in a line of their own: the fused kernel has none to show). TransformerLens: all that
its run_with_cache keeps. The passes are timed in turn, in CPU time, and their medians divided.

Peers: sh benchmarks/setup_peers.sh hooks
Run:   .venv/bin/python benchmarks/bench_reading.py [--seconds 15] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

HERE = Path(__file__).resolve()
PEERS = HERE.parent.parent / ".bench" / "hooks" / "bin" / "python"
CASES = {"pellucid": Path(sys.executable), "transformer_lens": PEERS}
QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
SHAPE = {"vocab_size": 1000, "n_positions": 128, "n_embd": 256, "n_layer": 4, "n_head": 8}
TARGET = 1.15
Passes = dict[str, Callable[[], Any]]


def gpt2(attention: str) -> nn.Module:
    """The model, the same weights in both environments."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(**SHAPE, bos_token_id=0, eos_token_id=0)
    config._attn_implementation = attention
    config.architectures = ["GPT2LMHeadModel"]
    return GPT2LMHeadModel(config).eval()


def medians(passes: Passes, seconds: float) -> dict[str, float]:
    """CPU milliseconds of each pass, timed in turn so that a busy machine is busy for all of them."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(5):
        for run in passes.values():
            run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in passes.items():
            began = time.process_time()
            run()
            times[name].append(1e3 * (time.process_time() - began))
    return {name: statistics.median(taken) for name, taken in times.items()}


def pellucid(seconds: float) -> dict[str, Any]:
    """Ours: the bare forward is transformers' own, untouched."""
    import torch

    from pellucid.models import open_model

    bare, model = gpt2("sdpa"), open_model(gpt2("sdpa"))
    tokens = torch.randint(0, 1000, (1, 128), generator=torch.Generator().manual_seed(0))
    sites = [site for site in model.sites if not site.endswith((".scores", ".pattern"))]
    passes: Passes = {
        "bare": lambda: bare(tokens, use_cache=False).logits,
        "nothing": lambda: model.run(tokens),
        "stream": lambda: model.run(tokens, read="blocks.*.resid_post"),
        "all": lambda: model.run(tokens, read=sites),
        "all and patterns": lambda: model.run(tokens, read="*"),
    }
    with torch.inference_mode():
        return {"sites": len(sites), "ms": medians(passes, seconds)}


def transformer_lens(seconds: float) -> dict[str, Any]:
    """TransformerLens: the bare forward is its own, without hooks."""
    import torch
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    source = gpt2("eager")
    bridge = build_bridge_from_module(source, "GPT2LMHeadModel", hf_config=source.config)
    bridge.eval()
    tokens = torch.randint(0, 1000, (1, 128), generator=torch.Generator().manual_seed(0))
    plain = gpt2("sdpa")
    names = {f"blocks.{layer}.hook_resid_post" for layer in range(4)}
    passes: Passes = {
        "transformers": lambda: plain(tokens, use_cache=False).logits,
        "bare": lambda: bridge(tokens),
        "stream": lambda: bridge.run_with_cache(tokens, names_filter=lambda name: name in names),
        "all": lambda: bridge.run_with_cache(tokens),
    }
    with torch.inference_mode():
        return {"sites": len(bridge.run_with_cache(tokens)[1]), "ms": medians(passes, seconds)}


RUN = {case.__name__: case for case in (pellucid, transformer_lens)}


def in_own_process(case: str, seconds: float) -> dict[str, Any]:
    """One case's result, or the last line of what went wrong."""
    if not CASES[case].exists():
        return {"error": "absent: sh benchmarks/setup_peers.sh hooks"}
    command = [str(CASES[case]), str(HERE), "--one", case, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **QUIET}, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(lines[0][7:]) if lines else {"error": done.stderr.strip().splitlines()[-1:]}


def show(case: str, result: dict[str, Any]) -> None:
    """One case, every pass as a ratio to its bare forward."""
    if "error" in result:
        print(f"{case:18} {result['error']}")
        return
    bare = result["ms"]["bare"]
    for name, taken in result["ms"].items():
        sites = f"({result['sites']} sites)" if name == "all" else ""
        print(f"{case:18} {name:18} {taken:8.2f} CPU ms   {taken / bare:5.2f} x its bare forward {sites}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="measuring time of each case")
    parser.add_argument("--one", choices=RUN, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="where to write the results")
    a = parser.parse_args()
    if a.one:
        import torch

        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        print("RESULT " + json.dumps(RUN[a.one](a.seconds)))
        return
    results = {case: in_own_process(case, a.seconds) for case in CASES}
    for case, result in results.items():
        show(case, result)
    ours = results["pellucid"]
    if "ms" in ours:
        ratio = ours["ms"]["all"] / ours["ms"]["bare"]
        print(f"target: all sites at most {TARGET} x a bare forward; ours {ratio:.3f}")
    if a.json:
        a.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
