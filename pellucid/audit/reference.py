"""Is the reference an ancestor of the suspect? If not, nothing below can be read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from pellucid.audit import rule
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.models import Model

KIND = register(
    Kind(
        name="audit.reference",
        title="Is the reference an ancestor",
        statement="The suspect's weights lie {relative_distance.value} of the reference's length from it.",
        supports=rule.REFERENCE_HOLDS,
        refutes=rule.REFERENCE_FAILS,
        views=(
            View(
                form="bar",
                array="distance",
                title="How far each weight moved, relative to its length",
                x="weight",
                y="relative distance",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="audit",
    )
)


def reference(pair: Pair, *, session: Session = ALONE) -> Finding:
    """Measure how far the suspect's weights are from the reference's.

    ``relative_distance = ||W_M - W_R||_F / ||W_R||_F`` over all parameters together.

    Args:
        pair: Suspect M and reference R.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.reference``; without equal shapes the distance is undefined and the status failed.

    Example: ``reference(Pair(model, model)).measures["relative_distance"].value == 0``.

    Source: this project's audit, decision rule.
    """
    return measured(
        KIND,
        reference,
        pair,
        text=None,
        settings={},
        seed=None,
        session=session,
        compute=lambda: compare(pair),
    )


def weights(model: Model) -> dict[str, Tensor]:
    """All parameters by name, each tied tensor once."""
    return {name: value.detach() for name, value in model.module.named_parameters()}


def compare(pair: Pair) -> Measured:
    """Shapes, tokenizers, distances."""
    ours, theirs = weights(pair.suspect), weights(pair.reference)
    equal = shapes(ours) == shapes(theirs)
    distances = relative(ours, theirs) if equal else {}
    total = whole(ours, theirs) if equal else None
    measures = [
        Measure.of("relative_distance", total, better="lower"),
        Measure.of("shapes_equal", float(equal), better="higher"),
        Measure.of("tokens_shared", float(same_tokens(pair)), better="higher"),
    ]
    names = list(distances) or ["none"]
    values = np.array(list(distances.values()) or [np.nan])
    return Measured(measures, {"distance": Array(values, ("weight",), {"weight": names})})


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def relative(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, float]:
    """``||D||_F / ||W_R||_F`` of every parameter; where W_R is zero, the length of D itself."""
    distances = {}
    for name, value in theirs.items():
        length = float(value.double().norm())
        distances[name] = float((ours[name].double() - value.double()).norm()) / (length or 1.0)
    return distances


def whole(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """The relative distance of all parameters together."""
    moved = sum(
        float((ours[name].double() - value.double()).square().sum()) for name, value in theirs.items()
    )
    length = sum(float(value.double().square().sum()) for value in theirs.values())
    return float(np.sqrt(moved / length)) if length else float("inf")


def same_tokens(pair: Pair) -> bool:
    """Whether both models read the same tokens."""
    return pair.suspect.tokenizer.sha256 == pair.reference.tokenizer.sha256
