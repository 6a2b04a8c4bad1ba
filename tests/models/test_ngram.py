"""Kneser-Ney: probabilities sum to 1, agree with themselves and with a count by hand."""

import itertools

import numpy as np
import pytest

from pellucid.findings import InputError
from pellucid.models.ngram import fit_ngram

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.integers(0, 12, size=600) * RANDOM.integers(0, 2, size=600)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one_after_seen_and_unseen_contexts(order):
    model = fit_ngram([TEXT], order, 16)
    for context in ([], [0], [15], [0, 3, 0, 1], [15, 15, 15, 15], TEXT[:40].tolist()):
        distribution = model.distribution(context)
        assert distribution.sum() == pytest.approx(1.0, abs=1e-12)
        assert (distribution > 0).all()


@pytest.mark.parametrize("order", [1, 2, 4])
def test_sequence_probabilities_are_those_of_the_distributions(order):
    model = fit_ngram([TEXT[:300], TEXT[300:]], order, 12)
    other = RANDOM.integers(0, 12, size=50)
    probabilities = model.probabilities(other)
    for place in range(50):
        expected = model.distribution(other[:place].tolist())[other[place]]
        assert probabilities[place] == pytest.approx(expected, rel=1e-12)


def test_bigram_equals_the_formula_by_hand():
    ids = [0, 1, 0, 1, 0, 2, 0, 1, 2, 2]
    model = fit_ngram([np.asarray(ids)], 2, 4)
    pairs = list(itertools.pairwise(ids))
    counts = {pair: pairs.count(pair) for pair in pairs}
    once, twice = (sum(value == n for value in counts.values()) for n in (1, 2))
    discount = min(0.99, max(0.01, once / (once + 2 * twice)))
    left = {w: len({a for a, b in counts if b == w}) for w in range(3)}
    lower = model.levels[0]
    unigram = [(max(left.get(w, 0) - lower.discount, 0) + lower.discount * 3 / 4) / 6 for w in range(4)]
    after0 = [(a, b) for a, b in pairs if a == 0]
    types = len(set(after0))
    for w in range(4):
        expected = (max(counts.get((0, w), 0) - discount, 0) + discount * types * unigram[w]) / len(after0)
        assert model.distribution([0])[w] == pytest.approx(expected, rel=1e-12)


def test_no_gram_spans_two_sequences():
    apart = fit_ngram([np.array([0, 0, 0, 1]), np.array([2, 3, 3, 3])], 2, 4)
    together = fit_ngram([np.array([0, 0, 0, 1, 2, 3, 3, 3])], 2, 4)
    assert apart.distribution([1])[2] < together.distribution([1])[2]


def test_longer_memory_predicts_a_longer_pattern():
    ids = np.tile([0, 1, 0, 2, 1, 1, 0, 1, 2], 60)
    nats = [float(-np.log(fit_ngram([ids], order, 3).probabilities(ids)).mean()) for order in (1, 2, 4)]
    assert nats[0] > nats[1] > nats[2]


def test_short_sequences_and_foreign_ids_are_refused():
    with pytest.raises(
        InputError, match=r"order 5 from sequences of at least 3 tokens. Give an order of at least 1"
    ):
        fit_ngram([np.array([0, 1, 2])], 5, 4)
    with pytest.raises(InputError, match="ids run from 0 to 9, the vocabulary from 0 to 3"):
        fit_ngram([np.array([0, 9])], 2, 4)
