"""The long- and short-prefix protocol: what is drawn, what is read, and what a curve says."""

import numpy as np
import pytest
import torch
from dictionary_models import small_model
from prefix_worlds import plan_of
from torch import nn

import pellucid
from pellucid.dictionaries.attention.prefix import (
    PrefixConfig,
    attended,
    attributed,
    draw_repeats,
    measure_curves,
    prefix_curves,
)
from pellucid.findings import InputError, MissingError
from pellucid.models import Model, Transformer, TransformerConfig
from pellucid.organisms.induction import HeadPlan, closed_form, compiled_induction

PLAN = plan_of(HeadPlan("short"), HeadPlan("long"), HeadPlan("uniform"))


def wide_model(norm="layer"):
    """Two random blocks over 30 tokens, with MLPs and norms, so that nothing is special."""
    config = TransformerConfig(
        d_vocab=30, context=24, n_layers=2, d_model=16, n_heads=2, d_mlp=16, norm=norm, tied=False
    )
    module, generator = Transformer(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    return Model(module, id="wide")


@pytest.mark.law("dictionaries.prefix_curves")
@pytest.mark.parametrize("prefix", [1, 2, 9])
def test_drawn_sequences_repeat_exactly_what_they_should(prefix):
    config = PrefixConfig(examples=50, first=3)
    repeats = draw_repeats(compiled_induction(PLAN), config)
    tokens, query, target = repeats.with_prefix(prefix), repeats.query(prefix), repeats.target(prefix)
    assert (repeats.tokens[:, 0] == 3).all()
    lists = (part.tolist() for part in (tokens, repeats.tokens, query, target))
    for row, base, q, s in zip(*lists, strict=True):
        assert len(set(base)) == len(base)
        assert row[s - prefix : s] == row[q - prefix + 1 : q + 1]
        assert len(set(row)) == len(row) - prefix  # nothing else repeats
        assert s < q
        assert row.index(row[s]) == s


@pytest.mark.law("dictionaries.prefix_curves")
def test_scores_are_the_cells_of_the_pattern():
    model, config = wide_model(), PrefixConfig(prefixes=(1, 3), examples=7, batch=3)
    repeats = draw_repeats(model, config)
    curves = measure_curves(model, repeats, config)
    for column, prefix in enumerate(config.prefixes):
        run = model.run(repeats.with_prefix(prefix), read="blocks.*.attn.pattern")
        for place, (layer, head) in enumerate(curves.heads):
            for example in range(7):
                q, s = int(repeats.query(prefix)[example]), int(repeats.target(prefix)[example])
                cell = run[f"blocks.{layer}.attn.pattern"][example, head, q, s].detach()
                assert curves.attention[example, column, place] == pytest.approx(float(cell), abs=1e-6)


@pytest.mark.law("dictionaries.prefix_curves")
@pytest.mark.parametrize("norm", ["layer", "rms", "none"])
def test_logits_of_heads_embeddings_and_mlps_sum_to_the_models(norm):
    """Direct attribution is complete: with the same gradient, all terms of the stream sum to the logit."""
    model = wide_model(norm)
    model.module.double()
    tokens = torch.randint(0, 30, (3, 12), generator=torch.Generator().manual_seed(1))
    query, target = torch.tensor([5, 9, 11]), torch.tensor([2, 3, 4])
    every = torch.arange(3)
    heads = attributed(model, tokens, query, target).sum(1)
    sites = ["embed", "blocks.0.attn_out", "blocks.1.attn_out", "blocks.0.mlp_out", "blocks.1.mlp_out"]
    run = model.run(tokens, read=[*sites, "pos_embed", "blocks.1.resid_post"], frozen=["norm_scale"])
    logit = run.output[every, query, tokens[every, target]]
    (towards,) = torch.autograd.grad(logit.sum(), run["blocks.1.resid_post"])
    direction = towards[every, query]
    place = (run["pos_embed"].expand(3, -1, -1)[every, query] * direction).sum(-1)
    others = {site: (run[site][every, query] * direction).sum(-1).detach().numpy() for site in sites}
    biases = [block.attn.o.bias for block in model.module.blocks]
    constant = sum((bias * direction).sum(-1) for bias in biases)
    bare = run["blocks.1.resid_post"][every, query]
    offset = logit - (bare * direction).sum(-1)  # the final norm's bias
    attention = others["blocks.0.attn_out"] + others["blocks.1.attn_out"]
    assert heads + constant.detach().numpy() == pytest.approx(attention, abs=1e-10)
    whole = attention + others["embed"] + place.detach().numpy()
    whole += others["blocks.0.mlp_out"] + others["blocks.1.mlp_out"] + offset.detach().numpy()
    assert whole == pytest.approx(logit.detach().numpy(), abs=1e-10)


@pytest.mark.law("dictionaries.prefix_curves")
def test_weights_that_need_no_gradient_are_attributed_alike():
    model, frozen = wide_model(), wide_model()
    frozen.module.requires_grad_(False)
    tokens = torch.arange(12)[None]
    given = (tokens, torch.tensor([9]), torch.tensor([4]))
    assert attributed(model, *given) == pytest.approx(attributed(frozen, *given), abs=1e-7)


@pytest.mark.law("dictionaries.prefix_curves")
def test_batches_change_nothing_and_the_seed_decides():
    model = compiled_induction(PLAN)
    made = [prefix_curves(model, PrefixConfig(examples=9, batch=batch)) for batch in (2, 9)]
    for name in ("attention", "logit"):
        assert np.abs(made[0].arrays[name].values - made[1].arrays[name].values).max() < 1e-6
    assert made[1].id == prefix_curves(model, PrefixConfig(examples=9, batch=9)).id
    assert made[1].id != prefix_curves(model, PrefixConfig(examples=9, batch=9, seed=1)).id


@pytest.mark.truth("dictionaries.prefix_curves")
def test_curves_of_compiled_heads_are_the_closed_form():
    model, config = compiled_induction(PLAN), PrefixConfig(examples=30)
    finding = prefix_curves(model, config)
    repeats = draw_repeats(model, config)
    names = list(finding.arrays["attention"].coords["head"])
    for head in range(3):
        row = finding.arrays["attention"].values[names.index(f"1.{head}")]
        expected = [closed_form(PLAN, head, p, repeats.query(p).numpy() + 1).mean() for p in config.prefixes]
        assert row == pytest.approx(expected, abs=1e-6)
        assert finding.arrays["logit"].values[names.index(f"1.{head}")] == pytest.approx(expected, abs=1e-5)
    low, high = (finding.arrays[f"attention_{end}"].values for end in ("low", "high"))
    assert (low <= finding.arrays["attention"].values + 1e-12).all()
    assert (high >= finding.arrays["attention"].values - 1e-12).all()
    assert finding.measures["strongest_shortest"].value >= 0.9
    assert "Of 6 heads" in finding.statement


@pytest.mark.truth("dictionaries.prefix_curves")
def test_an_organism_opens_and_a_model_without_induction_shows_none():
    model = pellucid.open_model("organism:bard")
    finding = prefix_curves(model, PrefixConfig(prefixes=(1, 3), examples=4))
    assert finding.measures["heads"].value == 16
    assert finding.measures["strongest_longest"].value < 0.3


def test_lengths_adapt_to_context_and_vocabulary():
    model = wide_model()
    assert draw_repeats(model, PrefixConfig()).tokens.shape == (400, 24)  # the context
    few = PrefixConfig(prefixes=(1, 2), vocabulary=(5, 6, 7, 8, 9, 10, 11), examples=3)
    assert draw_repeats(model, few).tokens.shape == (3, 8)
    assert set(draw_repeats(model, few).tokens[:, 1:].flatten().tolist()) == {5, 6, 7, 8, 9, 10, 11}


def test_one_cell_of_attention():
    model = wide_model()
    tokens = torch.arange(10)[None]
    found = attended(model, tokens, torch.tensor([7]), torch.tensor([2]))
    assert found.shape == (1, 4)
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prefixes": ()}, "Prefixes (). Give increasing numbers of repeated tokens, from 1."),
        ({"prefixes": (0, 1)}, "Prefixes (0, 1). Give increasing numbers of repeated tokens, from 1."),
        ({"prefixes": (2, 1)}, "Prefixes (2, 1). Give increasing numbers of repeated tokens, from 1."),
        ({"examples": 0}, "0 examples in batches of 25. Give at least 1 of both."),
    ],
)
def test_a_protocol_that_makes_no_sense(settings, message):
    with pytest.raises(InputError) as caught:
        PrefixConfig(**settings)
    assert caught.value.code == "DI41"
    assert str(caught.value) == message


@pytest.mark.parametrize("length", [18, 24])
def test_sequences_that_do_not_fit(length):
    with pytest.raises(InputError) as caught:
        draw_repeats(wide_model(), PrefixConfig(length=length))
    assert caught.value.code == "DI42"
    assert str(caught.value) == (
        f"Sequences of {length} distinct tokens for prefixes up to 9. "
        "wide takes 23 at most and both copies need 19; change length or prefixes."
    )


def test_the_small_model_takes_short_prefixes_only():
    with pytest.raises(InputError, match="both copies need 19"):
        prefix_curves(small_model())
    assert (
        prefix_curves(small_model(), PrefixConfig(prefixes=(1, 2), examples=3)).measures["heads"].value == 4
    )


def test_a_module_without_patterns():
    with pytest.raises(MissingError) as caught:
        prefix_curves(Model(nn.Sequential(nn.Linear(2, 2)), id="plain"))
    assert caught.value.code == "DI43"
    assert str(caught.value) == (
        "plain has no attention patterns. Give a transformer that shows blocks.L.attn.pattern."
    )
