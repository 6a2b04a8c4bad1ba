"""The library as pages show it: entries with the computed states of their claims, facets, one paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pellucid.library import claim_state, evidence_for
from pellucid.web.label import Href, label_of
from pellucid.web.states import CLAIMS, State, tally
from pellucid.web.templating import plural

if TYPE_CHECKING:
    from pellucid.findings import Header
    from pellucid.library import Claim, Paper


@dataclass(frozen=True)
class ShownClaim:
    """A claim and its state."""

    claim: Claim
    """The claim as the catalogue has it."""
    state: State
    """Its computed state."""
    headers: tuple[Header, ...]
    """The Findings that measured it, newest first."""

    @property
    def id(self) -> str:
        """C1, C2, ..."""
        return self.claim.id


@dataclass(frozen=True)
class Entry:
    """A paper on the shelf."""

    paper: Paper
    """The paper as the catalogue has it."""
    claims: tuple[ShownClaim, ...]
    """Its claims with their states."""
    href: str
    """Where it is shown in full."""

    @property
    def title(self) -> str:
        """The paper's title."""
        return self.paper.title

    @property
    def tldr(self) -> str:
        """The paper in one sentence, in our words."""
        return self.paper.tldr

    @property
    def by(self) -> str:
        """Authors, year, venue, number and rooms in one line."""
        paper = self.paper
        number = f"arXiv {paper.arxiv}" if paper.arxiv else ""
        parts = (authors(paper, 3), str(paper.year or ""), paper.venue or "", number, ", ".join(paper.rooms))
        return " · ".join(part for part in parts if part)

    @property
    def unbuilt(self) -> str:
        """Says that the method does not exist yet; empty when it does."""
        return "" if self.paper.built else "method not built yet"


def authors(paper: Paper, most: int = 0) -> str:
    """Family names of the first ``most`` authors and how many more; full names of all for 0."""
    names = [author.family for author in paper.authors] if most else [str(a) for a in paper.authors]
    if most and len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return ", ".join(names) + (" and others" if paper.more_authors else "")


def entries(papers: Iterable[Paper], headers: Sequence[Header], href: Href) -> list[Entry]:
    """Papers with the states of their claims, computed from the headers of a store."""
    return [
        Entry(paper, tuple(shown(claim, headers) for claim in paper.claims), href(f"/papers/{paper.key}"))
        for paper in papers
    ]


def shown(claim: Claim, headers: Sequence[Header]) -> ShownClaim:
    """A claim with its computed state and the Findings that name it."""
    about = tuple(evidence_for(claim, headers))
    return ShownClaim(claim, CLAIMS[claim_state(claim, about)], about)


def shelf_lede(every: Sequence[Entry]) -> str:
    """What the shelf is."""
    return (
        f"{len(every)} publications on opening networks and arguing that they are safe. Each states its "
        "claims; each claim is measured again here, and its state is computed, never typed."
    )


def claim_tally(every: Iterable[Entry]) -> list[tuple[State, int]]:
    """How many claims are in each state."""
    return tally((shown.state for entry in every for shown in entry.claims), CLAIMS.values())


def tally_title(every: Sequence[Entry]) -> str:
    """How many claims there are, and how many of them were reproduced."""
    counts = dict(claim_tally(every))
    return f"{sum(counts.values())} claims, {counts.get(CLAIMS['reproduced'], 0)} of them reproduced"


def results_title(count: int, query: str) -> str:
    """How many entries are shown, and in what order."""
    words = plural(count, "entry", "entries")
    return f"{words}, best match first" if query.strip() else words


@dataclass(frozen=True)
class Choice:
    """One value of a facet."""

    value: str
    """As it stands in the address."""
    word: str
    """As it is shown."""
    count: int
    """How many entries have it."""
    chosen: bool
    """Whether the reader asked for it."""


@dataclass(frozen=True)
class Facet:
    """A way to narrow the shelf."""

    name: str
    """Its name in the address."""
    title: str
    """Its heading."""
    choices: tuple[Choice, ...]
    """Its values."""


UNCONFIRMED = "What we know of this claim is not confirmed."
TITLES = {"state": "State of claims", "room": "Room", "year": "Year"}


