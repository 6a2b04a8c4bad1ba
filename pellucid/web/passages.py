"""Views that are text: passages with their number, and tokens shaded by their activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from markupsafe import Markup

from pellucid.findings.numbers import format_number
from pellucid.web.tokens import passage, shaded

if TYPE_CHECKING:
    from pellucid.findings import Array, Finding

MOST_PASSAGES = 120


def passages_of(finding: Finding, name: str) -> Markup:
    """The passages of an array: each coordinate is a text, each value its number.

    A Finding that also holds ``pieces`` (an activation for every token, the token as coordinate) and
    ``places`` (for each passage its latent and how many tokens it has) is shown token by token.
    """
    if {"pieces", "places"} <= finding.arrays.keys():
        return token_passages(finding.arrays["pieces"], finding.arrays["places"])
    return plain_passages(finding.arrays[name])


def plain_passages(array: Array) -> Markup:
    """Each text with its number before it."""
    texts = array.coords.get(array.axes[0], [])
    rows = zip(texts[:MOST_PASSAGES], array.values.ravel(), strict=False)
    return listed([(float(value), passage(str(text))) for text, value in rows])


def token_passages(pieces: Array, places: Array) -> Markup:
    """Passages by latent, strongest first, every token shaded by its activation."""
    groups: dict[int, list[tuple[float, Markup]]] = {}
    for latent, tokens, activations in within_budget(pieces, places):
        groups.setdefault(latent, []).append((max(activations, default=0.0), shaded(tokens, activations)))
    head = Markup('<h4 class="kicker">Latent {}</h4>')
    return Markup("").join(head.format(latent) + listed(rows) for latent, rows in groups.items())


def within_budget(pieces: Array, places: Array) -> Iterator[tuple[int, list[str], list[float]]]:
    """The latent, the tokens and their activations of each passage, as many as a page bears."""
    columns = places.coords["column"]
    latent, count = columns.index("latent"), columns.index("tokens")
    words, values, start = pieces.coords["token"], pieces.values, 0
    for place in places.values[:MOST_PASSAGES]:
        end = start + int(place[count])
        yield int(place[latent]), [str(word) for word in words[start:end]], values[start:end].tolist()
        start = end


def listed(rows: list[tuple[float, Markup]]) -> Markup:
    """Passages as a list, the number to the left."""
    item = Markup('<li><span class="act">{}</span><q>{}</q></li>')
    items = Markup("").join(item.format(format_number(value), text) for value, text in rows)
    return Markup('<ul class="ex">{}</ul>').format(items)
