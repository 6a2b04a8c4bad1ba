"""A fresh store for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.store import Store, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kept.db"


@pytest.fixture
def store(url: str):
    with open_store(url) as opened:
        assert isinstance(opened, Store)
        yield opened
