"""Which latents the model's predictions rest on: attribution for all of them, exact ablation of the
foremost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.compute.progress import Task
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.evaluation import batches, by_sequence, refuse_nothing, tokens_sha256
from pellucid.dictionaries.splicing import check_fits
from pellucid.findings import (
    Array,
    DataRef,
    Finding,
    InputError,
    Interval,
    Kind,
    Measure,
    View,
    bootstrap,
    register,
    start,
)
from pellucid.models import Model

KIND = register(
    Kind(
        name="dictionaries.importance",
        title="Which latents the predictions rest on",
        statement="Without latent {strongest_latent.value} the loss rises by {strongest.interval}; "
        "attribution and exact ablation of {agreement.n} latents have a rank correlation of "
        "{agreement.value}.",
        supports="strongest.low > 0",
        refutes="strongest.high <= 0",
        views=(
            View(
                form="interval",
                array="ablation",
                title="How much the loss rises without each of the foremost latents",
                x="latent",
                y="rise of the loss",
                unit="nats per token",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


def important_latents(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    n: int = 16,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Rank latents by what the next-token loss would rise without them; ablate the foremost to confirm.

        attribution_i = -(1/N) sum_t z_i(t) W_dec[i] . dL/dy(t)     first order, all latents at once
        ablation_i    = (1/N) (L(y - z_i W_dec[i]) - L(y))           exact, with the dictionary's error kept

    Both are in nats per token: positive where the latent helps the predictions.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: an autoencoder or a transcoder.
        tokens: sequences; each predicts its own next tokens.
        n: how many latents to ablate, those of the largest attribution whatever its sign.
        resamples: of sequences, for the intervals.
        seed: of the resampling.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.importance`` with the measures strongest (largest rise), strongest_latent,
        agreement (Spearman's correlation of attribution and ablation over the ablated latents), same_sign
        (share), and the arrays ``attribution`` (all latents) and ``ablation`` (value, low, high for each
        ablated latent, the largest rise first).

    Raises:
        InputError: DI04 another width, DI18 no position to judge, DI25 n is no number of latents, DI92 too
            few sequences for an interval.
        MissingError: DI17 for a site that the model does not have.

    Example: ``important_latents(model, sae, tokens, 8).arrays["ablation"].coords["latent"]``.

    Source: attribution: Syed et al. 2023, arXiv 2310.10348, eq. 2; on latents: Marks et al. 2024, arXiv
    2403.19647, section 3.
    """
    check_fits(model, dictionary)
    keep = dictionary.convention.included(tokens)
    refuse_nothing(tokens, keep)
    if not 1 <= n <= dictionary.n_features:
        raise InputError(
            "DI25",
            f"{n} latents cannot be ablated.",
            f"Give n between 1 and {dictionary.n_features}, the latents of this dictionary.",
        )
    if len(tokens) < 2 or resamples < 1:
        raise InputError(
            "DI92",
            f"{len(tokens)} sequences and {resamples} resamples give no interval.",
            "Give at least 2 sequences and 1 resample: what one text says may be chance.",
        )
    record = start(
        important_latents,
        parameters={"dictionary": dictionary.sha256, "n": n, "resamples": resamples},
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    with progress.task("finding important latents", len(tokens) * (n + 2)) as task:
        attribution = attributions(model, dictionary, tokens, keep, task)
        order = torch.sort(attribution.abs(), descending=True, stable=True).indices[:n]
        ablation = ablations(model, dictionary, tokens, keep, order, task, (resamples, seed))
    return record.finding(
        KIND, measures=measures_of(attribution, ablation), arrays=arrays_of(attribution, ablation)
    )


def attributions(
    model: Model, dictionary: Dictionary, tokens: Tensor, keep: Tensor, task: Task
) -> Float[Tensor, " feature"]:
    """First-order rise of the loss without each latent, in nats per token."""
    total = torch.zeros(dictionary.n_features, dtype=torch.float64)
    predicted = 0
    for batch, mask in batches(tokens, keep):
        codes, gradient = codes_and_gradient(model, dictionary, batch, mask)
        along = (codes.double() * (gradient.double() @ dictionary.W_dec.detach().double().T)).sum(0)
        total -= along.cpu()
        predicted += int(mask[:, :-1].sum())
        task.advance(len(batch))
    return total / predicted


def codes_and_gradient(
    model: Model, dictionary: Dictionary, tokens: Tensor, keep: Bool[Tensor, "batch pos"]
) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row d_out"]]:
    """Codes and dL/dy at the included positions of a clean run; L is the summed next-token loss."""
    leaf: dict[str, Tensor] = {}

    def watch(activation: Tensor) -> Tensor:
        """Put a leaf in the activation's place, to take the gradient at."""
        leaf["y"] = activation.detach().clone().requires_grad_()
        return leaf["y"] * 1.0  # the model may write into what it is given; the leaf stays whole

    with torch.enable_grad():
        run = model.run(tokens, read=[dictionary.site_in], write={dictionary.site_out: watch})
        loss = summed_loss(run.output, tokens, keep)
        (gradient,) = torch.autograd.grad(loss, leaf["y"])
    x = run[dictionary.site_in].detach()[keep].reshape(-1, dictionary.d_in).float()
    return amounts(dictionary, x), gradient[keep].reshape(-1, dictionary.d_out)


def amounts(dictionary: Dictionary, x: Float[Tensor, "row d_in"]) -> Float[Tensor, "row feature"]:
    """How much of each decoder row a reconstruction holds, in units of the raw activation."""
    return dictionary.codes(x).dense() * dictionary.moved(x).scale


def summed_loss(logits: Tensor, tokens: Tensor, keep: Tensor) -> Float[Tensor, ""]:
    """Next-token loss summed over included positions."""
    return token_losses(logits, tokens)[keep[:, :-1]].sum()


def token_losses(
    logits: Float[Tensor, "batch pos vocab"], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch next"]:
    """Next-token loss of each position that has a next token."""
    scores = logits[:, :-1].double().log_softmax(-1)
    return -scores.gather(-1, tokens[:, 1:].unsqueeze(-1))[..., 0]


@torch.no_grad()
def ablations(
    model: Model,
    dictionary: Dictionary,
    tokens: Tensor,
    keep: Tensor,
    latents: Int[Tensor, " latent"],
    task: Task,
    resampling: tuple[int, int],
) -> dict[int, Interval]:
    """Exact rise of the loss without each latent, with its interval, largest first."""
    rises: dict[int, list[Float[np.ndarray, " batch"]]] = {int(latent): [] for latent in latents}
    counts = []
    for batch, mask in batches(tokens, keep):
        clean = model.run(batch, read=[dictionary.site_in])
        base = token_losses(clean.output, batch)
        x = clean[dictionary.site_in].reshape(-1, dictionary.d_in).float()
        codes = amounts(dictionary, x).reshape(*batch.shape, -1) * mask.unsqueeze(-1)
        counts.append(mask[:, :-1].sum(1).cpu().numpy())
        for latent in rises:
            without = remove(codes[..., latent], dictionary.W_dec[latent])
            run = model.run(batch, write={dictionary.site_out: without})
            rise = token_losses(run.output, batch) - base
            rises[latent].append(by_sequence(rise[mask[:, :-1]], mask[:, :-1]))
            task.advance(len(batch))
        task.advance(len(batch))
    number = np.concatenate(counts)
    found = {
        latent: interval(np.stack([np.concatenate(parts), number], 1), *resampling)
        for latent, parts in rises.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def remove(
    codes: Float[Tensor, "batch pos"], direction: Float[Tensor, " d_out"]
) -> Callable[[Tensor], Tensor]:
    """The activation without one latent's part."""
    part = codes.unsqueeze(-1) * direction
    return lambda activation: activation - part.reshape(activation.shape).to(activation.dtype)


def interval(pair: Float[np.ndarray, "sequence two"], resamples: int, seed: int) -> Interval:
    """Rise per token, resampling sequences."""
    return bootstrap(pair, lambda rows: rows[:, 0].sum() / rows[:, 1].sum(), resamples=resamples, seed=seed)


def measures_of(attribution: Tensor, ablation: dict[int, Interval]) -> list[Measure]:
    """The strongest latent, and how far the two ways agree."""
    from scipy.stats import spearmanr

    latents = list(ablation)
    guessed = attribution[latents].numpy()
    exact = np.array([rise.value for rise in ablation.values()])
    varied = len(latents) > 2 and np.ptp(guessed) > 0 and np.ptp(exact) > 0
    agreement = float(spearmanr(guessed, exact).statistic) if varied else None
    return [
        Measure.of("strongest", ablation[latents[0]], unit="nats per token"),
        Measure.of("strongest_latent", latents[0]),
        Measure.of("agreement", agreement, n=len(latents)),
        Measure.of("same_sign", float((np.sign(guessed) == np.sign(exact)).mean()), n=len(latents)),
    ]


def arrays_of(attribution: Tensor, ablation: dict[int, Interval]) -> dict[str, Array]:
    """Attribution of all latents, ablation of the foremost."""
    ends = np.array([[rise.value, rise.low, rise.high] for rise in ablation.values()])
    coords: dict[str, list[Any]] = {"latent": list(ablation), "end": ["value", "low", "high"]}
    return {
        "attribution": Array(attribution.numpy(), ("feature",)),
        "ablation": Array(ends, ("latent", "end"), coords),
    }
