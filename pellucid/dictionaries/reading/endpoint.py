"""A language model behind an OpenAI-compatible address: asked patiently, read strictly, its key secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from time import sleep as rest
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from pellucid.compute import SILENT, Progress, run_jobs
from pellucid.findings import InputError

if TYPE_CHECKING:
    import httpx2 as httpx

Messages = Sequence[Mapping[str, str]]

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # refusals that a later request may not meet
MOST_PATIENCE = 120.0  # seconds: a server that wants a longer pause is left for another day
LARGEST = 4_000_000  # bytes of one answer
LONGEST = 500  # characters of a server's message or of an explanation


@dataclass(frozen=True)
class Endpoint:
    """Where a language model is asked, by ``POST url/chat/completions``.

    The key is read from the environment at each request and is never part of this object. Nothing is sent
    anywhere else: redirections are refused, and proxies named in the environment are not used.

    Arguments:
        url: the address before ``/chat/completions``, which often ends in ``/v1``.
        model: the model's name there.
        key_variable: the environment variable that holds the key; unset, none is sent, as local servers like.
        timeout: seconds that one request may take.
        retries: requests after the first, where the server is busy, fails or does not answer.
        pause: seconds before the first of them, doubled each time, unless the server names a time.
        temperature: of sampling; None leaves it to the server, which some models demand.

    Raises:
        InputError: DI73 for settings that cannot be used.

    Example: ``Endpoint("http://127.0.0.1:8000/v1", "a-local-model")``.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 60.0
    retries: int = 4
    pause: float = 1.0
    temperature: float | None = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be used."""
        if not sound(self.url):
            raise InputError(
                "DI73",
                "The endpoint's URL is no plain http or https address.",
                "Give one as http://127.0.0.1:8000/v1, without name, password, query or fragment; "
                "name the key's environment variable by key_variable.",
            )
        if not self.model or self.timeout <= 0 or self.retries < 0 or self.pause < 0:
            raise InputError(
                "DI73",
                f"An endpoint with model {self.model!r}, timeout {self.timeout:g}, {self.retries} retries "
                f"and pause {self.pause:g} cannot be asked.",
                "Name a model; give a timeout above 0, and retries and pause of at least 0.",
            )

    @property
    def address(self) -> str:
        """Where requests go."""
        return f"{self.url.rstrip('/')}/chat/completions"

    def request(self, messages: Messages) -> bytes:
        """The body of the request; equal questions have equal bodies.

        Arguments:
            messages: role and content of each.
        """
        body: dict[str, Any] = {"model": self.model, "messages": [dict(message) for message in messages]}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        return json.dumps(body).encode()

    def key(self) -> str:
        """The key of the environment, or nothing; DI73 where no request could carry it."""
        key = os.environ.get(self.key_variable, "").strip()
        if not re.fullmatch("[!-~]*", key):  # the HTTP library's own message would show it
            raise InputError(
                "DI73",
                f"The key in the environment variable {self.key_variable} has characters that no request "
                "may carry.",
                "Set it again: a key is one line of ASCII characters without spaces.",
            )
        return key


def sound(url: str) -> bool:
    """Whether a URL can be asked and can be recorded: it holds nothing that might be secret."""
    try:
        parts: SplitResult = urlsplit(url)
        parts.port  # noqa: B018  (raises when it is no number)
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and bool(re.fullmatch("[!-~]+", url))
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


@dataclass(frozen=True)
class Answer:
    """What a language model said."""

    text: str
    """Empty where it declined."""
    tokens: int | None
    """Tokens charged, of question and answer, where the server says."""


@dataclass(frozen=True)
class Reply:
    """What came back of one request."""

    status: int
    """HTTP status; 0: nothing came back."""
    retry_after: str
    body: bytes
    """Or why nothing came back."""


def ask_all(
    endpoint: Endpoint,
    questions: Sequence[Messages],
    *,
    workers: int = 4,
    journal: Path | None = None,
    progress: Progress = SILENT,
    name: str = "asking",
) -> list[Answer]:
    """Ask questions, several at a time; equal ones once. Answers come in the order of the questions.

    Arguments:
        endpoint: who is asked.
        questions: the messages of each.
        workers: requests under way at the same time.
        journal: a folder where each answer is kept under a name made of the address and the question, so
            that the same question is never paid for twice; None keeps nothing.
        progress: told after each answer.
        name: what the progress is called.

    Raises:
        InputError: DI70 the server cannot be reached, DI71 it refused, DI72 its answer cannot be read, DI73
            the key or the number of workers cannot be used. Answers received before are in the journal.

    Example: ``ask_all(endpoint, [[{"role": "user", "content": "Say yes."}]])[0].text``.
    """
    if workers < 1:
        raise InputError("DI73", f"{workers} requests at a time ask nothing.", "Give workers of at least 1.")
    bodies = [endpoint.request(messages) for messages in questions]
    jobs = [hashlib.sha256(f"{endpoint.address}\n".encode() + body).hexdigest() for body in bodies]
    with client(endpoint) as http, ThreadPoolExecutor(workers) as pool:
        work = {job: (endpoint, http, body) for job, body in zip(jobs, bodies, strict=True)}
        found = run_jobs(ask, work, executor=pool, journal=journal, progress=progress, name=name)
    return [Answer(**found[job]) for job in jobs]


def client(endpoint: Endpoint) -> httpx.Client:
    """An HTTP client that goes to the address given and nowhere else."""
    import httpx2 as httpx

    return httpx.Client(timeout=endpoint.timeout, trust_env=False, follow_redirects=False)


def ask(endpoint: Endpoint, http: httpx.Client, body: bytes) -> dict[str, Any]:
    """The answer to one request as plain data, after as many attempts as the endpoint allows."""
    attempt = 0
    while True:
        reply = send(endpoint, http, body)
        if 200 <= reply.status < 300:
            return read(endpoint, reply.body)
        pause = patience(endpoint, reply, attempt)
        if pause is None:
            raise refusal(endpoint, reply)
        rest(pause)
        attempt += 1


def send(endpoint: Endpoint, http: httpx.Client, body: bytes) -> Reply:
    """One request; what the network does wrong is a reply of status 0."""
    import httpx2 as httpx

    key, headers = endpoint.key(), {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        with http.stream("POST", endpoint.address, content=body, headers=headers) as response:
            whole = received(response, monotonic() + endpoint.timeout)
            return Reply(response.status_code, response.headers.get("retry-after", ""), whole)
    except (httpx.TimeoutException, TimeoutError):
        return Reply(0, "", f"no whole answer within {endpoint.timeout:g} s".encode())
    except httpx.RequestError as error:
        return Reply(0, "", (str(error) or type(error).__name__).encode())


def received(response: httpx.Response, deadline: float) -> bytes:
    """The whole body; DI72 where it is too large, TimeoutError where it trickles on past the deadline."""
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise unreadable(f"it is longer than {LARGEST} bytes")
        if monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def patience(endpoint: Endpoint, reply: Reply, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None where there is to be none."""
    if attempt >= endpoint.retries or (reply.status and reply.status not in PASSING):
        return None
    asked = wanted(reply.retry_after)
    pause = endpoint.pause * 2**attempt if asked is None else asked
    return pause if pause <= MOST_PATIENCE else None