def values(entry: Entry) -> dict[str, set[str]]:
    """What an entry is, by facet."""
    return {
        "state": {next(name for name, state in CLAIMS.items() if state == c.state) for c in entry.claims},
        "room": set(entry.paper.rooms),
        "year": {str(entry.paper.year)} if entry.paper.year else set(),
    }


def chosen(entry: Entry, picked: Mapping[str, Sequence[str]]) -> bool:
    """Whether an entry has, in every facet that was used, one of the chosen values."""
    has = values(entry)
    return all(not wanted or has[name] & set(wanted) for name, wanted in picked.items())


def facets(found: Iterable[Entry], picked: Mapping[str, Sequence[str]]) -> list[Facet]:
    """The facets of the entries that match the words; a chosen value stays even where nothing has it."""
    counts: dict[str, Counter[str]] = {name: Counter(dict.fromkeys(picked[name], 0)) for name in TITLES}
    for entry in found:
        for name, has in values(entry).items():
            counts[name].update(has)
    return [
        Facet(name, title, tuple(choices(name, counts[name], picked[name]))) for name, title in TITLES.items()
    ]


def choices(name: str, counts: Counter[str], picked: Sequence[str]) -> list[Choice]:
    """The values of one facet: states in their fixed order, years newest first, the rest by number."""
    order = list(CLAIMS)
    ranked = sorted(counts, key=lambda v: (-counts[v], v))
    if name == "state":
        ranked = sorted(counts, key=lambda v: order.index(v) if v in order else len(order))
    return [Choice(v, v.capitalize(), counts[v], v in picked) for v in ranked]


def paper_page(entry: Entry, href: Href) -> dict[str, Any]:
    """What the page of one paper shows."""
    paper = entry.paper
    return {
        "key": paper.key,
        "title": paper.title,
        "by": " · ".join(part for part in (authors(paper), str(paper.year or ""), paper.venue or "") if part),
        "links": list(links(paper)),
        "paragraphs": [text for text in paper.summary.split("\n\n") if text.strip()],
        "note": "Our words. A state below speaks of the models it was measured on, and of no larger one.",
        "facts": list(facts(paper)),
        "tally": claim_tally([entry]),
        "claims": [claim_row(entry, shown, href) for shown in entry.claims],
        "unbuilt": entry.unbuilt.capitalize(),
        "unbuilt_why": "What it needs does not exist here so far: " + ", ".join(paper.missing) + ".",
        "commands": [f"pellucid library show {paper.key}", f"pellucid study run {paper.key}"],
    }


def links(paper: Paper) -> Iterator[tuple[str, str]]:
    """Where the paper and its code are; only addresses of the web are made links."""
    found = [(paper.link, f"arXiv {paper.arxiv}" if paper.arxiv else "read it")]
    found += [(code.repo, f"code, {code.licence or 'no licence'}") for code in paper.code]
    return ((address, name) for address, name in found if address.startswith(("https://", "http://")))


def facts(paper: Paper) -> Iterator[tuple[str, str]]:
    """The facts beside the summary."""
    yield "Rooms", ", ".join(paper.rooms)
    for axis, words in paper.tags.items():
        yield axis.capitalize(), ", ".join(words)
    if paper.aliases:
        yield "Also known as", ", ".join(paper.aliases)


def claim_row(entry: Entry, shown: ShownClaim, href: Href) -> dict[str, Any]:
    """One claim: the paper's value, ours with its interval, the state, the Findings."""
    claim = shown.claim
    labels = [label_of(header, href) for header in shown.headers]
    first = labels[0] if labels else None
    return {
        "id": shown.id,
        "text": claim.text,
        "sort": f"{claim.kind}, {claim.evidence}",
        "paper_value": claim.paper_value or "none given",
        "unit": claim.unit if claim.paper_value else "",
        "here": f"{first.value} {first.unit}" if first else claim.here,
        "rule": (first.rule or first.interval) if first else Markup(""),
        "state": shown.state,
        "sub": " ".join(
            text for text in (claim.scale_note, UNCONFIRMED if claim.unconfirmed else "") if text
        ),
        "findings": [(label.href, f"f:{label.short}") for label in labels],
        "command": f"pellucid study run {entry.paper.key}",
    }
