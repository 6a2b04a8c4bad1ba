"""BM25: which texts a query is about."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

K1, B = 1.5, 0.75


class Ranking:
    """An index over documents of weighted words.

    ``score(q, d) = Σ_t idf(t) · tf (k1 + 1) / (tf + k1 (1 − b + b · |d| / mean |d|))`` over the words of the
    query, with ``idf(t) = ln(1 + (N − n_t + 0.5) / (n_t + 0.5))``; a word counts as its field weighs.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.

    Example:
        >>> ranking = Ranking({"a": [(1, ["red", "fox"])], "b": [(1, ["red"])]})
        >>> sorted(ranking.scores(["fox"]))
        ['a']
    """

    def __init__(self, documents: Mapping[str, Sequence[tuple[int, Sequence[str]]]]) -> None:
        self._counts = {key: counts_of(fields) for key, fields in documents.items()}
        self._lengths = {key: sum(counts.values()) for key, counts in self._counts.items()}
        self._mean = sum(self._lengths.values()) / max(1, len(documents))
        self._holders: dict[str, list[str]] = defaultdict(list)
        for key, counts in self._counts.items():
            for word in counts:
                self._holders[word].append(key)

    def idf(self, word: str) -> float:
        """How much a word tells: little when every document has it."""
        holders = len(self._holders.get(word, ()))
        return math.log(1 + (len(self._counts) - holders + 0.5) / (holders + 0.5))

    def scores(self, query: Sequence[str]) -> dict[str, float]:
        """The score of every document that has a word of the query."""
        found: dict[str, float] = defaultdict(float)
        for word in query:
            idf = self.idf(word)
            for key in self._holders.get(word, ()):
                found[key] += idf * self._gain(key, word)
        return dict(found)

    def _gain(self, key: str, word: str) -> float:
        count = self._counts[key][word]
        relative = self._lengths[key] / self._mean
        return count * (K1 + 1) / (count + K1 * (1 - B + B * relative))


def counts_of(fields: Sequence[tuple[int, Sequence[str]]]) -> Counter[str]:
    """How often each word counts, over fields with weights."""
    counts: Counter[str] = Counter()
    for weight, field in fields:
        for word in field:
            counts[word] += weight
    return counts