def wanted(retry_after: str) -> float | None:
    """The pause that a server asks for, as seconds or as a date; None where it says nothing readable."""
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def refusal(endpoint: Endpoint, reply: Reply) -> InputError:
    """What to tell the user of a request that failed for good."""
    words = one_line(without(endpoint.key(), message(reply.body)))
    if reply.status == 0:
        return InputError(
            "DI70",
            f"No answer came from {endpoint.address}: {words.rstrip('.')}.",
            "See that the address is right and the server runs; with a journal, run again to go on.",
        )
    said = f" and said: {words!r}" if words else ""
    return InputError(
        "DI71", f"{endpoint.address} refused with status {reply.status}{said}.", mend(endpoint, reply)
    )


def mend(endpoint: Endpoint, reply: Reply) -> str:
    """What to do about a refusal."""
    if reply.status in {401, 403}:
        state = "See that the key is valid which stands" if endpoint.key() else "Put a key"
        return f"{state} in the environment variable {endpoint.key_variable}."
    if 300 <= reply.status < 400:
        return "Give the address itself: redirections are not followed."
    if reply.status in PASSING:
        pause = wanted(reply.retry_after)
        when = f"in {pause:.0f} s" if pause else "later"
        return f"Run again {when}: answers that came are kept where a journal was given."
    return f"See that the address and the model's name {endpoint.model!r} are right."


def message(body: bytes) -> str:
    """The words of an error, in whichever of the usual places they stand."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    for place in ("error", "message", "detail"):
        if isinstance(said, dict) and place in said:
            said = said[place]
    return said if isinstance(said, str) else json.dumps(said)


def read(endpoint: Endpoint, body: bytes) -> dict[str, Any]:
    """The text and the tokens of an answer; DI72 where it has not the form of a chat completion."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise unreadable("it is no JSON") from None
    try:
        text = spoken(said["choices"][0]["message"]["content"])
    except (KeyError, IndexError, TypeError, AttributeError):
        raise unreadable("it has no choices[0].message.content") from None
    clean = without(endpoint.key(), text).encode("utf-8", "replace").decode()
    return {"text": clean, "tokens": charged(said.get("usage"))}


def spoken(content: Any) -> str:
    """The content as text: some servers send parts, and null where the model declined; else TypeError."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if not isinstance(content, str):
        raise TypeError
    return content


def charged(usage: Any) -> int | None:
    """Tokens of question and answer; None where the server does not say."""
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if type(total) is int and 0 <= total < 2**53 else None


def unreadable(why: str) -> InputError:
    """DI72."""
    return InputError(
        "DI72",
        f"The language model's answer cannot be read: {why}.",
        "See that the address belongs to a server with OpenAI's chat completions.",
    )


def without(key: str, text: str) -> str:
    """A text in which the key does not stand, should a server repeat it."""
    return text.replace(key, "***") if key else text


def one_line(text: str) -> str:
    """A foreign text as one printable line of bounded length: it is shown in terminals and pages."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
