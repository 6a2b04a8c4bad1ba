"""Networks of our own: what was planted is what the columns show, and the verdicts follow from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pellucid.findings import Measure, start
from pellucid.library.studies import safetywashing_networks as study

CONFIG = ((3, 10, 40), (200, 800, 3200), 200)


@pytest.fixture(scope="module")
def table():
    return study.networks(0, *CONFIG)


@pytest.fixture(scope="module")
def analysis(table):
    return study.analysed(table, 0)


def test_the_world_is_the_same_for_everyone_and_new_for_each_sample():
    first, again = study.World(3).sample(50, 1), study.World(3).sample(50, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], study.World(3).sample(50, 2)[0])
    assert not torch.equal(first[1], study.World(4).sample(50, 1)[1])
    inputs, answers, tasks = study.World(3).sample(400, 1, token=1.0)
    assert (answers == study.REFUSE).all()
    assert (inputs[:, -1] == 1).all()
    assert torch.equal(inputs[:, study.INPUTS : -1].argmax(dim=1), tasks)


def test_every_column_is_a_share_or_a_score(table):
    assert len(table.models) == 9
    assert [name for name in table.benchmarks if name in study.COLUMNS] == list(study.COLUMNS)
    tasks = [name for name in table.benchmarks if name not in study.COLUMNS]
    assert len(tasks) == study.TASKS
    accuracies = np.stack([table.column(name) for name in tasks])
    assert ((accuracies >= 0) & (accuracies <= 1)).all()
    # chance is one in four: with more width and data it is left behind
    assert accuracies[:, -1].mean() > accuracies[:, 0].mean() > 0.25
    assert set(table.families) == {"width3", "width10", "width40"}
    assert (table.compute > 0).all()


def test_refusal_is_planted_by_a_coin_and_found(table):
    coin = np.random.default_rng(0)
    planted = np.array([0.2 * coin.random() * coin.integers(2) for _ in range(9)])
    refusal = table.column("refusal")
    assert 0 < (planted > 0).sum() < 9
    # a network that never saw the token has no reason to refuse; one that saw it often has learnt to
    assert (refusal[planted == 0] < 0.1).all()
    assert (refusal[planted > 0.05] > 0.9).all()


@pytest.mark.truth("library.safetywashing_networks")
def test_the_brier_score_follows_capability_and_the_finding_says_so(analysis):
    found = study.compared(analysis)
    assert found.measures["brier"].value > 0.6
    assert found.measures["brier"].n == 9
    assert abs(found.measures["refusal"].value) < found.measures["brier"].value
    assert found.provenance.parents == (analysis.id,)
    assert found.provenance.parameters["claim"] == "safetywashing.C5"
    found.verify()


@pytest.mark.law("library.safetywashing_networks")
@pytest.mark.parametrize(
    ("brier", "refusal", "status"),
    [
        ((0.9, 0.7, 0.95), (0.0, -0.3, 0.3), "supports"),
        ((0.5, 0.2, 0.7), (0.0, -0.3, 0.3), "inconclusive"),
        ((0.1, -0.2, 0.3), (0.0, -0.3, 0.3), "refutes"),
        ((0.9, 0.7, 0.95), (0.8, 0.5, 0.9), "refutes"),
    ],
)
def test_the_status_follows_the_predicates(brier, refusal, status):
    ends = {"brier": brier, "refusal": refusal, "tuned_calibration": (0.1, -0.2, 0.4)}
    measures = [Measure(name=n, value=v, low=low, high=high, n=30) for n, (v, low, high) in ends.items()]
    assert start(study.run).finding(study.KIND, measures=measures).status == status


def test_calibration_error_of_known_answers():
    confidence = torch.full((1000,), 0.8)
    answers = torch.zeros(1000, dtype=torch.long)
    right = torch.zeros(1000, dtype=torch.long)
    assert study.calibration_error(confidence, right, answers) == pytest.approx(0.2, abs=1e-6)
    mixed = torch.arange(1000) % 5 == 0
    # eight of ten right in every bin of a hundred: confidence .8 is calibrated
    assert study.calibration_error(confidence, mixed.long(), answers) == pytest.approx(0, abs=1e-6)


def test_robustness_of_a_network_that_ignores_its_inputs():
    module = torch.nn.Linear(study.INPUTS + study.TASKS + 1, study.CLASSES + 1)
    torch.nn.init.zeros_(module.weight)
    module.bias.data = torch.eye(study.CLASSES + 1)[0]
    inputs, answers, _ = study.World(0).sample(200, 1)
    right = float((module(inputs).argmax(dim=1) == answers).float().mean())
    assert study.robustness(module, inputs, answers, right) == pytest.approx(1)
