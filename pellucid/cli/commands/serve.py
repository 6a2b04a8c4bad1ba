"""``pellucid serve``: the library, models, findings and cases in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json


def serve(
    store: StoreOption = DEFAULT_STORE,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=0, max=65535)] = 8787,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name this computer is reached by, when it listens beyond itself."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the library, models, findings and cases in a browser; stop with Ctrl-C.

    Python: pellucid.web.serve
    """
    from pellucid import web

    address = f"http://{host}:{port}"
    if as_json:
        print_json({"url": address, "store": store})
    else:
        typer.echo(f"Pellucid is at {address} (store {store}). Stop with Ctrl-C.")
    web.serve(store, host=host, port=port, names=name or ())
