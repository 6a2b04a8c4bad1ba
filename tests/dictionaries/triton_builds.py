"""Every kernel of the GPU engine, compiled to machine code for GPUs that need not be here."""

from __future__ import annotations

import re

import pytest
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pellucid.dictionaries.engines import triton_kernels as kernels
from pellucid.dictionaries.engines.triton_engine import WIDE, lanes_for, power_above

TARGETS = [GPUTarget("cuda", 80, 32), GPUTarget("cuda", 90, 32)]
on_each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"sm_{target.arch}")
on_each_type = pytest.mark.parametrize("kind", ["fp32", "bf16", "fp16", "fp64"])
NUMBERS = {"k": "i32", "width": "i32", "n_features": "i32"}


def built(kernel, target: GPUTarget, types: dict[str, str], warps: int = 4, **constants: object) -> dict:
    """What the compiler makes of a kernel whose arguments have these types."""
    known = {**NUMBERS, **types}
    signature = {name: "constexpr" if name in constants else known[name] for name in kernel.arg_names}
    source = ASTSource(kernel, signature, constexprs=constants)
    return triton.compile(source, target=target, options={"num_warps": warps}).asm


def sums_of(kind: str) -> dict[str, object]:
    return {"WIDE": WIDE, "SUMS": tl.float64 if kind == "fp64" else tl.float32}


@on_each_target
@pytest.mark.parametrize("k", [1, 64, 1024])
def test_selection_builds(target, k):
    types = {"scores": "*fp32", "held": "*i32", "totals": "*i32", "indices": "*i64", "used": "*i32"}
    sizes = {"LANES": lanes_for(k), "ROOM": max(256, 2 * power_above(k))}
    for kernel in (kernels.list_candidates, kernels.select_candidates):
        assert built(kernel, target, types, warps=8, **sizes)["cubin"]


@on_each_target
@on_each_type
def test_errors_and_slopes_build(target, kind):
    summed = "*fp64" if kind == "fp64" else "*fp32"
    names = {"decoder": f"*{kind}", "bias": f"*{kind}", "target": f"*{kind}", "indices": "*i32"}
    types = {**names, "values": summed, "error": summed, "slopes": summed}
    for kernel in (kernels.errors_of_rows, kernels.slopes_of_codes):
        assert built(kernel, target, types, **sums_of(kind))["cubin"]


@on_each_target
@on_each_type
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("total", [False, True])
def test_gradients_build_without_atomic_additions(target, kind, add, total):
    summed = "*fp64" if kind == "fp64" else "*fp32"
    types = {"starts": "*i64", "places": "*i64", "factors": summed, "rows": f"*{kind}"}
    types |= {"sums": f"*{kind}", "totals": f"*{kind}"}
    made = built(kernels.sums_of_segments, target, types, ADD=add, TOTAL=total, STEP=4, **sums_of(kind))
    assert made["cubin"]
    assert not re.search(r"\b(atom|red)\.", made["ptx"])
