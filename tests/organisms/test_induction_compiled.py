"""Compiled induction heads do what their closed form says, in every head and for every prefix."""

import dataclasses

import numpy as np
import pytest
import torch

from pellucid.dictionaries.attention.prefix import PrefixConfig, draw_repeats, measure_curves
from pellucid.findings import InputError
from pellucid.organisms.induction import HeadPlan, InductionPlan, Selection, closed_form, compiled_induction

SMALL = InductionPlan(
    (
        HeadPlan("short"),
        HeadPlan("long"),
        HeadPlan("duplicate"),
        HeadPlan("previous"),
        HeadPlan("begin"),
        HeadPlan("uniform"),
        HeadPlan("short", 5.0),
        HeadPlan("long", 4.0, sink=3.0),
    ),
    n_tokens=40,
    context=36,
)
PAIR = InductionPlan((HeadPlan("short"), HeadPlan("long")))


def planted(model, plan, config):
    """Repeats and attention of the second layer's planned heads: (example, prefix, head)."""
    repeats = draw_repeats(model, config)
    curves = measure_curves(model, repeats, config, logits=True)
    places = [curves.heads.index((1, head)) for head in range(len(plan.heads))]
    return repeats, curves.attention[..., places], curves.logit[..., places]


def expected(repeats, plan, config):
    rows = [
        [closed_form(plan, head, p, repeats.query(p).numpy() + 1) for head in range(len(plan.heads))]
        for p in config.prefixes
    ]
    return np.asarray(rows).transpose(2, 0, 1)


def test_every_curve_is_its_closed_form():
    """Float32 scores up to 24 carry 2e-6 into the exponent; times p(1-p) <= 1/4 that stays under 1e-6."""
    config = PrefixConfig(examples=12)
    repeats, attention, _ = planted(compiled_induction(SMALL), SMALL, config)
    assert np.abs(attention - expected(repeats, SMALL, config)).max() < 1e-6


def test_in_double_precision_it_is_exact():
    config, model = PrefixConfig(examples=4, prefixes=(1, 2)), compiled_induction(SMALL)
    model.module.double()
    repeats, attention, _ = planted(model, SMALL, config)
    # what is left is the first layer's pattern, hard to e^-40, and the rounding of sqrt(d_head)
    assert np.abs(attention - expected(repeats, SMALL, config)).max() < 1e-6


def test_the_spec_shape_gives_the_spec_numbers():
    assert closed_form(PAIR, 0, 1, 129) == pytest.approx(0.9967, abs=1e-3)
    assert closed_form(PAIR, 1, 1, 129) == pytest.approx(0.0025, abs=1e-4)
    assert closed_form(PAIR, 1, 2, 129) == pytest.approx(0.9975, abs=1e-4)
    config = PrefixConfig(examples=6, prefixes=(1, 2, 9))
    repeats, attention, _ = planted(compiled_induction(PAIR), PAIR, config)
    assert np.abs(attention - expected(repeats, PAIR, config)).max() < 1e-6
    short, long = attention[..., 0], attention[..., 1]
    assert short.min() >= 0.9
    assert long[:, 0].max() <= 0.1
    assert long[:, 1:].min() >= 0.9


def test_a_heads_logit_is_its_attention():
    """Each head adds the token that it attends to, and no other token of the row is the same."""
    config = PrefixConfig(examples=5, prefixes=(1, 3))
    _, attention, logit = planted(compiled_induction(SMALL), SMALL, config)
    assert np.abs(attention - logit).max() < 1e-5


def test_the_first_layer_looks_one_and_two_back():
    model = compiled_induction(PAIR)
    tokens = torch.arange(1, 21)[None]
    pattern = model.run(tokens, read="blocks.0.attn.pattern")["blocks.0.attn.pattern"][0].detach()
    for head, back in enumerate((1, 2)):
        for query in range(back, 20):
            assert float(pattern[head, query, query - back]) == pytest.approx(1.0, abs=1e-6)


def test_it_opens_as_a_transformer_with_the_ordinary_sites():
    model = compiled_induction(SMALL)
    assert model.family == "pellucid-transformer"
    for site in ("blocks.1.attn.pattern", "blocks.1.attn.z", "blocks.1.attn.q", "blocks.1.resid_post"):
        assert site in model.sites
    assert model.facts.n_heads == 8


def test_another_plan_is_another_model():
    sharper = dataclasses.replace(PAIR, heads=(HeadPlan("short", 13.0), HeadPlan("long")))
    assert compiled_induction(PAIR).sha256 == compiled_induction(PAIR).sha256
    assert compiled_induction(PAIR).sha256 != compiled_induction(sharper).sha256
    swapped = dataclasses.replace(PAIR, heads=PAIR.heads[::-1])
    assert compiled_induction(PAIR).sha256 != compiled_induction(swapped).sha256


def test_a_selection_is_its_matrix():
    chosen = Selection({0: (2, 3.0), 2: (1, -1.0)}, 4)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(chosen(x), x @ chosen.weight.T)
    assert chosen.weight.tolist() == [[0, 0, 3, 0], [0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 0]]


def test_projections_offer_their_matrices():
    model = compiled_induction(dataclasses.replace(PAIR, n_tokens=10, context=8))
    for path in ("blocks.1.attn.q", "blocks.1.attn.o"):
        module = model.submodule(path)
        x = torch.randn(3, module.weight.shape[1], generator=torch.Generator().manual_seed(1))
        assert torch.allclose(module(x), x @ module.weight.T)


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda: InductionPlan(()), "OR20", "0 heads were planned. Give 1 to 8 of them."),
        (
            lambda: InductionPlan((HeadPlan("short"),) * 9),
            "OR20",
            "9 heads were planned. Give 1 to 8 of them.",
        ),
        (
            lambda: InductionPlan((HeadPlan("short"),), n_tokens=1),
            "OR21",
            "A plan of 1 tokens and a context of 129. Give at least 2 of both.",
        ),
        (
            lambda: InductionPlan((HeadPlan("shrt"),)),
            "OR22",
            "No head has the role 'shrt'. Roles: short, long, duplicate, previous, begin, uniform. "
            "Did you mean 'short'?",
        ),
        (
            lambda: closed_form(PAIR, 2, 1, 129),
            "OR23",
            "Head 2 and a prefix of 1. Give a head from 0 to 1 and a prefix from 1.",
        ),
    ],
)
def test_plans_that_cannot_be_built(make, code, message):
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.code == code
    assert str(caught.value) == message
