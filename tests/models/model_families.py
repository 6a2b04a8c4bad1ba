"""The families under test: tiny configurations that use each family's peculiarities."""

from __future__ import annotations

import torch

from pellucid.models import TransformerConfig

BASE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WINDOW = {"sliding_window": 5, "head_dim": 8}
GEMMA = {**WINDOW, "query_pre_attn_scalar": 8}
TYPES = ["full_attention", "sliding_attention", "full_attention"]
NEOX = {k: BASE[k] for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}
NEOX |= {"intermediate_size": 48, "max_position_embeddings": 64}

CONFIGS = {
    "gpt2": lambda t: t.GPT2Config(
        vocab_size=97, n_embd=32, n_layer=3, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2
    ),
    "gpt_neox": lambda t: t.GPTNeoXConfig(**NEOX),
    "gpt_neox-serial": lambda t: t.GPTNeoXConfig(**NEOX, use_parallel_residual=False),
    "llama": lambda t: t.LlamaConfig(**BASE),
    "mistral": lambda t: t.MistralConfig(**BASE, **WINDOW),
    "qwen2": lambda t: t.Qwen2Config(**BASE, use_sliding_window=True, sliding_window=5, layer_types=TYPES),
    "qwen3": lambda t: t.Qwen3Config(**BASE, head_dim=8),
    "gemma2": lambda t: t.Gemma2Config(
        **BASE, **GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=3.0
    ),
    "gemma3": lambda t: t.Gemma3TextConfig(**BASE, **GEMMA, layer_types=TYPES),
}
SHAPE = {"d_vocab": 97, "context": 64, "n_layers": 3, "d_model": 32, "n_heads": 4, "d_mlp": 48}
OWN = {
    "own": TransformerConfig(**SHAPE),
    "own-rotary": TransformerConfig(
        **SHAPE, positions="rotary", norm="rms", mlp="swiglu", n_key_value_heads=2, spans=(None, 5, None)
    ),
    "own-bare": TransformerConfig(
        **SHAPE, norm="none", positions="none", mlp="bilinear", mlp_layers=(True, False, True), tied=False
    ),
}
HUB, EVERY = list(CONFIGS), [*CONFIGS, *OWN]
PARALLEL = {"gpt_neox"}


def random_weights(module: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that attention and MLP matter, the same in each session."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=random)
            parameter.copy_(0.15 * noise if parameter.ndim > 1 else parameter + 0.1 * noise)
    return module.eval()
