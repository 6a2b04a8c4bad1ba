"""What the evidence of a case says it was made from, and what of that exists now."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.cases import Case, Verdict
    from pellucid.cases.evidence.evidence import Lookup
    from pellucid.findings import Header
    from pellucid.store import Store


@dataclass(frozen=True)
class World:
    """A case and all that it is judged by: the evidence at hand, and what exists now."""

    argument: Case
    """The argument as it was written."""
    case: Case
    """The same with the doubts that its evidence raises."""
    findings: Lookup
    """From a citation to its Finding."""
    present: dict[str, str]
    """Digests of what exists now."""
    reruns: list[Header]
    """What earlier re-runs have said."""

    def verdict(self) -> Verdict:
        """What the evidence says now."""
        return self.case.evaluate(self.findings, self.present, reruns=self.reruns)


def world_of(case: Case, store: Store, *, code_only: bool = False) -> World:
    """A case beside the evidence of a store.

    Arguments:
        case: the argument.
        store: where its evidence is kept.
        code_only: look only whether code has changed: a page opens no models.
    """
    from pellucid.store.evidence import evidence_in, reruns_in

    findings = evidence_in(store)
    present = present_of(case, store, findings, code_only=code_only)
    return World(case, case.challenged(findings), findings, present, reruns_in(store))


def cited_in(case: Case, find: Lookup) -> dict[str, Header]:
    """Every Finding at hand that a case cites or that one of these was made from, by id."""
    from pellucid.cases.evidence.citations import citation

    keys = {key for node in case.nodes.values() if (key := citation(node)) is not None}
    found: dict[str, Header] = {}
    waiting = [header for key in sorted(keys) if (header := find(key)) is not None]
    while waiting:
        header = waiting.pop()
        if header.id not in found:
            found[header.id] = header
            parents = map(find, header.provenance.parents)
            waiting.extend(parent for parent in parents if parent is not None)
    return found


def present_of(
    case: Case, store: Store, find: Lookup | None = None, *, code_only: bool = False
) -> dict[str, str]:
    """Digests of what the evidence of a case was made from, as it is now; only what can be found is named.

    Code by its method. Models by name (``organism:NAME``, a folder) and data by path, or, when a Finding
    calls them by their content, by what its command names. Where several things go by one name and one of
    them is unchanged, nothing has changed.

    ``code_only`` looks at methods alone.
    """
    from pellucid.cases.evidence.evidence import inputs
    from pellucid.store.evidence import evidence_in

    found: dict[str, set[str]] = {}
    then: dict[str, set[str]] = {}
    look = cache(digest_now)  # for this call only: what exists may change before the next
    for header in cited_in(case, find or evidence_in(store)).values():
        for key, digest in inputs(header.provenance):
            if key.startswith("package:") or (code_only and not key.startswith("code:")):
                continue  # another version of a package is seen when a measurement is made again
            then.setdefault(key, set()).add(digest)
            found.setdefault(key, set()).update(now_of(key, header.provenance.command, look))
    return {key: one_of(now, then[key]) for key, now in found.items() if len(now) == 1 or now & then[key]}


def one_of(now: set[str], then: set[str]) -> str:
    """The digest of what goes by one name: an unchanged one before any other."""
    return min(now & then or now)


def now_of(key: str, command: str, digest: Callable[[str, str], str | None]) -> Iterator[str]:
    """Digests that what a key of ``present`` names has now, by its name or by what a command names."""
    what, _, name = key.partition(":")
    words = command_words(command) if what != "code" else []
    near = [name] if not name.startswith(("sha256:", "eval:")) else named_in(words, what)
    near += [word for word in words if Path(word).name == name]
    yield from (now for place in dict.fromkeys(near) if (now := digest(what, place)) is not None)


def digest_now(what: str, place: str) -> str | None:
    """The digest of a model, of data or of code as it is now; None when there is none."""
    return {"model": weights_now, "data": file_now, "code": code_now}[what](place)


def named_in(words: list[str], what: str) -> list[str]:
    """What a command says of the model or data it works on: an option's value, or else its argument."""
    option = {"data": "--text", "model": "--model"}[what]
    if option in words[:-1]:
        return [words[words.index(option) + 1]]
    if what == "data":
        return [word for word in words if word.endswith((".eval", ".json"))]
    return words[1:2]


def command_words(command: str) -> list[str]:
    """A command without the name of the program; nothing when it cannot be read."""
    try:
        return shlex.split(command)[1:]
    except ValueError:
        return []


def weights_now(place: str) -> str | None:
    """Digest of the weights of an organism or a folder; None when there is none."""
    if not place.startswith("organism:") and not os.path.isfile(os.path.join(place, "config.json")):
        return None
    from pellucid.web.weights import quick_sha256

    return quick_sha256(place) or opened_sha256(place)


def opened_sha256(place: str) -> str | None:
    """Digest of the weights of a model that must be opened for it; None when there is none."""
    from pellucid.findings import MissingError
    from pellucid.models import open_model

    try:
        return open_model(place).sha256
    except MissingError:
        return None  # an organism of another installation: nothing is known of it here


def code_now(method: str) -> str:
    """Digest of a method's source; ``gone`` when there is no such method any more."""
    from pellucid.findings import MissingError, code_digest

    try:
        return code_digest(method)
    except MissingError:
        return "gone"


def file_now(place: str) -> str | None:
    """Digest of a file; None when there is none."""
    import hashlib

    if not os.path.isfile(place):  # False too for what can be no path at all
        return None
    with open(place, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
