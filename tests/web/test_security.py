"""The guard: foreign names, other methods and loads from elsewhere are refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pellucid.findings import InputError
from pellucid.web.security import CONTENT_POLICY, Guard, host_name
from pellucid.web.server import allowed_names, is_everywhere, listen, serve


def guarded(hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})) -> TestClient:
    inner = Starlette(routes=[Route("/", lambda request: PlainTextResponse("inside"))])
    return TestClient(Guard(inner, hosts), base_url="http://localhost")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8787", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8787", "::1"),
        ("[::1]", "::1"),
        ("", ""),
    ],
)
def test_the_name_of_a_host_header_is_what_stands_before_the_port(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize("host", ["localhost", "localhost:8787", "127.0.0.1:9", "[::1]:8787"])
def test_names_of_this_computer_are_answered(host: str) -> None:
    answer = guarded().get("/", headers={"host": host})
    assert (answer.status_code, answer.text) == (200, "inside")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]"]
)
def test_a_foreign_name_is_refused_and_the_message_says_which_are_answered(host: str) -> None:
    answer = guarded().get("/", headers={"host": host})
    assert answer.status_code == 400
    assert repr(host_name(host)) in answer.text
    assert "It answers for: 127.0.0.1, ::1, localhost." in answer.text
    assert "inside" not in answer.text


def test_a_star_answers_every_name() -> None:
    assert guarded(frozenset({"*"})).get("/", headers={"host": "lab.example"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(method: str) -> None:
    answer = guarded().request(method, "/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert "use GET or HEAD" in answer.text


def test_head_has_the_headers_of_get_and_no_body() -> None:
    client = guarded()
    head, get = client.head("/"), client.get("/")
    assert head.content == b""
    assert dict(head.headers) == dict(get.headers)


def test_every_answer_even_a_refusal_carries_the_strict_headers() -> None:
    client = guarded()
    for answer in (
        client.get("/"),
        client.get("/none"),
        client.get("/", headers={"host": "x"}),
        client.post("/"),
    ):
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_policy_lets_no_inline_script_run_and_loads_from_nowhere_else() -> None:
    rules = dict(rule.split(" ", 1) for rule in CONTENT_POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert "http" not in CONTENT_POLICY
    assert "unsafe-eval" not in CONTENT_POLICY
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"


def test_by_default_only_this_computer_is_served() -> None:
    import inspect

    from pellucid.web import serve

    assert inspect.signature(serve).parameters["host"].default == "127.0.0.1"
    assert allowed_names("127.0.0.1", ()) == {"localhost", "127.0.0.1", "::1"}


def test_a_named_address_and_given_names_are_answered() -> None:
    assert allowed_names("192.0.2.7", ["lab.example"]) >= {"192.0.2.7", "lab.example", "localhost"}
    assert "0.0.0.0" not in allowed_names("0.0.0.0", ["lab.example"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_listening_everywhere_without_a_name_is_an_error_with_its_remedy(host: str) -> None:
    with pytest.raises(InputError) as caught:
        allowed_names(host, ())
    assert caught.value.code == "WB01"
    assert "opens the store to the network" in str(caught.value)
    assert 'names=["lab.example.org"]' in caught.value.remedy


@pytest.mark.parametrize(
    ("host", "everywhere"), [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("lab", False)]
)
def test_which_addresses_mean_every_network(host: str, everywhere: bool) -> None:
    assert is_everywhere(host) is everywhere


def test_a_taken_port_is_one_message_that_names_another() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}") as caught:
            listen("127.0.0.1", port)
    assert caught.value.code == "WB05"
    assert f"--port {port + 1}" in caught.value.remedy


def test_an_address_of_another_computer_cannot_be_listened_on() -> None:
    with pytest.raises(InputError) as caught:
        listen("192.0.2.1", 0)
    assert caught.value.code == "WB05"


def test_a_store_that_cannot_be_opened_stops_the_server_with_its_message(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError) as caught:
        serve(f"sqlite:///{tmp_path / 'bad.db'}", port=0)
    assert caught.value.code.startswith("ST")
    assert (tmp_path / "bad.db").read_bytes() == b"not a database" * 100


def test_a_served_store_answers_until_it_is_interrupted(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as found:
        port = found.getsockname()[1]
    code = f"from pellucid.web import serve; serve('sqlite:///{tmp_path / 'served.db'}', port={port})"
    running = subprocess.Popen([sys.executable, "-c", code])
    try:
        assert "Papers that run" in eventually(f"http://127.0.0.1:{port}/")
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 0


def eventually(address: str) -> str:
    for _ in range(300):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} never answered")
