"""Which head writes which latent, read off the decoder alone, and each head's family of latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.randomness import stream
from pellucid.findings import Array, Finding, InputError, Interval, Kind, Measure, View, register, start
from pellucid.models.sites import plain_name

OWNED = 0.5  # a latent with more of its decoder in one head belongs to that head
DRAWS = 10_000  # random decoder rows behind the share that chance alone gives

KIND = register(
    Kind(
        name="dictionaries.head_attribution",
        title="Which head writes which latent",
        statement="The foremost head holds {foremost.percent} of a latent's decoder on average, where random "
        "rows would give {chance.percent}; {owned.percent} of {owned.n} latents have more than half in one "
        "head.",
        supports="foremost.low > chance.high",
        refutes="foremost.high < chance.low",
        views=(
            View(
                form="table",
                array="members",
                title="Each head's family: the latents with the largest share of their decoder in it",
                x="head and latent",
                unit="share of the decoder",
            ),
            View(
                form="heatmap",
                array="families",
                title="How far each head's foremost latents are its own",
                x="rank in the head",
                y="head",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="dictionaries",
    )
)


def head_attribution(
    dictionary: Dictionary,
    n_heads: int,
    *,
    top: int = 10,
    behaviours: Sequence[str] | None = None,
    seed: int = 0,
) -> Finding:
    """Say by weights which head each latent of an attention dictionary belongs to.

        h[f, i] = ||W_dec[f, head i]|| / sum_j ||W_dec[f, head j]||           (sums to 1 over heads)

    A head's family are its `top` latents by h. Where behaviours are given, a head whose whole family shows
    one behaviour is a candidate for a monosemantic head, one whose family shows two or more is polysemantic,
    and any other (a member's behaviour is unknown) stays open. It is a candidate only: the rule sees the
    family, not all that the head does.

    Arguments:
        dictionary: one of heads' outputs side by side, head by head (attn.z).
        n_heads: how many heads the width holds.
        top: size of a family.
        behaviours: a label for each latent, as `source_relations` gives them; "" where unknown.
        seed: of the random rows that h is held against.

    Returns:
        A Finding ``dictionaries.head_attribution`` with the measures foremost (mean of the largest h of a
        latent), chance (the same of random rows), owned (share of latents with h > 0.5), empty (latents whose
        decoder is 0, which have no h), monosemantic and polysemantic (heads; no value without behaviours),
        and the arrays ``share`` (feature, head), ``ranking`` (latents by head and rank), ``families`` (their
        h), ``members`` (the same in words) and, with behaviours, ``verdict`` (1 monosemantic, 0 polysemantic,
        -1 open).

    Raises:
        InputError: DI30 for a decoder that does not keep heads apart, DI31 for a width that does not divide
            by the heads, DI37 for behaviours or a family that do
            not fit.

    Example: ``head_attribution(sae, 12).arrays["ranking"].values[5]``.

    Source: Kissane et al. 2024, arXiv 2406.17759, weight-based head attribution.
    """
    refuse_mixed(dictionary)
    share = decoder_shares(dictionary, n_heads).cpu()
    check_families(dictionary, top, behaviours)
    record = start(
        head_attribution,
        parameters={
            "dictionary": dictionary.sha256,
            "heads": n_heads,
            "top": top,
            "behaviours": None if behaviours is None else list(behaviours),
        },
        seed=seed,
    )
    order = torch.sort(share, dim=0, descending=True, stable=True).indices[:top].T
    arrays = arrays_of(share, order, behaviours)
    verdict = arrays["verdict"].values if "verdict" in arrays else None
    return record.finding(
        KIND, measures=measures_of(share, dictionary.d_out // n_heads, verdict, seed), arrays=arrays
    )


def refuse_mixed(dictionary: Dictionary) -> None:
    """DI30 for a decoder that is known to write elsewhere than to heads side by side."""
    site = plain_name(dictionary.site_out)
    if site and not site.endswith("attn.z"):
        raise InputError(
            "DI30",
            f"A decoder that writes to {dictionary.site_out!r} does not keep heads apart.",
            "Give a dictionary of attn.z; head_ablation takes one of attn_out back through W_O.",
        )


def decoder_shares(dictionary: Dictionary, n_heads: int) -> Float[Tensor, "feature head"]:
    """h[f, i] of every latent; a decoder row of zeros has none and gives zeros.

    Arguments:
        dictionary: one whose output are heads side by side.
        n_heads: how many.
    """
    if n_heads < 1 or dictionary.d_out % n_heads:
        raise InputError(
            "DI31",
            f"A decoder of width {dictionary.d_out} does not divide into {n_heads} heads.",
            "Give the number of query heads, and a dictionary of the heads' outputs side by side (attn.z).",
        )
    return shares_of(dictionary.W_dec.detach().reshape(dictionary.n_features, n_heads, -1))


def shares_of(blocks: Float[Tensor, "feature head d_head"]) -> Float[Tensor, "feature head"]:
    """Length of each head's block over the sum of all heads' lengths, in float64."""
    lengths = blocks.double().norm(dim=-1)
    total = lengths.sum(1, keepdim=True)
    return torch.where(total > 0, lengths / total.clamp_min(1e-300), 0.0)


def check_families(dictionary: Dictionary, top: int, behaviours: Sequence[str] | None) -> None:
    """DI37 unless a family has a size that exists and each latent one behaviour."""
    if not 1 <= top <= dictionary.n_features:
        raise InputError(
            "DI37",
            f"A family of {top} latents cannot be taken from {dictionary.n_features}.",
            f"Give top between 1 and {dictionary.n_features}.",
        )
    if behaviours is not None and len(behaviours) != dictionary.n_features:
        raise InputError(
            "DI37",
            f"{len(behaviours)} behaviours were given for {dictionary.n_features} latents.",
            "Give one for each latent, '' where it is unknown.",
        )


def chance_shares(n_heads: int, d_head: int, seed: int) -> Float[Tensor, " row"]:
    """Largest h of rows with independent normal entries."""
    rows = torch.randn((DRAWS, n_heads, d_head), generator=stream("random heads", seed))
    return shares_of(rows).amax(1)


def mean_of(shares: Float[Tensor, " row"]) -> Interval | None:
    """Mean with the normal interval of its standard error; None of nothing."""
    n = len(shares)
    if not n:
        return None
    mean, reach = float(shares.mean()), 1.96 * float(shares.std(correction=0)) / n**0.5
    return Interval(mean, mean - reach, mean + reach, n, 0.95, "normal")


def measures_of(
    share: Float[Tensor, "feature head"], d_head: int, verdict: np.ndarray[Any, Any] | None, seed: int
) -> list[Measure]:
    """How far latents belong to one head."""
    alive = share.sum(1) > 0
    largest = share.amax(1)[alive]
    n, heads = int(alive.sum()), share.shape[1]

    def number(code: int) -> int | None:
        """Heads of one verdict."""
        return None if verdict is None else int((verdict == code).sum())

    return [
        Measure.of("foremost", mean_of(largest)),
        Measure.of("chance", mean_of(chance_shares(heads, d_head, seed))),
        Measure.of("owned", float((largest > OWNED).double().mean()) if n else None, n=n),
        Measure.of("empty", len(share) - n, unit="latents", n=len(share)),
        Measure.of("monosemantic", number(1), unit="heads", n=heads),
        Measure.of("polysemantic", number(0), unit="heads", n=heads),
    ]


def arrays_of(
    share: Float[Tensor, "feature head"], order: Int[Tensor, "head rank"], behaviours: Sequence[str] | None
) -> dict[str, Array]:
    """Shares, families by number and in words, and what the behaviours make of them."""
    families = share.T.gather(1, order)
    words = [
        f"head {head}: latent {latent}" + (f" ({behaviours[latent] or 'unknown'})" if behaviours else "")
        for head, row in enumerate(order.tolist())
        for latent in row
    ]
    arrays = {
        "share": Array(share.numpy(), ("feature", "head")),
        "ranking": Array(order.numpy(), ("head", "rank")),
        "families": Array(families.numpy(), ("head", "rank")),
        "members": Array(families.flatten().numpy(), ("member",), {"member": words}),
    }
    if behaviours is not None:
        codes = [verdict_of({behaviours[latent] for latent in row}) for row in order.tolist()]
        arrays["verdict"] = Array(np.array(codes), ("head",))
    return arrays


def verdict_of(seen: set[str]) -> int:
    """1 for one behaviour, 0 for several, -1 where a member's is unknown and the others agree."""
    known = seen - {""}
    if len(known) > 1:
        return 0
    return 1 if len(seen) == 1 and known else -1
