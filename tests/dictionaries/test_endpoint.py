"""A language model's server may be slow, busy, broken, hostile or not there; its key stays secret throughout."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from chat_server import ChatServer, Scripted, says

from pellucid.dictionaries.reading import endpoint as asking
from pellucid.dictionaries.reading.endpoint import Answer, Endpoint, ask_all, one_line
from pellucid.findings import InputError

KEY = "sk-very+secret/7e3a"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def naps(monkeypatch) -> list[float]:
    """The pauses that would have been taken."""
    taken: list[float] = []
    monkeypatch.setattr(asking, "rest", taken.append)
    return taken


def question(text: str = "Why?") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def fails(script, code: str, questions: int = 1, **settings) -> tuple[InputError, int]:
    """The error that a server's behaviour leads to, and the requests it took."""
    with ChatServer(script) as server, pytest.raises(InputError) as caught:
        ask_all(Endpoint(server.url, "m", **settings), [question()] * questions)
    assert caught.value.code == code
    return caught.value, len(server.requests)


def test_the_protocol(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")  # as read from a file
    with ChatServer(lambda request, number: says("Because.", 42)) as server:
        assert ask_all(Endpoint(server.url + "/", "m"), [question()]) == [Answer("Because.", 42)]
    assert server.requests == [{"model": "m", "messages": question(), "temperature": 0.0}]
    assert server.heads[0]["path"] == "/v1/chat/completions"
    assert server.heads[0]["Authorization"] == f"Bearer {KEY}"
    assert server.heads[0]["Content-Type"] == "application/json"


def test_without_key_and_temperature():
    with ChatServer(lambda request, number: says("Because.")) as server:
        ask_all(Endpoint(server.url, "m", temperature=None, key_variable="NOT_SET_ANYWHERE"), [question()])
    assert "Authorization" not in server.heads[0]
    assert set(server.requests[0]) == {"model", "messages"}


@pytest.mark.parametrize("workers", [1, 5])
def test_answers_are_in_order_and_equal_questions_asked_once(workers):
    words = ["a", "b", "a", "c", "d", "b", "e"]
    with ChatServer(lambda request, number: says(request["messages"][0]["content"] * 2)) as server:
        answers = ask_all(Endpoint(server.url, "m"), [question(word) for word in words], workers=workers)
    assert [answer.text for answer in answers] == [word * 2 for word in words]
    assert len(server.requests) == 5


def test_no_questions_ask_nobody():
    assert ask_all(Endpoint("http://127.0.0.1:1/v1", "m"), []) == []


@pytest.mark.parametrize(
    ("usage", "tokens"), [(None, None), (12, 12), (-1, None), ("12", None), (True, None), (2**60, None)]
)
def test_usage_may_be_missing_or_nonsense(usage, tokens):
    with ChatServer(lambda request, number: says("x", usage)) as server:
        assert ask_all(Endpoint(server.url, "m"), [question()])[0].tokens == tokens


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ([{"type": "text", "text": "in "}, {"type": "other"}, {"type": "text", "text": "parts"}], "in parts"),
        ("half a \ud800 pair", "half a ? pair"),
    ],
)
def test_contents_of_every_form(content, text, tmp_path):
    with ChatServer(lambda request, number: says(content)) as server:
        assert ask_all(Endpoint(server.url, "m"), [question()], journal=tmp_path)[0].text == text


def test_a_busy_server_is_asked_again_when_it_says(naps):
    def busy(request, number):
        return Scripted(429, b"slow down", {"Retry-After": "3"}) if number < 2 else says("now")

    with ChatServer(busy) as server:
        assert ask_all(Endpoint(server.url, "m"), [question()])[0].text == "now"
    assert naps == [3.0, 3.0]


def test_pauses_double_where_the_server_names_none(naps):
    headers = iter([{}, {"Retry-After": "soon"}, {"Retry-After": "nan"}])

    def broken(request, number):
        return Scripted(500, b"oops", next(headers)) if number < 3 else says("now")

    with ChatServer(broken) as server:
        assert ask_all(Endpoint(server.url, "m", pause=0.5), [question()])[0].text == "now"
    assert naps == [0.5, 1.0, 2.0]


