"""Llama, Mistral, Qwen2, Qwen3, and Gemma-2 and -3, which put further norms after attention and MLP."""

from __future__ import annotations

from typing import Any

from torch import nn

from pellucid.models.families.facts import Facts
from pellucid.models.families.table import Family, count
from pellucid.models.points import Point, heads, stream

POST_NORMED = ("gemma2", "gemma3_text")
HEAD_NORMED = ("qwen3", "gemma3_text")
MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3", *POST_NORMED)


def family(module: nn.Module) -> Family:
    """Sites of the ``...ForCausalLM`` of these families."""
    c: Any = module.config
    h, n = c.num_attention_heads, c.num_hidden_layers
    d_head = getattr(c, "head_dim", None) or c.hidden_size // h
    facts = Facts(
        count(module),
        n,
        c.hidden_size,
        h,
        c.num_key_value_heads,
        d_head,
        c.intermediate_size,
        c.vocab_size,
        c.max_position_embeddings,
    )
    after = c.model_type in POST_NORMED
    points = {"embed": stream("model.embed_tokens", "out", c.hidden_size)}
    for layer in range(n):
        points |= block(f"model.layers.{layer}", f"blocks.{layer}", facts, after)
    points["ln_final"] = stream("model.norm", "out", c.hidden_size)
    points["logits"] = Point("", "out", ("batch", "pos", c.vocab_size))
    at = [f"model.layers.{layer}" for layer in range(n)]
    names = ["input_layernorm", "post_attention_layernorm"]
    names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"] if after else []
    norms = ("model.norm", *(f"{b}.{name}" for b in at for name in names))
    gates = tuple(f"{b}.mlp.act_fn" for b in at)
    attention = tuple(f"{b}.self_attn" for b in at)
    if c.model_type in HEAD_NORMED:
        norms = (*norms, *(f"{b}.{name}" for b in attention for name in ("q_norm", "k_norm")))
    return Family(c.model_type, facts, points, norms, gates, attention, gated=True)


def block(at: str, site: str, f: Facts, after: bool) -> dict[str, Point]:
    """The sites of one block; ``after``: what is added to the stream has passed a norm of its own."""
    square, hidden = ("batch", f.n_heads, "query", "key"), ("batch", "pos", f.d_mlp)
    attn_out = f"{at}.post_attention_layernorm" if after else f"{at}.self_attn"
    mlp_norm = f"{at}.pre_feedforward_layernorm" if after else f"{at}.post_attention_layernorm"
    mlp_out = f"{at}.post_feedforward_layernorm" if after else f"{at}.mlp"
    return {
        f"{site}.resid_pre": stream(at, "in", f.d_model),
        f"{site}.attn.q": heads(f"{at}.self_attn.q_proj", "out", f.n_heads, f.d_head),
        f"{site}.attn.k": heads(f"{at}.self_attn.k_proj", "out", f.n_key_value_heads, f.d_head),
        f"{site}.attn.v": heads(f"{at}.self_attn.v_proj", "out", f.n_key_value_heads, f.d_head),
        f"{site}.attn.scores": Point(f"{at}.self_attn", "scores", square),
        f"{site}.attn.pattern": Point(f"{at}.self_attn", "pattern", square),
        f"{site}.attn.z": heads(f"{at}.self_attn.o_proj", "in", f.n_heads, f.d_head),
        f"{site}.attn_out": stream(attn_out, "out", f.d_model),
        f"{site}.resid_mid": stream(mlp_norm, "in", f.d_model, shared=True),
        f"{site}.mlp_in": stream(mlp_norm, "out", f.d_model),
        f"{site}.mlp.gate": Point(f"{at}.mlp.gate_proj", "out", hidden),
        f"{site}.mlp.pre": Point(f"{at}.mlp.up_proj", "out", hidden),
        f"{site}.mlp.post": Point(f"{at}.mlp.down_proj", "in", hidden),
        f"{site}.mlp_out": stream(mlp_out, "out", f.d_model),
        f"{site}.resid_post": stream(at, "out", f.d_model),
    }
