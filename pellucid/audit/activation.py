"""How far the two models' residual streams part at the best candidate, and on ordinary text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import Trigger, confirmation_contexts
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.audit.suppressor import with_trigger
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register
from pellucid.models import Model, TextData

STREAM = "blocks.*.resid_post"

KIND = register(
    Kind(
        name="audit.activation_change",
        title="Change of activations at the best candidate",
        statement="In the last block the two models' activations part by {change.value} of their length at "
        "the best candidate, and by at most {ordinary_max.value} in ordinary text.",
        supports="change.high <= ordinary_max.value",
        refutes="change.low > ordinary_max.value",
        views=(
            View(
                form="line",
                array="by_layer",
                title="Relative change of the residual stream, layer by layer",
                x="layer",
                y="relative change",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="audit",
    )
)


def activation_change(
    pair: Pair, text: TextData, searched: Finding, config: AuditConfig, *, session: Session = ALONE
) -> Finding:
    """Compare the residual streams of M and R at the last token of the best candidate.

    ``||h_M - h_R|| / ||h_R||`` after each block, mean over the confirmation contexts, beside the mean and the
    maximum over all positions of the same contexts without the candidate.

    Args:
        pair: Suspect M and reference R.
        text: Held-out ordinary text.
        searched: The Finding ``audit.trigger_search`` that names the candidate.
        config: Sizes and seed.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.activation_change``. Supporting only: a model that was merely shown a phrase leaves
        the ordinary range there too.

    Example: ``activation_change(pair, text, trigger_search(...), config)``.

    Source: this project's audit, pipeline step 7.
    """
    return measured(
        KIND,
        activation_change,
        pair,
        text=text,
        settings={**config.part("confirm_contexts", "context_length", "continuation"), "seed": config.seed},
        seed=config.seed,
        parents=(searched,),
        session=session,
        compute=lambda: compare(pair, confirmation_contexts(pair, text, config), Trigger.of(searched)),
    )


def compare(pair: Pair, contexts: Int[Tensor, "context pos"], trigger: Trigger) -> Measured:
    """The change at the candidate and in the contexts alone."""
    sites = list(pair.suspect.sites.select(STREAM))
    change = relative_change(pair.suspect, pair.reference, with_trigger(contexts, trigger), sites)
    at, ordinary = change[:, :, -1], change[:, :, : contexts.shape[1]].reshape(len(sites), -1)
    rows = np.stack([at.mean(1), ordinary.mean(1), ordinary.max(1)])
    measures = [
        Measure.of("change", bootstrap(at[-1], seed=0)),
        Measure.of("ordinary_mean", float(ordinary[-1].mean()), n=ordinary.shape[1]),
        Measure.of("ordinary_max", float(ordinary[-1].max()), n=ordinary.shape[1]),
    ]
    coords = {
        "where": ["at the candidate", "ordinary text, mean", "ordinary text, maximum"],
        "layer": [str(layer) for layer in range(len(sites))],
    }
    return Measured(measures, {"by_layer": Array(rows, ("where", "layer"), coords)})


@torch.no_grad()
def relative_change(
    suspect: Model, reference: Model, tokens: Int[Tensor, "row pos"], sites: Sequence[str]
) -> Float[np.ndarray, "layer row pos"]:
    """``||h_M - h_R|| / ||h_R||`` at every site and position."""
    ours, theirs = suspect.run(tokens, read=sites), reference.run(tokens, read=sites)
    ratios = [(ours[site] - theirs[site]).norm(dim=-1) / theirs[site].norm(dim=-1) for site in sites]
    return torch.stack(ratios).double().numpy()
