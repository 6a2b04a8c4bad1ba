"""What the server refuses: foreign hosts, other methods than reading, and anything that a page could load."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# Scripts only from our own files: text out of a model can never run. Style attributes are allowed because
# lengths of bars and tints of tokens are data; they cannot load anything, since no source is open to them.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def host_name(header: str) -> str:
    """The host of a ``Host`` header, without its port: ``[::1]:8787`` gives ``::1``.

    Example:
        >>> host_name("localhost:8787")
        'localhost'
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


class Guard:
    """ASGI middleware: only known hosts, only GET and HEAD, strict headers on every answer.

    A page elsewhere can point its own name at this computer (DNS rebinding); the ``Host`` header
    then still says that name, and is refused.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOCAL_HOSTS, base: str = "") -> None:
        self.app = app
        self.base = base
        self.hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self.refuse(scope)
        guarded = strict(send, bodiless=scope["method"] == "HEAD")
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        await self.app({**scope, **self.place(scope["path"]), "method": "GET"}, receive, guarded)

    def place(self, path: str) -> dict[str, str]:
        """Where the site is mounted, and the whole path, whether or not a proxy took the mount off it."""
        whole = path if path.startswith(f"{self.base}/") else self.base + path
        return {"root_path": self.base, "path": whole}

    def refuse(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that must not pass, or None."""
        host = host_name(Headers(scope=scope).get("host", ""))
        if "*" not in self.hosts and host not in self.hosts:
            known = ", ".join(sorted(self.hosts))
            text = f"This server does not answer for the host {host!r}. It answers for: {known}.\n"
            return PlainTextResponse(text, status_code=400)
        if scope["method"] not in {"GET", "HEAD"}:
            text = "This server only shows what is stored: use GET or HEAD.\n"
            return PlainTextResponse(text, status_code=405, headers={"allow": "GET, HEAD"})
        return None


def strict(send: Send, *, bodiless: bool) -> Send:
    """``send`` with the strict headers set, and without a body where only the head was asked for."""

    async def guarded(message: Message) -> None:
        """Send one part of the answer."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        elif bodiless:
            message = {**message, "body": b""}
        await send(message)

    return guarded
