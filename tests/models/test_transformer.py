"""The readable transformer: an independent forward agrees, sites add up, layouts keep their laws."""

import math

import pytest
import torch
from torch.nn import functional

from pellucid.findings import InputError
from pellucid.models.transformer import (
    Transformer,
    TransformerConfig,
    config_from_json,
    config_to_json,
    fused_attention,
    load_transformer,
    save_transformer,
    window_mask,
)

SMALL = {"d_vocab": 17, "context": 12, "n_layers": 2, "d_model": 16, "n_heads": 4, "d_mlp": 24}
LAYOUTS = {
    "gpt2": {},
    "llama": {"norm": "rms", "positions": "rotary", "mlp": "swiglu", "biases": False, "tied": False},
    "grouped": {"n_key_value_heads": 2, "positions": "rotary"},
    "bilinear": {"norm": "none", "mlp": "bilinear", "positions": "none"},
    "relu": {"mlp": "relu", "tied": False},
    "attention only": {"mlp_layers": (False, True)},
    "windows": {"spans": (None, 3)},
}


def lively(**options):
    """A transformer whose every parameter matters: initial biases are 0 and weights small."""
    module = Transformer(TransformerConfig(**SMALL, **options), seed=1).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def tokens(rows=3, length=12, seed=0):
    return torch.randint(0, 17, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS.keys())
def module(request):
    return lively(**request.param)


def normalised(norm, x, config):
    if config.norm == "none":
        return x
    centred = x - x.mean(-1, keepdim=True) if config.norm == "layer" else x
    scaled = centred / (centred.square().mean(-1, keepdim=True) + config.norm_epsilon).sqrt() * norm.weight
    return scaled + norm.bias if config.norm == "layer" else scaled


def linear(layer, x):
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def rotated(vector, position, base):
    half = len(vector) // 2
    out = vector.clone()
    for i in range(half):
        angle = position * base ** (-2 * i / len(vector))
        a, b = vector[i], vector[i + half]
        out[i] = a * math.cos(angle) - b * math.sin(angle)
        out[i + half] = a * math.sin(angle) + b * math.cos(angle)
    return out


def attended(attn, x, config, span):
    """One row, head by head and position by position: the definition, not the kernel."""
    length, width = x.shape[0], config.d_head
    q, k, v = (linear(part, x) for part in (attn.q, attn.k, attn.v))
    z = torch.zeros(length, config.d_model, dtype=x.dtype)
    for head in range(config.n_heads):
        own = slice(head * width, (head + 1) * width)
        shared = head // (config.n_heads // config.key_value_heads)
        theirs = slice(shared * width, (shared + 1) * width)
        for at in range(length):
            first = 0 if span is None else max(0, at - span + 1)
            query, keys = q[at, own], k[first : at + 1, theirs]
            if config.positions == "rotary":
                query = rotated(query, at, config.rotary_base)
                places = range(first, at + 1)
                keys = torch.stack(
                    [rotated(key, p, config.rotary_base) for key, p in zip(keys, places, strict=True)]
                )
            pattern = torch.softmax(keys @ query / math.sqrt(width), dim=0)
            z[at, own] = pattern @ v[first : at + 1, theirs]
    return linear(attn.o, z)


def mlp_out(mlp, x, config):
    up = linear(mlp.up, x)
    if config.mlp == "swiglu":
        gate = linear(mlp.gate, x)
        return linear(mlp.down, gate * torch.sigmoid(gate) * up)
    if config.mlp == "bilinear":
        return linear(mlp.down, linear(mlp.gate, x) * up)
    if config.mlp == "relu":
        return linear(mlp.down, up.clamp(min=0))
    cubic = math.sqrt(2 / math.pi) * (up + 0.044715 * up**3)
    return linear(mlp.down, 0.5 * up * (1 + torch.tanh(cubic)))


def forward_by_hand(module, row):
    config = module.config
    x = module.embed.weight[row]
    if config.positions == "learned":
        x = x + module.pos_embed.weight[: len(row)]
    for layer, block in enumerate(module.blocks):
        x = x + attended(block.attn, normalised(block.norm1, x, config), config, config.span(layer))
        if config.has_mlp(layer):
            x = x + mlp_out(block.mlp, normalised(block.norm2, x, config), config)
    return normalised(module.norm, x, config) @ module.unembed.weight.T


