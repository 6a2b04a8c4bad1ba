"""GPT-NeoX and Pythia: query, key and value fused per head, parallel residual, partial rotary."""

from __future__ import annotations

from typing import Any

from torch import nn

from pellucid.models.families.facts import Facts
from pellucid.models.families.table import Family, count
from pellucid.models.points import Point, heads, interleaved, stream


def family(module: nn.Module) -> Family:
    """Sites of ``GPTNeoXForCausalLM``."""
    c: Any = module.config
    width, n, h = c.hidden_size, c.num_hidden_layers, c.num_attention_heads
    facts = Facts(
        count(module),
        n,
        width,
        h,
        h,
        width // h,
        c.intermediate_size,
        c.vocab_size,
        c.max_position_embeddings,
        bool(c.use_parallel_residual),
    )
    points = {"embed": stream("gpt_neox.embed_in", "out", width)}
    for layer in range(n):
        points |= block(f"gpt_neox.layers.{layer}", f"blocks.{layer}", facts)
    points["ln_final"] = stream("gpt_neox.final_layer_norm", "out", width)
    points["logits"] = Point("", "out", ("batch", "pos", c.vocab_size))
    at = [f"gpt_neox.layers.{layer}" for layer in range(n)]
    norms = [f"{b}.{name}" for b in at for name in ("input_layernorm", "post_attention_layernorm")]
    return Family(
        "gpt_neox",
        facts,
        points,
        ("gpt_neox.final_layer_norm", *norms),
        tuple(f"{b}.mlp.act" for b in at),
        tuple(f"{b}.attention" for b in at),
    )


def block(at: str, site: str, f: Facts) -> dict[str, Point]:
    """The sites of one block; a parallel one has no resid_mid."""
    square, hidden = ("batch", f.n_heads, "query", "key"), ("batch", "pos", f.d_mlp)
    fused = [interleaved(f"{at}.attention.query_key_value", part, f.n_heads, f.d_head) for part in range(3)]
    mid = stream(f"{at}.post_attention_layernorm", "in", f.d_model, shared=True)
    return {
        f"{site}.resid_pre": stream(at, "in", f.d_model),
        f"{site}.attn.q": fused[0],
        f"{site}.attn.k": fused[1],
        f"{site}.attn.v": fused[2],
        f"{site}.attn.scores": Point(f"{at}.attention", "scores", square),
        f"{site}.attn.pattern": Point(f"{at}.attention", "pattern", square),
        f"{site}.attn.z": heads(f"{at}.attention.dense", "in", f.n_heads, f.d_head),
        f"{site}.attn_out": stream(f"{at}.attention", "out", f.d_model),
        **({} if f.parallel_residual else {f"{site}.resid_mid": mid}),
        f"{site}.mlp_in": stream(f"{at}.post_attention_layernorm", "out", f.d_model),
        f"{site}.mlp.pre": Point(f"{at}.mlp.dense_h_to_4h", "out", hidden),
        f"{site}.mlp.post": Point(f"{at}.mlp.dense_4h_to_h", "in", hidden),
        f"{site}.mlp_out": stream(f"{at}.mlp", "out", f.d_model),
        f"{site}.resid_post": stream(at, "out", f.d_model),
    }
