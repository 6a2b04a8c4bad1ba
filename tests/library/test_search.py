"""BM25 against a plain reading of its formula."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.library import catalogue
from pellucid.library.catalogue import fields_of
from pellucid.library.ranking import Ranking
from pellucid.library.reading import arxiv_number
from pellucid.library.words import normal, words

TERMS = st.sampled_from(["sparse", "feature", "case", "maze", "the", "a"])
DOCUMENTS = st.dictionaries(
    st.sampled_from("abcdefg"),
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.lists(TERMS, max_size=6)), max_size=3),
    min_size=1,
)


def naive(documents, query):
    """The formula, word by word, with each field repeated as often as it weighs."""
    flat = {
        key: [w for weight, field in fields for _ in range(weight) for w in field]
        for key, fields in documents.items()
    }
    mean = sum(map(len, flat.values())) / len(flat)
    found = {}
    for key, text in flat.items():
        score = 0.0
        for word in query:
            n, count = sum(word in other for other in flat.values()), text.count(word)
            if count:
                idf = math.log(1 + (len(flat) - n + 0.5) / (n + 0.5))
                score += idf * count * 2.5 / (count + 1.5 * (1 - 0.75 + 0.75 * len(text) / mean))
        if score:
            found[key] = score
    return found


@given(DOCUMENTS, st.lists(TERMS, max_size=5))
def test_scores_equal_the_formula(documents, query):
    assert Ranking(documents).scores(query) == pytest.approx(naive(documents, query), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "query", ["superposition", "sparse dictionary", "safety case", "language model 2024", "the"]
)
def test_scores_of_the_library_equal_the_formula(query):
    documents = {paper.key: fields_of(paper) for paper in catalogue()}
    assert catalogue().scores(query) == pytest.approx(naive(documents, words(query)), rel=1e-12)


def test_the_best_come_first_and_equals_by_key():
    scores = catalogue().scores("sparse autoencoder")
    order = [paper.key for paper in catalogue().search("sparse autoencoder")]
    assert order == sorted(scores, key=lambda key: (-scores[key], key))
    assert len(catalogue().search("sparse autoencoder", limit=2)) == 2


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("finite state machine", "moore"),
        ("honeypots", "scheming"),
        ("othello", "othello-adc"),
        ("differential equations", "smnn"),
        ("blocksworld", "lookahead"),
        ("principal components connections", "lib"),
        ("greater-than", "transcoders"),
    ],
)
def test_words_find_what_they_are_about(query, best):
    assert catalogue().search(query)[0].key == best


def test_blank_finds_all_and_nonsense_none():
    assert len(catalogue().search("  ")) == 25
    assert catalogue().search("xylophone zeppelin") == []


@given(st.text())
def test_normal_form_is_reached_once(text):
    assert normal(normal(text)) == normal(text)


@given(st.text(), st.text())
def test_any_text_is_a_query(text, more):
    catalogue().search(f"{text} {more}")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2405.10928", "2405.10928"),
        ("arXiv:2405.10928v2", "2405.10928"),
        ("HTTPS://arxiv.org/abs/2405.10928", "2405.10928"),
        ("math-ph/0601001v1", "math-ph/0601001"),
        ("5.10928", None),
        ("lib", None),
        ("2405.10928 and more", None),
    ],
)
def test_arxiv_numbers(text, number):
    assert arxiv_number(text) == number
