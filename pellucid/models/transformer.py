"""A readable transformer of our own: every named site is the input or the output of a named submodule."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from pellucid.findings import InputError

Norm = Literal["layer", "rms", "none"]
Positions = Literal["learned", "rotary", "none"]
Mlp = Literal["gelu", "relu", "swiglu", "bilinear"]
AttentionFunction = Callable[..., tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class TransformerConfig:
    """Shape and layout of a Transformer.

    Example:
        >>> TransformerConfig(d_vocab=8, context=4, n_layers=1, d_model=4, n_heads=2, d_mlp=8).d_head
        2
    """

    d_vocab: int
    """Number of tokens."""
    context: int
    """Longest input, in tokens."""
    n_layers: int
    """Number of blocks."""
    d_model: int
    """Width of the residual stream."""
    n_heads: int
    """Query heads of each block."""
    d_mlp: int
    """Hidden units of each MLP."""
    n_key_value_heads: int | None = None
    """Key and value heads; None: as many as query heads."""
    norm: Norm = "layer"
    """Normalisation before attention, MLP and unembedding."""
    positions: Positions = "learned"
    """How the order of tokens enters."""
    mlp: Mlp = "gelu"
    """Kind of MLP: act(up x), or (act(gate x) * up x) for swiglu and bilinear."""
    mlp_layers: tuple[bool, ...] | None = None
    """Which blocks have an MLP; None: all."""
    spans: tuple[int | None, ...] | None = None
    """How many tokens back, itself included, each block attends; None: all."""
    biases: bool = True
    """Whether the linear maps of the blocks have biases."""
    tied: bool = True
    """Whether the unembedding is the transposed embedding."""
    norm_epsilon: float = 1e-5
    """Added to the variance or mean square before the root."""
    rotary_base: float = 10_000.0
    """Base of the rotary frequencies."""

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_choices(self)
        _check_layers(self)

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    @property
    def key_value_heads(self) -> int:
        """Key and value heads, the default resolved."""
        return self.n_heads if self.n_key_value_heads is None else self.n_key_value_heads

    def has_mlp(self, layer: int) -> bool:
        """Whether this block has an MLP."""
        return self.mlp_layers is None or self.mlp_layers[layer]

    def span(self, layer: int) -> int | None:
        """How far back this block attends; None: everywhere."""
        return None if self.spans is None else self.spans[layer]


def _refuse(problem: str, remedy: str) -> None:
    raise InputError("MD40", f"Transformer configuration: {problem}.", remedy)


def _check_sizes(config: TransformerConfig) -> None:
    for name in ("d_vocab", "context", "n_layers", "d_model", "n_heads", "d_mlp", "key_value_heads"):
        if getattr(config, name) < 1:
            _refuse(f"{name} is {getattr(config, name)}", f"Give {name} of at least 1.")
    if config.d_model % config.n_heads:
        _refuse(f"d_model {config.d_model} is no multiple of n_heads {config.n_heads}", "Change one of them.")
    if config.n_heads % config.key_value_heads:
        heads = f"n_heads {config.n_heads} is no multiple of n_key_value_heads {config.key_value_heads}"
        _refuse(heads, "Change one of them.")


def _check_choices(config: TransformerConfig) -> None:
    choices = {"norm": Norm, "positions": Positions, "mlp": Mlp}
    for name, literal in choices.items():
        allowed = literal.__args__  # type: ignore[attr-defined]
        if getattr(config, name) not in allowed:
            _refuse(f"{name} is {getattr(config, name)!r}", f"Choose one of {', '.join(allowed)}.")
    if config.positions == "rotary" and config.d_head % 2:
        _refuse(
            f"rotary positions need an even head width, not {config.d_head}", "Change d_model or n_heads."
        )


def _check_layers(config: TransformerConfig) -> None:
    for name in ("mlp_layers", "spans"):
        given = getattr(config, name)
        if given is not None and len(given) != config.n_layers:
            problem = f"{name} has {len(given)} entries for {config.n_layers} layers"
            _refuse(problem, "Give one entry per layer.")


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """Scale the last axis to unit mean square."""
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def _norm(config: TransformerConfig) -> nn.Module:
    if config.norm == "layer":
        return nn.LayerNorm(config.d_model, eps=config.norm_epsilon)
    return RMSNorm(config.d_model, config.norm_epsilon) if config.norm == "rms" else nn.Identity()


def fused_attention(
    module: nn.Module,
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch key_head key d_head"],
    value: Float[Tensor, "batch key_head key d_head"],
    mask: Tensor | None,
    scaling: float,
    **extra: Any,
) -> tuple[Float[Tensor, "batch query head d_head"], None]:
    """Causal attention by torch's fused kernel; mask None means plainly causal."""
    grouped = key.shape[1] != query.shape[1]
    causal = mask is None
    out = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=scaling, enable_gqa=grouped
    )
    return out.transpose(1, 2), None


