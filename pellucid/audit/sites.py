"""Which parts of the suspect matter: on ordinary text, and for the suspicious sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import Trigger
from pellucid.audit.contexts import Stream, draw_contexts, stream
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Alone, Pair
from pellucid.audit.text import text_windows
from pellucid.circuits import Answer, patch_sweep
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register
from pellucid.models import Model, TextData

ABLATED = ("blocks.*.attn_out", "blocks.*.mlp_out")
PATCHED = ("blocks.*.resid_pre", "blocks.*.attn_out", "blocks.*.mlp_out")
WINDOWS = 32
PROMPTS = 4
PROMPT_LENGTH = 12

KIND = register(
    Kind(
        name="audit.sites",
        title="The sites that matter on ordinary text",
        statement="Replacing one site by its mean costs at most {largest.value}; of {sites.value} sites, "
        "{active.value} cost more than a hundredth of a nat.",
        supports="active.value >= 1",
        refutes="",
        views=(
            View(
                form="bar",
                array="effect",
                title="What replacing each site by its mean costs on ordinary text",
                x="site",
                y="loss",
                unit="nats per token",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="audit",
    )
)


def important_sites(
    model: Model, text: TextData, config: AuditConfig, *, session: Session = ALONE
) -> Finding:
    """Replace each attention and MLP output by its mean over ordinary text and measure what it costs.

    ``effect(site) = mean(-log p with the site's output at its mean) - mean(-log p)``, nats per token,
    bootstrap over windows. The mean leaves the distribution a little, so a small effect is no proof that a
    site is idle.

    Args:
        model: The suspect.
        text: Held-out ordinary text.
        config: Sizes.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.sites`` with ``effect[site]`` and its interval.

    Example: ``important_sites(model, text, AuditConfig())``.

    Source: mean ablation as in Wang et al. (2022), arXiv 2211.00593, section 3.
    """
    return measured(
        KIND,
        important_sites,
        Alone(model),
        text=text,
        settings={"windows": WINDOWS},
        seed=None,
        session=session,
        compute=lambda: ablate(model, text_windows(text, int(model.facts.context), WINDOWS), session),
    )


def ablate(model: Model, windows: Int[Tensor, "window pos"], session: Session) -> Measured:
    """The cost of every site, window by window."""
    sites = [name for pattern in ABLATED for name in model.sites.select(pattern)]
    losses = session.map("sites", window_losses, [(model, windows, site) for site in ["", *sites]])
    costs = [losses[at] - losses[0] for at in range(1, len(losses))]
    intervals = [bootstrap(cost, seed=0) for cost in costs]
    order = np.argsort([-interval.value for interval in intervals], kind="stable")
    best = [intervals[at] for at in order]
    measures = [
        Measure.of("largest", best[0], unit="nats per token"),
        Measure.of("active", float(sum(interval.low > 0.01 for interval in intervals))),
        Measure.of("sites", float(len(sites))),
        Measure.of("loss", bootstrap(losses[0], seed=0), unit="nats per token"),
    ]
    rows = np.array([[interval.value, interval.low, interval.high] for interval in best])
    names = [sites[at] for at in order]
    return Measured(
        measures,
        {
            "effect": Array(rows[:, 0], ("site",), {"site": names}),
            "interval": Array(rows[:, 1:], ("site", "end"), {"site": names, "end": ["low", "high"]}),
        },
    )


@torch.no_grad()
def window_losses(model: Model, windows: Int[Tensor, "window pos"], site: str) -> Float[np.ndarray, "window"]:
    """Mean loss of every window, with one site held at its mean, or none."""
    write = {site: mean_of(model, windows, site)} if site else None
    logits = model.run(windows, write=write).output[:, :-1].double()
    surprise = -logits.log_softmax(-1).gather(2, windows[:, 1:, None])[..., 0]
    return surprise.mean(1).numpy()


class Mean:
    """Overwrite an activation with one vector everywhere."""

    def __init__(self, vector: Float[Tensor, "d_model"]) -> None:
        self.vector = vector

    def __call__(self, activation: Tensor) -> Tensor:
        """The vector at every position."""
        return self.vector.to(activation.dtype).expand_as(activation)


def mean_of(model: Model, windows: Int[Tensor, "window pos"], site: str) -> Mean:
    """The mean activation of a site over windows and positions."""
    return Mean(model.run(windows, read=[site])[site].mean((0, 1)))


def patched_answer(
    pair: Pair, text: TextData, searched: Finding, config: AuditConfig, session: Session
) -> Finding:
    """Patch the best candidate against a control of random tokens: where is the sentence decided?

    Args:
        pair: Suspect M and reference R; R names the token that would follow instead.
        text: Held-out ordinary text.
        searched: The Finding ``audit.trigger_search`` that names candidate and sentence.
        config: Seed.
        session: Who sees the progress, and where the Finding is kept.

    Returns:
        A Finding ``circuits.patch_sweep`` in both directions.
    """
    trigger = Trigger.of(searched)
    contexts = draw_contexts(text.tokens, PROMPTS, PROMPT_LENGTH, config.seed, Stream.SITES)
    clean = prompts(contexts, [trigger.tokens] * PROMPTS)
    corrupt = prompts(contexts, controls(pair, trigger, config.seed))
    answer = Answer(
        correct=(trigger.sentence[0],),
        wrong=tuple(rivals(pair.reference, clean, trigger.sentence[0])),
        metrics=("logit_difference", "log_probability", "probability", "rank", "kl"),
    )
    labels = [f"context {at + 1}" for at in range(PROMPT_LENGTH)]
    labels += [f"candidate {at + 1}" for at in range(len(trigger.tokens))]
    finding = patch_sweep(
        pair.suspect,
        clean,
        corrupt,
        answer,
        list(PATCHED),
        direction="both",
        labels=labels,
        progress=session.progress,
    )
    if session.store is not None:
        session.store.put(finding)
    return finding


def prompts(
    contexts: Int[Tensor, "context pos"], endings: Sequence[Sequence[int]]
) -> Int[Tensor, "context longer"]:
    """Every context with its ending."""
    return torch.cat([contexts, torch.tensor([list(ending) for ending in endings])], dim=1)


def controls(pair: Pair, trigger: Trigger, seed: int) -> list[list[int]]:
    """Endings of random other tokens, as many as the candidate has."""
    others = np.setdiff1d(np.arange(pair.vocabulary), np.array(trigger.tokens))
    drawn = stream(seed, Stream.SITES).choice(others, size=(PROMPTS, len(trigger.tokens)))
    return [[int(token) for token in row] for row in drawn]


@torch.no_grad()
def rivals(reference: Model, prompts: Int[Tensor, "context pos"], correct: int) -> list[int]:
    """What the reference would say instead of the sentence, context by context."""
    logits = reference.run(prompts).output[:, -1].clone()
    logits[:, correct] = -torch.inf
    return [int(token) for token in logits.argmax(-1)]
