"""A filled store, a client of the application over it, and a real server with a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pellucid.web import create_app

from .content import filled

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """URL of a filled store, and the ids of its Findings."""
    return filled(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def ids(shown: tuple[str, dict[str, str]]) -> dict[str, str]:
    return shown[1]


@pytest.fixture(scope="session")
def client(shown: tuple[str, dict[str, str]]) -> Iterator[TestClient]:
    with TestClient(create_app(shown[0]), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a store that holds nothing."""
    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'empty.db'}"
    with TestClient(create_app(url), base_url="http://localhost") as client:
        yield client


@contextmanager
def served(url: str) -> Iterator[str]:
    """Address of a real server over a store."""
    import uvicorn

    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(url), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="session")
def address(shown: tuple[str, dict[str, str]]) -> Iterator[str]:
    """Address of a real server over the filled store."""
    with served(shown[0]) as place:
        yield place


def chromium_path() -> str | None:
    return os.environ.get("PELLUCID_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The system's Chromium, without a way to any other computer."""
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    if path is None or not Path(path).exists():
        pytest.skip("no Chromium: install it, or name it in PELLUCID_CHROMIUM")
    blocked = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*FLAGS, blocked])
        yield running
        running.close()
