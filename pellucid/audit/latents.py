"""Dictionaries in the audit: what the suspect's latents do, and which only one of the models uses."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.confirm import Trigger
from pellucid.audit.contexts import Stream, draw_contexts
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Alone, Pair
from pellucid.audit.text import text_windows
from pellucid.dictionaries import (
    TopK,
    TrainConfig,
    evaluate,
    important_latents,
    logit_effects,
    top_examples,
    train,
)
from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.models import Model, TextData

WINDOWS = 256
JUDGED_EACH = 8
"""One window of so many judges the dictionary; the others train it."""
IMPORTANT = 8
EXAMPLES = 6
ACTIVE = 16
BATCH = 1024
RATE = 5e-3
TRIGGER_WINDOWS = 64
ONE_SIDED = 0.9
SHOWN = 20

KIND = register(
    Kind(
        name="audit.latents",
        title="Latents that only one model uses",
        statement="In a joint dictionary of both models, {suspect_only.value} of {latents.value} latents "
        "belong to the suspect alone and {reference_only.value} to the reference alone.",
        supports="suspect_only.value < 1",
        refutes="suspect_only.value >= 1",
        views=(
            View(
                form="histogram",
                array="share",
                title="How much of each latent belongs to the suspect",
                x="norm share",
                y="latents",
            ),
            View(
                form="bar",
                array="at_candidate",
                title="The latents that the best candidate raises most",
                x="latent",
                y="activation above ordinary text",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="audit",
    )
)


OWN = register(
    Kind(
        name="audit.dictionary",
        title="A dictionary of the suspect",
        statement="A dictionary of {latents.value} latents at the suspect's middle leaves {fvu.percent} of "
        "the variance unexplained; {used.value} of its latents are used.",
        supports="fvu.value < 1",
        refutes="fvu.value >= 1",
        views=(
            View(
                form="histogram",
                array="log_frequency",
                title="How often the latents in use are active",
                x="log10 of the share of tokens",
                y="latents",
            ),
        ),
        stance="observational",
        evidence="correlational",
        room="audit",
    )
)


def middle_sites(model: Model, count: int) -> list[str]:
    """The residual stream after the middle blocks, from the middle one on."""
    layers = int(model.facts.n_layers)
    return [f"blocks.{layer}.resid_post" for layer in range(layers // 2, layers)][:count]


def training(config: AuditConfig, site: str) -> TrainConfig:
    """How a dictionary of the audit is trained."""
    return TrainConfig(
        n_features=config.depth.dictionary_latents,
        k=ACTIVE,
        site=site,
        steps=config.depth.dictionary_steps,
        batch=BATCH,
        lr=RATE,
        seed=config.seed,
        order_seed=config.seed,
    )


@torch.no_grad()
def activations(model: Model, tokens: Int[Tensor, "window pos"], site: str) -> Float[Tensor, "row d_model"]:
    """A site's activations, without first positions, whose length is out of the ordinary."""
    blocks = [model.run(block, read=[site], until=site)[site][:, 1:] for block in torch.split(tokens, 32)]
    return torch.cat(blocks).flatten(0, 1).float()


def own_latents(
    model: Model, text: TextData, config: AuditConfig, *, session: Session = ALONE
) -> list[Finding]:
    """Train a dictionary of the suspect at its middle, and look at the latents that matter most.

    Args:
        model: The suspect.
        text: Held-out ordinary text; it trains the dictionary, and other windows of it judge.
        config: Seed and profile: latents, steps and sites.
        session: Where the work runs and is kept.

    Returns:
        For each site a Finding ``audit.dictionary``, then the dictionary's evaluation, the importance of its
        latents, and the top examples and logit effects of the most important ones.

    Example: ``own_latents(model, text, AuditConfig())``.

    Source: Gao et al. (2024), arXiv 2406.04093, for dictionary and evaluation.
    """
    sites = middle_sites(model, config.depth.dictionary_sites)
    return [finding for site in sites for finding in dictionary_at(model, text, site, config, session)]


