"""Every row of the table of metrics: by hand, at its limits, and in its relation to the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dictionary_models import identity, small_model
from torch.nn.functional import cosine_similarity

from pellucid.dictionaries import VARIANTS, Convention, TopK, evaluate, splice
from pellucid.dictionaries.judging.resampling import interval, share, totals
from pellucid.findings import bootstrap

SITE = "blocks.0.resid_post"


def values(finding) -> dict[str, float | None]:
    return {name: measure.value for name, measure in finding.measures.items()}


def always(width: int, bias: torch.Tensor) -> TopK:
    """A dictionary that says the same whatever it reads."""
    made = TopK(width, 12, 3, site_in=SITE, convention=Convention(subtract="none"))
    with torch.no_grad():
        made.W_enc.zero_()
        made.b_dec.copy_(bias)
    return made


def shrinking(factor: float) -> TopK:
    """y_hat = factor y, by shorter decoder rows."""
    made = identity(8, SITE, decoder_unit_norm=False)
    with torch.no_grad():
        made.W_dec *= factor
    return made


def target(model, tokens, site: str = SITE) -> torch.Tensor:
    return model.run(tokens, read=site)[site].detach().double().flatten(0, 1)


@pytest.mark.truth("dictionaries.evaluation")
def test_reconstruction_by_hand(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE, convention=Convention(decoder_unit_norm=False))
    with torch.no_grad():
        dictionary.W_dec *= torch.linspace(0.5, 2, 16)[:, None]
    found, x = values(evaluate(model, dictionary, tokens)), target(model, tokens)
    z = dictionary.encode(x.float()).detach().double()
    x_hat = dictionary(x.float()).detach().double()
    error, spread = (x - x_hat).square().sum(1), (x - x.mean(0)).square().sum(1)
    expected = {
        "mse": error.mean(),
        "mse_per_dim": error.mean() / 8,
        "fvu": error.sum() / spread.sum(),
        "nmse": error.mean() / spread.mean(),
        "ev_uncentred": 1 - error.sum() / x.square().sum(),
        "ev_per_token": (1 - error / spread).mean(),
        "ev_residual_var": 1 - (x - x_hat).var(0).sum() / x.var(0).sum(),
        "l0": (z != 0).sum(1).double().mean(),
        "l1": (z.abs() * dictionary.W_dec.detach().double().norm(dim=1)).sum(1).mean(),
        "l2_ratio": (x_hat.norm(dim=1) / x.norm(dim=1)).mean(),
        "rel_recon_bias": x_hat.square().sum() / (x * x_hat).sum(),
        "cosine": cosine_similarity(x, x_hat, dim=1).mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), rel=1e-5), name  # float32 reconstructions


@pytest.mark.truth("dictionaries.evaluation")
def test_divergences_and_later_layers_by_hand(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    finding = evaluate(model, dictionary, tokens)
    later = "blocks.1.resid_post"
    with torch.no_grad():
        clean, spliced = model.run(tokens, read=later), splice(model, dictionary).run(tokens, read=later)
        mean = target(model, tokens).mean(0).float()
        zeroed, meant = (model.run(tokens, write={SITE: v}).output for v in (0.0, mean))
    p, q, zero, average = (
        o[:, :-1].double().log_softmax(-1) for o in (clean.output, spliced.output, zeroed, meant)
    )

    def kl(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.exp() * (a - b)).sum(-1).mean())

    found = values(finding)
    assert found["kl"] == pytest.approx(kl(p, q), rel=1e-5)
    assert found["kl_reverse"] == pytest.approx(kl(q, p), rel=1e-5)
    assert abs(found["kl"] - found["kl_reverse"]) > 1e-3  # the direction matters here
    assert found["kl_recovered"] == pytest.approx(1 - kl(p, q) / kl(p, zero), abs=1e-5)
    assert found["kl_recovered_mean"] == pytest.approx(1 - kl(p, q) / kl(p, average), abs=1e-5)
    arrived = float((spliced[later] - clean[later]).double().square().mean())
    assert found["downstream_mse"] == pytest.approx(arrived, rel=1e-5)
    assert finding.arrays["downstream_mse"].axes == ("layer",)
    assert finding.arrays["downstream_mse"].coords["layer"] == [1]
    assert finding.arrays["downstream_mse"].values == pytest.approx([arrived], rel=1e-5)


@pytest.mark.law("dictionaries.evaluation")
def test_the_identity_is_perfect_by_every_measure(model, tokens):
    found = values(evaluate(model, identity(8, SITE), tokens))
    for name in ("ev_uncentred", "ev_per_token", "ev_residual_var", "rel_recon_bias", "cosine"):
        assert found[name] == pytest.approx(1, abs=1e-10), name
    for name in ("mse", "mse_per_dim", "nmse", "kl_reverse", "downstream_mse"):
        assert found[name] == pytest.approx(0, abs=1e-9), name
    assert [found["kl_recovered"], found["kl_recovered_mean"]] == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.law("dictionaries.evaluation")
def test_the_mean_explains_nothing_by_any_centred_measure(model, tokens):
    found = values(evaluate(model, always(8, target(model, tokens).mean(0).float()), tokens))
    assert found["nmse"] == pytest.approx(1, abs=1e-6)
    assert [found["ev_per_token"], found["ev_residual_var"]] == pytest.approx([0, 0], abs=1e-6)
    assert found["ev_uncentred"] > 0.05  # it counts the mean itself as explained
    assert found["kl_recovered_mean"] == pytest.approx(0, abs=1e-5)


@pytest.mark.law("dictionaries.evaluation")
def test_silence_has_no_direction(model, tokens):
    found = values(evaluate(model, always(8, torch.zeros(8)), tokens))
    assert found["cosine"] is None
    assert found["rel_recon_bias"] is None
    assert found["zero_vectors"] == tokens.numel()
    assert found["ev_uncentred"] == 0
    assert found["kl_recovered"] == pytest.approx(0, abs=1e-9)


@pytest.mark.law("dictionaries.evaluation")
@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_shrinkage_is_measured_exactly(model, tokens, factor):
    """y_hat = a y: ratio and bias a, cosine 1, uncentred variance left (1 - a)^2."""
    found = values(evaluate(model, shrinking(factor), tokens))
    assert [found["l2_ratio"], found["rel_recon_bias"]] == pytest.approx([factor, factor], abs=1e-9)
    assert found["cosine"] == pytest.approx(1, abs=1e-9)
    assert found["ev_uncentred"] == pytest.approx(1 - (1 - factor) ** 2, abs=1e-9)
    assert found["ev_residual_var"] == pytest.approx(1 - (1 - factor) ** 2, abs=1e-9)


@pytest.mark.law("dictionaries.evaluation")
def test_a_constant_error_is_what_parts_the_definitions(model, tokens):
    """1 - fvu = ev_residual_var - N ||mean e||^2 / total variance."""
    dictionary = TopK(8, 16, 2, site_in=SITE, convention=Convention(subtract="none"))
    with torch.no_grad():
        dictionary.b_dec += 0.7
    found, x = values(evaluate(model, dictionary, tokens)), target(model, tokens)
    bias = (x - dictionary(x.float()).detach().double()).mean(0)
    lost = len(x) * bias.square().sum() / (x - x.mean(0)).square().sum()
    assert 1 - found["fvu"] == pytest.approx(found["ev_residual_var"] - float(lost), abs=1e-6)
    assert float(lost) > 0.01


@pytest.mark.law("dictionaries.evaluation")
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_is_judged_by_what_it_makes(model, tokens, variant):
    dictionary = TopK(8, 16, 2, site_in=SITE) if variant == "topk" else made(variant)
    found, x = values(evaluate(model, dictionary, tokens)), target(model, tokens)
    with torch.no_grad():
        error = (x - dictionary(x.float()).double()).square().sum()
        l0 = (dictionary.encode(x.float()) != 0).sum(1).double().mean()
    assert found["fvu"] == pytest.approx(float(error / (x - x.mean(0)).square().sum()), rel=1e-5)
    assert found["l0"] == pytest.approx(float(l0), rel=1e-6)


def made(variant: str):
    """A small dictionary of a variant, whatever else its class needs left at what it is."""
    kind, settings = VARIANTS[variant], {}
    if variant in ("batchtopk", "matryoshka"):
        settings["k"] = 2
    return kind(8, 16, site_in=SITE, **settings)


def last(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The last position's logit for the first token: a task of no sense, but a task."""
    return logits[:, -1].gather(1, tokens[:, :1])[:, 0]


