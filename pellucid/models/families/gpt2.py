"""GPT-2: fused query, key and value (Conv1D), learned positions."""

from __future__ import annotations

from typing import Any

from torch import nn

from pellucid.models.families.facts import Facts
from pellucid.models.families.table import Family, count
from pellucid.models.points import Point, columns, heads, stream


def family(module: nn.Module) -> Family:
    """Sites of ``GPT2LMHeadModel``."""
    c: Any = module.config
    width, n, h = c.n_embd, c.n_layer, c.n_head
    facts = Facts(
        count(module), n, width, h, h, width // h, c.n_inner or 4 * width, c.vocab_size, c.n_positions
    )
    points = {
        "embed": stream("transformer.wte", "out", width),
        "pos_embed": stream("transformer.wpe", "out", width),
    }
    for layer in range(n):
        points |= block(f"transformer.h.{layer}", f"blocks.{layer}", facts)
    points["ln_final"] = stream("transformer.ln_f", "out", width)
    points["logits"] = Point("", "out", ("batch", "pos", c.vocab_size))
    at = [f"transformer.h.{layer}" for layer in range(n)]
    norms = ("transformer.ln_f", *(f"{b}.ln_1" for b in at), *(f"{b}.ln_2" for b in at))
    return Family(
        "gpt2", facts, points, norms, tuple(f"{b}.mlp.act" for b in at), tuple(f"{b}.attn" for b in at)
    )


def block(at: str, site: str, f: Facts) -> dict[str, Point]:
    """The sites of one block."""
    square, hidden = ("batch", f.n_heads, "query", "key"), ("batch", "pos", f.d_mlp)
    fused = [columns(f"{at}.attn.c_attn", "out", part * f.d_model, f.n_heads, f.d_head) for part in range(3)]
    return {
        f"{site}.resid_pre": stream(at, "in", f.d_model),
        f"{site}.attn.q": fused[0],
        f"{site}.attn.k": fused[1],
        f"{site}.attn.v": fused[2],
        f"{site}.attn.scores": Point(f"{at}.attn", "scores", square),
        f"{site}.attn.pattern": Point(f"{at}.attn", "pattern", square),
        f"{site}.attn.z": heads(f"{at}.attn.c_proj", "in", f.n_heads, f.d_head),
        f"{site}.attn_out": stream(f"{at}.attn", "out", f.d_model),
        f"{site}.resid_mid": stream(f"{at}.ln_2", "in", f.d_model, shared=True),
        f"{site}.mlp_in": stream(f"{at}.ln_2", "out", f.d_model),
        f"{site}.mlp.pre": Point(f"{at}.mlp.c_fc", "out", hidden),
        f"{site}.mlp.post": Point(f"{at}.mlp.c_proj", "in", hidden),
        f"{site}.mlp_out": stream(f"{at}.mlp", "out", f.d_model),
        f"{site}.resid_post": stream(at, "out", f.d_model),
    }
