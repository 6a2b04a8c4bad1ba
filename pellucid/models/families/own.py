"""Our own Transformer."""

from __future__ import annotations

from pellucid.models.families.facts import Facts
from pellucid.models.families.table import Family, count
from pellucid.models.points import Point, heads, stream
from pellucid.models.transformer import Transformer

GATED = ("swiglu", "bilinear")


def family(module: Transformer) -> Family:
    """Sites are inputs and outputs of named submodules."""
    c = module.config
    facts = Facts(
        count(module),
        c.n_layers,
        c.d_model,
        c.n_heads,
        c.key_value_heads,
        c.d_head,
        c.d_mlp,
        c.d_vocab,
        c.context,
    )
    points: dict[str, Point] = {"embed": stream("embed", "out", c.d_model)}
    if c.positions == "learned":
        points["pos_embed"] = Point("pos_embed", "out", ("pos", c.d_model))
    for layer in range(c.n_layers):
        points |= block(module, layer)
    points["ln_final"] = stream("norm", "out", c.d_model)
    points["logits"] = Point("unembed", "out", ("batch", "pos", c.d_vocab))
    with_mlp = [layer for layer in range(c.n_layers) if c.has_mlp(layer)]
    norms = [
        "norm",
        *(f"blocks.{n}.norm1" for n in range(c.n_layers)),
        *(f"blocks.{n}.norm2" for n in with_mlp),
    ]
    return Family(
        "pellucid-transformer",
        facts,
        points,
        tuple(norms),
        tuple(f"blocks.{n}.mlp.act" for n in with_mlp),
        tuple(f"blocks.{n}.attn" for n in range(c.n_layers)),
        gated=c.mlp in GATED,
    )


def block(module: Transformer, layer: int) -> dict[str, Point]:
    """The sites of one block."""
    c, at = module.config, f"blocks.{layer}"
    square = ("batch", c.n_heads, "query", "key")
    points = {
        f"{at}.resid_pre": stream(at, "in", c.d_model),
        f"{at}.attn.q": heads(f"{at}.attn.q", "out", c.n_heads, c.d_head),
        f"{at}.attn.k": heads(f"{at}.attn.k", "out", c.key_value_heads, c.d_head),
        f"{at}.attn.v": heads(f"{at}.attn.v", "out", c.key_value_heads, c.d_head),
        f"{at}.attn.scores": Point(f"{at}.attn", "scores", square),
        f"{at}.attn.pattern": Point(f"{at}.attn", "pattern", square),
        f"{at}.attn.z": heads(f"{at}.attn.o", "in", c.n_heads, c.d_head),
        f"{at}.attn_out": stream(f"{at}.attn", "out", c.d_model),
    }
    if c.has_mlp(layer):
        hidden = ("batch", "pos", c.d_mlp)
        points |= {
            f"{at}.resid_mid": stream(f"{at}.norm2", "in", c.d_model, shared=True),
            f"{at}.mlp_in": stream(f"{at}.norm2", "out", c.d_model),
            f"{at}.mlp.pre": Point(f"{at}.mlp.up", "out", hidden),
            **({f"{at}.mlp.gate": Point(f"{at}.mlp.gate", "out", hidden)} if c.mlp in GATED else {}),
            f"{at}.mlp.post": Point(f"{at}.mlp.down", "in", hidden),
            f"{at}.mlp_out": stream(f"{at}.mlp", "out", c.d_model),
        }
    return {**points, f"{at}.resid_post": stream(at, "out", c.d_model)}
