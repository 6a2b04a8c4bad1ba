"""The journal: whole files or none, damage is seen, nothing is pickled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.compute import JSON, Journal, write_durably
from pellucid.findings import InputError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_json_results_come_back_as_they_were(value):
    assert JSON.decode(JSON.encode(value)) == value


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_a_job_s_name(tmp_path_factory, name):
    journal = Journal(tmp_path_factory.mktemp("names"))
    assert not journal.finished(name)
    journal.keep(name, 1.5)
    assert journal.finished(name)
    assert journal.read(name) == 1.5


def test_nan_survives(tmp_path):
    assert math.isnan(Journal(tmp_path).keep("a", math.nan))


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:70] + b"9" + b[71:], lambda b: b""])
def test_damage_is_seen_and_named(tmp_path, damage):
    journal = Journal(tmp_path)
    journal.keep("a", [1, 2, 3, 4, 5, 6, 7, 8])
    path = journal.path("a")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        journal.read("a")
    assert caught.value.code == "CM03"
    assert str(path) in str(caught.value)
    assert "only this job runs again" in str(caught.value)


def test_arrays_are_refused_not_pickled(tmp_path):
    with pytest.raises(InputError, match="not JSON serializable"):
        Journal(tmp_path).keep("a", np.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing_half_done(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_durably(target, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
