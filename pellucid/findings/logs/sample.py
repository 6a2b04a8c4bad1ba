"""One sample of a log, its scores, and a score as a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.findings.logs.document import Raw, field, mapping, required, wrong

WORDS: Mapping[str, float] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
ATTACHMENT = "attachment://"
# the name that a score had when a sample could have only one
UNNAMED = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer gave one sample."""

    value: Any
    """A letter, number, truth value, list or object; NaN when it was left unscored."""
    answer: str | None
    """The answer that was read out of the output."""
    explanation: str | None
    """Why."""
    raw: Mapping[str, Any]
    """The score as it stands in the file, with metadata and the history of its edits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one item of a benchmark."""

    id: str | int
    """Of the item."""
    epoch: int
    """Which of its runs this is, from 1."""
    input: str | list[Any]
    """The prompt, as text or messages."""
    target: str | list[Any]
    """What was to be answered."""
    scores: Mapping[str, Score]
    """By scorer; empty when it was not scored."""
    messages: list[Any]
    """The conversation."""
    output: Mapping[str, Any]
    """The model's output: choices, usage, time."""
    metadata: Mapping[str, Any]
    """Of the item."""
    error: Mapping[str, Any] | str | None
    """What ended it; in a summary only the message."""
    limit: Mapping[str, Any] | str | None
    """The limit that ended it; in a summary only its type."""
    invalidation: Mapping[str, Any] | None
    """Who declared it invalid, when and why."""
    model_usage: Mapping[str, Any]
    """Tokens by model."""
    uuid: str | None
    """Of this run of the item."""
    raw: Mapping[str, Any]
    """The sample as it stands in the file, with events, store and attachments."""

    @property
    def key(self) -> tuple[str, int]:
        """Id as text, and epoch: no two samples of a log may share it."""
        return str(self.id), self.epoch

    def resolved(self, part: Any) -> Any:
        """A part of the sample, with the long texts in place that are kept apart as attachments."""
        attachments = field(self.raw, "attachments", (dict,), {}, f"the sample {self.id!r}")
        return attached(part, attachments)


def sample_of(raw: Any, where: str) -> Sample:
    """A sample, or the summary of one, from its JSON object; InputError FN72 for a field of another type."""
    raw = mapping(raw, where)
    return Sample(
        id=required(raw, "id", (str, int), where),
        epoch=required(raw, "epoch", (int,), where),
        input=field(raw, "input", (str, list), "", where),
        target=field(raw, "target", (str, list), "", where),
        scores=scores_of(raw, where),
        messages=field(raw, "messages", (list,), [], where),
        output=field(raw, "output", (dict,), {}, where),
        metadata=field(raw, "metadata", (dict,), {}, where),
        error=field(raw, "error", (dict, str), None, where),
        limit=field(raw, "limit", (dict, str), None, where),
        invalidation=field(raw, "invalidation", (dict,), None, where),
        model_usage=field(raw, "model_usage", (dict,), {}, where),
        uuid=field(raw, "uuid", (str,), None, where),
        raw=raw,
    )


def scores_of(raw: Raw, where: str) -> dict[str, Score]:
    """The scores by scorer; a sample of an early log has one, without a name."""
    if raw.get("score") is not None and raw.get("scores") is None:
        return {UNNAMED: score_of(raw["score"], where)}
    given = field(raw, "scores", (dict,), {}, where)
    return {name: score_of(score, f"{where}: the score {name!r}") for name, score in given.items()}


def score_of(raw: Any, where: str) -> Score:
    """One score from its JSON object."""
    raw = mapping(raw, where)
    if "value" not in raw:
        raise wrong(f"{where}: the field 'value'", "a score", None)
    return Score(
        value=raw["value"],
        answer=field(raw, "answer", (str,), None, where),
        explanation=field(raw, "explanation", (str,), None, where),
        raw=raw,
    )


def attached(part: Any, attachments: Raw) -> Any:
    """A part of a sample with each ``attachment://ID`` replaced by its text."""
    if isinstance(part, str):
        at = part.removeprefix(ATTACHMENT)
        return attachments.get(at, part) if at != part else part
    if isinstance(part, list):
        return [attached(item, attachments) for item in part]
    if isinstance(part, dict):
        return {key: attached(item, attachments) for key, item in part.items()}
    return part


def score_number(value: Any, words: Mapping[str, float] | None = None) -> float | None:
    """A score's value as a number: C 1, P 0.5, I 0, N 0; numbers and truth values as they are.

    Args:
        value: the value of a Score.
        words: numbers for other texts, as ``{"yes": 1, "no": 0}``; they come before the four letters.

    Any other text, a list or an object has no number: None. NaN stays NaN: the sample was left unscored.

    >>> [score_number(value) for value in ("C", "P", "I", "N", True, 0.25, "yes")]
    [1.0, 0.5, 0.0, 0.0, 1.0, 0.25, None]
    >>> score_number("yes", {"yes": 1})
    1.0
    """
    if isinstance(value, bool | int | float):
        return floating(value)
    if not isinstance(value, str):
        return None
    known = WORDS if words is None else {**WORDS, **words}
    number = known.get(value)
    return None if number is None else float(number)


def floating(value: float) -> float:
    """A number as a float: infinite when it is a whole number beyond all floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
