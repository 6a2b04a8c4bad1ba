"""Families of models: which models are too much alike to count as independent."""

from __future__ import annotations

import re
from collections.abc import Sequence

PREFIXES = {"meta", "the", "model", "llm", "base"}
"""Words before a family's own name."""
ALIASES = {"mixtral": "mistral"}
"""Series that one developer makes from the other."""
SIZE = re.compile(r"\d+(?:\.\d+)?(?:x\d+(?:\.\d+)?)?[bmkt]", re.I)
VERSION = re.compile(r"\d+(?:\.\d+)*")
ATTACHED = re.compile(r"([^\W\d_]+)(\d+(?:\.\d+)*)")


def family_of(model: str) -> str:
    """The family that a model's name speaks of: its series with the version of the series.

    The rule: leave out the organisation before a slash and a leading "Meta"; take the first word, and the
    version that is attached to it or follows it; a number with a unit (7B, 8x22B) is a size, not a version.
    Mixtral counts as Mistral. A name of which nothing is left is its own family.

    Example:
        >>> [family_of(name) for name in ("Qwen1.5-0.5B", "meta-llama/Llama-2-7b-hf", "Meta Llama 3 70B")]
        ['qwen-1.5', 'llama-2', 'llama-3']
        >>> family_of("Mixtral-8x22B-v0.1") == family_of("mistralai/Mistral-7B-v0.1")
        True
    """
    words = [word for word in re.split(r"[\s_\-:]+", model.rsplit("/", 1)[-1].casefold()) if word]
    while len(words) > 1 and words[0] in PREFIXES and not VERSION.fullmatch(words[1]):
        words = words[1:]
    if not words or SIZE.fullmatch(words[0]) or not words[0][0].isalpha():
        return model
    attached = ATTACHED.fullmatch(words[0])
    series, version = (attached[1], attached[2]) if attached else (words[0], "")
    if not version and len(words) > 1 and VERSION.fullmatch(words[1]):
        version = words[1]
    series = ALIASES.get(series, series)
    return f"{series}-{version}" if version else series


def clusters(families: Sequence[str]) -> list[list[int]]:
    """Row numbers of each family, in order of first appearance."""
    found: dict[str, list[int]] = {}
    for row, family in enumerate(families):
        found.setdefault(family, []).append(row)
    return list(found.values())
