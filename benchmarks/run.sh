#!/bin/sh
# Ours beside the peers, one after the other, one thread each; prints ratios. Peers live in environments of their own.
set -eu
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
python=.venv/bin/python
sh benchmarks/setup_peers.sh
$python benchmarks/bench_startup.py
$python benchmarks/bench_reading.py
$python benchmarks/bench_topk.py
$python benchmarks/bench_suite.py
$python benchmarks/bench_end_to_end.py
$python benchmarks/bench_gpu.py
$python benchmarks/bench_inspect.py
$python benchmarks/bench_safetywashing.py
$python benchmarks/bench_case.py
