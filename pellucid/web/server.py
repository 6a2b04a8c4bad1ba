"""Run the application on this computer."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

from pellucid.findings import InputError
from pellucid.web.app import create_app
from pellucid.web.security import LOCAL_HOSTS


def serve(
    store_url: str,
    host: str = "127.0.0.1",
    port: int = 8787,
    *,
    base: str = "",
    names: Iterable[str] = (),
) -> None:
    """Serve a store until interrupted; by default only to this computer.

    Arguments:
        store_url: URL of the store.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        base: path under which a proxy mounts the site.
        names: further names that the ``Host`` header may say.

    Errors:
        InputError WB01 when ``host`` opens the server to the network without ``names``; WB05 when the
        address cannot be listened on; InputError of the store when it cannot be opened.

    Example:
        >>> serve("sqlite:///pellucid.db", port=8787)  # doctest: +SKIP
    """
    import uvicorn

    known = allowed_names(host, names)
    app = create_app(store_url, base=base, hosts=known)
    with listen(host, port) as place, suppress(KeyboardInterrupt):  # Ctrl-C is how a server ends
        config = uvicorn.Config(app, log_level="warning", server_header=False)
        uvicorn.Server(config).run(sockets=[place])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Errors:
        InputError WB05: the port is taken, not allowed, or the address is not of this computer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.socket(family)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((host, port))
    except OSError as error:
        place.close()
        raise InputError(
            "WB05",
            f"Cannot listen on {host}, port {port}: {error.strerror or error}.",
            f"Stop what uses it, or choose another port: --port {port % 65535 + 1}.",
        ) from error
    return place


def allowed_names(host: str, names: Iterable[str]) -> frozenset[str]:
    """The names to answer for: those of this computer, the given ones, and the address listened on.

    Errors:
        InputError WB01 when the server would listen on every address but answer for no name there.
    """
    given = frozenset(names)
    if is_everywhere(host) and not given:
        raise InputError(
            "WB01",
            f"Listening on {host} opens the store to the network, but no name is given to answer for.",
            "Keep the default 127.0.0.1 and reach it through an SSH tunnel, or name the hosts "
            'that may be used: serve(..., names=["lab.example.org"]).',
        )
    own = frozenset() if is_everywhere(host) else frozenset({host.lower()})
    return LOCAL_HOSTS | own | given


def is_everywhere(host: str) -> bool:
    """Whether an address means every network of this computer.

    Example:
        >>> is_everywhere("0.0.0.0"), is_everywhere("localhost")
        (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
