"""A list page never loads torch, and the room's import stays light."""

from __future__ import annotations

import subprocess
import sys

SERVE = """
import sys
from fastapi.testclient import TestClient
from pellucid.web import create_app
with TestClient(create_app({url!r}), base_url="http://localhost") as client:
    for path in ("/", "/findings", "/models", "/cases", "/papers/scheming", "/api/findings", "/api/papers", {more}):
        assert client.get(path).status_code == 200, path
heavy = sorted(name for name in ("torch", "transformers", "numba", "scipy") if name in sys.modules)
assert heavy == [], heavy
"""


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)


def test_no_page_loads_torch(shown: tuple[str, dict[str, str]]) -> None:
    url, ids = shown
    more = f"'/cases/hidden-behaviour', '/findings/{ids['search']}'"
    run(SERVE.format(url=url, more=more))


def test_importing_the_room_loads_neither_torch_nor_plotly() -> None:
    run(
        "import sys, pellucid.web; assert not {'torch', 'plotly', 'uvicorn', 'pellucid.audit'} & set(sys.modules)"
    )
