"""A store of an older release is brought up, one of a newer is refused, a stranger is left alone."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text
from store_samples import sample

from pellucid.findings import InputError
from pellucid.store import open_store
from pellucid.store.migrations import MIGRATIONS, Migration, migrate, version_of


def add_column(connection, dialect):
    connection.execute(text("ALTER TABLE models ADD COLUMN colour VARCHAR(10)"))


def break_half_way(connection, dialect):
    connection.execute(text("ALTER TABLE models ADD COLUMN colour VARCHAR(10)"))
    raise RuntimeError("power cut")


def columns(store):
    with store._reading() as connection:
        return {row[1] for row in connection.execute(text("PRAGMA table_info(models)"))}


def run(store, migrations):
    with store._writing() as connection:
        return migrate(connection, store._dialect, migrations)


def test_migrations_are_numbered_without_gaps():
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_each_step_is_applied_once(store):
    later = [*MIGRATIONS, Migration(len(MIGRATIONS) + 1, "a colour", add_column)]
    assert run(store, MIGRATIONS) == []
    assert [step.name for step in run(store, later)] == ["a colour"]
    assert run(store, later) == []
    assert "colour" in columns(store)


def test_what_was_stored_survives_a_migration(store):
    identity = store.put(sample(1))
    run(store, [*MIGRATIONS, Migration(len(MIGRATIONS) + 1, "a colour", add_column)])
    store.get(identity).verify()


def test_a_step_that_breaks_half_way_leaves_the_store_as_it_was(store):
    identity = store.put(sample(1))
    with pytest.raises(RuntimeError, match="power cut"):
        run(store, [*MIGRATIONS, Migration(len(MIGRATIONS) + 1, "broken", break_half_way)])
    assert "colour" not in columns(store)
    with store._reading() as connection:
        assert version_of(connection) == len(MIGRATIONS)
    store.get(identity).verify()


def test_a_store_of_a_newer_release_is_refused_and_left_alone(tmp_path, url):
    with open_store(url) as store:
        store.put(sample(1))
        run(store, [*MIGRATIONS, Migration(99, "the future", lambda *_: None)])
    before = (tmp_path / "kept.db").read_bytes()
    with pytest.raises(InputError) as caught:
        open_store(url)
    assert caught.value.code == "ST03"
    assert str(caught.value) == (
        f"The store has schema version 99, but this release of Pellucid knows {len(MIGRATIONS)} at most. "
        "Upgrade Pellucid, or name another store; nothing was changed."
    )
    assert (tmp_path / "kept.db").read_bytes() == before


def test_another_program_s_database_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "photos.db"
    with sqlite3.connect(file) as raw:
        raw.execute("CREATE TABLE photos (name TEXT)")
    raw.close()
    with pytest.raises(InputError, match="not a Pellucid store: it holds the tables photos") as caught:
        open_store(f"sqlite:///{file}")
    assert caught.value.code == "ST04"
    with sqlite3.connect(file) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    raw.close()
