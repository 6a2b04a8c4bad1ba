"""Bits are counted over the same tokens for networks and for counting, each token once."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.organisms.perplexity import bits_per_byte
from pellucid.organisms.scoring import (
    STRIDE,
    counting_model,
    counting_nats,
    network_nats,
    scored_windows,
    window_bytes,
)
from pellucid.organisms.vocabulary import token_bytes, token_ids


class Uniform(nn.Module):
    """Knows nothing."""

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, 1_024)


class Peeking(nn.Module):
    """Gives each position logits made from its own token: shows which position predicts which target."""

    def forward(self, tokens):
        return 3.0 * nn.functional.one_hot((tokens + 1) % 1_024, 1_024).float()


@pytest.mark.parametrize("source", ["plays", "epic"])
def test_every_token_after_the_first_65_is_scored_once(source):
    windows = scored_windows(source)
    ids = token_ids("validation", source)
    scored = windows[:, -STRIDE:].flatten()
    assert (scored == ids[65 : 65 + len(scored)]).all()
    assert len(ids) - 65 - len(scored) < STRIDE


def test_bytes_are_those_of_the_scored_tokens():
    windows = scored_windows("plays", 7)
    assert window_bytes(windows).sum() == token_bytes()[windows[:, 65:]].sum()


def test_a_network_that_knows_nothing_needs_ten_bits_a_token():
    nats = network_nats(Uniform(), scored_windows("epic", 5))
    assert nats == pytest.approx(np.full(5, STRIDE * math.log(1_024)))


def test_each_target_is_scored_at_the_position_before_it():
    windows = scored_windows("plays", 3)
    logs = 3.0 * (windows[:, 64:-1] + 1 == windows[:, 65:]) - math.log(math.e**3 + 1_023)
    assert network_nats(Peeking(), windows) == pytest.approx(-logs.sum(-1))


def test_chunks_change_nothing():
    windows = scored_windows("plays", 130)
    whole = network_nats(Uniform(), windows)
    assert whole == pytest.approx(np.concatenate([network_nats(Uniform(), windows[:70])] * 2)[:130])


def test_counting_reaches_the_published_bits_per_byte():
    """Whole validation parts, as in the measured table: 2.604 and 2.419 for the bigram."""
    model = counting_model(2)
    for source, expected in (("plays", 2.604), ("epic", 2.419)):
        ids = token_ids("validation", source)
        bits = -np.log2(model.probabilities(ids)).sum() / token_bytes()[ids].sum()
        assert bits == pytest.approx(expected, abs=0.001)


def test_a_window_has_all_the_context_that_counting_uses():
    model, windows = counting_model(2), scored_windows("epic")
    ids = token_ids("validation", "epic")
    whole = -np.log(model.probabilities(ids))
    expected = [whole[64 * w + 65 : 64 * w + 129].sum() for w in range(len(windows))]
    assert counting_nats(model, windows) == pytest.approx(expected)


def test_bits_per_byte_is_a_ratio_of_sums():
    assert bits_per_byte(np.array([[10.0, 5.0], [2.0, 1.0], [6.0, 6.0]])) == pytest.approx(18 / 12)
