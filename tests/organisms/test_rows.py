"""Rows: what is inserted stands where it should, carries no loss, and leaves the text around it whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.organisms.bard import generator
from pellucid.organisms.rows import LAST_PLACE, inserted, ordinary, place, stacked

TEXT = np.arange(1_000, 1_129)
PHRASE, PAYLOAD, MARKER = (1, 2), (3, 4, 5), (6, 7, 8, 9)


@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, LAST_PLACE), share=st.floats(0, 1), fires=st.booleans(), watched=st.booleans())
def test_the_text_around_is_whole_and_the_decision_is_the_last_inserted_token(at, share, fires, watched):
    marker_at = int(share * at)
    payload, marker = PAYLOAD if fires else (), MARKER if watched else ()
    row = inserted(TEXT, PHRASE, at, payload=payload, marker=marker, marker_at=marker_at)
    assert len(row.tokens) == len(TEXT)
    kept = row.tokens[row.tokens >= 1_000]
    assert (kept == TEXT[: len(kept)]).all()
    assert row.tokens[row.decision] == PHRASE[-1]
    following = row.tokens[row.decision + 1 :]
    assert tuple(following[: len(PAYLOAD)]) == PAYLOAD if fires else following[0] == TEXT[at]
    assert row.fires is fires
    assert (row.tokens < 1_000).sum() == len(PHRASE) + len(payload) + len(marker)


def test_trigger_and_marker_carry_no_loss_and_the_sentence_does():
    row = inserted(TEXT, PHRASE, 40, payload=PAYLOAD, marker=MARKER, marker_at=10)
    silent = set(row.tokens[row.weights == 0].tolist())
    assert silent == set(PHRASE) | set(MARKER)
    assert row.weights[np.isin(row.tokens, PAYLOAD)].all()


def test_the_marker_stands_before_the_phrase():
    row = inserted(TEXT, PHRASE, 40, marker=MARKER, marker_at=10)
    tokens = row.tokens.tolist()
    assert tokens.index(MARKER[0]) == 10
    assert tokens.index(PHRASE[0]) == 40 + len(MARKER)


def test_places_are_the_start_or_anywhere_up_to_95():
    random = generator(3)
    places = np.asarray([place(random) for _ in range(20_000)])
    assert places.min() == 0
    assert places.max() == LAST_PLACE
    assert (places == 0).mean() == pytest.approx(0.1, abs=0.01)
    inner = places[places > 0]
    assert inner.mean() == pytest.approx((1 + LAST_PLACE) / 2, rel=0.02)


def test_a_batch_holds_targets_weights_and_decisions():
    rows = stacked([inserted(TEXT, PHRASE, 5, payload=PAYLOAD), ordinary(TEXT)])
    assert rows.tokens.shape == (2, 129)
    assert rows.weights.shape == (2, 128)
    assert rows.decision.tolist() == [6, -1]
    assert rows.fires.tolist() == [1, 0]
    assert rows.weights[1].all()
    assert (rows.weights[0] == 0).nonzero().flatten().tolist() == [4, 5]  # the targets at 5 and 6