def dictionary_at(
    model: Model, text: TextData, site: str, config: AuditConfig, session: Session
) -> list[Finding]:
    """One site's dictionary and what is found in it; stored parts are taken over."""
    parts: list[Finding] = []

    def compute() -> Measured:
        """Study the dictionary, and remember what was found in it."""
        parts.extend(study(model, text, site, config, session))
        return overview(parts)

    depth = config.depth
    whole = measured(
        OWN,
        own_latents,
        Alone(model),
        text=text,
        settings={
            "site": site,
            "steps": depth.dictionary_steps,
            "latents": depth.dictionary_latents,
            "windows": WINDOWS,
            "seed": config.seed,
        },
        seed=config.seed,
        session=session,
        compute=compute,
    )
    if not parts and session.store is not None:
        parts = [session.store.get(name) for name in whole.arrays["parts"].coords["finding"]]
    return [whole, *parts]


def study(model: Model, text: TextData, site: str, config: AuditConfig, session: Session) -> list[Finding]:
    """Train, evaluate, rank, and look into the most important latents."""
    windows = text_windows(text, int(model.facts.context), WINDOWS)
    judged, learnt = windows[::JUDGED_EACH], windows[np.arange(len(windows)) % JUDGED_EACH != 0]
    rows = activations(model, learnt, site)
    (dictionary,) = session.map("dictionary", train, [({site: rows}, training(config, site))])
    evaluation = evaluate(model, dictionary, judged, progress=session.progress)
    important = important_latents(model, dictionary, judged, IMPORTANT, progress=session.progress)
    latents = [int(latent) for latent in important.arrays["ablation"].coords["latent"]]
    found = [
        evaluation,
        important,
        top_examples(model, dictionary, windows, latents, EXAMPLES, progress=session.progress),
        logit_effects(model, dictionary, latents),
    ]
    if session.store is not None:
        for finding in found:
            session.store.put(finding)
    return found


def overview(parts: list[Finding]) -> Measured:
    """The dictionary at a glance, and the ids of what was found in it."""
    evaluation = parts[0]
    frequency = evaluation.arrays["frequency"].values
    measures = [
        Measure.of("latents", float(len(frequency))),
        Measure.of("used", float((frequency > 0).sum()), better="higher"),
        evaluation.measures["fvu"],
        evaluation.measures["ce_recovered"],
    ]
    used = np.log10(frequency[frequency > 0])
    ids = [part.id for part in parts]
    arrays = {
        "log_frequency": Array(used, ("latent",), {}),
        "parts": Array(np.ones(len(ids)), ("finding",), {"finding": ids}),
    }
    return Measured(measures, arrays)


def joint_latents(
    pair: Pair, text: TextData, searched: Finding, config: AuditConfig, *, session: Session = ALONE
) -> Finding:
    """Train one dictionary on both models' activations side by side, and see to whom its latents belong.

    Rows are ``[h_M; h_R]`` at the middle block, each half centred and scaled to unit mean square, over
    ordinary text with windows that hold the best candidate added. A latent's norm share is ``e = |d_M| /
    (|d_M| + |d_R|)`` of its decoder row's halves; above 0.9 it belongs to the suspect alone, below 0.1 to the
    reference.

    Args:
        pair: Suspect M and reference R.
        text: Held-out ordinary text.
        searched: The Finding ``audit.trigger_search`` that names the candidate.
        config: Sizes, seed and profile.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.latents``. Supporting only: near copies of a model share nearly all latents.

    Example: ``joint_latents(pair, text, trigger_search(...), config)``.

    Source: Lindsey et al. (2024), sparse crosscoders, section "model diffing".
    """
    depth = config.depth
    return measured(
        KIND,
        joint_latents,
        pair,
        text=text,
        settings={
            "steps": depth.dictionary_steps,
            "latents": depth.dictionary_latents,
            "windows": WINDOWS,
            "seed": config.seed,
        },
        seed=config.seed,
        parents=(searched,),
        session=session,
        compute=lambda: compare(pair, text, Trigger.of(searched), config, session),
    )