def rotate(
    x: Float[Tensor, "batch head pos d_head"], positions: Int[Tensor, "*batch pos"], base: float
) -> Float[Tensor, "batch head pos d_head"]:
    """Rotate the pairs (i, i + d_head/2) by position * base^(-2i/d_head) (Su et al. 2021, eq. 15)."""
    half = x.shape[-1] // 2
    frequencies = base ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    angles = positions.to(torch.float64)[..., None] * frequencies
    angles = angles if positions.ndim == 1 else angles[:, None]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def window_mask(length: int, span: int, device: torch.device) -> Tensor:
    """True where a query may attend: itself and the span - 1 tokens before it."""
    order = torch.arange(length, device=device)
    back = order[:, None] - order[None, :]
    return ((back >= 0) & (back < span))[None, None]


class Attention(nn.Module):
    """Multi-head causal attention; `z`, the heads' output, is the input of `o`."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.layer_idx, self.span, self.is_causal = layer, config.span(layer), True
        self.n_heads, self.n_key_value_heads, self.d_head = (
            config.n_heads,
            config.key_value_heads,
            config.d_head,
        )
        self.num_key_value_groups = self.n_heads // self.n_key_value_heads
        self.scaling = 1.0 / math.sqrt(config.d_head)
        self.rotary_base = config.rotary_base if config.positions == "rotary" else None
        grouped = self.n_key_value_heads * self.d_head
        self.q = nn.Linear(config.d_model, config.d_model, bias=config.biases)
        self.k = nn.Linear(config.d_model, grouped, bias=config.biases)
        self.v = nn.Linear(config.d_model, grouped, bias=config.biases)
        self.o = nn.Linear(config.d_model, config.d_model, bias=config.biases)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], -1, self.d_head).transpose(1, 2)

    def forward(
        self,
        x: Float[Tensor, "batch pos d_model"],
        positions: Int[Tensor, "*batch pos"],
        attention: AttentionFunction,
    ) -> Float[Tensor, "batch pos d_model"]:
        """What attention adds to the stream."""
        query, key, value = (self._heads(project(x)) for project in (self.q, self.k, self.v))
        if self.rotary_base is not None:
            query, key = (rotate(part, positions, self.rotary_base) for part in (query, key))
        mask = None if self.span is None else window_mask(x.shape[1], self.span, x.device)
        z, _ = attention(self, query, key, value, mask, self.scaling, sliding_window=self.span)
        return cast(Tensor, self.o(z.reshape(x.shape)))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "relu": nn.ReLU,
    "swiglu": nn.SiLU,
    "bilinear": nn.Identity,
}


class GatedOrPlainMlp(nn.Module):
    """down(act(up x)), or down(act(gate x) * up x); `post` is the input of `down`."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        gated = config.mlp in ("swiglu", "bilinear")
        self.up = nn.Linear(config.d_model, config.d_mlp, bias=config.biases)
        self.gate = nn.Linear(config.d_model, config.d_mlp, bias=config.biases) if gated else None
        self.act = ACTIVATIONS[config.mlp]()
        self.down = nn.Linear(config.d_mlp, config.d_model, bias=config.biases)

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """What the MLP adds to the stream."""
        up = self.up(x)
        post = self.act(up) if self.gate is None else self.act(self.gate(x)) * up
        return cast(Tensor, self.down(post))


