"""Texts as words: without accents, case and punctuation."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """The words of a text, in order.

    Example:
        >>> words("Hänni’s Look-Ahead, 2-SAT")
        ['hanni', 's', 'look', 'ahead', '2', 'sat']
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    return WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign)))


def normal(text: str) -> str:
    """The words of a text with single spaces: what two spellings of a title have in common."""
    return " ".join(words(text))
