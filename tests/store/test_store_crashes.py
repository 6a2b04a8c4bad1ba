"""What was reported as stored survives kills, other writers, a full disk."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest
from store_samples import sample, write_until_killed

from pellucid.findings import InputError
from pellucid.store import open_store

KILLS = 20


@pytest.fixture(scope="module")
def processes():
    """Fresh processes that have the store loaded already, so that a kill falls into its work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pellucid.store", "store_samples"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


def start_writer(processes, url, first, count=10_000):
    ours, theirs = processes.Pipe()
    writer = processes.Process(target=write_until_killed, args=(url, first, count, theirs))
    writer.start()
    theirs.close()
    assert ours.recv() == "begin"
    return writer, ours


def said(channel):
    """Every id that was reported before the channel broke."""
    ids = []
    try:
        while True:
            ids.append(channel.recv())
    except (EOFError, OSError):
        return ids


def test_a_writer_killed_at_any_moment_loses_nothing_it_reported(processes, url):
    clock, reported = random.Random(0), set()
    for round_ in range(KILLS):
        writer, channel = start_writer(processes, url, first=round_ * 1000)
        time.sleep(clock.uniform(0, 0.3))  # falls into the making of the tables, into writes, between them
        writer.kill()
        writer.join()
        new = said(channel)
        reported.update(new)
        with open_store(url) as store:
            for identity in new:
                store.get(identity).verify()
            assert reported <= {header.id for header in store.find()}
    assert len(reported) > KILLS
    with open_store(url) as store:
        assert [d for d in store.check() if d.level == "error"] == []
        assert {d.code for d in store.check()} <= {"ST21"}  # a file without a row is all a kill may leave


def test_several_processes_lose_none(processes, url):
    writers = [start_writer(processes, url, first=number * 100, count=25) for number in range(4)]
    reported = [identity for _, channel in writers for identity in said(channel)]
    for writer, _ in writers:
        writer.join()
        assert writer.exitcode == 0
    with open_store(url) as store:
        assert len(set(reported)) == 100
        assert {header.id for header in store.find()} == set(reported)
        assert store.check() == []


def test_two_processes_with_the_same_finding_store_it_once(processes, url):
    writers = [start_writer(processes, url, first=0, count=10) for _ in range(3)]
    reported = [said(channel) for _, channel in writers]
    for writer, _ in writers:
        writer.join()
    assert reported[0] == reported[1] == reported[2]
    with open_store(url) as store:
        assert len(store.find()) == 10
        assert store.check() == []


def test_of_two_handles_that_note_at_once_no_note_is_lost(url):
    with open_store(url) as one, open_store(url) as two:
        identity = one.put(sample(1))
        for number in range(5):
            one.note(identity, f"one {number}", "ada")
            two.note(identity, f"two {number}", "bob")
        assert len(two.header(identity).notes) == 10


def refuse(code):
    def write(*_):
        raise OSError(code, "refused")

    return write


def test_a_full_disk_is_a_message_and_earlier_findings_are_intact(store, monkeypatch):
    kept = store.put(sample(1))
    with monkeypatch.context() as patch:
        patch.setattr("pellucid.store.payloads.write_durably", refuse(errno.ENOSPC))
        with pytest.raises(InputError) as caught:
            store.put(sample(2))
    assert caught.value.code == "ST06"
    assert str(caught.value) == (
        "The disk is full: the finding was not stored. Free some space and run the same command again; "
        "all that was stored before is intact."
    )
    assert [header.id for header in store.find()] == [kept]
    assert store.get(kept).id == kept
    assert store.check() == []
    assert store.put(sample(2)) == sample(2).id


def test_a_database_that_cannot_grow_is_the_same_message(store):
    kept = store.put(sample(1))
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes it as: no page more
    reported = [kept]

    def fill():
        for number in range(2, 200):
            reported.append(store.put(sample(number)))

    with pytest.raises(InputError, match="The disk is full"):
        fill()
    assert {header.id for header in store.find()} == set(reported)
    assert store.check() == []


def test_readers_never_wait_for_a_writer(store, url):
    kept = store.put(sample(1))
    with store._writing() as connection:
        connection.exec_driver_sql("UPDATE findings SET status = 'refutes'")
        with open_store(url) as other:  # would stand still for a minute if it wanted the lock
            assert other.find(status="supports")[0].id == kept


def test_what_else_the_system_refuses_is_not_taken_for_a_full_disk(store, monkeypatch):
    monkeypatch.setattr("pellucid.store.payloads.write_durably", refuse(errno.EACCES))
    with pytest.raises(PermissionError):
        store.put(sample(1))
    assert store.find() == []


def test_an_error_before_the_row_leaves_only_a_stray_file(store, monkeypatch):
    monkeypatch.setattr(type(store), "_insert", refuse(errno.EIO))
    with pytest.raises(OSError, match="refused"):
        store.put(sample(1))
    assert store.find() == []
    assert [diagnostic.code for diagnostic in store.check()] == ["ST21"]


def test_a_commit_is_flushed_before_it_is_reported(store):
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 30_000


def test_the_payload_is_on_disk_before_its_row(store, monkeypatch):
    seen = []
    insert = type(store)._insert

    def watch(self, connection, header, sha256, size):
        seen.append(self._payloads.intact(sha256))
        insert(self, connection, header, sha256, size)

    monkeypatch.setattr(type(store), "_insert", watch)
    store.put(sample(1))
    assert seen == [True]
