"""Whether two dictionaries hold the same latents: nearest neighbours both ways, and one-to-one matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.geometry.activity import counted, measured_on, opened
from pellucid.dictionaries.geometry.assignment import Matching, matched
from pellucid.dictionaries.geometry.directions import (
    Directions,
    living,
    nearest,
    refuse_other_width,
    shuffled,
    subject_of,
)
from pellucid.findings import Array, Finding, Kind, Measure, View, bootstrap, register, start, wilson

SHARED = 0.7  # cosine above which a matched pair counts as the same latent
DECILES = 10
WAYS = ("first to second", "second to first", "matched one to one")

KIND = register(
    Kind(
        name="dictionaries.matching",
        title="Whether two dictionaries hold the same latents",
        statement="Matched one to one, {mcc.n} pairs of latents agree at a mean cosine of {mcc.value}, where "
        "random directions of the same covariance reach {mcc_random.value}; {shared.percent} of the pairs "
        "agree at more than 0.7.",
        supports="mcc.low > mcc_random.high",
        refutes="mcc.high < mcc_random.low",
        views=(
            View(
                form="histogram",
                array="matched",
                title="How well the pairs of a one-to-one matching agree",
                x="cosine",
                y="pairs",
            ),
            View(
                form="line",
                array="deciles",
                title="Agreement of rare and of frequent latents",
                x="decile of firing frequency, the rarest first",
                y="mean cosine",
            ),
            View(
                form="table",
                array="frequencies",
                title="How often the latents of each decile fire",
                x="decile of firing frequency, the rarest first",
                unit="share of rows",
            ),
        ),
        stance="observational",
        evidence="formal",
        room="dictionaries",
    )
)


@dataclass(frozen=True)
class Agreement:
    """Two sets of directions, compared."""

    first: Directions
    """Living latents of one dictionary."""
    second: Directions
    """Living latents of the other."""
    forward: Float[Tensor, " first"]
    """Largest cosine of each first latent with a second one."""
    backward: Float[Tensor, " second"]
    """Largest cosine of each second latent with a first one."""
    pairs: Matching
    """The best one-to-one matching."""
    chance: Matching
    """The same with random directions in place of the second."""


def match_latents(
    first: Dictionary,
    second: Dictionary,
    source: Any = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Finding:
    """Compare the decoder directions of two dictionaries, of two seeds or of two widths.

        mean max cosine = (1/F) sum_i max_j cos(W_dec[i], W'_dec[j])            both ways
        MCC = (1/min(F, F')) sum over the best one-to-one matching of cos

    Cosines keep their sign: a latent of the opposite direction says the opposite. The matching is exact up
    to 2^22 pairs of latents; beyond, the mean is at most 1e-4 below the best (the measure mcc_gap). Since a
    larger dictionary matches better by chance, random directions of the same number, mean and covariance as
    the second dictionary's are matched too.

    Arguments:
        first: a dictionary.
        second: another of the same output width.
        source: rows that decide which latents live and how often they fire, as ``train`` takes them; None:
            every latent with a direction counts, and there are no deciles.
        resamples: of matched pairs, for the intervals.
        seed: of the resampling and of the random directions.

    Returns:
        A Finding ``dictionaries.matching`` with the measures mcc (mean over matched pairs), mcc_random,
        mcc_gap, first_to_second and second_to_first (mean of the largest cosines), shared (share of pairs
        that agree at more than 0.7), dead_first and dead_second (latents left out); the arrays ``matched``
        (cosine of each pair), ``partner`` (second latent of each first one, -1 for none) and with a source
        ``deciles`` (agreement by decile of the latent's own firing frequency; matched pairs by that of the
        first) and ``frequencies`` (mean share of rows on which the latents of each decile fire).

    Raises:
        InputError: DI60 another width, DI61 fewer than two living latents, DI62 NaN in a decoder, DI08 to
            DI12 for a source that does not fit.

    Example: ``match_latents(sae, sae_of_another_seed, (model, tokens)).measures["mcc"].value``.

    Source: mean max cosine: Sharkey et al. 2022, "Taking features out of superposition with sparse
    autoencoders"; matching of seeds by assignment: Paulo and Belrose 2025, arXiv 2501.16615.
    """
    refuse_other_width(first, second)
    rows = None if source is None else opened(source, [first, second])
    subject, data = measured_on(source, rows, subject_of(first))
    record = start(
        match_latents,
        parameters={"dictionaries": [first.sha256, second.sha256], "resamples": resamples},
        subject=subject,
        data=data,
        seed=seed,
    )
    fires = [None if rows is None else counted(one, rows) for one in (first, second)]
    agreement = agreement_of(living(first, fires[0]), living(second, fires[1]), seed)
    arrays = arrays_of(agreement, first.n_features)
    if rows is not None:
        frequency = [fired.numpy() / rows.rows for fired in fires if fired is not None]
        arrays.update(by_decile(agreement, *frequency))
    return record.finding(KIND, measures=measures_of(agreement, resamples, seed), arrays=arrays)


def agreement_of(first: Directions, second: Directions, seed: int) -> Agreement:
    """Neighbours both ways, and the matchings with the second dictionary and with chance."""
    return Agreement(
        first,
        second,
        nearest(first.rows, second.rows)[0],
        nearest(second.rows, first.rows)[0],
        matched(first.rows, second.rows),
        matched(first.rows, shuffled(second.rows, seed)),
    )


def measures_of(agreement: Agreement, resamples: int, seed: int) -> list[Measure]:
    """Every number, with its interval over pairs."""
    pairs, first, second = agreement.pairs, agreement.first, agreement.second
    n = len(pairs.cosine)
    shared = int((pairs.cosine > SHARED).sum())
    mcc, chance = (bootstrap(one.cosine, resamples=resamples, seed=seed) for one in (pairs, agreement.chance))
    return [
        Measure.of("mcc", mcc, better="higher"),
        Measure.of("mcc_random", chance),
        Measure.of("mcc_gap", pairs.gap, n=n),
        Measure.of("first_to_second", float(agreement.forward.mean()), n=len(first), better="higher"),
        Measure.of("second_to_first", float(agreement.backward.mean()), n=len(second), better="higher"),
        Measure.of("shared", wilson(shared, n), better="higher"),
        Measure.of("dead_first", first.dead, unit="latents", n=len(first) + first.dead),
        Measure.of("dead_second", second.dead, unit="latents", n=len(second) + second.dead),
    ]


def arrays_of(agreement: Agreement, n_features: int) -> dict[str, Array]:
    """Each pair's cosine, and each first latent's partner."""
    pairs = agreement.pairs
    mine, others = agreement.first.latents[pairs.first], agreement.second.latents[pairs.second]
    partner = np.full(n_features, -1, dtype=np.int64)
    partner[mine] = others
    names = [f"{i} and {j}" for i, j in zip(mine, others, strict=True)]
    return {
        "matched": Array(pairs.cosine, ("pair",), {"pair": names}),
        "partner": Array(partner, ("feature",)),
    }


def by_decile(
    agreement: Agreement,
    first: Float[np.ndarray, " feature"],
    second: Float[np.ndarray, " feature"],
) -> dict[str, Array]:
    """Agreement of latents by how often they fire; nothing where there are fewer than ten."""
    pairs = agreement.pairs
    mine, others = first[agreement.first.latents], second[agreement.second.latents]
    ways = [
        (agreement.forward.numpy(), mine),
        (agreement.backward.numpy(), others),
        (pairs.cosine, mine[pairs.first]),
    ]
    if min(len(frequency) for _, frequency in ways) < DECILES:
        return {}
    coords: dict[str, Any] = {"way": list(WAYS), "decile": [str(i + 1) for i in range(DECILES)]}
    groups = [deciles(frequency) for _, frequency in ways]
    made = {}
    for name, column in (("deciles", 0), ("frequencies", 1)):
        means = [
            [values[column][group].mean() for group in each]
            for values, each in zip(ways, groups, strict=True)
        ]
        made[name] = Array(np.array(means), ("way", "decile"), coords)
    return made


def deciles(frequency: Float[np.ndarray, " latent"]) -> list[Int[np.ndarray, " member"]]:
    """Latents in ten groups of equal size, the rarest first; equal frequencies in order of latents."""
    return np.array_split(np.argsort(frequency, kind="stable"), DECILES)
