"""The same store on PostgreSQL; runs where PELLUCID_TEST_POSTGRES names an empty database."""

from __future__ import annotations

import os
import threading

import pytest
from store_samples import SHA, sample

from pellucid.findings import InputError
from pellucid.store import ModelRecord, open_store

SERVER = os.environ.get("PELLUCID_TEST_POSTGRES", "")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    if not SERVER:
        pytest.skip("PELLUCID_TEST_POSTGRES names no database")
    return f"{SERVER}?payloads={tmp_path_factory.mktemp('payloads')}"


def test_everything_follows_by_url_alone(url):
    with open_store(url) as store:
        ids = [store.put(sample(number)) for number in range(10)]
        assert store.put(sample(3)) == ids[3]
        assert [header.id for header in store.find()] == ids[::-1]
        assert len(store.find(text="SAMPLE reached")) == 10
        assert store.find(text="%") == []
        assert len(store.find(subject=SHA["a"][:8], status="supports", limit=4)) == 4
        store.note(ids[0], "seen", "ada")
        store.get(ids[0][:16]).verify()
        store.put_model(ModelRecord(SHA["a"], "bard", "pellucid", 3, {"n_layers": 4}))
        assert store.model(SHA["a"][:6]).facts == {"n_layers": 4}
        assert (store.put_case("c", "G0: x", SHA["a"], {}), store.put_case("c", "G0: y", SHA["a"], {})) == (
            1,
            2,
        )
        assert store.case("c").yaml == "G0: y"
        assert store.check() == []


def test_writers_at_the_same_time_lose_nothing(url):
    def write(first):
        with open_store(url) as store:
            for number in range(first, first + 25):
                store.put(sample(number))
                store.put_case("shared", "G0: x", SHA["a"], {})

    with open_store(url) as store:
        before = len(store.case_history("shared"))
    writers = [threading.Thread(target=write, args=(first,)) for first in (1000, 1000, 1010, 2000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with open_store(url) as store:
        assert {header.measures["number"].value for header in store.find()} >= {
            *range(1000, 1035),
            *range(2000, 2025),
        }
        assert len(store.case_history("shared")) == before + 100
        assert store.check() == []


def test_a_server_that_does_not_answer_is_a_message(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(InputError) as caught:
        open_store(f"postgresql://nobody@127.0.0.1:1/lab?payloads={tmp_path}")
    assert caught.value.code == "ST10"
    assert "Check the URL, and that the server runs." in str(caught.value)
