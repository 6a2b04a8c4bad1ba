"""Tiny transformers of several families in float64, and dictionaries of their attention outputs."""

from __future__ import annotations

import torch

from pellucid.dictionaries import VARIANTS, Convention, Dictionary, ReLU
from pellucid.dictionaries.config import WITH_K
from pellucid.models import Model, Transformer, TransformerConfig, open_model

SHAPE = {"d_vocab": 23, "context": 16, "n_layers": 3, "d_model": 16, "n_heads": 4, "d_mlp": 24}
HUB = {
    "vocab_size": 23,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
GROUPED = {**HUB, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GEMMA = {**GROUPED, "head_dim": 4, "query_pre_attn_scalar": 4, "sliding_window": 5}
MAKERS = {
    "own": lambda t: Transformer(TransformerConfig(**SHAPE)),
    "own-grouped": lambda t: Transformer(
        TransformerConfig(**SHAPE, positions="rotary", norm="rms", mlp="swiglu", n_key_value_heads=2)
    ),
    "own-bare": lambda t: Transformer(
        TransformerConfig(**SHAPE, norm="none", positions="none", mlp_layers=(True, False, True), tied=False)
    ),
    "gpt2": lambda t: t.GPT2LMHeadModel(
        t.GPT2Config(
            vocab_size=23, n_embd=16, n_layer=3, n_head=4, n_positions=16, bos_token_id=1, eos_token_id=2
        )
    ),
    "llama": lambda t: t.LlamaForCausalLM(t.LlamaConfig(**GROUPED)),
    "gpt_neox": lambda t: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**HUB)),
    "gemma2": lambda t: t.Gemma2ForCausalLM(t.Gemma2Config(**GEMMA, attn_logit_softcapping=2.0)),
}


def family(name: str, seed: int = 0) -> Model:
    """A random model of one family, in float64."""
    import transformers

    with torch.random.fork_rng(devices=[]):
        module = MAKERS[name](transformers)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.4 * noise if parameter.ndim > 1 else parameter + 0.2 * noise)
    return open_model(module.double())


def drawn(dictionary: Dictionary, seed: int = 0) -> Dictionary:
    """The dictionary with random weights and biases of every kind, in float64."""
    generator = torch.Generator().manual_seed(seed)
    dictionary.double()
    with torch.no_grad():
        for name, parameter in dictionary.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(noise * (0.3 if name.startswith("b_") else 0.5))
    return dictionary


def attention_dictionary(
    model: Model,
    layer: int,
    part: str = "attn.z",
    *,
    kind: str = "topk",
    features: int = 24,
    seed: int = 0,
    **record,
) -> Dictionary:
    """A random dictionary of one layer's attention output."""
    facts = model.facts
    width = facts.n_heads * facts.d_head if part == "attn.z" else facts.d_model
    given = {"site_in": f"blocks.{layer}.{part}", "convention": Convention(**record)}
    sparse = (6,) if kind in WITH_K else ()
    made = VARIANTS[kind](width, features, *sparse, **given)
    return drawn(made, seed)


def words(model: Model, batch: int = 1, length: int = 9, seed: int = 0) -> torch.Tensor:
    """Random tokens."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, model.facts.d_vocab, (batch, length), generator=generator)


CONTEXT = 8  # of the compiled copier: one-hot places, tokens and copied tokens, eight each
SHARP = 3000.0  # scores in front of 1/sqrt(8): every other source gets e^-1000, which is 0


def copier() -> Model:
    """Head 0 of each block looks one token back, sharply; block 0 copies that token into entries 16-23.

    Block 1 copies what block 0 wrote: at token t, its head 0 carries token t - 2.
    """
    config = TransformerConfig(
        d_vocab=CONTEXT,
        context=CONTEXT,
        n_layers=2,
        d_model=24,
        n_heads=3,
        d_mlp=1,
        norm="none",
        mlp_layers=(False, False),
        biases=False,
        tied=False,
    )
    module = Transformer(config).double()
    eye = torch.eye(CONTEXT, dtype=torch.float64)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.pos_embed.weight[:, :8] = eye
        module.embed.weight[:, 8:16] = eye
        for layer, block in enumerate(module.blocks):
            block.attn.q.weight[:7, 1:8] = SHARP * eye[:7, :7]
            block.attn.k.weight[:8, :8] = eye
            block.attn.v.weight[:8, 8 + 8 * layer : 16 + 8 * layer] = eye
            block.attn.o.weight[16:24, :8] = eye
    return Model(module, id="copier")


def mirror(site: str, width: int) -> Dictionary:
    """A ReLU dictionary that is the identity: latent i is entry i, latent width + i its negative."""
    made = ReLU(width, 2 * width, site_in=site, convention=Convention(subtract="none", reshape="heads"))
    both = torch.cat([torch.eye(width), -torch.eye(width)])
    with torch.no_grad():
        made.W_enc.copy_(both)
        made.W_dec.copy_(both)
        made.b_enc.zero_()
        made.b_dec.zero_()
    return made.double()
