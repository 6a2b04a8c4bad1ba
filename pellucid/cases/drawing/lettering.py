"""How wide a text is, and where its lines break, without asking the viewer's fonts."""

from __future__ import annotations

import re
import unicodedata

SIZE = 12.5
LINE = 16.0

# Advance widths in thousandths of the type size, of the Arial-metric sans that most systems have. Other
# system fonts run up to an eighth wider, hence the margin.
_WIDTHS = {
    191: "'",
    222: "ijl’",
    260: "|",
    278: " !,./:;I[\\]ft·",
    334: "()-`r{}“”",
    355: '"',
    389: "*",
    469: "^",
    500: "Jcksvxyz",
    556: "#$0123456789?L_abdeghnopqu–",
    584: "+<=>~×≤≥−",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "@—…",
}
_ADVANCE = {character: advance for advance, characters in _WIDTHS.items() for character in characters}
_MARGIN = 1.13
_BOLD = 1.06


def _advance(character: str) -> float:
    known = _ADVANCE.get(character)
    if known is not None:
        return known
    if unicodedata.combining(character):
        return 0
    return 1000 if unicodedata.east_asian_width(character) in "WF" else 620


def text_width(text: str, *, size: float = SIZE, bold: bool = False) -> float:
    """Width of one line in pixels, a little on the wide side.

    Example:
        >>> text_width("iii") < text_width("mmm")
        True
    """
    return sum(map(_advance, text)) * size / 1000 * _MARGIN * (_BOLD if bold else 1)


def safe(text: str) -> str:
    """Text without the control characters that XML forbids.

    Example:
        >>> safe("a\\x07b") == "a\\ufffdb"
        True
    """
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def wrap(text: str, limit: float, *, characters: int | None = None) -> list[str]:
    """Break a text into lines of at most ``limit`` pixels, at spaces where there are any.

    Line breaks of the author stay; list marks become bullets; ``characters`` limits a line further.

    Example:
        >>> wrap("a text of several words", 70)
        ['a text of', 'several', 'words']
    """
    lines: list[str] = []
    for paragraph in text.strip().splitlines():
        lines.extend(_wrapped(_bulleted(paragraph), limit, characters) or [""])
    return lines


def _bulleted(line: str) -> str:
    stripped = line.strip()
    return f"• {stripped[2:]}" if stripped.startswith(("- ", "* ")) else stripped


def _wrapped(line: str, limit: float, characters: int | None) -> list[str]:
    lines: list[str] = []
    current = ""
    for piece in (piece for word in line.split() for piece in _pieces(word, limit, characters)):
        longer = f"{current} {piece}" if current else piece
        if current and not _fits(longer, limit, characters):
            lines.append(current)
            current = piece
        else:
            current = longer
    return [*lines, current] if current else lines


def _fits(text: str, limit: float, characters: int | None) -> bool:
    return text_width(text) <= limit and (characters is None or len(text) <= characters)


def _pieces(word: str, limit: float, characters: int | None) -> list[str]:
    """A word, cut where not even an empty line would hold it."""
    pieces = [""]
    if _fits(word, limit, characters):
        return [word]
    for character in word:
        if pieces[-1] and not _fits(pieces[-1] + character, limit, characters):
            pieces.append("")
        pieces[-1] += character
    return pieces
