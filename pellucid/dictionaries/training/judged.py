"""Log-probabilities at some positions of a pass: the unembedding costs as much as most of a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.dictionaries.training.passage import whole_precision
from pellucid.models import Model
from pellucid.models.run import Run


def judged_rows(order: Int[Tensor, " row"] | None, share: float) -> Int[Tensor, " judged"] | None:
    """The first `share` of an order of rows, at least one; None for all of them.

    Arguments:
        order: a permutation of the kept rows; None where no objective leaves any out.
        share: above 0, at most 1.
    """
    if order is None or share >= 1:
        return None
    return order[: max(1, math.ceil(share * len(order)))]


def judged_pass(
    model: Model,
    tokens: Tensor,
    keep: Bool[Tensor, "batch *pos"],
    judged: Int[Tensor, " judged"] | None,
    *,
    read: Sequence[str],
    write: Mapping[str, Any] | None = None,
    resume: tuple[int, Tensor] | None = None,
) -> tuple[Run, Float[Tensor, "judged vocab"]]:
    """One pass, and the log-probabilities of the judged rows; only theirs are computed where that can be.

    Arguments:
        model: an opened model.
        tokens: its inputs.
        keep: which positions are rows.
        judged: which rows; None: all.
        read: sites to keep.
        write: changes by site.
        resume: where to begin.
    """
    last = f"blocks.{model.facts.n_layers - 1}.resid_post"
    through = resume is not None and resume[0] == model.facts.n_layers
    if judged is None or through or not model.resumable:
        run = model.run(tokens, read=read, write=write, resume=resume)
        rows = run.output[keep] if judged is None else run.output[keep][judged]
        return run, whole_precision(rows).log_softmax(-1)
    run = model.run(tokens, read=[*read, last], write=write, resume=resume, until=last)
    rows = run[last][keep][judged].unsqueeze(1)
    places = tokens[keep][judged].unsqueeze(1)
    output = model.run(places, resume=(model.facts.n_layers, rows)).output
    return run, whole_precision(output.squeeze(1)).log_softmax(-1)
