"""What a patch is judged by: the right token, the wrong one, where it is read, and by which metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.circuits.metrics import METRICS
from pellucid.findings import InputError, did_you_mean

if TYPE_CHECKING:
    from pellucid.models import Model


@dataclass(frozen=True)
class Answer:
    """The answer whose support is traced: ``correct`` against ``wrong``, read at ``position``.

    Example: ``Answer(correct=(17,), wrong=(4,), metrics=("logit_difference", "probability"))``.

    Raises:
        InputError: CI01 for an unknown metric, CI02 for a logit difference without a wrong token.
    """

    correct: tuple[int, ...]
    """The right next token of each prompt; one entry serves all prompts."""
    wrong: tuple[int, ...] | None = None
    """The token it is compared with, of each prompt; only logit differences need it."""
    metrics: tuple[str, ...] = ()
    """Names from `METRICS`; empty: all that can be computed."""
    position: int = -1
    """Position whose next-token distribution is read."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown:
            raise InputError(
                "CI01",
                f"No metric {unknown[0]!r}.",
                f"{did_you_mean(unknown[0], METRICS)} There are: {', '.join(METRICS)}.".strip(),
            )
        if "logit_difference" in self.metrics and self.wrong is None:
            raise InputError(
                "CI02",
                "A logit difference compares two tokens, but no wrong token was given.",
                "Give `wrong`, or ask for log_probability instead.",
            )

    @classmethod
    def of(
        cls, model: Model, correct: str, wrong: str | None = None, *, metrics: Sequence[str] = ()
    ) -> Answer:
        """The answer whose texts are one token each under the model's tokenizer.

        Raises:
            InputError: CI03 when a text is not exactly one token.
        """
        against = None if wrong is None else (single_token(model, wrong),)
        return cls((single_token(model, correct),), against, tuple(metrics))

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that are computed."""
        possible = [name for name in METRICS if name != "logit_difference" or self.wrong is not None]
        return self.metrics or tuple(possible)


def single_token(model: Model, text: str) -> int:
    """The one token that a text is made of."""
    ids = [int(token) for token in model.tokens(text)[0]]
    if len(ids) != 1:
        pieces = ", ".join(repr(model.tokenizer.token(token)) for token in ids)
        raise InputError(
            "CI03",
            f"{text!r} is {len(ids)} tokens for this model ({pieces}), and an answer is one.",
            "Give its first token; a leading space often belongs to it.",
        )
    return ids[0]
