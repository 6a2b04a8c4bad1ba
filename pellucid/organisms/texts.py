"""The two public-domain texts, cut once into a training and a validation part."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pellucid.findings import DataRef, MissingError, did_you_mean

FILES = {"plays": "tinyshakespeare.txt", "epic": "paradise_lost.txt"}
SPLITS = ("train", "validation")
FRACTION = 0.9


def text(split: str, source: str = "both") -> str:
    """One part of the texts: each is cut at the first line end after 90 % of its characters.

    Arguments:
        split: "train" or "validation".
        source: "plays" (Shakespeare), "epic" (Milton), or "both", one after the other.

    Raises:
        MissingError: no such split or source.

    Example:
        >>> len(text("validation", "plays")) < len(text("train", "plays"))
        True
    """
    _check("split", split, SPLITS)
    _check("source", source, (*FILES, "both"))
    names = tuple(FILES) if source == "both" else (source,)
    return "".join(_parts(name)[SPLITS.index(split)] for name in names)


def _check(what: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        remedy = f"There are {', '.join(allowed)}. {did_you_mean(given, allowed)}".strip()
        raise MissingError("OR02", f"No {what} {given!r} of the text.", remedy)


def validation_text() -> Path:
    """The file that holds both validation parts: ordinary text that no organism was trained on."""
    return Path(__file__).parent / "data" / "validation.txt"


def held_out() -> DataRef:
    """What Findings measured on the validation parts refer to."""
    return DataRef(id="plays and epic, validation", sha256=_sha256(text("validation")))


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


@cache
def _parts(source: str) -> tuple[str, str]:
    path = Path(__file__).parent / "data" / "text" / FILES[source]
    whole = path.read_text(encoding="ascii")  # the epic's line ends, CR LF, become LF
    cut = whole.index("\n", int(FRACTION * len(whole))) + 1
    return whole[:cut], whole[cut:]
