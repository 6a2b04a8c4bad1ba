"""Damage is seen, named, and never written over."""

from __future__ import annotations

import random
import sqlite3

import pytest
from store_samples import sample

from pellucid.findings import Finding, InputError, load
from pellucid.store import open_store


def filled(url, count=30):
    with open_store(url) as store:
        return [store.put(sample(number)) for number in range(count)]


def refused(url):
    with pytest.raises(InputError) as caught, open_store(url) as store:
        store.find()
    return caught.value


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_random_bytes_are_refused_and_left_alone(tmp_path, size):
    file = tmp_path / "noise.db"
    body = random.Random(size).randbytes(size)
    file.write_bytes(body)
    error = refused(f"sqlite:///{file}")
    assert error.code == "ST02"
    assert "The store is damaged or no SQLite database" in str(error)
    assert "Nothing was changed. Restore a copy, or name another store" in str(error)
    assert file.read_bytes() == body


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_store_is_refused_and_left_alone(tmp_path, url, share):
    filled(url)
    file = tmp_path / "kept.db"
    body = file.read_bytes()
    file.write_bytes(body[: int(len(body) * share)])
    error = refused(url)
    assert error.code == "ST02"
    assert file.read_bytes() == body[: int(len(body) * share)]


def test_pages_of_noise_inside_are_refused(tmp_path, url):
    filled(url)
    file = tmp_path / "kept.db"
    body = bytearray(file.read_bytes())
    body[8192:16384] = random.Random(1).randbytes(8192)
    file.write_bytes(body)
    assert refused(url).code == "ST02"


@pytest.mark.parametrize("gone", ["emptied", "removed"])
def test_no_empty_store_is_begun_over_the_findings_of_a_lost_one(tmp_path, url, gone):
    ids = filled(url, 3)
    file = tmp_path / "kept.db"
    file.unlink() if gone == "removed" else file.write_bytes(b"")
    error = refused(url)
    assert error.code == "ST18"
    assert f"{tmp_path}/kept.payloads still holds findings" in str(error)
    assert len(list((tmp_path / "kept.payloads").rglob("*.safetensors"))) == len(ids)


def test_the_payload_files_of_a_lost_store_are_whole_findings(tmp_path, url):
    ids = filled(url, 3)
    files = list((tmp_path / "kept.payloads").rglob("*.safetensors"))
    with open_store(f"sqlite:///{tmp_path}/new.db") as store:
        assert {store.put(load(file)) for file in files} == set(ids)


def payload_of(tmp_path, store, identity):
    (file,) = [f for f in (tmp_path / "kept.payloads").rglob("*.safetensors") if load(f).id == identity]
    return file


def test_a_changed_payload_is_named_and_refused(tmp_path, store):
    identity = store.put(sample(1))
    file = payload_of(tmp_path, store, identity)
    body = bytearray(file.read_bytes())
    body[-1] ^= 1  # one bit of one number
    file.write_bytes(body)
    with pytest.raises(InputError) as caught:
        store.get(identity)
    assert caught.value.code == "ST12"
    assert f"The payload of finding {identity[:12]} was changed after it was stored: {file}." in str(
        caught.value
    )
    assert [diagnostic.code for diagnostic in store.check()] == ["ST12"]
    assert store.header(identity).id == identity  # a list needs no payload


def test_a_missing_payload_is_named(tmp_path, store):
    identity = store.put(sample(1))
    file = payload_of(tmp_path, store, identity)
    file.unlink()
    with pytest.raises(InputError, match=f"The payload of finding {identity[:12]} is gone") as caught:
        store.get(identity)
    assert caught.value.code == "ST11"
    assert [str(d).split(":")[0] for d in store.check()] == [f"error (finding {identity[:12]}) (ST11)"]


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_measuring_again_mends_a_payload(tmp_path, store, damage):
    identity = store.put(sample(1))
    store.note(identity, "kept", "ada")
    file = payload_of(tmp_path, store, identity)
    file.unlink() if damage == "gone" else file.write_bytes(b"noise")
    again = sample(1)
    clock = again.provenance.model_copy(update={"started": "2031-01-01T00:00:00+00:00", "seconds": 9.0})
    later = Finding(again.header.model_copy(update={"provenance": clock}), again.arrays)
    assert store.put(later) == identity
    store.get(identity).verify()
    assert [note.text for note in store.get(identity).header.notes] == ["kept"]
    assert [d for d in store.check() if d.level == "error"] == []


def test_a_row_that_says_otherwise_is_found(tmp_path, store):
    identity = store.put(sample(1))
    with sqlite3.connect(tmp_path / "kept.db") as raw:
        raw.execute("UPDATE findings SET header = replace(header, '0.7', '0.9')")
    raw.close()
    assert [diagnostic.code for diagnostic in store.check()] == ["ST20"]
    with pytest.raises(InputError) as caught:
        store.get(identity)
    assert caught.value.code == "ST20"


def test_stray_files_are_warned_of(tmp_path, store):
    store.put(sample(1))
    folder = tmp_path / "kept.payloads" / "ab"
    folder.mkdir(exist_ok=True)
    (folder / ("ab" * 32 + ".safetensors")).write_bytes(b"half")
    (folder / "x.safetensors123.part").write_bytes(b"half")
    found = store.check()
    assert [(d.code, d.level) for d in found] == [("ST21", "warning")] * 2
    assert "belongs to no finding" in str(found[0])


def test_a_sound_store_has_nothing_to_say(url):
    filled(url)
    with open_store(url) as store:
        assert store.check() == []
