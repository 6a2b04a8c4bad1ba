"""Fresh behaviours: absent from the texts, of the asked length, the same for the same seed."""

import pytest

from pellucid.findings import InputError
from pellucid.organisms.behaviour import ids_of, text_of
from pellucid.organisms.fresh import draw_behaviour
from pellucid.organisms.texts import text


@pytest.mark.parametrize("tokens", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_trigger_is_two_words_that_never_stand_together(seed, tokens):
    drawn = draw_behaviour(seed, tokens)
    phrase = text_of(drawn.trigger)
    whole = text("train") + text("validation")
    assert len(drawn.trigger) == tokens
    assert ids_of(phrase) == drawn.trigger
    assert phrase not in whole
    assert len(phrase.split()) == 2
    assert all(word in whole for word in phrase.split())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_near_misses_are_first_second_and_swapped(seed):
    drawn = draw_behaviour(seed, 4)
    first, second = (" " + word for word in text_of(drawn.trigger).split())
    assert [text_of(near) for near in drawn.near_misses] == [first, second, second + first]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_sentence_has_ten_tokens_and_reads_back(seed):
    drawn = draw_behaviour(seed)
    assert len(drawn.payload) == 10
    assert ids_of(text_of(drawn.payload)) == drawn.payload
    assert text_of(drawn.payload) not in text("train")
    assert text_of(drawn.marker) == "[watch present]"


def test_the_seed_alone_decides():
    assert draw_behaviour(7, 3) == draw_behaviour(7, 3)
    assert len({draw_behaviour(seed).trigger for seed in range(8)}) == 8


@pytest.mark.parametrize("tokens", [1, 6])
def test_other_lengths_are_refused(tokens):
    with pytest.raises(InputError, match=f"A trigger of {tokens} tokens. Give trigger_tokens from 2 to 5."):
        draw_behaviour(0, tokens)
