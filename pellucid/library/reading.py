"""From a paper's TOML file to a Paper, with every slip named."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pellucid.findings import InputError, Predicate, did_you_mean
from pellucid.library.paper import Author, Claim, Code, Paper
from pellucid.library.vocabulary import CLAIM_KINDS, EVIDENCE, ROOMS, TAGS

PAPER_FIELDS = {
    "title": str,
    "authors": list,
    "venue": str,
    "rooms": list,
    "needs": list,
    "tldr": str,
    "summary": str,
    "claims": list,
}
OPTIONAL_FIELDS = {"aliases", "more_authors", "ids", "link", "tags", "code", "year"}
CLAIM_FIELDS = {"id": str, "text": str, "kind": str, "evidence": str, "here": str}
CLAIM_DEFAULTS: Mapping[str, Any] = {
    "paper_value": "",
    "unit": "",
    "source": "the paper",
    "predicate": "",
    "scale_note": "",
    "share": 1.0,
    "parts": 1,
    "unconfirmed": False,
}


def read_paper(file: Path) -> Paper:
    """Read one paper; its key is the file's name.

    Arguments:
        file: a TOML file of the form described in ``docs/library.md``.

    Errors:
        InputError LB01 (no TOML), LB02 (a field is missing, unknown or of a wrong type), LB03 (a word that
        is not in the vocabulary), LB04 (a claim is ill-formed).
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            "LB01", f"{file.name} is no TOML file: {error}.", "Mend the line it names."
        ) from error
    check_fields(file.name, data, PAPER_FIELDS, OPTIONAL_FIELDS)
    key = file.stem
    arxiv = data.get("ids", {}).get("arxiv", "")
    return Paper(
        key=key,
        title=data["title"],
        aliases=tuple(data.get("aliases", ())),
        authors=tuple(map(author, data["authors"])),
        more_authors=data.get("more_authors", False),
        year=data.get("year"),
        venue=data["venue"],
        ids=dict(data.get("ids", {})),
        link=data.get("link") or f"https://arxiv.org/abs/{arxiv}",
        tldr=data["tldr"],
        summary=" ".join(data["summary"].split()),
        tags=read_tags(file.name, data.get("tags", {})),
        rooms=tuple(known(file.name, "room", room, ROOMS) for room in data["rooms"]),
        needs=tuple(data["needs"]),
        code=tuple(Code(**entry) for entry in data.get("code", ())),
        claims=read_claims(file.name, key, data["claims"]),
    )


def author(text: str) -> Author:
    """An author from ``Family, Given``.

    Example:
        >>> author("Ramón Guevara, Carlos").family
        'Ramón Guevara'
    """
    family, _, given = text.partition(",")
    return Author(family.strip(), given.strip())


def read_tags(where: str, tags: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The words by axis, each checked against the vocabulary."""
    return {
        known(where, "axis", axis, TAGS): tuple(
            known(where, f"{axis} tag", word, TAGS[axis]) for word in words
        )
        for axis, words in tags.items()
    }


def read_claims(where: str, key: str, tables: Iterable[Mapping[str, Any]]) -> tuple[Claim, ...]:
    """The claims of a paper: at least one, numbered C1, C2, ... without gaps."""
    claims = tuple(read_claim(where, key, table) for table in tables)
    numbers = [claim.id for claim in claims]
    if not claims or numbers != [f"C{number}" for number in range(1, len(claims) + 1)]:
        raise InputError(
            "LB04",
            f"{where}: the claims are numbered {', '.join(numbers) or 'not at all'}.",
            "Number them C1, C2, ... without gaps; there must be at least one.",
        )
    return claims


def read_claim(where: str, key: str, table: Mapping[str, Any]) -> Claim:
    """One claim, with its predicate parsed so that a slip in it shows here and not after a run."""
    place = f"{where}, claim {table.get('id', '?')}"
    check_fields(place, table, CLAIM_FIELDS, {*CLAIM_DEFAULTS, "study"})
    values = {**CLAIM_DEFAULTS, "study": key, **table}
    known(place, "kind of claim", values["kind"], CLAIM_KINDS)
    known(place, "kind of evidence", values["evidence"], EVIDENCE)
    if values["predicate"]:
        Predicate.parse(values["predicate"])
    if values["unconfirmed"] and values["paper_value"]:
        raise InputError(
            "LB04",
            f"{place}: states a value of the paper that is not confirmed.",
            "Leave paper_value out, or confirm it and drop the mark.",
        )
    return Claim(paper=key, **values)


def check_fields(
    where: str, data: Mapping[str, Any], needed: Mapping[str, type], optional: Iterable[str]
) -> None:
    """Refuse a missing, an unknown or a mistyped field (LB02)."""
    names = {*needed, *optional}
    for name in data:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(
                "LB02", f"{where}: no field {name!r}.", hint or f"Fields: {', '.join(sorted(names))}."
            )
    for name, kind in needed.items():
        if not isinstance(data.get(name), kind) or data[name] == "":
            raise InputError(
                "LB02", f"{where}: the field {name!r} is missing or not of type {kind.__name__}.", "Add it."
            )


def known(where: str, what: str, word: str, words: Iterable[str]) -> str:
    """The word itself when it is one of ``words`` (LB03 otherwise)."""
    names = list(words)
    if word not in names:
        hint = did_you_mean(word, names) or f"Use one of: {', '.join(names)}."
        raise InputError("LB03", f"{where}: no {what} {word!r}.", hint)
    return word


ARXIV = re.compile(
    r"(?:arxiv[:\s]*|https?://arxiv\.org/(?:abs|pdf)/)?(\d{4}\.\d{4,5}|[a-z-]+/\d{7})(v\d+)?(?:\.pdf)?", re.I
)


def arxiv_number(text: str) -> str | None:
    """The number in ``2405.10928``, ``arXiv:2405.10928v2`` or a link; None when there is none.

    Example:
        >>> arxiv_number("arXiv:2405.10928v2"), arxiv_number("hep-th/9901001"), arxiv_number("C4")
        ('2405.10928', 'hep-th/9901001', None)
    """
    match = ARXIV.fullmatch(text.strip())
    return match[1].lower() if match else None
