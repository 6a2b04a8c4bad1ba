"""Which tokens a latent speaks for: its decoder direction read through the unembedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.reading.examples import check_latents, piece
from pellucid.dictionaries.splicing import check_fits
from pellucid.findings import Array, Finding, InputError, Kind, Measure, View, register, start
from pellucid.models import Model

STREAM = ("embed", "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")

KIND = register(
    Kind(
        name="dictionaries.logit_effects",
        title="Which tokens latents speak for",
        statement="Read through the unembedding, the {latents.value} latents promote their first token by up "
        "to {strongest.value}.",
        supports="",
        refutes="",
        views=(
            View(
                form="table",
                array="words",
                title="The tokens that each latent promotes and suppresses most",
                x="latent and token",
                unit="logits",
            ),
        ),
        stance="interventional",
        evidence="formal",
        room="dictionaries",
    )
)


def logit_effects(model: Model, dictionary: Dictionary, latents: Sequence[int], top: int = 10) -> Finding:
    """Read each latent's decoder direction through the final norm and the unembedding.

        effect_i = U(N(w_i)) - U(N(0)), less its mean over the vocabulary

    N is the model's final norm and U its unembedding: the logits of a residual stream that holds nothing but
    the latent's direction. The norm makes it independent of the direction's length.

    Arguments:
        model: the model the dictionary was trained on.
        dictionary: one that writes to the residual stream.
        latents: which latents.
        top: how many tokens at each end.

    Returns:
        A Finding ``dictionaries.logit_effects`` with the arrays ``promoted`` and ``suppressed`` (logits, axes
        latent and rank), ``promoted_tokens`` and ``suppressed_tokens`` (ids) and ``words`` (all by name).

    Raises:
        InputError: DI19 for a site that is not added to the residual stream, DI24 latents that do not exist,
            DI74 for no tokens.
        MissingError: DI17 for a site that the model does not have.

    Example: ``logit_effects(model, sae, [3, 14]).arrays["words"].coords``.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens", applied to directions.
    """
    check_fits(model, dictionary)
    latents = check_latents(dictionary, latents)
    if top < 1:
        raise InputError("DI74", f"{top} tokens at each end show nothing.", "Give top of at least 1.")
    if dictionary.site_out.rsplit(".", 1)[-1] not in STREAM:
        raise InputError(
            "DI19",
            f"A latent at {dictionary.site_out!r} is not added to the residual stream.",
            f"Use a dictionary at one of the sites {', '.join(STREAM)}.",
        )
    record = start(
        logit_effects,
        parameters={"dictionary": dictionary.sha256, "latents": latents, "top": top},
        subject=model.subject,
    )
    effects = lens(model, dictionary.W_dec[list(latents)])
    count = min(top, effects.shape[1])
    order = torch.sort(effects, dim=1, descending=True, stable=True)
    promoted = order.values[:, :count], order.indices[:, :count]
    suppressed = order.values[:, -count:].flip(1), order.indices[:, -count:].flip(1)
    measures = [
        Measure.of("latents", len(latents)),
        Measure.of("strongest", float(effects.max()), unit="logits"),
        Measure.of("weakest", float(effects.min()), unit="logits"),
    ]
    return record.finding(KIND, measures=measures, arrays=arrays_of(model, latents, promoted, suppressed))


@torch.no_grad()
def lens(model: Model, directions: Float[Tensor, "latent d_model"]) -> Float[Tensor, "latent vocab"]:
    """Logits of streams that hold one direction each, less those of the empty stream and their own mean.

    Arguments:
        model: an opened model.
        directions: in the residual stream.
    """
    last = f"blocks.{model.facts.n_layers - 1}.resid_post"
    streams = torch.cat([directions, torch.zeros_like(directions[:1])]).unsqueeze(1)
    tokens = torch.zeros((len(streams), 1), dtype=torch.long, device=directions.device)
    logits = model.run(tokens, write={last: streams}).output[:, 0].double()
    effects = logits[:-1] - logits[-1:]
    return effects - effects.mean(1, keepdim=True)


def arrays_of(
    model: Model,
    latents: Sequence[int],
    promoted: tuple[Tensor, Tensor],
    suppressed: tuple[Tensor, Tensor],
) -> dict[str, Array]:
    """Both ends of the vocabulary for each latent, as numbers and in words."""
    arrays, words, values = {}, [], []
    coords = {"latent": list(latents)}
    for verb, (effects, tokens) in (("promoted", promoted), ("suppressed", suppressed)):
        arrays[verb] = Array(effects.numpy(), ("latent", "rank"), coords)
        arrays[f"{verb}_tokens"] = Array(tokens.numpy(), ("latent", "rank"), coords)
    for row, latent in enumerate(latents):
        for verb, (effects, tokens) in (("promotes", promoted), ("suppresses", suppressed)):
            words += [f"{latent} {verb} {piece(model, int(token))!r}" for token in tokens[row]]
            values += effects[row].tolist()
    arrays["words"] = Array(np.array(values), ("latent and token",), {"latent and token": words})
    return arrays
