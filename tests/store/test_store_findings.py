"""Findings go in and come back: the same bytes, the newest first, by id, by condition, by word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import SHA, kind, sample

from pellucid.findings import InputError, MissingError
from pellucid.store import open_store


def test_what_is_put_comes_back_the_same(store):
    finding = sample(1)
    identity = store.put(finding)
    back = store.get(identity)
    assert identity == finding.id
    assert back == finding
    assert back.to_bytes() == finding.to_bytes()
    back.verify()
    assert store.header(identity) == finding.header


def test_a_store_keeps_what_it_has_when_it_is_opened_again(url):
    with open_store(url) as store:
        identity = store.put(sample(1))
    with open_store(url) as store:
        assert store.get(identity) == sample(1) or store.get(identity).id == sample(1).id


def test_putting_twice_changes_nothing(store):
    first = sample(1)
    again = sample(1)
    assert first.id == again.id
    assert store.put(first) == store.put(again)
    assert len(store.find()) == 1
    assert store.get(first.id).header == first.header  # the first run's clock stays
    assert store.check() == []


def test_the_newest_come_first(store):
    for number in (3, 1, 2):
        store.put(sample(number))
    assert [header.measures["number"].value for header in store.find()] == [2, 1, 3]
    assert [header.measures["number"].value for header in store.find(limit=2)] == [2, 1]


def test_the_beginning_of_an_id_is_enough(store):
    ids = [store.put(sample(number)) for number in range(20)]
    for identity in ids:
        assert store.get(identity[:16]).id == identity
        assert store.get(identity[:16].upper()).id == identity


def test_an_unknown_id_says_how_to_list(store):
    with pytest.raises(MissingError) as caught:
        store.get("0000aaaa")
    assert caught.value.code == "ST13"
    assert str(caught.value) == "No finding '0000aaaa' in this store. List them: pellucid findings list"


def test_too_few_characters_are_refused(store):
    with pytest.raises(InputError, match="'ab' is too short to name one thing\\. Give 4 characters or more"):
        store.header("ab")


def test_characters_that_fit_several_name_them(store, monkeypatch):
    monkeypatch.setattr("pellucid.store.naming.SHORTEST", 1)
    ids = [store.put(sample(number)) for number in range(17)]  # 17 ids cannot all differ in the first of 16
    first = next(i[0] for i in ids if sum(other[0] == i[0] for other in ids) > 1)
    with pytest.raises(InputError) as caught:
        store.get(first)
    assert caught.value.code == "ST14"
    assert "fits several: " in str(caught.value)
    assert "Give more characters." in str(caught.value)


def test_conditions_narrow_and_combine(store):
    good, bad = sample(1, score=0.9, model="a"), sample(2, score=0.01, model="b")
    other = sample(3, score=0.3, model="b", of=kind("tests.other"))
    for finding in (good, bad, other):
        store.put(finding)

    def found(**conditions):
        return {header.id for header in store.find(**conditions)}

    assert found(kind="tests.other") == {other.id}
    assert found(kind="tests") == set()
    assert found(status="supports") == {good.id}
    assert found(status="refutes") == {bad.id}
    assert found(status="inconclusive") == {other.id}
    assert found(subject="model-b") == {bad.id, other.id}
    assert found(subject=SHA["b"]) == found(subject=SHA["b"][:8]) == {bad.id, other.id}
    assert found(subject="model-b", status="refutes") == {bad.id}
    assert found(subject="nobody") == set()


def test_an_unknown_status_names_the_near_one(store):
    with pytest.raises(InputError, match="No status 'suports'\\. Did you mean 'supports'\\?") as caught:
        store.find(status="suports")
    assert caught.value.code == "ST15"


def test_a_note_is_appended_and_the_id_stays(store):
    identity = store.put(sample(1))
    store.note(identity[:12], "looked at twice", "ada")
    header = store.note(identity, "and again", "bob")
    assert [(note.text, note.author) for note in header.notes] == [
        ("looked at twice", "ada"),
        ("and again", "bob"),
    ]
    back = store.get(identity)
    assert back.id == identity == back.header.identity()
    assert back.header == header == store.find()[0]
    back.verify()
    assert store.check() == []


def test_a_retracted_finding_stays_readable(store):
    identity = store.put(sample(1))
    store.retract(identity, "wrong split", "ada")
    retracted = store.get(identity).header.retracted
    assert (retracted.reason, retracted.author) == ("wrong split", "ada")
    assert store.find(status="supports")[0].retracted == retracted


def test_an_imported_copy_brings_its_notes_and_its_retraction(store):
    finding = sample(1)
    store.put(finding)
    store.note(finding.id, "here", "ada")
    elsewhere = finding.with_note("there", "bob").with_retraction("spoiled", "bob")
    store.put(elsewhere)
    store.put(elsewhere)
    header = store.header(finding.id)
    assert [note.text for note in header.notes] == ["here", "there"]
    assert header.retracted.reason == "spoiled"
    store.put(finding)
    assert store.header(finding.id) == header  # an older copy takes nothing back


WORDS = ["trigger", "Trigger", "tri", "latent", "loss", "0.70", "model", "ger"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), max_size=6),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
)
def test_words_are_found_as_a_plain_reading_finds_them(statements, query):
    texts = [" ".join(words) for words in statements]
    with open_store("sqlite://") as store:
        ids = {
            store.put(sample(number, of=kind(f"tests.s{number}", text))): text
            for number, text in enumerate(texts)
        }
        found = {header.id for header in store.find(text=" ".join(query))}
    assert found == {identity for identity, text in ids.items() if all(begins(word, text) for word in query)}


def begins(word: str, text: str) -> bool:
    """A sequence of words in the text begins with the word's parts, the last one as a beginning."""
    parts, tokens = re.findall(r"\w+", word.lower()), re.findall(r"\w+", text.lower())
    ends = range(len(parts), len(tokens) + 1)
    return any(
        tokens[end - len(parts) : end - 1] == parts[:-1] and tokens[end - 1].startswith(parts[-1])
        for end in ends
    )


@pytest.mark.parametrize(
    "text", ['"', 'a" OR statement', "NEAR(", "%", "_", "--", "'; DROP TABLE findings; --", "*"]
)
def test_signs_in_a_search_are_only_signs(store, text):
    store.put(sample(1))
    assert store.find(text=text) == []
    assert len(store.find()) == 1


def test_a_sign_that_occurs_is_found(store):
    identity = store.put(sample(1, of=kind("tests.share", "A share of 20 % of {score.value}")))
    store.put(sample(2))
    assert [header.id for header in store.find(text="%")] == [identity]


def test_blank_text_is_no_condition(store):
    store.put(sample(1))
    assert len(store.find(text="  ")) == 1


def test_without_a_full_text_index_words_are_found_all_the_same(store):
    identity = store.put(sample(1))
    with store._writing() as connection:
        connection.exec_driver_sql("DROP TABLE findings_text")
    assert [header.id for header in store.find(text="REACHED sample")] == [identity]
    assert store.find(text="nowhere") == []
    assert store.put(sample(2))