def test_a_date_to_come_back_at(naps):
    soon, past = datetime.now(UTC) + timedelta(seconds=90), datetime.now(UTC) - timedelta(days=9)
    dates = iter([format_datetime(soon, usegmt=True), format_datetime(past), "Tue, 32 Foo 2026 99:99:99"])

    def busy(request, number):
        return Scripted(503, b"", {"Retry-After": next(dates)}) if number < 3 else says("now")

    with ChatServer(busy) as server:
        ask_all(Endpoint(server.url, "m", pause=0.25), [question()])
    assert 60 < naps[0] <= 90  # whatever time the machine takes meanwhile
    assert naps[1:] == [0.0, 1.0]


def test_whoever_wants_an_hour_is_left_for_another_day(naps):
    error, requests = fails(lambda *_: Scripted(429, b"", {"Retry-After": "3600"}), "DI71")
    assert requests == 1
    assert naps == []
    assert "Run again in 3600 s" in str(error)


def test_a_server_that_stays_broken(naps):
    error, requests = fails(lambda *_: Scripted(500, b"oops"), "DI71", retries=3)
    assert requests == 4
    assert len(naps) == 3
    assert "refused with status 500 and said: 'oops'" in str(error)
    assert "answers that came are kept where a journal was given" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"error": {"message": "no such model"}}', "status 400 and said: 'no such model'"),
        (404, b'{"error": "where?"}', "the model's name 'm' are right"),
        (422, b'{"detail": [{"msg": "bad"}]}', """said: '[{"msg": "bad"}]'"""),
        (403, b'{"message": "no"}', "Put a key in the environment variable OPENAI_API_KEY"),
        (401, b"", "refused with status 401. Put a key"),
        (400, b"\xff\x1b[31m\x00red", "said: '\N{REPLACEMENT CHARACTER} [31m red'"),
        (400, b"[" * 100_000, "and said: '[[["),
    ],
)
def test_refusals_are_told_and_not_repeated(status, body, words, naps):
    error, requests = fails(lambda *_: Scripted(status, body), "DI71")
    assert requests == 1
    assert naps == []
    assert words in str(error)
    assert len(str(error)) < 800


def test_a_key_that_is_there_is_doubted(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    error, _ = fails(lambda *_: Scripted(401, b"bad key"), "DI71")
    assert "See that the key is valid which stands in the environment variable OPENAI_API_KEY" in str(error)


def test_redirections_are_not_followed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ChatServer(lambda *_: says("stolen")) as elsewhere:
        error, requests = fails(lambda *_: Scripted(307, b"", {"Location": elsewhere.url}), "DI71")
    assert requests == 1
    assert elsewhere.requests == []
    assert "redirections are not followed" in str(error)


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ChatServer(lambda *_: says("direct")) as server:
        assert ask_all(Endpoint(server.url, "m"), [question()])[0].text == "direct"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>welcome</html>", "it is no JSON"),
        (b"", "it is no JSON"),
        (b'{"choices": [', "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"null", "it has no choices[0].message.content"),
        (b"[]", "it has no choices[0].message.content"),
        (b'{"choices": []}', "it has no choices[0].message.content"),
        (b'{"choices": {"0": 1}}', "it has no choices[0].message.content"),
        (b'{"choices": [{"message": {}}]}', "it has no choices[0].message.content"),
        (b'{"choices": [{"message": {"content": 7}}]}', "it has no choices[0].message.content"),
        (b'{"choices": [{"message": {"content": [7]}}]}', "it has no choices[0].message.content"),
        (b'{"choices": [{"message": {"content": [{"type": "text", "text": 7}]}}]}', "it has no choices[0]"),
    ],
)
def test_answers_that_are_none(body, why):
    error, requests = fails(lambda *_: Scripted(200, body), "DI72")
    assert requests == 1
    assert f"The language model's answer cannot be read: {why}" in str(error)
    assert "OpenAI's chat completions" in str(error)


def test_an_answer_without_end(monkeypatch):
    monkeypatch.setattr(asking, "LARGEST", 1000)
    error, _ = fails(lambda *_: says("x" * 2000), "DI72")
    assert "longer than 1000 bytes" in str(error)


