"""Which inputs make the two models disagree: every token and every ordered pair of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.audit.config import AuditConfig
from pellucid.audit.contexts import Stream, draw_contexts
from pellucid.audit.divergence import kl_divergence
from pellucid.audit.evidence import ALONE, Measured, Session, measured
from pellucid.audit.pair import Pair
from pellucid.findings import Array, Finding, Kind, Measure, View, register
from pellucid.models import Model, TextData, branch_logits

LOGITS_AT_ONCE = 2**22
SETTINGS = (
    "single_contexts",
    "single_length",
    "pair_length",
    "singles_kept",
    "pairs_kept",
    "vocabulary_kept",
    "pairs_a_job",
)

KIND = register(
    Kind(
        name="audit.candidates",
        title="Where the two models disagree",
        statement="{pairs.value} ordered pairs of tokens were tried, {coverage.percent} of all; after the "
        "most telling one the models differ by {largest_pair.value}.",
        supports="coverage.value >= 1",
        refutes="",
        views=(
            View(
                form="bar",
                array="pair_divergence",
                title="The pairs after which the models differ most",
                x="pair",
                y="KL",
                unit="nats",
            ),
            View(
                form="histogram",
                array="single_divergence",
                title="Divergence after each single token",
                x="KL",
                y="tokens",
                unit="nats",
            ),
        ),
        stance="observational",
        evidence="behavioural",
        room="audit",
    )
)


@dataclass(frozen=True)
class Candidates:
    """One or two tokens each that go on to confirmation, with the divergence that chose them."""

    tokens: tuple[tuple[int, ...], ...]
    divergence: tuple[float, ...]

    @classmethod
    def of(cls, finding: Finding) -> Candidates:
        """The candidates of a Finding ``audit.candidates``: singles first, then pairs."""
        singles, pairs = finding.arrays["single_tokens"].values, finding.arrays["pair_tokens"].values
        every = finding.arrays["single_divergence"].values
        tokens = [(int(token),) for token in singles] + [
            tuple(int(token) for token in pair) for pair in pairs
        ]
        scores = [float(every[token]) for token in singles]
        scores += [float(score) for score in finding.arrays["pair_divergence"].values]
        return cls(tuple(tokens), tuple(scores))


def candidates(pair: Pair, text: TextData, config: AuditConfig, *, session: Session = ALONE) -> Finding:
    """Try all tokens and all ordered pairs of tokens, and keep those after which M and R differ most.

    ``d(c) = mean_j KL(M || R)`` at the last token of ``P_j c``; singles after 8 contexts, pairs after one.
    The pairs run by branching: a prefix is run once and all next tokens are branches of one position. Where
    ``V^2 > 2^20`` the pairs are restricted to the 1 024 tokens of largest single divergence, and `coverage`
    says what share that is.

    Args:
        pair: Suspect M and reference R.
        text: Held-out ordinary text.
        config: Sizes and seed.
        session: Where the work runs and is kept.

    Returns:
        A Finding ``audit.candidates`` with measures `pairs`, `coverage`, `largest_pair`, `largest_single`.

    Example: ``candidates(Pair(suspect, reference), text, AuditConfig())``.

    Source: the exhaustive search of this project's audit; KL as in Kullback and Leibler (1951).
    """
    return measured(
        KIND,
        candidates,
        pair,
        text=text,
        settings={**config.part(*SETTINGS), "seed": config.seed},
        seed=config.seed,
        session=session,
        compute=lambda: search(pair, text, config, session),
    )


def search(pair: Pair, text: TextData, config: AuditConfig, session: Session) -> Measured:
    """Both searches, and their tables."""
    singles = single_divergence(pair, text, config, session)
    pool = pair_pool(singles, config.vocabulary_kept)
    grid = pair_divergence(pair, text, pool, config, session)
    best = top(grid.ravel(), config.pairs_kept)
    first, second = pool[best // len(pool)], pool[best % len(pool)]
    kept = top(singles, config.singles_kept)
    scores = grid.ravel()[best]
    names = [pair.suspect.tokenizer.decode([int(a), int(b)]) for a, b in zip(first, second, strict=True)]
    measures = [
        Measure.of("pairs", float(grid.size), better="higher"),
        Measure.of("coverage", grid.size / len(singles) ** 2, better="higher"),
        Measure.of("largest_pair", float(scores[0]), unit="nats"),
        Measure.of("largest_single", float(singles[kept[0]]), unit="nats"),
    ]
    arrays = {
        "single_divergence": Array(singles, ("vocab",), {"vocab": list(range(len(singles)))}),
        "single_tokens": Array(kept, ("single",), {}),
        "pair_divergence": Array(scores, ("pair",), {"pair": distinct(names)}),
        "pair_tokens": Array(np.stack([first, second], 1), ("pair", "place"), {}),
    }
    return Measured(measures, arrays)


def distinct(names: Sequence[str]) -> list[str]:
    """Names as labels: quoted, so that spaces show, and numbered, so that none is there twice."""
    return [f"{at + 1} {name!r}" for at, name in enumerate(names)]


def top(scores: Float[np.ndarray, "candidate"], count: int) -> Int[np.ndarray, "kept"]:
    """Indices of the largest scores, ties by index."""
    return np.argsort(-scores, kind="stable")[:count]


def pair_pool(singles: Float[np.ndarray, "vocab"], kept: int) -> Int[np.ndarray, "token"]:
    """The tokens whose pairs are tried: all, or those of largest single divergence, in token order."""
    return np.arange(len(singles)) if len(singles) <= kept else np.sort(top(singles, kept))


def single_divergence(
    pair: Pair, text: TextData, config: AuditConfig, session: Session
) -> Float[np.ndarray, "vocab"]:
    """Mean KL at every token of the vocabulary after the search contexts."""
    contexts = draw_contexts(
        text.tokens, config.single_contexts, config.single_length, config.seed, Stream.SINGLES
    )
    every = torch.arange(pair.vocabulary)
    size = max(1, LOGITS_AT_ONCE // pair.vocabulary)
    jobs = [
        (pair.suspect, pair.reference, contexts[at : at + 1], every[block : block + size])
        for at in range(len(contexts))
        for block in range(0, len(every), size)
    ]
    results = session.map("every token", branch_divergence, jobs)
    rows = np.concatenate([row[0] for row in results]).reshape(len(contexts), -1)
    return np.asarray(rows.astype(np.float64).mean(0))


def pair_divergence(
    pair: Pair, text: TextData, pool: Int[np.ndarray, "token"], config: AuditConfig, session: Session
) -> Float[np.ndarray, "first second"]:
    """KL after every ordered pair of tokens, after one search context."""
    context = draw_contexts(text.tokens, 1, config.pair_length, config.seed, Stream.PAIRS)[0]
    tokens = torch.from_numpy(pool)
    step = config.pairs_a_job
    jobs = [
        (pair.suspect, pair.reference, with_context(context, tokens[at : at + step]), tokens)
        for at in range(0, len(tokens), step)
    ]
    return np.concatenate(session.map("every pair", branch_divergence, jobs))


def with_context(context: Int[Tensor, "pos"], firsts: Int[Tensor, "first"]) -> Int[Tensor, "first next"]:
    """One prefix a first token: the context, then it."""
    return torch.cat([context.expand(len(firsts), -1), firsts[:, None]], dim=1)


@torch.no_grad()
def branch_divergence(
    suspect: Model, reference: Model, prefixes: Int[Tensor, "batch pos"], branches: Int[Tensor, "branch"]
) -> Float[np.ndarray, "batch branch"]:
    """KL at every branch after every prefix, few prefixes at a time so that the logits stay in cache."""
    rows = max(1, LOGITS_AT_ONCE // 2 // (len(branches) * int(suspect.facts.d_vocab)))
    parts = []
    for at in range(0, len(prefixes), rows):
        block = prefixes[at : at + rows]
        ours, theirs = branch_logits(suspect, block, branches), branch_logits(reference, block, branches)
        parts.append(kl_divergence(ours, theirs))
    return torch.cat(parts).numpy()