def test_faithfulness_on_a_task(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    finding = evaluate(model, dictionary, tokens, metric=last)
    with torch.no_grad():
        runs = model.run(tokens), splice(model, dictionary).run(tokens), model.run(tokens, write={SITE: 0.0})
        clean, spliced, zero = (float(last(run.output, tokens).double().mean()) for run in runs)
    found = values(finding)
    assert (found["metric_clean"], found["metric_zero"]) == (
        pytest.approx(clean, abs=1e-5),
        pytest.approx(zero, abs=1e-5),
    )
    assert found["faithfulness"] == pytest.approx((spliced - zero) / (clean - zero), rel=1e-3)
    assert finding.provenance.parameters["metric"].endswith("last")
    perfect = values(evaluate(model, identity(8, SITE), tokens, metric=last))
    assert perfect["faithfulness"] == pytest.approx(1, abs=1e-5)
    nothing = values(evaluate(model, always(8, torch.zeros(8)), tokens, metric=last))
    assert nothing["faithfulness"] == pytest.approx(0, abs=1e-9)
    assert "faithfulness" not in values(evaluate(model, dictionary, tokens))


def test_shares_of_nothing_have_no_value(tokens):
    model = small_model()
    with torch.no_grad():
        model.module.unembed.weight.zero_()
    found = values(evaluate(model, TopK(8, 16, 2, site_in=SITE), tokens, metric=last))
    for name in ("ce_recovered", "ce_recovered_mean", "kl_recovered", "kl_recovered_mean", "faithfulness"):
        assert found[name] is None, name
    assert found["kl"] == 0


def test_a_site_without_variance_has_no_fvu(tokens):
    """All activations alike: nothing to explain, and no warning of a division by zero."""
    model = small_model()
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.zero_()
    found = values(evaluate(model, TopK(8, 16, 2, site_in=SITE), tokens))
    assert found["fvu"] is found["ev_per_token"] is found["ev_residual_var"] is None
    assert found["mse"] == 0


def test_after_the_last_block_nothing_arrives_later(model, tokens):
    finding = evaluate(model, TopK(8, 16, 2, site_in="blocks.1.resid_post"), tokens)
    assert "downstream_mse" not in finding.measures
    assert "downstream_mse" not in finding.arrays
    early = evaluate(model, TopK(8, 16, 2, site_in="embed"), tokens)
    assert early.arrays["downstream_mse"].coords["layer"] == [0, 1]
    value = early.arrays["downstream_mse"].values.mean()
    assert early.measures["downstream_mse"].value == pytest.approx(value)


def test_excluded_positions_count_nowhere(model, tokens):
    record = Convention(subtract="none", excluded_positions=(0, 1))
    dictionary = TopK(8, 16, 2, site_in=SITE, convention=record)
    found = values(evaluate(model, dictionary, tokens))
    x = model.run(tokens, read=SITE)[SITE].detach().double()[:, 2:].flatten(0, 1)
    x_hat = dictionary(x.float()).detach().double()
    assert found["mse"] == pytest.approx(float((x - x_hat).square().sum(1).mean()), rel=1e-5)
    assert found["cosine"] == pytest.approx(float(cosine_similarity(x, x_hat, dim=1).mean()), rel=1e-5)


def test_a_site_of_heads_is_judged_as_one_row(model, tokens):
    site = "blocks.0.attn.z"
    record = Convention(subtract="none", reshape="heads")
    dictionary = TopK(8, 16, 2, site_in=site, convention=record)
    finding = evaluate(model, dictionary, tokens)
    x = model.run(tokens, read=site)[site].detach().flatten(-2).double().flatten(0, 1)
    error = (x - dictionary(x.float()).detach().double()).square().sum()
    assert finding.measures["fvu"].value == pytest.approx(
        float(error / (x - x.mean(0)).square().sum()), rel=1e-5
    )
    with torch.no_grad():
        spliced = splice(model, dictionary).run(tokens).output[:, :-1].double().log_softmax(-1)
    loss = -spliced.gather(-1, tokens[:, 1:, None]).mean()
    assert finding.measures["ce_spliced"].value == pytest.approx(float(loss), abs=1e-6)
    assert finding.arrays["downstream_mse"].coords["layer"] == [0, 1]


def test_one_set_of_resamples_is_the_bootstrap_of_each():
    random = np.random.default_rng(0)
    a, b = random.random(30), 1 + random.random(30)
    drawn = totals({"a": a, "b": b}, 200, 7)
    expected = bootstrap(
        np.stack([a, b], 1), lambda rows: rows[:, 0].sum() / rows[:, 1].sum(), resamples=200, seed=7
    )
    ours = interval(share(drawn["a"], drawn["b"]), 30)
    assert (ours.value, ours.low, ours.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert (ours.n, ours.level, ours.method) == (expected.n, expected.level, expected.method)


def test_resamples_in_which_a_share_is_undefined_are_left_out():
    drawn = totals({"a": np.array([1.0, 0, 0]), "b": np.array([2.0, 0, 0])}, 100, 0)
    found = interval(share(drawn["a"], drawn["b"]), 3)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert interval(share(drawn["a"], 0 * drawn["b"]), 3) is None