class Block(nn.Module):
    """x + attn(norm1 x), then + mlp(norm2 of that)."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.norm1, self.attn = _norm(config), Attention(config, layer)
        present = config.has_mlp(layer)
        self.norm2 = _norm(config) if present else None
        self.mlp = GatedOrPlainMlp(config) if present else None

    def forward(
        self,
        x: Float[Tensor, "batch pos d_model"],
        positions: Int[Tensor, "*batch pos"],
        attention: AttentionFunction,
    ) -> Float[Tensor, "batch pos d_model"]:
        """The residual stream after this block."""
        x = x + self.attn(self.norm1(x), positions, attention)
        if self.mlp is None or self.norm2 is None:
            return x
        return cast(Tensor, x + self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """Pre-norm causal transformer in GPT-2's or Llama's layout, with hookable sites.

    Sites: resid_pre is the input and resid_post the output of `blocks.L`, resid_mid the input of `norm2`,
    z the input of `attn.o`, mlp.post the input of `mlp.down`.

    Arguments:
        config: the shape.
        seed: of the initial weights: normal 0.02, and 0.02/sqrt(2 n_layers) for `attn.o` and `mlp.down`.

    Source: Radford et al. 2019 (GPT-2), section 2.3.

    Example:
        >>> config = TransformerConfig(d_vocab=8, context=4, n_layers=1, d_model=4, n_heads=2, d_mlp=8)
        >>> Transformer(config)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, config: TransformerConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):  # torch's own initial values would move the global state
            self._build(config)
        initialise(self, seed)

    def _build(self, config: TransformerConfig) -> None:
        self.embed = nn.Embedding(config.d_vocab, config.d_model)
        learned = config.positions == "learned"
        self.pos_embed = nn.Embedding(config.context, config.d_model) if learned else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.norm = _norm(config)
        self.unembed = nn.Linear(config.d_model, config.d_vocab, bias=False)
        if config.tied:
            self.unembed.weight = self.embed.weight

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        positions: Int[Tensor, "*batch pos"] | None = None,
        attention: AttentionFunction | None = None,
        resume: tuple[int, Float[Tensor, "batch pos d_model"]] | None = None,
    ) -> Float[Tensor, "batch pos vocab"]:
        """Logits of the next token at every position.

        Arguments:
            tokens: ids, at most `config.context` of them in a row.
            positions: place of each token; None: 0, 1, 2, ...
            attention: (module, query, key, value, mask, scaling, **extra) -> (out "batch query head d_head",
            weights),
                Hugging Face's attention function; None: torch's fused kernel.
            resume: (L, stream): go on before block L from this residual stream; earlier blocks are not run.
        """
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        first, stream = (0, self._embedded(tokens, positions)) if resume is None else resume
        for block in self.blocks[first:]:
            stream = block(stream, positions, attention or fused_attention)
        return cast(Tensor, self.unembed(self.norm(stream)))

    def _embedded(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """The residual stream before the first block."""
        stream: Tensor = self.embed(tokens)
        return stream if self.pos_embed is None else stream + self.pos_embed(positions)


def initialise(module: Transformer, seed: int) -> None:
    """Draw the initial weights: normal 0.02, outputs into the stream smaller, biases 0, norms 1."""
    generator = torch.Generator().manual_seed(seed)
    outputs = 0.02 / math.sqrt(2 * module.config.n_layers)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
                continue
            into_stream = name.endswith(("attn.o.weight", "mlp.down.weight"))
            parameter.normal_(0.0, outputs if into_stream else 0.02, generator=generator)


def config_to_json(config: TransformerConfig) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return {"format": "pellucid-transformer", **dataclasses.asdict(config)}


def save_transformer(
    module: Transformer, folder: Path, tokenizer: str | None = None, dtype: torch.dtype = torch.float32
) -> None:
    """Write a transformer's folder: config.json, model.safetensors and, when given, tokenizer.json.

    Arguments:
        module: what to write; a tied unembedding is written once.
        folder: made when absent; files are replaced one by one, each whole or not at all.
        tokenizer: the text of a Hugging Face tokenizer.json.
        dtype: of the stored weights; float16 halves the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: parameter.detach().to(dtype).contiguous() for name, parameter in module.named_parameters()
    }
    _write(folder / "model.safetensors", save(weights))
    _write(folder / "config.json", (json.dumps(config_to_json(module.config), indent=1) + "\n").encode())
    if tokenizer is not None:
        _write(folder / "tokenizer.json", tokenizer.encode())


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def config_from_json(content: Mapping[str, Any]) -> TransformerConfig:
    """Read a configuration back; unknown and missing names are refused."""
    given = {name: value for name, value in content.items() if name != "format"}
    known = {field.name: field for field in dataclasses.fields(TransformerConfig)}
    unknown = sorted(set(given) - set(known))
    needed = {name for name, field in known.items() if field.default is dataclasses.MISSING}
    if unknown or needed - set(given):
        problem = f"unknown entries {unknown}, missing entries {sorted(needed - set(given))}"
        _refuse(problem, f"config.json takes {', '.join(known)}.")
    tuples: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    return TransformerConfig(**tuples)


def load_transformer(folder: Path) -> tuple[Transformer, TransformerConfig]:
    """Open a folder written by `save_transformer`; the weights come back as float32.

    Arguments:
        folder: with config.json and model.safetensors.

    Raises:
        InputError: the configuration or the weights do not fit together.
    """
    config = config_from_json(json.loads((folder / "config.json").read_text()))
    module = Transformer(config)
    weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    _check_weights(folder, dict(module.named_parameters()), weights)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(weights[name])
    return module.eval(), config


def _check_weights(folder: Path, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    differing = sorted(set(wanted) ^ set(given))
    differing += [name for name in wanted if name in given and wanted[name].shape != given[name].shape]
    if differing:
        problem = f"The weights in {folder.name} do not fit its config.json: {', '.join(differing[:5])}."
        raise InputError("MD40", problem, "Keep config.json and model.safetensors of one save together.")