@pytest.mark.parametrize("how", [{"stall": 30.0}, {"trickle": 0.1}])
def test_a_server_that_takes_too_long(how, naps):
    slow = Scripted(body=says("x" * 200).body, **how)
    error, requests = fails(lambda *_: slow, "DI70", timeout=0.5, retries=1)
    assert requests == 2
    assert naps == [1.0]
    assert "no whole answer within 0.5 s" in str(error)


def test_nobody_listens(naps):
    with socket.socket() as taken:  # bound, never listening: nothing else can answer there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(InputError, match="No answer came from") as caught:
            ask_all(Endpoint(url, "m", retries=2), [question()])
    assert caught.value.code == "DI70"
    assert naps == [1.0, 2.0]
    assert url in str(caught.value)
    assert "the address is right and the server runs" in str(caught.value)


def test_a_stop_in_the_middle_costs_nothing_twice(tmp_path, naps):
    words = list("abcdefgh")

    def breaks(request, number):
        return says(request["messages"][0]["content"]) if number < 5 else Scripted(400, b"no more")

    with ChatServer(breaks) as server:
        with pytest.raises(InputError):
            ask_all(Endpoint(server.url, "m"), [question(w) for w in words], workers=1, journal=tmp_path)
        kept = len(list(tmp_path.glob("*.job")))
        assert kept == 5
        server.script = lambda request, number: says(request["messages"][0]["content"])
        before = len(server.requests)
        answers = ask_all(Endpoint(server.url, "m"), [question(w) for w in words], journal=tmp_path)
        assert [answer.text for answer in answers] == words
        assert len(server.requests) - before == 3
        again = ask_all(Endpoint(server.url, "m"), [question(w) for w in words], journal=tmp_path)
        assert again == answers
        assert len(server.requests) - before == 3
        ask_all(Endpoint(server.url, "another"), [question("a")], journal=tmp_path)
        assert len(server.requests) - before == 4  # another model's answer is another answer


def test_the_key_is_nowhere(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"error": {"message": f"Wrong key {KEY}"}}).encode()
    error, _ = fails(lambda *_: Scripted(401, echo), "DI71")
    told = "".join(traceback.format_exception(error))
    assert KEY not in told
    assert "Wrong key ***" in told
    with ChatServer(lambda *_: says(f"your key is {KEY}")) as server:
        where = Endpoint(server.url, "m")
        assert ask_all(where, [question()], journal=tmp_path)[0].text == "your key is ***"
    assert KEY not in repr(where) + caplog.text
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "\x00"])
def test_keys_that_no_request_can_carry(key, monkeypatch):
    variables = {"MY_KEY": key}
    monkeypatch.setattr(asking.os, "environ", variables)  # the real one takes no NUL
    with pytest.raises(InputError, match="The key in the environment variable MY_KEY") as caught:
        ask_all(Endpoint("http://127.0.0.1:1", "m", key_variable="MY_KEY"), [question()])
    assert caught.value.code == "DI73"
    assert key not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "http://",
        "http://name:secret@host/v1",
        "http://host/v1?key=secret",
        "http://host/v1#secret",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://host/v 1",
        "http://host/v1\n",
        "http://[::1/v1",
    ],
)
def test_addresses_that_are_none(url):
    with pytest.raises(InputError, match="no plain http or https address") as caught:
        Endpoint(url, "m")
    assert caught.value.code == "DI73"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("setting", [{"timeout": 0}, {"retries": -1}, {"pause": -1.0}, {"model": ""}])
def test_settings_that_cannot_be_used(setting):
    with pytest.raises(InputError, match=r"cannot be asked\. Name a model") as caught:
        Endpoint(**{"url": "http://host", "model": "m", **setting})
    assert caught.value.code == "DI73"


def test_nobody_to_ask_with():
    with pytest.raises(InputError, match="0 requests at a time ask nothing") as caught:
        ask_all(Endpoint("http://host", "m"), [question()], workers=0)
    assert caught.value.code == "DI73"


def test_foreign_words_become_one_bounded_line():
    assert one_line(" a\n\tb\x1b[0m\u202e c\u2028d ") == "a b [0m c d"
    assert len(one_line("x" * 9999)) == 500
    assert one_line("x" * 9999).endswith("…")
