"""Evaluation: values that must come out exactly, and every number by hand."""

from __future__ import annotations

import math

import pytest
import torch
from dictionary_models import identity, small_model

from pellucid.dictionaries import Convention, TopK, evaluate, splice
from pellucid.dictionaries.judging import sums as evaluating
from pellucid.findings import InputError

SITE = "blocks.0.resid_post"


def silent(width: int, bias: torch.Tensor | None = None) -> TopK:
    """A dictionary that always says b_dec."""
    made = TopK(width, 12, 3, site_in=SITE, convention=Convention(subtract="none"))
    with torch.no_grad():
        made.W_enc.zero_()
        made.b_dec.copy_(torch.zeros(width) if bias is None else bias)
    return made


def values(finding) -> dict[str, float]:
    return {name: measure.value for name, measure in finding.measures.items()}


def losses(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    flat = logits[:, :-1].double().reshape(-1, logits.shape[-1])
    return torch.nn.functional.cross_entropy(flat, tokens[:, 1:].flatten(), reduction="none")


@pytest.mark.law("dictionaries.evaluation")
def test_the_identity_loses_nothing(model, tokens):
    finding = evaluate(model, identity(8, SITE), tokens)
    found = values(finding)
    assert found["fvu"] == pytest.approx(0, abs=1e-12)
    assert found["ce_recovered"] == pytest.approx(1, abs=1e-5)
    assert found["ce_recovered_mean"] == pytest.approx(1, abs=1e-5)
    assert found["kl"] == pytest.approx(0, abs=1e-6)
    assert found["top1_agreement"] == found["l2_ratio"] == pytest.approx(1)
    assert found["l0"] == 8
    assert finding.status == "supports"


@pytest.mark.law("dictionaries.evaluation")
def test_silence_is_zero_ablation(model, tokens):
    found = values(evaluate(model, silent(8), tokens))
    assert found["ce_recovered"] == pytest.approx(0, abs=1e-9)
    assert found["ce_spliced"] == pytest.approx(found["ce_zero"], abs=1e-12)
    assert (found["l0"], found["alive"], found["dead"], found["l2_ratio"]) == (0, 0, 12, 0)


@pytest.mark.law("dictionaries.evaluation")
def test_the_mean_explains_no_variance_and_recovers_no_loss(model, tokens):
    mean = model.run(tokens, read=SITE)[SITE].detach().double().mean((0, 1))
    finding = evaluate(model, silent(8, mean.float()), tokens)
    found = values(finding)
    assert found["fvu"] == pytest.approx(1, abs=1e-6)
    assert found["ce_recovered_mean"] == pytest.approx(0, abs=1e-5)
    assert finding.status != "supports"


@pytest.mark.truth("dictionaries.evaluation")
def test_every_number_by_hand(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    found = values(evaluate(model, dictionary, tokens))
    with torch.no_grad():
        clean = model.run(tokens, read=SITE)
        spliced = splice(model, dictionary).run(tokens).output
        x, z = clean[SITE].double().reshape(-1, 8), dictionary.encode(clean[SITE]).reshape(-1, 16)
        x_hat = dictionary.decode(z).double()
        mean = x.mean(0)
        zeroed, meant = (model.run(tokens, write={SITE: v}).output for v in (0.0, mean.float()))
        p, q = (o[:, :-1].double().log_softmax(-1) for o in (clean.output, spliced))
    ce = [float(losses(o, tokens).mean()) for o in (clean.output, spliced, zeroed, meant)]
    assert found["fvu"] == pytest.approx(
        float((x - x_hat).square().sum() / (x - mean).square().sum()), rel=1e-5
    )
    assert found["l2_ratio"] == pytest.approx(float((x_hat.norm(dim=1) / x.norm(dim=1)).mean()), rel=1e-5)
    assert found["l0"] == pytest.approx(float((z != 0).sum(1).double().mean()))
    named = [found[name] for name in ("ce_clean", "ce_spliced", "ce_zero", "ce_mean")]
    assert named == pytest.approx(ce, abs=1e-5)
    assert found["ce_increase"] == pytest.approx(ce[1] - ce[0], abs=1e-5)
    assert found["ce_recovered"] == pytest.approx((ce[2] - ce[1]) / (ce[2] - ce[0]), abs=1e-3)
    assert found["kl"] == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), abs=1e-5)
    assert found["top1_agreement"] == pytest.approx(float((p.argmax(-1) == q.argmax(-1)).double().mean()))
    frequency = (z != 0).double().mean(0)
    assert found["alive"] == pytest.approx(float((frequency > 0).double().mean()))
    assert found["dense"] == pytest.approx(float((frequency > 0.1).double().mean()))


