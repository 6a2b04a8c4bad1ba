"""A server of chat completions on this machine whose answers are scripted, and what it may say."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Scripted:
    """One reply."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stall: float = 0.0
    """Seconds before anything is sent."""
    trickle: float = 0.0
    """Seconds before each byte of the body."""


def says(text: Any, usage: Any = 7) -> Scripted:
    """A chat completion."""
    said = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    if usage is not None:
        said["usage"] = {"total_tokens": usage}
    return Scripted(body=json.dumps(said).encode())


class ChatServer(ThreadingHTTPServer):
    """Answers what ``script(request, number)`` gives; keeps every request."""

    daemon_threads = False  # so that closing waits for them

    def __init__(self, script: Callable[[dict[str, Any], int], Scripted]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.lock, self.closing = script, threading.Lock(), threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.errors: list[Exception] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> ChatServer:
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()
        if self.errors:
            raise self.errors[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error here."""


class Handler(BaseHTTPRequestHandler):
    """One request of a chat server."""

    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append(body)
            self.server.heads.append({"path": self.path, **self.headers})
        try:
            reply = self.server.script(body, number)
        except Exception as error:  # the test is at fault, and told so when the server closes
            self.server.errors.append(error)
            raise
        self.server.closing.wait(reply.stall)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not reply.trickle:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.server.closing.wait(reply.trickle)
            self.wfile.write(bytes([byte]))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def asked(request: dict[str, Any]) -> str:
    """The user's part of a request."""
    return request["messages"][-1]["content"]


def is_judge(request: dict[str, Any]) -> bool:
    """Whether a verdict is asked for, rather than an explanation."""
    return asked(request).startswith("Explanation: ")


def explain_marked(request: dict[str, Any]) -> str:
    """A perfect explainer of units that fire at one token: the marked text that all examples share."""
    marked = [set(re.findall("⟦(.*?)⟧", json.loads(line)["text"])) for line in asked(request).splitlines()]
    return f"The sign {set.intersection(*marked).pop()} stands there."


def texts_of(request: dict[str, Any]) -> dict[int, str]:
    """The numbered texts that a judge sees."""
    lines = asked(request).splitlines()[2:]
    return {int(line.split(": ", 1)[0]): json.loads(line.split(": ", 1)[1]) for line in lines}


def judge_by_sign(request: dict[str, Any]) -> str:
    """A perfect judge of such explanations."""
    explanation = json.loads(asked(request).splitlines()[0].removeprefix("Explanation: "))
    sign = re.fullmatch("The sign (.*) stands there.", explanation)[1]
    return json.dumps([number for number, text in texts_of(request).items() if sign in text])


def toss(request: dict[str, Any]) -> str:
    """A judge who tosses a coin for each text, the same for the same request."""
    drawn = int.from_bytes(hashlib.sha256(json.dumps(request).encode()).digest()[:8], "big")
    return json.dumps([number for number in texts_of(request) if drawn >> number & 1])


def perfect(request: dict[str, Any], number: int) -> Scripted:
    """The perfect explainer and judge."""
    return says(judge_by_sign(request) if is_judge(request) else explain_marked(request))


def coin(request: dict[str, Any], number: int) -> Scripted:
    """The perfect explainer with a judge who does not read."""
    return says(toss(request) if is_judge(request) else explain_marked(request))
