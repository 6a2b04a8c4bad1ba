"""Single latents as pages show them, read from a Finding ``dictionaries.dashboard``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pellucid.findings import MissingError
from pellucid.web.tokens import visible

if TYPE_CHECKING:
    from pellucid.findings import Finding

KIND = "dictionaries.dashboard"
DIGITS = 6
Pairs = tuple[tuple[int, float], ...]
Triples = tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class Passage:
    """One place where a latent fires, with the text around it."""

    value: float
    """The activation at the place itself."""
    start: int
    """Offset of the first token in the cited text."""
    at: int
    """The place, counted from there."""
    levels: tuple[int, ...]
    """Activation of each token shown, in 255ths of the latent's largest."""


@dataclass(frozen=True)
class Feature:
    """What is known of one latent; tokens are numbers of the vocabulary."""

    latent: int
    """Its number."""
    fires: int
    """At how many tokens it is active."""
    density: float
    """The share of tokens that these are."""
    largest: float
    """Its largest activation."""
    mean: float
    """Its mean activation where it fires."""
    length: float
    """Length of its decoder row."""
    width: float
    """Width of a bin of the histogram."""
    counts: tuple[int, ...]
    """Firings by bin, from 0 on, up to the last that holds any."""
    examples: tuple[Passage, ...]
    """Where it is strongest, strongest first."""
    sample: tuple[Passage, ...]
    """Places drawn at random, strongest first."""
    carried: Pairs
    """Tokens on which most of its activation falls, with their share of it."""
    read: Triples
    """Tokens it is most active on: mean activation there, and share of all its activation."""
    raised: Pairs
    """Tokens it raises, in logits; empty where it does not reach them."""
    lowered: Pairs
    """Tokens it lowers."""
    neighbours: Triples
    """Latents that point the same way: cosine, and how often they fire with it."""
    together: Triples
    """Latents that fire at the same tokens: correlation, and how often they fire with it."""
    heads: tuple[float, ...]
    """Share of each head in its direction; empty where there are no heads."""


class Dashboard:
    """All latents of one Finding.

    Arguments:
        finding: of kind ``dictionaries.dashboard``.
    """

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.tokens = finding.measures["alive"].n or 0

    def __len__(self) -> int:
        return len(self.latents)

    def values(self, name: str) -> Any:
        """An array's numbers."""
        return self.finding.arrays[name].values

    @cached_property
    def latents(self) -> list[int]:
        """The latents' numbers, in rising order."""
        return list(self.finding.arrays["fires"].coords["feature"])

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary as it is in the text."""
        return list(self.finding.arrays["vocabulary"].coords["token"])

    @property
    def about(self) -> dict[str, Any]:
        """The dictionary's digest and sites, as they were given to the measurement."""
        given = self.finding.provenance.parameters
        read, written = given["sites"]
        return {"dictionary": str(given["dictionary"]), "site_in": read, "site_out": written}

    @cached_property
    def rows(self) -> dict[int, int]:
        """The row of each latent."""
        return {latent: row for row, latent in enumerate(self.latents)}

    def row_of(self, latent: int) -> int:
        """The row of a latent; MissingError WB06 when it was not described."""
        if latent not in self.rows:
            raise MissingError(
                "WB06",
                f"Latent {latent} is not on this dashboard.",
                f"It shows {len(self)} latents, from {self.latents[0]} to {self.latents[-1]}.",
            )
        return self.rows[latent]

    def first_word(self, latent: int) -> Markup:
        """The token on which most of a latent's activation falls; empty where it is not known."""
        row = self.rows.get(latent)
        token = -1 if row is None else int(self.values("carried")[row, 0])
        return Markup("") if token < 0 else visible(self.words[token])

    def feature(self, row: int) -> Feature:
        """The latent of a row."""
        fires = int(self.values("fires")[row])
        counts = self.values("histogram")[row].tolist()
        return Feature(
            latent=self.latents[row],
            fires=fires,
            density=tidy(fires / max(self.tokens, 1)),
            **{name: tidy(self.values(name)[row]) for name in ("largest", "mean", "length")},
            width=float(self.values("bin_width")[row]),
            counts=tuple(counts[: 1 + max((at for at, count in enumerate(counts) if count), default=-1)]),
            examples=self.passages("examples", row),
            sample=tuple(sorted(self.passages("sample", row), key=lambda one: -one.value)),
            carried=pairs(self.table(row, "carried", "carried_share")),
            read=triples(self.table(row, "read", "read_mean", "read_share")),
            raised=pairs(self.table(row, "raised", "raised_by")),
            lowered=pairs(self.table(row, "lowered", "lowered_by")),
            neighbours=triples(self.table(row, "neighbours", "neighbour_cosine", "neighbour_share")),
            together=triples(self.table(row, "together", "together_phi", "together_share")),
            heads=tuple(map(tidy, self.values("heads")[row])) if "heads" in self.finding.arrays else (),
        )

    def table(self, row: int, *names: str) -> list[tuple[Any, ...]]:
        """Columns of one latent side by side, without the places that are empty."""
        if names[0] not in self.finding.arrays:
            return []
        columns = (self.values(name)[row].tolist() for name in names)
        return [line for line in zip(*columns, strict=True) if line[0] >= 0]

    def passages(self, name: str, row: int) -> tuple[Passage, ...]:
        """Examples of one latent."""
        before = -self.finding.arrays[f"{name}_levels"].coords["token"][0]
        found = []
        for rank, (_, position, start, at, count) in enumerate(self.values(f"{name}_places")[row].tolist()):
            if position >= 0:
                levels = self.values(f"{name}_levels")[row, rank, before - at : before - at + count]
                value = tidy(self.values(name)[row, rank])
                found.append(Passage(value, start, at, tuple(levels.tolist())))
        return tuple(found)


def tidy(value: float) -> float:
    """A number of single precision without the digits that it does not hold.

    Example:
        >>> tidy(0.99999994), tidy(0.10000000149)
        (1.0, 0.1)
    """
    return float(f"{value:.{DIGITS}g}")


def pairs(rows: list[tuple[Any, ...]]) -> Pairs:
    """Rows of two."""
    return tuple((int(a), tidy(b)) for a, b in rows)


def triples(rows: list[tuple[Any, ...]]) -> Triples:
    """Rows of three."""
    return tuple((int(a), tidy(b), tidy(c)) for a, b, c in rows)
