"""The shelf: every paper, found by any of its names or by what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pellucid.findings import InputError, MissingError, did_you_mean
from pellucid.library.paper import Claim, Paper
from pellucid.library.ranking import Ranking
from pellucid.library.reading import arxiv_number, read_paper
from pellucid.library.words import normal, words

PAPERS = Path(__file__).parent / "papers"


class Catalogue:
    """Papers, sorted by key.

    Example:
        >>> shelf = catalogue()
        >>> shelf.get("arXiv:2405.10928v2").key
        'lib'
    """

    def __init__(self, papers: Iterable[Paper]) -> None:
        self.papers = tuple(sorted(papers, key=lambda paper: paper.key))
        self._names = index_names(self.papers)
        self._ranking = Ranking({paper.key: fields_of(paper) for paper in self.papers})

    def __iter__(self) -> Iterator[Paper]:
        return iter(self.papers)

    def __len__(self) -> int:
        return len(self.papers)

    def get(self, name: str) -> Paper:
        """The paper of a key, title, alias or arXiv number (any version), in any case.

        Errors:
            MissingError LB05: there is none; names the near one.
        """
        paper = self._named(name)
        if paper is None:
            known = [text for paper in self.papers for text in (paper.key, paper.title, *paper.aliases)]
            hint = did_you_mean(name, known) or "List them: pellucid library list"
            raise MissingError("LB05", f"No paper {name!r} in the library.", hint)
        return paper

    def claim(self, name: str) -> Claim:
        """The claim of a name such as ``scheming.C4``.

        Errors:
            MissingError LB05 (no such paper), LB06 (the paper has no such claim).
        """
        key, _, identity = name.rpartition(".")
        paper = self.get(key or name)
        claim = paper.claim(identity)
        if claim is None:
            known = ", ".join(claim.id for claim in paper.claims)
            raise MissingError("LB06", f"Paper {paper.key!r} has no claim {identity!r}.", f"It has {known}.")
        return claim

    def search(self, text: str, limit: int | None = None) -> list[Paper]:
        """Papers about ``text``, the best first; one that is named exactly is the first, and by
        its number the only one.

        Ranked by BM25 over title and aliases (weight 3), our sentence (2), claims, summary and authors;
        equal scores by key. Nothing but blanks finds every paper.

        Arguments:
            text: words, a key, a title, an alias or an arXiv number.
            limit: at most so many.
        """
        if not words(text):
            return list(self.papers)[:limit]
        named = self._named(text)
        if named is not None and arxiv_number(text):
            return [named]
        scores = self.scores(text)
        order = sorted(scores, key=lambda key: (named is None or key != named.key, -scores[key], key))
        by_key = {paper.key: paper for paper in self.papers}
        return [by_key[key] for key in order][:limit]

    def scores(self, text: str) -> dict[str, float]:
        """The BM25 score by key of every paper that has a word of ``text`` or is named by it."""
        found = self._ranking.scores(words(text))
        named = self._named(text)
        return found if named is None else {named.key: 0.0, **found}

    def _named(self, name: str) -> Paper | None:
        number = arxiv_number(name)
        return self._names.get(number or normal(name))


@cache
def catalogue() -> Catalogue:
    """The library that comes with the program: 25 entries.

    Example:
        >>> len(catalogue())
        25
    """
    return read_catalogue(PAPERS)


def read_catalogue(folder: Path) -> Catalogue:
    """A catalogue from a folder of TOML files, one a paper.

    Errors:
        InputError LB01 to LB04 (a file), LB07 (two papers share a name).
    """
    return Catalogue(read_paper(file) for file in sorted(folder.glob("*.toml")))


def index_names(papers: Iterable[Paper]) -> dict[str, Paper]:
    """Every name of every paper; LB07 when two papers share one."""
    index: dict[str, Paper] = {}
    for paper in papers:
        for name in names_of(paper):
            other = index.setdefault(name, paper)
            if other is not paper:
                raise InputError(
                    "LB07",
                    f"The papers {other.key!r} and {paper.key!r} share the name {name!r}.",
                    "Give each key, title, alias and number to one paper.",
                )
    return index


def names_of(paper: Paper) -> set[str]:
    """What a paper answers to, in normal form."""
    titles = {normal(text) for text in (paper.key, paper.title, *paper.aliases)}
    numbers = {number for kind, number in paper.ids.items() if kind in {"arxiv", "predecessor"}}
    return titles | numbers


def fields_of(paper: Paper) -> list[tuple[int, list[str]]]:
    """The texts that are searched, with their weights."""
    claims = " ".join(f"{claim.text} {claim.here}" for claim in paper.claims)
    tags = [word for words_of_axis in paper.tags.values() for word in words_of_axis]
    others = " ".join((paper.key, *map(str, paper.authors), *paper.rooms, *tags, *paper.ids.values()))
    return [
        (3, words(paper.title)),
        (3, words(" ".join(paper.aliases))),
        (2, words(paper.tldr)),
        (1, words(claims)),
        (1, words(paper.summary)),
        (1, words(others)),
    ]
