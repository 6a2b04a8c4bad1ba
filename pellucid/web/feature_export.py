"""A dashboard as one file: the list at once, each latent when it is asked for, nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from pellucid.findings import InputError
from pellucid.web.feature_index import NAMED, ORDERS, line_of, listed, named_arrays
from pellucid.web.feature_view import lede_of, shown, title_of
from pellucid.web.features import KIND, Dashboard, Feature, Passage, tidy
from pellucid.web.label import label_of
from pellucid.web.report import replace_file, within
from pellucid.web.templating import STATIC, fill
from pellucid.web.tokens import passage, visible

if TYPE_CHECKING:
    from pellucid.findings import Finding

CHUNK = 100
"""Latents that are packed, and unpacked by the page, together."""
PLAIN = 100
"""Latents that can be read without scripts."""
TAG = re.compile("<[^>]*>")


def write(finding: Finding, target: str | Path) -> Path:
    """Write a dashboard as one page that opens from a disk without a network.

    Arguments:
        finding: of kind ``dictionaries.dashboard``.
        target: the file, ending in ``.html``; its folder is made when it is not there.

    Errors:
        InputError WB09: a Finding of another kind; WB10: the file cannot be written.

    Example:
        >>> write(finding, "latents.html")  # doctest: +SKIP
        PosixPath('latents.html')
    """
    path = Path(target)
    text = page(finding)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
    except OSError as error:
        raise InputError(
            "WB10",
            f"The page cannot be written to {path}: {error.strerror or error}.",
            "Free some space or name another file with --out; the Finding is in the store already.",
        ) from error
    return path


def page(finding: Finding) -> str:
    """The page of a dashboard."""
    if finding.kind != KIND:
        raise InputError(
            "WB09",
            f"Finding {finding.id[:12]} is of kind {finding.kind}, not {KIND}.",
            "Give what describe_latents returned.",
        )
    board = Dashboard(finding)
    scripts = {
        "theme_script": within([STATIC / "theme.js"]),
        "list_script": within([STATIC / "latents.js"]),
        "page_script": within([STATIC / "pellucid.js"]),
    }
    return fill(
        "latents_export.html",
        title=finding.statement,
        board=board,
        label=label_of(finding.header, lambda path: "#main"),
        orders=ORDERS,
        styles=within([STATIC / "tokens.css", STATIC / "pellucid.css", STATIC / "latents.css"]),
        policy=policy_of(scripts.values()),
        plain=plain(board),
        index=packed(index_of(board)),
        blocks=list(blocks(board)),
        **scripts,
    )


def policy_of(scripts: Iterable[str]) -> str:
    """The page may run its own three scripts and load nothing: text out of a model can never run."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    rules = ("default-src 'none'", "style-src 'unsafe-inline'", "img-src data:", "base-uri 'none'")
    return "; ".join([*rules, "form-action 'none'", f"script-src {allowed}"])


def packed(data: Any) -> Markup:
    """JSON or bytes, compressed, as base64, which ends no element of a page."""
    raw = data if isinstance(data, bytes) else compact(data).encode()
    return Markup(base64.b64encode(zlib.compress(raw, 9)).decode())


def compact(data: Any) -> str:
    """JSON without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def index_of(board: Dashboard) -> dict[str, Any]:
    """What the list needs of every latent, column by column."""
    density = board.values("fires") / max(board.tokens, 1)
    named = {name: board.values(name)[:, :NAMED].tolist() for name in named_arrays(board)}
    return {
        "latent": board.latents,
        "density": list(map(tidy, density)),
        "largest": list(map(tidy, board.values("largest"))),
        "single": list(map(tidy, board.values("carried_share")[:, 0])),
        "carried": named["carried"],
        "raised": named.get("raised", []),
        "words": [letters(visible(word)) for word in board.words],
        "chunk": CHUNK,
    }


def blocks(board: Dashboard) -> Iterator[tuple[str, Markup]]:
    """Name and content of what is unpacked later: the cited text, its words, and the latents."""
    text = board.values("text")
    width = np.uint16 if len(board.words) <= 2**16 else np.uint32
    yield f"text-{8 * width().itemsize}", packed(text.astype(np.dtype(width).newbyteorder("<")).tobytes())
    yield "words", packed([letters(passage(word, broken=False)) for word in board.words])
    for begin in range(0, len(board), CHUNK):
        rows = range(begin, min(begin + CHUNK, len(board)))
        yield f"c{begin // CHUNK}", packed([record(board.feature(row)) for row in rows])


def letters(shown: Markup) -> str:
    """The text of a page's piece, every space kept.

    Example:
        >>> letters(visible(" a<b"))
        '·a<b'
    """
    return unescape(TAG.sub("", shown))


def record(feature: Feature) -> dict[str, Any]:
    """A latent as the page's script reads it."""
    return {
        "latent": feature.latent,
        "title": title_of(feature),
        "lede": lede_of(feature),
        "fires": feature.fires,
        "numbers": [feature.density, feature.largest, feature.mean, feature.length, feature.width],
        "counts": feature.counts,
        "examples": [place(one) for one in feature.examples],
        "sample": [place(one) for one in feature.sample],
        "carried": feature.carried,
        "read": [(token, mean) for token, mean, _ in feature.read],
        "raised": feature.raised,
        "lowered": feature.lowered,
        "neighbours": feature.neighbours,
        "together": feature.together,
        "heads": feature.heads,
    }


def place(one: Passage) -> list[Any]:
    """A passage: activation, offset of its text, the place itself, and every level."""
    return [one.value, one.start, one.at, *one.levels]


def plain(board: Dashboard) -> list[dict[str, Any]]:
    """The most frequent latents with their strongest example, for readers without scripts."""
    rows = listed(board, "", "density")[:PLAIN]
    made = []
    for row in rows:
        feature = board.feature(row)
        example = shown(board, feature, feature.examples[0])[1] if feature.examples else ""
        made.append({"line": line_of(board, row), "example": example})
    return made
