"""The short way through an evaluation gives the numbers of the long one."""

from __future__ import annotations

import pytest
import torch
from dictionary_models import small_model

from pellucid.dictionaries import Convention, ReLU, TopK, evaluate
from pellucid.dictionaries.judging.predictions import Softened, compared
from pellucid.dictionaries.judging.route import Route
from pellucid.models import Model

SITES = [
    "embed",
    "blocks.0.resid_pre",
    "blocks.0.resid_mid",
    "blocks.0.mlp_out",
    "blocks.0.resid_post",
    "blocks.1.attn.z",
    "blocks.1.attn_out",
    "blocks.1.resid_post",
]


class FromTheInputs(Model):
    """A model that can only be run as a whole."""

    @property
    def resumable(self) -> bool:
        return False


def whole_runs(model: Model) -> Model:
    return FromTheInputs(model.module, id=model.id)


def agree(model: Model, dictionary, tokens, **given) -> None:
    """Every measure of the short way is that of the long one, to rounding."""
    short = evaluate(model, dictionary, tokens, resamples=20, **given).measures
    long = evaluate(whole_runs(model), dictionary, tokens, resamples=20, **given).measures
    assert list(short) == list(long)
    for name, measure in short.items():
        for part in ("value", "low", "high"):
            got, expected = getattr(measure, part), getattr(long[name], part)
            if expected is None:
                assert got is None, name
            else:
                assert got == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), name


@pytest.mark.law("dictionaries.evaluation")
@pytest.mark.parametrize("site", SITES)
def test_passes_that_begin_in_the_middle_give_the_same_numbers(model, tokens, site):
    record = Convention(subtract="none", reshape="heads" if site.endswith("attn.z") else "none")
    agree(model, TopK(8, 24, 3, site_in=site, convention=record), tokens)


@pytest.mark.law("dictionaries.evaluation")
def test_a_transcoder_too(model, tokens):
    sites = {"site_in": "blocks.0.mlp_in", "site_out": "blocks.1.mlp_out"}
    agree(model, ReLU(8, 24, **sites, convention=Convention(subtract="none")), tokens)


@pytest.mark.law("dictionaries.evaluation")
@pytest.mark.parametrize("excluded", [{"excluded_positions": (0,)}, {"excluded_tokens": (3,)}])
def test_constant_runs_are_shared_only_where_nothing_else_comes_through(model, excluded):
    """Some batches hold no excluded token: what is held of those must not stand for the others."""
    tokens = torch.randint(0, 12, (50, 6), generator=torch.Generator().manual_seed(1))
    tokens[16:48][tokens[16:48] == 3] = 4  # the second and third batch are whole, the first and last not
    tokens[0, 2] = tokens[49, 3] = 3
    record = Convention(subtract="none", **excluded)
    agree(model, TopK(8, 24, 3, site_in="blocks.0.resid_post", convention=record), tokens)


def test_a_metric_sees_the_tokens_of_every_batch(model):
    """Held outputs are the same for all batches; what a metric makes of them is not."""
    tokens = torch.randint(0, 12, (40, 6), generator=torch.Generator().manual_seed(2))

    def last(logits, given):
        return logits[:, -2].gather(1, given[:, -1:])[:, 0]

    agree(model, TopK(8, 24, 3, site_in="blocks.0.resid_post"), tokens, metric=last)


def test_constant_runs_are_made_once(model, monkeypatch):
    tokens = torch.randint(0, 12, (50, 6), generator=torch.Generator().manual_seed(3))
    runs, plain = [], model.run
    monkeypatch.setattr(model, "run", lambda *a, **k: runs.append(k.get("resume")) or plain(*a, **k))
    evaluate(model, TopK(8, 24, 3, site_in="blocks.0.resid_post"), tokens, resamples=20)
    resumed = [resume for resume in runs if resume is not None]
    assert len(runs) - len(resumed) == 8  # four batches, for the mean and clean
    assert len(resumed) == 4 + 2  # the reconstruction of each, the mean and zero of the first alone


def test_where_a_pass_begins(model):
    route = Route.to(model, "blocks.0.resid_post")
    assert (route.begin.block, route.reads, route.forgets) == (1, ("blocks.0.resid_post",), True)
    inner = Route.to(model, "blocks.1.attn.z")
    assert (inner.begin.block, inner.reads, inner.forgets) == (1, ("blocks.1.resid_pre",), False)
    whole = Route.to(whole_runs(model), "blocks.0.resid_post")
    assert (whole.begin, whole.reads, whole.forgets) == (None, (), False)


@pytest.mark.truth("dictionaries.evaluation")
def test_losses_and_divergences_by_torch(monkeypatch):
    """A few rows at a time, whatever their number, is all rows at once."""
    generator = torch.Generator().manual_seed(4)
    runs = {name: torch.randn(5, 7, 11, generator=generator) * 9 for name in ("clean", "spliced", "zero")}
    tokens = torch.randint(0, 11, (5, 7), generator=generator)
    keep = torch.rand(5, 6, generator=generator) < 0.7
    logs = {name: run[:, :-1].double().log_softmax(-1)[keep] for name, run in runs.items()}
    following = tokens[:, 1:][keep]
    for numbers in (1, 50, 10_000):
        monkeypatch.setattr("pellucid.dictionaries.judging.predictions.NUMBERS", numbers)
        found = compared(runs, tokens, keep, "spliced")
        for name, log in logs.items():
            expected = torch.nn.functional.nll_loss(log, following, reduction="none")
            torch.testing.assert_close(found[name], expected, rtol=1e-13, atol=1e-13)
        for name, (p, q) in {"kl_spliced": ("clean", "spliced"), "kl_zero": ("clean", "zero")}.items():
            kl = (logs[p].exp() * (logs[p] - logs[q])).sum(-1)
            torch.testing.assert_close(found[name], kl, rtol=1e-12, atol=1e-12)
        reverse = (logs["spliced"].exp() * (logs["spliced"] - logs["clean"])).sum(-1)
        torch.testing.assert_close(found["kl_reverse"], reverse, rtol=1e-12, atol=1e-12)
        same = logs["clean"].argmax(-1) == logs["spliced"].argmax(-1)
        assert torch.equal(found["agree"], same.double())


def test_equal_logits_are_no_distance_apart():
    """To the bit, however large they are."""
    logits = torch.randn(40, 9, generator=torch.Generator().manual_seed(5)) * 1e3
    assert float(Softened.of(logits).divergence(Softened.of(logits.clone())).abs().max()) == 0


def test_no_rows_are_no_numbers():
    runs = {"clean": torch.randn(2, 3, 5), "spliced": torch.randn(2, 3, 5)}
    found = compared(
        runs, torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 2, dtype=torch.bool), "spliced"
    )
    assert {len(values) for values in found.values()} == {0}


def test_small_model_is_resumable():
    assert small_model().resumable
