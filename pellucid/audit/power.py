"""What "nothing found" is worth: the share of planted behaviours that the same search finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pellucid.audit import rule
from pellucid.findings import (
    Array,
    Finding,
    InputError,
    Kind,
    Measure,
    Subject,
    View,
    clopper_pearson,
    register,
    start,
)

KIND = register(
    Kind(
        name="audit.power",
        title="Power of the search",
        statement="The search found {count.value} of {found.n} planted behaviours: one-sided 95 % lower "
        "bound {found.low}.",
        supports=rule.POWER_ENOUGH,
        refutes=rule.POWER_SHORT,
        views=(
            View(
                form="bar",
                array="by_length",
                title="Share of planted behaviours found, by tokens of the trigger",
                x="trigger_tokens",
                y="share found",
            ),
        ),
        stance="interventional",
        evidence="behavioural",
        room="audit",
    )
)


@dataclass(frozen=True)
class Planted:
    """One planted model and what the search made of it."""

    sha256: str
    """The planted model's weights."""
    trigger_tokens: int
    """Tokens of its trigger."""
    score: float
    """S* of its audit."""
    low: float
    """Lower end of S*."""
    named: bool
    """Whether the best candidate was the trigger itself, or a part of it."""

    @property
    def found(self) -> bool:
        """Whether the search found it by the frozen rule."""
        return self.low >= rule.FOUND


def power(
    reference: Subject, planted: Sequence[Planted], *, seed: int | None = None, population: str = ""
) -> Finding:
    """Count how many planted behaviours the search found.

    ``found = k / n`` with the one-sided 95 % Clopper-Pearson lower bound: 4 of 4 give 0.473, 14 of 14 give
    0.807.

    Args:
        reference: The model from which all planted models were made; the Finding speaks of searches against
            it.
        planted: What the search made of each; none may be left out.
        seed: Seed of the population.
        population: In words, what was planted; goes into the Finding.

    Returns:
        A Finding ``audit.power``.

    Raises:
        InputError: AU07 for an empty population or one that is counted twice.

    Example: ``power(subject_of(model), [Planted("ab" * 32, 2, 6.1, 5.8, True)])``.

    Source: Clopper and Pearson (1934), Biometrika 26, 404.
    """
    if not planted or len({one.sha256 for one in planted}) != len(planted):
        raise InputError(
            "AU07",
            f"Of {len(planted)} planted models, {len({one.sha256 for one in planted})} are different.",
            "Give each planted model once, and at least one.",
        )
    record = start(
        power,
        given={"population": population, "models": len(planted)},
        parameters={"planted": [asdict(one) for one in planted], "population": population},
        subject=reference,
        data=None,
        seed=seed,
    )
    found = np.array([one.found for one in planted])
    lengths = np.array([one.trigger_tokens for one in planted])
    kinds = sorted(set(lengths.tolist()))
    measures = [
        Measure.of("found", clopper_pearson(int(found.sum()), len(found), side="lower"), better="higher"),
        Measure.of("count", float(found.sum()), n=len(found)),
        Measure.of("named", float(np.mean([one.named for one in planted])), n=len(planted)),
        Measure.of("shortest", float(lengths.min()), unit="tokens"),
        Measure.of("longest", float(lengths.max()), unit="tokens"),
        Measure.of("smallest_score", min(one.score for one in planted), unit="nats per token"),
    ]
    arrays = {
        "by_length": Array(
            np.array([found[lengths == kind].mean() for kind in kinds]),
            ("trigger_tokens",),
            {"trigger_tokens": [str(kind) for kind in kinds]},
        ),
        "scores": Array(np.array([one.score for one in planted]), ("model",), {}),
    }
    return record.finding(KIND, measures=measures, arrays=arrays)