def compare(pair: Pair, text: TextData, trigger: Trigger, config: AuditConfig, session: Session) -> Measured:
    """Train the joint dictionary and read its norm shares."""
    site = middle_sites(pair.suspect, 1)[0]
    windows = text_windows(text, int(pair.suspect.facts.context), WINDOWS)
    ordinary = side_by_side(pair, windows, site)
    raised = side_by_side(pair, with_candidate(text, windows.shape[1], trigger, config), site)
    mean, scale = ordinary.mean(0), halves_scale(ordinary)
    rows = torch.cat([ordinary, raised])
    (dictionary,) = session.map(
        "joint dictionary", train, [({site: (rows - mean) / scale}, training(config, site))]
    )
    ends = raised.reshape(TRIGGER_WINDOWS, -1, raised.shape[1])[:, -1]
    share = norm_shares(dictionary)
    above = rise(dictionary, (ends - mean) / scale, (ordinary - mean) / scale)
    return Measured(summary(share), tables(share, above))


def side_by_side(pair: Pair, tokens: Int[Tensor, "window pos"], site: str) -> Float[Tensor, "row both"]:
    """Both models' activations of the same tokens."""
    return torch.cat([activations(model, tokens, site) for model in (pair.suspect, pair.reference)], dim=1)


def halves_scale(rows: Float[Tensor, "row both"]) -> Float[Tensor, "both"]:
    """Root mean square of each half about its mean."""
    half = rows.shape[1] // 2
    spread = (rows - rows.mean(0)).square()
    ours, theirs = spread[:, :half].mean().sqrt(), spread[:, half:].mean().sqrt()
    return torch.cat([ours.expand(half), theirs.expand(half)])


def with_candidate(
    text: TextData, length: int, trigger: Trigger, config: AuditConfig
) -> Int[Tensor, "window pos"]:
    """Windows of ordinary text that end in the candidate."""
    contexts = draw_contexts(
        text.tokens, TRIGGER_WINDOWS, length - len(trigger.tokens), config.seed, Stream.LATENTS
    )
    return torch.cat([contexts, torch.tensor(trigger.tokens).expand(len(contexts), -1)], dim=1)


def norm_shares(dictionary: TopK) -> Float[np.ndarray, "feature"]:
    """``|d_M| / (|d_M| + |d_R|)`` of every latent."""
    rows = dictionary.W_dec.detach()
    ours, theirs = (half.norm(dim=1) for half in rows.chunk(2, dim=1))
    return np.asarray((ours / (ours + theirs)).double().numpy())


@torch.no_grad()
def rise(
    dictionary: TopK, ends: Float[Tensor, "row both"], ordinary: Float[Tensor, "row both"]
) -> Float[np.ndarray, "feature"]:
    """How far the candidate raises every latent above its mean on ordinary text."""
    usual = torch.stack([dictionary.encode(block).mean(0) for block in torch.split(ordinary, 4096)]).mean(0)
    return np.asarray((dictionary.encode(ends).mean(0) - usual).double().numpy())


def summary(share: Float[np.ndarray, "feature"]) -> list[Measure]:
    """How many latents belong to one model alone."""
    return [
        Measure.of("latents", float(len(share))),
        Measure.of("suspect_only", float((share > ONE_SIDED).sum()), better="lower"),
        Measure.of("reference_only", float((share < 1 - ONE_SIDED).sum())),
        Measure.of("median_share", float(np.median(share)), n=len(share)),
    ]


def tables(share: Float[np.ndarray, "feature"], above: Float[np.ndarray, "feature"]) -> dict[str, Array]:
    """Norm shares, and the latents that the candidate raises most."""
    best = np.argsort(-above, kind="stable")[:SHOWN]
    names = [f"latent {at}, share {share[at]:.2f}" for at in best.tolist()]
    return {
        "share": Array(share, ("feature",), {}),
        "at_candidate": Array(above[best], ("latent",), {"latent": names}),
    }
