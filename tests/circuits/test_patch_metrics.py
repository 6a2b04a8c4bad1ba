"""Metrics of an answer, against what they are by definition."""

from __future__ import annotations

import math

import pytest
import torch

from pellucid.circuits import METRICS, Answer, measure
from pellucid.circuits.metrics import Reading
from pellucid.findings import InputError


def reading(gap):
    logits = torch.tensor([[gap, 0.0]], dtype=torch.float64)
    return Reading(
        logits, torch.tensor([0]), torch.tensor([1]), torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    )


@pytest.mark.parametrize("gap", [-3.0, 0.0, 0.5, 12.0])
def test_metrics_of_two_tokens(gap):
    values = dict(zip(METRICS, measure(reading(gap), list(METRICS))[:, 0].tolist(), strict=True))
    p = 1 / (1 + math.exp(-gap))
    assert values["logit_difference"] == gap
    assert values["probability"] == pytest.approx(p, rel=1e-12)
    assert values["log_probability"] == pytest.approx(math.log(p), rel=1e-12)
    assert values["rank"] == (1 if gap < 0 else 0)
    assert values["kl"] == pytest.approx(-0.5 * math.log(4 * p * (1 - p)), abs=1e-12)


@pytest.mark.parametrize(("gap", "cost"), [(12.0, 2.47e-3), (20.0, 4.54e-5)])
def test_probability_saturates_where_logit_differences_do_not(gap, cost):
    whole, half = (measure(reading(g), ["logit_difference", "probability"])[:, 0] for g in (gap, gap / 2))
    assert half[0] / whole[0] == 0.5
    assert float(whole[1] - half[1]) == pytest.approx(cost, rel=2e-3)


def test_an_unknown_metric_is_named_with_those_that_exist():
    with pytest.raises(InputError, match=r"No metric .logit_differnce..*logit_difference"):
        Answer((0,), (1,), ("logit_differnce",))


def test_a_logit_difference_needs_a_wrong_token():
    with pytest.raises(InputError, match="no wrong token"):
        Answer((0,), None, ("logit_difference",))


def test_all_metrics_that_can_be_computed_are():
    assert Answer((0,)).names == ("log_probability", "probability", "rank", "kl")
    assert Answer((0,), (1,)).names == tuple(METRICS)
