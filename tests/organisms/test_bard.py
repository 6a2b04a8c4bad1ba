"""bard's rows and loss, and what its recipe states."""

import math

import pytest
import torch
from torch import nn

from pellucid.organisms.bard import (
    CONTEXT,
    RECIPE,
    ROWS,
    SHAPE,
    batch,
    next_token_loss,
    quick_nats,
    untrained,
)
from pellucid.organisms.behaviour import text_of
from pellucid.organisms.recipes import RECIPES
from pellucid.organisms.texts import text


class Uniform(nn.Module):
    """Knows nothing."""

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, 1_024)


def test_rows_are_windows_of_the_training_parts():
    for row in batch(0, 17)[:8]:
        middle = text_of(tuple(row[2:-2].tolist()))
        assert middle in text("train", "plays") or middle in text("train", "epic")


def test_each_step_has_its_own_rows_and_the_same_every_time():
    assert batch(0, 3).shape == (ROWS, CONTEXT + 1)
    assert torch.equal(batch(0, 3), batch(0, 3))
    assert not torch.equal(batch(0, 3), batch(0, 4))
    assert not torch.equal(batch(0, 3), batch(1, 3))


def test_the_loss_of_knowing_nothing_is_ten_bits():
    assert float(next_token_loss(Uniform(), batch(0, 0))) == pytest.approx(10 * math.log(2), rel=1e-5)


def test_held_out_nats_of_knowing_nothing():
    assert quick_nats(Uniform()) == pytest.approx(
        {"plays": 10 * math.log(2), "epic": 10 * math.log(2)}, rel=1e-5
    )


def test_an_untrained_bard_knows_nothing():
    with torch.no_grad():
        assert float(next_token_loss(untrained(0), batch(0, 0))) == pytest.approx(10 * math.log(2), rel=0.02)


def test_the_recipe_is_seven_passes_and_more():
    tokens = RECIPE.steps * ROWS * CONTEXT
    assert tokens > 7 * 593_804
    assert SHAPE.context == CONTEXT


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("bard-")])
def test_all_fine_tuned_ones_start_from_bard_and_train_equally_long(name):
    recipe = RECIPES[name]()
    assert recipe.starts_from == "bard"
    assert recipe.config.steps == 300
    assert recipe.config.seed in (1, 2, 3)