def test_arrays_name_their_axes(model, tokens):
    arrays = evaluate(model, TopK(8, 16, 2, site_in=SITE), tokens).arrays
    assert arrays["loss"].coords["run"] == ["clean", "spliced", "mean", "zero"]
    frequency = arrays["frequency"].values
    alive = arrays["log_frequency"].coords["feature"]
    assert arrays["log_frequency"].values == pytest.approx([math.log10(frequency[i]) for i in alive])
    assert frequency.sum() == pytest.approx(2, abs=0.3)  # about k of the latents fire for a token


def test_two_batches_are_one(model, tokens, monkeypatch):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    whole = values(evaluate(model, dictionary, tokens))
    monkeypatch.setattr(evaluating, "BATCH", 7)
    assert values(evaluate(model, dictionary, tokens)) == pytest.approx(whole, abs=1e-6)


def test_the_same_evaluation_has_the_same_id(model, tokens):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    assert evaluate(model, dictionary, tokens).id == evaluate(small_model(), dictionary, tokens).id
    assert evaluate(model, dictionary, tokens).id != evaluate(model, dictionary, tokens, seed=1).id
    assert evaluate(model, dictionary, tokens[1:]).id != evaluate(model, dictionary, tokens).id


def test_intervals_hold_the_value(model, tokens):
    for measure in evaluate(model, TopK(8, 16, 2, site_in=SITE), tokens).measures.values():
        if measure.low is not None:
            assert measure.low - 1e-12 <= measure.value <= measure.high + 1e-12


def test_recovery_is_refused_where_ablation_costs_nothing(tokens):
    """A model that ignores the site: nothing to recover, so no number."""
    model = small_model()
    with torch.no_grad():
        model.module.unembed.weight.zero_()
    finding = evaluate(model, TopK(8, 16, 2, site_in=SITE), tokens)
    assert finding.measures["ce_recovered"].value is None
    assert finding.measures["ce_increase"].value == 0


def test_only_included_positions_count(model, tokens):
    record = Convention(subtract="none", excluded_positions=(0, 3))
    dictionary = TopK(8, 16, 2, site_in=SITE, convention=record)
    finding = evaluate(model, dictionary, tokens)
    assert finding.measures["alive"].n == 20 * 5
    clean = model.run(tokens).output
    keep = record.included(tokens)[:, :-1].flatten()
    expected = float(losses(clean, tokens)[keep].mean().detach())
    assert finding.measures["ce_clean"].value == pytest.approx(expected, abs=1e-6)


def test_transcoders_are_judged_on_what_they_write(model, tokens):
    sites = {"site_in": "blocks.1.mlp_in", "site_out": "blocks.1.mlp_out"}
    dictionary = TopK(8, 16, 2, convention=Convention(subtract="none"), **sites)
    found = values(evaluate(model, dictionary, tokens))
    expected = float(losses(splice(model, dictionary).run(tokens).output, tokens).mean().detach())
    assert found["ce_spliced"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("bad", [torch.zeros((3, 1), dtype=torch.long), torch.zeros(5, dtype=torch.long)])
def test_nothing_to_judge(model, bad):
    dictionary = TopK(8, 16, 2, site_in=SITE)
    if bad.ndim == 1:
        bad = bad[None, :0]
    with pytest.raises(InputError, match="no included position that predicts a next token") as caught:
        evaluate(model, dictionary, bad)
    assert caught.value.code == "DI18"
