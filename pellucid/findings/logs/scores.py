"""The scores of a log as numbers: one for each item, averaged over its epochs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pellucid.findings.arrays import Values
from pellucid.findings.errors import InputError, MissingError, did_you_mean
from pellucid.findings.header import canonical
from pellucid.findings.logs.reading import Log
from pellucid.findings.logs.sample import Sample, score_number

Words = Mapping[str, float] | None


class Label(NamedTuple):
    """One number that a log gives each sample: a scorer, or one part of a scorer's object or list."""

    scorer: str
    key: str | None = None

    def __str__(self) -> str:
        return self.scorer if self.key is None else f"{self.scorer}/{self.key}"


@dataclass(frozen=True)
class ItemScores:
    """One number for each item of a benchmark."""

    ids: tuple[str, ...]
    """The items, in the order of the log."""
    values: Values
    """Their scores, each a mean over the epochs in which it was scored."""
    unscored: int
    """Runs of an item that were left without a number."""
    items: Mapping[str, Sample]
    """The first run of each item."""


def labels(log: Log) -> tuple[Label, ...]:
    """Every number that the samples of a log are given, in order of first appearance.

    A scorer whose value is left NaN in one sample and is an object in another gives only the object's parts.
    """
    found = dict.fromkeys(label for sample in log.samples for label, _ in parts(sample))
    in_parts = {label.scorer for label in found if label.key is not None}
    return tuple(label for label in found if label.key is not None or label.scorer not in in_parts)


def parts(sample: Sample) -> Iterator[tuple[Label, Any]]:
    """Every value of a sample: the parts of an object by key, those of a list by place."""
    for scorer, score in sample.scores.items():
        if isinstance(score.value, Mapping):
            yield from ((Label(scorer, str(key)), value) for key, value in score.value.items())
        elif isinstance(score.value, list):
            yield from ((Label(scorer, str(place)), value) for place, value in enumerate(score.value))
        else:
            yield Label(scorer), score.value


def chosen(log: Log, scorer: str | None) -> tuple[Label, ...]:
    """The numbers that a scorer's name stands for: all without a name.

    Errors:
        MissingError FN73: the log has no such scorer.
    """
    found = labels(log)
    if scorer is None:
        return found
    named = tuple(label for label in found if scorer in (str(label), label.scorer))
    if not named:
        names = [str(label) for label in found]
        raise MissingError(
            "FN73",
            f"No sample of {log.path!r} is scored by {scorer!r}. {did_you_mean(scorer, names)}".rstrip(),
            f"Its scorers are: {', '.join(names) or 'none'}.",
        )
    return named


def only(log: Log, scorer: str | None) -> Label:
    """The one number that is meant; InputError FN79 when there are several to choose from."""
    named = chosen(log, scorer)
    if len(named) != 1:
        raise InputError(
            "FN79",
            f"{log.path!r} has {len(named)} scores{f' by {scorer!r}' if scorer else ''}, and one is needed.",
            f"Name one by scorer=: {', '.join(map(str, named)) or 'none is there'}.",
        )
    return named[0]


def item_scores(log: Log, label: Label, words: Words = None) -> ItemScores:
    """The score of each item, averaged over its epochs; what was left unscored (NaN, null) is left out.

    Errors:
        InputError FN74: a value is a text without a number. FN84: a value is infinite.
    """
    gathered: dict[str, list[float]] = {}
    first: dict[str, Sample] = {}
    unscored = 0
    for sample in log.samples:
        number = number_of(sample, label, words, log.path)
        first.setdefault(str(sample.id), sample)
        if number is None or math.isnan(number):
            unscored += 1
        else:
            gathered.setdefault(str(sample.id), []).append(number)
    values = np.array([sum(runs) / len(runs) for runs in gathered.values()], dtype=np.float64)
    return ItemScores(tuple(gathered), values, unscored, first)


def number_of(sample: Sample, label: Label, words: Words, where: str) -> float | None:
    """The number of one sample under one label; None when it has no such score."""
    for found, value in parts(sample):
        if found == label and value is not None:
            number = score_number(value, words)
            if number is None:
                raise numberless(value, label, sample, where)
            if math.isinf(number):
                raise endless(value, label, sample, where)
            return number
    return None


def numberless(value: Any, label: Label, sample: Sample, where: str) -> InputError:
    """The error for a text that no number was given for."""
    return InputError(
        "FN74",
        f"{where!r}: the scorer {str(label)!r} gave the sample {str(sample.id)!r} the value {value!r}, "
        "which has no number.",
        f"Give it one: words={{{value!r}: 1.0}}. C, P, I, N, numbers and truth values have theirs.",
    )


def endless(value: Any, label: Label, sample: Sample, where: str) -> InputError:
    """The error for an infinite score, of which no mean can be taken."""
    return InputError(
        "FN84",
        f"{where!r}: the scorer {str(label)!r} gave the sample {str(sample.id)!r} a score without end, "
        f"{str(value)[:20]}.",
        "Name another scorer by scorer=, or have it leave such samples unscored (NaN).",
    )


def clusters_of(scores: ItemScores, ids: Sequence[str], key: str, where: str) -> list[str]:
    """The cluster of each item: the value of one key of its metadata.

    Errors:
        InputError FN75: an item has no such key.
    """
    for name in ids:
        metadata = scores.items[name].metadata
        if metadata.get(key) is None:
            raise InputError(
                "FN75",
                f"{where!r}: the metadata of the sample {name!r} have no {key!r} to cluster by.",
                f"{did_you_mean(key, metadata)} They have: {', '.join(metadata) or 'nothing'}.".lstrip(),
            )
    return [str(scores.items[name].metadata[key]) for name in ids]


def sample_set_digest(log: Log) -> str:
    """sha256 of the sorted set of sample ids: two logs of the same items share it."""
    return hashlib.sha256(canonical(sorted({str(sample.id) for sample in log.samples}))).hexdigest()