def test_forward_equals_an_independent_forward(module):
    row = tokens(1)[0]
    with torch.no_grad():
        torch.testing.assert_close(module(row[None])[0], forward_by_hand(module, row), atol=1e-10, rtol=1e-9)


def test_the_future_changes_nothing(module):
    before = tokens()
    after = before.clone()
    after[:, 7:] = (after[:, 7:] + 5) % 17
    with torch.no_grad():
        torch.testing.assert_close(module(before)[:, :7], module(after)[:, :7], atol=1e-12, rtol=0)


def test_rows_do_not_see_each_other(module):
    rows = tokens(4)
    with torch.no_grad():
        together, alone = module(rows), torch.cat([module(row[None]) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=1e-12)


def test_sites_add_up(module):
    kept = {}

    def keep(name, what):
        return lambda _, inputs, output: kept.__setitem__(name, inputs[0] if what == "in" else output)

    for layer, block in enumerate(module.blocks):
        block.register_forward_hook(keep(f"pre{layer}", "in"))
        block.register_forward_hook(keep(f"post{layer}", "out"))
        block.attn.register_forward_hook(keep(f"attn{layer}", "out"))
        if block.mlp is not None:
            block.norm2.register_forward_hook(keep(f"mid{layer}", "in"))
            block.mlp.register_forward_hook(keep(f"mlp{layer}", "out"))
    with torch.no_grad():
        module(tokens())
    torch.testing.assert_close(kept["post0"], kept["pre1"], atol=0, rtol=0)
    for layer, block in enumerate(module.blocks):
        middle = kept[f"pre{layer}"] + kept[f"attn{layer}"]
        if block.mlp is None:
            torch.testing.assert_close(middle, kept[f"post{layer}"], atol=0, rtol=0)
            continue
        torch.testing.assert_close(middle, kept[f"mid{layer}"], atol=0, rtol=0)
        torch.testing.assert_close(middle + kept[f"mlp{layer}"], kept[f"post{layer}"], atol=0, rtol=0)


def explicit(module, query, key, value, mask, scaling, **extra):
    groups = module.num_key_value_groups
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * scaling
    allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril() if mask is None else mask
    pattern = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    return (pattern @ value).transpose(1, 2), pattern


def test_attention_can_be_replaced(module):
    with torch.no_grad():
        plain, replaced = module(tokens()), module(tokens(), attention=explicit)
    torch.testing.assert_close(plain, replaced, atol=1e-10, rtol=1e-9)


def test_fused_attention_gives_no_weights():
    part = torch.randn(1, 2, 3, 4)
    out, weights = fused_attention(torch.nn.Identity(), part, part, part, None, 0.5)
    assert out.shape == (1, 3, 2, 4)
    assert weights is None


def test_rotary_attention_knows_only_distances():
    module = lively(positions="rotary")
    with torch.no_grad():
        here = module(tokens(), positions=torch.arange(12))
        there = module(tokens(), positions=torch.arange(12) + 1_000)
        each = module(tokens(), positions=(torch.arange(12) + 1_000).expand(3, 12))
    torch.testing.assert_close(here, there, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(there, each, atol=1e-12, rtol=0)


def test_without_positions_the_past_is_a_set():
    row = tokens(1)
    shuffled = row.clone()
    shuffled[0, :11] = row[0, torch.randperm(11, generator=torch.Generator().manual_seed(0))]
    one_layer = lively(positions="none", mlp_layers=(False, False))
    one_layer.blocks = one_layer.blocks[:1]
    with torch.no_grad():
        torch.testing.assert_close(one_layer(row)[0, -1], one_layer(shuffled)[0, -1], atol=1e-10, rtol=0)


def test_window_mask_is_a_band():
    mask = window_mask(5, 2, torch.device("cpu"))[0, 0]
    assert mask.sum().item() == 9
    assert mask.equal(
        torch.ones(5, 5, dtype=torch.bool).tril() & ~torch.ones(5, 5, dtype=torch.bool).tril(-2)
    )


def test_a_span_of_the_whole_context_is_no_span():
    wide, plain = lively(spans=(12, 12)), lively()
    with torch.no_grad():
        torch.testing.assert_close(wide(tokens()), plain(tokens()), atol=1e-12, rtol=0)


def test_bard_has_the_stated_parameters():
    shape = TransformerConfig(d_vocab=1_024, context=128, n_layers=4, d_model=128, n_heads=4, d_mlp=512)
    assert sum(parameter.numel() for parameter in Transformer(shape).parameters()) == 940_800


def test_initial_weights_have_the_stated_spread():
    module = Transformer(TransformerConfig(**{**SMALL, "d_model": 128, "d_mlp": 512}))
    assert float(module.blocks[0].attn.q.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(module.blocks[1].mlp.down.weight.detach().std()) == pytest.approx(0.02 / 2, rel=0.02)
    assert not module.blocks[0].attn.q.bias.any()


def test_same_seed_same_weights_and_no_trace_in_the_global_state():
    state = torch.random.get_rng_state()
    first, second, third = (Transformer(TransformerConfig(**SMALL), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first(tokens()), second(tokens()))
    assert not torch.equal(first(tokens()), third(tokens()))


def test_saved_folder_opens_to_the_same_function(module, tmp_path):
    save_transformer(module.float(), tmp_path / "model", "{}")
    opened, config = load_transformer(tmp_path / "model")
    assert config == module.config
    assert torch.equal(opened(tokens()), module(tokens()))
    assert not list((tmp_path / "model").glob("*.partial"))


def test_float16_halves_the_file_and_opens_as_float32(tmp_path):
    module = lively().float()
    save_transformer(module, tmp_path / "full")
    save_transformer(module, tmp_path / "half", dtype=torch.float16)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    opened, _ = load_transformer(tmp_path / "half")
    assert {parameter.dtype for parameter in opened.parameters()} == {torch.float32}
    torch.testing.assert_close(
        opened.embed.weight, module.embed.weight.half().float(), atol=0, rtol=0, check_stride=False
    )


def test_tied_unembedding_is_stored_once_and_stays_tied(tmp_path):
    save_transformer(lively().float(), tmp_path)
    opened, _ = load_transformer(tmp_path)
    assert opened.unembed.weight is opened.embed.weight


def test_configuration_survives_json():
    config = TransformerConfig(**SMALL, spans=(None, 3), mlp_layers=(True, False))
    assert config_from_json(config_to_json(config)) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_heads": 3}, "d_model 16 is no multiple of n_heads 3. Change one of them."),
        ({"n_key_value_heads": 3}, "n_heads 4 is no multiple of n_key_value_heads 3"),
        ({"n_layers": 0}, "n_layers is 0. Give n_layers of at least 1."),
        ({"norm": "batch"}, "norm is 'batch'. Choose one of layer, rms, none."),
        ({"mlp": "tanh"}, "mlp is 'tanh'. Choose one of gelu, relu, swiglu, bilinear."),
        ({"spans": (3,)}, "spans has 1 entries for 2 layers. Give one entry per layer."),
        ({"positions": "rotary", "n_heads": 16}, "rotary positions need an even head width, not 1"),
    ],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(InputError, match=r"^Transformer configuration: ") as caught:
        TransformerConfig(**{**SMALL, **change})
    assert message in str(caught.value)
    assert caught.value.code == "MD40"


def test_unknown_and_missing_entries_are_named():
    content = {**config_to_json(TransformerConfig(**SMALL)), "colour": "red"}
    del content["d_model"]
    with pytest.raises(InputError, match=r"unknown entries \['colour'\], missing entries \['d_model'\]"):
        config_from_json(content)


def test_weights_of_another_shape_are_named(tmp_path):
    save_transformer(lively(), tmp_path / "one")
    save_transformer(Transformer(TransformerConfig(**{**SMALL, "d_mlp": 32})), tmp_path / "two")
    (tmp_path / "two" / "model.safetensors").replace(tmp_path / "one" / "model.safetensors")
    with pytest.raises(InputError, match=r"do not fit its config.json: blocks.0.mlp"):
        load_transformer(tmp_path / "one")


def test_gradients_equal_finite_differences():
    module = lively(positions="rotary", n_key_value_heads=2)
    inputs = tokens(1, 6)

    def loss_at(parameter):
        return functional.cross_entropy(module(inputs)[0, :-1], inputs[0, 1:])

    parameter = module.blocks[0].attn.k.weight
    gradient = torch.autograd.grad(loss_at(parameter), parameter)[0]
    step = 1e-6
    for index in [(0, 0), (3, 5), (7, 15)]:
        with torch.no_grad():
            parameter[index] += step
            above = loss_at(parameter)
            parameter[index] -= 2 * step
            below = loss_at(parameter)
            parameter[index] += step
        assert float((above - below) / (2 * step)) == pytest.approx(float(gradient[index]), abs=1e-7)
