"""What a store's URL means: which database, and where its payload files lie."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from pellucid.findings import InputError

DEFAULT = "sqlite:///pellucid.db"


@dataclass(frozen=True)
class Address:
    """A store's database and the folder of its payloads."""

    url: URL
    """Of the database, without our own options."""
    payloads: Path
    """The folder of payload files."""
    file: Path | None
    """The database's file; None on a server or in memory."""
    passing: bool = False
    """Whether the payloads go when the store is closed."""


def address_of(url: str) -> Address:
    """Read a store's URL: ``sqlite:///file.db`` or ``postgresql://user@host/name?payloads=FOLDER``.

    The payload folder is ``?payloads=FOLDER``, else the environment's ``PELLUCID_PAYLOADS``, else
    ``file.payloads`` beside a SQLite file; a store in memory has a temporary one.

    Errors:
        InputError ST05: no URL of a database that we know, or a server without a payload folder.

    Example:
        >>> address_of("sqlite:///notes/pellucid.db").payloads.as_posix()
        'notes/pellucid.payloads'
    """
    parsed = _parse(url)
    asked = parsed.query.get("payloads")
    folder = asked if isinstance(asked, str) else os.environ.get("PELLUCID_PAYLOADS")
    bare = parsed.difference_update_query(["payloads"])
    file = _file_of(bare)
    if folder:
        return Address(bare, Path(folder), file)
    if file is not None:
        return Address(bare, file.with_suffix(".payloads"), file)
    if bare.get_backend_name() == "sqlite":
        return Address(bare, Path(tempfile.mkdtemp(prefix="pellucid-")), None, passing=True)
    raise InputError(
        "ST05",
        f"The store {parsed.render_as_string()} does not say where its payload files lie.",
        "Add ?payloads=FOLDER to the URL, or set PELLUCID_PAYLOADS.",
    )


def store_exists(url: str = DEFAULT) -> bool:
    """Whether there is a store at ``url`` already; a server is taken to have one.

    Example:
        >>> store_exists("sqlite:///no-such-file.db")
        False
    """
    file = _file_of(_parse(url))
    return file is None or file.exists()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        hint = f"Did you mean 'sqlite:///{url}'?" if "://" not in url else "As in 'sqlite:///pellucid.db'."
        raise InputError("ST05", f"{url!r} is no URL of a store.", hint) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise InputError(
            "ST05",
            f"A store cannot be kept in {parsed.get_backend_name()!r}.",
            "Use sqlite:///FILE or postgresql://USER@HOST/NAME.",
        )
    return parsed


def _file_of(url: URL) -> Path | None:
    """The file of a SQLite URL that has one."""
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database))
